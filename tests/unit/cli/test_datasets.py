"""Fetching data sets from a server that behaves as servers do: cut-offs, lies and hostile archives."""

import hashlib
import io
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from earshot import datasets
from earshot.errors import EarshotError


class Server(ThreadingHTTPServer):
    """Serves `content`; cuts the connection after `cut_after` bytes of an answer, `cuts` times."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = b""
        self.etag = '"1"'
        self.ranges = True
        self.cut_after = None
        self.cuts = 0
        self.status = None
        self.requests = []

    def url(self, name):
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        server = self.server
        server.requests.append(dict(self.headers))
        if server.status:
            self.send_error(server.status)
            return
        begin = 0
        wanted = self.headers.get("Range")
        fresh = self.headers.get("If-Range", server.etag) == server.etag
        if wanted and server.ranges and fresh:
            begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if begin >= len(server.content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(server.content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{len(server.content) - 1}/{len(server.content)}")
        else:
            self.send_response(200)
        body = server.content[begin:]
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", server.etag)
        self.end_headers()
        if server.cuts:
            server.cuts -= 1
            self.wfile.write(body[: server.cut_after])
            self.wfile.flush()
            self.connection.close()
            self.close_connection = True
            return
        self.wfile.write(body)


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def tar_gz(files):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def zip_of(files):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


CLIPS = {"yes/a.wav": b"a" * 5000, "no/b.wav": bytes(range(256)) * 40}


@pytest.mark.parametrize(("name", "pack"), [("words.zip", zip_of), ("words.tar.gz", tar_gz), ("words.tgz", tar_gz)])
def test_an_archive_becomes_a_folder_of_clips(server, tmp_path, name, pack):
    # GIVEN an archive with its right checksum
    server.content = pack(CLIPS)
    # WHEN it is fetched
    folder = datasets.fetch(datasets.Source(server.url(name), hashlib.sha256(server.content).hexdigest(), ""), tmp_path)
    # THEN its clips lie in a folder of the archive's name
    assert folder == tmp_path / "words"
    assert {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.wav")} == CLIPS


def test_a_folder_around_the_labels_is_taken_off(server, tmp_path):
    server.content = zip_of({f"mini_speech_commands/{name}": content for name, content in CLIPS.items()})
    folder = datasets.fetch(datasets.Source(server.url("mini_speech_commands.zip"), None, ""), tmp_path)
    assert sorted(p.name for p in folder.iterdir()) == ["no", "yes"]


def test_a_cut_download_goes_on_where_it_stopped(server, tmp_path):
    # GIVEN a server that cuts the connection twice
    server.content = tar_gz({"yes/a.wav": bytes(i * i % 251 for i in range(300_000))})
    server.cut_after, server.cuts = len(server.content) // 3, 2
    # WHEN the archive is fetched
    folder = datasets.fetch(datasets.Source(server.url("words.tar.gz"), None, ""), tmp_path)
    # THEN it is whole, and later requests asked only for what was missing
    assert (folder / "yes/a.wav").stat().st_size == 300_000
    ranges = [request.get("Range") for request in server.requests]
    assert ranges[0] is None
    assert ranges[1] == f"bytes={len(server.content) // 3}-"
    assert len(ranges) == 3


def test_a_download_cut_for_good_goes_on_in_the_next_fetch(server, tmp_path):
    server.content = tar_gz(CLIPS)
    server.cut_after, server.cuts = 7, datasets.TRIES
    wanted = datasets.Source(server.url("words.tar.gz"), None, "")
    with pytest.raises(EarshotError, match="run the same again"):
        datasets.fetch(wanted, tmp_path)
    server.cut_after, server.cuts = None, 0
    assert (datasets.fetch(wanted, tmp_path) / "yes/a.wav").exists()
    assert server.requests[-1]["Range"] == f"bytes={7 * datasets.TRIES}-"


def test_a_file_that_changed_on_the_server_is_begun_anew(server, tmp_path):
    # GIVEN a part of an old version
    server.content = tar_gz({"yes/a.wav": b"old" * 9000})
    server.cut_after, server.cuts = 9, datasets.TRIES
    wanted = datasets.Source(server.url("words.tar.gz"), None, "")
    with pytest.raises(EarshotError):
        datasets.fetch(wanted, tmp_path)
    # WHEN the server has a new one
    server.content, server.etag, server.cuts = tar_gz(CLIPS), '"2"', 0
    # THEN no byte of the old one is in what is fetched
    folder = datasets.fetch(wanted, tmp_path)
    assert (folder / "yes/a.wav").read_bytes() == CLIPS["yes/a.wav"]


def test_a_server_without_ranges_works(server, tmp_path):
    server.content, server.ranges = zip_of(CLIPS), False
    server.cut_after, server.cuts = 10, 1
    assert (datasets.fetch(datasets.Source(server.url("words.zip"), None, ""), tmp_path) / "yes/a.wav").exists()


def test_what_is_complete_is_not_fetched_again(server, tmp_path):
    server.content = zip_of(CLIPS)
    wanted = datasets.Source(server.url("words.zip"), None, "")
    datasets.fetch(wanted, tmp_path)
    datasets.fetch(wanted, tmp_path)
    assert len(server.requests) == 1


def test_a_wrong_checksum_is_refused_and_removed(server, tmp_path):
    server.content = zip_of(CLIPS)
    with pytest.raises(EarshotError, match=r"words\.zip: sha256 is .* fetch it again"):
        datasets.fetch(datasets.Source(server.url("words.zip"), "0" * 64, ""), tmp_path)
    assert not (tmp_path / "words.zip").exists()
    assert not (tmp_path / "words").exists()


@pytest.mark.parametrize("name", ["../evil.wav", "/evil.wav", "yes/../../evil.wav", "yes\\..\\evil.wav"])
def test_a_zip_member_that_would_leave_the_folder_is_refused(server, tmp_path, name):
    server.content = zip_of({name: b"evil"})
    with pytest.raises(EarshotError, match=r"words\.zip: member .* would leave the folder"):
        datasets.fetch(datasets.Source(server.url("words.zip"), None, ""), tmp_path)
    assert not list(tmp_path.rglob("evil.wav"))


@pytest.mark.parametrize("name", ["../evil.wav", "yes/../../evil.wav"])
def test_a_tar_member_that_would_leave_the_folder_is_refused(server, tmp_path, name):
    server.content = tar_gz({name: b"evil"})
    with pytest.raises(EarshotError, match=r"words\.tar\.gz: cannot be unpacked"):
        datasets.fetch(datasets.Source(server.url("words.tar.gz"), None, ""), tmp_path)
    assert not list(tmp_path.rglob("evil.wav"))


def test_a_link_out_of_the_folder_is_refused(server, tmp_path):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        link = tarfile.TarInfo("yes")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        archive.addfile(link)
    server.content = packed.getvalue()
    with pytest.raises(EarshotError, match="cannot be unpacked"):
        datasets.fetch(datasets.Source(server.url("words.tar.gz"), None, ""), tmp_path)


def test_a_damaged_archive_is_named(server, tmp_path):
    server.content = tar_gz({"yes/a.wav": bytes(i * i % 251 for i in range(50_000))})[:-500]
    with pytest.raises(EarshotError, match=r"words\.tar\.gz: cannot be unpacked"):
        datasets.fetch(datasets.Source(server.url("words.tar.gz"), None, ""), tmp_path)


def test_a_refusing_server_is_quoted(server, tmp_path):
    server.status = 403
    with pytest.raises(EarshotError, match="answers 403"):
        datasets.fetch(datasets.Source(server.url("words.zip"), None, ""), tmp_path)


@pytest.mark.parametrize("name", ["nonsense", "ftp://host/a.zip", "http:///a.zip"])
def test_a_name_that_is_no_source_is_refused(name):
    with pytest.raises(EarshotError, match="neither a data set"):
        datasets.source(name)


def test_a_page_is_no_archive(tmp_path):
    with pytest.raises(EarshotError, match="not an archive's name"):
        datasets.fetch(datasets.Source("http://127.0.0.1:1/index.html", None, ""), tmp_path)

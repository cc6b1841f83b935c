"""The client as a program: requests, files, and servers that misbehave. It runs under the sanitizers."""

# mypy: disable-error-code="no-untyped-def, no-any-return, import-not-found"

import json
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tuf_repository import ROLES, Key, Repository, date, file_of, signed

BAD_ROOT = b'{"signatures":[],"signed":{"_type":"root"}}'


@dataclass
class Program:
    path: Path
    folder: Path
    url: str
    said: str = field(default="")  # on standard error, the last time

    @property
    def metadata(self) -> Path:
        return self.folder / "metadata"

    @property
    def targets(self) -> Path:
        return self.folder / "targets"

    def command(self, *arguments: str) -> list[str]:
        return [str(self.path), "--metadata-dir", str(self.metadata), *arguments]

    def run(self, *arguments: str) -> int:
        done = subprocess.run(self.command(*arguments), capture_output=True, timeout=60, check=False)
        self.said = done.stderr.decode(errors="replace")
        assert done.returncode in (0, 1), (done.returncode, self.said)
        assert "Sanitizer" not in self.said, self.said
        assert (done.returncode == 0) == (self.said == "")
        return done.returncode

    def init(self, root: bytes) -> int:
        file = self.folder / "first.json"
        file.write_bytes(root)
        return self.run("init", str(file))

    def refresh(self) -> int:
        return self.run("--metadata-url", f"{self.url}/metadata", "refresh")

    def download(self, *names: str) -> int:
        options = [part for name in names for part in ("--target-name", name)]
        folders = ["--target-base-url", f"{self.url}/targets/", "--target-dir", str(self.targets)]
        return self.run("--metadata-url", f"{self.url}/metadata/", *options, *folders, "download")

    def stored(self) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in self.metadata.iterdir()}

    def fetched(self) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in self.targets.iterdir()}


class Served:
    """A repository's files, and its targets, on a server."""

    def __init__(self, server) -> None:
        self.server, self.repository = server, Repository()
        self.sync()

    def sync(self) -> None:
        self.server.files.update({f"/metadata/{name}": data for name, data in self.repository.files.items()})

    def release(self, **targets: bytes) -> None:
        for name, data in targets.items():
            self.add(name, data)
        self.repository.publish("targets", "snapshot", "timestamp")
        self.sync()

    def add(self, path: str, data: bytes, url: str | None = None) -> None:
        self.repository.add_target(path, data)
        digest = self.repository.contents["targets"]["targets"][path]["hashes"]["sha256"]
        folder, slash, name = (url or path).rpartition("/")
        prefix = f"{digest}." if self.repository.consistent else ""
        self.server.files[f"/targets/{folder}{slash}{prefix}{name}"] = data

    def requests(self) -> list[str]:
        seen = [path.removeprefix("/metadata/") for path, _ in self.server.requests]
        self.server.requests.clear()
        return seen


@pytest.fixture
def served(server) -> Served:
    return Served(server)


@pytest.fixture
def program(tmp_path, sanitized_build, served, server) -> Program:
    (tmp_path / "targets").mkdir()
    made = Program(sanitized_build / "earshot-tuf", tmp_path, server.url)
    assert made.init(served.repository.files["1.root.json"]) == 0
    return made


def test_init_keeps_the_root_and_asks_nobody(program, served):
    assert program.stored() == {"root.json": served.repository.files["1.root.json"]}
    assert served.requests() == []


@pytest.mark.parametrize("root", [b"", b"{}", BAD_ROOT, file_of(signed({}, [Key()]))])
def test_init_refuses_what_is_no_root(program, root):
    before = program.stored()
    assert program.init(root) == 1
    assert program.stored() == before
    assert program.run("init", "/nowhere/root.json") == 1


def test_refresh_stores_each_role_under_its_plain_name(program, served):
    assert program.refresh() == 0
    assert served.requests() == ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"]
    names = {role: served.repository.name(role) for role in ROLES}
    assert program.stored() == {f"{role}.json": served.repository.files[name] for role, name in names.items()}


def test_a_target_is_fetched_once_and_again_when_it_changes(program, served):
    served.release(first=b"one", second=b"")
    # WHEN two targets are asked for
    assert program.download("first", "second") == 0
    assert program.fetched() == {"first": b"one", "second": b""}
    # THEN the same again costs no request for them
    served.requests()
    assert program.download("second", "first") == 0
    assert served.requests() == ["2.root.json", "timestamp.json"]
    # AND a change is followed, as is damage to what was fetched
    served.release(first=b"two")
    assert program.download("first") == 0
    assert program.fetched()["first"] == b"two"
    (program.targets / "first").write_bytes(b"tw")
    assert program.download("first") == 0
    assert program.fetched()["first"] == b"two"


def test_targets_are_fetched_in_order_up_to_the_first_that_fails(program, served):
    served.release(a=b"a", b=b"b")
    assert program.download("a", "missing", "b") == 1
    assert program.said.startswith("earshot-tuf: missing: the targets file does not list this target")
    assert program.fetched() == {"a": b"a"}


@pytest.mark.parametrize(
    ("path", "url", "file"),
    [
        ("path/to/file.txt", "path/to/file.txt", "path%2Fto%2Ffile.txt"),
        ("../up", "../up", "%2E.%2Fup"),
        ("..", "..", "%2E."),
        (".", ".", "%2E"),
        ("/absolute", "/absolute", "%2Fabsolute"),
        ("a b?c#d", "a%20b%3Fc%23d", "a%20b%3Fc%23d"),
        ("100%", "100%25", "100%25"),
        ("a%20b", "a%20b", "a%2520b"),
        ('schön\n"\\', "sch%C3%B6n%0A%22%5C", "sch%C3%B6n%0A%22%5C"),
    ],
)
def test_names_that_must_be_quoted_in_urls_and_stay_in_their_folder(program, served, path, url, file):
    served.add(path, b"data", url)
    served.release()
    assert program.download(path) == 0
    assert program.fetched() == {file: b"data"}
    assert {entry.name for entry in program.folder.iterdir()} == {"metadata", "targets", "first.json"}


def test_without_consistent_snapshots_nothing_has_a_prefix(program, served):
    served.repository.contents["root"]["consistent_snapshot"] = False
    served.add("a/b", b"data")
    served.repository.publish("root")
    served.release()
    assert program.download("a/b") == 0
    assert served.requests()[-3:] == ["snapshot.json", "targets.json", "/targets/a/b"]


@pytest.mark.parametrize("other", [b"", b"datb", b"dat", b"data and more"])
def test_a_target_that_is_not_what_was_signed_is_not_kept(program, served, other):
    served.release(good=b"data")
    path = next(path for path in served.server.files if path.endswith(".good"))
    served.server.files[path] = other
    assert program.download("good") == 1
    assert program.fetched() == {}


def test_a_target_with_no_hash_that_is_known_is_refused_in_words(program, served):
    served.repository.add_target("good", b"data")
    served.repository.contents["targets"]["targets"]["good"]["hashes"] = {"sha512": "0" * 128}
    served.release()
    assert program.download("good") == 1
    assert "without a sha256" in program.said
    assert not any(name.startswith("/targets/") for name in served.requests())


def _raw(text: bytes):
    return lambda handler: handler.raw(text)


def _drip(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    try:
        for _ in range(400):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.05)
    except OSError:
        handler.close_connection = True


SERVERS = {
    "redirect": (_raw(b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n"), "HTTP_REDIRECT"),
    "another status": (_raw(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"), "HTTP_STATUS"),
    "truncated": (_raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"), "NET_CLOSED"),
    "oversized": (_raw(b"HTTP/1.1 200 OK\r\nContent-Length: 4000000000\r\n\r\n{}"), "HTTP_LENGTH"),
    "without a length": (_raw(b"HTTP/1.1 200 OK\r\n\r\n{}"), "HTTP_LENGTH"),
    "chunked": (_raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"), "HTTP_CHUNKED"),
    "an endless header": (_raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 2000), "HTTP_HEADER_SIZE"),
    "closed at once": (_raw(b""), "NET_CLOSED"),
}


@pytest.mark.parametrize("name", ["2.root.json", "timestamp.json", "2.snapshot.json", "2.targets.json"])
@pytest.mark.parametrize(("answer", "reason"), SERVERS.values(), ids=SERVERS)
def test_a_server_that_misbehaves_changes_nothing_that_is_trusted(program, served, name, answer, reason):
    # GIVEN an up-to-date client, and a release
    assert program.refresh() == 0
    before = program.stored()
    served.release(new=b"data")
    # WHEN the server misbehaves at one file
    served.server.attacks[f"/metadata/{name}"] = answer
    # THEN the client says so, of that file
    assert program.refresh() == 1
    assert program.said.startswith(f"earshot-tuf: {name.split('.')[-2]}.json: ")
    assert f"(ES_ERR_{reason})" in program.said
    # AND what is stored is what it was, or new and signed
    after = program.stored()
    for file, data in after.items():
        assert data in (before[file], served.repository.files[served.repository.name(file.removesuffix(".json"))])
    assert after["targets.json"] == before["targets.json"]


def test_a_slow_server_is_left_at_the_deadline(program, served):
    served.server.attacks["/metadata/timestamp.json"] = _drip
    start = time.monotonic()
    assert program.refresh() == 1
    assert "ES_ERR_NET_TIMEOUT" in program.said
    assert time.monotonic() - start < 18


def test_forbidden_is_how_some_storage_says_missing(program, served):
    served.server.attacks["/metadata/2.root.json"] = _raw(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    assert program.refresh() == 0


def test_a_new_root_stays_even_where_the_timestamp_is_refused(program, served):
    served.repository.publish("root")
    served.sync()
    served.server.files["/metadata/timestamp.json"] = b"{}"
    assert program.refresh() == 1
    assert program.stored() == {"root.json": served.repository.files["2.root.json"]}


def test_what_expires_is_held_against_the_system_s_clock(program, served):
    served.repository.contents["timestamp"]["expires"] = date(time.time() - 60)
    served.release()
    assert program.refresh() == 1
    assert "timestamp.json: the timestamp has expired" in program.said


@pytest.mark.parametrize("role", ROLES[1:])
def test_a_place_that_cannot_be_written_is_an_error_and_leaves_no_trace(program, role):
    (program.metadata / f"{role}.json").mkdir()
    assert program.refresh() == 1
    assert "ES_ERR_TUF_STORE" in program.said
    assert sorted(file.name for file in program.metadata.iterdir()) == sorted(
        ["root.json"] + [f"{r}.json" for r in ROLES[1 : ROLES.index(role) + 1]]
    )


def test_a_client_that_is_killed_at_any_request_goes_on(program, served):
    # GIVEN an up-to-date client, a new root and a release
    assert program.refresh() == 0
    served.repository.publish("root")
    served.release(model=b"data" * 1000)
    before = program.stored()
    served.requests()
    names = ["2.root.json", "3.root.json", "timestamp.json", "2.snapshot.json", "2.targets.json"]
    for name in names:
        for file, data in before.items():
            (program.metadata / file).write_bytes(data)
        reached = threading.Event()

        def hang(handler, reached=reached):
            reached.set()
            handler.close_connection = True
            handler.connection.recv(1)  # until the client is gone

        served.server.attacks = {f"/metadata/{name}": hang}
        # WHEN it is killed in the middle of a request
        with subprocess.Popen(program.command("--metadata-url", f"{program.url}/metadata", "refresh")) as running:
            assert reached.wait(20)
            running.kill()
        served.server.attacks = {}
        # THEN it gets there the next time
        assert program.refresh() == 0
        assert {json.loads(data)["signed"]["version"] for data in program.stored().values()} == {2}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
@example(b"[" * 100_000)
@example(b'"' + b"\\" * 1001)
@example(b'{"signed":{},"signatures":[')
@example(b'{"a":"\\ud8')
def test_no_bytes_are_a_root_by_chance(program, data):
    assert program.init(data) == 1


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_root_with_anything_in_the_place_of_anything_is_refused_or_as_good(program, served, data):
    """Every value of a signed root, one at a time, becomes another JSON value, and the whole is signed."""
    content = json.loads(served.repository.files["1.root.json"])["signed"]
    place = content
    while True:
        key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else list(range(len(place)))))
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.integers(0, 4)) == 0:
            break
        place = inner
    values = st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
    place[key] = data.draw(values | st.just([]) | st.just({}) | st.lists(values, max_size=3))
    signatures = signed(content, served.repository.keys["root"])
    assert program.init(file_of(signatures)) in (0, 1)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["init"],
        ["refresh"],
        ["--metadata-url", "http://127.0.0.1", "download"],
        ["--metadata-url", "http://127.0.0.1", "frobnicate"],
        ["--metadata-url", "ftp://127.0.0.1", "refresh"],
        ["--metadata-url"],
        ["--what", "is", "refresh"],
        ["init", "a", "b"],
    ],
)
def test_misuse_is_said_in_words(program, arguments):
    assert program.run(*arguments) == 1
    assert "earshot-tuf: " in program.said


def test_the_folder_for_metadata_is_made(program, served):
    program.metadata.rename(program.folder / "old")
    assert program.init(served.repository.files["1.root.json"]) == 0
    assert list(program.stored()) == ["root.json"]

"""Fetch a data set: download with resume, check it, unpack it safely."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import httpx

from earshot.errors import EarshotError

TRIES = 5


@dataclass(frozen=True)
class Source:
    """Where a data set is published.

    Attributes:
        url: Archive, .zip, .tar.gz, .tgz or .tar.
        sha256: Of the archive, or None where the publisher states none.
        licence: What its users owe.
    """

    url: str
    sha256: str | None
    licence: str


SOURCES = {
    "mini": Source(
        "https://storage.googleapis.com/download.tensorflow.org/data/mini_speech_commands.zip",
        None,
        "Mini Speech Commands, from Speech Commands (P. Warden, 2018), CC BY 4.0",
    ),
    "speech-commands": Source(
        "https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
        "af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
        "Speech Commands v0.02 (P. Warden, arXiv:1804.03209, 2018), CC BY 4.0",
    ),
}


def source(name: str, sha256: str | None = None) -> Source:
    """The source a user named: `mini`, `speech-commands`, or a URL.

    Raises:
        EarshotError: It is none of them.
    """
    if name in SOURCES:
        known = SOURCES[name]
        return Source(known.url, sha256 or known.sha256, known.licence)
    if urlsplit(name).scheme in ("http", "https") and urlsplit(name).hostname:
        return Source(name, sha256, "see its publisher")
    raise EarshotError(f"{name}: neither a data set ({', '.join(SOURCES)}) nor an http(s) URL")


def fetch(
    wanted: Source, directory: Path, progress: Callable[[int, int | None], None] = lambda done, total: None
) -> Path:
    """Download an archive into `directory` and unpack it beside itself.

    A download that was cut off goes on where it stopped. What is complete and has the right checksum is not fetched
    again.

    Args:
        wanted: What to fetch.
        directory: Made if missing. The archive stays in it.
        progress: Called with bytes so far and bytes in all (None while unknown).

    Returns:
        The folder of clips: `directory/<archive's name without endings>`.

    Raises:
        EarshotError: The server refuses, the checksum differs, or the archive is damaged or hostile.
    """
    directory.mkdir(parents=True, exist_ok=True)
    name = PurePosixPath(urlsplit(wanted.url).path).name
    folder = name
    for ending in (".tar.gz", ".tgz", ".tar", ".zip"):
        folder = folder.removesuffix(ending)
    if not folder or folder == name:
        raise EarshotError(f"{wanted.url}: not an archive's name; .zip, .tar.gz, .tgz or .tar is needed")
    archive = directory / name
    if not archive.exists():
        _download(wanted.url, archive, progress)
    if wanted.sha256 and _sha256(archive) != wanted.sha256:
        found = _sha256(archive)
        archive.unlink()
        raise EarshotError(f"{name}: sha256 is {found}, not {wanted.sha256}; it was removed, fetch it again")
    clips = directory / folder
    _unpack(archive, clips)
    return clips


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(url: str, archive: Path, progress: Callable[[int, int | None], None]) -> None:
    part = archive.with_name(archive.name + ".part")
    tag = archive.with_name(archive.name + ".etag")  # a part is only good for the version it was begun from
    failure: Exception | None = None
    with httpx.Client(follow_redirects=True, timeout=30) as client:
        for _ in range(TRIES):
            try:
                _go_on(client, url, part, tag, progress)
            except httpx.TransportError as error:
                failure = error
                continue
            part.rename(archive)
            tag.unlink(missing_ok=True)
            return
    raise EarshotError(f"{url}: {failure or 'no answer'}; run the same again to go on where it stopped")


def _go_on(client: httpx.Client, url: str, part: Path, tag: Path, progress: Callable[[int, int | None], None]) -> None:
    """Fetch what is missing of a part."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if tag.exists():
            headers["If-Range"] = tag.read_text()
    with client.stream("GET", url, headers=headers) as answer:
        if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            total = answer.headers.get("Content-Range", "").rpartition("/")[2]
            if total == str(have):
                return
            part.unlink()
            raise httpx.ReadError(f"the server no longer has the file that {part} was begun from")
        if answer.status_code not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
            raise EarshotError(
                f"{url}: the server answers {answer.status_code} {answer.reason_phrase}; check the address"
            )
        goes_on = answer.status_code == httpx.codes.PARTIAL_CONTENT
        if not goes_on:
            have = 0
            if "ETag" in answer.headers and not answer.headers["ETag"].startswith("W/"):
                tag.write_text(answer.headers["ETag"])
            else:
                tag.unlink(missing_ok=True)
        length = answer.headers.get("Content-Length")
        total_bytes = have + int(length) if length else None
        with part.open("ab" if goes_on else "wb") as file:
            for chunk in answer.iter_raw():
                file.write(chunk)
                have += len(chunk)
                progress(have, total_bytes)
        if total_bytes is not None and have != total_bytes:
            raise httpx.ReadError(f"{have} of {total_bytes} bytes came")


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack into a new folder that appears only when it is whole; a member that leaves it is refused."""
    if folder.exists():
        return
    making = folder.with_name(folder.name + ".unpacking")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir()
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                for member in packed.infolist():
                    _refuse_escape(archive, member.filename)
                packed.extractall(making)  # noqa: S202 - every name was checked above
        else:
            with tarfile.open(archive) as packed:
                packed.extractall(making, filter="data")
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        shutil.rmtree(making, ignore_errors=True)
        raise EarshotError(f"{archive.name}: cannot be unpacked ({error}); remove it and fetch it again") from error
    # An archive with one folder that holds the labels' folders is that folder.
    inside = [p for p in making.iterdir() if p.name != "__MACOSX"]
    if len(inside) == 1 and inside[0].is_dir() and any(p.is_dir() for p in inside[0].iterdir()):
        inside[0].rename(folder)
        shutil.rmtree(making)
    else:
        making.rename(folder)


def _refuse_escape(archive: Path, name: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name:
        raise EarshotError(f"{archive.name}: member {name!r} would leave the folder; this archive is not to be trusted")

"""Pack the jobs' sources: the same sources give the same bytes, whoever packs them and when.

Usage: pack.py JOBS_DIR ARCHIVE
"""

import gzip
import io
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

_WANTED = ("preprocess.py", "train.py", "kws", "serve", "requirements.txt")
_IGNORED = {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", "build"}
_IGNORED_SUFFIXES = {".pyc", ".so", ".o", ".swp"}


def sources(folder: Path) -> Iterator[Path]:
    """The files of the jobs that containers need, sorted, relative to `folder`.

    Raises:
        FileNotFoundError: when one of the parts is missing.
    """
    for name in sorted(_WANTED):
        part = folder / name
        if not part.exists():
            raise FileNotFoundError(f"{part}: missing; the jobs' archive would not run without it")
        found = [part] if part.is_file() else sorted(each for each in part.rglob("*") if each.is_file())
        for path in found:
            relative = path.relative_to(folder)
            if not _IGNORED & set(relative.parts) and path.suffix not in _IGNORED_SUFFIXES:
                yield relative


def pack(folder: Path) -> bytes:
    """The archive: sorted, without times, owners or permissions of this machine."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for relative in sources(folder):
            content = (folder / relative).read_bytes()
            member = tarfile.TarInfo(relative.as_posix())
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=packed, mode="wb", compresslevel=9, mtime=0) as stream:
        stream.write(plain.getvalue())
    return packed.getvalue()


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(pack(Path(sys.argv[1])))

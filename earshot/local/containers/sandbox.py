"""A container's view of the file system, for a process of this machine.

Where user and mount namespaces are allowed, a job sees its own folder at
`/opt/ml` and another one at `/tmp`, as in a container: nothing in the job needs
to know that it runs locally, and two hosts of one job do not meet in `/tmp`.

Where they are not allowed, the same paths in the entry point's words are
rewritten to the job's folder, and `SAGEMAKER_BASE_DIR` (which SageMaker's own
toolkit reads) names what `/opt/ml` would be. A job whose source has `/opt/ml`
written into it then reads nothing: this is the one limit of the fallback.
"""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ML = "/opt/ml"
TMP = "/tmp"  # noqa: S108 - the place itself, in the container
_CONTAINER_PATH = re.compile(r"(?<![\w./-])(?:/opt/ml|/tmp)(?![\w.-])")

# $1 the folder for /opt/ml, $2 the folder for /tmp, $3 a scratch folder, $4 the working directory, $5 paths to keep
# visible although they lie below /tmp (one a line); then the command.
_ENTER = """\
set -e
ml=$1 tmp=$2 scratch=$3 cwd=$4 keep=$5
shift 5
printf '%s\\n' "$keep" | while IFS= read -r path; do
  [ -n "$path" ] || continue
  mkdir -p "$tmp/${path#/tmp/}"
  mount --rbind "$path" "$tmp/${path#/tmp/}"
done
if [ ! -d /opt/ml ]; then
  mkdir -p "$scratch/opt" /opt 2>/dev/null || true
  mount --rbind /opt "$scratch/opt"
  mount -t tmpfs opt /opt
  for entry in "$scratch/opt"/*; do
    name=/opt/${entry##*/}
    if [ -L "$entry" ]; then cp -P "$entry" "$name"
    elif [ -d "$entry" ]; then mkdir "$name"; mount --rbind "$entry" "$name"
    elif [ -e "$entry" ]; then : > "$name"; mount --bind "$entry" "$name"
    fi
  done
  mkdir /opt/ml
fi
mount --bind "$ml" /opt/ml
mount --rbind "$tmp" /tmp
cd "$cwd"
exec "$@"
"""


@dataclass(frozen=True)
class Room:
    """The folders that one container has of its own.

    Attributes:
        root: the folder that holds the others.
    """

    root: Path

    @property
    def ml(self) -> Path:
        """What the container sees as /opt/ml."""
        return self.root / "ml"

    @property
    def tmp(self) -> Path:
        """What the container sees as /tmp."""
        return self.root / "tmp"

    def outside(self, path: str) -> Path:
        """Give the place on this machine of a path that the container sees below /opt/ml.

        Raises:
            ValueError: a path that is not below /opt/ml, or that climbs out of it.
        """
        relative = Path(path)
        if not relative.is_relative_to(ML) or ".." in relative.parts:
            raise ValueError(f"{path}: containers read and write below {ML} only")
        return self.ml / relative.relative_to(ML)

    def prepare(self) -> None:
        """Make the folders, empty."""
        shutil.rmtree(self.root, ignore_errors=True)
        for folder in (self.ml, self.tmp, self.root / "scratch"):
            folder.mkdir(parents=True)


@functools.cache
def namespaces_work() -> bool:
    """Try once whether this machine lets a process mount over /opt/ml and /tmp for itself."""
    if not shutil.which("unshare"):
        return False
    probe = ["unshare", "-Urm", "sh", "-c", "mount -t tmpfs probe /opt && mkdir /opt/ml && mount -t tmpfs probe /tmp"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def dies_with_parent() -> list[str]:
    """Give the command prefix by which a process ends when the local cloud does, even by a crash."""
    return ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []


def enclosed(
    command: list[str], environment: dict[str, str], room: Room, directory: str, keep: list[Path]
) -> tuple[list[str], dict[str, str]]:
    """Give the command and environment that run a container's entry point in its room.

    Args:
        command: the entry point and its arguments, in the container's own paths.
        environment: the container's environment.
        room: its folders.
        directory: the working directory inside.
        keep: folders of this machine that must stay visible (interpreters), wherever they are.
    """
    if namespaces_work():
        below_tmp = sorted({str(path) for path in keep if path.is_relative_to(TMP)})
        folders = [str(room.ml), str(room.tmp), str(room.root / "scratch"), directory, "\n".join(below_tmp)]
        inside = [*dies_with_parent(), "sh", "-c", _ENTER, "container", *folders, *command]
        return ["unshare", "-Urm", *inside], environment
    rewritten = [_rewritten(word, room) for word in command]
    base = {"SAGEMAKER_BASE_DIR": str(room.ml), "TMPDIR": str(room.tmp)}
    moved = {key: _rewritten(value, room) for key, value in environment.items()}
    place = _rewritten(directory, room)
    return [*dies_with_parent(), "sh", "-c", 'cd "$1"; shift; exec "$@"', "container", place, *rewritten], {
        **moved,
        **base,
    }


def _rewritten(word: str, room: Room) -> str:
    """Replace a container's paths; all in one pass, since the job's own folder may lie below /tmp."""
    places = {ML: str(room.ml), TMP: str(room.tmp)}
    return _CONTAINER_PATH.sub(lambda match: places[match[0]], word)

"""Writes powercut_files.h: what the server of powercut.c has, stage by stage.

    python powercut.py FOLDER

Stage 1 offers 1.0.1; stage 2 brings a new root that takes timestamp's and snapshot's keys away, and 1.0.2; stage 3
offers 1.0.3, which fails its trial, as a candidate beside 1.0.1; stage 4 offers 1.0.4, whose download
is noted on its way.
"""

# mypy: disable-error-code="no-untyped-def, import-not-found"

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "unit" / "firmware"), str(ROOT / "jobs")]

from kws import features  # noqa: E402
from release_server import BOARD  # noqa: E402
from signing import SigningKey, model_image  # noqa: E402
from tuf_repository import NOW, Key  # noqa: E402
from update_repository import METADATA, UpdateRepository  # noqa: E402


class Stages:
    """Files of all stages, as C."""

    def __init__(self) -> None:
        self.files: list[tuple[int, str, bytes]] = []
        self._known: dict[str, bytes] = {}

    def add(self, stage: int, files: dict[str, bytes]) -> None:
        for path, data in files.items():
            if self._known.get(path) != data:
                self.files.append((stage, path, data))
                self._known[path] = data


def array(name: str, data: bytes) -> str:
    return f"static const uint8_t {name}[{len(data)}] = {{{','.join(map(str, data))}}};\n"


def main(folder: Path) -> None:
    key = SigningKey()

    def image(n: int, payload: bytes) -> bytes:
        with tempfile.TemporaryDirectory() as scratch:
            return model_image(
                Path(scratch), payload, key, version=f"1.0.{n}", counter=n, board=BOARD, frontend=features.MICRO.id
            )

    repository, stages = UpdateRepository(with_hashes=False), Stages()
    roots = [repository.files["1.root.json"]]

    def stage(number: int, n: int, payload: bytes, name: str = "model.img") -> None:
        data = image(n, payload)
        path = repository.offer(data, f"1.0.{n}", name)
        repository.publish("targets", "snapshot", "timestamp")
        stages.add(number, {path: data} | {METADATA + file: content for file, content in repository.files.items()})

    good = b"GOOD" + bytes(800)
    stage(1, 1, good)
    repository.keys = dict(repository.keys) | {"timestamp": [Key()], "snapshot": [Key()]}
    repository.publish("root")
    roots.append(repository.files["2.root.json"])
    stage(2, 2, good + b"2")
    repository.offer(image(1, good), "1.0.1")
    stage(3, 3, b"BAD!" + bytes(800), "candidate.img")
    repository.withdraw()
    stage(4, 4, good + bytes(range(256)) * 140)

    lines = [f'static const uint64_t now = {NOW}u;\n#define BOARD "{BOARD}"\n', array("signing_key", key.spki)]
    lines += [array(f"root_{n + 1}", data) for n, data in enumerate(roots)]
    lines += [array(f"file_{n}", data) for n, (_, _, data) in enumerate(stages.files)]
    lines.append("static const served files[] = {\n")
    lines += [
        f'    {{{number}, "{path}", file_{n}, sizeof file_{n}}},\n' for n, (number, path, _) in enumerate(stages.files)
    ]
    lines.append("};\n")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "powercut_files.h").write_text("".join(lines))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

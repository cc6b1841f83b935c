"""Clips of a synthesiser for benchmarks where no recordings are given.

.venv/main/bin/python benchmarks/speak.py FOLDER
"""

import sys
from pathlib import Path

from earshot.clips import Drop
from earshot.demo import drops


def main() -> None:
    folder = Path(sys.argv[1])
    spoken: list[Drop] = drops.synthesise(folder / "parts", ["yes", "no"], lambda done, total: None).first
    for drop in spoken:
        target = folder / drop.key.removeprefix("clips/")
        target.parent.mkdir(parents=True, exist_ok=True)
        drop.path.replace(target)


if __name__ == "__main__":
    main()

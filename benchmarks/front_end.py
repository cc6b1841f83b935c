"""Clips a second on one core: the front end in numpy beside TFLM's C library.

.venv/jobs/bin/python benchmarks/front_end.py
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
TESTS = REPOSITORY / "tests" / "unit" / "jobs"
sys.path[:0] = [str(REPOSITORY / "jobs"), str(TESTS)]

import oracle
import results_file
from kws import features, firmware

CLIPS = 512
ROUNDS = 3


def clips_a_second(work: Callable[[], object]) -> float:
    """The best of a few rounds, in CPU time."""
    spent = []
    for _ in range(ROUNDS):
        started = time.process_time()
        work()
        spent.append(time.process_time() - started)
    return CLIPS / min(spent)


def main() -> None:
    clips = np.random.default_rng(0).integers(-3000, 3000, (CLIPS, 16000)).astype(np.int16)
    library = oracle.build(REPOSITORY / "build" / "oracle", TESTS / "oracle-requirements.txt")
    board = firmware.Library()
    results = {
        "kws.features (numpy)": clips_a_second(lambda: features.MICRO.features(clips)),
        "the board's C on this machine": clips_a_second(lambda: board.features(clips, features.MICRO.shape)),
        "TFLM's C library": clips_a_second(lambda: [library.features(clip) for clip in clips]),
    }
    results_file.write("front_end", "clips/s on one core", results, beside="TFLM's C library")


if __name__ == "__main__":
    main()

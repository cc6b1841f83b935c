"""Clips a second on one core: both front ends, in numpy, with the C of the jobs, in the board's C, and TFLM's.

.venv/jobs/bin/python benchmarks/front_end.py
"""

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
TESTS = REPOSITORY / "tests" / "unit" / "jobs"
sys.path[:0] = [str(REPOSITORY / "jobs"), str(TESTS)]

import oracle
import results_file
from kws import features, firmware, native

CLIPS = 256
ROUNDS = 8


def clips_a_second(rivals: dict[str, Callable[[], object]]) -> dict[str, float]:
    """The best of some rounds of each, in CPU time; in turns, so that a busy machine disturbs all alike."""
    best = dict.fromkeys(rivals, float("inf"))
    for _ in range(ROUNDS):
        for name, work in rivals.items():
            started = time.process_time()
            work()
            best[name] = min(best[name], time.process_time() - started)
    return {name: CLIPS / spent for name, spent in best.items()}


def main() -> None:
    clips = np.random.default_rng(0).integers(-3000, 3000, (CLIPS, 16000)).astype(np.int16)
    library = oracle.build(REPOSITORY / "build" / "oracle", TESTS / "oracle-requirements.txt")
    board = firmware.Library()
    if not features.speed_up():
        sys.exit("front_end: no C compiler that gives numpy's bytes: install gcc to measure what jobs use")
    fast = native.library()
    assert fast is not None

    def in_numpy(front_end: features.FrontEnd) -> Callable[[], object]:
        def work() -> None:
            native.use(None)
            front_end.features(clips)
            native.use(fast)

        return work

    rivals: dict[str, Callable[[], object]] = {
        "TFLM's C library, micro": lambda: [library.features(clip) for clip in clips]
    }
    for known in features.FRONT_ENDS.values():
        rivals |= {
            f"kws with C, {known.name}": partial(known.features, clips),
            f"kws in numpy, {known.name}": in_numpy(known),
            f"the board's C here, {known.name}": partial(board.features, clips, known),
        }
    results_file.write("front_end", "clips/s on one core", clips_a_second(rivals), beside="TFLM's C library, micro")


if __name__ == "__main__":
    main()

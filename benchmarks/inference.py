"""Inferences a second on one core: the board's C on this machine beside TensorFlow Lite Micro, same model and inputs.

.venv/jobs/bin/python benchmarks/inference.py
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "jobs")]

import results_file
from kws import features, firmware, models, quantise, tflm

INPUTS = 500
ROUNDS = 3


def inferences_a_second(infer: Callable[[np.ndarray], object], inputs: np.ndarray) -> float:
    """The best of a few rounds, in CPU time."""
    spent = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for one in inputs:
            infer(one)
        spent.append(time.process_time() - started)
    return len(inputs) / min(spent)


def main() -> None:
    shape = (*features.MICRO.shape, 1)
    inputs = np.random.default_rng(0).integers(-128, 128, (INPUTS, *shape[:2])).astype(np.int8)
    content = quantise.to_int8(models.build("tiny_conv", shape, 4), inputs)
    board = firmware.Library().open(content, "tiny_conv")
    reference = tflm.Model(content, "tiny_conv")
    answers = [engine.answer(inputs[:64]) for engine in (board, reference)]
    if not np.array_equal(*answers):
        sys.exit("the engines disagree: their speeds are not comparable")
    figures = {
        "the board's C, portable kernels": inferences_a_second(lambda one: board.answer(one[None]), inputs),
        "tflite-micro, reference kernels": inferences_a_second(lambda one: reference.answer(one[None]), inputs),
    }
    results_file.write("inference_tiny_conv", "inferences/s on one core", figures, "tflite-micro, reference kernels")


if __name__ == "__main__":
    main()

"""Many inferences by all cores: forked processes, each with an interpreter of its own.

Children touch numpy and TFLM only, never TensorFlow, whose threads a fork leaves behind.
"""

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import numpy as np
import numpy.typing as npt

from kws import flatbuffer, tflm

Int8 = npt.NDArray[np.int8]

_ROWS_A_TASK = 128

# What a child answers: inherited by the fork, so that rows are neither copied nor sent.
_parts: list[Sequence[Int8]] = []
_model: list[tflm.Model] = []


def _begin(content: bytes, parts: Sequence[Int8]) -> None:
    _model[:] = [tflm.Model(content, "model.tflite")]
    _parts[:] = [parts]


def _answer(task: tuple[int, int]) -> Int8:
    part, start = task
    return _model[0].answer(_parts[0][part][start : start + _ROWS_A_TASK])


def answers(content: bytes, parts: Sequence[Int8], processes: int | None = None) -> list[Int8]:
    """Scores of an int8 model by TFLM; the same however many processes work on them.

    Args:
        content: the .tflite file.
        parts: features, each int8 (n, frames, channels); views are not copied.
        processes: how many; None for one a core.

    Returns:
        For each part int8 (n, classes).

    Raises:
        flatbuffer.ModelFileError: not a model that TFLM runs, or one that ends its process.
    """
    own = tflm.Model(content, "model.tflite")
    tasks = [(index, start) for index, part in enumerate(parts) for start in range(0, len(part), _ROWS_A_TASK)]
    processes = min(processes or len(os.sched_getaffinity(0)), len(tasks))
    if processes < 2:
        return [own.answer(part) for part in parts]
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(processes, fork, _begin, (content, parts)) as pool:
        try:
            done = list(pool.map(_answer, tasks))
        except BrokenProcessPool as error:
            raise flatbuffer.ModelFileError("model.tflite: TFLM's process ends on it; convert it again") from error
    collected: list[list[Int8]] = [[np.empty((0, own.output_size), np.int8)] for _ in parts]
    for (index, _), scores in zip(tasks, done, strict=True):
        collected[index].append(scores)
    return [np.concatenate(scores) for scores in collected]

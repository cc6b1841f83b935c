"""Int8 models by TFLM's own kernels: what a microcontroller with them would answer, to the bit."""

import multiprocessing
import os
import re
import sys
import tempfile

import numpy as np
import numpy.typing as npt
from tflite_micro import runtime

from kws import flatbuffer

Int8 = npt.NDArray[np.int8]

_SMALLEST_ARENA = 1 << 20
# Far beyond any model of a microcontroller.
_PATIENCE_SECONDS = 60
_ARENA_TOTAL = re.compile(r"Arena allocation total (\d+) bytes")


class Model:
    """An int8 model, ready to answer.

    Args:
        content: the .tflite file.
        name: what to call it in errors.

    Raises:
        flatbuffer.ModelFileError: not a .tflite, not int8, or not runnable by TFLM.
    """

    engine = "tflm"

    def __init__(self, content: bytes, name: str) -> None:
        flatbuffer.parse(content, name)
        try:
            self._interpreter = runtime.Interpreter.from_bytes(
                content, arena_size=max(_SMALLEST_ARENA, 10 * len(content))
            )
        except (RuntimeError, ValueError) as error:
            raise flatbuffer.ModelFileError(f"{name}: TFLM cannot run it ({error}); use its operators") from error
        self._input = self._interpreter.get_input_details(0)
        self._output = self._interpreter.get_output_details(0)
        for tensor, details in (("input", self._input), ("output", self._output)):
            if details["dtype"] is not np.int8:
                kind = np.dtype(details["dtype"]).name
                raise flatbuffer.ModelFileError(f"{name}: its {tensor} is {kind}; quantise it to int8")

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the input, batch of one included."""
        return tuple(int(n) for n in self._input["shape"])

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the output, batch of one included."""
        return tuple(int(n) for n in self._output["shape"])

    @property
    def input_size(self) -> int:
        """Bytes of the input."""
        return int(np.prod(self.input_shape))

    @property
    def output_size(self) -> int:
        """Bytes of the output: the number of classes."""
        return int(np.prod(self.output_shape))

    @property
    def input_quantisation(self) -> tuple[float, int]:
        """Scale and zero point of the input."""
        return _quantisation(self._input)

    @property
    def output_quantisation(self) -> tuple[float, int]:
        """Scale and zero point of the output."""
        return _quantisation(self._output)

    def answer(self, features: Int8) -> Int8:
        """Scores, int8 (n, classes), of features, int8 (n, frames, channels)."""
        answers = np.empty((len(features), self.output_size), np.int8)
        for row, answer in zip(features, answers, strict=True):
            self._interpreter.set_input(row.reshape(self.input_shape), 0)
            self._interpreter.invoke()
            answer[:] = self._interpreter.get_output(0).ravel()
        return answers

    def arena_bytes(self) -> int:
        """Bytes of arena that TFLM used, with the structures of this machine's pointer size."""
        # The library prints the figure on file descriptor 2 and tells it in no other way.
        sys.stderr.flush()
        kept = os.dup(2)
        try:
            with tempfile.TemporaryFile() as printed:
                os.dup2(printed.fileno(), 2)
                self._interpreter.print_allocations()
                os.dup2(kept, 2)
                printed.seek(0)
                text = printed.read().decode(errors="replace")
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        found = _ARENA_TOTAL.search(text)
        if not found:
            raise RuntimeError("TFLM printed no arena size; pin the tflite-micro version that the tests pass with")
        return int(found.group(1))


def _answer_once(content: bytes, name: str) -> None:
    try:
        model = Model(content, name)
    except flatbuffer.ModelFileError:
        # The parent meets this error itself, and can report it.
        return
    try:
        model.answer(np.zeros((1, model.input_size), np.int8))
    except RuntimeError as error:
        raise SystemExit(1) from error


def try_out(content: bytes, name: str) -> None:
    """Answers once in a process of its own: TFLM trusts files, and a damaged one can end its process.

    Args:
        content: the .tflite file, from anywhere.
        name: what to call it in errors.

    Raises:
        flatbuffer.ModelFileError: the process did not survive.
    """
    child = multiprocessing.get_context("fork").Process(target=_answer_once, args=(content, name))
    child.start()
    child.join(_PATIENCE_SECONDS)
    if child.exitcode is None:
        child.kill()
        child.join()
    if child.exitcode:
        raise flatbuffer.ModelFileError(f"{name}: damaged .tflite file (TFLM fails on it); fetch it again")


def _quantisation(details: dict) -> tuple[float, int]:
    parameters = details["quantization_parameters"]
    return float(parameters["scales"][0]), int(parameters["zero_points"][0])

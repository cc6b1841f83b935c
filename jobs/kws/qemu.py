"""The board's code as a Cortex-M4 runs it, in QEMU: its answers, and the instructions they cost.

The program is `make -C firmware mps2`. Files are handed to it by semihosting, in a folder of their own for
each call. Counts are of instructions, not of cycles: QEMU models no wait states; they are the same every time.
"""

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kws import features, firmware

Int8 = npt.NDArray[np.int8]

EMULATOR = "qemu-system-arm"
PROGRAM = Path("firmware", "build", "mps2", "earshot-measure.elf")
PROGRAM_VARIABLE = "EARSHOT_MEASURE_PROGRAM"

# With `shift=6` an instruction takes 64 ns of the board's time, which the program's counter relies on.
_MACHINE = ("-M", "mps2-an386", "-nographic", "-monitor", "none", "-serial", "none", "-icount", "shift=6")
# What fits the emulated board's 4 MB beside the model and the arena.
_BYTES_AT_ONCE = 1 << 20
_PATIENCE_SECONDS = 300
# newlib's start-up code has a buffer of 256 bytes for the command line.
_LONGEST_LINE = 255


class QemuError(RuntimeError):
    """The emulator or the program is missing, or the program failed; the message says what to do."""


def run(program: Path, *arguments: str, folder: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """Runs a program of the emulated board to its end.

    Args:
        program: an .elf for QEMU's mps2-an386.
        arguments: its arguments, without commas and spaces.
        folder: from which names of files count; None for this process's.

    Raises:
        QemuError: the emulator or the program is not there, the arguments are too long, or it does not end.
    """
    line = " ".join([program.name, *arguments])
    if len(line) > _LONGEST_LINE:
        raise QemuError(f"{len(line)} characters of arguments, the board reads {_LONGEST_LINE}; use shorter names")
    if not program.is_file():
        raise QemuError(f"{program}: no such program; build it with `make -C firmware mps2` (gcc-arm-none-eabi)")
    semihosting = ",".join(["enable=on", "target=native", *(f"arg={a}" for a in (program.name, *arguments))])
    command = [EMULATOR, *_MACHINE, "-semihosting-config", semihosting, "-kernel", str(program.resolve())]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=folder, timeout=_PATIENCE_SECONDS
        )
    except FileNotFoundError as error:
        raise QemuError(f"{EMULATOR}: not installed; install Debian's qemu-system-arm") from error
    except subprocess.TimeoutExpired as error:
        raise QemuError(f"{program.name}: no end after {_PATIENCE_SECONDS} seconds; give it less to do") from error


def measure(command: str, *arguments: str, folder: Path | None = None) -> dict[str, Any]:
    """What the measuring program prints; see `run`.

    Raises:
        QemuError: it failed; a model that it refuses included.
    """
    repository = Path(__file__).resolve().parents[2]
    done = run(Path(os.environ.get(PROGRAM_VARIABLE, repository / PROGRAM)), command, *arguments, folder=folder)
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        raise QemuError(
            f"{command}: the program ended with status {done.returncode} and printed no result "
            f"({(done.stdout + done.stderr).strip()[-200:]!r})"
        ) from error
    if "error" in answer:
        raise QemuError(f"{command}: {answer['error']}")
    return answer


@dataclass(frozen=True)
class Layer:
    """An operator of a model: its name, and what it costs an inference."""

    op: str
    instructions: int
    macs: int


@dataclass(frozen=True)
class Count:
    """What a model costs on the board.

    Attributes:
        instructions: an inference.
        opening_instructions: to check, plan and load the model, once.
        macs: multiply-accumulates an inference.
        arena_bytes: working memory.
        stack_bytes: stack that an inference uses.
        layers: in order.
    """

    instructions: int
    opening_instructions: int
    macs: int
    arena_bytes: int
    stack_bytes: int
    layers: tuple[Layer, ...]


def infer(content: bytes, inputs: Int8) -> tuple[Int8, Count]:
    """Answers of a model, and what the last one of them cost.

    Args:
        content: the .tflite file.
        inputs: int8 (n, …), each as many values as the model takes; at most 1 MB together.

    Returns:
        int8 (n, outputs), and the count.

    Raises:
        QemuError: the board refuses the model, or the inputs do not fit it.
    """
    with tempfile.TemporaryDirectory(prefix="earshot-") as folder:
        model, given, answered = (Path(folder, name) for name in ("model.tflite", "inputs", "outputs"))
        model.write_bytes(content)
        given.write_bytes(np.ascontiguousarray(inputs, np.int8).tobytes())
        figures = measure("infer", model.name, given.name, answered.name, folder=Path(folder))
        answers = np.frombuffer(answered.read_bytes(), np.int8).reshape(len(inputs), -1)
    layers = tuple(Layer(**layer) for layer in figures["layers"])
    return answers, Count(
        **{name: figures[name] for name in Count.__dataclass_fields__ if name != "layers"}, layers=layers
    )


def clip_features(clips: npt.NDArray[np.int16], front_end: features.FrontEnd) -> Int8:
    """Features by the Cortex-M4, int8 (n, frames, channels), of clips, int16 (n, 16000).

    Raises:
        QemuError: the board does not compute this front end.
    """
    step = max(1, _BYTES_AT_ONCE // clips[0].nbytes)
    parts = []
    for start in range(0, len(clips), step):
        some = clips[start : start + step]
        with tempfile.TemporaryDirectory(prefix="earshot-") as folder:
            samples, computed = Path(folder, "samples"), Path(folder, "features")
            samples.write_bytes(np.ascontiguousarray(some, "<i2").tobytes())
            measure("clips", front_end.id, samples.name, computed.name, folder=Path(folder))
            parts.append(np.frombuffer(computed.read_bytes(), np.int8).reshape(len(some), *front_end.shape))
    return np.concatenate(parts)


class Model:
    """An int8 model, answered by the Cortex-M4.

    Args:
        library: the same code for this machine, which describes the model.
        content: the .tflite file.
        name: what to call it in errors.

    Raises:
        flatbuffer.ModelFileError: the board refuses it.
    """

    engine = "qemu"

    def __init__(self, library: firmware.Library, content: bytes, name: str) -> None:
        self._described, self._content = library.open(content, name), content
        self.input_size = self._described.input_size
        self.output_size = self._described.output_size
        self.output_quantisation = self._described.output_quantisation

    def answer(self, features: Int8) -> Int8:
        """Scores, int8 (n, classes), of features, int8 (n, frames, channels)."""
        step = max(1, _BYTES_AT_ONCE // self.input_size)
        answers = [infer(self._content, features[at : at + step])[0] for at in range(0, len(features), step)]
        return np.concatenate([np.empty((0, self.output_size), np.int8), *answers])

"""The board's own code, front ends and inference, as a shared library: what a board would answer.

The library is the firmware built for this machine (`make -C firmware host`).
"""

import ctypes
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kws import features, flatbuffer, graph

Int8 = npt.NDArray[np.int8]

# What to build, relative to the repository, and the variable that names another place.
LIBRARY = Path("firmware", "build", "host", "libearshot.so")
LIBRARY_VARIABLE = "EARSHOT_FIRMWARE_LIBRARY"


class LibraryError(RuntimeError):
    """The library is missing, too old, or fails."""


class _ModelInfo(ctypes.Structure):
    _fields_ = (
        ("input_size", ctypes.c_uint32),
        ("output_size", ctypes.c_uint32),
        ("arena_size", ctypes.c_uint32),
        ("operators", ctypes.c_uint32),
        ("input_scale", ctypes.c_float),
        ("input_zero_point", ctypes.c_int32),
        ("output_scale", ctypes.c_float),
        ("output_zero_point", ctypes.c_int32),
        ("card", ctypes.c_char * 1024),
        ("fault_operator", ctypes.c_int32),
    )


class Library:
    """The loaded library.

    Args:
        path: of libearshot.so; without it the one that this repository builds.

    Raises:
        LibraryError: it is not there, or lacks a function.
    """

    def __init__(self, path: Path | None = None) -> None:
        repository = Path(__file__).resolve().parents[2]
        path = path or Path(os.environ.get(LIBRARY_VARIABLE, repository / LIBRARY))
        try:
            library = ctypes.CDLL(str(path))
            self._frontend_id = library.es_lib_frontend_id
            self._features = library.es_lib_features
            self._check = library.es_lib_model_check
            self._infer = library.es_lib_infer
            self._error = library.es_lib_error
        except (OSError, AttributeError) as error:
            raise LibraryError(f"{path}: cannot be used ({error}); build it with `make -C firmware host`") from error
        size, pointer = ctypes.c_size_t, ctypes.c_void_p
        self._frontend_id.argtypes = (size, ctypes.c_char_p, size)
        self._features.argtypes = (ctypes.c_char_p, pointer, size, pointer, size)
        self._check.argtypes = (ctypes.c_char_p, size, ctypes.POINTER(_ModelInfo))
        self._infer.argtypes = (ctypes.c_char_p, size, pointer, size, pointer, size)
        self._error.argtypes = (ctypes.c_int,)
        self._error.restype = ctypes.c_char_p

    def error(self, code: int) -> str:
        """The library's words for an error code."""
        return str(self._error(code).decode("ascii", errors="replace"))

    @property
    def front_end_ids(self) -> list[str]:
        """Ids of the front ends that the board computes."""
        ids: list[str] = []
        text = ctypes.create_string_buffer(64)
        while self._frontend_id(len(ids), text, len(text)) > 0:
            ids.append(text.value.decode("ascii"))
        return ids

    def features(self, clips: npt.NDArray[np.int16], front_end: features.FrontEnd) -> Int8:
        """Features by the board's code, int8 (n, frames, channels), of clips, int16 (n, 16000).

        Raises:
            LibraryError: the library does not compute this front end, or refuses the clip.
        """
        answer = np.empty((len(clips), *front_end.shape), np.int8)
        name = front_end.id.encode("ascii")
        for clip, row in zip(np.ascontiguousarray(clips, np.int16), answer, strict=True):
            code = self._features(name, clip.ctypes.data, clip.size, row.ctypes.data, row.size)
            if code:
                raise LibraryError(f"front end of the board: {self.error(code)}")
        return answer

    def open(self, content: bytes, name: str) -> "Model":
        """A model by the board's interpreter; see `Model`."""
        return Model(self, content, name)

    def check(self, content: bytes, name: str) -> _ModelInfo:
        """What the board reads in a model.

        Raises:
            flatbuffer.ModelFileError: it refuses the model.
        """
        info = _ModelInfo()
        code = self._check(content, len(content), ctypes.byref(info))
        if code:
            raise flatbuffer.ModelFileError(
                f"{name}: the board refuses it ({_operator(content, info.fault_operator)}{self.error(code)}); "
                "convert it for the board"
            )
        return info

    def infer(self, content: bytes, row: Int8, answer: Int8) -> None:
        """Fills `answer` with the scores of a row.

        Raises:
            LibraryError: the inference fails.
        """
        code = self._infer(content, len(content), row.ctypes.data, row.size, answer.ctypes.data, answer.size)
        if code:
            raise LibraryError(f"inference of the board: {self.error(code)}")


def _operator(content: bytes, place: int) -> str:
    """`operator 3, TRANSPOSE: ` of a model, where the fault is one operator's and the file can be read."""
    try:
        return f"operator {place}, {graph.read(content, 'model').nodes[place].operator}: " if place >= 0 else ""
    except (flatbuffer.ModelFileError, IndexError):
        return f"operator {place}: "


class Model:
    """An int8 model, answered by the board's interpreter.

    Args:
        library: the board's code.
        content: the .tflite file.
        name: what to call it in errors.

    Raises:
        flatbuffer.ModelFileError: the board refuses it.
    """

    engine = "firmware"

    def __init__(self, library: Library, content: bytes, name: str) -> None:
        self._library, self._content = library, content
        self._info = library.check(content, name)

    @property
    def input_size(self) -> int:
        """Bytes of the input."""
        return int(self._info.input_size)

    @property
    def output_size(self) -> int:
        """Bytes of the output: the number of classes."""
        return int(self._info.output_size)

    @property
    def output_quantisation(self) -> tuple[float, int]:
        """Scale and zero point of the output."""
        return float(self._info.output_scale), int(self._info.output_zero_point)

    def answer(self, features: Int8) -> Int8:
        """Scores, int8 (n, classes), of features, int8 (n, frames, channels)."""
        answers = np.empty((len(features), self.output_size), np.int8)
        for row, answer in zip(np.ascontiguousarray(features), answers, strict=True):
            self._library.infer(self._content, row, answer)
        return answers

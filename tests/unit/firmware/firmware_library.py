"""libearshot.so by ctypes: the interface for other programs, and the parts of the firmware under it."""

# mypy: disable-error-code="no-untyped-def, no-any-return, import-not-found"

import ctypes
from pathlib import Path

import numpy as np
from kws import features


class ModelInfo(ctypes.Structure):
    _fields_ = [
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
    ]


class FirmwareError(Exception):
    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.name = name


def _pointer(array: np.ndarray) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)


class Stream:
    """A model opened for a stream, by the parts of the firmware under the library."""

    def __init__(self, library: "Library", model: bytes, frames: int, hop: int, arena_size: int) -> None:
        self._library, self._model = library, model
        # More than any es_model, and an arena more than any of these models need.
        self._state, self._arena = ctypes.create_string_buffer(1 << 17), np.zeros(1 << 20, np.int8)
        size = ctypes.c_size_t
        library.check(library.c.es_model_open(self._state, model, size(len(model))))
        library.check(library.c.es_incremental_plan(self._state, frames, hop, size(arena_size)))
        library.check(library.c.es_model_load(self._state, _pointer(self._arena), size(self._arena.size)))
        self.reset()

    def reset(self) -> None:
        self._library.c.es_incremental_reset(self._state, -128)

    def push(self, frames: np.ndarray, size: int) -> np.ndarray:
        """The answer after a hop's frames."""
        answer, answered = np.empty(size, np.int8), ctypes.c_bool()
        for number, frame in enumerate(frames, 1):
            code = self._library.c.es_incremental_push(
                self._state, _pointer(frame), ctypes.byref(answered), _pointer(answer), ctypes.c_size_t(size)
            )
            self._library.check(code)
            assert answered.value == (number == len(frames))
        return answer

    def run(self, window: np.ndarray, size: int) -> np.ndarray:
        answer, c_size = np.empty(size, np.int8), ctypes.c_size_t
        code = self._library.c.es_model_run(
            self._state, _pointer(window), c_size(window.size), _pointer(answer), c_size(size)
        )
        self._library.check(code)
        return answer

    def macs(self) -> int:
        return self._library.c.es_incremental_macs(self._state)

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *unused) -> None:
        del self._state, self._arena


class Library:
    def __init__(self, path: Path) -> None:
        self.c = ctypes.CDLL(str(path))
        self.c.es_lib_error.restype = ctypes.c_char_p
        self.c.es_error_name.restype = ctypes.c_char_p
        for name in ("es_p256_verify", "es_p256_sign", "es_p256_public", "es_p256_is_point", "es_der_signature"):
            getattr(self.c, name).restype = ctypes.c_bool
        self.c.es_der_public_key.restype = ctypes.c_bool
        self.c.es_clip_start.restype = ctypes.c_size_t
        self.c.es_frontend_find.restype = ctypes.c_void_p
        self.c.es_frontend_feed.restype = ctypes.c_bool
        self.c.es_incremental_macs.restype = ctypes.c_uint64

    def check(self, code: int) -> None:
        if code != 0:
            raise FirmwareError(self.c.es_error_name(code).decode(), self.c.es_lib_error(code).decode())

    def frontend_ids(self) -> list[str]:
        ids, text, size = [], ctypes.create_string_buffer(64), ctypes.c_size_t
        while self.c.es_lib_frontend_id(size(len(ids)), text, size(64)) != 0:
            ids.append(text.value.decode())
        return ids

    def features(self, samples: np.ndarray, front_end=features.MICRO) -> np.ndarray:
        samples = np.ascontiguousarray(samples, np.int16)
        answer = np.empty(front_end.shape, np.int8)
        size = ctypes.c_size_t
        code = self.c.es_lib_features(
            front_end.id.encode(), _pointer(samples), size(samples.size), _pointer(answer), size(answer.size)
        )
        self.check(code)
        return answer

    def info(self, model: bytes) -> ModelInfo:
        info = ModelInfo()
        self.check(self.c.es_lib_model_check(model, ctypes.c_size_t(len(model)), ctypes.byref(info)))
        return info

    def infer(self, model: bytes, values: np.ndarray, output_size: int) -> np.ndarray:
        values = np.ascontiguousarray(values, np.int8)
        answer = np.empty(output_size, np.int8)
        size = ctypes.c_size_t
        code = self.c.es_lib_infer(
            model, size(len(model)), _pointer(values), size(values.size), _pointer(answer), size(output_size)
        )
        self.check(code)
        return answer

    def stream(self, model: bytes, frames: np.ndarray, hop: int, *, incremental: bool = True) -> np.ndarray:
        frames = np.ascontiguousarray(frames, np.int8)
        answers = np.empty((len(frames) // hop, self.info(model).output_size), np.int8)
        size = ctypes.c_size_t
        code = self.c.es_lib_stream(
            model, size(len(model)), _pointer(frames), size(len(frames)), size(frames.shape[1]), size(hop),
            int(incremental), _pointer(answers), size(answers.shape[1]),
        )  # fmt: skip
        self.check(code)
        return answers

    def open_stream(self, model: bytes, frames: int, hop: int, arena_size: int = 1 << 20) -> Stream:
        return Stream(self, model, frames, hop, arena_size)

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
    ]


class FirmwareError(Exception):
    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.name = name


def _pointer(array: np.ndarray) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)


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

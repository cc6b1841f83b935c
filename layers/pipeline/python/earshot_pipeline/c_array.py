"""The model as C source: an aligned constant array and a header that says what belongs to it."""

import json
from dataclasses import dataclass

_PER_LINE = 16


@dataclass(frozen=True)
class CSource:
    """A C source file and its header."""

    source: str
    header: str


def bytes_as_c(data: bytes, indent: str = "    ") -> str:
    """Array elements, sixteen a line."""
    rows = (data[start : start + _PER_LINE] for start in range(0, len(data), _PER_LINE))
    return "\n".join(indent + ", ".join(f"0x{byte:02x}" for byte in row) + "," for row in rows)


def c_string(text: str) -> str:
    """A C string literal of ASCII text."""
    return json.dumps(text)


def model_source(model: bytes, labels: tuple[str, ...], version: str, frontend: str, arena_bytes: int) -> CSource:
    """`model.c` and `model.h`.

    Args:
        model: the int8 .tflite.
        labels: the labels in the order of the outputs.
        version: the release's version.
        frontend: the front end's id.
        arena_bytes: the tensor arena that the model needs.
    """
    header = f"""\
/* Earshot model {version}, generated; do not edit. */
#ifndef EARSHOT_MODEL_H
#define EARSHOT_MODEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

#define EARSHOT_MODEL_VERSION {c_string(version)}
#define EARSHOT_MODEL_FRONTEND {c_string(frontend)}
#define EARSHOT_MODEL_BYTES {len(model)}u
#define EARSHOT_MODEL_ARENA_BYTES {arena_bytes}u
#define EARSHOT_MODEL_LABELS {len(labels)}u

extern const uint8_t earshot_model[EARSHOT_MODEL_BYTES];
extern const char *const earshot_model_labels[EARSHOT_MODEL_LABELS];

#ifdef __cplusplus
}}
#endif

#endif
"""
    names = "\n".join(f"    {c_string(label)}," for label in labels)
    source = f"""\
/* Earshot model {version}, generated; do not edit. */
#include "model.h"

#if defined(__GNUC__)
#define EARSHOT_ALIGNED __attribute__((aligned(16)))
#else
#define EARSHOT_ALIGNED
#endif

const uint8_t earshot_model[EARSHOT_MODEL_BYTES] EARSHOT_ALIGNED = {{
{bytes_as_c(model)}
}};

const char *const earshot_model_labels[EARSHOT_MODEL_LABELS] = {{
{names}
}};
"""
    return CSource(source, header)

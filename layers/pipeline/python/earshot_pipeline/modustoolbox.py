"""The model in the layout that ModusToolbox's machine learning library reads, with regression data.

The library's names: `<NAME>_model_bin`, `<NAME>_MODEL_BIN_LEN`, `<NAME>_ARENA_SIZE`; `CY_ML_MODEL_MEM` places the
array (without it the linker puts a non-const array into RAM).
"""

from collections.abc import Mapping

from earshot_pipeline.bundle import Bundle
from earshot_pipeline.c_array import bytes_as_c

NAME = "EARSHOT"
_MODELS = "mtb_ml_gen/mtb_ml_models"
_REGRESSION = "mtb_ml_gen/mtb_ml_regression_data"


def modustoolbox_files(bundle: Bundle, version: str) -> Mapping[str, str]:
    """The files by path below the release."""
    return {
        f"{_MODELS}/{NAME}_tflm_model_int8x8.h": _model_header(bundle, version),
        f"{_MODELS}/{NAME}_tflm_model_int8x8.c": _model_source(bundle.model, version),
        f"{_REGRESSION}/{NAME}_tflm_x_data_int8x8.c": _data_source(
            "x", bundle.golden_x, bundle.card["golden"], version
        ),
        f"{_REGRESSION}/{NAME}_tflm_y_data_int8x8.c": _data_source(
            "y", bundle.golden_y, bundle.card["golden"], version
        ),
    }


def _model_header(bundle: Bundle, version: str) -> str:
    return f"""\
/* Earshot model {version} for ModusToolbox ML, generated; do not edit. */
#ifndef {NAME}_TFLM_MODEL_INT8X8_H
#define {NAME}_TFLM_MODEL_INT8X8_H

#include <stdint.h>

#ifndef CY_ML_MODEL_MEM
#define CY_ML_MODEL_MEM const
#endif

#define {NAME}_MODEL_BIN_LEN ({len(bundle.model)}u)
#define {NAME}_ARENA_SIZE ({bundle.card["arena_bytes"]}u)

extern CY_ML_MODEL_MEM uint8_t {NAME}_model_bin[{NAME}_MODEL_BIN_LEN];

#endif
"""


def _model_source(model: bytes, version: str) -> str:
    return f"""\
/* Earshot model {version} for ModusToolbox ML, generated; do not edit. */
#include "{NAME}_tflm_model_int8x8.h"

CY_ML_MODEL_MEM uint8_t {NAME}_model_bin[{NAME}_MODEL_BIN_LEN] __attribute__((aligned(4))) = {{
{bytes_as_c(model)}
}};
"""


def _data_source(kind: str, data: bytes, rows: int, version: str) -> str:
    signed = ",\n".join(
        "    " + ", ".join(str(byte - 256 if byte > 127 else byte) for byte in data[start : start + 16])
        for start in range(0, len(data), 16)
    )
    return f"""\
/* Earshot model {version}: {rows} golden rows of {len(data) // rows} int8 values each, generated; do not edit. */
#include <stdint.h>

extern const int8_t {NAME}_tflm_{kind}_data_int8x8[{len(data)}];

const int8_t {NAME}_tflm_{kind}_data_int8x8[{len(data)}] __attribute__((aligned(4))) = {{
{signed},
}};
"""

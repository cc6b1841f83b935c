"""The front end's tables as a C header, so that a board computes with the very numbers used in training.

python -m kws.tables ../firmware/core
"""

import argparse
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

from kws import features, fixed_fft, micro

HEADER_NAME = "frontend_tables.h"


def _table(comment: str, c_type: str, name: str, size: str, values: Iterable[int]) -> str:
    note = textwrap.fill(comment, 96, initial_indent="/* ", subsequent_indent=" * ") + " */"
    body = textwrap.fill(", ".join(str(int(v)) for v in values), 100, initial_indent="    ", subsequent_indent="    ")
    return f"{note}\nstatic const {c_type} {name}{size} = {{\n{body},\n}};\n"


def _constant(name: str, value: object, comment: str) -> str:
    return f"#define {name} {value} /* {comment} */"


def header() -> str:
    """The text of `frontend_tables.h` for front end `micro`."""
    settings, bank = micro.MICRO, micro.MICRO.filter_bank
    even, odd = settings.noise_smoothing[:2]
    constants = [
        _constant("ES_FE_ID", f'"{features.MICRO.id}"', "front end id, as models carry it"),
        _constant("ES_FE_SAMPLE_RATE", settings.sample_rate, "Hz"),
        _constant("ES_FE_CLIP_SAMPLES", features.MICRO.clip_samples, "samples of a clip"),
        _constant("ES_FE_WINDOW", settings.window_samples, "samples of a window"),
        _constant("ES_FE_STEP", settings.step_samples, "samples from one window to the next"),
        _constant("ES_FE_FRAMES", settings.frames, "frames of a clip"),
        _constant("ES_FE_CHANNELS", settings.channels, "filter-bank channels"),
        _constant("ES_FE_WINDOW_BITS", micro.WINDOW_BITS, "fraction bits of es_fe_window"),
        _constant("ES_FE_FFT_REAL", fixed_fft.REAL_POINTS, "points of the real transform"),
        _constant("ES_FE_FFT_COMPLEX", fixed_fft.COMPLEX_POINTS, "points of the complex one inside it"),
        _constant("ES_FE_BIN_FIRST", bank.first, "first bin that counts"),
        _constant("ES_FE_BIN_END", bank.end, "one past the last bin that counts"),
        _constant("ES_FE_NOISE_BITS", micro.NOISE_BITS, "fraction bits of the noise settings"),
        _constant("ES_FE_NOISE_SMOOTHING_BITS", settings.noise_smoothing_bits, "extra bits of the noise estimate"),
        _constant("ES_FE_NOISE_EVEN", f"{even}u", "smoothing of even channels"),
        _constant("ES_FE_NOISE_ODD", f"{odd}u", "smoothing of odd channels"),
        _constant("ES_FE_NOISE_FLOOR", f"{settings.noise_floor}u", "share of the signal that always remains"),
        _constant("ES_FE_PCAN_SNR_SHIFT", settings.snr_shift, "right shift of signal x gain"),
        _constant("ES_FE_PCAN_SNR_BITS", micro.SNR_BITS, "fraction bits of that ratio"),
        _constant("ES_FE_PCAN_OUTPUT_BITS", micro.PCAN_OUTPUT_BITS, "fraction bits after shrinking"),
        _constant("ES_FE_CORRECTION_BITS", settings.correction_bits, "left shift before the logarithm"),
        _constant("ES_FE_LOG_SCALE_BITS", micro.LOG_SCALE_BITS, "fraction bits of the logarithm"),
        _constant("ES_FE_LOG_SEGMENTS_BITS", micro.LOG_SEGMENTS_BITS, "log2 of the segments of es_fe_log"),
        _constant("ES_FE_LOG_COEFFICIENT", f"{micro.LOG_COEFFICIENT}u", "ln 2 in Q16"),
        _constant("ES_FE_LOG_SCALE_SHIFT", settings.log_scale_shift, "log2 of the output's scale"),
    ]
    twiddles = fixed_fft.twiddles()[: 3 * fixed_fft.COMPLEX_POINTS // 4]
    tables = [
        _table(
            "Hann window in Q12, sampled at half steps.", "int16_t", "es_fe_window", "[ES_FE_WINDOW]", settings.window
        ),
        _table(
            "Where complex input i of the radix-4 transform comes from (base-4 digits of i reversed); complex "
            "sample n is the real samples 2n and 2n + 1.",
            "uint8_t",
            "es_fe_fft_order",
            "[ES_FE_FFT_COMPLEX]",
            fixed_fft.digit_reversal(),
        ),
        _table(
            "Twiddles exp(-2*pi*i*k/256) in Q15, real and imaginary part, k = 0 ... 191: a butterfly that joins "
            "four transforms of m points takes k = j*s, 2*j*s and 3*j*s with s = 64/m, j < m.",
            "int16_t",
            "es_fe_twiddle",
            f"[{len(twiddles)} * 2]",
            twiddles.ravel(),
        ),
        _table(
            "Factors exp(-pi*i*(k/256 + 1/2)) in Q15 of the split into a real signal's spectrum, "
            "k = 1 ... 128, real and imaginary part.",
            "int16_t",
            "es_fe_split",
            f"[{fixed_fft.COMPLEX_POINTS // 2} * 2]",
            fixed_fft.split_twiddles().ravel(),
        ),
        _table(
            "Mel bands: band b holds bins es_fe_band[b] up to es_fe_band[b + 1], its energy falls into channel "
            "b - 1 and rises into channel b; what falls below channel 0 or rises above the last is dropped.",
            "uint16_t",
            "es_fe_band",
            "[ES_FE_CHANNELS + 2]",
            bank.edges,
        ),
        _table(
            "Weight of bin ES_FE_BIN_FIRST + i towards the lower channel, Q12.",
            "int16_t",
            "es_fe_falling",
            "[ES_FE_BIN_END - ES_FE_BIN_FIRST]",
            bank.falling,
        ),
        _table(
            "Weight of bin ES_FE_BIN_FIRST + i towards the higher channel, Q12.",
            "int16_t",
            "es_fe_rising",
            "[ES_FE_BIN_END - ES_FE_BIN_FIRST]",
            bank.rising,
        ),
        _table(
            "PCAN gain by noise estimate: entries 0 ... 2 are the gains at 0, 1, 2; for an estimate of b bits, "
            "three coefficients from 4*b - 6 on (value at 2^(b-1), linear, quadratic; the fourth is unused).",
            "int16_t",
            "es_fe_gain",
            f"[{settings.gain_table.size}]",
            settings.gain_table,
        ),
        _table(
            "log2(1 + x) - x in Q16 at x = i/128, one entry beyond the end.",
            "uint16_t",
            "es_fe_log",
            f"[{settings.log_table.size}]",
            settings.log_table,
        ),
    ]
    about = textwrap.fill(
        f"Tables of front end {features.MICRO.id}, generated by `python -m kws.tables` from its settings; edit "
        "those, not this. Included by one source file.",
        96,
        initial_indent="/* ",
        subsequent_indent=" * ",
    )
    guard = "ES_FRONTEND_TABLES_H"
    parts = [
        f"{about} */\n#ifndef {guard}\n#define {guard}\n\n#include <stdint.h>\n",
        "\n".join(constants) + "\n",
        *tables,
        f"#endif /* {guard} */\n",
    ]
    return "\n".join(parts)


def main(arguments: list[str] | None = None) -> int:
    """Writes the header into a folder."""
    parser = argparse.ArgumentParser(prog="kws.tables", description="Write frontend_tables.h.")
    parser.add_argument("folder", type=Path, help="folder to write it into, such as ../firmware/core")
    folder = parser.parse_args(arguments).folder
    if not folder.is_dir():
        sys.stderr.write(f"{folder}: not a folder; name the one that holds the front end's C sources\n")
        return 2
    (folder / HEADER_NAME).write_text(header(), encoding="ascii")
    return 0


if __name__ == "__main__":
    sys.exit(main())

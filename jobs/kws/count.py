"""Counts what an int8 model costs on a Cortex-M4: `python -m kws.count MODEL.tflite`.

The board's own code runs it in QEMU, on random inputs and the two extreme ones, and its answers are compared
with those of TensorFlow Lite Micro, byte for byte. Status 1 where they differ or the model cannot be run.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kws import firmware, flatbuffer, qemu, tflm

INPUTS = 8


def inputs(size: int, number: int = INPUTS, seed: int = 0) -> qemu.Int8:
    """Inputs to compare on: the lowest values, the highest, and random ones.

    Returns:
        int8 (number, size).
    """
    drawn = np.random.default_rng(seed).integers(-128, 128, (number, size)).astype(np.int8)
    drawn[0] = -128
    drawn[1:2] = 127
    return drawn


def count(content: bytes, name: str, number: int = INPUTS, seed: int = 0) -> dict[str, Any]:
    """What the command prints as JSON.

    Raises:
        flatbuffer.ModelFileError: the board or TFLM refuses the model.
        firmware.LibraryError: the board's library is missing.
        qemu.QemuError: the emulator is missing or fails.
    """
    described = firmware.Library().open(content, name)
    tflm.try_out(content, name)
    reference = tflm.Model(content, name)
    given = inputs(described.input_size, number, seed)
    answers, costs = qemu.infer(content, given)
    return {
        "instructions": costs.instructions,
        "macs": costs.macs,
        "arena_bytes": costs.arena_bytes,
        "identical": bool(np.array_equal(answers, reference.answer(given))),
        "layers": [vars(layer) for layer in costs.layers],
        "inputs": len(given),
        "opening_instructions": costs.opening_instructions,
        "stack_bytes": costs.stack_bytes,
        "model_bytes": len(content),
        "tflm_arena_bytes": reference.arena_bytes(),
    }


def table(name: str, figures: dict[str, Any]) -> str:
    """The figures for people."""
    lines = [f"{name}: instructions of an inference on a Cortex-M4 (QEMU, not cycles)", ""]
    lines.append(f"  {'layer':<20}{'instructions':>14}{'MACs':>12}{'per MAC':>10}")
    for layer in figures["layers"]:
        lines.append(_row(layer["op"], layer["instructions"], layer["macs"]))
    lines.append(_row("in all", figures["instructions"], figures["macs"]))
    same = "equal to" if figures["identical"] else "DIFFERENT from"
    lines += [
        "",
        f"  arena {figures['arena_bytes']:,} bytes (TensorFlow Lite Micro {figures['tflm_arena_bytes']:,}), stack "
        f"{figures['stack_bytes']:,} bytes, model {figures['model_bytes']:,} bytes",
        f"  opening the model {figures['opening_instructions']:,} instructions, once",
        f"  answers {same} TensorFlow Lite Micro's on {figures['inputs']} inputs",
    ]
    return "\n".join(lines)


def _row(name: str, instructions: int, macs: int) -> str:
    each = f"{instructions / macs:.2f}" if macs else "-"
    return f"  {name:<20}{instructions:>14,}{macs:>12,}{each:>10}"


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 100")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 0 where the answers are equal."""
    parser = argparse.ArgumentParser(prog="kws.count", description="Count what a model costs on the board.")
    parser.add_argument("model", type=Path, metavar="MODEL.tflite")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--inputs", type=_at_least_one, default=INPUTS, help="compare on so many inputs")
    chosen = parser.parse_args(arguments)
    try:
        figures = count(chosen.model.read_bytes(), chosen.model.name, chosen.inputs)
    except OSError as error:
        sys.stderr.write(f"kws.count: {chosen.model}: cannot be read ({error.strerror})\n")
        return 1
    except (flatbuffer.ModelFileError, firmware.LibraryError, qemu.QemuError) as error:
        sys.stderr.write(f"kws.count: {error}\n")
        return 1
    text = json.dumps(figures) if chosen.json else table(chosen.model.name, figures)
    sys.stdout.write(text + "\n")
    return 0 if figures["identical"] else 1


if __name__ == "__main__":
    sys.exit(main())

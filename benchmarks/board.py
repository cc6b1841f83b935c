"""What the board's code costs on a Cortex-M4, counted in QEMU: instructions, flash and RAM, the same every time.

.venv/jobs/bin/python benchmarks/board.py            prints, and writes build/bench/board.json
.venv/jobs/bin/python benchmarks/board.py --record   also writes firmware/costs.json, which tests hold the code to
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "jobs"), str(Path(__file__).resolve().parent)]

import board_models
import results_file
from kws import count, features, flatbuffer, qemu, recognise

FIRMWARE = ROOT / "firmware"
COSTS = FIRMWARE / "costs.json"
COMPILER = "arm-none-eabi-gcc"
# The processor's clock, and how often a model may run: every 40 or 80 ms.
CLOCK_HZ = 150_000_000
HOPS = (2, 4)
STEP_MS = 20
OBJECTS = FIRMWARE / "build" / "mps2"

# Instructions of a 20 ms step of TensorFlow Lite Micro's audio microfrontend: same emulator and compiler.
TFLM_FRONT_END = 84_500

# Source files by what a program links them for; a folder stands for all in it.
MODULES = {
    "front end micro": ("core/micro", "core/root", "core/fft", "core/frontend"),
    "front end spectrogram43": ("core/spectrogram43",),
    "model reader": ("core/model", "core/flatbuffer", "core/operators", "core/quantise"),
    "arena planner": ("core/planner",),
    "kernels": ("core/kernels/",),
    "card": ("core/card", "core/json"),
    "inference hop by hop": ("core/incremental",),
    "listening": ("core/classifier", "core/stream", "core/recogniser", "core/clip", "app/"),
    "signed updates": ("ota/",),
    "update metadata": ("ota/tuf/",),
    "crypto": ("crypto/",),
}


def compiler() -> str:
    """The compiler's version, without which counts cannot be compared."""
    return subprocess.run([COMPILER, "-dumpfullversion"], check=True, capture_output=True, text=True).stdout.strip()


def sound(seconds: float = 3.0) -> np.ndarray:
    """Something like speech: syllables of a buzzing voice, hiss and pauses, int16."""
    at = np.arange(int(seconds * features.MICRO.sample_rate)) / features.MICRO.sample_rate
    pitch = 120 + 30 * np.sin(2 * np.pi * 0.7 * at)
    phase = 2 * np.pi * np.cumsum(pitch) / features.MICRO.sample_rate
    voice = sum(np.sin(k * phase) / k for k in range(1, 24))
    syllables = np.clip(np.sin(2 * np.pi * 1.5 * at), 0, None) ** 2
    hiss = np.random.default_rng(0).normal(0, 1, len(at)) * np.clip(np.sin(2 * np.pi * 0.4 * at + 1), 0, None)
    return (4000 * voice * syllables + 300 * hiss).clip(-32768, 32767).astype(np.int16)


def front_ends(folder: Path, samples: Path) -> dict[str, dict[str, int]]:
    """What a step of each front end costs."""
    return {
        name: qemu.measure("features", front_end.id, samples.name, "frames", folder=folder)
        for name, front_end in features.FRONT_ENDS.items()
    }


def streams(model: bytes, folder: Path, samples: Path) -> dict[str, dict[str, Any]]:
    """What a running front end, the model and the recogniser cost a hop, by frames a hop."""
    costs = {}
    for hop_frames in HOPS:
        card = {
            "schema": flatbuffer.CARD_SCHEMA,
            "frontend": features.MICRO.id,
            "labels": [f"label{n}" for n in range(board_models.CLASSES)],
            "recogniser": recognise.Settings(hop_frames=hop_frames).as_dict(),
        }
        path = folder / "model.tflite"
        path.write_bytes(flatbuffer.with_card(model, card))
        found = qemu.measure("stream", path.name, samples.name, "scores", folder=folder)
        parts = [found[part]["instructions_a_hop"] for part in ("front_end", "inference", "recogniser")]
        a_second = sum(parts) * 1000 / (hop_frames * STEP_MS)
        costs[str(hop_frames)] = {**found, "instructions_a_hop": sum(parts), "share_of_clock": a_second / CLOCK_HZ}
    return costs


def flash() -> dict[str, dict[str, int]]:
    """Bytes of machine code with constants, and of static RAM, by module."""
    sizes = {name: {"text": 0, "ram": 0} for name in MODULES}
    for module, starts in MODULES.items():
        found = [path for start in starts for path in _objects(start)]
        if not found:
            continue
        listed = subprocess.run(["arm-none-eabi-size", *map(str, found)], check=True, capture_output=True, text=True)
        for line in listed.stdout.splitlines()[1:]:
            text, data, bss = (int(number) for number in line.split()[:3])
            sizes[module]["text"] += text + data
            sizes[module]["ram"] += data + bss
    return sizes


def _objects(start: str) -> Iterator[Path]:
    path = OBJECTS / start
    yield from sorted(path.glob("*.o") if start.endswith("/") else path.parent.glob(f"{path.name}.o"))


def figures() -> dict[str, Any]:
    """Everything that is counted."""
    subprocess.run(["make", "-s", "-C", str(FIRMWARE), "host", "mps2", "objects-mps2"], check=True)
    models = {}
    with tempfile.TemporaryDirectory(prefix="earshot-") as folder:
        samples = Path(folder, "samples")
        samples.write_bytes(sound().astype("<i2").tobytes())
        for name in board_models.NAMES:
            print(f"  counting {name}", file=sys.stderr, flush=True)
            model = board_models.make(name)
            models[name] = {**count.count(model, name), "streams": streams(model, Path(folder), samples)}
        ends = front_ends(Path(folder), samples)
    return {"compiler": compiler(), "models": models, "front_ends": ends, "modules": flash()}


def limits(found: dict[str, Any]) -> dict[str, int]:
    """The figures that must not grow, flat."""
    flat = {}
    for name, costs in found["models"].items():
        for what in ("instructions", "opening_instructions", "arena_bytes", "stack_bytes"):
            flat[f"{name} {what}"] = costs[what]
        for hop_frames, stream in costs["streams"].items():
            flat[f"{name} instructions_a_hop of {hop_frames}"] = stream["instructions_a_hop"]
            flat[f"{name} arena_bytes of a stream, hop of {hop_frames}"] = stream["arena_bytes"]
    for name, costs in found["front_ends"].items():
        for what in ("instructions_a_step", "most_instructions_a_step", "stream_bytes", "stack_bytes"):
            flat[f"{name} {what}"] = costs[what]
    for name, sizes in found["modules"].items():
        flat |= {f"{name} {what}": size for what, size in sizes.items()}
    return flat


def table(found: dict[str, Any]) -> str:
    """The figures for people."""
    lines = [f"Cortex-M4, {COMPILER} {found['compiler']} -O2, QEMU: instructions, not cycles", ""]
    for name, costs in found["models"].items():
        lines.append(count.table(name, costs))
        if name in board_models.CMSIS_NN:
            others = board_models.CMSIS_NN[name]
            lines.append(
                f"  TensorFlow Lite Micro with CMSIS-NN: {others:,} instructions, "
                f"{others / costs['instructions']:.2f} times as many"
            )
        for hop_frames, stream in costs["streams"].items():
            lines.append(
                f"  hearing every {int(hop_frames) * STEP_MS} ms: {stream['instructions_a_hop']:,} instructions with "
                f"features and recogniser, {stream['share_of_clock']:.1%} of {CLOCK_HZ // 10**6} MHz; arena "
                f"{stream['arena_bytes']:,} bytes"
            )
        lines.append("")
    for name, costs in found["front_ends"].items():
        lines.append(
            f"front end {name}: {costs['instructions_a_step']:,} instructions a step of 20 ms (at most "
            f"{costs['most_instructions_a_step']:,}; TFLM's microfrontend {TFLM_FRONT_END:,}), "
            f"{costs['stream_bytes']:,} bytes a stream, {costs['stack_bytes']:,} bytes of stack"
        )
    lines += ["", f"{'':28}{'flash':>10}{'static RAM':>12}"]
    lines += [f"{name:28}{sizes['text']:>10,}{sizes['ram']:>12,}" for name, sizes in found["modules"].items()]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Count what the board's code costs.")
    parser.add_argument("--record", action="store_true", help="write what tests hold the code to")
    chosen = parser.parse_args()
    found = figures()
    print(table(found))
    results_file.save("board", found)
    if chosen.record:
        COSTS.write_text(json.dumps({"compiler": found["compiler"], "limits": limits(found)}, indent=1) + "\n")
    if not all(costs["identical"] for costs in found["models"].values()):
        sys.exit("a model's answers differ from TensorFlow Lite Micro's")


if __name__ == "__main__":
    main()

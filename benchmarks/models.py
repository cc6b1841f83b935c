"""Trains every architecture of the registry on the same clips and prints one table of them all.

    .venv/jobs/bin/python benchmarks/models.py CLIPS_FOLDER [--architectures tenet,tiny_conv] [--seeds 1,2,3]

Judged is the int8 model, by tflite-micro, on speakers that no training saw. With several seeds a figure is their
mean, and what stands behind ± half the distance from the lowest to the highest.
"""

import argparse
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / "jobs")]

import preprocess
import results_file
import train
from kws import dataset, features, firmware, labels, models, splits

COLUMNS: dict[str, tuple[str, Callable[[dict[str, Any]], float]]] = {
    "int8 %": ("{:.2f}", lambda card: 100 * card["metrics"]["test"]["accuracy"]["int8"]),
    "float %": ("{:.2f}", lambda card: 100 * card["metrics"]["test"]["accuracy"]["float"]),
    "false alarms %": ("{:.2f}", lambda card: 100 * card["metrics"]["test"]["false_alarm_rate"]),
    "missed in streams %": ("{:.1f}", lambda card: 100 * card["metrics"]["streaming"]["miss_rate"]),
    "alarms an hour": ("{:.1f}", lambda card: card["metrics"]["streaming"]["false_alarms_per_hour"]),
    "MACs": ("{:,.0f}", lambda card: card["macs"]),
    "bytes": ("{:,.0f}", lambda card: card["model_bytes"]),
    "arena TFLM": ("{:,.0f}", lambda card: card["arena_bytes"]),
    "arena board": ("{:,.0f}", lambda card: card["board_arena"]),
    "instructions": ("{:,.0f}", lambda card: card["cost"]["instructions"]),
    "seconds": ("{:.0f}", lambda card: card["seconds"]),
}


def lay_out(clips: Path, inputs: Path) -> int:
    """Lays clips out as the processing job gets them; gives their number."""
    found: dict[str, dataset.Clip] = {}
    for path in sorted(p for p in clips.rglob("*") if p.suffix.lower() in (".wav", ".flac")):
        relative = path.relative_to(clips)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        speaker = splits.speaker_of(path.name, sha256)
        label = relative.parts[0]
        clip = dataset.Clip(f"clips/{relative}", "1", sha256, label, speaker, splits.split_of(speaker), "r000001")
        found.setdefault(sha256, clip)
    for folder in ("dataset", "noise"):
        (inputs / folder).mkdir(parents=True)
    for clip in found.values():
        target = inputs / clip.key
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(clips / clip.key.removeprefix("clips/"), target)
        if clip.label == labels.BACKGROUND_NOISE:
            (inputs / "noise" / target.name).write_bytes(target.read_bytes())
    lines = "".join(features.canonical_json(asdict(clip)) + "\n" for clip in found.values())
    for name in ("new.jsonl", "manifest.jsonl"):
        (inputs / "dataset" / name).write_text(lines)
    return len(found)


def prepare(clips: Path, work: Path, front_end: features.FrontEnd, copies: int) -> None:
    """Preprocesses all clips as the processing job does."""
    count = lay_out(clips, work / "input")
    settings = preprocess.Settings("r000001", front_end, 1, copies, "algo-1", ("algo-1",), os.cpu_count() or 1)
    started = time.monotonic()
    preprocess.preprocess(settings, work / "input", work / "features")
    print(f"preprocessed {count} clips in {time.monotonic() - started:.1f} s", flush=True)


def judged(work: Path, architecture: str, seed: str, more: list[str]) -> dict[str, Any]:
    """Trains one model; its bundle.json with the seconds of the training job and the board's own arena."""
    root = work / f"{architecture}-{seed}"
    folders = train.Folders.of(
        {
            "SAGEMAKER_BASE_DIR": str(root),
            "SM_CHANNEL_FEATURES": str(work / "features"),
            "SM_CHANNEL_DATASET": str(work / "input" / "dataset"),
            "SM_CHANNEL_AUDIO": str(work / "input" / "clips"),
        }
    )
    started = time.monotonic()
    request = train.hyperparameters(["--architecture", architecture, "--seed", seed, *more])
    card = train.train(request, folders, lambda line: print(f"  {architecture} {line}", flush=True))
    content = (folders.model / "model.tflite").read_bytes()
    arena = int(firmware.Library().check(content, architecture).arena_size)
    return {**card, "seconds": time.monotonic() - started, "board_arena": arena}


def cell(text: str, values: list[float]) -> str:
    """A figure, with half its spread where there are several."""
    mean = text.format(sum(values) / len(values))
    return mean if len(set(values)) == 1 else f"{mean} ± {text.format((max(values) - min(values)) / 2)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--architectures", default=",".join(models.ARCHITECTURES))
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--frontend", default="micro")
    parser.add_argument("--copies", type=int, default=preprocess.COPIES)
    parser.add_argument("--keep", type=Path, help="folder for all that is made; features in it are taken as they are")
    chosen, more = parser.parse_known_args()
    front_end = features.front_end(chosen.frontend)
    figures: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        work = chosen.keep or Path(scratch)
        if not (work / "features").exists():
            prepare(chosen.clips, work, front_end, chosen.copies)
        for architecture in chosen.architectures.split(","):
            cards = [
                judged(work, architecture, seed, ["--frontend", front_end.id, *more])
                for seed in chosen.seeds.split(",")
            ]
            figures[architecture] = {name: [figure(card) for card in cards] for name, (_, figure) in COLUMNS.items()}
    rows = [["model", *COLUMNS]]
    rows += [[name, *(cell(COLUMNS[c][0], values[c]) for c in COLUMNS)] for name, values in figures.items()]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        print("  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)))
    results_file.save("models", {"clips": chosen.clips.name, "seeds": chosen.seeds, "figures": figures})


if __name__ == "__main__":
    main()

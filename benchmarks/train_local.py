"""Preprocesses and trains on a folder of clips without any cloud, and prints accuracy and seconds.

    .venv/jobs/bin/python benchmarks/train_local.py CLIPS_DIR [--seeds 1,2,3] [--copies 3] [-- --epochs 16 …]

What stands after `--` are hyperparameters of jobs/train.py.
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

JOBS = Path(__file__).resolve().parents[1] / "jobs"
sys.path.insert(0, str(JOBS))

import preprocess
from kws import dataset, features, labels, splits


def lay_out(clips: Path, inputs: Path) -> int:
    """Lays clips out as the processing job gets them; gives their number."""
    found: dict[str, dataset.Clip] = {}
    for path in sorted(p for p in clips.rglob("*") if p.suffix.lower() in (".wav", ".flac")):
        relative = path.relative_to(clips)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        speaker = splits.speaker_of(path.name, sha256)
        label = relative.parts[0]
        found.setdefault(
            sha256,
            dataset.Clip(f"clips/{relative}", "1", sha256, label, speaker, splits.split_of(speaker), "r000001"),
        )
    for folder in ("dataset", "noise"):
        (inputs / folder).mkdir(parents=True)
    for clip in found.values():
        source = (clips / clip.key.removeprefix("clips/")).resolve()
        target = inputs / clip.key
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(source, target) if source.stat().st_dev == inputs.stat().st_dev else target.write_bytes(
            source.read_bytes()
        )
        if clip.label == labels.BACKGROUND_NOISE:
            (inputs / "noise" / source.name).write_bytes(source.read_bytes())
    lines = "".join(features.canonical_json(asdict(clip)) + "\n" for clip in found.values())
    (inputs / "dataset" / "new.jsonl").write_text(lines)
    (inputs / "dataset" / "manifest.jsonl").write_text(lines)
    return len(found)


def cpu_seconds() -> float:
    """User and system time of this process and its children."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--copies", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="folder to keep all in, and to take features from if they are there")
    parser.add_argument("hyperparameters", nargs="*")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = chosen.keep or Path(scratch)
        inputs, output = work / "input", work / "features"
        if not output.exists():
            lay_out(chosen.clips, inputs)
            settings = preprocess.Settings(
                "r000001", features.MICRO, 1, chosen.copies, "algo-1", ("algo-1",), os.cpu_count() or 1
            )
            started, cpu = time.monotonic(), cpu_seconds()
            preprocess.preprocess(settings, inputs, output)
            print(f"preprocess: {time.monotonic() - started:.1f} s, {cpu_seconds() - cpu:.1f} s of CPU")

        import train

        for seed in chosen.seeds.split(","):
            root = work / f"seed-{seed}"
            folders = train.Folders(output, inputs / "dataset", root / "model", root / "checkpoints", root / "failure")
            started, cpu = time.monotonic(), cpu_seconds()
            request = train.hyperparameters(["--seed", seed, *chosen.hyperparameters])
            content = train.train(request, folders, print)
            test = content["metrics"]["test"]
            print(f"seed {seed}: {time.monotonic() - started:.1f} s, {cpu_seconds() - cpu:.1f} s of CPU")
            print(json.dumps({key: test[key] for key in ("clips", "accuracy", "recall", "false_alarm_rate")}))


if __name__ == "__main__":
    main()

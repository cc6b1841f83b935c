"""Clips and datasets made on the spot."""

import hashlib
import io
from dataclasses import asdict
from pathlib import Path

import numpy as np
import soundfile
from kws import dataset, features, splits


def tone(hz: float, seed: int, seconds: float = 1.0) -> np.ndarray:
    """A tone with a soft start in a little noise, int16: a word that any model can learn."""
    random = np.random.default_rng(seed)
    time = np.arange(int(16000 * seconds)) / 16000
    swell = np.sin(np.pi * np.minimum(time / seconds, 1)) ** 2
    wave = np.sin(2 * np.pi * hz * (1 + random.normal(0, 0.02)) * time + random.uniform(0, 6))
    samples: np.ndarray = np.rint(wave * swell * random.uniform(4000, 12000) + random.normal(0, 40, time.size)).astype(
        np.int16
    )
    return samples


def encode(samples: np.ndarray, rate: int = 16000, container: str = "WAV", subtype: str = "PCM_16") -> bytes:
    """A file of samples."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=container, subtype=subtype)
    return file.getvalue()


WORDS = {"yes": 400.0, "no": 1200.0, "stop": 3000.0}


def small_clips(speakers: int = 40) -> dict[str, bytes]:
    """Files by key: three words of many speakers, and one recording of noise."""
    files = {}
    for number in range(speakers):
        for place, (word, hz) in enumerate(WORDS.items()):
            files[f"clips/{word}/{number:08x}_nohash_0.wav"] = encode(tone(hz, 1000 * place + number))
    noise = np.random.default_rng(7).normal(0, 800, 16000 * 20).astype(np.int16)
    files["clips/_background_noise_/hum.flac"] = encode(noise, container="FLAC")
    return files


def describe(files: dict[str, bytes], run: str = "r000001") -> list[dataset.Clip]:
    """The dataset of files by key."""
    clips = []
    for key, content in sorted(files.items()):
        sha256 = hashlib.sha256(content).hexdigest()
        speaker = splits.speaker_of(key, sha256)
        clips.append(dataset.Clip(key, "v1", sha256, key.split("/")[1], speaker, splits.split_of(speaker), run))
    return clips


def manifest_text(clips: list[dataset.Clip]) -> str:
    """The dataset's manifest."""
    return "".join(features.canonical_json(asdict(clip)) + "\n" for clip in clips)


def lay_out(root: Path, files: dict[str, bytes], clips: list[dataset.Clip] | None = None) -> Path:
    """The processing job's input folder."""
    clips = describe(files) if clips is None else clips
    for key, content in files.items():
        for folder in ("", "noise") if "_background_noise_" in key else ("",):
            path = root / folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    (root / "dataset").mkdir(parents=True, exist_ok=True)
    (root / "dataset" / "new.jsonl").write_text(manifest_text(clips))
    return root

"""What the front ends are tested on: signals that drive their arithmetic to an edge, and recordings."""

import os
from pathlib import Path

import numpy as np
from kws import micro

# A folder of recordings, <label>/<name>: every one of them, or every 25th where it is merely at hand.
RECORDINGS = "EARSHOT_SPEECH_COMMANDS"
RECORDINGS_AT_HAND = "../shared/data/speech_commands"


def recordings(repository: Path) -> list[Path]:
    given = os.environ.get(RECORDINGS)
    folder = Path(given or (repository / RECORDINGS_AT_HAND).resolve())
    found = sorted(path for path in folder.glob("*/*") if path.suffix in (".wav", ".flac"))
    return found if given else found[::25]


def square(period: int) -> np.ndarray:
    return np.where(np.arange(16000) % period < period / 2, 32767, -32768)


def impulse(place: int, height: int) -> np.ndarray:
    signal = np.zeros(16000)
    signal[place] = height
    return signal


def flattened(bin_: int, height: float) -> np.ndarray:
    """A square wave divided by the window, so that the windowed frame is at full scale throughout."""
    window = micro.MICRO.window.astype(float) / 4096
    turn = np.sign(np.cos(2 * np.pi * bin_ * np.arange(480) / 512 + 1e-3))
    frame = np.clip(turn * height / np.maximum(window, 1e-3), -32768, 32767)
    return np.resize(np.rint(frame), 16000)


def quadrature(bin_: int) -> np.ndarray:
    """A frame whose even and odd samples are cosine and sine at full scale: the sums inside the FFT wrap."""
    window = micro.MICRO.window.astype(float) / 4096
    turn = 2 * np.pi * bin_ * (np.arange(480) // 2) / 256 + 0.01
    sign = np.where(np.arange(480) % 2 == 0, np.sign(np.cos(turn)), np.sign(np.sin(turn)))
    signal = np.zeros(16000)
    signal[:480] = np.clip(np.rint(sign * 655 / np.maximum(window, 655 / 32767)), -32768, 32767)
    return signal


def noise(amplitude: int) -> np.ndarray:
    return np.random.default_rng(amplitude).integers(-amplitude, amplitude, 16000)


SIGNALS = {
    "silence": np.zeros(16000),
    "lowest": np.full(16000, -32768),
    "highest": np.full(16000, 32767),
    **{f"noise of {a}": noise(a) for a in (1, 2, 10, 100, 1000, 10000, 32768)},
    **{f"square of {p}": square(p) for p in (2, 3, 7, 16, 40, 100, 400, 8000)},
    **{f"impulse {h} at {p}": impulse(p, h) for p in (0, 1, 239, 240, 8000, 15999) for h in (-32768, 32767, 1)},
    "impulse beside a whisper": impulse(240, -32768) + impulse(241, 7),
    **{f"flattened {b}": flattened(b, h) for b in range(0, 257, 16) for h in (20, 400)},
    **{f"quadrature {b}": quadrature(b) for b in range(0, 128, 8)},
}

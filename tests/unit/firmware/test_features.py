"""The front end in C against `kws.features`, bit for bit."""

# mypy: disable-error-code="no-untyped-def, no-any-return, import-not-found"

import ctypes
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from firmware_library import FirmwareError
from kws import features, tables

ROOT = Path(__file__).resolve().parents[3]
SPEECH_COMMANDS = Path(os.environ.get("EARSHOT_SPEECH_COMMANDS", ROOT.parent / "shared/data/speech_commands"))
MICRO = features.MICRO


def _synthetic_clips() -> np.ndarray:
    rng = np.random.default_rng(0)
    t = np.arange(16000)
    clips = [np.zeros(16000), np.full(16000, -32768), np.full(16000, 32767)]
    clips += [rng.integers(-32768, 32768, 16000) for _ in range(40)]
    clips += [np.clip(rng.normal(0, 10**level, 16000), -32768, 32767) for level in np.linspace(0, 4.5, 80)]
    clips += [np.where(t % period < period / 2, 32767, -32768) for period in (2, 3, 7, 16, 64, 100, 333, 9000)]
    for _ in range(40):
        impulses = np.zeros(16000)
        impulses[rng.integers(0, 16000, 9)] = rng.choice([-32768, 32767, 1, -1], 9)
        clips.append(impulses)
    for _ in range(40):
        # A voice of sorts: harmonics of a gliding pitch under a syllable's envelope.
        pitch = np.cumsum(np.linspace(rng.uniform(90, 260), rng.uniform(90, 260), 16000)) / 16000
        voice = sum(np.sin(2 * np.pi * k * pitch) / k for k in range(1, 30))
        clips.append(rng.uniform(500, 9000) * voice * np.exp(-(((t - rng.uniform(4000, 12000)) / 3000) ** 2)))
    return np.clip(np.array(clips), -32768, 32767).astype(np.int16)


def _recordings() -> np.ndarray:
    """Every 23rd of the real clips, where they are on this machine."""
    files = sorted(p for p in SPEECH_COMMANDS.glob("*/*") if p.suffix in (".wav", ".flac") and p.parent.name[0] != "_")
    clips = [soundfile.read(p, frames=16000, dtype="int16")[0] for p in files[::23]]
    return np.array([np.pad(c, (0, 16000 - c.size)) for c in clips], np.int16).reshape(-1, 16000)


def test_features_are_those_of_python(library):
    clips = np.concatenate([_synthetic_clips(), _recordings()])
    expected = MICRO.features(clips)
    for clip, wanted in zip(clips, expected, strict=True):
        np.testing.assert_array_equal(library.features(clip), wanted)


def test_streaming_is_batch(library):
    # GIVEN a clip fed in pieces of any size
    rng = np.random.default_rng(2)
    clip = rng.integers(-20000, 20000, 16000).astype(np.int16)
    state = ctypes.create_string_buffer(4096)
    library.c.es_micro_feed.restype = ctypes.c_bool
    library.c.es_micro_reset(state)
    frames, at = [], 0
    while at < clip.size:
        piece = np.ascontiguousarray(clip[at : at + rng.integers(1, 700)])
        frame, taken = (ctypes.c_int8 * 40)(), ctypes.c_size_t()
        done = library.c.es_micro_feed(
            state, piece.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(piece.size), ctypes.byref(taken), frame
        )
        at += taken.value
        if done:
            frames.append(list(frame))
    # THEN its frames are the batch's
    np.testing.assert_array_equal(np.array(frames, np.int8), library.features(clip))


@pytest.mark.parametrize("count", [0, 15999, 16001])
def test_another_length_is_refused(library, count):
    with pytest.raises(FirmwareError, match="16,000"):
        library.features(np.zeros(count, np.int16))


def test_the_front_end_is_the_one_that_python_names(library):
    assert library.frontend_id() == MICRO.id


def test_the_committed_tables_are_the_generated_ones():
    assert (ROOT / "firmware/core/frontend_tables.h").read_text() == tables.header()


def test_the_loudest_second_is_the_clip(library):
    rng = np.random.default_rng(6)
    for size in (15999, 16000, 16319, 16320, 20000, 48000):
        samples = (rng.integers(-30000, 30000, size) * (rng.random(size) < 0.01)).astype(np.int16)
        starts = range(0, max(1, size - 16000 + 1), 320)
        energy = [np.square(samples[s : s + 16000].astype(np.int64)).sum() for s in starts]
        wanted = int(np.argmax(energy)) * 320
        found = library.c.es_clip_start(samples.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(size))
        assert found == wanted

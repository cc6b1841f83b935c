"""The front ends in C against `kws.features`, bit for bit."""

# mypy: disable-error-code="no-untyped-def, no-any-return, import-not-found"

import ctypes
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from firmware_library import FirmwareError
from hypothesis import given, settings
from hypothesis import strategies as st
from kws import features

ROOT = Path(__file__).resolve().parents[3]
# A folder of recordings, <label>/<name>: every one of them, or every 23rd where it is merely at hand.
GIVEN_RECORDINGS = os.environ.get("EARSHOT_SPEECH_COMMANDS")
SPEECH_COMMANDS = Path(GIVEN_RECORDINGS or ROOT.parent / "shared/data/speech_commands")
FRONT_ENDS = tuple(features.FRONT_ENDS.values())
each_front_end = pytest.mark.parametrize("front_end", FRONT_ENDS, ids=lambda f: f.name)


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
    files = sorted(p for p in SPEECH_COMMANDS.glob("*/*") if p.suffix in (".wav", ".flac"))
    files = files if GIVEN_RECORDINGS else files[::23]
    clips = [soundfile.read(p, frames=16000, dtype="int16")[0] for p in files]
    return np.array([np.pad(c, (0, 16000 - c.size)) for c in clips], np.int16).reshape(-1, 16000)


@each_front_end
def test_features_are_those_of_python(library, front_end):
    # GIVEN silence, full scale, noise, square waves, impulses, voices of sorts, and recordings
    clips = np.concatenate([_synthetic_clips(), _recordings()])
    # WHEN / THEN both compute the same bytes of each
    expected = front_end.features(clips)
    for clip, wanted in zip(clips, expected, strict=True):
        np.testing.assert_array_equal(library.features(clip, front_end), wanted)


@each_front_end
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), low=st.integers(-32768, 32767), high=st.integers(-32768, 32767),
       held=st.integers(1, 400))  # fmt: skip
def test_features_of_any_staircase_are_those_of_python(library, front_end, seed, low, high, held):
    low, high = min(low, high), max(low, high)
    steps = np.random.default_rng(seed).integers(low, high + 1, 16000 // held + 1)
    clip = np.repeat(steps, held)[:16000].astype(np.int16)
    np.testing.assert_array_equal(library.features(clip, front_end), front_end.features(clip[None])[0])


@each_front_end
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), longest=st.sampled_from([2, 160, 321, 700, 5000]))
def test_streaming_is_batch(library, front_end, seed, longest):
    # GIVEN a clip fed in pieces of any size
    rng = np.random.default_rng(seed)
    clip = rng.integers(-20000, 20000, 16000).astype(np.int16)
    state = ctypes.create_string_buffer(4096)
    found = ctypes.c_void_p(library.c.es_frontend_find(front_end.id.encode()))
    library.c.es_frontend_reset(state, found)
    frames, at, channels = [], 0, front_end.shape[1]
    while at < clip.size:
        piece = np.ascontiguousarray(clip[at : at + rng.integers(1, longest)])
        frame, taken = (ctypes.c_int8 * channels)(), ctypes.c_size_t()
        done = library.c.es_frontend_feed(
            state, piece.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(piece.size), ctypes.byref(taken), frame
        )
        at += taken.value
        if done:
            frames.append(list(frame))
    # THEN its frames are the batch's
    np.testing.assert_array_equal(np.array(frames, np.int8), library.features(clip, front_end))


@each_front_end
@pytest.mark.parametrize("count", [0, 15999, 16001])
def test_another_length_is_refused(library, front_end, count):
    with pytest.raises(FirmwareError, match="16,000"):
        library.features(np.zeros(count, np.int16), front_end)


def test_the_front_ends_are_those_that_python_names(library):
    assert library.frontend_ids() == [f.id for f in FRONT_ENDS]


def test_an_unknown_front_end_and_another_size_are_refused(library):
    clip, answer = np.zeros(16000, np.int16), np.zeros(4000, np.int8)
    pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (clip, answer)]

    def ask(name: str, size: int) -> str:
        count = ctypes.c_size_t(clip.size)
        code = library.c.es_lib_features(name.encode(), pointers[0], count, pointers[1], ctypes.c_size_t(size))
        return library.c.es_error_name(code).decode()

    assert ask("micro", 1960) == "ES_ERR_FRONTEND"
    assert ask(features.MICRO.id, 2107) == "ES_ERR_OUTPUT_SIZE"
    assert ask(features.SPECTROGRAM43.id, 1960) == "ES_ERR_OUTPUT_SIZE"
    assert ask(features.SPECTROGRAM43.id, 2107) == "ES_OK"


def test_the_loudest_second_is_the_clip(library):
    rng = np.random.default_rng(6)
    for size in (15999, 16000, 16319, 16320, 20000, 48000):
        samples = (rng.integers(-30000, 30000, size) * (rng.random(size) < 0.01)).astype(np.int16)
        starts = range(0, max(1, size - 16000 + 1), 320)
        energy = [np.square(samples[s : s + 16000].astype(np.int64)).sum() for s in starts]
        wanted = int(np.argmax(energy)) * 320
        found = library.c.es_clip_start(samples.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(size))
        assert found == wanted

"""The front ends in C against `kws.features`, bit for bit."""

# mypy: disable-error-code="no-untyped-def, no-any-return, import-not-found"

import ctypes
import math
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from firmware_library import FirmwareError
from hypothesis import given, settings
from hypothesis import strategies as st
from kws import features, qemu

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


def _square_wave(rng: np.random.Generator, t: np.ndarray) -> np.ndarray:
    return np.where((t + rng.integers(16000)) % rng.integers(2, 500) < rng.integers(1, 250), 32767, -32768)


def _impulses(rng: np.random.Generator, t: np.ndarray) -> np.ndarray:
    clip = np.zeros(t.size)
    clip[rng.integers(0, t.size, 60)] = rng.choice([-32768, -32767, 32767, 1, -1], 60)
    return clip


def _steady(rng: np.random.Generator, t: np.ndarray) -> np.ndarray:
    return np.full(t.size, rng.choice([-32768, -32767, -1, 1, 32767]))


def _silence_after_loud(rng: np.random.Generator, t: np.ndarray) -> np.ndarray:
    quiet = rng.integers(-2, 3, t.size)
    return np.where(t < rng.integers(1, 16000), rng.integers(-32768, 32768, t.size), quiet)


def _powers_of_two(rng: np.random.Generator, t: np.ndarray) -> np.ndarray:
    return -(2 ** rng.integers(0, 16, t.size)) * rng.integers(0, 2, t.size)


EXTREMES = (_square_wave, _impulses, _steady, _silence_after_loud, _powers_of_two)


def _extreme_clip(kind, seed: int) -> np.ndarray:
    return np.clip(kind(np.random.default_rng(seed), np.arange(16000)), -32768, 32767).astype(np.int16)


@each_front_end
@settings(max_examples=100, deadline=None)
@given(kind=st.sampled_from(EXTREMES), seed=st.integers(0, 2**32 - 1))
def test_features_of_extremes_are_those_of_python(library, front_end, kind, seed):
    clip = _extreme_clip(kind, seed)
    np.testing.assert_array_equal(library.features(clip, front_end), front_end.features(clip[None])[0])


def _lowest_in_mid_window(others: int) -> np.ndarray:
    """Noise of some amplitude, and -32768 in the middle of each window, where the taper is 1: it stays -32768."""
    clip = np.random.default_rng(others).integers(-others, others + 1, 16000)
    clip[240::320] = -32768
    return clip.astype(np.int16)


@each_front_end
@pytest.mark.parametrize("others", [0, 1, 5, 300, 16383, 16384, 20000])
def test_the_lowest_sample_is_never_the_largest(library, front_end, others):
    # GIVEN a sample that has no magnitude in 16 bits, among others by which the window is scaled
    clip = _lowest_in_mid_window(others)
    # WHEN / THEN both lose it in the same way
    np.testing.assert_array_equal(library.features(clip, front_end), front_end.features(clip[None])[0])


@each_front_end
def test_a_cortex_m4_computes_the_same(mps2_build, front_end):
    # GIVEN extremes and recordings
    clips = [_extreme_clip(kind, seed) for kind in EXTREMES for seed in range(2)]
    clips += [_lowest_in_mid_window(others) for others in (0, 300)]
    recordings = _recordings()
    clips += list(recordings[:: 1 + len(recordings) // 20])
    # WHEN QEMU runs the code for the DSP extension THEN it gives the bytes of Python
    np.testing.assert_array_equal(qemu.clip_features(np.array(clips), front_end), front_end.features(np.array(clips)))


def _nearest_root(x: int) -> int:
    root = math.isqrt(x)
    root += x - root * root > root
    return 65535 if root == 65536 and x < 2**32 else root


near_squares = st.builds(
    lambda root, away: root * root + away, st.integers(0, 2**29 - 1), st.integers(-2, 2) | st.integers(0, 2**29)
)


@settings(max_examples=3000, deadline=None)
@given(
    x=near_squares | st.builds(lambda root: root * root + root, st.integers(0, 2**29 - 1)) | st.integers(0, 2**58 - 1)
)
def test_the_root_is_the_nearest(library, x):
    x = min(max(x, 0), 2**58 - 1)
    assert library.c.es_rounded_root(ctypes.c_uint64(x)) == _nearest_root(x)


def test_the_root_of_each_length_and_of_all_small_numbers(library):
    edges = {2**bits + away for bits in range(59) for away in (-1, 0, 1)} | set(range(70000))
    edges |= {2**32 - 65536, 2**32 - 65535, 2**32 - 1, 65535 * 65536, 65535 * 65536 + 1}
    for x in edges - {2**58, 2**58 + 1}:
        assert library.c.es_rounded_root(ctypes.c_uint64(x)) == _nearest_root(x), x


@pytest.mark.parametrize("left_out", FRONT_ENDS, ids=lambda f: f.name)
def test_a_program_may_leave_out_a_front_end(tmp_path, left_out):
    # GIVEN the front ends' sources without one of them
    core = ROOT / "firmware" / "core"
    sources = [str(core / f"{name}.c") for name in ("frontend", "micro", "spectrogram43", "fft", "root")]
    option = f"-DES_WITH_{left_out.name.upper()}=0"
    built = tmp_path / "frontends.so"
    subprocess.run(
        ["cc", "-std=c99", "-Werror", "-Wall", "-fPIC", "-shared", option, "-o", built, *sources], check=True
    )
    library = ctypes.CDLL(str(built))
    library.es_frontend_find.restype = ctypes.c_void_p
    # THEN that one is not found, and the other is
    assert library.es_frontend_find(left_out.id.encode()) is None
    (kept,) = (f for f in FRONT_ENDS if f is not left_out)
    assert library.es_frontend_find(kept.id.encode()) is not None


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

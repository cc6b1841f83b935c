"""The front end `spectrogram43` against its recipe in float, and against its stated arithmetic in plain integers."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import preprocess
import pytest
import soundfile
from edge_signals import SIGNALS, recordings
from hypothesis import given, settings
from hypothesis import strategies as st
from kws import features, fixed_fft, native, shards, spectrogram43, windows
from made_clips import lay_out, small_clips

FRONT_END = features.SPECTROGRAM43

# How far, of 255, the integers may be from the recipe: what 16-bit rounding costs, most of it in loud frames.
TOLERANCE = 4


@pytest.fixture(autouse=True, scope="module", params=["numpy", "native"])
def _computed_by(request: pytest.FixtureRequest) -> Iterator[None]:
    native.use(None)
    if request.param == "native":
        native.use(native.Library())
    yield
    native.use(None)


def recipe(clips: np.ndarray) -> np.ndarray:
    """The recipe, in float: int (n, frames, 43) of int16 (n, samples)."""
    frames = np.lib.stride_tricks.sliding_window_view(clips, 480, axis=1)[:, ::320] / 32768
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(480) / 480)
    power = np.abs(np.fft.rfft(frames * taper, 512)[..., :256]) ** 2
    # The last bucket has four bins and is divided by six as the others are.
    power = np.pad(power, ((0, 0), (0, 0), (0, 2))).reshape(*power.shape[:2], 43, 6)
    return np.minimum(np.floor(power.sum(axis=3) / 6 * (255 / 127.5) + 0.5), 255).astype(int)


def from_recipe(clips: np.ndarray) -> int:
    """How far the front end is from the recipe at most."""
    return int(np.abs(FRONT_END.features(clips).astype(int) + 128 - recipe(clips)).max())


def arithmetic(window: np.ndarray) -> list[int]:
    """The features of one window by the arithmetic that is stated, in Python's integers."""
    taper = [int(value) for value in spectrogram43.SPECTROGRAM43.taper]
    products = [int(x) * w for x, w in zip(window, taper, strict=True)]
    shift = max(0, max(abs(p) for p in products).bit_length() - 14)
    scaled = [(p + (2 ** (shift - 1) if shift else 0)) >> shift for p in products] + [0] * 32
    power = [int(e) for e in fixed_fft.power_spectrum(np.array(scaled, np.int16)[:, None])[:256, 0]]
    n = 42 - 2 * shift
    buckets = [power[6 * b : 6 * b + 6] for b in range(43)]
    return [min(255, ((sum(bucket) + 3 * 2 ** (n - 1)) >> n) // 3) - 128 for bucket in buckets]


@pytest.mark.parametrize("name", SIGNALS)
def test_signals_are_near_the_recipe(name: str) -> None:
    # GIVEN a signal that drives the arithmetic to an edge WHEN / THEN the integers stay near the recipe
    assert from_recipe(SIGNALS[name].astype(np.int16)[None]) <= TOLERANCE


def test_recordings_are_near_the_recipe(repository: Path) -> None:
    # GIVEN recordings where they are, and gliding tones
    clips = [soundfile.read(path, frames=16000, dtype="int16")[0] for path in recordings(repository)]
    clips += [(a * np.sin(np.arange(16000) ** 1.4 / 30)).astype(np.int16) for a in (300, 2000, 9000, 32000)]
    batch = np.stack([np.pad(clip, (0, 16000 - len(clip))) for clip in clips])
    # WHEN their features are computed
    ours = FRONT_END.features(batch).astype(int) + 128
    # THEN nearly all are the recipe's, none is far from it
    away = np.abs(ours - recipe(batch))
    assert away.max() <= TOLERANCE
    assert (away == 0).mean() > 0.97
    assert (ours > 0).mean() > 0.03


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    low=st.integers(-32768, 32767),
    high=st.integers(-32768, 32767),
    held=st.integers(1, 500),
)
def test_any_staircase_is_near_the_recipe(seed: int, low: int, high: int, held: int) -> None:
    # GIVEN a random staircase of any level and step width
    low, high = min(low, high), max(low, high)
    steps = np.random.default_rng(seed).integers(low, high + 1, 16000 // held + 1)
    clip = np.repeat(steps, held)[None, :16000].astype(np.int16)
    # WHEN / THEN its features are near the recipe
    assert from_recipe(clip) <= TOLERANCE


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), amplitude=st.sampled_from([1, 3, 90, 700, 5000, 20000, 32767]))
def test_the_arithmetic_is_the_stated_one(seed: int, amplitude: int) -> None:
    # GIVEN a window of any loudness
    window = np.random.default_rng(seed).integers(-amplitude - 1, amplitude + 1, 480).astype(np.int16)
    # WHEN / THEN its features are what the stated arithmetic gives
    assert spectrogram43.quantise(spectrogram43.buckets(window[None]))[0].tolist() == arithmetic(window)


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, 6000), max_size=8), seed=st.integers(0, 1000))
def test_pieces_give_what_the_whole_gives(cuts: list[int], seed: int) -> None:
    # GIVEN two signals cut at the same places
    signal = np.random.default_rng(seed).integers(-9000, 9000, (2, 6000)).astype(np.int16)
    stream = FRONT_END.stream(2)
    # WHEN they are fed piece by piece
    pieces = [stream.feed(piece) for piece in np.split(signal, sorted(cuts), axis=1)]
    # THEN the frames are those of the whole
    whole = FRONT_END.stream(2).feed(signal)
    assert whole.shape == (2, windows.window_count(6000, 480, 320), 43)
    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), whole)


def test_a_tone_is_in_its_bucket_and_loudness_is_squared() -> None:
    # GIVEN a tone in the middle of bucket 20, at 0.1 and at half of that
    tone = np.sin(2 * np.pi * (122.5 * 16000 / 512) * np.arange(16000) / 16000)
    clips = np.stack([np.rint(32768 * 0.1 * tone), np.rint(32768 * 0.05 * tone)]).astype(np.int16)
    # WHEN its features are computed
    loud, soft = (FRONT_END.features(clips).astype(int) + 128)[:, 10]
    # THEN the bucket stands out, four times lower at half the amplitude
    assert loud.argmax() == soft.argmax() == 20
    assert 60 < loud[20] < 80
    assert abs(loud[20] - 4 * soft[20]) <= 2
    assert loud[np.abs(np.arange(43) - 20) > 1].max() == 0


def test_silence_is_lowest_and_the_loudest_tone_highest() -> None:
    tone = np.where(np.arange(16000) % 16 < 8, 32767, -32768)
    silence, loud = FRONT_END.features(np.stack([np.zeros(16000), tone]).astype(np.int16))
    assert (silence == -128).all()
    assert loud.max() == 127


def test_the_id_is_a_hash_of_the_settings() -> None:
    assert FRONT_END.id == "spectrogram43-a395c2a0"
    assert FRONT_END.shape == (49, 43)
    assert features.front_end("spectrogram43") is features.front_end(FRONT_END.id) is FRONT_END


def test_rows_stand_one_after_the_other() -> None:
    # GIVEN the features of a clip as bytes
    clip = np.random.default_rng(2).integers(-3000, 3000, (1, 16000)).astype(np.int16)
    rows = FRONT_END.features(clip)[0]
    # WHEN / THEN row r, bucket b is byte 43·r + b
    data = rows.tobytes()
    assert len(data) == 49 * 43
    for row, bucket in itertools.product((0, 1, 48), (0, 42)):
        assert data[43 * row + bucket] == int(rows[row, bucket]) & 0xFF


def test_the_processing_job_writes_its_shards(tmp_path: Path) -> None:
    # GIVEN a job that asks for this front end
    inputs = lay_out(tmp_path / "input", small_clips())
    job = preprocess.Settings("r000001", FRONT_END, 1, 0, "algo-1", ("algo-1",), 1)
    # WHEN it runs
    manifest = preprocess.preprocess(job, inputs, tmp_path / "features")
    # THEN its shards hold rows of this shape, and say which front end made them
    assert manifest["frontend"] == FRONT_END.id
    (path,) = (tmp_path / "features").glob("shard-*.npz")
    rows = shards.load(path, (49, 43))
    assert rows.frontend == FRONT_END.id
    assert rows.features.shape == (manifest["rows"], 49, 43)
    assert rows.features.max() > -128

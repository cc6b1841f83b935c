"""The front end `micro` against TFLM's own C library, and what it promises by itself.

All of it runs twice: by numpy, and by the C that is compiled where jobs run.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import oracle
import pytest
import soundfile
from edge_signals import SIGNALS, noise, recordings
from hypothesis import given, settings
from hypothesis import strategies as st
from kws import features, fixed_fft, micro, native, tables, windows

REQUIREMENTS = Path(__file__).parent / "oracle-requirements.txt"


@pytest.fixture(scope="session")
def microfrontend(repository: Path) -> oracle.Oracle:
    return oracle.build(repository / "build" / "oracle", REQUIREMENTS)


@pytest.fixture(autouse=True, scope="module", params=["numpy", "native"])
def _computed_by(request: pytest.FixtureRequest) -> Iterator[None]:
    native.use(None)
    if request.param == "native":
        native.use(native.Library())
    yield
    native.use(None)


@pytest.mark.parametrize("name", SIGNALS)
def test_equals_the_c_library_on_signals(microfrontend: oracle.Oracle, name: str) -> None:
    # GIVEN a signal that drives the arithmetic to an edge
    signal = SIGNALS[name].astype(np.int16)
    # WHEN both compute its features
    ours = micro.MicroStream().unquantised(signal[None])[0]
    # THEN they are the same to the bit
    np.testing.assert_array_equal(ours, microfrontend.features(signal))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    length=st.integers(0, 20000),
    low=st.integers(-32768, 32767),
    high=st.integers(-32768, 32767),
    held=st.integers(1, 400),
)
def test_equals_the_c_library_on_anything(
    microfrontend: oracle.Oracle, seed: int, length: int, low: int, high: int, held: int
) -> None:
    # GIVEN a random staircase of any length, level and step width
    low, high = min(low, high), max(low, high)
    steps = np.random.default_rng(seed).integers(low, high + 1, length // held + 1)
    signal = np.repeat(steps, held)[:length].astype(np.int16)
    # WHEN both compute its features
    ours = micro.MicroStream().unquantised(signal[None])[0]
    # THEN they are the same, as many frames as whole windows fit
    theirs = microfrontend.features(signal)
    assert len(ours) == windows.window_count(length, 480, 320) == len(theirs)
    np.testing.assert_array_equal(ours, theirs)


def test_equals_the_c_library_on_real_clips(microfrontend: oracle.Oracle, repository: Path) -> None:
    # GIVEN real clips where they are, spoken-like tones in any case
    clips = [soundfile.read(path, frames=16000, dtype="int16")[0] for path in recordings(repository)]
    clips += [(3000 * np.sin(np.arange(16000) ** 1.5 / (40 + k))).astype(np.int16) for k in range(10)]
    batch = np.stack([np.pad(clip, (0, 16000 - len(clip))) for clip in clips])
    # WHEN a whole batch is computed
    ours = features.MICRO.features(batch)
    # THEN every clip's features are the quantised ones of the C library
    theirs = np.stack([micro.quantise(microfrontend.features(clip)) for clip in batch])
    np.testing.assert_array_equal(ours, theirs)


def test_equals_the_c_library_at_another_step(microfrontend: oracle.Oracle) -> None:
    # GIVEN the settings of the wheel that the C library comes with, a step of 10 ms
    ten = micro.MicroSettings(step_ms=10, frames=98)
    signal = noise(5000).astype(np.int16)
    # WHEN / THEN both give the same 98 frames
    ours = micro.MicroStream(settings=ten).unquantised(signal[None])[0]
    assert len(ours) == 98
    np.testing.assert_array_equal(ours, microfrontend.features(signal, step_ms=10))


def test_equals_the_published_wheel(repository: Path) -> None:
    # GIVEN the C library as it is published, which has a step of 10 ms
    wheel = oracle.wheel(repository / "build" / "oracle", REQUIREMENTS)
    ten = micro.MicroSettings(step_ms=10, frames=98)
    for name in ("silence", "noise of 10000", "square of 40", "impulse -32768 at 240", "flattened 16"):
        signal = SIGNALS[name].astype(np.int16)
        # WHEN / THEN both give the same frames
        np.testing.assert_array_equal(
            micro.MicroStream(settings=ten).unquantised(signal[None])[0], wheel.features(signal), err_msg=name
        )


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, 6000), max_size=8), seed=st.integers(0, 1000))
def test_pieces_give_what_the_whole_gives(cuts: list[int], seed: int) -> None:
    # GIVEN two signals cut at the same places
    signal = np.random.default_rng(seed).integers(-9000, 9000, (2, 6000)).astype(np.int16)
    stream = micro.MicroStream(signals=2)
    # WHEN they are fed piece by piece
    pieces = [stream.feed(piece) for piece in np.split(signal, sorted(cuts), axis=1)]
    # THEN the frames are those of the whole
    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), micro.MicroStream(signals=2).feed(signal))


@pytest.mark.parametrize("name", features.FRONT_ENDS)
@pytest.mark.parametrize("samples", [np.zeros((3, 400), np.int16), np.zeros(400, np.int16), np.zeros((2, 400))])
def test_a_stream_takes_its_signals_alone(name: str, samples: np.ndarray) -> None:
    # GIVEN a stream of two signals WHEN it is fed something else THEN it says what to feed
    with pytest.raises(ValueError, match=r"give int16 of shape \(2, samples\)"):
        features.FRONT_ENDS[name].stream(2).feed(samples)


def test_a_batch_gives_what_its_clips_give() -> None:
    # GIVEN more clips than are computed together
    clips = np.random.default_rng(3).integers(-4000, 4000, (70, 16000)).astype(np.int16)
    # WHEN / THEN alone or together, a clip has the same features
    together = features.MICRO.features(clips)
    assert together.shape == (70, 49, 40)
    for index in (0, 31, 32, 69):
        np.testing.assert_array_equal(together[index], features.MICRO.features(clips[index : index + 1])[0])


def test_no_clips_give_no_features() -> None:
    assert features.MICRO.features(np.zeros((0, 16000), np.int16)).shape == (0, 49, 40)


@pytest.mark.parametrize(
    "clips",
    [np.zeros((1, 15999), np.int16), np.zeros(16000, np.int16), np.zeros((1, 16000), np.float32)],
)
def test_other_shapes_and_types_are_refused(clips: np.ndarray) -> None:
    with pytest.raises(ValueError, match="give int16 of shape"):
        features.MICRO.features(clips)


def test_quantisation_is_the_contracts() -> None:
    # GIVEN every feature that there can be
    every = np.arange(65536, dtype=np.uint16)
    # WHEN / THEN the rounding division and the clamp are those of the contract
    expected = [max(-128, min(127, (f * 256 + 333) // 666 - 128)) for f in range(65536)]
    assert micro.quantise(every).tolist() == expected


def test_the_id_is_a_hash_of_the_settings() -> None:
    # GIVEN the settings as the contract spells them
    assert features.MICRO.settings.startswith('{"channels":40,"frames":49,"log_scale_shift":6,"lower_hz":125,')
    # THEN the id follows, and is found by name and by id, and no other
    assert features.MICRO.id == "micro-7b49ead9"
    assert features.front_end("micro") is features.front_end(features.MICRO.id) is features.MICRO
    with pytest.raises(features.UnknownFrontEndError, match="micro-7b49ead9"):
        features.front_end("micro-00000000")


def test_spectrum_is_that_of_a_fourier_transform() -> None:
    # GIVEN a frame at full scale
    frame = np.random.default_rng(1).integers(-32768, 32768, (512, 1)).astype(np.int16)
    # WHEN its power is computed in fixed point
    power = fixed_fft.power_spectrum(frame)[:, 0]
    # THEN it is that of the real transform over its length, within the rounding of nine stages
    exact = np.abs(np.fft.rfft(frame[:, 0].astype(float)) / 512)
    np.testing.assert_allclose(np.sqrt(power), exact, atol=6)


@pytest.mark.parametrize("name", tables.HEADERS)
def test_committed_tables_are_the_generated_ones(repository: Path, name: str) -> None:
    committed = (repository / "firmware" / "core" / name).read_text()
    assert committed == tables.HEADERS[name](), "run `python -m kws.tables ../firmware/core` in jobs/"


def test_tables_hold_no_floats_and_name_a_missing_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # GIVEN a folder, and one that is not there
    assert tables.main([str(tmp_path)]) == 0
    written = sorted(tmp_path.iterdir())
    assert [path.name for path in written] == sorted(tables.HEADERS)
    for path in written:
        assert "float" not in path.read_text()
        assert "double" not in path.read_text()
    # WHEN / THEN the missing one is named
    assert tables.main([str(tmp_path / "absent")]) == 2
    assert "absent" in capsys.readouterr().err

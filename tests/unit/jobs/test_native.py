"""The C beside the front ends: it is believed only where it gives numpy's bytes, and nothing needs it."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kws import features, fixed_fft, micro, native


@pytest.fixture(autouse=True)
def _numpy_again() -> Iterator[None]:
    native.use(None)
    yield
    native.use(None)


@pytest.fixture(scope="module")
def library() -> native.Library:
    return native.Library()


CLIPS = np.random.default_rng(5).integers(-9000, 9000, (3, 16000)).astype(np.int16)


@settings(max_examples=60, deadline=None)
@given(frames=st.integers(0, 40), seed=st.integers(0, 2**32 - 1), amplitude=st.sampled_from([1, 300, 9000, 32768]))
def test_any_number_of_frames_is_transformed_as_by_numpy(
    library: native.Library, frames: int, seed: int, amplitude: int
) -> None:
    # GIVEN any number of frames: full vectors, and the rest
    signal = np.random.default_rng(seed).integers(-amplitude, amplitude, (512, frames)).astype(np.int16)
    # WHEN / THEN both transform them to the same powers
    np.testing.assert_array_equal(library.power_spectrum(fixed_fft.TABLES, signal), fixed_fft.power_spectrum(signal))


def test_it_speeds_up_every_front_end() -> None:
    # GIVEN what numpy computes
    expected = [known.features(CLIPS) for known in features.FRONT_ENDS.values()]
    # WHEN the compiler is asked
    assert features.speed_up()
    # THEN C computes, and the bytes are the same
    assert native.library() is not None
    for known, wanted in zip(features.FRONT_ENDS.values(), expected, strict=True):
        np.testing.assert_array_equal(known.features(CLIPS), wanted)


def test_without_a_compiler_numpy_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a machine without programs
    monkeypatch.setenv("PATH", "")
    # WHEN / THEN nothing is sped up, and nothing fails
    assert not features.speed_up()
    assert native.library() is None


@pytest.mark.parametrize(("source", "says"), [("no C", "error"), ("int kws;", "undefined symbol: kws_power_spectrum")])
def test_a_source_that_does_not_work_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, says: str
) -> None:
    monkeypatch.setattr(native, "SOURCE", tmp_path / "native.c")
    (tmp_path / "native.c").write_text(source)
    with pytest.raises(native.NativeError, match=says):
        native.Library()
    assert not features.speed_up()


def test_code_that_answers_otherwise_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a compiler that rounds otherwise
    text = native.SOURCE.read_text()
    assert "(1 << 14)" in text
    (tmp_path / "native.c").write_text(text.replace("(1 << 14)", "(1 << 13)"))
    monkeypatch.setattr(native, "SOURCE", tmp_path / "native.c")
    # WHEN / THEN its library loads, but is not used
    assert native.Library()
    assert not features.speed_up()
    assert native.library() is None


def test_other_lengths_never_reach_the_c(library: native.Library) -> None:
    with pytest.raises(ValueError, match="takes 512"):
        library.power_spectrum(fixed_fft.TABLES, np.zeros((511, 3), np.int16))
    bank = micro.MICRO.filter_bank
    with pytest.raises(ValueError, match="have 480"):
        library.channel_levels(
            fixed_fft.TABLES,
            (micro.MICRO.window, micro.WINDOW_BITS),
            (bank.edges, bank.falling, bank.rising),
            np.zeros((2, 481), np.int16),
        )


def test_the_jobs_archive_carries_the_source(repository: Path) -> None:
    # GIVEN the program that packs the jobs' sources WHEN it lists them THEN the C is among them
    spec = importlib.util.spec_from_file_location("pack", repository / "layers" / "jobs" / "pack.py")
    assert spec is not None
    assert spec.loader is not None
    pack = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pack)
    assert native.SOURCE.relative_to(repository / "jobs") in set(pack.sources(repository / "jobs"))

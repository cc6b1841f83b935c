"""Decoding, refusing, and cutting to one second."""

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kws import audio
from made_clips import encode, tone

WORD = tone(440, 1)


def best_lag(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of two signals at their best alignment within 2 ms."""
    a, b = a.astype(float), b.astype(float)
    size = min(len(a), len(b)) - 64
    spans = [b[lag : lag + size] for lag in range(64)]
    return max(
        float(np.dot(a[32 : 32 + size], s) / np.linalg.norm(a[32 : 32 + size]) / np.linalg.norm(s)) for s in spans
    )


@pytest.mark.parametrize("container", ["WAV", "WAVEX", "FLAC"])
def test_16_khz_mono_16_bit_passes_through(container: str) -> None:
    # GIVEN samples over the whole range
    samples = np.concatenate([np.array([-32768, 32767, 0, 1, -1], np.int16), WORD])
    # WHEN / THEN what comes out is what went in
    np.testing.assert_array_equal(audio.decode(encode(samples, container=container), "a"), samples)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("container", "subtype"),
    [("WAV", s) for s in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")]
    + [("FLAC", s) for s in ("PCM_S8", "PCM_16", "PCM_24")],
)
def test_every_rate_depth_and_channel_count(rate: int, channels: int, container: str, subtype: str) -> None:
    # GIVEN the same tone in another form
    time = np.arange(rate) / rate
    values = 0.4 * np.sin(2 * np.pi * 440 * time) * np.sin(np.pi * time)
    values = np.repeat(values[:, None], channels, axis=1)
    # WHEN it is decoded
    samples = audio.decode(encode(values, rate, container, subtype), "a")
    # THEN it is a second of that tone at 16 kHz and the same level
    expected = 0.4 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000) * np.sin(np.pi * np.arange(16000) / 16000)
    assert samples.dtype == np.int16
    assert abs(len(samples) - 16000) <= 1
    assert best_lag(samples, expected) > 0.999
    assert np.abs(samples).max() == pytest.approx(0.4 * 32768, rel=0.03)


def test_channels_are_averaged() -> None:
    # GIVEN one channel of silence
    stereo = np.stack([WORD, np.zeros_like(WORD)], axis=1)
    # WHEN / THEN the tone has half its height
    np.testing.assert_allclose(audio.decode(encode(stereo), "a"), WORD / 2, atol=0.5)


def test_float_beyond_full_scale_is_clipped() -> None:
    loud = np.array([2.0, -2.0, 1e30, 0.5])
    assert audio.decode(encode(loud, subtype="FLOAT"), "a").tolist() == [32767, -32768, 32767, 16384]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(audio.AudioError, match=r"a\.wav: has samples that are not numbers"):
        audio.decode(encode(np.array([0.0, value]), subtype="FLOAT"), "a.wav")


def test_a_header_that_promises_hours_is_refused_at_once() -> None:
    # GIVEN a FLAC whose header says 2**36 - 1 samples
    content = bytearray(encode(WORD, container="FLAC"))
    content[21] |= 0x0F
    content[22:26] = b"\xff\xff\xff\xff"
    # WHEN / THEN it is refused by its header, not by exhausting memory
    with pytest.raises(audio.AudioError, match="its header says 4294967 s"):
        audio.decode(bytes(content), "long.flac")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "the file is empty"),
        (b"RIFF", "cannot be decoded"),
        (b"ID3\x04" + bytes(400), "cannot be decoded"),
        (encode(WORD)[:30], "cannot be decoded"),
        (encode(WORD[:0]), "holds no samples"),
        (encode(WORD, 500), "send a rate between"),
        (encode(WORD, container="AIFF"), "PCM_16 in AIFF; send PCM WAV or FLAC"),
        (encode(WORD, container="WAV", subtype="IMA_ADPCM"), "IMA_ADPCM in WAV; send PCM WAV or FLAC"),
        (encode(WORD, container="OGG", subtype="VORBIS"), "VORBIS in OGG; send PCM WAV or FLAC"),
        (encode(WORD, container="MP3", subtype="MPEG_LAYER_III"), "send PCM WAV or FLAC"),
    ],
)
def test_what_cannot_be_used_says_file_fault_and_remedy(content: bytes, fault: str) -> None:
    with pytest.raises(audio.AudioError, match=r"^clips/yes/a\.wav: ") as raised:
        audio.decode(content, "clips/yes/a.wav")
    assert fault in str(raised.value)
    assert ";" in str(raised.value)


def test_a_cut_flac_is_refused() -> None:
    content = encode(np.random.default_rng(0).integers(-9000, 9000, 16000).astype(np.int16), container="FLAC")
    with pytest.raises(audio.AudioError, match=r"a\.flac"):
        audio.decode(content[: len(content) // 2], "a.flac")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_files_end_in_an_error_or_in_samples(data: st.DataObject) -> None:
    # GIVEN a file with bytes overwritten anywhere, and perhaps cut
    container = data.draw(st.sampled_from(["WAV", "FLAC"]))
    content = bytearray(encode(WORD[:4000], container=container))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, min(len(content) - 1, 120)))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    # WHEN it is decoded
    try:
        samples = audio.decode(bytes(content), "a")
    # THEN no error but the one that a job reports per clip; what passes is samples
    except audio.AudioError:
        return
    assert samples.dtype == np.int16
    assert samples.ndim == 1
    assert len(samples) >= 1


def test_a_wav_with_chunks_before_its_data() -> None:
    # GIVEN a chunk that nobody knows between format and data
    content = encode(WORD)
    at = content.index(b"data")
    extra = b"junk" + struct.pack("<I", 6) + b"123456"
    content = content[:at] + extra + content[at:]
    content = content[:4] + struct.pack("<I", len(content) - 8) + content[8:]
    # WHEN / THEN the samples are found behind it
    np.testing.assert_array_equal(audio.decode(content, "a"), WORD)


@pytest.mark.parametrize("length", [1, 100, 15999, 16000])
def test_shorter_clips_get_zeros_at_the_end(length: int) -> None:
    fitted = audio.fit_second(np.full(length, 5, np.int16))
    assert fitted.shape == (16000,)
    assert (fitted[:length] == 5).all()
    assert not fitted[length:].any()


@settings(max_examples=40, deadline=None)
@given(length=st.integers(16001, 40000), seed=st.integers(0, 10**6))
def test_of_longer_clips_the_loudest_second_is_taken(length: int, seed: int) -> None:
    # GIVEN a clip with its power anywhere, full scale included
    random = np.random.default_rng(seed)
    samples = (random.integers(-32768, 32768, length) * (random.random(length) < random.random())).astype(np.int16)
    # WHEN it is cut
    fitted = audio.fit_second(samples)
    # THEN no window on a multiple of 320 has more energy, and no earlier one as much
    energies = [int((samples[s : s + 16000].astype(object) ** 2).sum()) for s in range(0, length - 15999, 3200)]
    own = int((fitted.astype(object) ** 2).sum())
    assert own >= max(energies)
    starts = [s for s in range(0, length - 15999, 320) if np.array_equal(samples[s : s + 16000], fitted)]
    assert starts


def test_of_equal_windows_the_earliest_is_taken() -> None:
    # GIVEN two equal impulses, of which no window holds both
    samples = np.zeros(40000, np.int16)
    samples[100], samples[30000] = 900, -900
    # WHEN / THEN the window at 0 wins
    assert audio.fit_second(samples)[100] == 900


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(audio.AudioError, match=r"absent\.wav: cannot be read"):
        audio.read(tmp_path / "absent.wav")

import random
import struct

import pytest
from earshot_pipeline.audio_header import (
    HEAD_BYTES,
    NOISE_LIMITS,
    WORD_LIMITS,
    AudioFormat,
    BadAudioError,
    read_header,
)
from hypothesis import given
from hypothesis import strategies as st


def wav(
    frames=16000, *, rate=16000, channels=1, bits=16, tag=1, declared=None, before=b"", extensible=False, size=None
):
    frame = channels * bits // 8
    data = bytes(min(frames, 20000) * frame)
    extra = struct.pack("<HHIH14s", 22, bits, 0, tag, b"\0" * 14) if extensible else b""
    fmt = (
        struct.pack("<HHIIHH", 0xFFFE if extensible else tag, channels, rate, rate * frame % 2**32, frame, bits) + extra
    )
    body = b"WAVE" + b"fmt " + struct.pack("<I", len(fmt)) + fmt + before
    body += b"data" + struct.pack("<I", len(data) if declared is None else declared) + data
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


def flac(frames=16000, *, rate=16000, channels=1, bits=16, block=4096, smallest=0, padding=4000):
    packed = rate << 44 | (channels - 1) << 41 | (bits - 1) << 36 | frames
    info = struct.pack(">HH", block, block) + smallest.to_bytes(3, "big") + bytes(3) + packed.to_bytes(8, "big")
    return b"fLaC" + bytes([0x80, 0, 0, 34]) + info + bytes(16) + bytes(padding)


def read(content, extension=".wav", limits=WORD_LIMITS):
    return read_header(content[:HEAD_BYTES], len(content), extension, limits)


def chunk(name, length):
    return name + struct.pack("<I", length) + bytes(length + length % 2)


@pytest.mark.parametrize(
    ("content", "extension", "expected"),
    [
        (wav(), ".wav", AudioFormat("WAV", 16000, 1, 16, 16000)),
        (wav(8000, rate=8000, channels=2, bits=24), ".wav", AudioFormat("WAV", 8000, 2, 24, 8000)),
        (wav(100, bits=32, tag=3), ".wav", AudioFormat("WAV", 16000, 1, 32, 100)),
        (wav(100, extensible=True), ".wav", AudioFormat("WAV", 16000, 1, 16, 100)),
        (wav(100, before=chunk(b"LIST", 27)), ".wav", AudioFormat("WAV", 16000, 1, 16, 100)),
        (wav(1), ".wav", AudioFormat("WAV", 16000, 1, 16, 1)),
        (flac(), ".flac", AudioFormat("FLAC", 16000, 1, 16, 16000)),
        (flac(48000, rate=48000, channels=2, bits=24), ".flac", AudioFormat("FLAC", 48000, 2, 24, 48000)),
    ],
)
def test_a_clip_is_read(content, extension, expected):
    # GIVEN a proper file WHEN its head is read THEN it says what it holds
    assert read(content, extension) == expected


def test_samples_behind_a_long_chunk_are_bounded_by_the_file():
    # GIVEN cover art of 8 KB before the samples, so that the head ends inside of it
    content = wav(100, before=chunk(b"LIST", 8192))
    # WHEN the head is read THEN the rest of the file counts as samples
    assert read(content).frames == 100


HOSTILE = {
    "empty": (b"", ".wav", "an empty file; send PCM WAV or FLAC"),
    "ID3 MP3": (b"ID3\x04" + bytes(500), ".wav", "an MP3 file named .wav; send PCM WAV or FLAC"),
    "MP3 frame": (b"\xff\xfb\x90\x64" + bytes(500), ".wav", "an MP3 file named .wav"),
    "AAC frame": (b"\xff\xf1\x50\x80" + bytes(500), ".wav", "an AAC file named .wav"),
    "Ogg": (b"OggS" + bytes(100), ".flac", "an Ogg file named .flac"),
    "M4A": (b"\0\0\0\x20ftypM4A " + bytes(100), ".wav", "an M4A (MPEG-4) file named .wav"),
    "AIFF": (b"FORM\0\0\0\x10AIFF", ".wav", "an AIFF file named .wav"),
    "AVI": (b"RIFF\x10\0\0\0AVI " + bytes(100), ".wav", "a RIFF file without audio ('AVI ')"),
    "big-endian": (b"RIFX" + wav()[4:], ".wav", "a big-endian WAV file"),
    "RF64": (b"RF64" + wav()[4:], ".wav", "an RF64 WAV file"),
    "HTML": (b"<!doctype html><html>", ".wav", "an HTML file named .wav"),
    "text": (b"hello, this is not audio", ".wav", "a text file named .wav"),
    "zeros": (bytes(4096), ".wav", "a file of zeros named .wav"),
    "unknown": (bytes(range(128, 255)), ".flac", "a file of unknown format named .flac"),
    "one byte": (b"R", ".wav", "a text file named .wav"),
    "FLAC named .wav": (flac(), ".wav", "a FLAC file named .wav; rename it to .flac"),
    "WAV named .flac": (wav(), ".flac", "a WAV file named .flac; rename it to .wav"),
    "only RIFF": (b"RIFF", ".wav", "a truncated WAV header"),
    "cut in fmt": (wav()[:30], ".wav", "a truncated WAV header"),
    "cut before data": (wav()[:36], ".wav", "a truncated WAV header"),
    "cut in data's header": (wav()[:41], ".wav", "a truncated WAV header"),
    "no samples": (wav(0), ".wav", "no samples"),
    "3 hours on 1 KB": (wav(500, declared=2 * 16000 * 3600 * 3), ".wav", "declares 345600000 bytes of samples"),
    "one byte short": (wav()[:-1], ".wav", "declares 32000 bytes of samples and holds 31999"),
    "streamed": (wav(declared=0xFFFFFFFF), ".wav", "was streamed and never says its length"),
    "data before fmt": (b"RIFF\0\0\0\0WAVE" + chunk(b"data", 10), ".wav", "samples come before their format"),
    "MP3 in WAV": (wav(tag=0x55), ".wav", "MP3 inside a .wav"),
    "A-law": (wav(tag=6, bits=8), ".wav", "A-law inside a .wav"),
    "unknown codec": (wav(tag=0x1234), ".wav", "codec 0x1234 inside a .wav"),
    "12 bits": (wav(bits=12, channels=2), ".wav", "a WAV of 12 bits"),
    "16 bit float": (wav(tag=3), ".wav", "a WAV of 16 bits"),
    "no channels": (wav(channels=0), ".wav", "a damaged WAV header"),
    "64 channels": (wav(1000, channels=64), ".wav", "64 channels; send mono or stereo"),
    "1 Hz": (wav(5, rate=1), ".wav", "a sample rate of 1 Hz"),
    "0 Hz": (wav(rate=0), ".wav", "a sample rate of 0 Hz"),
    "4 GHz": (wav(rate=0xFFFFFFF0), ".wav", "a sample rate of 4294967280 Hz"),
    "11 s": (flac(176000), ".flac", "11.0 s long"),
    "FLAC cut": (flac()[:41], ".flac", "a truncated FLAC header"),
    "FLAC without STREAMINFO": (b"fLaC\x84\0\0\x22" + bytes(100), ".flac", "a damaged FLAC header"),
    "FLAC of no samples": (flac(0), ".flac", "a FLAC that holds no samples"),
    "FLAC block of 0": (flac(block=0), ".flac", "a damaged FLAC header"),
    "FLAC 3 hours on 1 KB": (flac(16000 * 10800, padding=900), ".flac", "declares 172800000 samples in a file of"),
    "FLAC smaller than its frames": (flac(16000, smallest=5000, padding=100), ".flac", "declares 16000 samples"),
    "FLAC of 0 Hz": (flac(rate=0), ".flac", "a sample rate of 0 Hz"),
}


@pytest.mark.parametrize(("content", "extension", "message"), HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_clip_is_named_with_its_remedy(content, extension, message):
    # GIVEN a file that pretends WHEN its head is read THEN the refusal says what it is
    with pytest.raises(BadAudioError) as refusal:
        read(content, extension)
    assert message in str(refusal.value)


def test_noise_recordings_may_be_long():
    # GIVEN a minute of noise WHEN it is a word THEN it is too long; as noise it is fine until ten minutes
    minute = flac(16000 * 60, padding=100_000)
    with pytest.raises(BadAudioError, match=r"60\.0 s long; clips of this label may last 10 s"):
        read(minute, ".flac")
    assert read(minute, ".flac", NOISE_LIMITS).seconds == 60
    with pytest.raises(BadAudioError, match="660"):
        read(flac(16000 * 660, padding=100_000), ".flac", NOISE_LIMITS)


@given(st.binary(max_size=200), st.integers(0, 2**40), st.sampled_from([".wav", ".flac"]))
def test_no_bytes_raise_anything_else(head, size, extension):
    # GIVEN any bytes and size WHEN they are read THEN there is a format or a refusal
    try:
        audio = read_header(head, size, extension)
    except BadAudioError:
        return
    assert audio.frames > 0


@given(st.integers(0, 2**32), st.sampled_from([wav(), flac(), wav(before=chunk(b"LIST", 9000))]))
def test_no_damage_raises_anything_else(seed, content):
    # GIVEN a proper file with bytes changed and its end cut
    rng = random.Random(seed)
    damaged = bytearray(content[: rng.randrange(1, len(content))])
    for _ in range(rng.randrange(8)):
        damaged[rng.randrange(min(64, len(damaged)))] = rng.randrange(256)
    # WHEN it is read THEN there is a format within the limits or a refusal
    for extension in (".wav", ".flac"):
        try:
            audio = read(bytes(damaged), extension)
        except BadAudioError:
            continue
        assert 0 < audio.seconds <= WORD_LIMITS.max_seconds
        assert WORD_LIMITS.min_rate <= audio.rate <= WORD_LIMITS.max_rate

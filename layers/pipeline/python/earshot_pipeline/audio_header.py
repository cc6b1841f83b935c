"""Judge an audio file by its first bytes and its size, before anything is paid to decode it.

Reads at most `HEAD_BYTES`. A file that passes has a WAV or FLAC header whose sample count fits the file and the
limits; whether the samples decode is for the preprocessing job to find out.

Formats: WAV (RIFF, `fmt ` and `data` chunks, Microsoft's WAVEFORMATEX and WAVEFORMATEXTENSIBLE), FLAC (RFC 9639,
section 8: the STREAMINFO block).
"""

import struct
from dataclasses import dataclass

HEAD_BYTES = 4096

_PCM, _FLOAT, _EXTENSIBLE = 0x0001, 0x0003, 0xFFFE
_WAV_CODECS = {0x0002: "ADPCM", 0x0006: "A-law", 0x0007: "µ-law", 0x0011: "ADPCM", 0x0050: "MPEG", 0x0055: "MP3"}
_PCM_BITS = (8, 16, 24, 32)
_FLOAT_BITS = (32, 64)
_FLAC_HEADER_BYTES = 42  # the marker, the block's header and STREAMINFO
_FLAC_SMALLEST_FRAME = 10  # frame header 6, a constant subframe 2, the frame's CRC 2 (RFC 9639, section 9)
_STREAMED = 0xFFFFFFFF
_REMEDY = "send PCM WAV or FLAC"

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"ID3", "an MP3"),
    (0, b"OggS", "an Ogg"),
    (4, b"ftyp", "an M4A (MPEG-4)"),
    (0, b"FORM", "an AIFF"),
    (0, b".snd", "an AU"),
    (0, b"caff", "a CAF"),
    (0, b"#!AMR", "an AMR"),
    (0, b"\x1a\x45\xdf\xa3", "a WebM or Matroska"),
    (0, b"\x30\x26\xb2\x75", "a WMA"),
    (0, b"RF64", "an RF64 WAV"),
    (0, b"RIFX", "a big-endian WAV"),
    (0, b"riff", "a Wave64"),
    (0, b"PK\x03\x04", "a ZIP"),
    (0, b"\x1f\x8b", "a gzip"),
    (0, b"\x89PNG", "a PNG"),
    (0, b"\xff\xd8\xff", "a JPEG"),
    (0, b"%PDF", "a PDF"),
    (0, b"<!DOCTYPE", "an HTML"),
    (0, b"<html", "an HTML"),
    (0, b"<?xml", "an XML"),
)


class BadAudioError(ValueError):
    """The file cannot become a clip; the message names the fault and the remedy, without the file's name."""


@dataclass(frozen=True)
class Limits:
    """What a clip may be.

    Attributes:
        max_seconds: longest clip, in seconds.
        min_rate: lowest sample rate, in hertz.
        max_rate: highest sample rate, in hertz.
        max_channels: most channels.
    """

    max_seconds: float = 10.0
    min_rate: int = 8_000
    max_rate: int = 192_000
    max_channels: int = 8


WORD_LIMITS = Limits()
NOISE_LIMITS = Limits(max_seconds=600.0)


@dataclass(frozen=True)
class AudioFormat:
    """What a header says.

    Attributes:
        container: `WAV` or `FLAC`.
        rate: sample rate in hertz.
        channels: number of channels.
        bits: bits a sample.
        frames: samples a channel.
    """

    container: str
    rate: int
    channels: int
    bits: int
    frames: int

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.frames / self.rate


def read_header(head: bytes, size: int, extension: str, limits: Limits = WORD_LIMITS) -> AudioFormat:
    """Judge a file by its head.

    Args:
        head: the file's first bytes; `min(size, HEAD_BYTES)` of them.
        size: the file's size in bytes.
        extension: the name's extension, `.wav` or `.flac`.
        limits: what a clip of this label may be.

    Raises:
        BadAudioError: when it is not a clip.
    """
    if size == 0:
        raise BadAudioError(f"an empty file; {_REMEDY}")
    container = _container(head, extension)
    audio = _read_wav(head, size) if container == "WAV" else _read_flac(head, size)
    _check_limits(audio, limits)
    return audio


def _container(head: bytes, extension: str) -> str:
    if head[:4] == b"RIFF" and (len(head) < 12 or head[8:12] == b"WAVE"):
        found = "WAV"
    elif head[:4] == b"fLaC":
        found = "FLAC"
    else:
        raise BadAudioError(f"{_what_it_is(head)} named {extension}; {_REMEDY}")
    if found != extension[1:].upper():
        raise BadAudioError(f"a {found} file named {extension}; rename it to .{found.lower()}")
    return found


def _what_it_is(head: bytes) -> str:
    for offset, magic, name in _MAGIC:
        found = head[offset : offset + len(magic)]
        if found == magic or (magic.startswith(b"<") and found.lower() == magic.lower()):
            return f"{name} file"
    if head[:4] == b"RIFF":
        return f"a RIFF file without audio ({head[8:12].decode('ascii', 'replace')!r})"
    if len(head) >= 2 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        return "an AAC file" if head[1] & 0xF6 == 0xF0 else "an MP3 file"
    if not any(head):
        return "a file of zeros"
    if all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head):
        return "a text file"
    return "a file of unknown format"


def _read_wav(head: bytes, size: int) -> AudioFormat:
    position, fmt = 12, None
    while position + 8 <= len(head):
        name, length = struct.unpack_from("<4sI", head, position)
        body = position + 8
        if name == b"fmt ":
            fmt = _wav_format(head[body : body + length], length)
        elif name == b"data":
            if fmt is None:
                raise BadAudioError(f"a WAV whose samples come before their format; {_REMEDY}")
            return _wav_data(fmt, length, size - body)
        position = body + length + length % 2
    if fmt is not None and len(head) < position < size:
        # A long chunk (cover art, notes) lies before the samples: what is left bounds them.
        return _wav_data(fmt, None, size - position - 8)
    raise BadAudioError("a truncated WAV header: the file ends before its samples; upload it again")


@dataclass(frozen=True)
class _WavFormat:
    rate: int
    channels: int
    bits: int
    frame_bytes: int


def _wav_format(body: bytes, length: int) -> _WavFormat:
    if length < 16 or len(body) < 16:
        raise BadAudioError("a truncated WAV header: its format chunk is too short; upload it again")
    tag, channels, rate, _, frame_bytes, bits = struct.unpack_from("<HHIIHH", body)
    if tag == _EXTENSIBLE:
        if len(body) < 26:
            raise BadAudioError("a truncated WAV header: its format chunk is too short; upload it again")
        tag = struct.unpack_from("<H", body, 24)[0]
    if tag not in (_PCM, _FLOAT):
        raise BadAudioError(f"{_WAV_CODECS.get(tag, f'codec 0x{tag:04x}')} inside a .wav; {_REMEDY}")
    if bits not in (_PCM_BITS if tag == _PCM else _FLOAT_BITS):
        raise BadAudioError(f"a WAV of {bits} bits a sample; send 8, 16, 24 or 32 bits")
    if channels == 0 or frame_bytes != channels * bits // 8:
        raise BadAudioError(
            f"a damaged WAV header: {channels} channels of {bits} bits cannot be {frame_bytes} bytes; export it again"
        )
    return _WavFormat(rate, channels, bits, frame_bytes)


def _wav_data(fmt: _WavFormat, declared: int | None, available: int) -> AudioFormat:
    if declared == _STREAMED:
        raise BadAudioError("a WAV that was streamed and never says its length; save it to a file and send that")
    if declared is not None and declared > available:
        raise BadAudioError(
            f"a WAV that declares {declared} bytes of samples and holds {max(available, 0)}; upload it again"
        )
    length = available if declared is None else declared
    return AudioFormat("WAV", fmt.rate, fmt.channels, fmt.bits, max(length, 0) // fmt.frame_bytes)


def _read_flac(head: bytes, size: int) -> AudioFormat:
    if len(head) < _FLAC_HEADER_BYTES:
        raise BadAudioError("a truncated FLAC header: the file ends before its samples; upload it again")
    if head[4] & 0x7F != 0 or int.from_bytes(head[5:8], "big") != 34:
        raise BadAudioError("a damaged FLAC header: it does not begin with STREAMINFO; export it again")
    largest_block = int.from_bytes(head[10:12], "big")
    smallest_frame = int.from_bytes(head[12:15], "big")
    packed = int.from_bytes(head[18:26], "big")  # rate 20 bits, channels - 1: 3, bits - 1: 5, total samples 36
    rate, channels = packed >> 44, (packed >> 41 & 0x7) + 1
    bits, frames = (packed >> 36 & 0x1F) + 1, packed & (1 << 36) - 1
    if largest_block < 16 or bits < 4:
        raise BadAudioError("a damaged FLAC header: impossible block size or sample width; export it again")
    if frames == 0:
        raise BadAudioError("a FLAC that holds no samples, or was streamed and never says how many; save it to a file")
    blocks = -(-frames // largest_block)
    if size < _FLAC_HEADER_BYTES + blocks * max(smallest_frame, _FLAC_SMALLEST_FRAME):
        raise BadAudioError(f"a FLAC that declares {frames} samples in a file of {size} bytes; upload it again")
    return AudioFormat("FLAC", rate, channels, bits, frames)


def _check_limits(audio: AudioFormat, limits: Limits) -> None:
    if not limits.min_rate <= audio.rate <= limits.max_rate:
        raise BadAudioError(
            f"a sample rate of {audio.rate} Hz; send {limits.min_rate} to {limits.max_rate} Hz, best 16000 Hz"
        )
    if audio.channels > limits.max_channels:
        raise BadAudioError(f"{audio.channels} channels; send mono or stereo")
    if audio.frames == 0:
        raise BadAudioError("no samples: the header is followed by nothing; record it again")
    if audio.seconds > limits.max_seconds:
        raise BadAudioError(
            f"{audio.seconds:.1f} s long; clips of this label may last {limits.max_seconds:g} s, cut it"
        )

"""Broken files that people really drop; each must end in quarantine, with its reason."""

from __future__ import annotations

import struct
from pathlib import Path

from earshot.clips import Drop


def _wav_header(data_bytes: int, rate: int = 16000) -> bytes:
    """A canonical 44-byte header of mono 16-bit PCM that promises `data_bytes` of samples."""
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF", 36 + data_bytes, b"WAVE", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16, b"data", data_bytes,
    )  # fmt: skip


def broken_clips(directory: Path) -> list[Drop]:
    """Write the broken files and name the keys they go to."""
    directory.mkdir(parents=True, exist_ok=True)
    second = _wav_header(32000) + bytes(32000)
    # MPEG-1 layer III, 128 kbit/s, 44.1 kHz: the frame header FF FB 90 00 and 417 bytes a frame
    mp3_frame = b"\xff\xfb\x90\x00" + bytes(413)
    files = {
        "clips/yes/broken_mp3.wav": mp3_frame * 40,
        "clips/yes/broken_truncated_header.wav": second[:20],
        "clips/no/broken_empty.wav": b"",
        "clips/no/broken_three_hours.wav": _wav_header(3 * 3600 * 32000) + bytes(1024 - 44),
        "clips/Yes, please!/wrong_label.wav": second,
    }
    drops = []
    for key, content in files.items():
        path = directory / key.rsplit("/", 1)[1]
        path.write_bytes(content)
        drops.append(Drop(path, key))
    return drops

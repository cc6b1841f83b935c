"""The WAV reader: whatever chunks a file has, its samples are found; whatever is damaged, nothing outside is read."""

# mypy: disable-error-code="no-untyped-def, no-any-return, import-not-found"

import ctypes
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

FORMAT = struct.pack("<HHIIHH", 1, 1, 16000, 32000, 2, 16)


def parse(library, data: bytes) -> tuple[str, int, int]:
    """The error's name, where the samples begin, and how many they are."""
    library.c.es_wav_parse.restype = ctypes.c_int
    offset, count = ctypes.c_size_t(), ctypes.c_size_t()
    block = ctypes.create_string_buffer(data, max(1, len(data)))
    code = library.c.es_wav_parse(block, ctypes.c_size_t(len(data)), ctypes.byref(offset), ctypes.byref(count))
    return library.c.es_error_name(code).decode(), offset.value, count.value


def chunk(name: bytes, body: bytes, *, size: int | None = None) -> bytes:
    return name + struct.pack("<I", len(body) if size is None else size) + body + b"\0" * (len(body) % 2)


def riff(*chunks: bytes, size: int | None = None) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


names = st.one_of(
    st.sampled_from([b"LIST", b"fact", b"bext", b"JUNK", b"id3 ", b"\0\0\0\0"]), st.binary(min_size=4, max_size=4)
)
others = st.builds(chunk, names.filter(lambda name: name not in (b"fmt ", b"data")), st.binary(max_size=70))
pcm = st.integers(1, 200).flatmap(lambda count: st.binary(min_size=2 * count, max_size=2 * count))
# The format chunk may be longer than its 16 bytes.
formats = st.binary(max_size=24).map(lambda more: chunk(b"fmt ", FORMAT + more))


@settings(max_examples=200, deadline=None)
@given(before=st.lists(others, max_size=4), between=st.lists(others, max_size=4), after=st.lists(others, max_size=3),
       form=formats, samples=pcm, size=st.integers(0, 2**32 - 1))  # fmt: skip
def test_samples_are_found_among_any_chunks(library, before, between, after, form, samples, size) -> None:
    # GIVEN a file with chunks of any kind around its format and samples; the size of the whole is often wrong, too
    head = riff(*before, form, *between, size=size)
    data = head + chunk(b"data", samples) + b"".join(after)
    # WHEN / THEN
    assert parse(library, data) == ("ES_OK", len(head) + 8, len(samples) // 2)


@settings(max_examples=200, deadline=None)
@given(before=st.lists(others, max_size=3), samples=pcm, cut=st.floats(0, 1, exclude_max=True))
def test_a_file_that_is_cut_off_is_refused(library, before, samples, cut) -> None:
    # GIVEN a file that ends before its last sample
    data = riff(*before, chunk(b"fmt ", FORMAT), chunk(b"data", samples))
    # WHEN / THEN
    assert parse(library, data[: int(cut * len(data))])[0] in ("ES_ERR_WAV", "ES_ERR_WAV_SIZE")


@settings(max_examples=400, deadline=None)
@given(
    data=st.builds(riff, others, formats, others, pcm.map(lambda samples: chunk(b"data", samples))),
    changes=st.lists(st.tuples(st.integers(0, 2**16), st.sampled_from([0, 1, 2, 16, 0x7F, 0x80, 0xFF])), max_size=6),
    cut=st.integers(0, 40),
)
def test_a_damaged_file_is_refused_or_its_samples_lie_within(library, data, changes, cut) -> None:
    # GIVEN a file with bytes changed, and maybe its end cut off
    damaged = bytearray(data)
    for at, value in changes:
        damaged[at % len(damaged)] = value
    damaged = damaged[: len(damaged) - cut]
    # WHEN it is read
    name, offset, count = parse(library, bytes(damaged))
    # THEN what is taken for samples is a chunk of them inside the file
    if name == "ES_OK":
        assert bytes(damaged[offset - 8 : offset]) == b"data" + struct.pack("<I", 2 * count)
        assert 0 < 2 * count <= len(damaged) - offset
    else:
        assert name in ("ES_ERR_WAV", "ES_ERR_WAV_FORMAT", "ES_ERR_WAV_SIZE")


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=100))
def test_bytes_of_any_kind_are_refused(library, data) -> None:
    assert parse(library, data)[0] == "ES_ERR_WAV"


SAMPLES = chunk(b"data", b"ab" * 9)
SLOW = struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16)
INCONSISTENT = struct.pack("<HHIIHH", 1, 1, 16000, 16000, 2, 16)
REFUSED = {
    "an empty file": (b"", "ES_ERR_WAV"),
    "RF64, for files of 4 GB": (b"RF64" + riff(chunk(b"fmt ", FORMAT), SAMPLES)[4:], "ES_ERR_WAV"),
    "big-endian RIFX": (b"RIFX" + riff(chunk(b"fmt ", FORMAT), SAMPLES)[4:], "ES_ERR_WAV"),
    "samples before their format": (riff(SAMPLES, chunk(b"fmt ", FORMAT)), "ES_ERR_WAV"),
    "two formats": (riff(chunk(b"fmt ", FORMAT), chunk(b"fmt ", FORMAT), SAMPLES), "ES_ERR_WAV"),
    "a format of 15 bytes": (riff(chunk(b"fmt ", FORMAT[:15]), SAMPLES), "ES_ERR_WAV"),
    "a chunk of 2^32 - 1 bytes": (riff(chunk(b"JUNK", b"", size=2**32 - 1)), "ES_ERR_WAV_SIZE"),
    "a recording that was never ended": (
        riff(chunk(b"fmt ", FORMAT), chunk(b"data", b"ab" * 9, size=0)),
        "ES_ERR_WAV_SIZE",
    ),
    "a sample too few": (riff(chunk(b"fmt ", FORMAT), chunk(b"data", b"ab" * 9, size=20)), "ES_ERR_WAV_SIZE"),
    "half a sample": (riff(chunk(b"fmt ", FORMAT), chunk(b"data", b"abc")), "ES_ERR_WAV_SIZE"),
    "µ-law": (riff(chunk(b"fmt ", b"\x07" + FORMAT[1:]), SAMPLES), "ES_ERR_WAV_FORMAT"),
    "8 kHz": (riff(chunk(b"fmt ", SLOW), SAMPLES), "ES_ERR_WAV_FORMAT"),
    "another rate in bytes": (riff(chunk(b"fmt ", INCONSISTENT), SAMPLES), "ES_ERR_WAV_FORMAT"),
}


@pytest.mark.parametrize(("data", "error"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_clip_is_refused_by_name(library, data, error) -> None:
    assert parse(library, data)[0] == error

"""The built-in cryptography against Python's, and against what must be refused."""

# mypy: disable-error-code="no-untyped-def, no-any-return, import-not-found"

import ctypes
import hashlib
import os

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
P = 2**256 - 2**224 + 2**192 + 2**96 - 1
many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PREHASHED = ec.ECDSA(utils.Prehashed(hashes.SHA256()))


def _b32(value: int) -> bytes:
    return value.to_bytes(32, "big")


def _point(key) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def _sign(key, digest: bytes) -> tuple[int, int]:
    return utils.decode_dss_signature(key.sign(digest, PREHASHED))


def _verify(library, point: bytes, digest: bytes, r: int, s: int) -> bool:
    return library.c.es_p256_verify(point, digest, _b32(r) + _b32(s))


def _sha256(library, parts: list[bytes]) -> bytes:
    state, digest = ctypes.create_string_buffer(256), ctypes.create_string_buffer(32)
    library.c.es_sha256_start(state)
    for part in parts:
        library.c.es_sha256_add(state, part, ctypes.c_size_t(len(part)))
    library.c.es_sha256_end(state, digest)
    return digest.raw


@many
@given(st.lists(st.binary(max_size=200), max_size=6))
def test_sha256_of_parts(library, parts):
    assert _sha256(library, parts) == hashlib.sha256(b"".join(parts)).digest()


@pytest.mark.parametrize("size", [0, 1, 55, 56, 57, 63, 64, 65, 119, 120, 127, 128, 1000])
def test_sha256_at_block_edges(library, size):
    assert _sha256(library, [b"a" * size]) == hashlib.sha256(b"a" * size).digest()


def test_verify_takes_good_and_refuses_altered_signatures(library):
    for _ in range(25):
        key, digest = ec.generate_private_key(ec.SECP256R1()), os.urandom(32)
        point, (r, s) = _point(key), _sign(key, digest)
        assert _verify(library, point, digest, r, s)
        assert _verify(library, point, digest, r, N - s)
        assert not _verify(library, point, digest, s, r)
        assert not _verify(library, point, digest, r, s ^ 1)
        assert not _verify(library, point, bytes([digest[0] ^ 1]) + digest[1:], r, s)
        assert not _verify(library, _point(ec.generate_private_key(ec.SECP256R1())), digest, r, s)


def test_verify_refuses_numbers_out_of_range(library):
    key, digest = ec.generate_private_key(ec.SECP256R1()), os.urandom(32)
    point, (r, s) = _point(key), _sign(key, digest)
    for bad in (0, N, N + 1, 2**256 - 1, P):
        assert not _verify(library, point, digest, bad, s)
        assert not _verify(library, point, digest, r, bad)
    if r + N < 2**256:
        assert not _verify(library, point, digest, r + N, s)


@pytest.mark.parametrize("value", [1, 2, 3, N - 1, N - 2, 2**255, 2**128])
def test_special_private_keys(library, value):
    """Keys at which G and Q are equal, opposite or multiples: sums of equal and opposite points."""
    key, digest = ec.derive_private_key(value, ec.SECP256R1()), hashlib.sha256(b"x").digest()
    point = ctypes.create_string_buffer(65)
    assert library.c.es_p256_public(_b32(value), point)
    assert point.raw == _point(key)
    assert _verify(library, point.raw, digest, *_sign(key, digest))


@pytest.mark.parametrize("digest", [bytes(32), b"\xff" * 32, _b32(N), _b32(N - 1), _b32(1)])
def test_special_digests(library, digest):
    key = ec.generate_private_key(ec.SECP256R1())
    assert _verify(library, _point(key), digest, *_sign(key, digest))
    signature = ctypes.create_string_buffer(64)
    private = _b32(key.private_numbers().private_value)
    assert library.c.es_p256_sign(private, digest, signature)
    der = utils.encode_dss_signature(
        int.from_bytes(signature.raw[:32], "big"), int.from_bytes(signature.raw[32:], "big")
    )
    key.public_key().verify(der, digest, PREHASHED)


def test_points_that_are_none_are_refused(library):
    point = bytearray(_point(ec.generate_private_key(ec.SECP256R1())))
    assert library.c.es_p256_is_point(bytes(point))
    x, y = bytes(point[1:33]), bytes(point[33:])
    bad = [
        bytes(65),  # infinity, as some write it
        b"\x04" + bytes(64),
        b"\x02" + x + y,
        b"\x06" + x + y,
        b"\x04" + y + x,
        b"\x04" + x + bytes([y[0] ^ 1]) + y[1:],
        b"\x04" + _b32(P) + y,
        b"\x04" + b"\xff" * 64,
        b"\x04" + bytes(31) + b"\x05" + _b32(P - 1),
    ]
    for value in bad:
        assert not library.c.es_p256_is_point(value)


def test_signing_is_rfc_6979(library):
    """The example of RFC 6979, A.2.5, P-256 with SHA-256 and the message "sample"."""
    key = bytes.fromhex("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721")
    signature = ctypes.create_string_buffer(64)
    assert library.c.es_p256_sign(key, hashlib.sha256(b"sample").digest(), signature)
    assert signature.raw.hex().upper() == (
        "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"
        "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"
    )


def test_signatures_are_accepted_by_others(library):
    for _ in range(15):
        key, message = ec.generate_private_key(ec.SECP256R1()), os.urandom(40)
        signature = ctypes.create_string_buffer(64)
        private = _b32(key.private_numbers().private_value)
        assert library.c.es_p256_sign(private, hashlib.sha256(message).digest(), signature)
        r, s = (int.from_bytes(part, "big") for part in (signature.raw[:32], signature.raw[32:]))
        key.public_key().verify(utils.encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
        with pytest.raises(InvalidSignature):
            key.public_key().verify(utils.encode_dss_signature(r, s), message + b"x", ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize("key", [0, N, N + 1, 2**256 - 1])
def test_private_keys_out_of_range_are_refused(library, key):
    assert not library.c.es_p256_public(_b32(key), ctypes.create_string_buffer(65))
    assert not library.c.es_p256_sign(_b32(key), bytes(32), ctypes.create_string_buffer(64))


def _der(library, data: bytes) -> bytes | None:
    out = ctypes.create_string_buffer(64)
    return out.raw if library.c.es_der_signature(data, ctypes.c_size_t(len(data)), out) else None


@many
@given(st.integers(1, N - 1), st.integers(1, N - 1))
def test_der_signatures(library, r, s):
    assert _der(library, utils.encode_dss_signature(r, s)) == _b32(r) + _b32(s)


def _tlv(tag: int, value: bytes) -> bytes:
    return bytes([tag, len(value)]) + value


GOOD = _tlv(2, b"\x11" * 32)
BAD_DER = {
    "trailing byte": _tlv(0x30, GOOD + GOOD) + b"\0",
    "byte behind the numbers": _tlv(0x30, GOOD + GOOD + b"\0"),
    "one number": _tlv(0x30, GOOD),
    "three numbers": _tlv(0x30, GOOD + _tlv(2, b"\1") + _tlv(2, b"\1")),
    "negative": _tlv(0x30, _tlv(2, b"\x81" + b"\x11" * 31) + GOOD),
    "padded": _tlv(0x30, _tlv(2, b"\0" + b"\x11" * 32) + GOOD),
    "empty number": _tlv(0x30, _tlv(2, b"") + GOOD),
    "number of 33 bytes": _tlv(0x30, _tlv(2, b"\x01" + b"\x11" * 32) + GOOD),
    "long form of the length": b"\x30\x81" + bytes([len(GOOD + GOOD)]) + GOOD + GOOD,
    "indefinite length": b"\x30\x80" + GOOD + GOOD + b"\0\0",
    "other tag": _tlv(0x31, GOOD + GOOD),
    "bit string": _tlv(0x30, _tlv(3, b"\x11" * 32) + GOOD),
    "length beyond the end": _tlv(0x30, GOOD + b"\x02\x21" + b"\x11" * 32),
    "cut off": _tlv(0x30, GOOD + GOOD)[:-1],
    "nothing": b"",
}


@pytest.mark.parametrize("data", BAD_DER.values(), ids=BAD_DER.keys())
def test_der_that_is_not_strict_is_refused(library, data):
    assert _der(library, data) is None


def test_public_keys_of_other_kinds_are_refused(library):
    out = ctypes.create_string_buffer(65)

    def read(data: bytes) -> bool:
        return library.c.es_der_public_key(data, ctypes.c_size_t(len(data)), out)

    def spki(curve) -> bytes:
        return (
            ec.generate_private_key(curve)
            .public_key()
            .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        )

    good = spki(ec.SECP256R1())
    assert read(good)
    assert out.raw == good[-65:]
    assert not read(spki(ec.SECP384R1()))
    assert not read(spki(ec.SECP256K1()))
    assert not read(good + b"\0")
    assert not read(good[:-1])
    for at in range(27):
        assert not read(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])

"""The model image: MCUboot's format around a .tflite, signed by a key that never leaves its keeper.

imgtool lays the image out and says what is to be signed; the signer signs the digest; imgtool puts the signature in.
It takes a wrong signature without complaint, so every image is verified before it is handed out.
"""

import base64
import contextlib
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from imgtool import main as imgtool

from earshot_pipeline.version import Version

_HEADER_BYTES = 0x400
_TLV_BOARD, _TLV_FRONTEND = 0x00A0, 0x00A1
_CHUNK = 4096


class SigningFailedError(RuntimeError):
    """No image was made; the message says at which step."""


class Signer(Protocol):
    """Who holds the signing key."""

    def public_key(self) -> bytes:
        """The public key, SubjectPublicKeyInfo in DER."""

    def sign_digest(self, digest: bytes) -> bytes:
        """An ECDSA signature, DER, of a SHA-256 digest."""


def model_image(payload: bytes, version: Version, board: str, frontend: str, signer: Signer) -> bytes:
    """Make and verify a signed image of a model.

    Args:
        payload: the int8 .tflite.
        version: the release's version; its number is the security counter too.
        board: the board it is for.
        frontend: the front end's id.
        signer: who signs.

    Raises:
        SigningFailedError: when imgtool refuses or the signature does not verify.
    """
    return signed_image(payload, _options(version, board, frontend), signer, f"model image {version} for {board}")


def signed_image(payload: bytes, options: Sequence[str], signer: Signer, name: str) -> bytes:
    """Make and verify a signed image of any payload.

    Args:
        payload: what it carries.
        options: imgtool's options beside those of signing.
        signer: who signs.
        name: what it is, for messages.

    Raises:
        SigningFailedError: when imgtool refuses or the signature does not verify.
    """
    # A file of 1 modulo 4096 bytes loses its last byte on boards. The signature's DER form varies in length, so the
    # payload is padded, and with it the hash changes, until the signed image is long enough.
    for _ in range(8):
        image = _signed(payload, options, signer, name)
        if len(image) % _CHUNK != 1:
            return image
        payload += bytes(4)
    raise SigningFailedError(f"{name}: its size stays at 1 modulo {_CHUNK}; sign it again")


def _signed(payload: bytes, options: Sequence[str], signer: Signer, name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        content, digest, signature, key, image = (
            str(work / file) for file in ("payload.bin", "digest", "signature", "public.pem", "image")
        )
        Path(content).write_bytes(payload)
        public = load_der_public_key(signer.public_key())
        Path(key).write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        _run(name, "hash", ["sign", *options, "--fix-sig-pubkey", key, "--vector-to-sign", "digest", content, digest])
        Path(signature).write_bytes(base64.b64encode(signer.sign_digest(Path(digest).read_bytes())))
        _run(name, "sign", ["sign", *options, "--fix-sig", signature, "--fix-sig-pubkey", key, content, image])
        _run(name, "verify", ["verify", "-k", key, image])
        return Path(image).read_bytes()


def _options(version: Version, board: str, frontend: str) -> list[str]:
    return [
        *("--header-size", hex(_HEADER_BYTES), "--pad-header", "--align", "8", "--non-bootable"),
        *("--slot-size", str(1 << 24), "--version", str(version), "--security-counter", str(version.number)),
        *("--custom-tlv", f"{_TLV_BOARD:#06x}", board, "--custom-tlv", f"{_TLV_FRONTEND:#06x}", frontend),
    ]


def _run(name: str, step: str, arguments: list[str]) -> None:
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            imgtool.imgtool.main(arguments, standalone_mode=False)
    except (Exception, SystemExit) as fault:
        # imgtool ends a wrong image with SystemExit and anything else with whatever its libraries raise.
        raise SigningFailedError(f"{name}: imgtool could not {step} it ({fault}) {said.getvalue().strip()}") from fault

"""Keys and MCUboot images, made with imgtool as the cloud makes them."""

# mypy: disable-error-code="no-untyped-def, no-any-return, import-not-found"

import subprocess
import sys
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec


class SigningKey:
    """A P-256 key in memory."""

    def __init__(self) -> None:
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.spki = self.private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def pem(self) -> bytes:
        return self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def model_image(
    folder: Path, payload: bytes, key: SigningKey, *, version: str, counter: int, board: str, frontend: str
) -> bytes:
    """A signed image around a payload."""
    source, target, pem = folder / "payload.bin", folder / "image.bin", folder / "key.pem"
    source.write_bytes(payload)
    pem.write_bytes(key.pem())
    subprocess.run(
        [
            sys.executable, "-m", "imgtool.main", "sign", "-k", str(pem), "-e", "little", "--pad-header",
            "--align", "8", "-H", "0x400", "--non-bootable", "-v", version, "--slot-size", "0x40000",
            "--security-counter", str(counter), "--custom-tlv", "0x00a0", board, "--custom-tlv", "0x00a1", frontend,
            str(source), str(target),
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    return target.read_bytes()

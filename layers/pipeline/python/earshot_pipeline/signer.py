"""The signing key in KMS (ECC_NIST_P256, SIGN_VERIFY). Its private half never leaves KMS."""

import functools
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class KmsSigner:
    """Signs by KMS.

    Attributes:
        kms: a boto3 KMS client.
        key_id: the key's id, ARN or alias.
    """

    kms: Any
    key_id: str

    @functools.cache  # noqa: B019 - one signer a process, and it is meant to live as long
    def public_key(self) -> bytes:
        """The public key, SubjectPublicKeyInfo in DER (91 bytes)."""
        key: bytes = self.kms.get_public_key(KeyId=self.key_id)["PublicKey"]
        return key

    def sign_digest(self, digest: bytes) -> bytes:
        """An ECDSA signature, DER, of a SHA-256 digest of 32 bytes."""
        signature: bytes = self.kms.sign(
            KeyId=self.key_id, Message=digest, MessageType="DIGEST", SigningAlgorithm="ECDSA_SHA_256"
        )["Signature"]
        return signature

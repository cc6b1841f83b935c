"""The keys of the update metadata in KMS (ECC_NIST_P256, SIGN_VERIFY), as TUF's library signs with them."""

import functools
from typing import Any

from cryptography.hazmat.primitives.serialization import load_der_public_key
from securesystemslib.signer import AWSSigner, Signer, SSlibKey


def kms_signers(kms: Any, key_ids: str) -> tuple[Signer, ...]:
    """Signers by KMS.

    Args:
        kms: a boto3 KMS client.
        key_ids: the keys' ids or ARNs, comma separated; empty for none.
    """
    return tuple(_signer(kms, key_id) for key_id in key_ids.split(",") if key_id)


@functools.cache  # a key's public half never changes: it is asked for once a process
def _signer(kms: Any, key_id: str) -> Signer:
    public = load_der_public_key(kms.get_public_key(KeyId=key_id)["PublicKey"])
    signer = AWSSigner(key_id, SSlibKey.from_crypto(public))  # type: ignore[arg-type]  # KMS's kinds are a subset
    signer.client = kms  # with our retries
    return signer

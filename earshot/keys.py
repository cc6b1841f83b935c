"""The root of the update metadata: keys that a person keeps, and the roots that they sign.

The root says which keys sign what boards are offered. Its own keys are made here and stay in files of this machine;
the keys that it names are the stack's, in KMS. A new root counts where it is signed by enough keys of the root before
and of its own (docs/contracts.md, section 13). No root is ever replaced: the next number is taken, or none.
"""

from __future__ import annotations

import copy
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import botocore.exceptions
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_der_public_key,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner, SSlibKey
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer

from earshot.errors import EarshotError
from earshot.target import Target

METADATA = "tuf/metadata/"
DAYS = 365
ROLES = (Root.type, Targets.type, Snapshot.type, Timestamp.type)
# timestamp.json may be so old where boards get it (its Cache-Control), and a little longer on its way.
CACHE_SECONDS = 90
_OUTPUT = {Targets.type: "TargetsKey", Snapshot.type: "OnlineKey", Timestamp.type: "OnlineKey"}


@dataclass(frozen=True)
class Role:
    """A role of the update metadata as it is now.

    Attributes:
        name: root, targets, snapshot or timestamp.
        version: of its newest file; None where nothing is published yet.
        expires: when that file does.
        threshold: how many of its keys must sign.
        keyids: its keys.
    """

    name: str
    version: int | None
    expires: datetime | None
    threshold: int
    keyids: tuple[str, ...]


def directory_of(target: Target) -> Path:
    """Where a stack's root keys are kept where nobody says otherwise: out of the checkout, which may be cleaned."""
    return Path.home() / ".earshot" / "keys" / target.stack


# -- key files -------------------------------------------------------------------------------------------------------


class NewKeys:
    """P-256 keys that are made now, and written into files as late as possible: right before a root names them."""

    def __init__(self, directory: Path, count: int, version: int, passphrase: str) -> None:
        """Make them.

        Args:
            directory: where their files go: `root-v<version>-<n>.pem`, PKCS#8, encrypted, for their owner alone.
            count: how many.
            version: of the root that names them first.
            passphrase: of the files.

        Raises:
            EarshotError: there is such a file already, or no passphrase.
        """
        if not passphrase:
            raise EarshotError("root keys need a passphrase: type one, or set EARSHOT_KEYS_PASSPHRASE")
        self._passphrase = passphrase.encode()
        self._keys = {
            directory / f"root-v{version}-{number}.pem": ec.generate_private_key(ec.SECP256R1())
            for number in range(1, count + 1)
        }
        for path in self._keys:
            if path.exists():
                raise EarshotError(f"{path} is there already and is not overwritten: take another --directory")

    @property
    def signers(self) -> list[CryptoSigner]:
        """The keys."""
        return [CryptoSigner(key) for key in self._keys.values()]

    def save(self) -> None:
        """Write the files.

        Raises:
            EarshotError: one is there already, or the folder cannot be written.
        """
        try:
            for path, key in self._keys.items():
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(self._passphrase))
                with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    file.write(pem)
        except OSError as error:
            raise EarshotError(f"{error.filename}: {error.strerror}; take another --directory") from error


def load(paths: Sequence[Path], passphrase: str) -> list[CryptoSigner]:
    """Read key files.

    Raises:
        EarshotError: one is none, or the passphrase is another.
    """
    signers = []
    for path in paths:
        try:
            key = load_pem_private_key(path.read_bytes(), passphrase.encode() or None)
        except OSError as error:
            raise EarshotError(f"{path}: {error.strerror}") from error
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise EarshotError(f"{path}: no key in PEM, or of another passphrase ({error})") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise EarshotError(f"{path}: not a P-256 key, the only kind that boards know")
        signers.append(CryptoSigner(key))
    return signers


# -- roots -----------------------------------------------------------------------------------------------------------


def newest_root(target: Target) -> Metadata[Root] | None:
    """The last root of the chain, each signed by the one before; None where there is none yet.

    Raises:
        EarshotError: the chain is broken.
    """
    trusted: Metadata[Root] | None = None
    while data := _read(target, f"{(trusted.signed.version if trusted else 0) + 1}.root.json"):
        number = (trusted.signed.version if trusted else 0) + 1
        try:
            root: Metadata[Root] = Metadata.from_bytes(data)
            for judge in (trusted or root, root):
                judge.signed.verify_delegate(Root.type, root.signed_bytes, root.signatures)
        except RepositoryError as error:
            raise EarshotError(f"{number}.root.json in {target.outputs['ReleasesBucket']}: {error}") from error
        trusted = root
    return trusted


def refuse_second(target: Target) -> None:
    """Complain where there is a root already.

    Raises:
        EarshotError: there is.
    """
    if _read(target, "1.root.json"):
        raise EarshotError(
            "there is a root already: `earshot keys show` shows it, `earshot keys rotate` makes the next"
        )


def init(
    target: Target, signers: Sequence[CryptoSigner], threshold: int, days: int = DAYS, *, made: NewKeys | None = None
) -> bytes:
    """Make the first root, put it where boards look, and let the stack sign what the root names.

    Args:
        target: the cloud.
        signers: the root's keys; all of them sign.
        threshold: how many of them must sign the next root.
        days: how long the root is valid.
        made: those of the signers whose files are still to be written.

    Returns:
        The root's file: what a board is to be provisioned with.

    Raises:
        EarshotError: there is a root already, or the threshold cannot be met.
    """
    refuse_second(target)
    root = Root(consistent_snapshot=True)
    _name_root_keys(root, signers, threshold)
    _name_stack_keys(root, target)
    data = _signed(root, signers, days).to_bytes(JSONSerializer(compact=True))
    if made:
        made.save()
    _upload(target, 1, data)
    _ask_to_sign(target, "all")
    return data


def rotate(
    target: Target,
    holders: Sequence[CryptoSigner],
    successors: NewKeys | None = None,
    threshold: int | None = None,
    days: int = DAYS,
    *,
    online: bool = False,
    stolen: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> int:
    """Make the next root; with the same keys, it is the same one with a later expiry.

    Args:
        target: the cloud.
        holders: keys of the present root, as many as its threshold.
        successors: the root keys from now on; none to keep them.
        threshold: how many of those must sign from now on; None to keep it.
        days: how long the root is valid.
        online: name the stack's present keys in place of those that the root names.
        stolen: the keys that the root names are in wrong hands: let go of them at once, and publish anew.
        say: told what takes time.

    Returns:
        The new root's version.

    Raises:
        EarshotError: keys are missing or wrong, the stack has no other keys, or it does not sign with them yet.
    """
    present = newest_root(target)
    if present is None:
        raise EarshotError("there is no root yet: `earshot keys init` makes one")
    root = copy.deepcopy(present.signed)
    root.version += 1
    if successors or threshold:
        _name_root_keys(root, successors.signers if successors else (), threshold or root.roles[Root.type].threshold)
    if online and not _name_stack_keys(root, target):
        raise EarshotError(
            "the root names the stack's keys already: make new ones with the next UpdateKeys (first-to-second, or"
            " second-to-first), `earshot deploy --parameter UpdateKeys=first-to-second`, and come again"
        )
    concerned = {*present.signed.roles[Root.type].keyids, *root.roles[Root.type].keyids}
    signers = [*holders, *(successors.signers if successors else ())]
    new = _signed(root, [signer for signer in signers if signer.public_key.keyid in concerned], days)
    for judge in (present.signed, root):
        _check_holders(judge, new)
    if online and not stolen:
        _exchange_signatures(target, root, say)
    if successors:
        successors.save()
    _upload(target, root.version, new.to_bytes(JSONSerializer(compact=True)))
    _ask_to_sign(target, "anew" if stolen else "due")
    return root.version


def show(target: Target) -> Iterator[Role]:
    """Every role as it is now.

    Raises:
        EarshotError: there is no root yet.
    """
    root = newest_root(target)
    if root is None:
        raise EarshotError("there is no root yet: `earshot keys init` makes one, and begins signed updates")
    newest = {Root.type: root, **{metadata.signed.type: metadata for metadata in _published(target)}}
    for name in ROLES:
        role, metadata = root.signed.roles[name], newest.get(name)
        yield Role(
            name,
            metadata.signed.version if metadata else None,
            metadata.signed.expires if metadata else None,
            role.threshold,
            tuple(role.keyids),
        )


def _name_root_keys(root: Root, signers: Sequence[CryptoSigner], threshold: int) -> None:
    if signers:
        for keyid in root.roles[Root.type].keyids.copy():
            root.revoke_key(keyid, Root.type)
        for signer in signers:
            root.add_key(signer.public_key, Root.type)
    count = len(root.roles[Root.type].keyids)
    if not 1 <= threshold <= count:
        raise EarshotError(f"--threshold {threshold}: the root has {count} different keys; 1 to {count} are possible")
    root.roles[Root.type].threshold = threshold


def _name_stack_keys(root: Root, target: Target) -> bool:
    """Put the stack's keys into the root in place of others; returns whether that changed anything."""
    changed = False
    for role, output in _OUTPUT.items():
        key = _stack_key(target, output)
        others = [keyid for keyid in root.roles[role].keyids if keyid != key.keyid]
        changed = changed or bool(others) or key.keyid not in root.roles[role].keyids
        for keyid in others:
            root.revoke_key(keyid, role)
        root.add_key(key, role)
        root.roles[role].threshold = 1
    return changed


def _stack_key(target: Target, output: str) -> SSlibKey:
    identifier = target.outputs.get(output)
    if not identifier:
        raise EarshotError(f"{target} has no output {output}: it is older than signed updates; deploy it again")
    public = load_der_public_key(target.client("kms").get_public_key(KeyId=identifier)["PublicKey"])
    return SSlibKey.from_crypto(public)  # type: ignore[arg-type]  # KMS's kinds are a subset


def _signed(root: Root, signers: Sequence[CryptoSigner], days: int) -> Metadata[Root]:
    root.expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
    metadata = Metadata(root)
    for signer in signers:
        metadata.sign(signer, append=True)
    return metadata


def _check_holders(judge: Root, new: Metadata[Root]) -> None:
    role = judge.roles[Root.type]
    signed = [keyid for keyid in role.keyids if keyid in new.signatures]
    if len(signed) < role.threshold:
        missing = ", ".join(keyid[:8] for keyid in role.keyids if keyid not in signed)
        raise EarshotError(
            f"{len(signed)} of the {role.threshold} signatures that root version {judge.version} demands:"
            f" give key files with --key, of {missing}"
        )


def _exchange_signatures(target: Target, root: Root, say: Callable[[str], None]) -> None:
    """Have everything signed by old and new keys before the root changes, so that no client meets one it refuses."""
    _ask_to_sign(target, "all")
    for metadata in _published(target):
        name = f"{metadata.signed.version}.{metadata.signed.type}"
        try:
            root.verify_delegate(metadata.signed.type, metadata.signed_bytes, metadata.signatures)
        except RepositoryError as error:
            raise EarshotError(
                f"{name} is not signed by the stack's new keys yet ({error}): deploy UpdateKeys=first-to-second (or"
                " second-to-first), wait until that is done, and come again"
            ) from error
    if not target.is_local:
        say(f"waiting {CACHE_SECONDS} s, until no cache has metadata of the old keys alone")
        time.sleep(CACHE_SECONDS)


# -- the bucket and the stack ----------------------------------------------------------------------------------------


def _published(target: Target) -> list[Metadata[Any]]:
    """Timestamp and what it leads to; nothing where nothing is published."""
    data = _read(target, "timestamp.json")
    if data is None:
        return []
    timestamp: Metadata[Timestamp] = Metadata.from_bytes(data)
    snapshot: Metadata[Snapshot] = _named(target, Snapshot.type, timestamp.signed.snapshot_meta.version)
    return [timestamp, snapshot, _named(target, Targets.type, snapshot.signed.meta["targets.json"].version)]


def _named(target: Target, role: str, version: int) -> Metadata[Any]:
    data = _read(target, f"{version}.{role}.json")
    if data is None:
        raise EarshotError(f"{METADATA}{version}.{role}.json is gone from {target.outputs['ReleasesBucket']}")
    return Metadata.from_bytes(data)


def _read(target: Target, name: str) -> bytes | None:
    s3 = target.client("s3")
    try:
        data: bytes = s3.get_object(Bucket=target.outputs["ReleasesBucket"], Key=METADATA + name)["Body"].read()
    except s3.exceptions.NoSuchKey:
        return None
    return data


def _upload(target: Target, version: int, data: bytes) -> None:
    try:
        target.client("s3").put_object(
            Bucket=target.outputs["ReleasesBucket"],
            Key=f"{METADATA}{version}.root.json",
            Body=data,
            ContentType="application/json",
            CacheControl="public, max-age=31536000, immutable",
            IfNoneMatch="*",
        )
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] not in ("PreconditionFailed", "ConditionalRequestConflict"):
            raise
        raise EarshotError(
            f"somebody else has just made root version {version}: look at `earshot keys show`"
        ) from error


def _ask_to_sign(target: Target, how: str) -> None:
    """Let the stack sign what needs signing; the keys for it never leave KMS, nor the right to use them the stack."""
    answer = target.client("lambda").invoke(
        FunctionName=target.outputs["UpdatesFunction"], Payload=json.dumps({"refresh": how}).encode()
    )
    if "FunctionError" in answer:
        said = json.load(answer["Payload"])
        raise EarshotError(f"the stack could not sign its metadata: {said.get('errorMessage', said)}")

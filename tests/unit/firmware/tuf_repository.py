"""A TUF repository in memory that signs what it is told to, and the firmware's client around it.

The repository side is written here, from the specification: nothing of it is shared with the client under test.
"""

# mypy: disable-error-code="no-untyped-def, no-any-return, import-not-found"

import copy
import ctypes
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ROLES = ("root", "timestamp", "snapshot", "targets")
NOW = int(time.time())


def canonical(value) -> bytes:
    """OLPC's canonical JSON."""
    if isinstance(value, str):
        return b'"' + value.replace("\\", "\\\\").replace('"', '\\"').encode() + b'"'
    if isinstance(value, dict):
        return b"{" + b",".join(canonical(k) + b":" + canonical(value[k]) for k in sorted(value)) + b"}"
    if isinstance(value, list):
        return b"[" + b",".join(canonical(item) for item in value) + b"]"
    return json.dumps(value).encode()  # true, false, null, integers


def date(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


class Key:
    """A P-256 key, with the key id and the JSON object that a root has of it."""

    def __init__(self) -> None:
        self.private = ec.generate_private_key(ec.SECP256R1())
        pem = self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.public = {"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": pem.decode()}}
        self.id = hashlib.sha256(canonical(self.public)).hexdigest()

    def sign(self, data: bytes) -> dict[str, str]:
        return {"keyid": self.id, "sig": self.private.sign(data, ec.ECDSA(hashes.SHA256())).hex()}

    def alias(self, name: str) -> "Key":
        """The same key by another key id."""
        other = copy.copy(self)
        other.id = name
        return other


def signed(content: dict, keys: list[Key]) -> dict:
    """A metadata file around its content."""
    return {"signatures": [key.sign(canonical(content)) for key in keys], "signed": content}


def file_of(document: dict) -> bytes:
    return json.dumps(document, indent=1, sort_keys=True).encode()


def entry(version: int, data: bytes | None = None) -> dict:
    """What a snapshot or timestamp says of a file; with its bytes, length and hash as well."""
    if data is None:
        return {"version": version}
    return {"version": version, "length": len(data), "hashes": {"sha256": hashlib.sha256(data).hexdigest()}}


@dataclass
class Repository:
    """Contents that a test may change at will; `publish` makes files of them."""

    with_hashes: bool = True
    files: dict[str, bytes] = field(default_factory=dict)
    keys: dict[str, list[Key]] = field(default_factory=lambda: {role: [Key()] for role in ROLES})
    thresholds: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ROLES, 1))
    # Of a new root, before its own: those of the one before.
    root_signers: list[Key] = field(default_factory=list)

    def __post_init__(self) -> None:
        expires = date(NOW + 30 * 86400)
        self.contents: dict[str, dict] = {
            role: {"_type": role, "spec_version": "1.0.31", "version": 0, "expires": expires} for role in ROLES
        }
        self.contents["root"]["consistent_snapshot"] = True
        self.contents["timestamp"]["meta"] = {}
        self.contents["snapshot"]["meta"] = {}
        self.contents["targets"]["targets"] = {}
        self.publish("root", "targets", "snapshot", "timestamp")

    @property
    def consistent(self) -> bool:
        return self.contents["root"]["consistent_snapshot"]

    def version(self, role: str) -> int:
        return self.contents[role]["version"]

    def name(self, role: str) -> str:
        versioned = role == "root" or (self.consistent and role != "timestamp")
        return f"{self.version(role)}.{role}.json" if versioned else f"{role}.json"

    def add_target(self, path: str, data: bytes, **more) -> None:
        self.contents["targets"]["targets"][path] = {
            "length": len(data),
            "hashes": {"sha256": hashlib.sha256(data).hexdigest()},
        } | more

    def publish(self, *roles: str, step: int = 1) -> None:
        """Signs new versions, in the order given, and announces them where they are announced."""
        for role in roles:
            content = self.contents[role]
            content["version"] += step
            if role == "root":
                content["keys"] = {key.id: key.public for keys in self.keys.values() for key in keys}
                content["roles"] = {
                    r: {"keyids": [key.id for key in self.keys[r]], "threshold": self.thresholds[r]} for r in ROLES
                }
            self.put(role)

    def put(self, role: str, document: dict | bytes | None = None) -> None:
        """Serves a file under the name of the role's version: signed as it should be, or the one that is given."""
        if document is None:
            keys = self.keys[role]
            if role == "root":
                keys = [key for key in self.root_signers if key.id not in [k.id for k in keys]] + keys
                self.root_signers = self.keys["root"]
            document = signed(self.contents[role], keys)
        data = document if isinstance(document, bytes) else file_of(document)
        self.files[self.name(role)] = data
        above = {"targets": "snapshot", "snapshot": "timestamp"}.get(role)
        if above is not None:
            self.contents[above]["meta"][f"{role}.json"] = entry(self.version(role), data if self.with_hashes else None)

    def sign_again(self, role: str, keys: list[Key] | None = None) -> None:
        """Another file of the same version, of what the content is now."""
        self.put(role, signed(self.contents[role], self.keys[role] if keys is None else keys))

    def document(self, role: str) -> dict:
        return json.loads(self.files[self.name(role)])


class _Source(ctypes.Structure):
    FETCH = ctypes.CFUNCTYPE(
        ctypes.c_int,
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.POINTER(ctypes.c_uint8),
        ctypes.c_size_t,
        ctypes.POINTER(ctypes.c_size_t),
    )
    _fields_ = [("context", ctypes.c_void_p), ("fetch", FETCH)]


class _Store(ctypes.Structure):
    LOAD = ctypes.CFUNCTYPE(
        ctypes.c_int,
        ctypes.c_void_p,
        ctypes.c_int,
        ctypes.POINTER(ctypes.c_uint8),
        ctypes.c_size_t,
        ctypes.POINTER(ctypes.c_size_t),
    )
    SAVE = ctypes.CFUNCTYPE(
        ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_uint8), ctypes.c_size_t
    )
    DISCARD = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
    _fields_ = [("context", ctypes.c_void_p), ("load", LOAD), ("save", SAVE), ("discard", DISCARD)]


class _Client(ctypes.Structure):
    _fields_ = [
        ("source", ctypes.POINTER(_Source)),
        ("store", ctypes.POINTER(_Store)),
        ("buffer", ctypes.c_void_p),
        ("buffer_size", ctypes.c_size_t),
        ("now", ctypes.c_uint64),
        ("rest", ctypes.c_uint8 * 16384),  # more than the client needs
    ]


class _Target(ctypes.Structure):
    _fields_ = [
        ("length", ctypes.c_uint32),
        ("digest", ctypes.c_uint8 * 32),
        ("custom", ctypes.c_void_p),
        ("custom_size", ctypes.c_size_t),
    ]


class PowerCutError(Exception):
    """The device stopped here."""


class Device:
    """The firmware's client, with a store in memory and a repository for its source."""

    def __init__(self, library, files: dict[str, bytes], buffer_size: int = 16384) -> None:
        self.c, self.files = library.c, files
        self.stored: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.cut: Callable[[str], None] = lambda _: None  # told of each step that could be the last
        self._buffer = ctypes.create_string_buffer(buffer_size)
        self._codes: dict[str, int] = {}
        name = self.c.es_error_name
        name.restype = ctypes.c_char_p
        code = 0
        while (text := name(code).decode()) != "ES_ERR_UNKNOWN":
            self._codes[text] = code
            code += 1
        self._dead = False
        self.restart()

    def restart(self) -> None:
        """A device as after power on: only what is stored is known."""
        self._dead = False
        self._source = _Source(None, _Source.FETCH(self._fetch))
        self._store = _Store(None, _Store.LOAD(self._load), _Store.SAVE(self._save), _Store.DISCARD(self._discard))
        self._client = _Client(
            ctypes.pointer(self._source),
            ctypes.pointer(self._store),
            ctypes.cast(self._buffer, ctypes.c_void_p),
            len(self._buffer),
        )

    def _name(self, code: int) -> str:
        return next(name for name, value in self._codes.items() if value == code)

    def _step(self, name: str) -> bool:
        """False from the step on where the power is cut."""
        try:
            if not self._dead:
                self.cut(name)
        except PowerCutError:
            self._dead = True
        return not self._dead

    def _give(self, data: bytes | None, out, limit: int, size, too_large: str) -> int:
        if data is None:
            return self._codes["ES_ERR_TUF_ABSENT"]
        if len(data) > limit:
            return self._codes[too_large]
        ctypes.memmove(out, data, len(data))
        size[0] = len(data)
        return 0

    def _fetch(self, _context, name: bytes, out, limit: int, size) -> int:
        if not self._step(f"fetch {name.decode()}"):
            return self._codes["ES_ERR_NET_CLOSED"]
        self.requests.append(name.decode())
        return self._give(self.files.get(name.decode()), out, limit, size, "ES_ERR_HTTP_LENGTH")

    def _load(self, _context, role: int, out, limit: int, size) -> int:
        return self._give(self.stored.get(ROLES[role]), out, limit, size, "ES_ERR_TUF_STORE")

    def _save(self, _context, role: int, data, size: int) -> int:
        if not self._step(f"save {ROLES[role]}"):
            return self._codes["ES_ERR_TUF_STORE"]
        self.stored[ROLES[role]] = ctypes.string_at(data, size)
        return 0

    def _discard(self, _context, role: int) -> int:
        if not self._step(f"discard {ROLES[role]}"):
            return self._codes["ES_ERR_TUF_STORE"]
        self.stored.pop(ROLES[role], None)
        return 0

    def install(self, root: bytes) -> str:
        return self._name(self.c.es_tuf_install(ctypes.byref(self._client), root, ctypes.c_size_t(len(root))))

    def refresh(self, now: int = NOW) -> str:
        self.requests.clear()
        return self._name(self.c.es_tuf_refresh(ctypes.byref(self._client), ctypes.c_uint64(now)))

    def target(self, path: str) -> tuple[str, int, bytes, bytes]:
        """Status, length, digest and the text of `custom`."""
        found = _Target()
        code = self.c.es_tuf_client_target(ctypes.byref(self._client), path.encode(), ctypes.byref(found))
        custom = ctypes.string_at(found.custom, found.custom_size) if found.custom else b""
        return self._name(code), found.length, bytes(found.digest), custom

    def versions(self) -> dict[str, int]:
        """Of what is stored."""
        return {role: json.loads(data)["signed"]["version"] for role, data in sorted(self.stored.items())}

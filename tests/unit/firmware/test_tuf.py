"""Update metadata: what the client accepts, and every way in which it is lied to."""

# mypy: disable-error-code="no-untyped-def, no-any-return, import-not-found"

import copy
import ctypes
import hashlib
import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tuf_repository import NOW, ROLES, Device, Key, PowerCutError, Repository, canonical, date, entry, file_of, signed

GONE = NOW - 86400


@pytest.fixture
def repository() -> Repository:
    return Repository()


@pytest.fixture
def device(library, repository) -> Device:
    """A device that trusts the first root."""
    made = Device(library, repository.files)
    assert made.install(repository.files["1.root.json"]) == "ES_OK"
    return made


def _release(repository) -> None:
    repository.publish("targets", "snapshot", "timestamp")


def test_a_first_refresh_fetches_each_role_once_and_keeps_the_bytes(repository, device):
    # GIVEN a device that knows a root
    # WHEN it refreshes
    assert device.refresh() == "ES_OK"
    # THEN it asks for the next root, and for each role by the name that the one before announced
    assert device.requests == ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"]
    # AND keeps what came, byte for byte
    assert device.stored == {role: repository.files[repository.name(role)] for role in ROLES}


def test_nothing_new_is_two_requests(device):
    device.refresh()
    device.restart()
    assert device.refresh() == "ES_OK"
    assert device.requests == ["2.root.json", "timestamp.json"]


def test_a_release_is_followed(repository, device):
    device.refresh()
    repository.add_target("model.img", b"image", custom={"board": "B", "versions": [1, 2]})
    _release(repository)
    assert device.refresh() == "ES_OK"
    assert device.versions() == {"root": 1, "timestamp": 2, "snapshot": 2, "targets": 2}
    # AND the target is found, with its custom object as it stands in the file
    status, length, digest, custom = device.target("model.img")
    assert (status, length, digest) == ("ES_OK", 5, hashlib.sha256(b"image").digest())
    assert json.loads(custom) == {"board": "B", "versions": [1, 2]}
    assert device.target("model")[0] == device.target("model.img2")[0] == "ES_ERR_TUF_TARGET"


def test_without_consistent_snapshots_names_have_no_versions(library):
    repository = Repository()
    repository.contents["root"]["consistent_snapshot"] = False
    repository.publish("root", "targets", "snapshot", "timestamp")
    device = Device(library, repository.files)
    device.install(repository.files["2.root.json"])
    assert device.refresh() == "ES_OK"
    assert device.requests == ["3.root.json", "timestamp.json", "snapshot.json", "targets.json"]


def test_many_roots_are_followed_one_by_one_within_a_bound(repository, device):
    for _ in range(40):
        repository.publish("root")
    assert device.refresh() == "ES_OK"
    assert device.versions()["root"] == 33
    assert device.refresh() == "ES_OK"
    assert device.versions()["root"] == 41


def test_targets_cannot_be_asked_for_before_a_refresh(repository, device):
    assert device.target("model.img")[0] == "ES_ERR_ARGUMENT"
    device.refresh()
    repository.files["timestamp.json"] = b"{}"
    assert device.refresh() == "ES_ERR_TUF_FIELD"
    assert device.target("model.img")[0] == "ES_ERR_ARGUMENT"


# --- what is accepted though it looks odd ---------------------------------------------------------------------------


def _reformat(data: bytes) -> bytes:
    """The same document: members backwards, escapes for every character of keys and strings, spaces."""

    def text(value) -> str:
        if isinstance(value, dict):
            return "{ " + " ,\n".join(f"{text(k)} :\t{text(value[k])}" for k in sorted(value, reverse=True)) + "\r\n}"
        if isinstance(value, list):
            return "[ " + " , ".join(text(item) for item in value) + " ]"
        if isinstance(value, str):
            return '"' + "".join(f"\\u{ord(c):04x}" for c in value) + '"'
        return json.dumps(value)

    return (" " + text(json.loads(data)) + "\n").encode()


@pytest.mark.parametrize("role", ROLES)
def test_a_file_need_not_be_in_canonical_form(repository, device, role):
    repository.with_hashes = False
    repository.publish("root", "targets", "snapshot", "timestamp")
    name = repository.name(role)
    repository.files[name] = _reformat(repository.files[name])
    assert device.refresh() == "ES_OK"
    assert device.stored[role] == repository.files[name]


def test_unknown_fields_are_signed_and_otherwise_ignored(repository, device):
    repository.keys["root"][0].public["x-of-key"] = {"a": 1, "b": [True, None, -5, 10**30]}
    for role in ROLES:
        repository.contents[role]["x-of-role"] = {"ä": 'ö\n"\\\u2028\U0001f600'}
    repository.contents["targets"]["delegations"] = {"keys": {}, "roles": []}
    repository.publish("root", "targets", "snapshot", "timestamp")
    document = repository.document("timestamp")
    document["x-of-file"] = 1
    repository.put("timestamp", document)
    assert device.refresh() == "ES_OK"
    assert device.versions() == dict.fromkeys(ROLES, 2)


def test_signatures_by_strangers_and_bad_ones_do_no_harm(repository, device):
    repository.keys["timestamp"].append(Key())
    repository.publish("root", "timestamp")
    document = repository.document("timestamp")
    stranger = Key().sign(canonical(document["signed"]))
    for bad in ("", "00", "zz", "30" * 72, "30" * 300, document["signatures"][1]["sig"], "\u00e4" * 20):
        document["signatures"][0]["sig"] = bad
        repository.put("timestamp", document | {"signatures": [stranger, *document["signatures"]]})
        device.stored.pop("timestamp", None)
        assert device.refresh() == "ES_OK"


def _edwards() -> dict:
    public = ed25519.Ed25519PrivateKey.generate().public_key()
    raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": raw.hex()}}


def _p384() -> dict:
    pem = (
        ec.generate_private_key(ec.SECP384R1())
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return {"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": pem.decode()}}


STRANGE_KEYS = {
    "another type": _edwards(),
    "another scheme": Key().public | {"scheme": "ecdsa-sha2-nistp384"},
    "another curve": _p384(),
    "no PEM": Key().public | {"keyval": {"public": "AAAA"}},
    "half a PEM": Key().public | {"keyval": {"public": Key().public["keyval"]["public"][:90]}},
    "no point of the curve": Key().public
    | {"keyval": {"public": Key().public["keyval"]["public"].replace("\n-----END", "AAAA\n-----END")}},
    "no value": {"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256"},
    "no object": "key",
}


@pytest.mark.parametrize("public", STRANGE_KEYS.values(), ids=STRANGE_KEYS)
def test_a_key_that_is_not_understood_is_no_fault_and_does_not_count(repository, device, public):
    # GIVEN a strange key beside the good one
    strange = Key()
    strange.public = public
    repository.keys["timestamp"].append(strange)
    repository.publish("root", "timestamp")
    assert device.refresh() == "ES_OK"
    # WHEN both are needed
    repository.thresholds["timestamp"] = 2
    repository.publish("root", "timestamp")
    # THEN one is not enough
    assert device.refresh() == "ES_ERR_TUF_THRESHOLD"


def test_the_key_type_of_old_writers_is_understood(repository, device):
    key = Key()
    key.public = key.public | {"keytype": "ecdsa-sha2-nistp256"}
    repository.keys["targets"] = [key.alias("a key id is any text")]
    repository.publish("root", "targets", "snapshot", "timestamp")
    assert device.refresh() == "ES_OK"
    assert device.versions()["targets"] == 2


def test_a_key_whose_listed_key_is_missing_does_not_count(repository, device):
    repository.publish("root")
    content = copy.deepcopy(repository.contents["root"])
    del content["keys"][repository.keys["timestamp"][0].id]
    repository.put("root", signed(content, repository.keys["root"]))
    assert device.refresh() == "ES_ERR_TUF_THRESHOLD"
    assert device.versions() == {"root": 2}


# --- attacks, one a row: what is done to a repository after a good refresh, and what the client says ----------------


# What must be published after a role for it to be seen.
AFTER: dict[str, tuple[str, ...]] = {"targets": ("snapshot", "timestamp"), "snapshot": ("timestamp",)}


def _wrong_key(role):
    def attack(r):
        r.keys = r.keys | {role: [Key()]}
        r.publish(role, *AFTER.get(role, ()))

    return attack


def _wrong_root_key(r):
    # A root that its own new key signed, and no key of the one before.
    r.keys = r.keys | {"root": [Key()]}
    r.root_signers = []
    r.publish("root")


def _edit(role, change, *after):
    """Publishes a new version of a role with a change that its keys sign."""

    def attack(r):
        if role == "root":
            r.publish("root")
            content = copy.deepcopy(r.contents["root"])
            change(content)
            r.put("root", signed(content, r.keys["root"]))
        else:
            change(r.contents[role])
            r.publish(role, *after)

    return attack


def _expire(role):
    return _edit(role, lambda c: c.update(expires=date(GONE)), *AFTER.get(role, ()))


def _field(role, *path, value="gone"):
    """A signed file whose field at `path` is another value, or missing."""

    def change(content):
        for part in path[:-1]:
            content = content[part]
        if value == "gone":
            del content[path[-1]]
        else:
            content[path[-1]] = value

    return _edit(role, change, *AFTER.get(role, ()))


def _bytes(name, change):
    """The bytes of a file are changed, and nothing else."""

    def attack(r):
        _release(r)
        r.files[name] = change(r.files[name])

    return attack


def _root_by_old_key_alone(r):
    old = r.keys["root"]
    r.keys = r.keys | {"root": [Key()]}
    r.publish("root")
    r.sign_again("root", old)


def _other_version_inside(role):
    """The announced name, without a hash, around another version."""

    def attack(r):
        r.with_hashes = False
        _release(r)
        content = r.contents[role] | {"version": r.version(role) + 1}
        r.files[r.name(role)] = file_of(signed(content, r.keys[role]))

    return attack


def _rollback(role, *after):
    """Version 1 again, signed and announced as if it were new."""

    def attack(r):
        r.contents[role]["version"] = 0
        r.publish(role, *after)

    return attack


def _rollback_root(r):
    r.publish("root")
    content = r.contents["root"] | {"version": 1}
    r.put("root", signed(content, r.keys["root"]))


def _skip_root(r):
    r.publish("root")
    r.put("root", signed(r.contents["root"] | {"version": 3}, r.keys["root"]))


def _vanished(r):
    del r.contents["snapshot"]["meta"]["other.json"]
    r.publish("snapshot", "timestamp")


def _threshold_not_met(r):
    r.keys["snapshot"].append(Key())
    r.thresholds["snapshot"] = 2
    r.publish("root")
    r.contents["snapshot"]["version"] += 1
    r.put("snapshot", signed(r.contents["snapshot"], r.keys["snapshot"][:1]))
    r.publish("timestamp")


def _threshold_out_of_reach(r):
    r.thresholds["timestamp"] = 1000
    r.publish("root", "timestamp")


def _one_key_by_two_names(r):
    r.keys["timestamp"] = [r.keys["timestamp"][0], r.keys["timestamp"][0].alias("again")]
    r.thresholds["timestamp"] = 2
    r.publish("root", "timestamp")


def _signature_twice(r):
    r.publish("timestamp")
    document = r.document("timestamp")
    r.put("timestamp", document | {"signatures": document["signatures"] * 2})


def _key_id_twice_in_a_role(r):
    r.keys["timestamp"] = r.keys["timestamp"] * 2
    r.publish("root")


def _key_of_another_role(r):
    r.contents["timestamp"]["version"] += 1
    r.put("timestamp", signed(r.contents["timestamp"], r.keys["snapshot"]))


def _another_role_in_place(r):
    r.keys = r.keys | {"timestamp": r.keys["snapshot"]}
    r.publish("root")
    r.contents["snapshot"]["version"] += 1
    r.contents["snapshot"]["meta"]["snapshot.json"] = entry(1)
    r.files["timestamp.json"] = file_of(signed(r.contents["snapshot"], r.keys["snapshot"]))


def _mix(role):
    """An older file, signed as it should be and as long as the new one, under the new one's name."""

    def attack(r):
        old = json.dumps(r.document(role)).encode()
        _release(r)
        r.files[r.name(role)] = old.ljust(len(r.files[r.name(role)]))

    return attack


def _announce(role, **change):
    def attack(r):
        above = {"targets": "snapshot", "snapshot": "timestamp"}[role]
        r.publish(*(["targets", "snapshot"] if role == "snapshot" else ["targets"]))
        r.contents[above]["meta"][f"{role}.json"] |= change
        r.publish(*(["timestamp"] if role == "snapshot" else ["snapshot", "timestamp"]))

    return attack


def _many(role, n):
    """More of everything than a board holds."""

    def attack(r):
        if role == "root":
            r.keys["timestamp"] = [Key() for _ in range(n)]
            r.publish("root")
        else:
            r.contents["snapshot"]["meta"] |= {f"{i}.json": entry(1) for i in range(n)}
            r.publish("snapshot", "timestamp")

    return attack


def _many_signatures(r):
    r.publish("timestamp")
    document = r.document("timestamp")
    more = [{"keyid": str(i), "sig": "00"} for i in range(40)]
    r.put("timestamp", document | {"signatures": document["signatures"] + more})


def _many_unsorted(r):
    r.publish("timestamp")
    document = r.document("timestamp")
    document["signed"]["x"] = {str(i): 0 for i in range(300, 0, -1)}
    document = signed(document["signed"], r.keys["timestamp"])
    r.files["timestamp.json"] = json.dumps(document).encode()


def _deep(levels):
    return lambda data: data.replace(b'"signatures"', b'"x":' + b"[" * levels + b"]" * levels + b',"signatures"', 1)


ATTACKS = {
    # bytes
    "arbitrary bytes": (_bytes("timestamp.json", lambda _: bytes(range(256))), "ES_ERR_JSON_SYNTAX"),
    "nothing": (_bytes("timestamp.json", lambda _: b""), "ES_ERR_JSON_SYNTAX"),
    "a number": (_bytes("timestamp.json", lambda _: b"1"), "ES_ERR_TUF_FIELD"),
    "truncated": (_bytes("timestamp.json", lambda d: d[:-1]), "ES_ERR_JSON_SYNTAX"),
    "something behind it": (_bytes("timestamp.json", lambda d: d + b"{}"), "ES_ERR_JSON_SYNTAX"),
    "endless": (_bytes("timestamp.json", lambda d: d + b" " * 100_000), "ES_ERR_HTTP_LENGTH"),
    "endless root": (lambda r: r.files.update({"2.root.json": b" " * 100_000}), "ES_ERR_HTTP_LENGTH"),
    "endless snapshot": (_bytes("3.snapshot.json", lambda d: d + b" "), "ES_ERR_HTTP_LENGTH"),
    "bad UTF-8": (
        _bytes("timestamp.json", lambda d: d.replace(b"timestamp", b"timestam\xff", 1)),
        "ES_ERR_JSON_SYNTAX",
    ),
    "half a surrogate": (
        _bytes("timestamp.json", lambda d: d.replace(b'"sig"', b'"\\ud800":0,"sig"', 1)),
        "ES_ERR_JSON_SYNTAX",
    ),
    "a NUL in a string": (
        _bytes("timestamp.json", lambda d: d.replace(b'"sig"', b'"\\u0000":0,"sig"', 1)),
        "ES_ERR_JSON_SYNTAX",
    ),
    "a fraction": (
        _bytes("timestamp.json", lambda d: d.replace(b'"version": 3', b'"version": 3.0', 1)),
        "ES_ERR_TUF_NUMBER",
    ),
    "an exponent": (
        _bytes("timestamp.json", lambda d: d.replace(b'"version": 3', b'"version": 3e0', 1)),
        "ES_ERR_TUF_NUMBER",
    ),
    "nested too deeply": (_bytes("timestamp.json", _deep(9)), "ES_ERR_JSON_DEPTH"),
    "a key twice": (
        _bytes("timestamp.json", lambda d: d.replace(b'"version": 3', b'"version": 3, "version": 3')),
        "ES_ERR_JSON_DUPLICATE",
    ),
    "a key twice by an escape": (
        _bytes("timestamp.json", lambda d: d.replace(b'"signed"', b'"signe\\u0064": {}, "signed"', 1)),
        "ES_ERR_JSON_DUPLICATE",
    ),
    "a key twice in a signature": (
        _bytes("timestamp.json", lambda d: d.replace(b'"sig"', b'"keyid": "", "sig"', 1)),
        "ES_ERR_JSON_DUPLICATE",
    ),
    "a key twice, out of order": (
        _bytes("timestamp.json", lambda d: d.replace(b'"sig"', b'"z": 1, "b": 1, "z": 1, "sig"', 1)),
        "ES_ERR_JSON_DUPLICATE",
    ),
    "a changed version": (
        _bytes("timestamp.json", lambda d: d.replace(b'"version": 3\n', b'"version": 4\n')),
        "ES_ERR_TUF_THRESHOLD",
    ),
    # signatures
    "wrong key of root": (_wrong_root_key, "ES_ERR_TUF_THRESHOLD"),
    "a new root by the old key alone": (_root_by_old_key_alone, "ES_ERR_TUF_THRESHOLD"),
    "wrong key of timestamp": (_wrong_key("timestamp"), "ES_ERR_TUF_THRESHOLD"),
    "wrong key of snapshot": (_wrong_key("snapshot"), "ES_ERR_TUF_THRESHOLD"),
    "wrong key of targets": (_wrong_key("targets"), "ES_ERR_TUF_THRESHOLD"),
    "key of another role": (_key_of_another_role, "ES_ERR_TUF_THRESHOLD"),
    "threshold not met": (_threshold_not_met, "ES_ERR_TUF_THRESHOLD"),
    "threshold out of reach": (_threshold_out_of_reach, "ES_ERR_TUF_THRESHOLD"),
    "one key by two names": (_one_key_by_two_names, "ES_ERR_TUF_THRESHOLD"),
    "a signature twice": (_signature_twice, "ES_ERR_TUF_KEYID"),
    "a key id twice in a role": (_key_id_twice_in_a_role, "ES_ERR_TUF_KEYID"),
    "no signature": (lambda r: r.sign_again("timestamp", []), "ES_ERR_TUF_THRESHOLD"),
    # versions
    "rollback of root": (_rollback_root, "ES_ERR_TUF_VERSION"),
    "a root is skipped": (_skip_root, "ES_ERR_TUF_VERSION"),
    "rollback of timestamp": (_rollback("timestamp"), "ES_ERR_TUF_ROLLBACK"),
    "rollback of snapshot": (_rollback("snapshot", "timestamp"), "ES_ERR_TUF_ROLLBACK"),
    "rollback of targets": (_rollback("targets", "snapshot", "timestamp"), "ES_ERR_TUF_ROLLBACK"),
    "a vanished entry": (_vanished, "ES_ERR_TUF_VANISHED"),
    "another version in snapshot": (_other_version_inside("snapshot"), "ES_ERR_TUF_VERSION"),
    "another version in targets": (_other_version_inside("targets"), "ES_ERR_TUF_VERSION"),
    "announced version of snapshot": (_announce("snapshot", version=9), "ES_ERR_TUF_ABSENT"),
    "announced version of targets": (_announce("targets", version=9), "ES_ERR_TUF_ABSENT"),
    # freeze
    "expired root": (_expire("root"), "ES_ERR_TUF_ROOT_EXPIRED"),
    "expired timestamp": (_expire("timestamp"), "ES_ERR_TUF_TIMESTAMP_EXPIRED"),
    "expired snapshot": (_expire("snapshot"), "ES_ERR_TUF_SNAPSHOT_EXPIRED"),
    "expired targets": (_expire("targets"), "ES_ERR_TUF_TARGETS_EXPIRED"),
    # mix and match
    "old snapshot": (_mix("snapshot"), "ES_ERR_TUF_HASH"),
    "old targets": (_mix("targets"), "ES_ERR_TUF_HASH"),
    "other length of snapshot": (_announce("snapshot", length=5000), "ES_ERR_TUF_LENGTH"),
    "shorter length of targets": (_announce("targets", length=100), "ES_ERR_HTTP_LENGTH"),
    "other hash of targets": (_announce("targets", hashes={"sha256": "0" * 64}), "ES_ERR_TUF_HASH"),
    "no hash that is known": (_announce("targets", hashes={"sha512": "0" * 128}), "ES_ERR_TUF_HASH_KIND"),
    "a hash of another length": (_announce("snapshot", hashes={"sha256": "0" * 62}), "ES_ERR_TUF_FIELD"),
    "a length below zero": (_announce("snapshot", length=-1), "ES_ERR_TUF_FIELD"),
    "another role in place": (_another_role_in_place, "ES_ERR_TUF_TYPE"),
    # fields
    "no version": (_field("timestamp", "spec_version"), "ES_ERR_TUF_SPEC"),
    "spec 2": (_field("timestamp", "spec_version", value="2.0"), "ES_ERR_TUF_SPEC"),
    "spec is no text": (_field("timestamp", "spec_version", value=1), "ES_ERR_TUF_SPEC"),
    "no expiry": (_field("timestamp", "expires"), "ES_ERR_TUF_FIELD"),
    "expiry without Z": (_field("timestamp", "expires", value="2099-01-01T00:00:00"), "ES_ERR_TUF_FIELD"),
    "expiry on 30 February": (_field("timestamp", "expires", value="2096-02-30T00:00:00Z"), "ES_ERR_TUF_FIELD"),
    "no snapshot": (_field("timestamp", "meta", "snapshot.json"), "ES_ERR_TUF_FIELD"),
    "no targets.json": (_field("snapshot", "meta", "targets.json"), "ES_ERR_TUF_FIELD"),
    "meta is a list": (_field("snapshot", "meta", value=[]), "ES_ERR_TUF_FIELD"),
    "no targets": (_field("targets", "targets"), "ES_ERR_TUF_FIELD"),
    "no role of a root": (_field("root", "roles", "snapshot"), "ES_ERR_TUF_FIELD"),
    "no keys": (_field("root", "keys"), "ES_ERR_TUF_FIELD"),
    "threshold 0": (_field("root", "roles", "snapshot", "threshold", value=0), "ES_ERR_TUF_FIELD"),
    "consistent_snapshot is no truth": (_field("root", "consistent_snapshot", value=1), "ES_ERR_TUF_FIELD"),
    # limits
    "too many keys of a role": (_many("root", 9), "ES_ERR_TUF_LIMIT"),
    "too many entries": (_many("snapshot", 17), "ES_ERR_TUF_LIMIT"),
    "too many signatures": (_many_signatures, "ES_ERR_TUF_LIMIT"),
    "too many members out of order": (_many_unsorted, "ES_ERR_TUF_LIMIT"),
}


@pytest.mark.parametrize(("attack", "expected"), ATTACKS.values(), ids=ATTACKS)
def test_attack(repository, device, attack, expected):
    # GIVEN a device that is up to date
    repository.contents["snapshot"]["meta"]["other.json"] = entry(1)
    _release(repository)
    assert device.refresh() == "ES_OK"
    before = dict(device.stored)
    # WHEN the repository lies
    attack(repository)
    status = device.refresh()
    # THEN the client says how
    assert status == expected
    # AND what it trusts of targets has not changed
    assert device.stored["targets"] == before["targets"]
    if expected.endswith(("ROLLBACK", "VANISHED")):
        assert device.stored["snapshot"] == before["snapshot"]


# --- what happens later ---------------------------------------------------------------------------------------------


def test_what_was_good_expires(repository, device):
    device.refresh()
    assert device.refresh(NOW + 29 * 86400) == "ES_OK"
    assert device.refresh(NOW + 30 * 86400) == "ES_ERR_TUF_ROOT_EXPIRED"


def test_time_never_runs_backwards(repository, device):
    # GIVEN a device that has seen a time when all has expired
    assert device.refresh(NOW + 31 * 86400) == "ES_ERR_TUF_ROOT_EXPIRED"
    # WHEN its clock says an earlier one
    # THEN that does not count
    assert device.refresh(NOW) == "ES_ERR_TUF_ROOT_EXPIRED"


def test_an_expired_timestamp_and_snapshot_serve_against_rollback_alone(repository, device):
    # GIVEN a device whose stored timestamp and snapshot have expired
    repository.contents["timestamp"]["expires"] = repository.contents["snapshot"]["expires"] = date(NOW + 10)
    repository.publish("targets", "snapshot", "timestamp")
    repository.publish("targets", "snapshot", "timestamp")
    assert device.refresh() == "ES_OK"
    later = NOW + 20
    assert device.refresh(later) == "ES_ERR_TUF_TIMESTAMP_EXPIRED"
    # WHEN fresh ones of lower versions come
    repository.contents["timestamp"]["expires"] = repository.contents["snapshot"]["expires"] = date(NOW + 1000)
    new = {role: content["version"] for role, content in repository.contents.items()}
    repository.contents["timestamp"]["version"] = 0
    repository.publish("timestamp")
    assert device.refresh(later) == "ES_ERR_TUF_ROLLBACK"
    repository.contents["timestamp"]["version"] = new["timestamp"]
    repository.contents["targets"]["version"] = 0
    repository.publish("targets", "snapshot", "timestamp")
    assert device.refresh(later) == "ES_ERR_TUF_ROLLBACK"
    # THEN those of higher versions are what helps
    repository.contents["targets"]["version"] = new["targets"]
    repository.publish("targets", "snapshot", "timestamp")
    assert device.refresh(later) == "ES_OK"


def test_a_timestamp_of_the_same_version_does_not_replace_the_one_that_is_there(repository, device):
    device.refresh()
    before = device.stored["timestamp"]
    repository.contents["timestamp"]["meta"]["snapshot.json"] = entry(100)
    repository.sign_again("timestamp")
    assert device.refresh() == "ES_OK"
    assert device.stored["timestamp"] == before
    assert device.requests == ["2.root.json", "timestamp.json"]


def test_a_snapshot_whose_stored_bytes_are_not_the_announced_ones_is_fetched_anew(repository, device):
    device.refresh()
    device.stored["snapshot"] += b" "
    assert device.refresh() == "ES_OK"
    assert device.requests[-1] == "1.snapshot.json"
    assert device.stored["snapshot"] == repository.files["1.snapshot.json"]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("damage", [b"", b"{", b"\xff" * 1000], ids=["empty", "torn", "erased"])
def test_a_stored_file_that_is_damaged_is_fetched_again_but_for_the_root(repository, device, role, damage):
    device.refresh()
    device.stored[role] = damage
    device.restart()
    if role == "root":
        assert device.refresh() == "ES_ERR_JSON_SYNTAX"
        assert device.requests == []
    else:
        assert device.refresh() == "ES_OK"
        assert device.stored[role] == repository.files[repository.name(role)]


def test_a_device_without_a_root_asks_nobody(library, repository):
    device = Device(library, repository.files)
    assert device.refresh() == "ES_ERR_TUF_NO_ROOT"
    assert device.requests == []


def test_a_root_that_is_not_signed_by_itself_is_not_installed(library, repository):
    device = Device(library, repository.files)
    assert device.install(file_of(signed(repository.contents["root"], [Key()]))) == "ES_ERR_TUF_THRESHOLD"
    assert device.stored == {}


def test_files_go_in_in_their_order_alone(library, repository):
    # GIVEN a set that was opened with a root, and one that refused to be
    opened, refused = ctypes.create_string_buffer(16384), ctypes.create_string_buffer(16384)
    newer = ctypes.c_bool()
    files = repository.files
    files["strange root"] = file_of(signed(repository.contents["root"], [Key()]))
    argument, threshold = 1, "ES_ERR_TUF_THRESHOLD"

    def give(step: str, into, name: str, *more) -> int:
        return getattr(library.c, f"es_tuf_set_{step}")(into, files[name], ctypes.c_size_t(len(files[name])), *more)

    assert give("open", opened, "1.root.json", ctypes.c_uint64(NOW)) == 0
    assert give("open", refused, "strange root", ctypes.c_uint64(NOW)) != 0
    # THEN what comes too early is refused
    assert give("snapshot", opened, "1.snapshot.json", False) == argument
    assert give("targets", opened, "1.targets.json") == argument
    # AND what comes too late
    assert give("timestamp", opened, "timestamp.json", ctypes.byref(newer)) == 0
    assert give("root", opened, "1.root.json") == argument
    assert give("snapshot", opened, "1.snapshot.json", False) == 0
    assert give("timestamp", opened, "timestamp.json", ctypes.byref(newer)) == argument
    assert give("targets", opened, "1.targets.json") == 0
    assert give("snapshot", opened, "1.snapshot.json", False) == argument
    assert give("targets", opened, "1.targets.json") == argument
    # AND nothing goes into a set without a root
    assert library.c.es_error_name(give("root", refused, "1.root.json")) == threshold.encode()
    assert give("timestamp", refused, "timestamp.json", ctypes.byref(newer)) != 0


def test_a_stolen_key_is_taken_away_by_a_new_root(repository, device):
    # GIVEN a thief of the targets key who publishes
    device.refresh()
    thief = repository.keys["targets"]
    # WHEN the next root names another key
    repository.keys["targets"] = [Key()]
    repository.publish("root", "targets", "snapshot", "timestamp")
    assert device.refresh() == "ES_OK"
    # THEN what the thief signs is refused
    repository.contents["targets"]["version"] += 1
    repository.put("targets", signed(repository.contents["targets"], thief))
    repository.publish("snapshot", "timestamp")
    assert device.refresh() == "ES_ERR_TUF_THRESHOLD"


@pytest.mark.parametrize("rotated", ["timestamp", "snapshot"])
def test_fast_forward_is_recovered_from_by_rotating_keys(repository, device, rotated):
    # GIVEN a thief of the key who pushed versions to the end of what there is
    last = 2**31 - 1
    repository.contents["snapshot"]["version"] = last - 1
    repository.publish("snapshot", "timestamp")
    if rotated == "timestamp":
        repository.contents["timestamp"]["version"] = last - 1
        repository.publish("timestamp")
    assert device.refresh() == "ES_OK"
    assert device.versions()["snapshot"] == last
    # WHEN versions go on from where they were
    repository.contents["snapshot"]["version"] = repository.contents["timestamp"]["version"] = 5
    repository.publish("targets", "snapshot", "timestamp")
    # THEN they are refused, until the key is another one
    assert device.refresh() == "ES_ERR_TUF_ROLLBACK"
    repository.keys[rotated] = [Key()]
    repository.publish("root", "snapshot", "timestamp")
    assert device.refresh() == "ES_OK"
    assert device.versions() == {"root": 2, "timestamp": 7, "snapshot": 7, "targets": 2}


def test_more_keys_are_no_rotation(repository, device):
    device.refresh()
    before = dict(device.stored)
    repository.keys["timestamp"].append(Key())
    repository.publish("root")
    repository.contents["timestamp"]["version"] = 0
    del repository.files["timestamp.json"]
    assert device.refresh() == "ES_ERR_TUF_ABSENT"
    assert device.stored == before | {"root": repository.files["2.root.json"]}


def test_a_refresh_that_is_cut_off_anywhere_goes_on_from_there(repository, library):
    """The power is cut at each request, save and discard in turn: nothing is lost, nothing old is taken."""
    # GIVEN a device at version 1, and a repository with new roots, rotated keys and a release
    first = dict(repository.files)
    repository.keys["timestamp"] = [Key()]
    repository.publish("root", "targets", "snapshot", "timestamp")
    repository.keys["root"] = [Key(), Key()]
    repository.publish("root", "targets", "snapshot", "timestamp")

    def run(cut_at: int) -> int:
        device = Device(library, first)
        device.install(first["1.root.json"])
        assert device.refresh() == "ES_OK"
        device.restart()
        device.files = repository.files
        steps = []

        def cut(step):
            steps.append(step)
            if len(steps) > cut_at:
                raise PowerCutError

        device.cut = cut
        status = device.refresh()
        assert (status == "ES_OK") == (len(steps) <= cut_at)
        # WHEN it starts again
        device.cut = lambda _: None
        device.restart()
        # THEN it gets there
        assert device.refresh() == "ES_OK"
        assert device.versions() == dict.fromkeys(sorted(ROLES), 3)
        return len(steps)

    steps = run(1000)
    assert steps == 15
    for n in range(steps):
        run(n)


# --- properties -----------------------------------------------------------------------------------------------------


class _Value(ctypes.Structure):
    _fields_ = [("text", ctypes.c_void_p), ("size", ctypes.c_size_t), ("kind", ctypes.c_int)]


class _Document(ctypes.Structure):
    _fields_ = [("content", _Value), ("signatures", _Value), ("digest", ctypes.c_uint8 * 32)]


def _digest(library, text: bytes) -> bytes | None:
    """Of the canonical form of a file's content, by the firmware; None where it refuses the file."""
    document = _Document()
    code = library.c.es_tuf_document_read(ctypes.byref(document), text, ctypes.c_size_t(len(text)))
    return bytes(document.digest) if code == 0 else None


# No NUL, which the firmware refuses, and no surrogates, which are no text.
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
scalars = st.none() | st.booleans() | st.integers(-(10**25), 10**25) | texts
contents = st.dictionaries(
    texts,
    st.recursive(scalars, lambda s: st.lists(s, max_size=4) | st.dictionaries(texts, s, max_size=6), max_leaves=12),
    max_size=8,
)


def _depth(value) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(contents, st.booleans(), st.sampled_from([None, 1, "\t"]), st.randoms(use_true_random=False))
def test_the_canonical_form_is_that_of_the_specification(library, content, ascii_only, indent, random):
    """Whatever the order of members, spaces and escapes in the file."""
    members = list(content.items())
    random.shuffle(members)
    text = json.dumps({"signed": dict(members), "signatures": []}, ensure_ascii=ascii_only, indent=indent).encode()
    expected = hashlib.sha256(canonical(content)).digest() if _depth(content) < 8 else None
    assert _digest(library, text) == expected


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("{}", b"{}"),
        ('{"a":-0}', b'{"a":0}'),
        ('{"a":"\\/\\b\\f\\n\\r\\t\\\\\\""}', b'{"a":"/\b\f\n\r\t\\\\\\""}'),
        ('{"\\ud83d\\ude00":1,"\uffff":2}', '{"\uffff":2,"\U0001f600":1}'.encode()),
        ('{"b":[],"a":{}, "ab":[[],{}],"":null}', b'{"":null,"a":{},"ab":[[],{}],"b":[]}'),
    ],
)
def test_the_canonical_form_of_examples(library, text, form):
    assert _digest(library, f'{{"signatures":[],"signed":{text}}}'.encode()) == hashlib.sha256(form).digest()


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(ROLES), st.data())
def test_damage_is_never_accepted_unless_what_was_signed_is_the_same(library, release, role, data):
    """Any byte of any file becomes another one, is left out, or gets one before it."""
    device, repository = release
    name = repository.name(role)
    good = repository.files[name]
    at = data.draw(st.integers(0, len(good) - 1))
    byte = bytes([data.draw(st.integers(0, 255))])
    bad = data.draw(st.sampled_from([good[:at] + byte + good[at + 1 :], good[:at] + good[at + 1 :],
                                     good[:at] + byte + good[at:]]))  # fmt: skip
    # GIVEN a device that trusts the root before
    device.stored = {"root": repository.files["1.root.json"]}
    device.files = repository.files | {name: bad}
    # WHEN it refreshes
    status = device.refresh()
    # THEN it takes the file only where the content is what was signed
    if role in device.stored and device.stored[role] == bad and bad != good:
        assert json.loads(bad)["signed"] == json.loads(good)["signed"]
    elif status == "ES_OK":
        assert bad == good


@pytest.fixture(scope="module")
def release(library):
    """A device, and a repository whose files are bound by signatures alone."""
    repository = Repository(with_hashes=False)
    repository.add_target("model.img", b"image", custom={"board": "B"})
    repository.publish("root", "targets", "snapshot", "timestamp")
    return Device(library, repository.files), repository


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from(["root", "targets", "snapshot", "timestamp", "rotate timestamp", "rotate snapshot", "refresh"]),
        max_size=12,
    )
)
def test_an_honest_repository_is_always_followed(library, steps):
    """Whatever is published in whatever order, once a release is complete the device has it."""
    repository = Repository()
    device = Device(library, repository.files)
    device.install(repository.files["1.root.json"])
    for step in steps:
        if step == "refresh":
            device.refresh()
        elif step.startswith("rotate"):
            repository.keys[step.split()[1]] = [Key()]
            repository.publish("root", "snapshot", "timestamp")
        else:
            repository.publish(step)
    repository.publish("targets", "snapshot", "timestamp")
    assert device.refresh() == "ES_OK"
    assert device.versions() == {role: repository.version(role) for role in sorted(ROLES)}

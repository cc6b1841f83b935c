"""Root keys: their files, the roots they sign, and what is refused in words. The cloud is a bucket and two keys."""

import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from tuf.api.metadata import Metadata, Root

from earshot import cli, doctor, keys
from earshot.errors import EarshotError

SPKI = Encoding.DER, PublicFormat.SubjectPublicKeyInfo


class Cloud:
    """What `earshot keys` asks of a stack."""

    stack, is_local = "earshot", True

    class exceptions:
        class NoSuchKey(Exception):
            pass

    def __init__(self):
        self.outputs = {name: name for name in ("ReleasesBucket", "TargetsKey", "OnlineKey", "UpdatesFunction")}
        self.content, self.asked = {}, []
        self.kms = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("TargetsKey", "OnlineKey")}

    def __str__(self):
        return "stack earshot"

    def client(self, service):
        return self

    def get_object(self, Bucket, Key):
        if Key not in self.content:
            raise self.exceptions.NoSuchKey
        return {"Body": io.BytesIO(self.content[Key])}

    def put_object(self, Bucket, Key, Body, IfNoneMatch, **more):
        assert IfNoneMatch == "*"
        if Key in self.content:
            raise ClientError({"Error": {"Code": "PreconditionFailed", "Message": ""}}, "PutObject")
        self.content[Key] = Body

    def get_public_key(self, KeyId):
        return {"PublicKey": self.kms[KeyId].public_key().public_bytes(*SPKI)}

    def invoke(self, FunctionName, Payload):
        self.asked.append(json.loads(Payload)["refresh"])
        return {"Payload": io.BytesIO(b"{}")}

    def root(self, version):
        return Metadata[Root].from_bytes(self.content[f"tuf/metadata/{version}.root.json"]).signed


@pytest.fixture
def cloud(monkeypatch, tmp_path):
    made = Cloud()
    monkeypatch.setattr(cli, "_target", lambda context: made)
    monkeypatch.setattr(keys, "directory_of", lambda target: tmp_path / "keys")
    monkeypatch.setenv("EARSHOT_KEYS_PASSPHRASE", "a passphrase")
    return made


def call(monkeypatch, capsys, *arguments):
    monkeypatch.setattr("sys.argv", ["earshot", "keys", *(str(argument) for argument in arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    printed = capsys.readouterr()
    return ended.value.code, " ".join((printed.out + printed.err).split())


def test_keys_stay_here_and_the_root_goes_out(cloud, monkeypatch, capsys, tmp_path):
    # GIVEN a stack WHEN its root is made of three keys, two of which are needed
    status, _ = call(monkeypatch, capsys, "init", "--keys", 3, "--threshold", 2, "--days", 100)
    assert status == 0
    # THEN the root names them and the stack's keys, is signed by all, and says how long it is valid
    root = cloud.root(1)
    assert (len(root.roles["root"].keyids), root.roles["root"].threshold, root.consistent_snapshot) == (3, 2, True)
    assert root.roles["snapshot"].keyids == root.roles["timestamp"].keyids != root.roles["targets"].keyids
    assert timedelta(days=99) < root.expires - datetime.now(UTC) <= timedelta(days=100)
    assert {key.scheme for key in root.keys.values()} == {"ecdsa-sha2-nistp256"}
    # AND nothing private is in the cloud; the stack was asked to sign
    assert list(cloud.content) == ["tuf/metadata/1.root.json"]
    assert b"PRIVATE" not in cloud.content["tuf/metadata/1.root.json"]
    assert cloud.asked == ["all"]
    # AND the files are their owner's, encrypted, with the root that boards are given
    folder = tmp_path / "keys"
    assert folder.stat().st_mode & 0o777 == 0o700
    for number in (1, 2, 3):
        path = folder / f"root-v1-{number}.pem"
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert (folder / "root.json").read_bytes() == cloud.content["tuf/metadata/1.root.json"]


def test_nothing_is_overwritten(cloud, monkeypatch, capsys, tmp_path):
    # GIVEN a root WHEN another first one is to be made THEN neither root nor key changes
    call(monkeypatch, capsys, "init")
    before = {path: path.read_bytes() for path in (tmp_path / "keys").iterdir()}
    assert call(monkeypatch, capsys, "init")[0] == 1
    # AND not in another stack either, of the same folder
    cloud.content.clear()
    status, said = call(monkeypatch, capsys, "init")
    assert (status, "is not overwritten" in said) == (1, True)
    assert before == {path: path.read_bytes() for path in (tmp_path / "keys").iterdir()}
    assert not cloud.content
    # WHEN the keys that are there shall be used THEN they are
    assert call(monkeypatch, capsys, "init", "--key", tmp_path / "keys/root-v1-1.pem")[0] == 0


def test_a_root_lasts_longer_and_keeps_its_keys(cloud, monkeypatch, capsys):
    call(monkeypatch, capsys, "init", "--days", 10)
    assert call(monkeypatch, capsys, "rotate")[0] == 0
    assert cloud.root(2).expires - cloud.root(1).expires > timedelta(days=350)
    assert cloud.root(2).roles == cloud.root(1).roles
    assert cloud.asked == ["all", "due"]


def test_new_root_keys_are_signed_by_old_and_new(cloud, monkeypatch, capsys, tmp_path):
    # GIVEN a root of one key WHEN two others take its place, both needed
    call(monkeypatch, capsys, "init")
    assert call(monkeypatch, capsys, "rotate", "--root", "--keys", 2, "--threshold", 2)[0] == 0
    # THEN the chain holds, and the next root needs the two
    assert keys.newest_root(cloud).signed.roles["root"].threshold == 2
    assert not set(cloud.root(2).roles["root"].keyids) & set(cloud.root(1).roles["root"].keyids)
    status, said = call(monkeypatch, capsys, "rotate", "--key", tmp_path / "keys/root-v2-1.pem")
    assert (status, "1 of the 2 signatures that root version 2 demands" in said) == (1, True)
    assert call(monkeypatch, capsys, "rotate", "--key", tmp_path / "keys/root-v2-1.pem", "--key",
                tmp_path / "keys/root-v2-2.pem")[0] == 0  # fmt: skip
    # AND a refused one leaves no key files that would be in the way
    status, said = call(
        monkeypatch, capsys, "rotate", "--root", "--threshold", 1, "--key", tmp_path / "keys/root-v1-1.pem"
    )
    assert (status, "0 of the 2" in said) == (1, True)
    assert not (tmp_path / "keys/root-v4-1.pem").exists()


def test_stolen_keys_are_let_go_at_once(cloud, monkeypatch, capsys):
    # GIVEN other keys in the stack WHEN the old ones are stolen THEN the root goes out before anything is signed
    call(monkeypatch, capsys, "init")
    status, said = call(monkeypatch, capsys, "rotate", "--online")
    assert (status, "UpdateKeys" in said) == (1, True)
    cloud.kms = {name: ec.generate_private_key(ec.SECP256R1()) for name in cloud.kms}
    assert call(monkeypatch, capsys, "rotate", "--online", "--stolen")[0] == 0
    assert cloud.asked == ["all", "anew"]
    for role in ("targets", "snapshot", "timestamp"):
        assert not set(cloud.root(2).roles[role].keyids) & set(cloud.root(1).roles[role].keyids)
    assert len(cloud.root(2).keys) == 3


def test_somebody_faster_is_told(cloud, monkeypatch, capsys, tmp_path):
    # GIVEN two holders who make the next root at once
    call(monkeypatch, capsys, "init")
    present = keys.newest_root(cloud)
    call(monkeypatch, capsys, "rotate")
    monkeypatch.setattr(keys, "newest_root", lambda target: present)
    # WHEN the second comes THEN the first's root stays
    before = cloud.content["tuf/metadata/2.root.json"]
    status, said = call(monkeypatch, capsys, "rotate")
    assert (status, "somebody else has just made root version 2" in said) == (1, True)
    assert cloud.content["tuf/metadata/2.root.json"] == before


def pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "No such file"),
        (b"", "no key in PEM"),
        (b"-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n", "no key in PEM"),
        (pem(ec.generate_private_key(ec.SECP384R1())), "not a P-256 key"),
        (pem(rsa.generate_private_key(65537, 2048)), "not a P-256 key"),
    ],
)
def test_what_is_no_root_key_is_refused(tmp_path, content, fault):
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EarshotError, match=fault):
        keys.load([path], "")


def test_another_passphrase_is_refused(cloud, monkeypatch, capsys, tmp_path):
    call(monkeypatch, capsys, "init")
    monkeypatch.setenv("EARSHOT_KEYS_PASSPHRASE", "another")
    status, said = call(monkeypatch, capsys, "rotate")
    assert (status, "of another passphrase" in said) == (1, True)


def test_a_broken_chain_is_told(cloud, monkeypatch, capsys):
    # GIVEN a second root that the first root's key did not sign
    call(monkeypatch, capsys, "init")
    root = Metadata(Root(version=2, expires=datetime.now(UTC).replace(microsecond=0)))
    cloud.content["tuf/metadata/2.root.json"] = root.to_bytes()
    status, said = call(monkeypatch, capsys, "show")
    assert (status, "2.root.json" in said) == (1, True)


def test_show_says_who_signs_and_until_when(cloud, monkeypatch, capsys):
    call(monkeypatch, capsys, "init")
    status, said = call(monkeypatch, capsys, "show", "--json")
    shown = json.loads(said)
    assert (status, [role["name"] for role in shown]) == (0, ["root", "targets", "snapshot", "timestamp"])
    assert shown[0]["keyids"] == cloud.root(1).roles["root"].keyids
    assert [role["version"] for role in shown] == [1, None, None, None]
    assert call(monkeypatch, capsys, "show")[0] == 0


def test_doctor_says_how_to_begin_and_what_has_ended(cloud, monkeypatch, capsys):
    # GIVEN a stack without a root THEN doctor says what to do
    [finding] = doctor.look_at_updates(lambda: cloud)
    assert (finding.found, finding.is_fatal, "earshot keys init" in finding.remedy) == (None, False, True)
    # GIVEN one with a root THEN until when it is valid
    call(monkeypatch, capsys, "init")
    [finding] = doctor.look_at_updates(lambda: cloud)
    assert finding.found.startswith("root until 20")
    # GIVEN one that has ended THEN what to do
    ended = [keys.Role("root", 1, datetime.now(UTC) - timedelta(days=1), 1, ())]
    monkeypatch.setattr(keys, "show", lambda target: iter(ended))
    [finding] = doctor.look_at_updates(lambda: cloud)
    assert (finding.found, "earshot keys rotate" in finding.remedy) == (None, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["init", "--threshold", "2"], "more than the 1 of --keys"),
        (["init", "--keys", "9"], "--keys"),
        (["rotate", "--days", "0"], "--days"),
    ],
)
def test_wrong_usage(cloud, monkeypatch, capsys, arguments, says):
    status, said = call(monkeypatch, capsys, *arguments)
    assert (status, says in said) == (2, True)
    assert not cloud.content


def test_without_a_passphrase_no_key_is_made(tmp_path):
    with pytest.raises(EarshotError, match="EARSHOT_KEYS_PASSPHRASE"):
        keys.NewKeys(tmp_path, 1, 1, "")

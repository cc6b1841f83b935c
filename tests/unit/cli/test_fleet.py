"""Devices and rollouts as people see them: what is registered, what is asked of the stack, what is said."""

import io
import json

import boto3
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from moto import mock_aws

from earshot import cli, keys
from earshot.target import Target

BOARD = "CY8CPROTO_062_4343W"
KEY = ec.generate_private_key(ec.SECP256R1()).public_key()
POINT = KEY.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint).hex()
PEM = KEY.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
DER = KEY.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

OUTPUTS = {"Table": "table", "Boards": BOARD, "UpdatesFunction": "updates", "RollbackFunction": "rollback"}
OUTPUTS["DataBucket"] = "data"


class Stack(Target):
    """A stack whose table moto keeps, and whose functions say what they were asked."""

    outputs = property(lambda self: OUTPUTS)
    parameters = property(lambda self: {"RolloutGroups": "100"})

    def client(self, service):
        return boto3.client("s3", region_name="us-east-1") if service == "s3" else self

    def resource(self, service):
        return boto3.resource(service, region_name="us-east-1")

    def invoke(self, FunctionName, Payload):
        asked.append((FunctionName, json.loads(Payload)))
        return {
            "Payload": io.BytesIO(json.dumps(answer).encode()),
            **({"FunctionError": "x"} if "errorMessage" in answer else {}),
        }

    def update_model_package(self, **request):
        asked.append(("sagemaker", request["ModelApprovalStatus"]))


asked, answer = [], {}


@pytest.fixture
def table(monkeypatch):
    for name, value in (("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr(cli, "_target", lambda context: Stack())
    monkeypatch.setattr(keys, "newest_root", lambda target: object())
    asked.clear()
    answer.clear()
    with mock_aws():
        yield boto3.resource("dynamodb", region_name="us-east-1").create_table(
            TableName="table",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        )


@pytest.fixture
def call(monkeypatch, capsys, table):
    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["earshot", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return ended.value.code, " ".join((printed.out or printed.err).split())

    return run


@pytest.mark.parametrize("form", ["pem", "der", "hex of the point", "hex of the der"])
def test_a_device_is_known_by_any_form_of_its_key(call, table, tmp_path, form):
    # GIVEN a public key in a file or as digits WHEN a device is added, twice THEN the table has its point
    file = tmp_path / "key"
    file.write_bytes(PEM if form == "pem" else DER)
    given = {"hex of the point": POINT.upper(), "hex of the der": DER.hex()}.get(form, file)
    status, said = call("devices", "add", "d1", "--key", given, "--board", BOARD, "--json")
    assert (status, json.loads(said)) == (0, {"device": "d1", "board": BOARD, "public_key": POINT, "new": True})
    assert call("devices", "add", "d1", "--key", given, "--board", BOARD) == (0, "d1 was registered already")
    item = table.get_item(Key={"pk": "DEVICE#d1", "sk": "DEVICE"})["Item"]
    assert (item["public_key"], item["board"], item["counter"]) == (POINT, BOARD, 0)


def test_devices_are_listed_with_what_they_reported_and_forgotten(call, table):
    # GIVEN two devices, one of which reported and was counted
    for name in ("d2", "d1"):
        call("devices", "add", name, "--key", POINT, "--board", BOARD)
    table.put_item(Item={"pk": "DEVICE#d1", "sk": "TRIAL#1.0.2", "outcome": "rejected"})
    table.update_item(
        Key={"pk": "DEVICE#d1", "sk": "DEVICE"}, UpdateExpression="SET #s = :s, version = :v, reported_at = :at",
        ExpressionAttributeNames={"#s": "state"},
        ExpressionAttributeValues={":s": "rejected", ":v": "1.0.2", ":at": 1_800_000_000},
    )  # fmt: skip
    # WHEN listed THEN in order, with version and state
    found = json.loads(call("devices", "list", "--json")[1])
    assert [(each["device"], each["version"], each["state"]) for each in found] == [
        ("d1", "1.0.2", "rejected"), ("d2", None, None),
    ]  # fmt: skip
    assert "d1 CY8CPROTO_062_4343W 1.0.2 rejected 2027-01-15 08:00 UTC" in call("devices", "list")[1]
    # AND one that is removed leaves nothing
    assert call("devices", "remove", "d1") == (0, "d1 is forgotten")
    assert [item["pk"] for item in table.scan()["Items"]] == ["DEVICE#d2"]
    assert call("devices", "remove", "d1")[0] == 1


def other_keys(tmp_path):
    form = Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    (tmp_path / "rsa").write_bytes(rsa.generate_private_key(65537, 2048).public_key().public_bytes(*form))
    (tmp_path / "curve").write_bytes(ec.generate_private_key(ec.SECP384R1()).public_key().public_bytes(*form))
    (tmp_path / "words").write_bytes(b"a key")


@pytest.mark.parametrize(
    ("name", "key", "board", "says"),
    [
        ("d1", "rsa", BOARD, "devices sign with ECDSA on P-256"),
        ("d1", "curve", BOARD, "devices sign with ECDSA on P-256"),
        ("d1", "words", BOARD, "not a public key"),
        ("d1", "missing", BOARD, "cannot be read"),
        ("d1", "04" + "11" * 64, BOARD, "not a public key"),
        ("d 1", POINT, BOARD, "make a name"),
        ("d1", POINT, "OTHER", "not for OTHER"),
    ],
)
def test_what_is_no_device_is_refused(call, table, tmp_path, monkeypatch, name, key, board, says):
    other_keys(tmp_path)
    monkeypatch.chdir(tmp_path)
    status, said = call("devices", "add", name, "--key", key, "--board", board)
    assert status == 1
    assert says in said
    assert table.scan()["Count"] == 0


def test_a_name_is_one_devices(call, table):
    # GIVEN a device WHEN its name is given to another key THEN it stays the first's
    call("devices", "add", "d1", "--key", POINT, "--board", BOARD)
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    point = other.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint).hex()
    status, said = call("devices", "add", "d1", "--key", point, "--board", BOARD)
    assert (status, "another key or board" in said) == (1, True)
    assert table.get_item(Key={"pk": "DEVICE#d1", "sk": "DEVICE"})["Item"]["public_key"] == POINT


def put_rollout(table, number, state="running", group=0):
    table.put_item(
        Item={
            "pk": "ROLLOUTS", "sk": f"{number:07d}", "version": f"1.0.{number}", "state": state, "group": group,
            "groups": [{"percent": share, "success": 10} for share in (5, 25, 100)], "confirmed_before": 2,
            "reason": "", "reissue": "", "began": 1,
        }
    )  # fmt: skip
    for shard, confirmed in (("0", 3), ("f", 4)):
        table.put_item(Item={"pk": f"ROLLOUT#1.0.{number}", "sk": shard, "confirmed": confirmed, "rejected": 1})


def test_status_adds_up_what_boards_reported(call, table):
    put_rollout(table, 2, "withdrawn")
    put_rollout(table, 3, group=1)
    found = json.loads(call("rollout", "status", "--json")[1])
    assert [each["version"] for each in found] == ["1.0.3", "1.0.2"]
    assert {name: found[0][name] for name in ("percent", "confirmed", "rejected", "confirmed_in_group")} == {
        "percent": 25, "confirmed": 7, "rejected": 2, "confirmed_in_group": 5,
    }  # fmt: skip
    assert "1.0.2 withdrawn" in call("rollout", "status", "1.0.2")[1]
    assert call("rollout", "status", "1.0.9")[0] == 1


@pytest.mark.parametrize(
    ("command", "state", "wanted"),
    [
        ("pause", "running", {"want": "pause"}),
        ("resume", "paused", {"want": "resume"}),
        ("next", "running", {"want": "proceed", "group": 1}),
        ("abort", "paused", {"want": "abort", "reason": "aborted by hand"}),
    ],
)
def test_the_newest_rollout_is_changed(call, table, command, state, wanted):
    put_rollout(table, 2, "finished")
    put_rollout(table, 3, state, group=1)
    assert call("rollout", command)[0] == 0
    assert asked == [("updates", {"rollout": "1.0.3", **wanted})]


@pytest.mark.parametrize("command", ["pause", "resume", "next", "abort"])
def test_a_rollout_that_ended_cannot_be_changed(call, table, command):
    put_rollout(table, 3, "finished")
    status, said = call("rollout", command)
    assert (status, "1.0.3 is finished: it cannot" in said, asked) == (1, True, [])


def test_the_stacks_refusal_is_quoted(call, table):
    put_rollout(table, 3)
    answer["errorMessage"] = "no"
    assert call("rollout", "pause") == (1, "earshot: the stack refuses: no")


def put_version(table, state):
    table.put_item(
        Item={"pk": "VERSIONS", "sk": "0000003", "version": "1.0.3", "state": state, "package_arn": "arn", "run": "r"}
    )


def test_a_version_that_waits_is_approved_with_its_groups(call, table):
    put_version(table, "awaiting_approval")
    assert call("rollout", "start", "1.0.3", "--groups", "5,100")[0] == 0
    assert asked == [
        ("updates", {"rollout": "1.0.3", "want": "plan", "groups": "5,100"}), ("sagemaker", "Approved"),
    ]  # fmt: skip


def test_a_version_that_was_out_goes_out_under_a_higher_one(call, table):
    put_version(table, "released")
    answer["version"] = "1.0.7"
    assert call("rollout", "start", "1.0.3", "--groups", "5,100", "--json") == (0, '{ "version": "1.0.7" }')
    assert asked == [("rollback", {"version": "1.0.3", "groups": "5,100"})]


@pytest.mark.parametrize(
    ("state", "groups", "says"),
    [
        ("releasing", ("--groups", "5,100"), "1.0.3 is releasing"),
        ("released", (), "give --groups, such as 5,25,100"),
        (None, ("--groups", "5,100"), "no version 1.0.3"),
    ],
)
def test_what_cannot_be_rolled_out_is_said(call, table, state, groups, says):
    if state:
        put_version(table, state)
    status, said = call("rollout", "start", "1.0.3", *groups)
    assert (status, says in said, asked) == (1, True, [])


def test_without_signed_updates_there_is_no_rollout(call, table, monkeypatch):
    monkeypatch.setattr(keys, "newest_root", lambda target: None)
    status, said = call("rollout", "start", "1.0.3", "--groups", "5,100")
    assert (status, "earshot keys init" in said) == (1, True)


# -- firmware --------------------------------------------------------------------------------------------------------

PAYLOAD = bytes(range(256)) * 40


@pytest.fixture
def base(call, tmp_path):
    """Registers a base firmware; returns status and what is said."""
    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="data")
    file = tmp_path / "app.bin"

    def register(content=PAYLOAD, version="1.4.0", offset="0x400", size="4096", board=BOARD, erased="0"):
        file.write_bytes(content)
        return call(
            "firmware", "register", file, "--board", board, "--version", version, "--section-offset", offset,
            "--section-size", size, "--erased", erased, "--json",
        )  # fmt: skip

    return register


def test_a_base_firmware_is_kept_with_its_record(base):
    # GIVEN a binary, and the same in an image WHEN registered THEN what the board runs is kept, and described
    header = (0x96F3B83D).to_bytes(4, "little") + bytes(4) + (0x400).to_bytes(2, "little") + bytes(2)
    image = (header + len(PAYLOAD).to_bytes(4, "little")).ljust(0x400, b"\0") + PAYLOAD + b"TLVs"
    s3 = boto3.client("s3", region_name="us-east-1")
    for version, content in (("1.4.0", PAYLOAD), ("1.10.0", image)):
        status, said = base(content, version)
        assert status == 0
        record = json.loads(said)
        assert (record["section_offset"], record["section_size"], record["erased"]) == (1024, 4096, 0)
        folder = f"firmware/{BOARD}/{version}/"
        assert s3.get_object(Bucket="data", Key=f"{folder}base.bin")["Body"].read() == PAYLOAD
        assert json.load(s3.get_object(Bucket="data", Key=f"{folder}base.json")["Body"]) == record


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"version": "1.4"}, "three numbers such as 1.4.0"),
        ({"version": "1.4.70000"}, "at most 255.255.65535"),
        ({"offset": "8000"}, "not within its 10240 bytes"),
        ({"size": "0"}, "not within"),
        ({"offset": "1026"}, "aligned to 4 bytes"),
        ({"erased": "1"}, "reads 0 (PSoC 6) or 255"),
        ({"board": "OTHER"}, "not for OTHER"),
        ({"content": (0x96F3B83D).to_bytes(4, "little") + b"\xff" * 40}, "that ends after 44"),
    ],
)
def test_what_is_no_base_is_refused_before_anything_is_sent(base, changes, says):
    status, said = base(**changes)
    assert (status, says in said) == (1, True)
    assert "Contents" not in boto3.client("s3", region_name="us-east-1").list_objects_v2(Bucket="data")


def test_a_bases_version_only_grows(base):
    base(version="1.10.0")
    for version in ("1.10.0", "1.9.9"):
        status, said = base(version=version)
        assert (status, "base firmware 1.10.0 already" in said) == (1, True)

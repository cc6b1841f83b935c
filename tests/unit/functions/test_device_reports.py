"""Reports of boards: what is taken, and that what is refused changes nothing."""

import base64
import hashlib
import json

import pytest
from cloud import event
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

BOARD = "CY8CPROTO_062_4343W"


@pytest.fixture
def device(cloud):
    key = ec.generate_private_key(ec.SECP256R1())
    point = key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    cloud.table.dynamodb.put_item(
        TableName="table",
        Item={
            "pk": {"S": "DEVICE#host-0001"}, "sk": {"S": "DEVICE"}, "public_key": {"S": point.hex()},
            "board": {"S": BOARD},
        },
    )  # fmt: skip
    return key


def report(**changes):
    return {
        "device": "host-0001", "board": BOARD, "version": "1.0.3", "state": "confirmed", "counter": 7, "detail": "",
        **changes,
    }  # fmt: skip


def sign(key, body):
    r, s = utils.decode_dss_signature(key.sign(body, ec.ECDSA(hashes.SHA256())))
    return f"{r:064x}{s:064x}"


def send(cloud, body, signature, encoded=False):
    request = event("http_api_report")
    request["headers"]["x-earshot-signature"] = signature
    request["body"] = base64.b64encode(body).decode() if encoded else body.decode()
    request["isBase64Encoded"] = encoded
    return cloud.call("device_reports", request)


def status(cloud, content, key, **more):
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return send(cloud, body, sign(key, body), **more)["statusCode"]


@pytest.mark.parametrize("encoded", [False, True])
def test_a_signed_report_is_taken(cloud, device, encoded):
    # GIVEN a registered device WHEN it reports THEN that is kept
    assert status(cloud, report(), device, encoded=encoded) == 204
    kept = cloud.table.device("host-0001")
    assert (kept["version"], kept["state"], kept["counter"]) == ("1.0.3", "confirmed", 7)


def test_a_replayed_report_changes_nothing(cloud, device):
    # GIVEN a report that was taken WHEN it, or an older one, comes again THEN 401
    assert status(cloud, report(), device) == 204
    for replay in (report(), report(counter=6), report(counter=0, state="rejected")):
        before = cloud.table.device("host-0001")
        assert status(cloud, replay, device) == 401
        assert cloud.table.device("host-0001") == before
    assert status(cloud, report(counter=8), device) == 204


@pytest.mark.parametrize(
    "forged",
    [{"device": "host-0002"}, {"board": "CY8CKIT_062S2_43012"}],
)
def test_reports_of_others_are_refused(cloud, device, forged):
    assert status(cloud, report(**forged), device) == 401


def test_signatures_of_others_and_of_other_bytes_are_refused(cloud, device):
    # GIVEN a report WHEN its signature is not the device's over these bytes THEN 401 and nothing changes
    body = json.dumps(report()).encode()
    good = sign(device, body)
    other = sign(ec.generate_private_key(ec.SECP256R1()), body)
    changed = body.replace(b"confirmed", b"rejected")
    before = cloud.table.device("host-0001")
    for content, signature in (
        (body, other), (changed, good), (body, ""), (body, "0" * 128), (body, "f" * 128), (body, good[:-2]),
        (body, good + "00"), (body, "zz" * 64),
    ):  # fmt: skip
        assert send(cloud, content, signature)["statusCode"] == 401
    assert cloud.table.device("host-0001") == before
    assert send(cloud, body, good.upper())["statusCode"] == 204


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b"\xc3\x28".decode("latin-1").encode(), b"[" * 1000,
        json.dumps(report(detail="x" * 900)).encode() + b" " * 200,
        report(counter="7"), report(counter=-1), report(counter=7.5), report(counter=2**63), report(counter=True),
        report(state="melted"), report(version="one"), report(detail="x" * 257), report(detail=None),
        report(extra=1), report(device="a b"), report(device=""), {"device": "host-0001"},
    ],
)  # fmt: skip
def test_malformed_reports_are_refused(cloud, device, content):
    # GIVEN a body that is no report, well signed WHEN it comes THEN 400 and nothing changes
    before = cloud.table.device("host-0001")
    assert status(cloud, content, device) == 400
    assert cloud.table.device("host-0001") == before


def test_a_body_that_is_no_base64_is_refused(cloud, device):
    request = event("http_api_report")
    request["body"], request["isBase64Encoded"] = "%%%", True
    assert cloud.call("device_reports", request)["statusCode"] == 400


def test_other_routes_are_not_found(cloud):
    request = event("http_api_report")
    request["requestContext"]["http"]["path"] = request["rawPath"] = "/other"
    assert cloud.call("device_reports", request)["statusCode"] == 404


def test_signatures_are_over_sha256(cloud, device):
    # GIVEN a signature made over the SHA-256 digest by hand WHEN it comes THEN it is taken
    body = json.dumps(report()).encode()
    digest = hashlib.sha256(body).digest()
    r, s = utils.decode_dss_signature(device.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256()))))
    assert send(cloud, body, f"{r:064x}{s:064x}")["statusCode"] == 204

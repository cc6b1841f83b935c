"""The update client against a server of releases: the way of a good image, and of every bad one."""

# mypy: disable-error-code="no-untyped-def, no-any-return, import-not-found"

import hashlib
import json
import os
import struct
import threading
import wave

import numpy as np
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from device_runner import POWER_CUT_STATUS
from signing import SigningKey

CURRENT, ERROR, REJECTED = 0, 1, 2


def _names(events):
    return [e["event"] for e in events]


def _write_clip(path, samples, rate=16000):
    with wave.open(str(path), "wb") as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(rate)
        f.writeframes(np.asarray(samples, "<i2").tobytes())
    return path


@pytest.fixture
def clip(tmp_path):
    return _write_clip(tmp_path / "clip.wav", np.random.default_rng(3).integers(-9000, 9000, 16000))


def _version(device, clip):
    """The version of the model that the device would hear with; None without one."""
    status, events = device.listen(clip)
    return events[0]["version"] if status == 0 else None


def test_a_released_model_is_downloaded_verified_tried_and_confirmed(device, server, image_maker, board_model, clip):
    # GIVEN a release
    image = image_maker(board_model)
    path = server.publish(image, "1.0.1")
    # WHEN the device polls
    status, events = device.poll()
    # THEN it goes through all states, by 4096-byte ranges over the document's server
    assert status == CURRENT
    assert [n for n in _names(events) if n != "downloading"] == ["checking", "verified", "trial", "confirmed"]
    downloads = [e for e in events if e["event"] == "downloading"]
    assert downloads[0]["received"] == 0
    assert downloads[-1]["received"] == downloads[-1]["size"] == len(image)
    assert next(e for e in events if e["event"] == "verified")["sha256"] == hashlib.sha256(image).hexdigest()
    ranges = [h["Range"] for p, h in server.requests if p == path]
    assert ranges[0] == "bytes=0-4095"
    assert len(ranges) == -(-len(image) // 4096)
    # AND hears with it
    assert _version(device, clip) == "1.0.1"


def test_nothing_new_is_one_conditional_request(device, server, image_maker, board_model):
    server.publish(image_maker(board_model), "1.0.1")
    device.poll()
    server.requests.clear()
    status, events = device.poll()
    assert (status, _names(events)) == (CURRENT, ["checking", "current"])
    assert len(server.requests) == 1
    assert "If-None-Match" in server.requests[0][1]


def test_a_newer_version_replaces_the_model_and_an_older_one_does_not(device, server, image_maker, board_model, clip):
    for n, expected in ((2, "1.0.2"), (10, "1.0.10"), (9, "1.0.10"), (2, "1.0.10")):
        server.publish(image_maker(board_model, n), f"1.0.{n}")
        assert device.poll()[0] == CURRENT
        assert _version(device, clip) == expected


def test_no_update_available_is_current(device, server):
    server.files[server.document_path] = b'{"Message":"No Update Available"}'
    assert device.poll()[0] == CURRENT


BAD_IMAGES = {
    "wrong key": {"key": SigningKey()},
    "wrong board": {"board": "CY8CKIT_062S2_43012"},
    "wrong board by a prefix": {"board": "CY8CPROTO_062_4343"},
    "wrong front end": {"frontend": "micro-00000000"},
    "other version than the document": {"version": "1.0.3"},
    "build number": {"version": "1.0.2+1"},
    "security counter lower than the confirmed one": {"counter": 0},
}


@pytest.mark.parametrize("changes", BAD_IMAGES.values(), ids=BAD_IMAGES.keys())
def test_a_bad_image_is_rejected_once_and_never_fetched_again(device, server, image_maker, board_model, clip, changes):
    # GIVEN a device with 1.0.1, and a bad 1.0.2
    server.publish(image_maker(board_model), "1.0.1")
    assert device.poll()[0] == CURRENT
    path = server.publish(image_maker(board_model, 2, **changes), "1.0.2")
    # WHEN it polls
    status, events = device.poll()
    # THEN the image is rejected, the old model is kept
    assert (status, _names(events)[-1]) == (REJECTED, "rejected")
    assert events[-1]["version"] == "1.0.2"
    assert events[-1]["reason"]
    assert _version(device, clip) == "1.0.1"
    # AND no byte of it is asked for again, with the document known or served anew
    fetched = server.fetched(path)
    assert device.poll()[0] == REJECTED
    server.files[server.document_path] += b" "
    assert device.poll()[0] == REJECTED
    assert server.fetched(path) == fetched
    # AND the next good version is taken
    server.publish(image_maker(board_model, 3), "1.0.3")
    assert device.poll()[0] == CURRENT
    assert _version(device, clip) == "1.0.3"


def _tlv_positions(image):
    """Offsets of all TLV headers and area headers of an image."""
    header, _, payload = struct.unpack_from("<HHI", image, 8)
    at, positions = header + payload, []
    for _ in range(2):
        end = at + struct.unpack_from("<H", image, at + 2)[0]
        positions.append(at)
        at += 4
        while at < end:
            positions.append(at)
            at += 4 + struct.unpack_from("<H", image, at + 2)[0]
    return positions


def test_an_image_changed_anywhere_is_rejected_without_a_crash(
    device, server, sanitized_build, image_maker, board_model
):
    # GIVEN a good image, and every way to change it that a document with the right digest would hide
    device.program = sanitized_build / "earshot-device"
    image = image_maker(board_model)
    rng = np.random.default_rng(1)
    changed = []
    flips = [*range(0, 32, 3), 700, 1024 + 500, *(int(v) for v in rng.integers(0, len(image), 10))]
    for at in flips:
        changed.append(image[:at] + bytes([image[at] ^ (1 << int(rng.integers(8)))]) + image[at + 1 :])
    for at in _tlv_positions(image):
        length = struct.unpack_from("<H", image, at + 2)[0]
        for lie in {0, 1, length - 1, length + 1, 0xFFFF}:
            changed.append(image[: at + 2] + struct.pack("<H", lie) + image[at + 4 :])
        changed.append(image[:at] + b"\x99\x99" + image[at + 2 :])
    changed += [image[:size] for size in (1, 31, 32, 1024, 1030, len(image) - 80, len(image) - 1)]
    changed += [image + b"\x01", image + bytes(5000)]
    for field, value in ((8, 0xFFFF), (10, 0), (10, 0xFFFF)):
        changed.append(image[:field] + struct.pack("<H", value) + image[field + 2 :])
    for value in (0, 0x7FFFFFFF, 0xFFFFFFFF, 0xFFFFFC00):
        changed.append(image[:12] + struct.pack("<I", value) + image[16:])
    for data in changed:
        if len(data) % 4096 == 1:
            continue  # refused by its size, as the documents' tests show
        # WHEN it is published THEN it is rejected
        server.publish(data, "1.0.1")
        status, events = device.poll()
        assert (status, _names(events)[-1]) == (REJECTED, "rejected")
        assert "verified" not in _names(events)
    # AND the image itself is taken, with filler behind it too
    server.publish(image + b"\xff" * 100, "1.0.1")
    assert device.poll()[0] == CURRENT


def test_a_model_that_does_not_open_is_rejected_on_trial(device, server, image_maker, clip, board_model):
    server.publish(image_maker(board_model), "1.0.1")
    device.poll()
    server.publish(image_maker(b"TFL3 this is no model" * 50, 2), "1.0.2")
    status, events = device.poll()
    assert status == REJECTED
    assert _names(events)[-2:] == ["trial", "rejected"]
    assert _version(device, clip) == "1.0.1"


def test_a_file_that_is_not_the_documents_is_rejected(device, server, image_maker, board_model):
    image = image_maker(board_model)
    path = server.publish(image, "1.0.1")
    server.files[path] = image[:5000] + bytes([image[5000] ^ 1]) + image[5001:]
    assert device.poll()[0] == REJECTED
    fetched = server.fetched(path)
    assert device.poll()[0] == REJECTED
    assert server.fetched(path) == fetched


@pytest.mark.parametrize("size", [-1, -4096, +1, +4096])
def test_a_file_of_another_size_is_rejected(device, server, image_maker, board_model, size):
    image = image_maker(board_model)
    path = server.publish(image, "1.0.1")
    server.files[path] = image[:size] if size < 0 else image + bytes(size)
    assert device.poll()[0] == REJECTED


def test_a_transfer_damaged_once_is_repeated(device, server, image_maker, board_model, clip):
    image = image_maker(board_model)
    path = server.publish(image, "1.0.1")

    def damage_once(handler):
        del server.attacks[path]
        part = bytes(4096)
        handler.raw(
            b"HTTP/1.1 206 Partial\r\nContent-Length: 4096\r\n"
            + f"Content-Range: bytes 0-4095/{len(image)}\r\nConnection: close\r\n\r\n".encode() + part
        )  # fmt: skip

    server.attacks[path] = damage_once
    assert device.poll()[0] == CURRENT
    assert _version(device, clip) == "1.0.1"


DOCUMENTS = {
    "not JSON": b"<html></html>",
    "empty": b"",
    "number where a string belongs": {"Port": 80},
    "no digest": {"Sha256": None},
    "no board": {"Board": None},
    "short digest": {"Sha256": "ab" * 31},
    "digest of other letters": {"Sha256": "xy" * 32},
    "version of two parts": {"Version": "1.1"},
    "version of four parts": {"Version": "1.0.0.1"},
    "version with a letter": {"Version": "1.0.1b"},
    "version too large": {"Version": "1.0.65536"},
    "version too long": {"Version": "1.0.000000000000001"},
    "relative path": {"File": "model.img"},
    "line break in the path": {"File": "/a\r\nX: y"},
    "space in the path": {"File": "/a b"},
    "path of 256 characters": {"File": "/" + "a" * 255},
    "line break in the server": {"Server": "127.0.0.1\r\nX: y"},
    "port 0": {"Port": "0"},
    "port out of range": {"Port": "65536"},
    "size of nothing": {"Size": "0"},
    "size with a sign": {"Size": "+100"},
    "size of a slot and one": {"Size": str(256 * 1024 + 1)},
    "size that loses its last byte": {"Size": "8193"},
    "FTP": {"Connection": "FTP"},
    "HTTPS, which the port lacks": {"Connection": "HTTPS"},
}


@pytest.mark.parametrize("change", DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_a_malformed_document_is_an_error_and_fetches_nothing(device, server, image_maker, board_model, change):
    path = server.publish(image_maker(board_model), "1.0.1", **(change if isinstance(change, dict) else {}))
    if isinstance(change, bytes):
        server.files[server.document_path] = change
    status, events = device.poll()
    assert (status, _names(events)) == (ERROR, ["checking", "error"])
    assert server.fetched(path) == 0


def test_a_document_of_1024_bytes_is_refused_and_of_1023_taken(device, server, image_maker, board_model):
    server.publish(image_maker(board_model), "1.0.1")
    document = server.files[server.document_path]
    server.files[server.document_path] = document.ljust(1024)
    assert device.poll()[0] == ERROR
    server.files[server.document_path] = document.ljust(1023)
    assert device.poll()[0] == CURRENT


def test_keys_count_in_any_case_but_only_once(device, server, image_maker, board_model):
    server.publish(image_maker(board_model), "1.0.1")
    document = json.loads(server.files[server.document_path])
    shouted = {k.upper(): v for k, v in document.items()}
    server.files[server.document_path] = json.dumps(shouted | {"version": "1.0.1"}).encode()
    assert device.poll()[0] == ERROR
    server.files[server.document_path] = json.dumps(shouted | {"Extra": {"deep": [1, None]}}).encode()
    assert device.poll()[0] == CURRENT


def test_a_document_for_another_board_is_rejected(device, server, image_maker, board_model):
    path = server.publish(image_maker(board_model), "1.0.1", Board="cy8cproto_062_4343w")
    assert device.poll()[0] == REJECTED
    assert server.fetched(path) == 0


def _answer(status: str, *headers: str, body: bytes = b"") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode() + body


DOCUMENT = b'{"Message":"No Update Available"}'
LENGTH = f"Content-Length: {len(DOCUMENT)}"
DOCUMENT_ATTACKS = {
    "redirect": _answer("302 Found", "Location: http://127.0.0.1:1/", "Content-Length: 0"),
    "permanent redirect": _answer("308 Moved", "Location: /other", "Content-Length: 0"),
    "304 that was not asked for": _answer("304 Not Modified"),
    "chunked": _answer("200 OK", "Transfer-Encoding: chunked", body=b"21\r\n" + DOCUMENT + b"\r\n0\r\n\r\n"),
    "chunked and a length": _answer("200 OK", "Transfer-Encoding: identity", LENGTH, body=DOCUMENT),
    "no length": _answer("200 OK", body=DOCUMENT),
    "two lengths": _answer("200 OK", LENGTH, LENGTH, body=DOCUMENT),
    "negative length": _answer("200 OK", "Content-Length: -1", body=DOCUMENT),
    "length that overflows": _answer("200 OK", "Content-Length: 4294967329", body=DOCUMENT),
    "length with a list": _answer("200 OK", f"{LENGTH}, {len(DOCUMENT)}", body=DOCUMENT),
    "short body": _answer("200 OK", "Content-Length: 500", body=DOCUMENT),
    "long body": _answer("200 OK", LENGTH, body=DOCUMENT + b"more"),
    "endless header": _answer("200 OK", LENGTH, "X: " + "y" * 3000, body=DOCUMENT),
    "header without a colon": _answer("200 OK", LENGTH, "nonsense", body=DOCUMENT),
    "space before the colon": _answer("200 OK", f"Content-Length : {len(DOCUMENT)}", body=DOCUMENT),
    "folded header": _answer("200 OK", LENGTH, "X: a", " b", body=DOCUMENT),
    "NUL in a header": _answer("200 OK", LENGTH, "X: a\0b", body=DOCUMENT),
    "bare line feeds": b"HTTP/1.1 200 OK\n" + LENGTH.encode() + b"\n\n" + DOCUMENT,
    "HTTP/2": b"HTTP/2 200 OK\r\n" + LENGTH.encode() + b"\r\n\r\n" + DOCUMENT,
    "status of two digits": b"HTTP/1.1 20 OK\r\n" + LENGTH.encode() + b"\r\n\r\n" + DOCUMENT,
    "nothing": b"",
    "server error": _answer("503 Busy", "Content-Length: 0"),
}


@pytest.mark.parametrize("raw", DOCUMENT_ATTACKS.values(), ids=DOCUMENT_ATTACKS.keys())
def test_an_answer_out_of_order_is_refused(device, server, raw):
    server.attacks[server.document_path] = lambda handler: handler.raw(raw)
    assert device.poll()[0] == ERROR


def test_the_plain_form_of_that_answer_is_taken(device, server):
    server.attacks[server.document_path] = lambda h: h.raw(_answer("200 OK", LENGTH, body=DOCUMENT))
    assert device.poll()[0] == CURRENT


def _range_attacks(size):
    good = f"Content-Range: bytes 0-4095/{size}"
    body = bytes(4096)
    length = "Content-Length: 4096"
    return {
        "whole file": _answer("200 OK", length, body=body),
        "no Content-Range": _answer("206 Partial", length, body=body),
        "two Content-Ranges": _answer("206 Partial", length, good, good, body=body),
        "another range": _answer("206 Partial", length, f"Content-Range: bytes 4096-8191/{size}", body=body),
        "unknown total": _answer("206 Partial", length, "Content-Range: bytes 0-4095/*", body=body),
        "other unit": _answer("206 Partial", length, f"Content-Range: items 0-4095/{size}", body=body),
        "shorter body": _answer("206 Partial", "Content-Length: 4095", good, body=body[1:]),
        "redirect": _answer("307 Elsewhere", "Location: /x", "Content-Length: 0"),
        "chunked": _answer(
            "206 Partial", good, "Transfer-Encoding: chunked", body=b"1000\r\n" + body + b"\r\n0\r\n\r\n"
        ),
    }


@pytest.mark.parametrize("name", _range_attacks(1).keys())
def test_a_part_out_of_order_is_refused(device, server, image_maker, board_model, name):
    image = image_maker(board_model)
    path = server.publish(image, "1.0.1")
    raw = _range_attacks(len(image))[name]
    server.attacks[path] = lambda handler: handler.raw(raw)
    assert device.poll()[0] == ERROR
    # AND the device recovers when the server does
    server.attacks.clear()
    assert device.poll()[0] == CURRENT


def test_a_slow_drip_ends_by_the_deadline(device, server, image_maker, board_model):
    device.timeout_ms = 400
    stopped = []

    def drip(handler):
        for byte in _answer("200 OK", LENGTH, body=DOCUMENT):
            try:
                handler.raw(bytes([byte]))
            except OSError:
                stopped.append(True)
                return
            handler.connection.settimeout(5)
            stop.wait(0.05)

    stop = threading.Event()
    server.attacks[server.document_path] = drip
    status, events = device.poll()
    stop.set()
    assert status == ERROR
    assert "slow" in events[-1]["reason"]


def test_a_server_that_is_not_there_is_an_error(device):
    device.releases = "http://127.0.0.1:9"
    assert device.poll()[0] == ERROR


def test_reports_are_signed_and_counted(device, server, image_maker, board_model):
    # GIVEN a device that reports
    device.reports = f"{server.url}/prod"
    public = bytes.fromhex(device.provision(device.folder / "key.der")[1][0]["public_key"])
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
    # WHEN it takes a good and refuses a bad image
    server.publish(image_maker(board_model), "1.0.1")
    device.poll()
    server.publish(image_maker(board_model, 2, board="OTHER"), "1.0.2")
    device.poll()
    # THEN every state is reported, in order, with a growing counter and the device's signature
    bodies = [json.loads(body) for _, _, body in server.reports]
    assert [b["state"] for b in bodies] == [
        "downloading", "verified", "trial", "confirmed", "downloading", "rejected",
    ]  # fmt: skip
    assert [b["counter"] for b in bodies] == [1, 2, 3, 4, 5, 6]
    assert bodies[-1]["version"] == "1.0.2"
    assert bodies[-1]["detail"]
    for path, headers, body in server.reports:
        assert path == "/prod/reports"
        assert len(body) <= 1024
        assert headers["Content-Type"] == "application/json"
        raw = bytes.fromhex(headers["X-Earshot-Signature"])
        signature = utils.encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        key.verify(signature, body, ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize("reports", ["http://127.0.0.1:9/x", None])
def test_a_failing_report_does_not_stop_an_update(device, server, image_maker, board_model, reports):
    device.reports = reports or f"{server.url}/x"
    server.report_status = 401
    server.publish(image_maker(board_model), "1.0.1")
    assert device.poll()[0] == CURRENT


def test_power_cut_at_every_flash_operation(device, server, image_maker, board_model, clip):
    # GIVEN a device with 1.0.1 and a release 1.0.2
    server.publish(image_maker(board_model), "1.0.1")
    assert device.poll()[0] == CURRENT
    server.publish(image_maker(board_model, 2), "1.0.2")
    flash = device.folder / "flash.bin"
    before = flash.read_bytes()
    cuts = 0
    # WHEN the power is cut in the middle of operation 0, 1, 2 … of the update
    while True:
        flash.write_bytes(before)
        status, _ = device.poll(EARSHOT_FLASH_CUT=str(cuts))
        if status != POWER_CUT_STATUS:
            break
        # THEN the board boots a valid model: the old one, until the new one is confirmed
        assert _version(device, clip) == "1.0.1", cuts
        # AND ends on the new one when the power stays
        assert device.poll()[0] == CURRENT, cuts
        assert _version(device, clip) == "1.0.2", cuts
        cuts += 1
    # AND an update without a cut has been seen after more operations than there are blocks and rows
    assert status == CURRENT
    assert cuts > 64 + len(image_maker(board_model)) // 512


def test_power_cuts_while_the_journal_wraps(device, server, image_maker, board_model, clip):
    # GIVEN a journal that is about to change halves (32 records; an update takes two)
    for n in range(1, 15):
        server.publish(image_maker(board_model, n), f"1.0.{n}")
        assert device.poll()[0] == CURRENT
    flash = device.folder / "flash.bin"
    # WHEN updates are cut in the journal's operations, the last ones of each
    for n in range(15, 19):
        server.publish(image_maker(board_model, n), f"1.0.{n}")
        before = flash.read_bytes()
        operations = 64 + -(-len(image_maker(board_model, n)) // 512)
        for cut in range(operations - 1, operations + 8):
            flash.write_bytes(before)
            status, _ = device.poll(EARSHOT_FLASH_CUT=str(cut))
            if status == POWER_CUT_STATUS:
                # THEN the old model runs
                assert _version(device, clip) == f"1.0.{n - 1}"
        assert _version(device, clip) == f"1.0.{n}"


def test_a_trial_that_never_ends_is_given_up(device, server, image_maker, board_model, clip):
    # GIVEN a device whose power fails in every trial, after the trial was noted
    server.publish(image_maker(board_model), "1.0.1")
    device.poll()
    path = server.publish(image_maker(board_model, 2), "1.0.2")
    operations = 64 + -(-len(image_maker(board_model, 2)) // 512)
    assert device.poll(EARSHOT_FLASH_CUT=str(operations + 1))[0] == POWER_CUT_STATUS
    for _ in range(2):
        assert device.poll(EARSHOT_FLASH_CUT="1")[0] == POWER_CUT_STATUS
    # WHEN it starts once more
    status, events = device.poll()
    # THEN the model is rejected, and not fetched again
    assert (status, _names(events)) == (REJECTED, ["rejected"])
    fetched = server.fetched(path)
    assert device.poll()[0] == REJECTED
    assert server.fetched(path) == fetched
    assert _version(device, clip) == "1.0.1"


def test_a_damaged_slot_is_not_heard_with_and_is_fetched_again(device, server, image_maker, board_model, clip):
    server.publish(image_maker(board_model), "1.0.1")
    device.poll()
    flash = device.folder / "flash.bin"
    data = bytearray(flash.read_bytes())
    data[3000] ^= 0x10
    flash.write_bytes(data)
    assert device.listen(clip)[0] == ERROR
    assert device.poll()[0] == CURRENT
    assert _version(device, clip) == "1.0.1"


def test_a_journal_of_noise_is_a_board_without_a_model(device, server, image_maker, board_model, clip):
    server.publish(image_maker(board_model), "1.0.1")
    device.poll()
    (device.folder / "flash.bin").write_bytes(os.urandom(576 * 1024))
    assert device.listen(clip)[0] == ERROR
    assert device.poll()[0] == CURRENT
    assert _version(device, clip) == "1.0.1"


def test_provisioning_twice_keeps_the_devices_key_and_refuses_other_keys(device, tmp_path):
    key = device.folder / "key.der"
    again = device.provision(key)
    assert again[0] == 0
    assert device.provision(key)[1] == again[1]
    assert (device.folder / "device.key").stat().st_mode & 0o777 == 0o600
    other = ec.generate_private_key(ec.SECP384R1()).public_key()
    bad = tmp_path / "bad.der"
    bad.write_bytes(other.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))
    assert device.provision(bad)[0] == ERROR
    off_curve = bytearray(key.read_bytes())
    off_curve[-1] ^= 1
    bad.write_bytes(off_curve)
    assert device.provision(bad)[0] == ERROR


def test_a_new_signing_key_judges_anew(device, server, image_maker, board_model, tmp_path):
    other = SigningKey()
    server.publish(image_maker(board_model, key=other), "1.0.1")
    assert device.poll()[0] == REJECTED
    key = tmp_path / "other.der"
    key.write_bytes(other.spki)
    device.provision(key)
    assert device.poll()[0] == CURRENT


def test_listening_without_a_model_says_so(device, clip):
    status, events = device.listen(clip)
    assert status == ERROR
    assert "poll" in events[0]["reason"]

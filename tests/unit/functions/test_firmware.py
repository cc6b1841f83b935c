"""Whole firmwares of boards that have a base: made with every release, offered when it is stable."""

import hashlib
import io
import json
import struct
import tarfile

import bundles
from cloud import BOARDS
from earshot_pipeline.run import RunState
from test_functions import read_json, ready_to_release, release
from test_rollouts import next_version, second_version
from test_updates import begin

PAYLOAD = bytes(range(256)) * 80


def register(cloud, version, size=4096, board=BOARDS[0]):
    record = {
        "schema": "earshot.firmware/1", "board": board, "version": version, "section_offset": 1024,
        "section_size": size, "erased": 0, "size": len(PAYLOAD), "sha256": hashlib.sha256(PAYLOAD).hexdigest(),
    }  # fmt: skip
    folder = f"firmware/{board}/{version}/"
    cloud.s3.put_object(Bucket="data", Key=f"{folder}base.bin", Body=PAYLOAD)
    cloud.s3.put_object(Bucket="data", Key=f"{folder}base.json", Body=json.dumps(record).encode())


def fetch(cloud, key):
    return cloud.s3.get_object(Bucket="releases", Key=key)["Body"].read()


def test_a_release_makes_the_firmware_of_boards_that_have_a_base(cloud):
    # GIVEN two bases of one board, none of the other WHEN a model is released
    register(cloud, "1.4.9")
    register(cloud, "1.10.0")
    ready_to_release(cloud)
    release(cloud)
    # THEN the higher one's model section holds the model, and the version is of both
    image = fetch(cloud, f"1.0.1/{BOARDS[0]}/firmware.bin")
    assert struct.unpack_from("<BBH", image, 20) == (1, 10, 1)
    assert image[0x400 + 1024 :].startswith(bundles.MODEL)
    # AND stock agents find it where its document says
    document = read_json(cloud, f"{BOARDS[0]}/firmware_update.json", "releases")
    assert all(isinstance(value, str) for value in document.values())
    assert (document["Version"], document["Board"]) == ("1.10.1", BOARDS[0])
    assert document["File"] == f"/1.0.1/{BOARDS[0]}/firmware.bin"
    assert (document["Size"], document["Sha256"]) == (str(len(image)), hashlib.sha256(image).hexdigest())
    with tarfile.open(fileobj=io.BytesIO(fetch(cloud, f"1.0.1/{BOARDS[0]}/firmware.tar"))) as archive:
        assert archive.extractfile("app.bin").read() == image
    # AND the record names both files, the other board has neither
    record = read_json(cloud, f"1.0.1/{BOARDS[0]}/release.json", "releases")
    assert record["firmware"]["version"] == "1.10.1"
    assert {"firmware.bin", "firmware.tar"} <= set(record["sha256"])
    assert "firmware" not in read_json(cloud, f"1.0.1/{BOARDS[1]}/release.json", "releases")
    assert f"{BOARDS[1]}/firmware_update.json" not in cloud.keys("releases")


def test_a_candidate_is_no_firmware_of_everybodys(cloud, monkeypatch):
    # GIVEN a rollout of a board with a base WHEN it runs THEN agents that update as a whole keep what is stable
    register(cloud, "1.4.0")
    second_version(cloud, monkeypatch)
    assert f"1.0.2/{BOARDS[0]}/firmware.bin" in cloud.keys("releases")
    assert read_json(cloud, f"{BOARDS[0]}/firmware_update.json", "releases")["Version"] == "1.4.1"


def test_a_model_larger_than_the_section_fails_the_run_in_words(cloud):
    begin(cloud)
    register(cloud, "1.4.0", size=1000)
    ready_to_release(cloud)
    release(cloud)
    run = cloud.table.run("r000001")
    assert run.state is RunState.FAILED
    assert "lower MaxModelBytes, or register a base with a larger section" in run.reason


def test_a_base_that_somebody_changed_is_not_signed(cloud):
    register(cloud, "1.4.0")
    cloud.s3.put_object(Bucket="data", Key=f"firmware/{BOARDS[0]}/1.4.0/base.bin", Body=PAYLOAD + b"!")
    ready_to_release(cloud)
    release(cloud)
    assert "not the file that base.json describes" in cloud.table.run("r000001").reason


def test_a_base_that_is_registered_later_comes_with_the_next_release(cloud):
    ready_to_release(cloud)
    release(cloud)
    register(cloud, "1.4.0")
    next_version(cloud, 2)
    assert read_json(cloud, f"{BOARDS[0]}/firmware_update.json", "releases")["Version"] == "1.4.2"

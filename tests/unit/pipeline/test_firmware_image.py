"""Whole firmwares: the model section replaced, signed anew, and packed as Infineon's agent takes it."""

import io
import json
import struct
import tarfile

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from earshot_pipeline.firmware_image import (
    BadFirmwareError,
    BaseFirmware,
    base_firmware,
    firmware_image,
    firmware_tar,
    image_version,
    payload_of,
    with_model,
)
from earshot_pipeline.firmware_version import FirmwareVersion
from earshot_pipeline.version import BadVersionError, Version
from hypothesis import given
from hypothesis import strategies as st
from test_release import BOARD, HeldKey, tlvs

PAYLOAD = bytes(range(1, 256)) * 40
BASE = BaseFirmware(BOARD, FirmwareVersion(1, 4, 2), 1024, 3000, 0, PAYLOAD)
MODEL = b"\x1c\0\0\0TFL3" + b"m" * 1000


@given(st.data())
def test_only_the_model_section_changes(data):
    # GIVEN any section and any model that fits WHEN it is put in THEN the rest is as it was, and what is left erased
    offset = 4 * data.draw(st.integers(0, len(PAYLOAD) // 4 - 1))
    size = data.draw(st.integers(1, len(PAYLOAD) - offset))
    erased = data.draw(st.sampled_from((0, 255)))
    model = data.draw(st.binary(max_size=size))
    made = with_model(BaseFirmware(BOARD, BASE.version, offset, size, erased, PAYLOAD), model)
    assert len(made) == len(PAYLOAD)
    assert made[:offset] == PAYLOAD[:offset]
    assert made[offset : offset + size] == model.ljust(size, bytes([erased]))
    assert made[offset + size :] == PAYLOAD[offset + size :]


@pytest.mark.parametrize("erased", [0, 255])
def test_an_image_is_what_the_boot_loader_takes(erased):
    # GIVEN a base and a model WHEN the image is made THEN its header, section, counter and signature are right
    signer = HeldKey()
    base = BaseFirmware(BOARD, BASE.version, 1024, 3000, erased, PAYLOAD)
    image = firmware_image(base, MODEL, Version(300), signer)
    magic, _, header, protected, size, flags = struct.unpack_from("<IIHHII", image)
    assert (magic, header, flags & 0x10) == (0x96F3B83D, 0x400, 0)  # it boots
    assert image_version(image) == FirmwareVersion(1, 4, 302)
    assert set(image[32:0x400]) == {erased}
    assert image[0x400 : 0x400 + size] == with_model(base, MODEL)
    _, own, end = tlvs(image, 0x400 + size)
    assert own == {0x50: (300).to_bytes(4, "little"), 0xA0: BOARD.encode()}
    _, signed, end = tlvs(image, end)
    assert end == len(image)
    signer.key.public_key().verify(signed[0x22], image[: 0x400 + size + protected], ec.ECDSA(hashes.SHA256()))
    # AND an image is as good a base as what was in it
    assert payload_of(image) == with_model(base, MODEL)
    assert payload_of(PAYLOAD) == PAYLOAD


def test_no_image_loses_its_last_byte():
    signer = HeldKey()
    plain = len(firmware_image(BASE, MODEL, Version(1), signer))
    for length in range(4096 * 4 + 1 - (plain - len(PAYLOAD)) - 2, 4096 * 4 + 1 - (plain - len(PAYLOAD)) + 3):
        base = BaseFirmware(BOARD, BASE.version, 1024, 3000, 0, bytes(length))
        assert len(firmware_image(base, MODEL, Version(1), signer)) % 4096 != 1


def test_the_tar_lists_its_parts_first():
    # GIVEN an image WHEN packed THEN the agent's rules hold: the list first, strings alone, and a plain ustar
    image = b"image" * 1000
    packed = firmware_tar(image, FirmwareVersion(1, 4, 302))
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        assert archive.getnames() == ["components.json", "app.bin"]
        components = json.load(archive.extractfile("components.json"))
        assert archive.extractfile("app.bin").read() == image
    assert components == {
        "numberOfComponents": "2", "version": "1.4.302",
        "files": [
            {"fileName": "components.json", "fileType": "component_list"},
            {"fileName": "app.bin", "fileType": "NSPE", "fileSize": "5000"},
        ],
    }  # fmt: skip
    assert packed[257:263] == b"ustar\0"
    assert len(packed) % 4096 != 1
    assert firmware_tar(image, FirmwareVersion(1, 4, 302)) == packed


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"section_offset": 8192}, "is not within its 10200 bytes"),
        ({"section_size": 0}, "is not within"),
        ({"section_offset": -4}, "is not within"),
        ({"section_offset": 1026}, "not aligned"),
        ({"erased": 1}, "0 and 255 are known"),
        ({"schema": "earshot.firmware/2"}, "schema"),
        ({"board": None, "section_size": None}, "not a record of one"),
        ({"version": "1.4"}, "three numbers"),
        ({"version": "256.0.0"}, r"at most 255\.255\.65535"),
    ],
)
def test_a_record_of_no_firmware_is_refused(changes, fault):
    record = {
        "schema": "earshot.firmware/1", "board": BOARD, "version": "1.4.2", "section_offset": 1024,
        "section_size": 3000, "erased": 0,
    }  # fmt: skip
    assert base_firmware(record, PAYLOAD) == BASE
    with pytest.raises((BadFirmwareError, BadVersionError), match=fault):
        base_firmware(record | changes, PAYLOAD)


def test_a_model_that_does_not_fit_is_refused():
    with pytest.raises(BadFirmwareError, match="lower MaxModelBytes"):
        with_model(BASE, bytes(3001))


def test_a_cut_image_is_no_base():
    image = firmware_image(BASE, MODEL, Version(1), HeldKey())
    with pytest.raises(BadFirmwareError, match="send the whole file"):
        payload_of(image[:2000])


def test_versions_grow_with_base_and_model():
    versions = [(FirmwareVersion.parse(base).with_model(Version(n))) for base, n in (
        ("1.4.0", 7), ("1.4.0", 8), ("1.4.3", 9), ("1.5.0", 10), ("2.0.0", 11),
    )]  # fmt: skip
    assert versions == sorted(set(versions))
    with pytest.raises(BadVersionError):
        FirmwareVersion(1, 0, 65535).with_model(Version(1))

"""The release: bundle in, C sources, signed image, job document and record out."""

import itertools
import json
import re
import shutil
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import bundles
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from earshot_pipeline.bundle import BadBundleError, read_bundle
from earshot_pipeline.card import MAX_CARD_BYTES, CardTooLargeError, kept
from earshot_pipeline.gates import Verdict
from earshot_pipeline.job_document import BadJobDocumentError, OfferedFile, job_document, published_version
from earshot_pipeline.model_image import SigningFailedError, model_image
from earshot_pipeline.packages import Packages
from earshot_pipeline.release import IMAGE, BadReleaseError, image_of, model_files, release_record, version_files
from earshot_pipeline.run import claim
from earshot_pipeline.version import Version
from hypothesis import given
from hypothesis import strategies as st

BOARD = "CY8CPROTO_062_4343W"


class HeldKey:
    """A signer that holds its key in memory."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())

    def public_key(self):
        return self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def sign_digest(self, digest):
        return self.key.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))


def tlvs(image, offset):
    magic, total = struct.unpack_from("<HH", image, offset)
    found, position = {}, offset + 4
    while position < offset + total:
        kind, length = struct.unpack_from("<HH", image, position)
        found[kind] = image[position + 4 : position + 4 + length]
        position += 4 + length
    return magic, found, offset + total


def test_a_model_image_is_what_boards_expect(tmp_path):
    # GIVEN a model WHEN its image is made
    signer = HeldKey()
    image = model_image(bundles.MODEL, Version(300), BOARD, bundles.FRONT_END, signer)
    # THEN its header, payload and protected TLVs are the contract's
    magic, _, header, protected, size, flags, major, minor, revision = struct.unpack_from("<IIHHIIBBH", image)
    assert (magic, header, flags) == (0x96F3B83D, 0x400, 0x10)
    assert (major, minor, revision) == (1, 0, 300)
    assert image[0x400 : 0x400 + size] == bundles.MODEL
    kind, own, end = tlvs(image, 0x400 + size)
    assert kind == 0x6908
    assert own == {0x50: (300).to_bytes(4, "little"), 0xA0: BOARD.encode(), 0xA1: bundles.FRONT_END.encode()}
    assert end == 0x400 + size + protected
    # AND its signature is of everything before the unprotected TLVs
    kind, signed, end = tlvs(image, end)
    assert kind == 0x6907
    assert end == len(image)
    signer.key.public_key().verify(signed[0x22], image[: 0x400 + size + protected], ec.ECDSA(hashes.SHA256()))
    # AND imgtool, as a program of its own, verifies it
    (tmp_path / "image").write_bytes(image)
    pem = signer.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (tmp_path / "key.pem").write_bytes(pem)
    imgtool = Path(sys.executable).with_name("imgtool")
    subprocess.run([imgtool, "verify", "-k", tmp_path / "key.pem", tmp_path / "image"], check=True, capture_output=True)


def test_an_image_with_a_wrong_signature_is_never_handed_out():
    # GIVEN a signer whose public key is another's WHEN an image is made THEN it is refused
    class Liar(HeldKey):
        def sign_digest(self, digest):
            return HeldKey().sign_digest(digest)

    with pytest.raises(SigningFailedError, match="could not verify"):
        model_image(bundles.MODEL, Version(1), BOARD, bundles.FRONT_END, Liar())


def test_no_image_loses_its_last_byte_on_a_board():
    # GIVEN models of all lengths around the bad one WHEN images are made THEN no size is 1 modulo 4096
    signer = HeldKey()
    plain = len(model_image(bytes(64), Version(1), BOARD, bundles.FRONT_END, signer))
    for length in range(64 + 4096 * 2 + 1 - plain - 3, 64 + 4096 * 2 + 1 - plain + 4):
        image = model_image(bytes(length), Version(1), BOARD, bundles.FRONT_END, signer)
        assert len(image) % 4096 != 1


def compile_c(folder, name, code):
    source = folder / name
    source.write_text(code)
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wmissing-declarations", "-I", folder]
    subprocess.run([shutil.which("gcc"), *flags, "-c", source, "-o", source.with_suffix(".o")], check=True)
    return source.with_suffix(".o")


def test_the_c_array_compiles_without_a_warning_and_holds_the_model(tmp_path):
    # GIVEN a release's C sources WHEN compiled and run THEN the array is the model, aligned, with its labels
    release = model_files(read_bundle(bundles.archive(bundles.files())), Version(3))
    for name in ("model.h", "model.c"):
        (tmp_path / name).write_bytes(release[name])
    main = """
#include "model.h"
#include <stdio.h>
int main(void)
{
    (void)fwrite(earshot_model, 1, EARSHOT_MODEL_BYTES, stdout);
    (void)fprintf(stderr, "%s %u %u %s", EARSHOT_MODEL_VERSION, EARSHOT_MODEL_ARENA_BYTES,
                  (unsigned)((uintptr_t)earshot_model % 16u), earshot_model_labels[EARSHOT_MODEL_LABELS - 1u]);
    return 0;
}
"""
    objects = [
        compile_c(tmp_path, "model.c", release["model.c"].decode()),
        compile_c(tmp_path, "main.c", main),
    ]
    subprocess.run([shutil.which("gcc"), *objects, "-o", tmp_path / "main"], check=True)
    told = subprocess.run([tmp_path / "main"], check=True, capture_output=True)
    assert told.stdout == bundles.MODEL
    assert told.stderr == b"1.0.3 9648 0 silence"


def test_modustoolbox_files_compile_and_hold_the_golden_rows(tmp_path):
    # GIVEN a release's files for ModusToolbox ML WHEN compiled THEN names, sizes and rows are there
    bundle = read_bundle(bundles.archive(bundles.files()))
    release = model_files(bundle, Version(3))
    names = [path for path in release if path.startswith("mtb_ml_gen/")]
    assert sorted(names) == [
        "mtb_ml_gen/mtb_ml_models/EARSHOT_tflm_model_int8x8.c",
        "mtb_ml_gen/mtb_ml_models/EARSHOT_tflm_model_int8x8.h",
        "mtb_ml_gen/mtb_ml_regression_data/EARSHOT_tflm_x_data_int8x8.c",
        "mtb_ml_gen/mtb_ml_regression_data/EARSHOT_tflm_y_data_int8x8.c",
    ]
    for path in names:
        (tmp_path / Path(path).name).write_bytes(release[path])
    main = """
#include "EARSHOT_tflm_model_int8x8.h"
#include <stdio.h>
extern const int8_t EARSHOT_tflm_x_data_int8x8[], EARSHOT_tflm_y_data_int8x8[];
int main(void)
{
    (void)fwrite(EARSHOT_model_bin, 1, EARSHOT_MODEL_BIN_LEN, stdout);
    (void)fwrite(EARSHOT_tflm_x_data_int8x8, 1, 3920, stdout);
    (void)fwrite(EARSHOT_tflm_y_data_int8x8, 1, 8, stdout);
    return EARSHOT_ARENA_SIZE == 9648u ? 0 : 1;
}
"""
    sources = [path for path in names if path.endswith(".c")]
    objects = [compile_c(tmp_path, Path(path).name, release[path].decode()) for path in sources]
    objects.append(compile_c(tmp_path, "main.c", main))
    subprocess.run([shutil.which("gcc"), *objects, "-o", tmp_path / "main"], check=True)
    told = subprocess.run([tmp_path / "main"], check=True, capture_output=True)
    assert told.stdout == bundles.MODEL + bundle.golden_x + bundle.golden_y


ARM = "arm-none-eabi-"
CORTEX_M4 = ("-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard")


@pytest.mark.skipif(not shutil.which(f"{ARM}gcc"), reason="gcc-arm-none-eabi is not installed")
@pytest.mark.parametrize(
    ("defined", "section"),
    [
        ([], ".rodata"),
        (['-DCY_ML_MODEL_MEM=const __attribute__((section(".earshot_model")))'], ".earshot_model"),
    ],
)
def test_modustoolbox_files_place_the_model_in_flash_on_the_board(tmp_path, defined, section):
    # GIVEN a release's files for ModusToolbox ML
    bundle = read_bundle(bundles.archive(bundles.files()))
    release = model_files(bundle, Version(3))
    folder = "mtb_ml_gen/mtb_ml_models"
    for path in (path for path in release if path.startswith(folder)):
        (tmp_path / Path(path).name).write_bytes(release[path])
    # WHEN they are compiled for the board, as they are or with the library's macro set, from C++ too
    compiled = tmp_path / "model.o"
    flags = [*CORTEX_M4, "-O2", "-Wall", "-Wextra", "-Werror", *defined, "-I", tmp_path, "-c"]
    source = tmp_path / "EARSHOT_tflm_model_int8x8.c"
    subprocess.run([f"{ARM}gcc", "-std=c99", *flags, source, "-o", compiled], check=True)
    user = tmp_path / "user.cpp"
    user.write_text(
        '#include "EARSHOT_tflm_model_int8x8.h"\n'
        "alignas(16) uint8_t arena[EARSHOT_ARENA_SIZE];\n"
        "const uint8_t *first() { return EARSHOT_model_bin; }\n"
    )
    subprocess.run([f"{ARM}gcc", *flags, user, "-o", tmp_path / "user.o"], check=True)
    # THEN the array is in flash, alone in its section and aligned, and holds the model's very bytes
    names = subprocess.run([f"{ARM}nm", compiled, tmp_path / "user.o"], check=True, capture_output=True, text=True)
    assert re.search(r"[Rr] EARSHOT_model_bin$", names.stdout, re.M)
    assert re.search(r"U EARSHOT_model_bin$", names.stdout, re.M)
    held = tmp_path / "held.bin"
    subprocess.run([f"{ARM}objcopy", "-O", "binary", "-j", section, compiled, held], check=True)
    assert held.read_bytes() == bundles.MODEL
    headers = subprocess.run([f"{ARM}objdump", "-h", compiled], check=True, capture_output=True, text=True).stdout
    alignment = next(line.split()[-1] for line in headers.splitlines() if line.split()[1:2] == [section])
    assert alignment == "2**2"


OFFER = OfferedFile(Version(3), BOARD, f"/1.0.3/{BOARD}/model.img", 20480, "e" * 64)


def test_the_job_document_is_within_the_agents_rules():
    # GIVEN a file WHEN it is offered THEN the document has strings only and is small
    document = job_document(OFFER, "d111.cloudfront.net")
    fields = json.loads(document)
    assert all(isinstance(value, str) for value in fields.values())
    assert len(document) < 1024
    assert fields == {
        "Message": "Update Available", "Manufacturer": "Earshot", "ManufacturerId": "ESHT", "Product": "Earshot",
        "SerialNumber": "0", "Board": BOARD, "Version": "1.0.3", "Connection": "HTTPS", "Server": "d111.cloudfront.net",
        "Port": "443", "File": f"/1.0.3/{BOARD}/model.img", "Size": "20480", "Sha256": "e" * 64,
    }  # fmt: skip
    assert published_version(document) == Version(3)


def test_a_domain_with_a_port_speaks_plain_http():
    fields = json.loads(job_document(OFFER, "127.0.0.1:4567"))
    assert (fields["Connection"], fields["Server"], fields["Port"]) == ("HTTP", "127.0.0.1", "4567")


@pytest.mark.parametrize(
    ("file", "domain", "fault"),
    [
        (OfferedFile(Version(3), BOARD, "/f", 4097, "e" * 64), "d", "would lose its last byte"),
        (OfferedFile(Version(3), BOARD, "/f", 0, "e" * 64), "d", "would lose its last byte"),
        (OfferedFile(Version(3), BOARD, "/" + "f" * 255, 10, "e" * 64), "d", "File has 256 characters"),
        (OfferedFile(Version(3), BOARD, "f", 10, "e" * 64), "d", "does not begin with /"),
        (OfferedFile(Version(3), BOARD, "/f", 10, "e" * 64), "d" * 256, "Server has 256 characters"),
        (OfferedFile(Version(3), BOARD, "/f", 10, "e" * 64), "", "Server has 0 characters"),
        (OfferedFile(Version(3), BOARD, "/f", 10, "e" * 64), "d:http", "Port 'http' is not a number"),
        (OfferedFile(Version(3), "B" * 900, "/f", 10, "e" * 64), "d", "boards read at most 1023"),
    ],
)
def test_a_document_that_a_board_would_refuse_is_not_made(file, domain, fault):
    with pytest.raises(BadJobDocumentError, match=fault):
        job_document(file, domain)


@pytest.mark.parametrize("document", [b"", b"{}", b"[]", b'{"Version":3}', b'{"Version":"2.0"}', b"\xff"])
def test_an_unreadable_document_protects_nothing(document):
    assert published_version(document) is None


def test_the_release_record_leads_to_its_image():
    # GIVEN a release WHEN its record is read THEN it offers the image, and names every file's hash
    bundle = read_bundle(bundles.archive(bundles.files()))
    files = {**model_files(bundle, Version(3)), IMAGE: b"image"}
    record = json.loads(release_record(claim("r000001", 0.0), Version(3), BOARD, bundle, files, "2026-01-01T00:00:00"))
    assert set(record["sha256"]) == set(files)
    assert record["run"] == "r000001"
    assert image_of(record) == OfferedFile(Version(3), BOARD, f"/1.0.3/{BOARD}/model.img", 5, record["image"]["sha256"])
    with pytest.raises(BadReleaseError):
        image_of({"version": "1.0.3"})


def damaged():
    whole = bundles.archive(bundles.files())
    files = bundles.files()
    yield b"", "not a readable archive"
    yield b"not a tar", "not a readable archive"
    yield whole[: len(whole) // 2], "model.tar.gz"
    yield bundles.archive({}), "missing"
    yield bundles.archive({**files, "bundle.json": b"{"}), "not readable as JSON"
    yield bundles.archive({**files, "bundle.json": b'{"schema":NaN}'}), "NaN is not JSON"
    yield bundles.archive({**files, "bundle.json": b"[" * 100_000}), "not readable as JSON"
    yield bundles.archive({**files, "bundle.json": b"[]"}), "its schema is not"
    yield bundles.archive(bundles.files(schema="earshot.bundle/2")), "its schema is not"
    yield bundles.archive(bundles.files(labels=["yes", "no"])), "followed by unknown and silence"
    yield bundles.archive(bundles.files(labels="yes")), "labels is not a list"
    yield bundles.archive(bundles.files(model_bytes=5)), "bundle.json says 5"
    yield bundles.archive(bundles.files(golden=3)), "not 3 rows"
    yield bundles.archive(bundles.files(input={"shape": [1, 49, 43, 1]})), "not 2 rows"
    yield bundles.archive(bundles.files(input={"shape": "49x40"})), "input.shape is not a list"
    yield bundles.archive(bundles.files(origin="imported", labels=["yes", "no"])), "unknown and silence among them"
    yield bundles.archive({**files, "report.html": bytes(33 * 1024 * 1024)}), "report.html has 34603008 bytes"
    yield bundles.archive(bundles.files(golden=0)), "golden is not a positive"
    yield bundles.archive(bundles.files(arena_bytes="many")), "arena_bytes is not a positive"
    yield bundles.archive(bundles.files(metrics=[])), "metrics is missing"
    yield bundles.archive({**files, "model.tflite": b"nothing of the kind"}), "not a TensorFlow Lite model"
    del files["model.tflite"]
    yield bundles.archive(files, [("model.tflite", "/etc/passwd")]), "model.tflite missing"


def test_models_of_other_shapes_and_many_labels_are_released_too():
    # GIVEN a model of another front end's shape with thirty keywords WHEN its release is made
    words = [f"word{n:02d}" for n in range(30)]
    labels = [*words, "unknown", "silence"]
    content = bundles.files(labels=labels, input={"shape": [1, 49, 43, 1]}, golden=3)
    content |= {"golden_x.bin": bytes(3 * 49 * 43), "golden_y.bin": bytes(3 * 32)}
    release = model_files(read_bundle(bundles.archive(content)), Version(3))
    # THEN its C sources are of that shape and have every label
    assert b"EARSHOT_MODEL_LABELS 32u" in release["model.h"]
    assert all(f'"{label}",'.encode() in release["model.c"] for label in labels)
    rows = release["mtb_ml_gen/mtb_ml_regression_data/EARSHOT_tflm_x_data_int8x8.c"]
    assert b"3 golden rows of 2107 int8 values each" in rows
    assert b"EARSHOT_tflm_x_data_int8x8[6321]" in rows


def test_a_bundle_of_before_has_no_report_and_is_released_all_the_same():
    content = bundles.files()
    del content["report.html"], content["evaluation.json"]
    bundle = read_bundle(bundles.archive(content))
    assert version_files(bundle, Version(3)) == {}
    assert model_files(bundle, Version(3))


def packed_metadata(run):
    registered = {}

    class Registry:
        def create_model_package(self, **request):
            registered.update(request)
            return {"ModelPackageArn": "arn"}

    Packages(Registry(), "earshot", "image", "releases").register(run)
    return registered["CustomerMetadataProperties"]


@pytest.mark.parametrize("count", [1, 30])
def test_a_package_tells_its_figures_within_the_registrys_limits(count):
    # GIVEN a model of one word, or of thirty long ones WHEN it is registered
    words = [f"w{n:02d}".ljust(22, "x") for n in range(count)]
    recalls = [Verdict(f"recall of {word}", n / 100, 0.5, True) for n, word in enumerate(words)]
    gates = [Verdict(f"gate {n}", n, 1, True) for n in range(9)]
    card = bundles.card(labels=[*words, "unknown", "silence"])
    run = replace(claim("r000001", 0.0), version=Version(3), card=card, verdicts=(*recalls, *gates), champion="s3://a")
    told = packed_metadata(run)
    # THEN there are at most 50 properties of at most 256 characters; every gate but recall is there, and of the
    # recalls the lowest; what does not fit is counted
    assert len(told) <= 50
    assert all(len(value) <= 256 for value in told.values())
    assert {f"gate_{n}" for n in range(9)} <= told.keys()
    assert f"recall_of_{words[0]}" in told
    left = 9 + count - sum(name.startswith(("gate_", "recall_")) for name in told)
    assert told.get("figures_left_out", f"{left}: they are in bundle.json") == f"{left}: they are in bundle.json"
    assert bool(left) == ("figures_left_out" in told)
    if count == 30:
        assert told["labels"].endswith(" more")
    assert told["report_html"] == "s3://releases/1.0.3/report.html"


@given(st.integers(0, 3000), st.integers(0, 20))
def test_the_tables_card_is_small_and_names_what_it_lacks(epochs, clips):
    # GIVEN a card with a history of any length WHEN it is kept
    card = bundles.card()
    card["metrics"]["history"] = [{"epoch": n, "loss": 0.1234567890123} for n in range(epochs)]
    card["metrics"]["test"]["mistakes"] = [{"key": "k" * 1024}] * clips
    small = dict(kept(card))
    # THEN it fits, and what is missing is what it says is missing
    assert len(json.dumps(small)) <= MAX_CARD_BYTES
    lacks = small.pop("left_out", [])
    assert lacks == ([] if len(json.dumps(card)) <= MAX_CARD_BYTES else ["metrics.history"])
    if not lacks:
        assert small == card
    # AND the bundle's own card is as it was
    assert len(card["metrics"]["history"]) == epochs


def test_a_card_that_no_table_holds_is_refused():
    with pytest.raises(CardTooLargeError, match=r"bundle\.json: 2"):
        kept(bundles.card(architecture="a" * 200_000))


@pytest.mark.parametrize(("content", "fault"), list(damaged()), ids=itertools.count())
def test_what_is_no_bundle_is_refused(content, fault):
    # GIVEN an archive that is no bundle WHEN it is read THEN the fault is named
    with pytest.raises(BadBundleError, match=fault):
        read_bundle(content)


@given(st.integers(0, 2**32), st.integers(1, 60))
def test_damaged_archives_are_refused_or_read_never_worse(seed, count):
    # GIVEN an archive with bytes changed WHEN it is read THEN it is a bundle or is refused
    content = bytearray(bundles.archive(bundles.files()))
    for number in range(count):
        content[(seed * 31 + number * 7919) % len(content)] ^= 1 << number % 8
    try:
        bundle = read_bundle(bytes(content))
    except BadBundleError:
        return
    assert len(bundle.model) == bundle.card["model_bytes"]

"""Builds the firmware once, and what its tests share: models, keys, images, a server of releases."""

# mypy: disable-error-code="no-untyped-def, no-any-return, import-not-found"

import os
import shutil
import subprocess
import sys
import wave
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

ROOT = Path(__file__).resolve().parents[3]
FIRMWARE = ROOT / "firmware"

sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "jobs")]

# What stands beside the tests is no package: it is imported when its folder is on the path.
import firmware_library  # noqa: E402
import signing  # noqa: E402
import tflite_models  # noqa: E402
from device_runner import DeviceRunner  # noqa: E402
from kws import features  # noqa: E402
from release_server import ReleaseServer  # noqa: E402

BOARD = "CY8CPROTO_062_4343W"


def _make(*goals: str) -> None:
    subprocess.run(["make", "-s", "-C", str(FIRMWARE), *goals], check=True)


@pytest.fixture(scope="session")
def host_build() -> Path:
    _make("host")
    return FIRMWARE / "build" / "host"


@pytest.fixture(scope="session")
def sanitized_build() -> Path:
    _make("sanitize")
    return FIRMWARE / "build" / "sanitize"


@pytest.fixture(scope="session")
def mps2_build() -> Path:
    """The programs for QEMU's Cortex-M4."""
    for tool in ("arm-none-eabi-gcc", "qemu-system-arm"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    _make("mps2")
    return FIRMWARE / "build" / "mps2"


@pytest.fixture(scope="session")
def dsp_build() -> Path:
    _make("dsp")
    return FIRMWARE / "build" / "dsp"


@pytest.fixture(scope="session")
def library(host_build: Path) -> "firmware_library.Library":
    return firmware_library.Library(host_build / "libearshot.so")


@pytest.fixture(scope="session")
def signing_key() -> "signing.SigningKey":
    return signing.SigningKey()


@pytest.fixture(scope="session")
def board_model() -> bytes:
    """A small model with the card of front end `micro`: it runs on the board."""
    return tflite_models.keyword_model(features.MICRO.id)


@pytest.fixture(scope="session")
def image_maker(tmp_path_factory, signing_key):
    """make(payload, n, …) -> model image 1.0.n, cached by its arguments."""
    folder = tmp_path_factory.mktemp("images")
    known: dict[tuple, bytes] = {}

    def make(payload: bytes, n: int = 1, **changes) -> bytes:
        settings = {"board": BOARD, "frontend": features.MICRO.id, "counter": n, "version": f"1.0.{n}"} | changes
        key = settings.pop("key", signing_key)
        name = (payload, id(key), *settings.items())
        if name not in known:
            known[name] = signing.model_image(folder, payload, key, **settings)
        return known[name]

    return make


@pytest.fixture
def server():
    with ReleaseServer() as running:
        yield running


@pytest.fixture
def device(tmp_path, host_build, signing_key, server) -> DeviceRunner:
    """A provisioned device that polls the server."""
    key = tmp_path / "pub.der"
    key.write_bytes(signing_key.spki)
    runner = DeviceRunner(host_build / "earshot-device", tmp_path / "device", BOARD, "host-0001", server.url)
    assert runner.provision(key)[0] == 0
    return runner


@pytest.fixture
def wav_file(tmp_path):
    """make(samples) -> a WAV file of little-endian 16-bit samples."""
    folder = tmp_path / "wav"

    def make(samples: bytes) -> Path:
        folder.mkdir(exist_ok=True)
        path = folder / f"{len(list(folder.iterdir()))}.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 16000, 0, "NONE", ""))
            file.writeframes(samples)
        return path

    return make

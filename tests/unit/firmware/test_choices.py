"""What a port may choose: its program's operators. What is the same for all: the memory that a model takes."""

# mypy: disable-error-code="no-untyped-def, import-not-found"

import subprocess
from pathlib import Path

import firmware_library
import numpy as np
import pytest
import tflite_models
from kws import qemu

# Of convolutions: patches in place, put together, of short rows, of several groups; then depthwise ones by lines,
# along a height, turned, and plain.
CONVOLUTIONS = {
    "1×1": {"kernel": (1, 1), "depth": 32, "channels": 8},
    "1×1 of 30": {"kernel": (1, 1), "depth": 30, "channels": 8},
    "short rows": {"kernel": (5, 5), "depth": 1, "height": 20, "width": 20, "stride": (2, 2)},
    "upright": {"kernel": (9, 1), "width": 1, "height": 25, "depth": 12},
    "long": {"kernel": (3, 3), "depth": 96, "channels": 5},
    "groups": {"kernel": (3, 2), "depth": 8, "channels": 8, "groups": 2},
    "depthwise": {"depthwise": True, "depth": 64, "channels": 64, "height": 25, "width": 5},
    "depthwise upright": {
        "depthwise": True, "depth": 10, "channels": 10, "height": 30, "width": 1, "kernel": (9, 1), "stride": (2, 1)},
    "depthwise, one channel": {
        "depthwise": True, "depth": 1, "channels": 8, "height": 49, "width": 40, "kernel": (10, 8)},
    "depthwise, dilated": {"depthwise": True, "depth": 4, "channels": 8, "dilation": (2, 2)},
}  # fmt: skip


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_an_arena_is_of_one_size_everywhere(name, host_build: Path, dsp_build: Path, mps2_build: Path) -> None:
    # GIVEN a model, and what it takes with the portable kernels
    model = tflite_models.conv_model(np.random.default_rng(0), **CONVOLUTIONS[name])
    portable = firmware_library.Library(host_build / "libearshot.so")
    size = portable.info(model).arena_size
    # WHEN it is opened with those for DSP, here and on a Cortex-M4
    inputs = np.zeros((1, portable.info(model).input_size), np.int8)
    _, count = qemu.infer(model, inputs)
    # THEN it takes as much
    assert firmware_library.Library(dsp_build / "libearshot.so").info(model).arena_size == size
    assert count.arena_bytes == size


@pytest.fixture(scope="module")
def few(host_build: Path) -> Path:
    """The library and the measuring program with convolutions and SOFTMAX alone."""
    firmware = host_build.parents[1]
    choice = "DEFINES=-DES_OPERATORS='ES_CONV_2D, ES_SOFTMAX'"
    for goals in (["OUT=build/few", "CFLAGS=-O1", "build/few/libearshot.so"],
                  ["ARM_OUT=build/few-mps2", "build/few-mps2/earshot-measure.elf"]):  # fmt: skip
        subprocess.run(["make", "-s", "-C", str(firmware), choice, *goals], check=True)
    return firmware / "build"


def test_a_program_of_few_operators_refuses_others(few: Path, host_build: Path) -> None:
    # GIVEN a program with CONV_2D and SOFTMAX
    small = firmware_library.Library(few / "few" / "libearshot.so")
    whole = firmware_library.Library(host_build / "libearshot.so")
    convolution = tflite_models.conv_model(np.random.default_rng(1))
    x = np.arange(whole.info(convolution).input_size, dtype=np.int8)
    # WHEN a model has no others / THEN it answers
    size = whole.info(convolution).output_size
    np.testing.assert_array_equal(small.infer(convolution, x, size), whole.infer(convolution, x, size))
    small.info(tflite_models.softmax_model())
    # WHEN a model has MEAN / THEN it is refused by that name
    whole.info(tflite_models.mean_model())
    with pytest.raises(firmware_library.FirmwareError) as refused:
        small.info(tflite_models.mean_model())
    assert refused.value.name == "ES_ERR_OPERATOR_UNSUPPORTED"


def test_a_program_of_few_operators_links_no_others(few: Path, mps2_build: Path) -> None:
    def kernels(program: Path) -> set[str]:
        symbols = subprocess.run(["arm-none-eabi-nm", str(program)], capture_output=True, text=True, check=True).stdout
        return {name for name in symbols.split() if name.startswith("es_") and name.endswith("_run")} - {
            "es_model_run",
        }

    # GIVEN the program of all operators / THEN all are in it
    assert "es_mean_run" in kernels(mps2_build / "earshot-measure.elf")
    # WHEN few are chosen / THEN the linker leaves the others out
    assert kernels(few / "few-mps2" / "earshot-measure.elf") == {"es_conv_run", "es_softmax_run"}

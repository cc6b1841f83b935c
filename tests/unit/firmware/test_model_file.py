"""Hostile model files: an error that says which, never a crash."""

# mypy: disable-error-code="no-untyped-def, no-any-return, import-not-found"

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tflite_models as models
from firmware_library import FirmwareError


def _error(library, model: bytes) -> str:
    with pytest.raises(FirmwareError) as caught:
        library.info(model)
    return caught.value.name


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"", "ES_ERR_MODEL_TRUNCATED"),
        (b"\x1c\0\0\0TFL", "ES_ERR_MODEL_TRUNCATED"),
        (b"\x1c\0\0\0TFL2" + bytes(64), "ES_ERR_MODEL_IDENTIFIER"),
        (b"\xff\xff\xff\xffTFL3", "ES_ERR_MODEL_OFFSET"),
        (b"\x08\0\0\0TFL3\xff\xff\xff\x7f", "ES_ERR_MODEL_OFFSET"),
    ],
)
def test_what_is_no_model_is_named(library, data, name):
    assert _error(library, data) == name


def _altered(change):
    """A dense model with one thing changed before it is written."""
    model = models.ModelBuilder()
    x = model.tensor((1, 4), 0.1, 1)
    w = model.tensor((3, 4), 0.01, 0, np.ones((3, 4)))
    b = model.tensor((3,), 0.001, 0, np.ones(3), models.INT32)
    y = model.tensor((1, 3), 0.1, 2)
    model.operator(
        models.CODES.FULLY_CONNECTED, [x, w, b], [y], models.schema.FullyConnectedOptionsT(),
        models.OPTIONS.FullyConnectedOptions, 4,
    )  # fmt: skip
    ends = {"inputs": [x], "outputs": [y]}
    change(model, ends)
    return model.build(**ends)


def _fields(find, **values):
    """A change that sets fields of what `find` picks out of the model."""

    def change(model, ends):
        for name, value in values.items():
            setattr(find(model), name, value)

    return change


def _tensor(index, **values):
    return _fields(lambda model: model.tensors[index], **values)


def _scaling(index, **values):
    kinds = {"scale": np.float32, "zeroPoint": np.int64}
    values = {name: np.array([value], kinds[name]) for name, value in values.items()}
    return _fields(lambda model: model.tensors[index].quantization, **values)


def _code(**values):
    return _fields(lambda model: model.codes[0], **values)


def _operator(**values):
    return _fields(lambda model: model.operators[0], **values)


def _activation(value):
    return _fields(lambda model: model.operators[0].builtinOptions, fusedActivationFunction=value)


def _ends(**values):
    return lambda model, ends: ends.update(values)


ALTERATIONS = {
    "no input": (_ends(inputs=[]), "MODEL_IO"),
    "two outputs": (_ends(outputs=[3, 0]), "MODEL_IO"),
    "constant input": (_ends(inputs=[1]), "MODEL_IO"),
    "input out of range": (_ends(inputs=[99]), "MODEL_IO"),
    "negative dimension": (_tensor(0, shape=[1, -4]), "MODEL_SHAPE"),
    "empty dimension": (_tensor(0, shape=[0, 4]), "MODEL_SHAPE"),
    "huge shape": (_tensor(0, shape=[65536, 65536]), "MODEL_SHAPE"),
    "five dimensions": (_tensor(0, shape=[1, 1, 1, 1, 4]), "MODEL_LIMIT"),
    "float tensor": (_tensor(0, type=0), "MODEL_TYPE"),
    "variable tensor": (_tensor(0, isVariable=True), "MODEL_TYPE"),
    "buffer out of range": (_tensor(1, buffer=77), "MODEL_OFFSET"),
    "buffer of another size": (_tensor(1, shape=[3, 5]), "MODEL_BUFFER"),
    "no scale": (_tensor(0, quantization=None), "MODEL_QUANTISATION"),
    "scale of zero": (_scaling(0, scale=0), "MODEL_QUANTISATION"),
    "scale of NaN": (_scaling(0, scale=np.nan), "MODEL_QUANTISATION"),
    "scales that need 31 bits": (_scaling(3, scale=1e-30), "MODEL_QUANTISATION"),
    "zero point out of range": (_scaling(0, zeroPoint=128), "MODEL_QUANTISATION"),
    "weights with a zero point": (_scaling(1, zeroPoint=3), "MODEL_QUANTISATION"),
    "unknown operator": (_code(builtinCode=99), "OPERATOR_UNSUPPORTED"),
    "custom operator": (_code(customCode=b"MyOp"), "OPERATOR_UNSUPPORTED"),
    "newer operator": (_code(version=99), "OPERATOR_VERSION"),
    "options of another operator": (_operator(builtinOptionsType=1), "OPERATOR_OPTIONS"),
    "unknown activation": (_activation(5), "OPERATOR_OPTIONS"),
    "one input too few": (_operator(inputs=[0]), "OPERATOR_INPUTS"),
    "bias as weights": (_operator(inputs=[0, 2, 2]), "OPERATOR_INPUTS"),
    "reads its own output": (_operator(inputs=[3, 1, 2]), "MODEL_ORDER"),
    "writes the input": (_operator(outputs=[0]), "MODEL_ORDER"),
    "no operator": (lambda model, ends: model.operators.clear(), "MODEL_ORDER"),
    "output of another size": (_tensor(3, shape=[1, 4]), "OPERATOR_SHAPE"),
}


@pytest.mark.parametrize(("change", "name"), ALTERATIONS.values(), ids=ALTERATIONS.keys())
def test_what_does_not_fit_is_named(library, change, name):
    assert _error(library, _altered(change)) == f"ES_ERR_{name}"


def test_sizes_are_checked(library, board_model):
    for size_in, size_out, name in ((1959, 4, "ES_ERR_INPUT_SIZE"), (1960, 3, "ES_ERR_OUTPUT_SIZE")):
        with pytest.raises(FirmwareError) as caught:
            library.infer(board_model, np.zeros(size_in, np.int8), size_out)
        assert caught.value.name == name


def test_a_model_is_described(library, board_model):
    info = library.info(board_model)
    assert (info.input_size, info.output_size, info.operators) == (1960, 4, 4)
    assert (info.input_zero_point, info.output_zero_point) == (-128, -128)
    assert info.output_scale == 1 / 256
    assert info.card.startswith(b'{"frontend":"micro-')
    # AND its arena is smaller than tflite-micro's 9.6 KB for the same graph
    assert info.arena_size <= 6100


FUZZ = Path(__file__).with_name("fuzz_models.py")


def test_damaged_models_never_crash(sanitized_build, board_model, tmp_path):
    """Truncated and bit-flipped models through checks and inference under ASan and UBSan."""
    seeds = [
        board_model,
        models.conv_model(np.random.default_rng(1), dilation=(2, 1)),
        models.conv_model(np.random.default_rng(1), depthwise=True, channels=6),
        models.mean_model(),
        models.pad_model(),
        models.pool_model(),
        models.add_model(np.random.default_rng(1), constant_shape=(2,)),
        models.softmax_model(),
    ]
    for i, seed in enumerate(seeds):
        (tmp_path / f"{i}.tflite").write_bytes(seed)
    runtime = subprocess.run(
        ["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    ).stdout.strip()
    done = subprocess.run(
        [sys.executable, str(FUZZ), str(sanitized_build / "libearshot.so"), str(tmp_path), "6000"],
        env={"LD_PRELOAD": runtime, "ASAN_OPTIONS": "detect_leaks=0"}, capture_output=True, text=True, check=False,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    accepted, refused = (int(v) for v in done.stdout.split())
    assert accepted > 100
    assert refused > 1000

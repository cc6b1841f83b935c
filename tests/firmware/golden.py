"""Writes what the C tests compare with: golden.py FOLDER makes golden.c, golden.h and models/*.tflite there.

Models are small and odd; their answers are TensorFlow Lite Micro's. Features are those of `kws.features`, the
update image is imgtool's. Everything follows from fixed seeds.
"""

# mypy: disable-error-code="no-untyped-def, no-any-return, import-not-found"

import itertools
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/unit/firmware"), str(ROOT / "jobs")]

import numpy as np  # noqa: E402 - their folder is on the path only now
import signing  # noqa: E402 - their folder is on the path only now
import tflite_models as models  # noqa: E402 - their folder is on the path only now
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402 - their folder is on the path only now
from kws import features  # noqa: E402 - their folder is on the path only now
from tflite_micro import runtime  # noqa: E402 - their folder is on the path only now

INPUTS = 4
ARENA = 400_000
BOARD = "CY8CPROTO_062_4343W"
COUNTER = 7

HEADER = """/* Made by tests/firmware/golden.py: not to be edited. */
#ifndef ES_GOLDEN_H
#define ES_GOLDEN_H

#include <stddef.h>
#include <stdint.h>

/* A model, some of its inputs one after another, and TensorFlow Lite Micro's answers. */
typedef struct {
    const char *name;
    const uint8_t *file;
    uint32_t size;
    uint32_t count;
    uint32_t input_size;
    uint32_t output_size;
    const int8_t *inputs;
    const int8_t *outputs;
} golden_model;

/* A model that is refused, and the name of the error. */
typedef struct {
    const char *name;
    const uint8_t *file;
    uint32_t size;
    const char *error;
} golden_refusal;

/* A clip of 16,000 samples and its features. */
typedef struct {
    const char *frontend;
    uint32_t channels;
    const int16_t *samples;
    const int8_t *features;
} golden_clip;

extern const golden_model golden_models[];
extern const size_t golden_model_count;
extern const golden_refusal golden_refusals[];
extern const size_t golden_refusal_count;
extern const golden_clip golden_clips[];
extern const size_t golden_clip_count;

/* An update image as imgtool makes it, version 1.0.COUNTER with that security counter. */
extern const uint8_t golden_image[];
extern const uint32_t golden_image_size;
extern const uint8_t golden_key[91];
#define GOLDEN_BOARD "BOARD"
#define GOLDEN_FRONTEND "FRONTEND"
#define GOLDEN_COUNTER COUNTERu

#endif
"""


class Chain(models.ModelBuilder):
    """Operators one after another on images (1, height, width, channels)."""

    def start(self, seed: int, shape: tuple[int, int, int], point: int = -128) -> "Chain":
        self.rng = np.random.default_rng(seed)
        self.first = self.last = self.tensor((1, *shape), 1 / 64, point)
        return self

    def shape(self, index: int) -> list[int]:
        return self.tensors[index].shape

    def conv(self, channels: int, kernel=(3, 3), stride=(1, 1), *, depthwise=False, same=True, source=None) -> int:
        """A convolution with relu from `source` (the last tensor); it becomes the last one."""
        x = self.last if source is None else source
        _, height, width, depth = self.shape(x)
        out = [-(-(s if same else s - k + 1) // t) for s, k, t in zip((height, width), kernel, stride, strict=True)]
        fields = {"padding": 0 if same else 1, "strideH": stride[0], "strideW": stride[1], "dilationHFactor": 1,
                  "dilationWFactor": 1, "fusedActivationFunction": 1}  # fmt: skip
        shape = (1, *kernel, channels) if depthwise else (channels, *kernel, depth)
        scales = self.rng.uniform(0.002, 0.01, channels)
        w = self.tensor(shape, scales, 0, self.rng.integers(-127, 128, shape), dimension=3 if depthwise else 0)
        b = self.tensor((channels,), None, 0, self.rng.integers(-3000, 3000, channels), models.INT32)
        y = self.tensor((1, *out, channels), 0.05, -128)
        if depthwise:
            kind = models.OPTIONS.DepthwiseConv2DOptions
            table = models.options(models.schema.DepthwiseConv2DOptionsT, depthMultiplier=channels // depth, **fields)
            self.operator(models.CODES.DEPTHWISE_CONV_2D, [x, w, b], [y], table, kind, 2)
        else:
            table = models.options(models.schema.Conv2DOptionsT, **fields)
            self.operator(models.CODES.CONV_2D, [x, w, b], [y], table, models.OPTIONS.Conv2DOptions, 2)
        self.last = y
        return y

    def add(self, a: int, b: int) -> int:
        y = self.tensor(self.shape(a), 0.08, -100)
        table = models.options(models.schema.AddOptionsT, fusedActivationFunction=1)
        self.operator(models.CODES.ADD, [a, b], [y], table, models.OPTIONS.AddOptions, 2)
        self.last = y
        return y

    def finish(self, classes: int = 4) -> bytes:
        """A mean over places, a dense layer, a softmax."""
        _, _, _, depth = self.shape(self.last)
        axes = self.tensor((2,), None, 0, np.array([1, 2]), models.INT32)
        mean = self.tensor((1, depth), 0.05, -128)
        table = models.options(models.schema.ReducerOptionsT, keepDims=False)
        self.operator(models.CODES.MEAN, [self.last, axes], [mean], table, models.OPTIONS.ReducerOptions, 2)
        weights = self.rng.integers(-127, 128, (classes, depth))
        w = self.tensor(weights.shape, 0.01, 0, weights)
        b = self.tensor((classes,), 0.0005, 0, self.rng.integers(-900, 900, classes), models.INT32)
        logits = self.tensor((1, classes), 0.1, 5)
        self.operator(
            models.CODES.FULLY_CONNECTED, [mean, w, b], [logits], models.schema.FullyConnectedOptionsT(),
            models.OPTIONS.FullyConnectedOptions, 4,
        )  # fmt: skip
        y = self.tensor((1, classes), 1 / 256, -128)
        self.operator(
            models.CODES.SOFTMAX, [logits], [y], models.options(models.schema.SoftmaxOptionsT, beta=1.0),
            models.OPTIONS.SoftmaxOptions, 2,
        )  # fmt: skip
        return self.build([self.first], [y])


def residual(seed: int, stride: int, width: int) -> bytes:
    """Two blocks with shortcuts, the first through a strided 1x1 convolution."""
    chain = Chain().start(seed, (13, width, 3))
    trunk = chain.conv(6, (3, min(3, width)))
    for channels, step in ((8, stride), (8, 1)):
        shortcut = trunk if (channels, step) == (chain.shape(trunk)[3], 1) else chain.conv(
            channels, (1, 1), (step, 1), source=trunk)  # fmt: skip
        chain.conv(channels, (5, 1), (step, 1), source=trunk)
        trunk = chain.add(chain.conv(channels, (3, 1)), shortcut)
    return chain.finish()


def separable(seed: int, *, same: bool) -> bytes:
    """Depthwise and 1x1 convolutions in turn, wide in the middle."""
    chain = Chain().start(seed, (17, 4, 2), -7)
    chain.conv(4, (4, 3), (2, 2), same=same)
    for channels in (12, 5):
        chain.conv(chain.shape(chain.last)[3], (3, 1), depthwise=True)
        chain.conv(channels, (1, 1))
    return chain.finish(3)


def batches() -> bytes:
    """Two images at once."""
    rng = np.random.default_rng(6)
    model = models.ModelBuilder()
    x = model.tensor((2, 5, 3, 2), 0.05, 3)
    w = model.tensor((6, 3, 2, 2), rng.uniform(0.002, 0.01, 6), 0, rng.integers(-127, 128, (6, 3, 2, 2)))
    y = model.tensor((2, 5, 3, 6), 0.05, -4)
    table = models.options(models.schema.Conv2DOptionsT, strideH=1, strideW=1, dilationHFactor=1, dilationWFactor=1)
    model.operator(models.CODES.CONV_2D, [x, w], [y], table, models.OPTIONS.Conv2DOptions, 2)
    return model.build([x], [y])


def single_operators() -> Iterator[tuple[str, bytes | None]]:
    """One operator each: shapes that fill no register and no block."""
    kernels = [((3, 3), (1, 1), (1, 1)), ((4, 2), (2, 3), (1, 1)), ((1, 1), (1, 1), (1, 1)), ((3, 2), (1, 1), (2, 3)),
               ((5, 1), (2, 1), (1, 1)), ((7, 6), (1, 1), (1, 1))]  # fmt: skip
    for i, ((kernel, stride, dilation), same) in enumerate(itertools.product(kernels, (True, False))):
        common = {"kernel": kernel, "stride": stride, "dilation": dilation, "same": same, "activation": i % 4}
        for depth, channels in ((1, 8), (3, 5), (8, 12)):
            model = models.conv_model(np.random.default_rng(i), depth=depth, channels=channels, height=9, **common)
            yield f"conv_{i}_{depth}", model
        for depth, channels in ((1, 8), (5, 5), (3, 6), (8, 8)):
            model = models.conv_model(
                np.random.default_rng(i), depthwise=True, depth=depth, channels=channels, height=9, bias=i % 2 == 0,
                **common,
            )  # fmt: skip
            yield f"depthwise_{i}_{depth}_{channels}", model
    for depth, channels in ((1, 70), (3, 60), (18, 18), (33, 33)):
        for kernel, width in (((3, 3), 6), ((9, 1), 1)):
            model = models.conv_model(
                np.random.default_rng(depth), depthwise=True, depth=depth, channels=channels, height=12, width=width,
                kernel=kernel, activation=depth % 2,
            )  # fmt: skip
            yield f"depthwise_many_{depth}_{width}", model
    # Patches of few to many values: panels of all sizes, and filters that leave 0 to 3 taps over.
    for i, (depth, kernel) in enumerate(((4, (1, 1)), (5, (3, 3)), (12, (9, 1)), (48, (9, 1)), (67, (5, 2)))):
        yield f"conv_long_{i}", models.conv_model(
            np.random.default_rng(i), depth=depth, channels=9, height=11, width=2, kernel=kernel, stride=(1 + i % 2, 1),
            activation=i % 3, bias=i != 1,
        )  # fmt: skip
    yield "conv_batches", batches()
    yield "conv_groups", models.conv_model(np.random.default_rng(3), depth=6, channels=4, groups=2)
    yield (
        "conv_line",
        models.conv_model(
            np.random.default_rng(4), depth=12, channels=20, height=19, width=1, kernel=(9, 1), stride=(2, 1)
        ),
    )
    yield (
        "conv_point",
        models.conv_model(
            np.random.default_rng(5), depth=17, channels=7, height=5, width=1, kernel=(1, 1), per_channel=False
        ),
    )
    for i, (depth, units) in enumerate(((1, 1), (17, 5), (64, 4), (70, 9))):
        yield (
            f"dense_{i}",
            models.dense_model(
                np.random.default_rng(i),
                depth=depth,
                units=units,
                batch=1 + i % 2,
                activation=i,
                per_channel=i % 2 == 1,
            ),
        )
    for i, beta in enumerate((0.5, 1.0, 2.0)):
        yield f"softmax_{i}", models.softmax_model(rows=i + 1, depth=4 + 20 * i, scale=0.02 * 10**i, beta=beta)
    for i, (maximum, same) in enumerate(itertools.product((True, False), (True, False))):
        yield f"pool_{i}", models.pool_model(maximum=maximum, same=same, height=9, depth=5, kernel=(3, 2), activation=i)
    yield "pool_all", models.pool_model(height=25, width=5, depth=8, kernel=(25, 5), stride=(1, 1), same=False)
    for i, other in enumerate((None, (1, 1, 1, 2), (2,), (1, 3, 4, 2), (1,))):
        yield f"add_{i}", models.add_model(np.random.default_rng(i), constant_shape=other, activation=i % 4)
    yield "relu", models.relu_model()
    yield "relu6", models.relu_model(six=True)
    yield "pad", models.pad_model()
    for i, axes in enumerate(((1, 2), (3,), (0, 1, 2, 3))):
        yield f"mean_{i}", models.mean_model(axes=axes, scales=(0.1, 0.07), zero_points=(-7, 20), keep=i != 1)
    yield "reshape", models.reshape_model()


def reshaped_constant() -> bytes:
    """x + a constant that comes in another shape."""
    model = models.ModelBuilder()
    x = model.tensor((1, 4), 0.1, 3)
    c = model.tensor((2, 2), 0.07, -20, [[-128, 127], [50, -3]])
    r = model.tensor((1, 4), 0.07, -20)
    s = model.tensor((2,), None, 0, np.array([1, 4]), models.INT32)
    y = model.tensor((1, 4), 0.12, 5)
    model.operator(models.CODES.RESHAPE, [c, s], [r], models.schema.ReshapeOptionsT(), models.OPTIONS.ReshapeOptions)
    model.operator(models.CODES.ADD, [x, r], [y], models.schema.AddOptionsT(), models.OPTIONS.AddOptions, 2)
    return model.build([x], [y])


def altered(model: bytes, change: Callable[[Any, list[Any], Any], None]) -> bytes:
    """A model whose `change(operator, its tensors in order of inputs and output, options)` was made."""
    unpacked = models.schema.ModelT.InitFromPackedBuf(model, 0)
    graph = unpacked.subgraphs[0]
    operator = graph.operators[0]
    change(operator, [graph.tensors[i] for i in (*operator.inputs, *operator.outputs)], operator.builtinOptions)
    packer = models.flatbuffers.Builder(4096)
    packer.Finish(unpacked.Pack(packer), b"TFL3")
    return bytes(packer.Output())


def refusals() -> Iterator[tuple[str, bytes, str]]:
    """Models that no operator's check may let pass, and the error that says why."""
    rng = np.random.default_rng(1)
    inputs, shape, options, order, scaling = (
        "OPERATOR_INPUTS", "OPERATOR_SHAPE", "OPERATOR_OPTIONS", "MODEL_ORDER", "MODEL_QUANTISATION"
    )  # fmt: skip

    def put(which: int, **fields: Any) -> Callable:
        def change(_: Any, tensors: list[Any], __: Any) -> None:
            for name, value in fields.items():
                setattr(tensors[which], name, value)

        return change

    def quantise(which: int, **fields: Any) -> Callable:
        def change(_: Any, tensors: list[Any], __: Any) -> None:
            for name, value in fields.items():
                setattr(tensors[which].quantization, name, value)

        return change

    def choose(**fields: Any) -> Callable:
        def change(_: Any, __: list[Any], chosen: Any) -> None:
            for name, value in fields.items():
                setattr(chosen, name, value)

        return change

    square = {"depth": 4, "channels": 4, "kernel": (3, 3), "per_channel": False}
    conv, depthwise = models.conv_model(rng, **square), models.conv_model(rng, depthwise=True, **square)
    pool, add = models.pool_model(), models.add_model(rng, constant_shape=(1, 3, 4, 2))
    window_options = {
        "stride 0": choose(strideH=0), "stride -1": choose(strideW=-1), "stride too large": choose(strideH=40000),
        "padding 2": choose(padding=2), "activation 4": choose(fusedActivationFunction=4),
    }  # fmt: skip
    for name, model in (("conv", conv), ("depthwise", depthwise), ("pool", pool)):
        for what, change in window_options.items():
            yield f"{name}, {what}", altered(model, change), options
        yield f"{name}, input of rank 3", altered(model, put(0, shape=[7, 6, 4 if model is not pool else 3])), inputs
        yield f"{name}, output of another height", altered(model, put(-1, shape=[1, 8, 6, 4])), shape
        yield (
            f"{name}, other batches",
            altered(model, put(-1, shape=[2, *((7, 6, 4) if model is not pool else (4, 3, 3))])),
            shape,
        )
    for name, model in (("conv", conv), ("depthwise", depthwise)):
        yield f"{name}, dilation 0", altered(model, choose(dilationHFactor=0)), options
        yield f"{name}, output of rank 3", altered(model, put(-1, shape=[7, 6, 4])), inputs
        yield (
            f"{name}, weights of rank 3",
            altered(model, put(1, shape=[12, 3, 4] if model is conv else [3, 3, 4])),
            inputs,
        )
        yield f"{name}, weights that are computed", altered(model, put(1, buffer=0)), order
        yield f"{name}, other channels", altered(model, put(-1, shape=[1, 7, 6, 5])), shape
        yield f"{name}, filter beyond the input", altered(model, choose(padding=1, dilationHFactor=9)), shape
        yield f"{name}, a bias for more channels", altered(model, put(2, shape=[2, 2, 2], buffer=0)), order
        yield f"{name}, a steep scale", altered(model, quantise(-1, scale=[1e-28])), scaling
    per_channel = models.conv_model(rng, **square | {"per_channel": True})
    yield "conv, scales of another dimension", altered(per_channel, quantise(1, quantizedDimension=3)), scaling
    yield "conv, groups that leave channels over", models.conv_model(rng, depth=6, channels=3, groups=2), shape
    yield (
        "conv, depth of no group",
        altered(models.conv_model(rng, depth=5, channels=4), put(0, shape=[1, 7, 6, 6])),
        shape,
    )
    yield (
        "conv, a bias of int8",
        altered(conv, lambda o, *_: setattr(o, "inputs", [*o.inputs[:2], o.inputs[1]])),
        inputs,
    )
    yield "depthwise, another multiplier", altered(depthwise, choose(depthMultiplier=2)), options
    yield "depthwise, weights of two images", altered(depthwise, put(1, shape=[2, 3, 3, 2])), shape
    yield "pool, filter 0", altered(pool, choose(filterHeight=0)), shape
    yield "pool, other channels", altered(pool, put(-1, shape=[1, 4, 3, 2])), shape
    yield "add, shapes apart", altered(add, put(1, shape=[1, 4, 3, 2])), shape
    yield "add, output too small", altered(add, put(-1, shape=[1, 3, 1, 2])), shape
    yield (
        "add, operand of higher rank",
        altered(models.add_model(rng, shape=(3, 4), constant_shape=(1, 3, 4)), put(-1, shape=[3, 4])),
        shape,
    )
    yield "add, activation 4", altered(add, choose(fusedActivationFunction=4)), options
    yield "add, a steep scale", altered(add, quantise(-1, scale=[1e-28])), scaling
    yield "relu, other shape", altered(models.relu_model(), put(-1, shape=[1, 3, 4, 3])), shape
    yield "relu, a steep scale", altered(models.relu_model(), quantise(-1, scale=[1e-28])), scaling
    yield "relu6, other shape", altered(models.relu_model(six=True), put(-1, shape=[24, 2])), shape
    yield "pad, negative", models.pad_model(amounts=((0, 0), (-1, 2), (3, 0), (0, 1))), shape
    yield "pad, output of another rank", altered(models.pad_model(), put(-1, shape=[6, 7, 3])), shape
    yield (
        "pad, amounts of int8",
        altered(models.pad_model(), lambda o, *_: setattr(o, "inputs", [o.inputs[0]] * 2)),
        inputs,
    )
    yield "mean, axis 4", models.mean_model(axes=(1, 4)), shape
    yield "mean, output too large", altered(models.mean_model(), put(-1, shape=[1, 5, 1, 3])), shape
    yield "mean, output of another rank", altered(models.mean_model(keep=False), put(-1, shape=[1, 1, 3])), shape
    yield (
        "mean, axes of int8",
        altered(models.mean_model(), lambda o, *_: setattr(o, "inputs", [o.inputs[0]] * 2)),
        inputs,
    )
    yield "softmax, other scale", altered(models.softmax_model(), quantise(-1, scale=[1 / 128])), scaling
    yield "softmax, other zero point", altered(models.softmax_model(), quantise(-1, zeroPoint=[0])), scaling
    yield "softmax, beta 0", models.softmax_model(beta=0.0), options
    yield "softmax, other shape", altered(models.softmax_model(), put(-1, shape=[4, 1])), shape
    yield "softmax, too many terms", models.softmax_model(depth=4097), shape
    yield "reshape, other size", models.reshape_model(new_shape=(1, 11)), shape
    dense = models.dense_model(rng)
    yield "dense, other depth", altered(dense, put(0, shape=[1, 16])), shape
    yield "dense, other units", altered(dense, put(-1, shape=[1, 6])), shape
    yield "dense, weights in another format", altered(dense, choose(weightsFormat=1)), options
    yield "dense, activation 4", altered(dense, choose(fusedActivationFunction=4)), options
    yield "dense, a steep scale", altered(dense, quantise(-1, scale=[1e-28])), scaling


def graphs() -> Iterator[tuple[str, bytes]]:
    """Whole models, in which memory is shared."""
    yield "keyword", models.keyword_model(features.MICRO.id)
    eager = {"average_ms": 1, "minimum_count": 1, "suppression_ms": 0, "threshold": 0}
    yield "keyword_eager", models.keyword_model(features.MICRO.id, recogniser=eager)
    yield "keyword_stranger", models.keyword_model("micro-00000000")
    for i, (stride, width) in enumerate(itertools.product((1, 2, 3), (1, 4))):
        yield f"residual_{i}", residual(i, stride, width)
    yield "reshaped_constant", reshaped_constant()
    yield "separable_same", separable(8, same=True)
    yield "separable_valid", separable(9, same=False)


def answers(model: bytes, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (the lowest, the highest, random ones) and TensorFlow Lite Micro's outputs, a row each."""
    interpreter = runtime.Interpreter.from_bytes(model, arena_size=ARENA)
    shape = interpreter.get_input_details(0)["shape"]
    inputs = np.random.default_rng(seed).integers(-128, 128, (INPUTS, *shape)).astype(np.int8)
    inputs[0], inputs[1] = -128, 127
    outputs = []
    for x in inputs:
        interpreter.set_input(x, 0)
        interpreter.invoke()
        outputs.append(interpreter.get_output(0).copy())
    return inputs.reshape(INPUTS, -1), np.array(outputs).reshape(INPUTS, -1)


def clips() -> np.ndarray:
    """Loud noise, quiet noise, a square wave at full scale, and something like a voice."""
    rng = np.random.default_rng(1)
    t = np.arange(16000)
    pitch = np.cumsum(np.linspace(110, 190, 16000)) / 16000
    voice = sum(np.sin(2 * np.pi * k * pitch) / k for k in range(1, 30)) * np.exp(-(((t - 8000) / 3000) ** 2))
    signals = [
        rng.integers(-32768, 32768, 16000), rng.normal(0, 30, 16000), np.where(t % 33 < 16, 32767, -32768),
        6000 * voice + rng.normal(0, 100, 16000),
    ]  # fmt: skip
    return np.clip(np.array(signals), -32768, 32767).astype(np.int16)


def image(model: bytes) -> tuple[bytes, bytes]:
    """A signed image of a model and the public key."""
    key = signing.SigningKey()
    key.private = ec.derive_private_key(0x5EED, ec.SECP256R1())
    key.spki = key.private.public_key().public_bytes(
        signing.serialization.Encoding.DER, signing.serialization.PublicFormat.SubjectPublicKeyInfo
    )
    with tempfile.TemporaryDirectory() as folder:
        signed = signing.model_image(
            Path(folder), model, key, version=f"1.0.{COUNTER}", counter=COUNTER, board=BOARD, frontend=features.MICRO.id
        )
    return signed, key.spki


def array(kind: str, name: str, values: Iterable[int], *, size: str = "", static: bool = True) -> str:
    texts = [str(value) for value in values]
    lines = ",\n".join(",".join(texts[i : i + 400]) for i in range(0, len(texts), 400))
    return f"{'static ' if static else ''}const {kind} {name}[{size}] = {{{lines}}};\n"


def main() -> None:
    folder = Path(sys.argv[1])
    (folder / "models").mkdir(parents=True, exist_ok=True)
    parts, rows = ['#include "golden.h"\n\n'], []
    for i, (name, model) in enumerate(itertools.chain(single_operators(), graphs())):
        if model is None:
            continue
        inputs, outputs = answers(model, i)
        (folder / "models" / f"{name}.tflite").write_bytes(model)
        parts += [
            array("uint8_t", f"model_{i}", model), array("int8_t", f"inputs_{i}", inputs.ravel()),
            array("int8_t", f"outputs_{i}", outputs.ravel()),
        ]  # fmt: skip
        rows.append(f'{{"{name}", model_{i}, {len(model)}, {INPUTS}, {inputs.shape[1]}, {outputs.shape[1]}, '
                    f"inputs_{i}, outputs_{i}}},\n")  # fmt: skip
    parts += ["const golden_model golden_models[] = {\n", *rows, "};\n"]
    parts.append("const size_t golden_model_count = sizeof golden_models / sizeof golden_models[0];\n\n")
    rows = []
    for i, (name, model, error) in enumerate(refusals()):
        parts.append(array("uint8_t", f"refused_{i}", model))
        rows.append(f'{{"{name}", refused_{i}, {len(model)}, "ES_ERR_{error}"}},\n')
    parts += ["const golden_refusal golden_refusals[] = {\n", *rows, "};\n"]
    parts.append("const size_t golden_refusal_count = sizeof golden_refusals / sizeof golden_refusals[0];\n\n")
    signals, rows = clips(), []
    for i, clip in enumerate(signals):
        parts.append(array("int16_t", f"samples_{i}", clip))
    for front_end in features.FRONT_ENDS.values():
        for i, values in enumerate(front_end.features(signals)):
            name = f"features_{front_end.name}_{i}"
            parts.append(array("int8_t", name, values.ravel()))
            rows.append(f'{{"{front_end.id}", {front_end.shape[1]}, samples_{i}, {name}}},\n')
    parts += ["const golden_clip golden_clips[] = {\n", *rows, "};\n"]
    parts.append("const size_t golden_clip_count = sizeof golden_clips / sizeof golden_clips[0];\n\n")
    signed, spki = image(models.keyword_model(features.MICRO.id))
    parts += [
        array("uint8_t", "golden_image", signed, static=False), f"const uint32_t golden_image_size = {len(signed)};\n",
        array("uint8_t", "golden_key", spki, size="91", static=False),
    ]  # fmt: skip
    (folder / "golden.c").write_text("".join(parts))
    # The header last: make takes it for both.
    header = HEADER.replace('"BOARD"', f'"{BOARD}"').replace('"FRONTEND"', f'"{features.MICRO.id}"')
    (folder / "golden.h").write_text(header.replace("COUNTERu", f"{COUNTER}u").replace("1.0.COUNTER", f"1.0.{COUNTER}"))


if __name__ == "__main__":
    main()

"""Small int8 .tflite models, written field by field: odd shapes, strides and zero points that no converter makes."""

# mypy: disable-error-code="no-untyped-def, no-any-return, import-not-found"

import json
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

INT32, INT8 = schema.TensorType.INT32, schema.TensorType.INT8
CODES = schema.BuiltinOperator
OPTIONS = schema.BuiltinOptions


def options(kind: type[Any], **fields: Any) -> Any:
    """An options table of the object API with fields set."""
    table = kind()
    for name, value in fields.items():
        setattr(table, name, value)
    return table


@dataclass
class ModelBuilder:
    """Tensors and operators in the order in which they are added."""

    tensors: list[Any] = field(default_factory=list)
    buffers: list[Any] = field(default_factory=lambda: [schema.BufferT()])
    operators: list[Any] = field(default_factory=list)
    codes: list[Any] = field(default_factory=list)
    metadata: list[Any] = field(default_factory=list)

    def tensor(self, shape, scale=None, zero_point=0, data=None, kind=INT8, dimension=0) -> int:
        tensor = schema.TensorT()
        tensor.name = f"t{len(self.tensors)}".encode()
        tensor.shape = list(shape)
        tensor.type = kind
        tensor.buffer = 0
        if data is not None:
            tensor.buffer = self.buffer(np.asarray(data, np.int8 if kind == INT8 else np.int32).tobytes())
        if scale is not None:
            scales = np.atleast_1d(np.asarray(scale, np.float32))
            tensor.quantization = options(
                schema.QuantizationParametersT,
                scale=scales,
                zeroPoint=np.full(scales.shape, zero_point, np.int64),
                quantizedDimension=dimension,
            )
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def scale(self, index: int) -> float:
        return float(self.tensors[index].quantization.scale[0])

    def buffer(self, data: bytes) -> int:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(data, np.uint8)
        self.buffers.append(buffer)
        return len(self.buffers) - 1

    def card(self, text: str | bytes, name: str = "earshot") -> None:
        data = text.encode() if isinstance(text, str) else text
        self.metadata.append(options(schema.MetadataT, name=name.encode(), buffer=self.buffer(data)))

    def operator(self, code, inputs, outputs, table=None, kind=0, version=1) -> None:
        code_table = options(
            schema.OperatorCodeT, builtinCode=code, deprecatedBuiltinCode=min(code, 127), version=version
        )
        self.codes.append(code_table)
        self.operators.append(
            options(
                schema.OperatorT,
                opcodeIndex=len(self.codes) - 1,
                inputs=list(inputs),
                outputs=list(outputs),
                builtinOptionsType=kind,
                builtinOptions=table,
            )
        )

    def build(self, inputs, outputs) -> bytes:
        graph = options(
            schema.SubGraphT,
            tensors=self.tensors,
            inputs=list(inputs),
            outputs=list(outputs),
            operators=self.operators,
            name=b"main",
        )
        model = options(
            schema.ModelT,
            version=3,
            operatorCodes=self.codes,
            subgraphs=[graph],
            description=b"test",
            buffers=self.buffers,
            metadata=self.metadata or None,
        )
        packer = flatbuffers.Builder(4096)
        packer.Finish(model.Pack(packer), b"TFL3")
        return bytes(packer.Output())


def _window_size(size: int, extent: int, stride: int, same: bool) -> int:
    reach = size if same else size - extent + 1
    return -(-reach // stride)


def conv_model(rng, *, depthwise=False, height=7, width=6, depth=3, channels=4, kernel=(3, 3), stride=(1, 1),
               dilation=(1, 1), same=True, activation=0, zero_points=(-5, 3), per_channel=True, bias=True,
               groups=1, batch=1, scale_out=None, most_bias=3000) -> bytes | None:  # fmt: skip
    """One convolution; None where the filter does not fit the input."""
    extents = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    if not same and (extents[0] > height or extents[1] > width):
        return None
    out = [_window_size(s, e, t, same) for s, e, t in zip((height, width), extents, stride, strict=True)]
    model = ModelBuilder()
    x = model.tensor((batch, height, width, depth), rng.uniform(0.01, 0.2), zero_points[0])
    scales = rng.uniform(0.001, 0.02, channels) if per_channel else rng.uniform(0.001, 0.02)
    if depthwise:
        shape = (1, *kernel, channels)
        table = options(
            schema.DepthwiseConv2DOptionsT, padding=0 if same else 1, strideH=stride[0], strideW=stride[1],
            depthMultiplier=channels // depth, fusedActivationFunction=activation,
            dilationHFactor=dilation[0], dilationWFactor=dilation[1],
        )  # fmt: skip
    else:
        shape = (channels, *kernel, depth // groups)
        table = options(
            schema.Conv2DOptionsT, padding=0 if same else 1, strideH=stride[0], strideW=stride[1],
            fusedActivationFunction=activation, dilationHFactor=dilation[0], dilationWFactor=dilation[1],
        )  # fmt: skip
    w = model.tensor(shape, scales, 0, rng.integers(-127, 128, shape), dimension=3 if depthwise else 0)
    inputs = [x, w]
    if bias:
        biases = rng.integers(-most_bias, most_bias, channels)
        inputs.append(model.tensor((channels,), None, 0, biases, INT32))
    y = model.tensor((batch, *out, channels), scale_out or rng.uniform(0.02, 0.3), zero_points[1])
    if depthwise:
        model.operator(CODES.DEPTHWISE_CONV_2D, inputs, [y], table, OPTIONS.DepthwiseConv2DOptions, 2)
    else:
        model.operator(CODES.CONV_2D, inputs, [y], table, OPTIONS.Conv2DOptions, 2)
    return model.build([x], [y])


def dense_model(rng, *, batch=1, depth=17, units=5, activation=0, zero_points=(4, -9), per_channel=False, bias=True,
                scale_in=None) -> bytes:  # fmt: skip
    model = ModelBuilder()
    x = model.tensor((batch, depth), scale_in or rng.uniform(0.005, 0.2), zero_points[0])
    scales = rng.uniform(0.001, 0.02, units) if per_channel else rng.uniform(0.001, 0.02)
    w = model.tensor((units, depth), scales, 0, rng.integers(-127, 128, (units, depth)))
    b = (
        model.tensor((units,), model.scale(x) * np.atleast_1d(scales), 0, rng.integers(-3000, 3000, units), INT32)
        if bias
        else -1
    )
    y = model.tensor((batch, units), rng.uniform(0.02, 0.5), zero_points[1])
    table = options(schema.FullyConnectedOptionsT, fusedActivationFunction=activation)
    model.operator(CODES.FULLY_CONNECTED, [x, w, b], [y], table, OPTIONS.FullyConnectedOptions, 4)
    return model.build([x], [y])


def softmax_model(*, rows=1, depth=4, scale=0.1, beta=1.0, zero_point=7) -> bytes:
    model = ModelBuilder()
    x = model.tensor((rows, depth), scale, zero_point)
    y = model.tensor((rows, depth), 1 / 256, -128)
    model.operator(CODES.SOFTMAX, [x], [y], options(schema.SoftmaxOptionsT, beta=beta), OPTIONS.SoftmaxOptions, 2)
    return model.build([x], [y])


def pool_model(*, maximum=False, height=7, width=6, depth=3, kernel=(2, 2), stride=(2, 2), same=True, activation=0,
               scale=0.05, zero_point=-3) -> bytes | None:  # fmt: skip
    if not same and (kernel[0] > height or kernel[1] > width):
        return None
    out = [_window_size(s, k, t, same) for s, k, t in zip((height, width), kernel, stride, strict=True)]
    model = ModelBuilder()
    x = model.tensor((1, height, width, depth), scale, zero_point)
    y = model.tensor((1, *out, depth), scale, zero_point)
    table = options(
        schema.Pool2DOptionsT, padding=0 if same else 1, strideH=stride[0], strideW=stride[1], filterHeight=kernel[0],
        filterWidth=kernel[1], fusedActivationFunction=activation,
    )  # fmt: skip
    code = CODES.MAX_POOL_2D if maximum else CODES.AVERAGE_POOL_2D
    model.operator(code, [x], [y], table, OPTIONS.Pool2DOptions, 2)
    return model.build([x], [y])


def add_model(rng, *, shape=(1, 3, 4, 2), constant_shape=None, activation=0, scales=(0.1, 0.07, 0.12),
              zero_points=(3, -20, 5)) -> bytes:  # fmt: skip
    """x + x, or x plus a constant of another shape."""
    model = ModelBuilder()
    x = model.tensor(shape, scales[0], zero_points[0])
    other = x
    if constant_shape is not None:
        other = model.tensor(constant_shape, scales[1], zero_points[1], rng.integers(-128, 128, constant_shape))
    y = model.tensor(shape, scales[2], zero_points[2])
    table = options(schema.AddOptionsT, fusedActivationFunction=activation)
    model.operator(CODES.ADD, [x, other], [y], table, OPTIONS.AddOptions, 2)
    return model.build([x], [y])


def relu_model(*, six=False, shape=(1, 3, 4, 2), scales=(0.1, 0.07), zero_points=(3, -20)) -> bytes:
    model = ModelBuilder()
    x = model.tensor(shape, scales[0], zero_points[0])
    y = model.tensor(shape, scales[0] if six else scales[1], zero_points[0] if six else zero_points[1])
    model.operator(CODES.RELU6 if six else CODES.RELU, [x], [y], version=2)
    return model.build([x], [y])


def pad_model(*, shape=(1, 3, 4, 2), amounts=((0, 0), (1, 2), (3, 0), (0, 1)), zero_point=-7) -> bytes:
    model = ModelBuilder()
    x = model.tensor(shape, 0.1, zero_point)
    p = model.tensor((len(shape), 2), None, 0, np.asarray(amounts), INT32)
    y = model.tensor([s + a + b for s, (a, b) in zip(shape, amounts, strict=True)], 0.1, zero_point)
    model.operator(CODES.PAD, [x, p], [y], schema.PadOptionsT(), OPTIONS.PadOptions, 2)
    return model.build([x], [y])


def mean_model(*, shape=(1, 5, 4, 3), axes=(1, 2), keep=True, scales=(0.1, 0.1), zero_points=(-7, -7)) -> bytes:
    model = ModelBuilder()
    x = model.tensor(shape, scales[0], zero_points[0])
    a = model.tensor((len(axes),), None, 0, np.asarray(axes), INT32)
    dims = [1 if d in axes else s for d, s in enumerate(shape) if keep or d not in axes]
    y = model.tensor(dims, scales[1], zero_points[1])
    table = options(schema.ReducerOptionsT, keepDims=keep)
    model.operator(CODES.MEAN, [x, a], [y], table, OPTIONS.ReducerOptions, 2)
    return model.build([x], [y])


def reshape_model(*, shape=(1, 3, 4), new_shape=(1, 12)) -> bytes:
    model = ModelBuilder()
    x = model.tensor(shape, 0.1, 2)
    s = model.tensor((len(new_shape),), None, 0, np.asarray(new_shape), INT32)
    y = model.tensor(new_shape, 0.1, 2)
    table = options(schema.ReshapeOptionsT, newShape=list(new_shape))
    model.operator(CODES.RESHAPE, [x, s], [y], table, OPTIONS.ReshapeOptions)
    return model.build([x], [y])


def keyword_model(frontend: str, seed: int = 0, labels=("yes", "no", "unknown", "silence"), card: str | None = None,
                  recogniser=None, shape=(49, 40)) -> bytes:  # fmt: skip
    """A tiny_conv of random weights (10x8 filters, stride 2, dense, softmax) with a model card."""
    rng = np.random.default_rng(seed)
    model = ModelBuilder()
    classes = len(labels)
    frames, channels = shape
    x = model.tensor((1, frames, channels, 1), 1 / 256, -128)
    w = model.tensor((8, 10, 8, 1), rng.uniform(0.001, 0.01, 8), 0, rng.integers(-127, 128, (8, 10, 8, 1)))
    b = model.tensor((8,), None, 0, rng.integers(-5000, 5000, 8), INT32)
    rows, columns = (frames + 1) // 2, (channels + 1) // 2
    h = model.tensor((1, rows, columns, 8), 0.05, -128)
    table = options(schema.Conv2DOptionsT, strideH=2, strideW=2, dilationHFactor=1, dilationWFactor=1,
                    fusedActivationFunction=1)  # fmt: skip
    model.operator(CODES.CONV_2D, [x, w, b], [h], table, OPTIONS.Conv2DOptions, 3)
    s = model.tensor((2,), None, 0, np.array([-1, rows * columns * 8]), INT32)
    flat = model.tensor((1, rows * columns * 8), 0.05, -128)
    model.operator(CODES.RESHAPE, [h, s], [flat], schema.ReshapeOptionsT(), OPTIONS.ReshapeOptions)
    weights = rng.integers(-127, 128, (classes, rows * columns * 8))
    dense = model.tensor(weights.shape, 0.004, 0, weights)
    bias = model.tensor((classes,), 0.0002, 0, rng.integers(-9000, 9000, classes), INT32)
    logits = model.tensor((1, classes), 0.2, 5)
    table = options(schema.FullyConnectedOptionsT)
    model.operator(CODES.FULLY_CONNECTED, [flat, dense, bias], [logits], table, OPTIONS.FullyConnectedOptions, 4)
    y = model.tensor((1, classes), 1 / 256, -128)
    model.operator(CODES.SOFTMAX, [logits], [y], options(schema.SoftmaxOptionsT, beta=1.0), OPTIONS.SoftmaxOptions, 2)
    settings = recogniser or {"average_ms": 1000, "minimum_count": 3, "suppression_ms": 1500, "threshold": 200}
    text = {"frontend": frontend, "labels": list(labels), "recogniser": settings, "schema": "earshot.model/1"}
    model.card(card if card is not None else json.dumps(text, sort_keys=True, separators=(",", ":")))
    return model.build([x], [y])

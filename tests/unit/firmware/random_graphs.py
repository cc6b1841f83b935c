"""Random int8 graphs over time: chains, residual blocks, strides, dilations, all paddings, whole-tensor operators."""

# mypy: disable-error-code="no-untyped-def, no-any-return, import-not-found"

import numpy as np
from hypothesis import strategies as st
from tflite_models import CODES, INT32, OPTIONS, ModelBuilder, options, schema

_small = st.integers(1, 3)
_window = {
    "kernel": st.tuples(st.integers(1, 5), _small),
    "stride": st.tuples(st.sampled_from([1, 1, 2, 3]), st.sampled_from([1, 1, 2])),
    "same": st.booleans(),
}
_layer = st.one_of(
    st.fixed_dictionaries({"kind": st.just("conv"), "channels": st.integers(1, 6), "dilation": st.integers(1, 2),
                           "activation": st.integers(0, 3)} | _window),
    st.fixed_dictionaries({"kind": st.just("conv"), "channels": st.integers(1, 6), "dilation": st.just(1),
                           "activation": st.just(1), "kernel": st.just((1, 1)), "stride": st.just((1, 1)),
                           "same": st.booleans()}),
    st.fixed_dictionaries({"kind": st.just("depthwise"), "multiplier": st.integers(1, 2), "dilation": st.integers(1, 2),
                           "activation": st.just(0)} | _window),
    st.fixed_dictionaries({"kind": st.sampled_from(["max", "mean"])} | _window),
    st.fixed_dictionaries({"kind": st.sampled_from(["relu", "relu6", "flat", "add", "pad"])}),
    st.fixed_dictionaries({"kind": st.just("constant"), "shape": st.sampled_from(["all", "rows", "channels"])}),
    st.fixed_dictionaries({"kind": st.just("block"), "stride": st.sampled_from([1, 1, 2]), "reach": st.integers(1, 7),
                           "channels": st.integers(1, 5)}),
)  # fmt: skip
graphs = st.fixed_dictionaries(
    {
        "frames": st.integers(4, 30), "places": st.integers(1, 5), "depth": _small, "flat_input": st.booleans(),
        "layers": st.lists(_layer, min_size=1, max_size=7), "end": st.sampled_from(["dense", "pool", "mean", "none"]),
        "seed": st.integers(0, 2**32 - 1),
    }
)  # fmt: skip


class _Graph:
    """A model that grows at one tensor, `at`."""

    def __init__(self, random) -> None:
        self.random, self.model, self.past = random, ModelBuilder(), []

    def shape(self, tensor):
        return tuple(self.model.tensors[tensor].shape)

    def quantised(self, shape, scale=None):
        return self.model.tensor(shape, scale or self.random.uniform(0.03, 0.2), int(self.random.integers(-40, 40)))

    def same(self, shape, like):
        quantisation = self.model.tensors[like].quantization
        return self.model.tensor(shape, quantisation.scale[0], int(quantisation.zeroPoint[0]))

    def view(self, at, shape):
        sizes = self.model.tensor((len(shape),), None, 0, np.asarray(shape), INT32)
        out = self.same(shape, at)
        self.model.operator(CODES.RESHAPE, [at, sizes], [out], schema.ReshapeOptionsT(), OPTIONS.ReshapeOptions)
        return out

    def output_shape(self, at, kernel, stride, dilation, same):
        """Height and width of a window operator's output; None where the window does not fit."""
        reach = [s if same else s - (k - 1) * dilation for s, k in zip(self.shape(at)[1:3], kernel, strict=True)]
        return None if min(reach) < 1 else [-(-r // s) for r, s in zip(reach, stride, strict=True)]

    def convolution(self, at, layer, depthwise):
        depth = self.shape(at)[3]
        out = self.output_shape(at, layer["kernel"], layer["stride"], layer["dilation"], layer["same"])
        channels = depth * layer["multiplier"] if depthwise else layer["channels"]
        if out is None:
            return at
        shape = (1, *layer["kernel"], channels) if depthwise else (channels, *layer["kernel"], depth)
        taps = int(np.prod(layer["kernel"])) * (1 if depthwise else depth)
        scale_out = self.random.uniform(0.03, 0.2)
        scale = self.random.uniform(0.5, 2, channels) * scale_out / self.model.scale(at) / 70 / np.sqrt(taps)
        weights = self.model.tensor(shape, scale, 0, self.random.integers(-127, 128, shape), dimension=3 * depthwise)
        bias = self.model.tensor((channels,), None, 0, self.random.integers(-2000, 2000, channels), INT32)
        y = self.quantised((1, *out, channels), scale_out)
        fields = {
            "padding": 0 if layer["same"] else 1, "strideH": layer["stride"][0], "strideW": layer["stride"][1],
            "dilationHFactor": layer["dilation"], "dilationWFactor": layer["dilation"],
            "fusedActivationFunction": layer["activation"],
        }  # fmt: skip
        if depthwise:
            table = options(schema.DepthwiseConv2DOptionsT, depthMultiplier=layer["multiplier"], **fields)
            kind = CODES.DEPTHWISE_CONV_2D, OPTIONS.DepthwiseConv2DOptions
        else:
            table, kind = options(schema.Conv2DOptionsT, **fields), (CODES.CONV_2D, OPTIONS.Conv2DOptions)
        self.model.operator(kind[0], [at, weights, bias], [y], table, kind[1], 3)
        return y

    def pool(self, at, maximum, kernel, stride, same):
        out = self.output_shape(at, kernel, stride, 1, same)
        if out is None:
            return at
        y = self.same((1, *out, self.shape(at)[3]), at)
        table = options(schema.Pool2DOptionsT, padding=0 if same else 1, strideH=stride[0], strideW=stride[1],
                        filterHeight=kernel[0], filterWidth=kernel[1])  # fmt: skip
        code = CODES.MAX_POOL_2D if maximum else CODES.AVERAGE_POOL_2D
        self.model.operator(code, [at], [y], table, OPTIONS.Pool2DOptions, 2)
        return y

    def add(self, a, b):
        y = self.quantised(self.shape(a))
        self.model.operator(CODES.ADD, [a, b], [y], options(schema.AddOptionsT), OPTIONS.AddOptions, 2)
        return y

    def block(self, at, layer):
        """Two convolutions over time beside a short cut."""
        common = {"dilation": 1, "same": True, "activation": 1, "channels": layer["channels"]}
        stride, one = (layer["stride"], 1), (1, 1)
        main = self.convolution(at, common | {"kernel": (layer["reach"], 1), "stride": stride}, False)
        main = self.convolution(main, common | {"kernel": (layer["reach"], 1), "stride": one, "multiplier": 1}, True)
        short = at
        if self.shape(main) != self.shape(at):
            short = self.convolution(at, common | {"kernel": one, "stride": stride}, False)
        return self.add(main, short)

    def layer(self, at, layer):
        kind = layer["kind"]
        _, rows, places, depth = self.shape(at)
        if kind in ("conv", "depthwise"):
            return self.convolution(at, layer, kind == "depthwise")
        if kind in ("max", "mean"):
            return self.pool(at, kind == "max", layer["kernel"], layer["stride"], layer["same"])
        if kind == "block":
            return self.block(at, layer)
        if kind == "flat":
            return self.view(at, (1, rows, 1, places * depth))
        if kind == "relu":
            y = self.quantised(self.shape(at))
            self.model.operator(CODES.RELU, [at], [y], version=2)
            return y
        if kind == "relu6":
            y = self.same(self.shape(at), at)
            self.model.operator(CODES.RELU6, [at], [y], version=2)
            return y
        if kind == "pad":
            amounts = np.array([[0, 0], self.random.integers(0, 3, 2), self.random.integers(0, 2, 2), [0, 0]])
            sizes = self.model.tensor((4, 2), None, 0, amounts, INT32)
            y = self.same([s + a + b for s, (a, b) in zip(self.shape(at), amounts, strict=True)], at)
            self.model.operator(CODES.PAD, [at, sizes], [y], schema.PadOptionsT(), OPTIONS.PadOptions, 2)
            return y
        if kind == "constant":
            shape = {"all": (1, rows, places, depth), "rows": (1, rows, 1, 1), "channels": (1, 1, 1, depth)}
            values = self.random.integers(-128, 128, shape[layer["shape"]])
            return self.add(at, self.model.tensor(values.shape, self.random.uniform(0.02, 0.1), 3, values))
        earlier = [t for t in self.past if self.shape(t) == self.shape(at)]
        return self.add(at, earlier[int(self.random.integers(len(earlier)))])

    def finish(self, at, end):
        _, rows, places, depth = self.shape(at)
        if end == "none":
            return at
        if end == "pool":
            at = self.pool(at, False, (rows, places), (rows, places), False)
        elif end == "mean":
            axes = self.model.tensor((2,), None, 0, np.array([1, 2]), INT32)
            y = self.same((1, depth), at)
            table = options(schema.ReducerOptionsT, keepDims=False)
            self.model.operator(CODES.MEAN, [at, axes], [y], table, OPTIONS.ReducerOptions, 2)
            at = y
        size = int(np.prod(self.shape(at)))
        if len(self.shape(at)) != 2:
            at = self.view(at, (1, size))
        scale = 0.2 / self.model.scale(at) / 70 / np.sqrt(size)
        weights = self.model.tensor((4, size), scale, 0, self.random.integers(-127, 128, (4, size)))
        y = self.quantised((1, 4), 0.2)
        table = options(schema.FullyConnectedOptionsT)
        self.model.operator(CODES.FULLY_CONNECTED, [at, weights, -1], [y], table, OPTIONS.FullyConnectedOptions, 4)
        return y


def build(graph) -> bytes:
    """The model of a drawn graph; layers that do not fit are left out."""
    grown = _Graph(np.random.default_rng(graph["seed"]))
    shape = (1, graph["frames"], graph["places"], graph["depth"])
    x = grown.quantised((1, int(np.prod(shape))) if graph["flat_input"] else shape)
    at = grown.view(x, shape) if graph["flat_input"] else x
    for layer in graph["layers"]:
        grown.past.append(at)
        at = grown.layer(at, layer)
    at = grown.finish(at, graph["end"])
    if at == x or len(grown.model.operators) == 0:
        at = grown.view(x, (1, int(np.prod(shape))))
    return grown.model.build([x], [at])

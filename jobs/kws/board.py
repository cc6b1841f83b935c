"""What the board runs: its operators and limits, and a model held against them before it is built into an image.

The rules are those of `firmware/core` (model.c, card.h and the kernels); here they are told in words, in a
container that has no firmware. Where the two differ this side is the stricter one: operators that hand
their input's quantisation on must not change it, and the output must be probabilities.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kws import flatbuffer
from kws.features import FrontEnd, canonical_json
from kws.graph import INT8, INT32, Graph, Node, Tensor, read
from kws.recognise import Settings

TENSORS = 192
NODES = 80
RANK = 4
LABELS = 40
LABEL_BYTES = 32
CARD_BYTES = 1023
# A slot less the image's header, its signature, and a card that grows.
MODEL_BYTES = 256 * 1024 - 4096
ARENA_BYTES = 160 * 1024

# The recogniser counts on scores from 0 to 1 in steps of 1/256, as SOFTMAX gives them.
SCORE_SCALE, SCORE_ZERO_POINT = 1 / 256, -128

_ELEMENTS = 1 << 24
_SIZE = (1 << 16) - 1
_DIMENSION = 1 << 15
_LONGEST_DOT = 65536
_LONGEST_SOFTMAX = 1 << 12
_MOST_AVERAGED = 1 << 22
_LARGEST_SCALE = 1e30
_SAME, _VALID = 0, 1
_ACTIVATIONS = {0: "NONE", 1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6"}

_REMEDIES = {
    "QUANTIZE": "set the converter's inference_input_type and inference_output_type to tf.int8",
    "DEQUANTIZE": "set the converter's inference_input_type and inference_output_type to tf.int8",
    "SHAPE": "export the model with a batch of one",
    "STRIDED_SLICE": "export the model with a batch of one",
    "PACK": "export the model with a batch of one",
    "VAR_HANDLE": "convert from a SavedModel, which freezes variables",
    "LOGISTIC": "end the model in a softmax",
}
_QUANTISE = (
    "quantise the whole model to int8 (TFLITE_BUILTINS_INT8, a representative dataset, int8 input and output types)"
)


class BoardError(ValueError):
    """A model or labels that the board cannot take; the message names what, and what to do."""


class _MisfitError(ValueError):
    """A part of a model that does not fit; `check` says where it is."""


def check_labels(labels: Sequence[str], front_end: FrontEnd) -> None:
    """Whether a model card can carry these labels.

    Raises:
        BoardError: too many, too long, or together too long.
    """
    if len(labels) > LABELS:
        raise BoardError(f"{len(labels)} labels; the board holds {LABELS}, unknown and silence included: name fewer")
    for label in labels:
        if len(label.encode()) > LABEL_BYTES:
            raise BoardError(f"label {label!r}: longer than {LABEL_BYTES} bytes; give it a shorter name")
    size = card_bytes(labels, front_end)
    if size > CARD_BYTES:
        raise BoardError(
            f"the model card of these {len(labels)} labels takes up to {size} bytes, the board reads {CARD_BYTES}; "
            f"name fewer keywords or shorter ones, {size - CARD_BYTES} characters less in all"
        )


def card_bytes(labels: Sequence[str], front_end: FrontEnd) -> int:
    """Bytes of the largest card that a model with these labels can get."""
    longest = dict.fromkeys(Settings.__dataclass_fields__, 10**5 - 1)
    card = {
        "schema": flatbuffer.CARD_SCHEMA,
        "frontend": front_end.id,
        "labels": list(labels),
        "recogniser": longest,
    }
    return len(canonical_json(card).encode())


def check(content: bytes, name: str, front_end: FrontEnd) -> Graph:
    """Holds a model against the board.

    Args:
        content: the .tflite file.
        name: what to call it in errors.
        front_end: whose features the board will give it.

    Returns:
        The model's graph.

    Raises:
        flatbuffer.ModelFileError: no .tflite, or damaged.
        BoardError: the board cannot run it, or not on these features.
    """
    if len(content) > MODEL_BYTES:
        raise BoardError(f"{name}: {len(content)} bytes; the board takes {MODEL_BYTES}: make the model smaller")
    graph = read(content, name)
    check_graph(graph, name)
    check_ends(graph, name, front_end)
    check_memory(graph, name)
    return graph


def check_graph(graph: Graph, name: str) -> None:
    """Whether the board's interpreter opens a graph.

    Raises:
        BoardError: it does not.
    """
    try:
        _known(graph)
        _within_limits(graph)
        _one_input_and_output(graph)
        for number, tensor in enumerate(graph.tensors):
            try:
                _tensor(tensor)
            except _MisfitError as misfit:
                raise _MisfitError(f"tensor {number} ({tensor.name}): {misfit}") from misfit
        _order(graph)
        for number, node in enumerate(graph.nodes):
            try:
                _node(graph, node)
            except _MisfitError as misfit:
                raise _MisfitError(f"operator {number} ({node.operator}): {misfit}") from misfit
    except _MisfitError as misfit:
        raise BoardError(f"{name}: {misfit}") from misfit


def check_ends(graph: Graph, name: str, front_end: FrontEnd) -> None:
    """Whether a graph that the board opens takes a front end's features and gives scores.

    Raises:
        BoardError: it does not.
    """
    taken, given = (graph.tensors[ends[0]] for ends in (graph.inputs, graph.outputs))
    # Rows of frames in memory, whatever dimensions of one stand around them.
    frames, channels = front_end.shape
    if _squeezed(taken.shape) not in (_squeezed(front_end.shape), (frames * channels,)):
        raise BoardError(
            f"{name}: its input has the shape {_words(taken.shape)}; front end {front_end.id} gives {frames} frames of "
            f"{channels} channels: use an input of (1, {frames}, {channels}, 1) or (1, {frames * channels})"
        )
    if not given.shape or given.shape[-1] != given.elements or given.elements > LABELS:
        raise BoardError(
            f"{name}: its output has the shape {_words(given.shape)}; it must be (1, classes) with at most {LABELS}"
        )
    if (given.scale, given.zero_point) != (SCORE_SCALE, SCORE_ZERO_POINT):
        raise BoardError(
            f"{name}: its output counts in steps of {given.scale:.6g} from {given.zero_point}, not of 1/256 from -128 "
            "as probabilities do; end the model in a softmax"
        )


def check_memory(graph: Graph, name: str) -> None:
    """Whether each operator's values fit the board's arena; all of it is measured with the model itself.

    Raises:
        BoardError: they do not.
    """
    for number, node in enumerate(graph.nodes):
        at_once = {index for index in (*node.inputs, *node.outputs) if index != -1}
        needs = sum(graph.tensors[index].elements for index in at_once if not graph.tensors[index].constant)
        if node.operator != "RESHAPE" and needs > ARENA_BYTES:
            raise BoardError(
                f"{name}: operator {number} ({node.operator}) works on {needs} bytes at once; the board has "
                f"{ARENA_BYTES}: use fewer channels, or a stride earlier"
            )


def _squeezed(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def _words(shape: Sequence[int]) -> str:
    return f"({', '.join(map(str, shape))})"


def _require(fits: bool, otherwise: str) -> None:
    if not fits:
        raise _MisfitError(otherwise)


# --- the graph


def _known(graph: Graph) -> None:
    missing = list(dict.fromkeys(n.operator for n in graph.nodes if n.custom or n.operator not in _KERNELS))
    if missing:
        remedies = dict.fromkeys(_REMEDIES[name] for name in missing if name in _REMEDIES)
        raise _MisfitError(
            f"the board has no {', '.join(missing)}; it has {', '.join(OPERATORS)}"
            + "".join(f"; {remedy}" for remedy in remedies)
        )
    for node in graph.nodes:
        newest = _KERNELS[node.operator].newest
        _require(
            1 <= node.version <= newest,
            f"it uses version {node.version} of {node.operator}, the board knows up to {newest}; "
            "quantise to int8 with int8 weights, or convert with an older TensorFlow",
        )


def _within_limits(graph: Graph) -> None:
    for what, count, most in (("tensors", len(graph.tensors), TENSORS), ("operators", len(graph.nodes), NODES)):
        _require(count <= most, f"{count} {what}; the board holds {most}: use fewer layers")


def _one_input_and_output(graph: Graph) -> None:
    for what, ends in (("input", graph.inputs), ("output", graph.outputs)):
        _require(len(ends) == 1, f"{len(ends)} {what}s; export the model with one {what}")
        tensor = graph.tensors[ends[0]]
        _require(tensor.kind == INT8, f"its {what} is {tensor.kind}, not INT8; {_QUANTISE}")
        _require(not tensor.constant, f"its {what} is a constant; convert the model again")
        _require(len(tensor.scales) == 1, f"its {what} has {len(tensor.scales)} scales, not one; {_QUANTISE}")


def _tensor(tensor: Tensor) -> None:
    _require(tensor.kind in (INT8, INT32), f"is {tensor.kind}, not INT8 or INT32; {_QUANTISE}")
    _require(tensor.plain, "is sparse or a variable; convert without sparsity and state")
    _require(len(tensor.shape) <= RANK, f"has {len(tensor.shape)} dimensions; the board knows {RANK}: reshape it")
    _require(
        all(1 <= size <= _SIZE for size in tensor.shape) and tensor.elements <= _ELEMENTS,
        f"has the shape {_words(tensor.shape)}; export the model with fixed sizes and a batch of one",
    )
    if tensor.kind != INT8:
        return
    scales, points = tensor.scales, tensor.zero_points
    _require(len(scales) > 0, f"has no scale; {_QUANTISE}")
    _require(
        len(points) in (0, len(scales)) and bool(((points >= -128) & (points <= 127)).all()),
        f"has zero points that do not fit its scales; {_QUANTISE}",
    )
    _require(bool(((scales > 0) & (scales < _LARGEST_SCALE)).all()), f"has a scale that is no size; {_QUANTISE}")
    if len(scales) > 1:
        _require(not points.any(), "has a scale for each channel and zero points; quantise weights symmetrically")
        _require(
            0 <= tensor.dimension < len(tensor.shape) and len(scales) == tensor.shape[tensor.dimension],
            f"has {len(scales)} scales along dimension {tensor.dimension} of {_words(tensor.shape)}; {_QUANTISE}",
        )


def _order(graph: Graph) -> None:
    """Whether each tensor is written once, before it is read."""
    readable = {index for index, tensor in enumerate(graph.tensors) if tensor.constant} | set(graph.inputs)
    again = "convert the model again"
    for number, node in enumerate(graph.nodes):
        where = f"operator {number} ({node.operator})"
        least, most = _KERNELS[node.operator].inputs
        _require(
            least <= len(node.inputs) <= most and -1 not in node.inputs[:least],
            f"{where}: {len(node.inputs)} inputs where the board knows {least} to {most}; {again}",
        )
        for index in node.inputs:
            _require(index == -1 or index in readable, f"{where}: reads what is not computed yet; {again}")
        _require(len(node.outputs) == 1 and node.outputs[0] != -1, f"{where}: not one output; {again}")
        written = node.outputs[0]
        _require(written not in readable, f"{where}: writes what is there already; {again}")
        tensor = graph.tensors[written]
        _require(tensor.kind == INT8 and len(tensor.scales) == 1, f"{where}: its output is not INT8; {_QUANTISE}")
        readable.add(written)
    _require(graph.outputs[0] in readable - set(graph.inputs), f"nothing computes the output; {again}")


# --- operators


def _node(graph: Graph, node: Node) -> None:
    kernel = _KERNELS[node.operator]
    options = type(node.options).__name__.removesuffix("T")
    _require(
        kernel.options in ("", options), f"has the options {options}, not {kernel.options}; convert the model again"
    )
    kernel.check(graph, node)


def _operands(graph: Graph, node: Node) -> tuple[Tensor, ...]:
    return tuple(graph.tensors[index] for index in (*node.inputs, *node.outputs) if index != -1)


def _activation(node: Node) -> None:
    number = node.options.fusedActivationFunction
    _require(
        number in _ACTIVATIONS,
        f"has the fused activation {number}; the board fuses {', '.join(_ACTIVATIONS.values())}",
    )


def _rescalable(real: float) -> None:
    """Whether a quotient of scales can be held as 31 bits and a shift."""
    _require(math.isfinite(real) and real < 2**30 - 0.5, "its scales are too far apart; check the model's weights")


def _per_tensor(tensor: Tensor) -> None:
    _require(tensor.kind == INT8 and len(tensor.scales) == 1, f"its input is not INT8 with one scale; {_QUANTISE}")


def _image(tensor: Tensor) -> None:
    _per_tensor(tensor)
    _require(
        len(tensor.shape) == RANK, f"its input has the shape {_words(tensor.shape)}, not (1, height, width, channels)"
    )


def _unchanged(taken: Tensor, given: Tensor) -> None:
    _require(
        (taken.scale, taken.zero_point) == (given.scale, given.zero_point),
        f"its input and output have different scales or zero points; {_QUANTISE}",
    )


def _weights(graph: Graph, node: Node, channels: int, dimension: int) -> None:
    """Weights as input 1 and an optional bias as input 2, both constant; scales that fit the output's."""
    taken, weights, given = graph.tensors[node.inputs[0]], graph.tensors[node.inputs[1]], graph.tensors[node.outputs[0]]
    _require(weights.kind == INT8 and weights.constant, f"its weights are not constant INT8; {_QUANTISE}")
    _require(not weights.zero_points.any(), "its weights have a zero point; quantise weights symmetrically")
    _require(
        len(weights.scales) == 1 or weights.dimension == dimension,
        f"its weights have scales along dimension {weights.dimension}, not {dimension}; {_QUANTISE}",
    )
    for scale in weights.scales:
        _rescalable(taken.scale * float(scale) / given.scale)
    if len(node.inputs) > 2 and node.inputs[2] != -1:
        bias = graph.tensors[node.inputs[2]]
        _require(bias.kind == INT32 and bias.constant, f"its bias is not constant INT32; {_QUANTISE}")
        _require(bias.elements == channels, f"its bias has {bias.elements} values for {channels} channels")


def _window(taken: Tensor, given: Tensor, options: Any, filters: Sequence[int], dilations: Sequence[int]) -> None:
    """Whether a window over height and width gives the output's size."""
    strides = (options.strideH, options.strideW)
    sizes = (*strides, *filters, *dilations, *taken.shape[1:3])
    _require(all(1 <= size <= _DIMENSION for size in sizes), "its strides, dilation or sizes are out of range")
    _require(options.padding in (_SAME, _VALID), f"has the padding {options.padding}, neither SAME nor VALID")
    expected = []
    for size, extent, stride, dilation in zip(taken.shape[1:3], filters, strides, dilations, strict=True):
        reach = size if options.padding == _SAME else size - (extent - 1) * dilation
        expected.append(-(-reach // stride) if reach >= 1 else 0)
    _require(
        len(given.shape) == RANK
        and given.shape[0] == taken.shape[0]
        and 0 not in expected
        and given.shape[1:3] == tuple(expected),
        f"its output has the shape {_words(given.shape)}, the filter gives {_words(expected)} places",
    )


def _conv(graph: Graph, node: Node) -> None:
    taken, weights, *_ = _operands(graph, node)
    given = graph.tensors[node.outputs[0]]
    _image(taken)
    _require(len(weights.shape) == RANK and len(given.shape) == RANK, "its weights or output have not 4 dimensions")
    channels, height, width, depth = weights.shape
    groups = taken.shape[3] // depth
    _require(
        taken.shape[3] % depth == 0 and given.shape[3] == channels and channels % groups == 0,
        f"its weights {_words(weights.shape)} do not fit {taken.shape[3]} channels in and {given.shape[3]} out",
    )
    _require(height * width * depth <= _LONGEST_DOT, f"a filter of {height * width * depth} weights is too large")
    _weights(graph, node, channels, 0)
    dilations = (node.options.dilationHFactor, node.options.dilationWFactor)
    _window(taken, given, node.options, (height, width), dilations)
    _activation(node)


def _depthwise_conv(graph: Graph, node: Node) -> None:
    taken, weights, *_ = _operands(graph, node)
    given = graph.tensors[node.outputs[0]]
    _image(taken)
    _require(len(weights.shape) == RANK and len(given.shape) == RANK, "its weights or output have not 4 dimensions")
    one, height, width, channels = weights.shape
    _require(
        one == 1 and channels == given.shape[3] and channels % taken.shape[3] == 0,
        f"its weights {_words(weights.shape)} do not fit {taken.shape[3]} channels in and {given.shape[3]} out",
    )
    _require(height * width <= _LONGEST_DOT, f"a filter of {height * width} weights is too large")
    # Some writers leave the option 0: the shapes say it.
    multiplier = channels // taken.shape[3]
    _require(
        node.options.depthMultiplier in (0, multiplier),
        f"has the depth multiplier {node.options.depthMultiplier}, its shapes say {multiplier}",
    )
    _weights(graph, node, channels, 3)
    dilations = (node.options.dilationHFactor, node.options.dilationWFactor)
    _window(taken, given, node.options, (height, width), dilations)
    _activation(node)


def _fully_connected(graph: Graph, node: Node) -> None:
    taken, weights, *_ = _operands(graph, node)
    given = graph.tensors[node.outputs[0]]
    _per_tensor(taken)
    _require(len(weights.shape) == 2 and len(given.shape) >= 1, "its weights have not 2 dimensions")
    _require(node.options.weightsFormat == 0, "its weights are shuffled; convert without that optimisation")
    units, depth = weights.shape
    _require(
        given.shape[-1] == units
        and depth <= _LONGEST_DOT
        and taken.elements % depth == 0
        and taken.elements // depth == given.elements // units,
        f"its weights {_words(weights.shape)} do not fit {_words(taken.shape)} in and {_words(given.shape)} out",
    )
    _weights(graph, node, units, 0)
    _activation(node)


def _pool(graph: Graph, node: Node) -> None:
    taken, given = _operands(graph, node)
    _image(taken)
    _window(taken, given, node.options, (node.options.filterHeight, node.options.filterWidth), (1, 1))
    _require(given.shape[3] == taken.shape[3], "its input and output have different channels")
    _unchanged(taken, given)
    _activation(node)


def _add(graph: Graph, node: Node) -> None:
    one, other, given = _operands(graph, node)
    _per_tensor(one)
    _per_tensor(other)
    try:
        fits = np.broadcast_shapes(one.shape, other.shape) == given.shape
    except ValueError:
        fits = False
    _require(fits, f"{_words(one.shape)} and {_words(other.shape)} do not add up to {_words(given.shape)}")
    twice = 2.0 * max(one.scale, other.scale)
    for real in (one.scale / twice, other.scale / twice, twice / (2**20 * given.scale)):
        _rescalable(real)
    _activation(node)


def _same_size(taken: Tensor, given: Tensor) -> None:
    _require(
        taken.elements == given.elements,
        f"{_words(taken.shape)} in and {_words(given.shape)} out differ in size",
    )


def _relu(graph: Graph, node: Node) -> None:
    taken, given = _operands(graph, node)
    _per_tensor(taken)
    _same_size(taken, given)
    _rescalable(taken.scale / given.scale)


def _relu6(graph: Graph, node: Node) -> None:
    taken, given = _operands(graph, node)
    _per_tensor(taken)
    _same_size(taken, given)
    _unchanged(taken, given)


def _reshape(graph: Graph, node: Node) -> None:
    taken, *shape = _operands(graph, node)[:-1]
    given = graph.tensors[node.outputs[0]]
    _per_tensor(taken)
    _require(all(tensor.kind == INT32 for tensor in shape), "its new shape is not INT32")
    _same_size(taken, given)
    _unchanged(taken, given)


def _softmax(graph: Graph, node: Node) -> None:
    taken, given = _operands(graph, node)
    _per_tensor(taken)
    _require(
        len(taken.shape) >= 1
        and len(taken.shape) == len(given.shape)
        and taken.elements == given.elements
        and taken.shape[-1] == given.shape[-1] <= _LONGEST_SOFTMAX,
        f"{_words(taken.shape)} in and {_words(given.shape)} out do not fit",
    )
    _require(
        (given.scale, given.zero_point) == (SCORE_SCALE, SCORE_ZERO_POINT),
        f"its output has not the scale 1/256 and the zero point -128; {_QUANTISE}",
    )
    beta = float(node.options.beta)
    _require(beta > 0, f"has a beta of {beta}, not above 0")
    # Below this an input's step vanishes in the fixed point of the exponent.
    _require(beta * taken.scale * 2**26 >= 1, "its input's scale is too small; check the model's weights")


def _pad(graph: Graph, node: Node) -> None:
    taken, amounts, given = _operands(graph, node)
    _per_tensor(taken)
    _require(
        amounts.kind == INT32 and amounts.values is not None, "its amounts are not constant; export with fixed sizes"
    )
    pairs = np.zeros((0, 2), np.int64) if amounts.values is None else amounts.values.astype(np.int64).reshape(-1)
    _require(
        pairs.size == 2 * len(taken.shape) and len(given.shape) == len(taken.shape) and not (pairs < 0).any(),
        "its amounts do not fit its input",
    )
    padded = tuple(np.asarray(taken.shape) + pairs.reshape(-1, 2).sum(axis=1))
    _require(padded == given.shape, f"its output has the shape {_words(given.shape)}, not {_words(padded)}")
    _unchanged(taken, given)


def _mean(graph: Graph, node: Node) -> None:
    taken, axes, given = _operands(graph, node)
    _per_tensor(taken)
    _require(axes.kind == INT32 and axes.values is not None, "its axes are not constant; export with fixed sizes")
    rank = len(taken.shape)
    named = [] if axes.values is None else [int(axis) for axis in axes.values.ravel()]
    _require(all(-rank <= axis < rank for axis in named), f"has no such axes as {named} in {_words(taken.shape)}")
    reduced = {axis % rank for axis in named}
    left = [1 if d in reduced else s for d, s in enumerate(taken.shape) if node.options.keepDims or d not in reduced]
    _require(tuple(left) == given.shape, f"its output has the shape {_words(given.shape)}, not {_words(left)}")
    count = math.prod(taken.shape[axis] for axis in reduced)
    _require(count <= _MOST_AVERAGED, f"a mean of {count} values is too long")
    _rescalable(taken.scale / given.scale)


@dataclass(frozen=True)
class _Kernel:
    """An operator of the board.

    Attributes:
        newest: version whose int8 meaning is the board's.
        options: the schema's options table that is read; empty for none.
        inputs: fewest and most.
        check: raises `_MisfitError` for a node that does not fit.
    """

    newest: int
    options: str
    inputs: tuple[int, int]
    check: Callable[[Graph, Node], None]


# As firmware/core/operators.c has them.
_KERNELS: Mapping[str, _Kernel] = {
    "ADD": _Kernel(2, "AddOptions", (2, 2), _add),
    "AVERAGE_POOL_2D": _Kernel(3, "Pool2DOptions", (1, 1), _pool),
    "CONV_2D": _Kernel(6, "Conv2DOptions", (2, 3), _conv),
    "DEPTHWISE_CONV_2D": _Kernel(7, "DepthwiseConv2DOptions", (2, 3), _depthwise_conv),
    "FULLY_CONNECTED": _Kernel(12, "FullyConnectedOptions", (2, 3), _fully_connected),
    "MAX_POOL_2D": _Kernel(3, "Pool2DOptions", (1, 1), _pool),
    "RELU": _Kernel(2, "", (1, 1), _relu),
    "RELU6": _Kernel(2, "", (1, 1), _relu6),
    "RESHAPE": _Kernel(1, "", (1, 2), _reshape),
    "SOFTMAX": _Kernel(3, "SoftmaxOptions", (1, 1), _softmax),
    "PAD": _Kernel(2, "", (2, 2), _pad),
    "MEAN": _Kernel(2, "ReducerOptions", (2, 2), _mean),
}

OPERATORS = tuple(_KERNELS)

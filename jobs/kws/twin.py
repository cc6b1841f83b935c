"""The float twin of an int8 model: the same network in real numbers, with dequantised weights.

It is what the int8 model computes, less the rounding of what lies between its layers. Each layer's output
keeps the range that its int8 tensor can hold, since converters let that range stand in for an activation.
Its figures say what rounding costs; what the original float model could do it cannot know.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kws.graph import Graph, Node, Tensor

# The schema's ActivationFunctionType.
_RELU, _RELU_N1_TO_1, _RELU6 = 1, 2, 3
_PADDINGS = ("SAME", "VALID")
_SCORING_BATCH = 512


class Twin(tf.Module):
    """A graph in real numbers.

    Args:
        graph: that the board runs (`kws.board.check`).
        shape: (frames, channels) of the features.
    """

    def __init__(self, graph: Graph, shape: tuple[int, int]) -> None:
        super().__init__(name="twin")
        self._graph, self._shape = graph, shape
        signature = [tf.TensorSpec((None, *shape, 1), tf.float32, name="features")]
        self._any = tf.function(self._scores, input_signature=signature)

    def scores(self, features: npt.NDArray[np.int8]) -> npt.NDArray[np.float32]:
        """Probabilities, float32 (n, classes), of features, int8 (n, frames, channels)."""
        parts = [
            self._any(tf.constant((features[start : start + _SCORING_BATCH, ..., None].astype(np.float32) + 128) / 128))
            for start in range(0, len(features), _SCORING_BATCH)
        ]
        classes = self._graph.tensors[self._graph.outputs[0]].elements
        return np.concatenate([np.zeros((0, classes), np.float32), *(part["scores"].numpy() for part in parts)])

    def save(self, folder: Path, batch: int | None = None) -> None:
        """Writes a SavedModel from `features` (batch, frames, channels, 1) to `scores` (batch, classes)."""
        spec = tf.TensorSpec((batch, *self._shape, 1), tf.float32, name="features")
        served = tf.function(self._scores, input_signature=[spec])
        tf.saved_model.save(self, str(folder), signatures={"serving_default": served})

    def to_float(self) -> bytes:
        """A float .tflite for one clip at a time."""
        with tempfile.TemporaryDirectory() as folder:
            self.save(Path(folder), batch=1)
            return bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())

    def _scores(self, features: tf.Tensor) -> dict[str, tf.Tensor]:
        """Scores by name, of features (n, frames, channels, 1) scaled to 0 … 2 as all models here take them."""
        graph = self._graph
        taken = graph.tensors[graph.inputs[0]]
        # The feature itself is features · 128 - 128.
        real = features * np.float32(128 * taken.scale) - np.float32((128 + taken.zero_point) * taken.scale)
        values = {graph.inputs[0]: _batched(real, taken.shape)}
        for node in graph.nodes:
            operands = [values[i] if i in values else _constant(graph.tensors[i]) for i in node.inputs[:2] if i != -1]
            values[node.outputs[0]] = _RULES[node.operator](graph, node, operands)
        given = values[graph.outputs[0]]
        return {"scores": _batched(given, (graph.tensors[graph.outputs[0]].elements,))}


def _constant(tensor: Tensor) -> tf.Tensor:
    """Real values of a constant, with a batch of one before its shape; of INT32 the numbers themselves."""
    numbers = np.asarray(tensor.values, np.float32)
    if not len(tensor.scales) or tensor.kind != "INT8":
        return tf.constant(numbers[None])
    return tf.constant(_dequantised(tensor)[None])


def _dequantised(tensor: Tensor) -> npt.NDArray[np.float32]:
    """Real values of a constant INT8 tensor, in its shape."""
    scales = tensor.scales
    if len(scales) > 1:
        scales = scales.reshape([-1 if d == tensor.dimension else 1 for d in range(len(tensor.shape))])
    return np.asarray((np.asarray(tensor.values, np.float32) - tensor.zero_point) * scales, np.float32)


def _batched(value: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    """A value with the batch of clips before a tensor's own shape, which has its own batch, mostly of one."""
    return tf.reshape(value, (-1, *shape))


def _output(graph: Graph, node: Node) -> Tensor:
    return graph.tensors[node.outputs[0]]


def _held(graph: Graph, node: Node, value: tf.Tensor) -> tf.Tensor:
    """A layer's result in its tensor's shape, after the fused activation, within the tensor's range."""
    tensor = _output(graph, node)
    value = _batched(value, tensor.shape)
    low, high = ((limit - tensor.zero_point) * tensor.scale for limit in (-128, 127))
    fused = getattr(node.options, "fusedActivationFunction", 0)
    if fused in (_RELU, _RELU6):
        low = max(low, 0.0)
    elif fused == _RELU_N1_TO_1:
        low, high = max(low, -1.0), min(high, 1.0)
    if fused == _RELU6:
        high = min(high, 6.0)
    # The lower bound first, as its own operator: converters know it by the name of RELU.
    value = tf.nn.relu(value) if low == 0 else tf.maximum(value, np.float32(low))
    return tf.minimum(value, np.float32(high))


def _bias(graph: Graph, node: Node) -> npt.NDArray[np.float32]:
    """Real values of the bias; its scale is the product of the input's and the weights'."""
    taken, weights = graph.tensors[node.inputs[0]], graph.tensors[node.inputs[1]]
    if len(node.inputs) < 3 or node.inputs[2] == -1:
        return np.zeros(1, np.float32)
    numbers = np.asarray(graph.tensors[node.inputs[2]].values, np.float64).ravel()
    return np.asarray(numbers * (np.float64(taken.scale) * weights.scales), np.float32)


def _padded(
    image: tf.Tensor, filters: tuple[int, int], strides: tuple[int, int], dilations: tuple[int, int]
) -> tf.Tensor:
    """An image (n, height, width, channels) with the zeros that SAME asks for."""
    amounts = []
    for size, extent, stride, dilation in zip(image.shape[1:3], filters, strides, dilations, strict=True):
        missing = max(0, (-(-size // stride) - 1) * stride + (extent - 1) * dilation + 1 - size)
        amounts.append((missing // 2, missing - missing // 2))
    return tf.pad(image, [(0, 0), *amounts, (0, 0)])


def _image(graph: Graph, node: Node, value: tf.Tensor) -> tf.Tensor:
    """An operand as (n, height, width, channels)."""
    return _batched(value, graph.tensors[node.inputs[0]].shape[1:])


def _conv(graph: Graph, node: Node, operands: list[tf.Tensor]) -> tf.Tensor:
    filters = _dequantised(graph.tensors[node.inputs[1]]).transpose(1, 2, 3, 0)
    return _windowed(graph, node, operands[0], filters)


def _depthwise_conv(graph: Graph, node: Node, operands: list[tf.Tensor]) -> tf.Tensor:
    taken, weights = graph.tensors[node.inputs[0]], graph.tensors[node.inputs[1]]
    _, height, width, channels = weights.shape
    depth = taken.shape[3]
    filters = _dequantised(weights).reshape(height, width, depth, channels // depth)
    return _windowed(graph, node, operands[0], filters, depthwise=True)


def _windowed(
    graph: Graph, node: Node, value: tf.Tensor, filters: npt.NDArray[np.float32], depthwise: bool = False
) -> tf.Tensor:
    """A convolution by filters (height, width, in, out), or (height, width, in, multiplier) for each channel."""
    options = node.options
    strides, dilations = (options.strideH, options.strideW), (options.dilationHFactor, options.dilationWFactor)
    image, stride, padding = _image(graph, node, value), strides[0], _PADDINGS[options.padding]
    # TensorFlow strides alike in both directions, and not where it dilates: then places are left out afterwards.
    together = strides[0] == strides[1] and dilations == (1, 1)
    if not together:
        if padding == "SAME":
            image = _padded(image, filters.shape[:2], strides, dilations)
        stride, padding = 1, "VALID"
    groups = 1 if depthwise else image.shape[3] // filters.shape[2]
    if depthwise:
        answer = tf.nn.depthwise_conv2d(image, filters, (1, stride, stride, 1), padding, dilations=dilations)
    elif groups == 1:
        answer = tf.nn.conv2d(image, filters, stride, padding, dilations=dilations)
    else:
        parts = zip(tf.split(image, groups, axis=3), np.split(filters, groups, axis=3), strict=True)
        answer = tf.concat([tf.nn.conv2d(x, f, stride, padding, dilations=dilations) for x, f in parts], axis=3)
    if not together:
        answer = answer[:, :: strides[0], :: strides[1]]
    return _held(graph, node, answer + _bias(graph, node))


def _fully_connected(graph: Graph, node: Node, operands: list[tf.Tensor]) -> tf.Tensor:
    weights = _dequantised(graph.tensors[node.inputs[1]])
    rows = tf.reshape(operands[0], (-1, weights.shape[1]))
    return _held(graph, node, tf.matmul(rows, weights.T) + _bias(graph, node))


def _pool(kind: Callable[..., tf.Tensor]) -> Callable[[Graph, Node, list[tf.Tensor]], tf.Tensor]:
    def apply(graph: Graph, node: Node, operands: list[tf.Tensor]) -> tf.Tensor:
        options = node.options
        window, strides = (options.filterHeight, options.filterWidth), (options.strideH, options.strideW)
        return _held(graph, node, kind(_image(graph, node, operands[0]), window, strides, _PADDINGS[options.padding]))

    return apply


def _add(graph: Graph, node: Node, operands: list[tf.Tensor]) -> tf.Tensor:
    rank = len(_output(graph, node).shape)
    one, other = (
        _batched(value, (*[1] * (rank - len(graph.tensors[i].shape)), *graph.tensors[i].shape))
        for value, i in zip(operands, node.inputs, strict=True)
    )
    return _held(graph, node, one + other)


def _relu(graph: Graph, node: Node, operands: list[tf.Tensor]) -> tf.Tensor:
    return _held(graph, node, tf.nn.relu(operands[0]))


def _relu6(graph: Graph, node: Node, operands: list[tf.Tensor]) -> tf.Tensor:
    return _held(graph, node, tf.nn.relu6(operands[0]))


def _reshape(graph: Graph, node: Node, operands: list[tf.Tensor]) -> tf.Tensor:
    return _batched(operands[0], _output(graph, node).shape)


def _softmax(graph: Graph, node: Node, operands: list[tf.Tensor]) -> tf.Tensor:  # noqa: ARG001 - as all of the table
    return tf.nn.softmax(operands[0] * np.float32(node.options.beta))


def _pad(graph: Graph, node: Node, operands: list[tf.Tensor]) -> tf.Tensor:
    amounts = np.asarray(graph.tensors[node.inputs[1]].values).reshape(-1, 2)
    return tf.pad(operands[0], [(0, 0), *map(tuple, amounts)])


def _mean(graph: Graph, node: Node, operands: list[tf.Tensor]) -> tf.Tensor:
    taken = graph.tensors[node.inputs[0]]
    axes = {int(axis) % len(taken.shape) + 1 for axis in np.asarray(graph.tensors[node.inputs[1]].values).ravel()}
    return _held(graph, node, tf.reduce_mean(operands[0], sorted(axes)))


_RULES: dict[str, Callable[[Graph, Node, list[tf.Tensor]], tf.Tensor]] = {
    "ADD": _add,
    "AVERAGE_POOL_2D": _pool(tf.nn.avg_pool2d),
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise_conv,
    "FULLY_CONNECTED": _fully_connected,
    "MAX_POOL_2D": _pool(tf.nn.max_pool2d),
    "RELU": _relu,
    "RELU6": _relu6,
    "RESHAPE": _reshape,
    "SOFTMAX": _softmax,
    "PAD": _pad,
    "MEAN": _mean,
}

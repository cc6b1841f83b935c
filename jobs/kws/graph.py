"""A .tflite file as a plain graph of tensors and nodes, every index of it followed once.

What the file says is not judged here beyond being readable: `kws.board` knows what a board runs.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from kws import flatbuffer
from kws.flatbuffer import ModelFileError

INT8, INT32 = "INT8", "INT32"

_WIDTHS: Mapping[str, type] = {INT8: np.int8, INT32: np.int32}
_SCHEMA_VERSION = 3
# A writer of new files puts this into the narrow field of an operator code.
_PLACEHOLDER = 127


@dataclass(frozen=True)
class Tensor:
    """A tensor of the graph.

    Attributes:
        name: its name, for errors.
        shape: as the file has it; a dimension may be zero or negative in a bad file.
        kind: its element type by the schema's name, such as `INT8`.
        scales: float32 (1,) or (channels,), empty for a tensor without quantisation.
        zero_points: int64, as many as scales, or none for zeros.
        dimension: along which `scales` count.
        values: of a constant INT8 or INT32 tensor, in its shape; None for what is computed, or has another type.
        constant: whether the file holds its content.
        plain: neither sparse nor a variable.
    """

    name: str
    shape: tuple[int, ...]
    kind: str
    scales: npt.NDArray[np.float32]
    zero_points: npt.NDArray[np.int64]
    dimension: int
    values: npt.NDArray[Any] | None
    constant: bool
    plain: bool

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def scale(self) -> float:
        """The first scale."""
        return float(self.scales[0])

    @property
    def zero_point(self) -> int:
        """The zero point, which is one for the whole tensor."""
        return int(self.zero_points[0]) if len(self.zero_points) else 0


@dataclass(frozen=True)
class Node:
    """An operator at its place in the graph.

    Attributes:
        operator: its name in the schema; a custom one's own name.
        custom: whether the operator is none of the schema's.
        version: of the operator.
        inputs: indices of tensors, -1 for an absent one.
        outputs: indices of tensors.
        options: the schema's options table, or None.
    """

    operator: str
    custom: bool
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any


@dataclass(frozen=True)
class Graph:
    """The only subgraph of a model.

    Attributes:
        tensors: all of them.
        nodes: in the order in which they run.
        inputs: indices of tensors.
        outputs: indices of tensors.
    """

    tensors: Sequence[Tensor]
    nodes: Sequence[Node]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read(content: bytes, name: str) -> Graph:
    """The graph of a model.

    Args:
        content: the .tflite file.
        name: what to call it in errors.

    Raises:
        ModelFileError: not a .tflite, damaged, of another schema version, or of several subgraphs.
    """
    tree = flatbuffer.parse(content, name)
    if tree.version != _SCHEMA_VERSION:
        raise ModelFileError(
            f"{name}: its schema version is {tree.version}, not {_SCHEMA_VERSION}; convert it with a current TensorFlow"
        )
    if len(tree.subgraphs) != 1:
        raise ModelFileError(f"{name}: it has {len(tree.subgraphs)} subgraphs; convert it without control flow")
    found = tree.subgraphs[0]
    try:
        tensors = [_tensor(tensor, tree.buffers) for tensor in _list(found.tensors)]
        nodes = [_node(operator, tree.operatorCodes) for operator in _list(found.operators)]
        inputs, outputs = _indices(found.inputs), _indices(found.outputs)
        used = [index for node in nodes for index in (*node.inputs, *node.outputs) if index != -1]
        _hold((*used, *inputs, *outputs), len(tensors))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{name}: damaged .tflite file ({error}); fetch it again") from error
    return Graph(tensors, nodes, inputs, outputs)


def _hold(indices: Sequence[int], tensors: int) -> None:
    if any(not 0 <= index < tensors for index in indices):
        raise IndexError("an index of a tensor that is not there")


def _list(value: Any) -> list[Any]:
    return [] if value is None else list(value)


def _indices(value: Any) -> tuple[int, ...]:
    return tuple(int(index) for index in _list(value))


def _names(enumeration: type) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if not name.startswith("_")}


_KINDS, _OPERATORS = _names(schema.TensorType), _names(schema.BuiltinOperator)


def _text(value: Any) -> str:
    return value.decode("ascii", errors="replace") if isinstance(value, bytes) else str(value or "")


def _tensor(tensor: Any, buffers: Sequence[Any]) -> Tensor:
    buffer = buffers[tensor.buffer]
    if buffer.offset > 1:
        raise ValueError("a buffer behind the end of the flatbuffer")
    # Buffer 0 is empty by the schema's rule: it stands for tensors that are computed.
    data = None if tensor.buffer == 0 or buffer.data is None or not len(buffer.data) else bytes(buffer.data)
    kind = _KINDS.get(tensor.type, f"type {tensor.type}")
    shape = _indices(tensor.shape)
    scaling = tensor.quantization
    return Tensor(
        name=_text(tensor.name),
        shape=shape,
        kind=kind,
        scales=np.asarray(_list(scaling and scaling.scale), np.float32),
        zero_points=np.asarray(_list(scaling and scaling.zeroPoint), np.int64),
        dimension=int(scaling.quantizedDimension) if scaling else 0,
        values=np.frombuffer(data, _WIDTHS[kind]).reshape(shape) if data is not None and kind in _WIDTHS else None,
        constant=data is not None,
        plain=tensor.sparsity is None and not tensor.isVariable,
    )


def _node(operator: Any, codes: Sequence[Any]) -> Node:
    code = codes[operator.opcodeIndex]
    number = code.builtinCode
    if code.deprecatedBuiltinCode != _PLACEHOLDER:
        number = max(number, code.deprecatedBuiltinCode)
    custom = code.customCode is not None
    return Node(
        operator=_text(code.customCode) if custom else _OPERATORS.get(number, f"operator {number}"),
        custom=custom,
        version=int(code.version),
        inputs=_indices(operator.inputs),
        outputs=_indices(operator.outputs),
        options=operator.builtinOptions,
    )


def parameters(graph: Graph) -> int:
    """Weights, biases and other constants that are added; each counted once, however often it is used."""
    constants = {
        index
        for node in graph.nodes
        if node.operator in ("ADD", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
        for index in node.inputs
        if index >= 0 and graph.tensors[index].constant
    }
    return sum(graph.tensors[index].elements for index in constants)

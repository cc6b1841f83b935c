"""A .tflite file as an object tree, and its model card (metadata buffer `earshot`).

The card is what a model says of itself: front end, labels, recogniser. It lies inside the file, so that
nobody can pair a model with another's labels.
"""

import json
from typing import Any

import flatbuffers
import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from kws.features import canonical_json

METADATA_NAME = "earshot"
CARD_SCHEMA = "earshot.model/1"

_FILE_IDENTIFIER = b"TFL3"
# What TFLM and the board's reader expect of weights read in place.
_BUFFER_ALIGNMENT = 16


class ModelFileError(ValueError):
    """A file that is no usable .tflite; the message says why."""


class _AligningBuilder(flatbuffers.Builder):
    """Aligns vectors of bytes as the schema asks of buffers (force_align), which the generated code omits."""

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> int:  # noqa: N802, N803
        if elemSize == 1:
            alignment = max(alignment, _BUFFER_ALIGNMENT)
        return int(super().StartVector(elemSize, numElems, alignment))


def parse(model: bytes, name: str) -> Any:
    """The object tree of a model (schema `ModelT`).

    Raises:
        ModelFileError: not a .tflite, cut off, or damaged.
    """
    if len(model) < 8 or model[4:8] != _FILE_IDENTIFIER:
        raise ModelFileError(f"{name}: not a .tflite file; give a TensorFlow Lite model")
    try:
        tree = schema.ModelT.InitFromPackedBuf(model, 0)
    except Exception as error:  # The generated reader fails in any way on offsets that lead nowhere.
        raise ModelFileError(f"{name}: damaged .tflite file ({type(error).__name__}); fetch it again") from error
    if not tree.subgraphs or not tree.buffers or not tree.operatorCodes:
        raise ModelFileError(f"{name}: a .tflite file without a graph; convert the model again")
    return tree


def card_of(model: bytes, name: str) -> dict[str, Any] | None:
    """The model card, or None for a model that carries none.

    Raises:
        ModelFileError: the file or its card is damaged.
    """
    tree = parse(model, name)
    for entry in tree.metadata or []:
        if entry.name != METADATA_NAME.encode():
            continue
        try:
            card = json.loads(bytes(tree.buffers[entry.buffer].data))
        except (IndexError, RecursionError, TypeError, ValueError) as error:
            raise ModelFileError(f"{name}: its model card is damaged ({error}); make the model again") from error
        labels = card.get("labels") if isinstance(card, dict) else None
        if (
            not isinstance(labels, list)
            or card.get("schema") != CARD_SCHEMA
            or not all(isinstance(label, str) for label in labels)
            or not isinstance(card.get("frontend"), str)
        ):
            raise ModelFileError(f"{name}: its model card is not of {CARD_SCHEMA}; make the model again")
        return dict(card)
    return None


def with_card(model: bytes, card: dict[str, Any]) -> bytes:
    """The model with a card, in place of one that it may have; the same input gives the same bytes."""
    tree = parse(model, "model")
    _remove_card(tree)
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(canonical_json(card).encode("ascii"), np.uint8)
    tree.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name, entry.buffer = METADATA_NAME, len(tree.buffers) - 1
    tree.metadata = [*(tree.metadata or []), entry]
    return _pack(tree, len(model) + 4096)


def without_card(model: bytes) -> bytes:
    """The model without the card that it may have; a file that has none stays as it is."""
    tree = parse(model, "model")
    return _pack(tree, len(model)) if _remove_card(tree) else model


def _remove_card(tree: Any) -> bool:
    """Takes cards and their buffers out of a tree; whether there was one."""
    entries = tree.metadata or []
    cards = [entry.buffer for entry in entries if entry.name == METADATA_NAME.encode()]
    tree.metadata = [entry for entry in entries if entry.name != METADATA_NAME.encode()]
    used = {tensor.buffer for graph in tree.subgraphs for tensor in graph.tensors or []}
    used |= {entry.buffer for entry in tree.metadata}
    for index in sorted({index for index in cards if 0 < index < len(tree.buffers)} - used, reverse=True):
        # An index must stay what it is: only the last buffer can go, another is emptied.
        if index == len(tree.buffers) - 1:
            tree.buffers.pop()
        else:
            tree.buffers[index].data = None
    return bool(cards)


def _pack(tree: Any, size: int) -> bytes:
    builder = _AligningBuilder(size)
    builder.Finish(tree.Pack(builder), _FILE_IDENTIFIER)
    return bytes(builder.Output())


def operators(model: bytes) -> list[str]:
    """Names of the operators that the graph uses, in the order of their first use."""
    tree = parse(model, "model")
    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    used = [tree.operatorCodes[operator.opcodeIndex] for graph in tree.subgraphs for operator in graph.operators or []]
    # Codes from 127 on stand in the wide field only, older ones may stand in the narrow one only.
    return list(dict.fromkeys(names[max(code.builtinCode, code.deprecatedBuiltinCode)] for code in used))

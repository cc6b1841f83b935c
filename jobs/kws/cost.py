"""What a model costs on the board: flash, arena, multiplications, and an estimate of instructions.

Multiplications are counted in the .tflite itself, so that a model made anywhere is counted alike.
Instructions an inference are estimated by the kind of layer, with what an emulated Cortex-M4 retires in
TensorFlow Lite Micro with CMSIS-NN kernels: a ceiling that kernels for this board are held against.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from kws import graph, tflm

# Instructions a multiplication (gcc -O2, QEMU mps2-an386) by kind of layer.
_DENSE, _POINTWISE, _CONVOLUTION = 1.9, 2.06, 2.5
# With one input channel, each value of a window is gathered alone, once for all filters.
_ONE_CHANNEL, _GATHERED = 2.25, 41.0
_ONE_CHANNEL_DEPTHWISE = 4.6
# A depthwise convolution finds nothing to multiply in pairs; for 3 x 3 there is a kernel of its own.
_DEPTHWISE_3X3, _DEPTHWISE = 8.0, 20.0
# Instructions an output of what multiplies little: sums, means, rectifiers.
_ELEMENT = 20.0


class OverBudgetError(ValueError):
    """A model that needs more than the board has; the message says what and how much."""


@dataclass(frozen=True)
class Layer:
    """An operator of a model.

    Attributes:
        operator: its name.
        macs: multiplications of weights and values.
        instructions: estimated for an inference.
    """

    operator: str
    macs: int
    instructions: int


@dataclass(frozen=True)
class Budget:
    """What a board spares for a model; None is no limit.

    Attributes:
        flash: bytes of the int8 model.
        arena: bytes of working memory.
        instructions: an inference.
    """

    flash: int | None = None
    arena: int | None = None
    instructions: int | None = None

    @classmethod
    def of(cls, text: str) -> "Budget":
        """Reads `flash=131072,arena=65536,instructions=4000000`, any of them, in any order.

        Raises:
            ValueError: an unknown name, one that stands twice, or no positive whole number.
        """
        limits: dict[str, int] = {}
        for part in (part.strip() for part in text.split(",") if part.strip()):
            name, _, value = (piece.strip() for piece in part.partition("="))
            if name not in cls.__dataclass_fields__ or name in limits or not value.isdecimal() or not int(value):
                raise ValueError(f"budget {part!r}: write flash=BYTES, arena=BYTES, instructions=COUNT, each once")
            limits[name] = int(value)
        return cls(**limits)

    def limits(self) -> dict[str, int]:
        """The limits that there are, by name."""
        return {name: limit for name, limit in vars(self).items() if limit is not None}

    def hold(self, cost: dict[str, int], name: str) -> None:
        """Refuses what costs more.

        Raises:
            OverBudgetError: naming every limit that is missed, and by how much.
        """
        units = {"flash": "bytes", "arena": "bytes", "instructions": ""}
        missed = []
        for limit, unit in units.items():
            most, needs = getattr(self, limit), cost[f"{limit}_{unit}" if unit else limit]
            if most is not None and needs > most:
                missed.append(f"{limit} {needs:,} of {most:,}{' ' if unit else ''}{unit} (+{needs - most:,})")
        if missed:
            raise OverBudgetError(
                f"{name} does not fit the board: {'; '.join(missed)}; choose a smaller architecture or raise the budget"
            )


def of(model: bytes) -> dict[str, int]:
    """Flash, arena and instructions of an int8 .tflite, as bundle.json has them.

    Raises:
        flatbuffer.ModelFileError: TFLM cannot run it.
    """
    return {
        "flash_bytes": len(model),
        "arena_bytes": tflm.Model(model, "model").arena_bytes(),
        "instructions": sum(layer.instructions for layer in layers(model)),
    }


def macs(model: bytes) -> int:
    """Multiplications of an inference."""
    return sum(layer.macs for layer in layers(model))


def layers(model: bytes) -> Iterator[Layer]:
    """The model's operators, in order.

    Raises:
        flatbuffer.ModelFileError: the file cannot be read.
    """
    described = graph.read(model, "model")
    for node in described.nodes:
        values = described.tensors[node.outputs[0]].elements
        if node.operator not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            yield Layer(node.operator, 0, 0 if node.operator == "RESHAPE" else round(values * _ELEMENT))
            continue
        weights, channels = described.tensors[node.inputs[1]], described.tensors[node.inputs[0]].shape[-1]
        # A dense layer's weights are (outputs, inputs), a convolution's (filters, rows, columns, channels), a
        # depthwise one's (1, rows, columns, filters).
        filters = weights.shape[-1 if node.operator == "DEPTHWISE_CONV_2D" else 0]
        multiplied = values * weights.elements // filters
        each = _instructions_a_mac(node.operator, weights.shape, channels)
        yield Layer(node.operator, multiplied, round(multiplied * each))


def _instructions_a_mac(operator: str, weights: tuple[int, ...], channels: int) -> float:
    window = tuple(weights[1:3])
    if operator == "FULLY_CONNECTED":
        return _DENSE
    if operator == "DEPTHWISE_CONV_2D":
        if channels == 1:
            return _ONE_CHANNEL_DEPTHWISE
        return _DEPTHWISE_3X3 if window == (3, 3) else _DEPTHWISE
    if channels == 1:
        return _ONE_CHANNEL + _GATHERED / weights[0]
    return _POINTWISE if window == (1, 1) else _CONVOLUTION

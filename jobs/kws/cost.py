"""What a model costs on the board: flash, arena, multiplications, and an estimate of instructions.

Multiplications are counted in the .tflite itself, so that a model made anywhere is counted alike.
Instructions an inference are estimated by the kind of layer from counts of the board's own kernels
(`earshot board count`, which needs the emulated board that a training job does not have).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kws import graph, tflm

# Instructions on a Cortex-M4 (gcc 12.2 -O2), fitted to the layers of the registry's models and two more.
# A convolution: each product; each value of a window as it is gathered, for all filters; each filter's set-up.
_PRODUCT, _GATHERED, _FILTER = 1.03, 1.0, 200.0
# With one input channel windows are short rows, and few filters share what is gathered.
_SHORT_ROW_PRODUCT, _SHORT_ROW_GATHERED, _SHORT_ROW_OUTPUT = 0.85, 4.0, 14.0
_DEPTHWISE_PRODUCT, _DEPTHWISE_FILTER = 3.0, 120.0
_DENSE_PRODUCT, _DENSE_OUTPUT = 2.0, 105.0
# A sum of two values; the exponentials of one class; values that are averaged or compared; others that are copied.
_SUM, _EXPONENTIAL, _POOLED, _COPIED = 19.5, 390.0, 5.5, 4.0


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
        tensors = [described.tensors[index] for index in node.inputs if index >= 0]
        yield _layer(node.operator, tensors, described.tensors[node.outputs[0]])


def _layer(operator: str, inputs: Sequence[graph.Tensor], output: graph.Tensor) -> Layer:
    values = output.elements
    if operator not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
        each = {"ADD": _SUM, "SOFTMAX": _EXPONENTIAL, "RESHAPE": 0.0, "PAD": _COPIED}
        pooled = inputs[0].elements * _POOLED
        return Layer(operator, 0, round(values * each[operator] if operator in each else pooled))
    # A dense layer's weights are (outputs, inputs), a convolution's (filters, rows, columns, channels), a
    # depthwise one's (1, rows, columns, filters).
    weights, channels = inputs[1], inputs[0].shape[-1]
    filters = weights.shape[-1 if operator == "DEPTHWISE_CONV_2D" else 0]
    macs = values * weights.elements // filters
    gathered = macs // filters
    if operator == "FULLY_CONNECTED":
        instructions = macs * _DENSE_PRODUCT + values * _DENSE_OUTPUT
    elif channels == 1:
        instructions = macs * _SHORT_ROW_PRODUCT + gathered * _SHORT_ROW_GATHERED + values * _SHORT_ROW_OUTPUT
    elif operator == "DEPTHWISE_CONV_2D":
        instructions = macs * _DEPTHWISE_PRODUCT + filters * _DEPTHWISE_FILTER
    else:
        instructions = macs * _PRODUCT + gathered * _GATHERED + filters * _FILTER
    return Layer(operator, macs, round(instructions))

"""A model that somebody brought along: `model.tflite` and `import.json` to a candidate, or a sentence on why not.

Nobody vouches for the file. It is read in Python and held against the board's rules, then run once in a
process of its own, and only then is anything built from it.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kws import board, cost, flatbuffer, graph, labels, tflm
from kws.candidate import Candidate
from kws.features import FrontEnd
from kws.labels import SILENCE, UNKNOWN

SCHEMA = "earshot.import/1"
# What a bundle says in place of an architecture's name.
ARCHITECTURE = "imported"
DESCRIPTION, MODEL = "import.json", "model.tflite"

_LONGEST_TEXT = 200


class ImportedModelError(ValueError):
    """A model that cannot be taken as it is described; the message names what contradicts what."""


@dataclass(frozen=True)
class Description:
    """What import.json says of a model.

    Attributes:
        name: of the file that was brought, for errors and reports.
        labels: what the model's outputs mean, in their order.
        front_end: id or name.
        sha256: of the file, 64 hex digits.
    """

    name: str
    labels: tuple[str, ...]
    front_end: str
    sha256: str


@dataclass(frozen=True)
class Imported:
    """A model that was brought along, ready to be judged.

    Attributes:
        name: of the file that was brought.
        labels: in the order of the model's outputs.
        candidate: the model in all its forms.
    """

    name: str
    labels: tuple[str, ...]
    candidate: Candidate


def load(folder: Path, keywords: Sequence[str], front_end: FrontEnd) -> Imported:
    """Takes a model.

    Args:
        folder: with import.json and model.tflite.
        keywords: that the run wants recognised.
        front_end: of the run's features.

    Raises:
        ImportedModelError: the folder is not complete, or the description contradicts the file or the run.
        flatbuffer.ModelFileError: no .tflite, or a damaged one.
        board.BoardError: the board cannot run it.
        labels.LabelError: a label that is none.
    """
    description = describe(_read(folder / DESCRIPTION), DESCRIPTION)
    content = _read(folder / MODEL)
    found = hashlib.sha256(content).hexdigest()
    if found != description.sha256:
        raise ImportedModelError(
            f"{description.name}: its sha256 is {found[:16]}…, import.json says {description.sha256[:16]}…; "
            "import it again"
        )
    check_labels(description, keywords, front_end)
    return Imported(description.name, description.labels, candidate(content, description, front_end))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImportedModelError(
            f"{path.name}: cannot be read from the imported channel ({error.strerror}); import the model again"
        ) from error


def describe(text: bytes, name: str) -> Description:
    """Reads import.json.

    Args:
        text: its content.
        name: what to call it in errors.

    Raises:
        ImportedModelError: not JSON, or a field is missing or of another kind.
    """
    again = "import the model again with `earshot models import`"
    try:
        fields: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ImportedModelError(f"{name}: not JSON ({type(error).__name__}); {again}") from error
    if not isinstance(fields, dict) or fields.get("schema") != SCHEMA:
        raise ImportedModelError(f"{name}: not of schema {SCHEMA}; {again}")
    for field in ("name", "frontend", "sha256"):
        if not isinstance(fields.get(field), str) or not fields[field]:
            raise ImportedModelError(f"{name}: the text {field!r} is missing; {again}")
    named = fields.get("labels")
    if not isinstance(named, list) or not named or not all(isinstance(label, str) for label in named):
        raise ImportedModelError(f"{name}: 'labels' is no list of names; {again}")
    return Description(_shown(fields["name"]), tuple(named), _shown(fields["frontend"]), _shown(fields["sha256"]))


def _shown(text: str) -> str:
    """Foreign text, fit for a sentence on one line."""
    return ascii(text)[1:-1][:_LONGEST_TEXT]


def check_labels(description: Description, keywords: Sequence[str], front_end: FrontEnd) -> None:
    """Holds a description against the run.

    Raises:
        ImportedModelError: another front end, a label twice, or a class that the run needs is not there.
        labels.LabelError: a label that is none.
        board.BoardError: more labels than a model card holds.
    """
    name, named = description.name, description.labels
    labels.model_labels([label for label in dict.fromkeys(named) if label not in (UNKNOWN, SILENCE)])
    if description.front_end not in (front_end.id, front_end.name):
        raise ImportedModelError(
            f"{name}: made for front end {description.front_end}, this run's features are of {front_end.id}; "
            "bring a model of that front end, or deploy with the other one"
        )
    repeated = sorted({label for label in named if named.count(label) > 1})
    if repeated:
        raise ImportedModelError(f"{name}: label {repeated[0]!r} is named twice; name one label an output")
    missing = [label for label in (*keywords, UNKNOWN, SILENCE) if label not in named]
    if missing:
        raise ImportedModelError(
            f"{name}: its labels {', '.join(named)} lack {', '.join(missing)}; bring a model that has an output for "
            "each keyword of the stack, for unknown and for silence"
        )
    board.check_labels(named, front_end)


def candidate(content: bytes, description: Description, front_end: FrontEnd) -> Candidate:
    """All forms of a model.

    Args:
        content: the .tflite file.
        description: what import.json says of it.
        front_end: of the run's features.

    Raises:
        ImportedModelError: its labels are not as many as its outputs, its own card says otherwise, or it
            computes no numbers.
        flatbuffer.ModelFileError: no .tflite, a damaged one, or one that TFLM refuses.
        board.BoardError: the board cannot run it.
    """
    name = description.name
    network = board.check(content, name, front_end)
    outputs = network.tensors[network.outputs[0]].elements
    if outputs != len(description.labels):
        raise ImportedModelError(
            f"{name}: it has {outputs} outputs and {len(description.labels)} labels ({', '.join(description.labels)}); "
            "name one label an output, in their order"
        )
    check_card(flatbuffer.card_of(content, name), description, front_end)
    plain = flatbuffer.without_card(content)
    tflm.try_out(plain, name)
    tflm.Model(plain, name)
    # Only now, since TensorFlow takes seconds to load.
    from kws.twin import Twin

    twin = Twin(network, front_end.shape)
    # A row over the whole range, and its reverse.
    ruler = np.resize(np.arange(-128, 128).astype(np.int8), front_end.shape)
    if not np.isfinite(twin.scores(np.stack([ruler, ruler[::-1]]))).all():
        raise ImportedModelError(
            f"{name}: in real numbers it gives no scores; its scales are damaged, convert it again"
        )
    return Candidate(
        int8=plain,
        full=twin.to_float(),
        scores=twin.scores,
        save=twin.save,
        parameters=graph.parameters(network),
        macs=cost.macs(plain),
        weights=(),
    )


def check_card(card: dict[str, Any] | None, description: Description, front_end: FrontEnd) -> None:
    """Holds the card that a file brings along against its description.

    Raises:
        ImportedModelError: they differ in the labels or the front end.
    """
    if card is None:
        return
    if tuple(card["labels"]) != description.labels:
        inside = _shown(",".join(card["labels"]))
        raise ImportedModelError(
            f"{description.name}: the model card inside says the labels {inside}, import.json says "
            f"{','.join(description.labels)}; import it with --labels {inside}"
        )
    if card["frontend"] != front_end.id:
        raise ImportedModelError(
            f"{description.name}: the model card inside says front end {_shown(card['frontend'])}, import.json says "
            f"{description.front_end} ({front_end.id}); bring a model of the run's front end"
        )

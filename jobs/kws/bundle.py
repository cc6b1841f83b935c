"""The model bundle: a model in all forms, judged, with what serves it (`earshot.bundle/1`)."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kws import champion, evaluation, flatbuffer, hearing, parallel, report, tflm
from kws.candidate import Candidate
from kws.dataset import Clip
from kws.evaluation import Judged
from kws.features import FrontEnd
from kws.recognise import Settings
from kws.training_set import TrainingSet, spread

if TYPE_CHECKING:  # TensorFlow, which a model brought along needs as little as this file does.
    from kws.training import Epoch

SCHEMA = "earshot.bundle/1"
GOLDEN_ROWS = 8


@dataclass(frozen=True)
class Origin:
    """Where a model comes from.

    Attributes:
        architecture: its name in the registry.
        labels: its classes.
        front_end: of its features.
        dataset: manifest URI, sha256 and counts, as bundle.json has them.
        code_version: of the jobs' sources.
        seed: of everything random.
        epochs: that it was trained for; 0 of a model brought along.
        imported: whether it was brought along.
        warm_start: URI of the bundle whose weights it began with, "" for none.
        cost: on the board, as bundle.json has it.
        budget: what the board has of `flash`, `arena` and `instructions`, for the report.
    """

    architecture: str
    labels: tuple[str, ...]
    front_end: FrontEnd
    dataset: dict[str, Any]
    code_version: str
    seed: int
    epochs: int
    imported: bool = False
    warm_start: str = ""
    cost: Mapping[str, int] = field(default_factory=dict)
    budget: Mapping[str, int] = field(default_factory=dict)


def card(origin: Origin, settings: Settings) -> dict[str, Any]:
    """The model card that lies inside the .tflite."""
    return {
        "schema": flatbuffer.CARD_SCHEMA,
        "frontend": origin.front_end.id,
        "labels": list(origin.labels),
        "recogniser": settings.as_dict(),
    }


def write(
    folder: Path,
    candidate: Candidate,
    data: TrainingSet,
    clips: Sequence[Clip],
    origin: Origin,
    history: Sequence["Epoch"],
    sources: Path,
    audio: Path | None,
    rival: champion.Champion | None,
    log: Callable[[str], None],
) -> dict[str, Any]:
    """Judges a model and writes its bundle; the same inputs give the same bytes, but for seconds in `history`.

    Args:
        folder: to write to.
        candidate: the model.
        data: what it is judged on.
        clips: of the dataset.
        origin: where it comes from.
        history: of its training; empty where there was none.
        sources: folder of the jobs' sources, from which the serving code is taken.
        audio: folder of the recordings for streaming evaluation; without it there is none.
        rival: the model released last, if there is one.
        log: gets lines of progress.

    Returns:
        The content of bundle.json.
    """
    folder.mkdir(parents=True, exist_ok=True)
    labels, test = origin.labels, data.test
    heard = hearing.hear(audio, clips, labels, origin.front_end, candidate.int8, log)
    int8_file = flatbuffer.with_card(candidate.int8, card(origin, heard.settings))
    int8_model = tflm.Model(int8_file, "model.tflite")
    (folder / "model.tflite").write_bytes(int8_file)
    (folder / "model_float.tflite").write_bytes(flatbuffer.with_card(candidate.full, card(origin, heard.settings)))
    candidate.save(folder / "1")
    _copy_serving_code(sources, folder / "code")
    if candidate.weights:
        champion.save_weights(folder / "weights.npz", candidate.weights)

    [raw] = parallel.answers(int8_file, [test.features])
    golden = spread(test.classes, GOLDEN_ROWS)
    (folder / "golden_x.bin").write_bytes(test.features[golden].tobytes())
    (folder / "golden_y.bin").write_bytes(raw[golden].tobytes())

    scale, zero_point = int8_model.output_quantisation
    int8 = Judged.of(labels, test.classes, (raw.astype(np.float64) - zero_point) * scale)
    full = Judged.of(labels, test.classes, candidate.scores(test.features).astype(np.float64))
    known = evaluation.keys_of(clips)
    worst = evaluation.mistakes(int8, test, known)
    answers = evaluation.answers(int8, raw, test, known)
    (folder / "answers.jsonl").write_text(evaluation.as_lines(answers))

    content = {
        "schema": SCHEMA,
        "origin": "imported" if origin.imported else "trained",
        "architecture": origin.architecture,
        "labels": list(labels),
        "frontend": origin.front_end.id,
        "dataset": origin.dataset,
        "code_version": origin.code_version,
        "seed": origin.seed,
        "epochs": origin.epochs,
        "warm_start": origin.warm_start,
        "model_bytes": len(int8_file),
        "arena_bytes": int8_model.arena_bytes(),
        "operators": flatbuffer.operators(int8_file),
        "parameters": candidate.parameters,
        "macs": candidate.macs,
        "cost": dict(origin.cost),
        "input": _tensor(int8_model.input_shape, int8_model.input_quantisation),
        "output": _tensor(int8_model.output_shape, int8_model.output_quantisation),
        "recogniser": heard.settings.as_dict(),
        "metrics": {
            "test": evaluation.test_figures(full, int8, worst),
            "validation": {"accuracy": {"float": _accuracy(candidate, data)}},
            "history": [asdict(epoch) for epoch in history],
            "streaming": heard.figures,
            "champion": champion.compare(rival, labels, answers, log),
        },
        "golden": len(golden),
    }
    curves = {
        "schema": evaluation.SCHEMA,
        "float": full.curves(),
        "int8": int8.curves(),
        "streaming": heard.curves,
    }
    (folder / "bundle.json").write_text(json.dumps(content, indent=1) + "\n")
    (folder / "evaluation.json").write_text(json.dumps(curves) + "\n")
    (folder / "report.html").write_text(report.html(content, curves, origin.budget, worst, test.features))
    return content


def _accuracy(candidate: Candidate, data: TrainingSet) -> float:
    answers = candidate.scores(data.validation.features).argmax(axis=1)
    return float(np.mean(answers == data.validation.classes))


def _tensor(shape: tuple[int, ...], quantisation: tuple[float, int]) -> dict[str, Any]:
    return {"shape": list(shape), "scale": quantisation[0], "zero_point": quantisation[1]}


def _copy_serving_code(sources: Path, folder: Path) -> None:
    """The handlers and the package that they import."""
    shutil.copytree(sources / "kws", folder / "kws", ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    shutil.copyfile(sources / "serve" / "inference.py", folder / "inference.py")
    shutil.copyfile(sources / "serve" / "requirements.txt", folder / "requirements.txt")

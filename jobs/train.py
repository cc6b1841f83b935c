"""The training job: a frozen dataset's features to a model bundle.

Script mode: hyperparameters come as arguments, channels and folders as the container's environment says.
A failure ends in /opt/ml/output/failure as one sentence.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

# Its notes on every dataset and conversion would hide the job's own lines; what is fatal comes as an exception.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from kws import (
    board,
    bundle,
    champion,
    cost,
    dataset,
    features,
    flatbuffer,
    imported,
    labels,
    models,
    quantise,
    shards,
    splits,
    training,
    training_set,
)
from kws.candidate import Candidate

# A model that begins with the weights of the last one has the most to learn behind it.
WARM_START_SHARE = 0.75
WARM_START_RATE = 0.5

SOURCES = Path(__file__).parent


class RequestError(ValueError):
    """A hyperparameter that cannot be used."""


# What ends a job with a sentence rather than a traceback: the data or the request is at fault.
FAULTS = (
    RequestError,
    board.BoardError,
    cost.OverBudgetError,
    dataset.DatasetError,
    features.UnknownFrontEndError,
    flatbuffer.ModelFileError,
    imported.ImportedModelError,
    labels.LabelError,
    models.UnknownArchitectureError,
    shards.ShardError,
    training_set.TrainingSetError,
)


@dataclass(frozen=True)
class Folders:
    """Where the container has what a job reads and writes."""

    features: Path
    dataset: Path
    audio: Path
    champion: Path
    imported: Path
    model: Path
    checkpoints: Path
    tensorboard: Path
    failure: Path

    @classmethod
    def of(cls, environment: dict[str, str]) -> "Folders":
        """As SageMaker's training toolkit tells a script."""
        root = Path(environment.get("SAGEMAKER_BASE_DIR", "/opt/ml"))

        def channel(name: str) -> Path:
            return Path(environment.get(f"SM_CHANNEL_{name.upper()}", root / "input" / "data" / name))

        return cls(
            features=channel("features"),
            dataset=channel("dataset"),
            audio=channel("audio"),
            champion=channel("champion"),
            imported=channel("imported"),
            model=Path(environment.get("SM_MODEL_DIR", root / "model")),
            checkpoints=root / "checkpoints",
            tensorboard=root / "output" / "tensorboard",
            failure=root / "output" / "failure",
        )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Fails the job like any other fault, instead of ending the process."""
        raise RequestError(f"hyperparameters: {message}; correct the job request")


def _number(kind: type, least: float, most: float) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        value = kind(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is not between {least} and {most}")
        return value

    return parse


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text} is neither true nor false")
    return text == "true"


def _budget(text: str) -> cost.Budget:
    try:
        return cost.Budget.of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def hyperparameters(arguments: Sequence[str]) -> argparse.Namespace:
    """The job's hyperparameters; the defaults of every training are here, the template overrides some.

    What the container adds of its own (`--model_dir`) is ignored.

    Raises:
        RequestError: a value is malformed.
    """
    parser = _Parser(prog="train.py", add_help=False, allow_abbrev=False)
    parser.add_argument("--architecture", default="tenet")
    parser.add_argument("--keywords", default="yes,no", help="comma separated")
    parser.add_argument("--frontend", default=features.MICRO.id, help="front end id of the features")
    parser.add_argument("--epochs", type=_number(int, 1, 10_000), default=24)
    parser.add_argument("--samples_per_epoch", type=_number(int, 1, 10_000_000), default=20_480, help="at most")
    parser.add_argument("--batch_size", type=_number(int, 1, 65_536), default=256)
    parser.add_argument("--learning_rate", type=_number(float, 1e-9, 1.0), default=8e-3)
    parser.add_argument("--seed", type=_number(int, 0, 2**63), default=1)
    parser.add_argument("--patience", type=_number(int, 0, 10_000), default=0, help="0: train to the end")
    parser.add_argument("--warm_start", type=_flag, default=True, help="begin with the champion's weights")
    parser.add_argument("--budget", type=_budget, default=cost.Budget(), help="flash=…,arena=…,instructions=…")
    parser.add_argument("--champion_uri", default="")
    parser.add_argument("--code_version", default="")
    parser.add_argument("--run", default="")
    parser.add_argument("--dataset_uri", default="")
    return parser.parse_known_args(arguments)[0]


def load_rows(folder: Path, front_end: features.FrontEnd) -> shards.Rows:
    """All rows of a folder's shards.

    Raises:
        ShardError: there is none, one is damaged, or one is of another front end.
    """
    paths = sorted(folder.rglob("shard-*.npz"))
    if not paths:
        raise shards.ShardError("the features channel holds no shards; preprocess the dataset's runs first")
    parts = [shards.load(path, front_end.shape) for path in paths]
    for path, part in zip(paths, parts, strict=True):
        if part.frontend != front_end.id:
            raise shards.ShardError(
                f"{path.name}: features of front end {part.frontend}, the job wants {front_end.id}; "
                "preprocess its run again"
            )
    return shards.join(parts, front_end.id, front_end.shape)


@dataclass(frozen=True)
class Trained:
    """A trained model and what is told about it.

    Attributes:
        candidate: the model.
        history: of its training.
        warm_start: URI of the bundle whose weights it began with; "" for none.
    """

    candidate: Candidate
    history: list[training.Epoch]
    warm_start: str


def train(request: argparse.Namespace, folders: Folders, log: Callable[[str], None]) -> dict[str, Any]:
    """Runs the job.

    Args:
        request: hyperparameters.
        folders: of the container.
        log: gets the lines of the job's log.

    Returns:
        The content of bundle.json.

    Raises:
        One of FAULTS: the data or the request does not allow a model.
    """
    keywords = [word.strip() for word in request.keywords.split(",") if word.strip()]
    names = labels.model_labels(keywords)
    front_end = features.front_end(request.frontend)
    board.check_labels(names, front_end)
    brought = imported.load(folders.imported, keywords, front_end) if folders.imported.is_dir() else None
    clips, digest = dataset.read(folders.dataset / "manifest.jsonl")
    rows = load_rows(folders.features, front_end)
    if brought:
        names, architecture = brought.labels, imported.ARCHITECTURE
        data = training_set.to_judge(rows, clips, names, keywords)
        log(f"{brought.name} was brought along: nothing is trained")
    else:
        architecture = request.architecture
        data = training_set.assemble(rows, clips, names)
    log(
        f"dataset {len(clips)} clips: {len(data.train)} rows to train with, {len(data.validation)} to validate, "
        f"{len(data.test)} to test"
    )
    if data.validation_is_training:
        log("no speaker fell into the validation split: validation figures are of training clips")
    reigning = champion.read(folders.champion, request.champion_uri, log)
    if brought:
        trained = Trained(brought.candidate, [], "")
    else:
        trained = _trained(request, data, names, front_end, reigning, folders, log)
    costs = cost.of(trained.candidate.int8)
    request.budget.hold(costs, brought.name if brought else architecture)
    origin = bundle.Origin(
        architecture=architecture,
        labels=names,
        front_end=front_end,
        dataset={
            "manifest": request.dataset_uri,
            "sha256": digest,
            "clips": len(clips),
            **{split: sum(clip.split == split for clip in clips) for split in splits.SPLITS},
        },
        code_version=request.code_version,
        seed=request.seed,
        epochs=len(trained.history),
        imported=brought is not None,
        warm_start=trained.warm_start,
        cost=costs,
        budget=request.budget.limits(),
    )
    content = bundle.write(
        folders.model, trained.candidate, data, clips, origin, trained.history, SOURCES, folders.audio, reigning, log
    )
    accuracy = content["metrics"]["test"]["accuracy"]
    log(f"test accuracy_float={accuracy['float']:.4f} accuracy_int8={accuracy['int8']:.4f}")
    return content


def _trained(
    request: argparse.Namespace,
    data: training_set.TrainingSet,
    names: tuple[str, ...],
    front_end: features.FrontEnd,
    reigning: champion.Champion | None,
    folders: Folders,
    log: Callable[[str], None],
) -> Trained:
    training.prepare(request.seed)
    model = models.build(request.architecture, (*front_end.shape, 1), len(names))
    # An untrained model costs what a trained one does: what cannot fit is refused before hours are spent.
    needs = cost.of(quantise.to_int8(model, data.train.features[:1]))
    log(f"{request.architecture} needs " + ", ".join(f"{name} {value:,}" for name, value in needs.items()))
    request.budget.hold(needs, request.architecture)
    training.prepare(request.seed)
    model = models.build(request.architecture, (*front_end.shape, 1), len(names))
    initial = _initial(request, model, names, front_end, reigning)
    epochs, rate = request.epochs, request.learning_rate
    if initial:
        epochs, rate = max(1, round(epochs * WARM_START_SHARE)), rate * WARM_START_RATE
        log(f"begins with the weights of {request.champion_uri}: {epochs} epochs instead of {request.epochs}")
    recipe = training.Recipe(
        epochs=epochs,
        samples_per_epoch=training.samples_of_epoch(len(np.unique(data.train.clip)), request.samples_per_epoch),
        batch_size=request.batch_size,
        learning_rate=rate,
        seed=request.seed,
        patience=request.patience,
    )
    outputs = training.Outputs(log, folders.checkpoints, folders.tensorboard)
    history = training.fit(model, data, recipe, request.architecture, outputs, initial)
    return Trained(quantise.candidate(model, data), history, request.champion_uri if initial else "")


def _initial(
    request: argparse.Namespace,
    model: Any,
    names: tuple[str, ...],
    front_end: features.FrontEnd,
    reigning: champion.Champion | None,
) -> training.Weights:
    """The champion's weights where they are asked for and fit this model, else none."""
    if not request.warm_start or reigning is None or not reigning.weights:
        return ()
    same = (request.architecture, list(names), front_end.id)
    if tuple(reigning.card.get(key) for key in ("architecture", "labels", "frontend")) != same:
        return ()
    fits = [weight.shape for weight in reigning.weights] == [tuple(weight.shape) for weight in model.weights]
    return reigning.weights if fits else ()


def _log(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the job in its container; the exit status is 0 with a bundle, 1 with a sentence on why not."""
    folders = Folders.of(dict(os.environ))
    try:
        train(hyperparameters(sys.argv[1:] if arguments is None else arguments), folders, _log)
    except FAULTS as error:
        folders.failure.parent.mkdir(parents=True, exist_ok=True)
        folders.failure.write_text(f"{error}\n")
        sys.stderr.write(f"training failed: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

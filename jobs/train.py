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

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from kws import bundle, dataset, features, labels, models, shards, splits, training, training_set

SOURCES = Path(__file__).parent


class RequestError(ValueError):
    """A hyperparameter that cannot be used."""


# What ends a job with a sentence rather than a traceback: the data or the request is at fault.
FAULTS = (
    RequestError,
    dataset.DatasetError,
    features.UnknownFrontEndError,
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
    model: Path
    checkpoints: Path
    failure: Path

    @classmethod
    def of(cls, environment: dict[str, str]) -> "Folders":
        """As SageMaker's training toolkit tells a script."""
        root = Path(environment.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
        channels = root / "input" / "data"
        return cls(
            features=Path(environment.get("SM_CHANNEL_FEATURES", channels / "features")),
            dataset=Path(environment.get("SM_CHANNEL_DATASET", channels / "dataset")),
            model=Path(environment.get("SM_MODEL_DIR", root / "model")),
            checkpoints=root / "checkpoints",
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


def hyperparameters(arguments: Sequence[str]) -> argparse.Namespace:
    """The job's hyperparameters; the defaults of every training are here, the template overrides some.

    What the container adds of its own (`--model_dir`) is ignored.

    Raises:
        RequestError: a value is malformed.
    """
    parser = _Parser(prog="train.py", add_help=False, allow_abbrev=False)
    parser.add_argument("--architecture", default="tiny_conv")
    parser.add_argument("--keywords", default="yes,no", help="comma separated")
    parser.add_argument("--frontend", default=features.MICRO.id, help="front end id of the features")
    parser.add_argument("--epochs", type=_number(int, 1, 10_000), default=20)
    parser.add_argument("--samples_per_epoch", type=_number(int, 1, 10_000_000), default=20_480, help="at most")
    parser.add_argument("--batch_size", type=_number(int, 1, 65_536), default=128)
    parser.add_argument("--learning_rate", type=_number(float, 1e-9, 1.0), default=4e-3)
    parser.add_argument("--seed", type=_number(int, 0, 2**63), default=1)
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
    names = labels.model_labels([word.strip() for word in request.keywords.split(",") if word.strip()])
    front_end = features.front_end(request.frontend)
    if request.architecture not in models.ARCHITECTURES:
        models.build(request.architecture, (*front_end.shape, 1), len(names))
    clips, digest = dataset.read(folders.dataset / "manifest.jsonl")
    data = training_set.assemble(load_rows(folders.features, front_end), clips, names)
    log(
        f"dataset {len(clips)} clips: {len(data.train)} rows to train with, {len(data.validation)} to validate, "
        f"{len(data.test)} to test"
    )
    if data.validation_is_training:
        log("no speaker fell into the validation split: validation figures are of training clips")

    recipe = training.Recipe(
        epochs=request.epochs,
        samples_per_epoch=training.samples_of_epoch(len(data.train), request.samples_per_epoch),
        batch_size=request.batch_size,
        learning_rate=request.learning_rate,
        seed=request.seed,
    )
    training.prepare(recipe.seed)
    model = models.build(request.architecture, (*front_end.shape, 1), len(names))
    history = training.fit(model, data, recipe, request.architecture, folders.checkpoints, log)
    origin = bundle.Origin(
        architecture=request.architecture,
        labels=names,
        front_end=front_end,
        dataset={
            "manifest": request.dataset_uri,
            "sha256": digest,
            "clips": len(clips),
            **{split: sum(clip.split == split for clip in clips) for split in splits.SPLITS},
        },
        code_version=request.code_version,
        recipe=recipe,
    )
    content = bundle.write(folders.model, model, data, history, origin, SOURCES)
    accuracy = content["metrics"]["test"]["accuracy"]
    log(f"test accuracy_float={accuracy['float']:.4f} accuracy_int8={accuracy['int8']:.4f}")
    return content


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

"""Bring a model along: check what can be checked here, upload it, have it judged."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from earshot import runs
from earshot.errors import EarshotError
from earshot.target import Target

SCHEMA = "earshot.import/1"
_MAGIC = b"TFL3"  # a TensorFlow Lite file's identifier, at byte 4
_LABEL = re.compile(r"[a-z][a-z0-9_]{0,31}")


def check_model(path: Path, most_bytes: int | None) -> bytes:
    """Read a model.

    Args:
        path: The file.
        most_bytes: The stack's limit for a model; None when it is not known.

    Returns:
        Its content.

    Raises:
        EarshotError: It cannot be a model that boards take.
    """
    try:
        size = path.stat().st_size
        if most_bytes is not None and size > most_bytes:
            raise EarshotError(
                f"{path}: {size} bytes, but the stack takes at most {most_bytes}; make the model smaller, or deploy"
                " with a larger MaxModelBytes"
            )
        model = path.read_bytes()
    except OSError as error:
        raise EarshotError(f"{path}: cannot be read ({error.strerror})") from error
    if model[4:8] != _MAGIC:
        raise EarshotError(f"{path}: not a TensorFlow Lite model; export an int8 .tflite")
    return model


def check_labels(labels: list[str], keywords: list[str]) -> None:
    """Hold a model's labels against the words that the stack recognises.

    Raises:
        EarshotError: A label is none, stands twice, or is missing.
    """
    bad = [label for label in labels if not _LABEL.fullmatch(label)]
    if bad:
        raise EarshotError(
            f"label {bad[0]!r}: labels are lower-case words, comma separated, e.g. yes,no,unknown,silence"
        )
    twice = [label for label in dict.fromkeys(labels) if labels.count(label) > 1]
    if twice:
        raise EarshotError(f"label {twice[0]} stands twice: name each output of the model once, in its order")
    missing = [word for word in (*keywords, "unknown", "silence") if word not in labels]
    if missing:
        raise EarshotError(
            f"labels lack {', '.join(missing)}: the stack recognises {', '.join(keywords)}, and every model tells"
            " unknown and silence from them"
        )


def front_end(target: Target, named: str | None) -> str:
    """The id of the front end whose features the model takes: the last dataset's, by name, by id or by default.

    Raises:
        EarshotError: There is no dataset yet, or its front end is another.
    """
    dataset = runs.pipeline(target).get("dataset")
    if not dataset:
        raise EarshotError("there is no dataset yet to judge a model on: drop clips and let a run train first")
    known: str = runs.get_run(target, dataset)["card"]["frontend"]
    if named not in (None, known, known.rpartition("-")[0]):
        raise EarshotError(f"front end {named} is unknown: the last dataset was made by {known}")
    return known


def start(target: Target, path: Path, labels: list[str], named_front_end: str | None) -> str:
    """Upload a model and start the run that judges it.

    Args:
        target: The cloud.
        path: The int8 .tflite file.
        labels: What its outputs mean, in their order.
        named_front_end: Name or id of the front end it was trained for; None for the stack's.

    Returns:
        The run.

    Raises:
        EarshotError: The model is refused; the message says why.
    """
    limit = target.parameters.get("MaxModelBytes")
    model = check_model(path, int(limit) if limit else None)
    check_labels(labels, [word.strip() for word in target.outputs["Keywords"].split(",")])
    frontend = front_end(target, named_front_end)
    active = runs.pipeline(target).get("active")
    if active:
        raise EarshotError(f"run {active} is active: import the model when it has ended, see `earshot runs`")
    sha256 = hashlib.sha256(model).hexdigest()
    record = {"schema": SCHEMA, "name": path.name, "labels": labels, "frontend": frontend, "sha256": sha256}
    s3, bucket = target.client("s3"), target.outputs["DataBucket"]
    s3.put_object(Bucket=bucket, Key=f"imports/{sha256}/model.tflite", Body=model)
    s3.put_object(
        Bucket=bucket,
        Key=f"imports/{sha256}/import.json",
        Body=json.dumps(record).encode(),
        ContentType="application/json",
    )
    answer = target.client("lambda").invoke(
        FunctionName=target.outputs["ImportFunction"], Payload=json.dumps({"import": sha256}).encode()
    )
    result: Any = json.load(answer["Payload"])
    if "FunctionError" in answer:
        raise EarshotError(f"{path} is refused: {result.get('errorMessage', result)}")
    run: str = result["run"]
    return run

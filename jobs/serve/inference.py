"""Handlers of the TensorFlow Serving container: a recording in, the word heard out.

The container calls `handler` for each request; TensorFlow Serving itself answers beside it over REST. The
features are computed by the code that the training used, which the bundle carries.
"""

import io
import json
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from kws import audio, features

AUDIO_TYPES = ("audio/wav", "audio/x-wav", "audio/flac")
FEATURES_TYPE = "application/x-npy"
ANSWER_TYPE = "application/json"

_ACCEPTED = f"send {', '.join(AUDIO_TYPES)}, or {FEATURES_TYPE} with int8 features"
_SECONDS = 10


class RequestError(ValueError):
    """A request that cannot be answered; the message says what to send."""


def _bundle() -> dict[str, Any]:
    """bundle.json, which lies beside the folder `code` of this file."""
    content: dict[str, Any] = json.loads((Path(__file__).parent.parent / "bundle.json").read_text())
    return content


def read_features(content: bytes, content_type: str, front_end: features.FrontEnd) -> npt.NDArray[np.int8]:
    """Features of what a client sent.

    Args:
        content: the body.
        content_type: its type; parameters after `;` are ignored.
        front_end: the model's.

    Returns:
        int8 (frames, channels).

    Raises:
        RequestError: another type, or a body that is not what its type says.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind in AUDIO_TYPES:
        try:
            clip = audio.fit_second(audio.decode(content, "the request's body"))
        except audio.AudioError as error:
            raise RequestError(str(error)) from error
        return np.asarray(front_end.features(clip[None])[0])
    if kind != FEATURES_TYPE:
        raise RequestError(f"content type {content_type!r} is not understood; {_ACCEPTED}")
    try:
        array = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise RequestError(f"the request's body is no .npy file ({error}); {_ACCEPTED}") from error
    if not isinstance(array, np.ndarray) or array.dtype != np.int8 or array.shape != front_end.shape:
        what = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else "an archive"
        raise RequestError(f"features are {what}; send int8 of shape {front_end.shape} by front end {front_end.id}")
    return array


def ask(rest_uri: str, rows: npt.NDArray[np.int8]) -> list[float]:
    """Scores by TensorFlow Serving.

    Args:
        rest_uri: of the model's predict call.
        rows: int8 (frames, channels).

    Raises:
        RuntimeError: TensorFlow Serving did not answer with scores.
    """
    real = (rows.astype(np.float32)[None, ..., None] + 128) / 128
    request = urllib.request.Request(  # noqa: S310 - the container's own address
        rest_uri,
        json.dumps({"instances": real.tolist()}).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as response:  # noqa: S310
            prediction = json.load(response)["predictions"][0]
    except (urllib.error.URLError, OSError, ValueError, KeyError, IndexError) as error:
        raise RuntimeError(f"TensorFlow Serving at {rest_uri} gave no scores ({error}); see its log") from error
    # A model with one output is answered by its values alone, one with several by their names.
    scores = prediction["scores"] if isinstance(prediction, dict) else prediction
    return [float(score) for score in scores]


def handler(data: Any, context: Any) -> tuple[bytes, str]:
    """Answers one request.

    Args:
        data: a stream with the body.
        context: the container's: `request_content_type`, `rest_uri`.

    Returns:
        The answer and its content type.

    Raises:
        RequestError: the body cannot be read.
        RuntimeError: the model did not answer.
    """
    bundle = _bundle()
    front_end = features.front_end(bundle["frontend"])
    rows = read_features(data.read(), context.request_content_type or "", front_end)
    scores = dict(zip(bundle["labels"], ask(context.rest_uri, rows), strict=True))
    answer = {
        "label": max(scores, key=lambda label: scores[label]),
        "scores": scores,
        "version": os.environ.get("EARSHOT_VERSION", ""),
        "frontend": front_end.id,
    }
    return json.dumps(answer).encode(), ANSWER_TYPE

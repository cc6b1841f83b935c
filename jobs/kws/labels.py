"""Labels: what a clip's folder says, and the classes of a model.

A model's classes are its keywords in the order configured, then `unknown`, then `silence`. A clip of any
other label is `unknown`; clips and windows of background noise are `silence`.
"""

import re
from collections.abc import Sequence

BACKGROUND_NOISE = "_background_noise_"
SILENCE_CLIPS = "_silence_"
UNKNOWN = "unknown"
SILENCE = "silence"

_LABEL = re.compile(r"[a-z][a-z0-9_]{0,31}")


class LabelError(ValueError):
    """Labels that cannot be a model's."""


def model_labels(keywords: Sequence[str]) -> tuple[str, ...]:
    """The classes of a model for these keywords.

    Raises:
        LabelError: no keyword, a malformed or repeated one, or one of the names kept for the other classes.
    """
    if not keywords:
        raise LabelError("no keywords; name at least one word to recognise, such as yes")
    for word in keywords:
        if not _LABEL.fullmatch(word):
            raise LabelError(f"keyword {word!r}: not a label; use 1 to 32 of a-z, 0-9 and _, starting with a letter")
        if word in (UNKNOWN, SILENCE):
            raise LabelError(f"keyword {word!r}: every model has this class; leave it out")
    repeated = sorted({word for word in keywords if list(keywords).count(word) > 1})
    if repeated:
        raise LabelError(f"keyword {repeated[0]!r}: named twice; name each once")
    return (*keywords, UNKNOWN, SILENCE)


def class_of(label: str, labels: Sequence[str]) -> str | None:
    """The class of a clip's label, among a model's.

    Args:
        label: a clip's label, `_silence_` included.
        labels: the model's classes.

    Returns:
        The class; None when the model has no class for it (no `unknown`, no `silence`).
    """
    wanted = SILENCE if label in (SILENCE_CLIPS, BACKGROUND_NOISE) else label
    if wanted in labels:
        return wanted
    return UNKNOWN if UNKNOWN in labels and wanted != SILENCE else None

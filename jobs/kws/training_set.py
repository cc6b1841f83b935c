"""From a dataset and its feature shards to what training needs: classes, weights, splits.

The dataset manifest decides label and split of a clip; the shards only hold features. Rows are put in an
order of their own content, so that the order and division of shards changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kws import noise
from kws.dataset import Clip
from kws.labels import SILENCE, SILENCE_CLIPS, UNKNOWN, class_of
from kws.shards import Rows
from kws.splits import SPLITS, TEST, TRAIN, VALIDATION

SILENCE_SHARE = 0.08
# An `unknown` is drawn as often as four keywords together, but never more rarely than this: most of what a board
# hears is no keyword, and a model that met little else calls too much one.
UNKNOWN_KEYWORDS = 4.0
UNKNOWN_LEAST_SHARE = 0.15
# Clips by which validation goes where no speaker fell into its split.
_STAND_INS = 512
# Keywords that a message tells about; a job's failure is one sentence.
_FAULTS_TOLD = 3


class TrainingSetError(ValueError):
    """Clips from which no model can be trained or judged; the message says what is missing."""


@dataclass(frozen=True)
class Split:
    """Clips of one split.

    Attributes:
        features: int8 (n, frames, channels).
        classes: int64 (n,), indices of the model's labels.
        clip: U64 (n,), which clip a row came from.
    """

    features: npt.NDArray[np.int8]
    classes: npt.NDArray[np.int64]
    clip: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.features)


@dataclass(frozen=True)
class TrainingSet:
    """Training, validation and test clips.

    Attributes:
        train: with augmented copies.
        chances: float64 (rows of train,), how likely a row is drawn; sums to 1.
        validation: clips themselves.
        test: clips themselves.
        validation_is_training: validation holds training clips, since no speaker fell into its split.
    """

    train: Split
    chances: npt.NDArray[np.float64]
    validation: Split
    test: Split
    validation_is_training: bool


def assemble(rows: Rows, clips: Sequence[Clip], labels: Sequence[str]) -> TrainingSet:
    """Chooses and weighs rows, to train with and to judge by.

    Args:
        rows: of all shards.
        clips: of the dataset.
        labels: the model's classes: keywords, `unknown` and `silence`.

    Raises:
        TrainingSetError: a keyword has no clips to train with or to test, or all training clips with speech
            are of one class.
    """
    data = _divide(rows, clips, labels)
    _check(data, clips, labels, _keywords(labels), trained=True)
    speech = {labels[index] for index in np.unique(data.train.classes)} - {SILENCE}
    if len(speech) < 2:
        raise TrainingSetError(
            f"all training clips with speech are of one class, {', '.join(speech)}; drop clips of other words too, "
            "so that the model has something to tell apart"
        )
    return data


def to_judge(rows: Rows, clips: Sequence[Clip], labels: Sequence[str], keywords: Sequence[str]) -> TrainingSet:
    """Chooses rows by which a finished model is judged; nothing need be there to train with.

    Args:
        rows: of all shards.
        clips: of the dataset.
        labels: the model's classes, in any order.
        keywords: those of them that must be judged.

    Raises:
        TrainingSetError: one of the keywords has no test clips.
    """
    data = _divide(rows, clips, labels)
    _check(data, clips, labels, keywords, trained=False)
    return data


def _divide(rows: Rows, clips: Sequence[Clip], labels: Sequence[str]) -> TrainingSet:
    kept, clip_labels, row_splits = _select(rows, clips)
    classes = np.array([labels.index(str(class_of(label, labels))) for label in clip_labels], np.int64)
    originals = rows.copy[kept] == 0

    def part(where: npt.NDArray[np.bool_]) -> Split:
        return Split(rows.features[kept[where]], classes[where], rows.clip[kept[where]])

    training = row_splits == TRAIN
    train = part(training)
    validation, test = (part((row_splits == split) & originals) for split in (VALIDATION, TEST))
    stands_in = not np.isin(validation.classes, _speech(labels)).any()
    if stands_in:
        validation = _every_nth(part(training & originals), _STAND_INS)
    return TrainingSet(train, _chances(train.classes, clip_labels[training], labels), validation, test, stands_in)


def _select(
    rows: Rows, clips: Sequence[Clip]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.str_], npt.NDArray[np.str_]]:
    """Indices of the dataset's rows, once each and in order, with labels and splits."""
    # Of two clips with one content the one with the first key counts.
    of_content = {c.sha256: c for c in sorted(clips, key=lambda c: c.key, reverse=True)}
    recorded = any(c.is_noise for c in clips)
    chosen: dict[tuple[str, int, bytes], tuple[int, str, str]] = {}
    for index in range(len(rows)):
        name, copy = str(rows.clip[index]), int(rows.copy[index])
        clip = of_content.get(name)
        if clip is None:
            # Generated silence counts as long as the dataset has no recorded one.
            if not name.startswith(noise.GENERATED) or recorded:
                continue
            label, split = SILENCE_CLIPS, str(rows.split[index])
        elif clip.is_noise:
            label, split = SILENCE_CLIPS, str(rows.split[index])
        else:
            label, split = clip.label, clip.split
            # A copy is training's alone; under another split it would leak a changed manifest's clips.
            if copy and split != TRAIN:
                continue
        if split not in SPLITS:
            raise TrainingSetError(f"a feature row of {name[:16]} is of split {split!r}; preprocess its run again")
        # Many windows come from one noise recording: their content tells them apart.
        many = label == SILENCE_CLIPS and (clip is None or clip.is_noise)
        content = rows.features[index].tobytes() if many else b""
        chosen.setdefault((name, copy, split.encode() + content), (index, label, split))
    ordered = [chosen[key] for key in sorted(chosen)]
    return (
        np.array([index for index, _, _ in ordered], np.int64),
        np.array([label for _, label, _ in ordered], "U32"),
        np.array([split for _, _, split in ordered], "U10"),
    )


def _speech(labels: Sequence[str]) -> list[int]:
    return [index for index, label in enumerate(labels) if label != SILENCE]


def _keywords(labels: Sequence[str]) -> list[str]:
    return [label for label in labels if label not in (UNKNOWN, SILENCE)]


def _check(
    data: TrainingSet, clips: Sequence[Clip], labels: Sequence[str], keywords: Sequence[str], trained: bool
) -> None:
    """Whether each keyword can be learned, where that is wanted, and judged.

    Raises:
        TrainingSetError: of all keywords that cannot, what they have and what to do.
    """
    faults = []
    for keyword in keywords:
        index = labels.index(keyword)
        counts = {
            "to train with": len(set(data.train.clip[data.train.classes == index].tolist())),
            "to test": int(np.count_nonzero(data.test.classes == index)),
        }
        if counts["to test"] and (counts["to train with"] or not trained):
            continue
        own = [clip for clip in clips if clip.label == keyword]
        speakers = len({clip.speaker for clip in own})
        has = f"{_number(len(own), 'clip')} of {_number(speakers, 'speaker')}" if own else "no clips"
        use = ", ".join(f"{count or 'none'} {purpose}" for purpose, count in counts.items()) if own else ""
        faults.append(f"keyword {keyword!r} has {has}{': ' if use else ''}{use}")
    if faults:
        more = f", and {len(faults) - _FAULTS_TOLD} keywords more" if len(faults) > _FAULTS_TOLD else ""
        raise TrainingSetError(
            f"{'; '.join(faults[:_FAULTS_TOLD])}{more}; drop clips of more speakers into clips/<keyword>/ (all clips "
            "of a speaker go to one split, and one speaker in ten is kept for testing), or take the keyword out"
        )


def _number(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


def _every_nth(split: Split, count: int) -> Split:
    step = max(1, len(split) // count)
    return Split(split.features[::step], split.classes[::step], split.clip[::step])


def _chances(
    classes: npt.NDArray[np.int64], clip_labels: npt.NDArray[np.str_], labels: Sequence[str]
) -> npt.NDArray[np.float64]:
    """Chance of each row: classes by fixed shares, within `unknown` each word by the root of its count."""
    keywords = len(_keywords(labels))
    unknown = max(UNKNOWN_LEAST_SHARE, (1 - SILENCE_SHARE) * UNKNOWN_KEYWORDS / (keywords + UNKNOWN_KEYWORDS))
    shares = {SILENCE: SILENCE_SHARE, UNKNOWN: unknown}
    keyword_share = (1 - SILENCE_SHARE - unknown) / keywords
    _, word_of_row, counts = np.unique(clip_labels, return_inverse=True, return_counts=True)
    weights = 1 / np.sqrt(counts[word_of_row])
    chances = np.zeros(len(classes))
    for index, label in enumerate(labels):
        rows = classes == index
        if rows.any():
            chances[rows] = shares.get(label, keyword_share) * weights[rows] / weights[rows].sum()
    return np.asarray(chances / chances.sum())


def spread(classes: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """At most so many rows, a class after the other in turn, in ascending order."""
    turn = np.zeros(len(classes), np.int64)
    for index in np.unique(classes):
        rows = np.flatnonzero(classes == index)
        turn[rows] = np.arange(len(rows))
    return np.sort(np.lexsort((classes, turn))[:count])

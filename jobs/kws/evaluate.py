"""Judges an int8 model on a folder of clips: `python -m kws.evaluate MODEL.tflite CLIPS_DIR`.

Clips lie in `<label>/…/<file>.wav` or `.flac`. A label that the model has no class for is `unknown`,
`_silence_` is `silence`; `_background_noise_` holds long recordings, not clips, and is skipped.
Engine `tflm` computes features by `kws` and answers by TFLM's kernels; engine `firmware` does both by the
board's own code, engine `qemu` by the same code on an emulated Cortex-M4. Their scores are equal where all are
right. With `--stream` the clips are also spoken into the noise recordings, as `kws.scenes` says, and heard with
the recogniser that the model carries.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, Protocol

import numpy as np
import numpy.typing as npt

from kws import (
    audio,
    features,
    firmware,
    flatbuffer,
    metrics,
    parallel,
    qemu,
    recognise,
    recordings,
    scenes,
    streaming,
    tflm,
)
from kws.calibration import expected_error
from kws.dataset import Clip
from kws.evaluation import Judged
from kws.labels import BACKGROUND_NOISE, class_of
from kws.splits import TEST

SUFFIXES = (".wav", ".flac")

ENGINES = ("tflm", "firmware", "qemu")

_CLIPS_AT_ONCE = 256
# An emulated processor is slow: it judges a sample unless it is told how many.
_QEMU_SAMPLE = 200


class EvaluationError(ValueError):
    """A model or a folder that cannot be judged; the message says why."""


class Model(Protocol):
    """What an engine makes of a model."""

    @property
    def input_size(self) -> int:
        """Bytes of the input."""

    @property
    def output_size(self) -> int:
        """Bytes of the output."""

    @property
    def output_quantisation(self) -> tuple[float, int]:
        """Scale and zero point of the output."""

    def answer(self, features: npt.NDArray[np.int8], /) -> npt.NDArray[np.int8]:
        """Scores of features."""


@dataclass(frozen=True)
class Subject:
    """A model with all that its answers mean.

    Attributes:
        engine: by which it answers.
        labels: its classes, in the order of its output.
        front_end: of its features.
        model: the model itself.
        features: clips, int16 (n, 16000), to features.
        settings: of the recogniser.
        answer: scores of features, part by part, as fast as the engine can.
    """

    engine: str
    labels: tuple[str, ...]
    front_end: features.FrontEnd
    model: Model
    features: Callable[[npt.NDArray[np.int16]], npt.NDArray[np.int8]]
    settings: recognise.Settings
    answer: streaming.Answer


def open_subject(content: bytes, name: str, engine: str, labels: Sequence[str] | None) -> Subject:
    """Opens a model for judging.

    Args:
        content: the .tflite file.
        name: what to call it in errors.
        engine: of ENGINES.
        labels: of a model that carries none.

    Raises:
        EvaluationError: no labels, labels or front end that do not fit.
        flatbuffer.ModelFileError: the file is no model that the engine can run.
        firmware.LibraryError: the board's library is missing.
        qemu.QemuError: the emulator is missing.
    """
    card = flatbuffer.card_of(content, name)
    known = tuple(card["labels"]) if card else tuple(labels or ())
    if not known:
        raise EvaluationError(f"{name}: carries no labels; name them in order with --labels")
    if labels and tuple(labels) != known:
        raise EvaluationError(f"{name}: carries the labels {','.join(known)}; leave --labels out")
    if len(set(known)) != len(known):
        raise EvaluationError(f"{name}: a label stands twice in {','.join(known)}; name each once")
    try:
        front_end = features.front_end(card["frontend"]) if card else features.MICRO
    except features.UnknownFrontEndError as error:
        raise EvaluationError(f"{name}: {error}; use the code that it was trained with") from error

    model: Model
    compute: Callable[[features.Clips], features.Features]
    if engine in ("firmware", "qemu"):
        library = firmware.Library()
        if front_end.id not in library.front_end_ids:
            raise EvaluationError(
                f"{name}: front end {front_end.id}, the board computes {', '.join(library.front_end_ids)}; build "
                "matching firmware"
            )
        emulated = engine == "qemu"
        model = qemu.Model(library, content, name) if emulated else library.open(content, name)
        compute = partial(qemu.clip_features if emulated else library.features, front_end=front_end)
    else:
        tflm.try_out(content, name)
        model = tflm.Model(content, name)
        compute = front_end.features
    wanted = front_end.shape[0] * front_end.shape[1]
    if model.input_size != wanted:
        raise EvaluationError(f"{name}: takes {model.input_size} values, front end {front_end.id} gives {wanted}")
    if model.output_size != len(known):
        raise EvaluationError(f"{name}: gives {model.output_size} scores for {len(known)} labels ({','.join(known)})")
    answer = (lambda parts: parallel.answers(content, parts)) if engine == "tflm" else _one_by_one(model)
    return Subject(engine, known, front_end, model, compute, _settings(card, name), answer)


def _one_by_one(model: Model) -> streaming.Answer:
    return lambda parts: [model.answer(part) for part in parts]


def _settings(card: dict[str, Any] | None, name: str) -> recognise.Settings:
    """The recogniser of a card; the defaults of a model that carries none."""
    if not card or "recogniser" not in card:
        return recognise.Settings()
    try:
        return recognise.Settings.of(card["recogniser"])
    except TypeError as error:
        raise EvaluationError(f"{name}: its card's recogniser is none ({error}); make the model anew") from error


def find_clips(folder: Path) -> list[Path]:
    """WAV and FLAC files below a folder, as paths relative to it, sorted."""
    return sorted(
        path.relative_to(folder) for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()
    )


def evaluate(subject: Subject, folder: Path, clips: Sequence[Path]) -> dict[str, Any]:
    """Judges a model on clips.

    Args:
        subject: the model.
        folder: of the clips.
        clips: relative to it.

    Returns:
        What the command prints as JSON, without `model`.

    Raises:
        EvaluationError: no clip could be judged.
    """
    skipped: list[dict[str, str]] = []
    judged: list[tuple[Path, int]] = []
    answers: list[npt.NDArray[np.int8]] = []
    for start in range(0, len(clips), _CLIPS_AT_ONCE):
        samples = []
        for path in clips[start : start + _CLIPS_AT_ONCE]:
            try:
                truth = _truth(path, subject.labels)
                samples.append(audio.fit_second(audio.read(folder / path, path.as_posix())))
                judged.append((path, truth))
            except (EvaluationError, audio.AudioError) as error:
                skipped.append({"path": path.as_posix(), "reason": str(error)})
        if samples:
            answers.append(subject.model.answer(subject.features(np.stack(samples))))
    if not judged:
        reasons = f" (the first of {len(skipped)} files: {skipped[0]['reason']})" if skipped else ""
        raise EvaluationError(
            f"{folder}: no clip could be judged{reasons}; give a folder of <label>/<clip>.wav or .flac"
        )
    return _figures(subject, judged, np.concatenate(answers), skipped)


def _truth(path: Path, labels: Sequence[str]) -> int:
    if len(path.parts) < 2:
        raise EvaluationError(f"{path}: lies in no label's folder; move it into one")
    label = path.parts[0]
    if label == BACKGROUND_NOISE:
        raise EvaluationError(f"{path.as_posix()}: a noise recording, not a clip")
    wanted = class_of(label, labels)
    if wanted is None:
        raise EvaluationError(f"{path.as_posix()}: the model has no class for label {label}")
    return labels.index(wanted)


def _figures(
    subject: Subject, judged: list[tuple[Path, int]], scores: npt.NDArray[np.int8], skipped: list[dict[str, str]]
) -> dict[str, Any]:
    labels = subject.labels
    scale, zero_point = subject.model.output_quantisation
    truth, answered = np.array([t for _, t in judged]), scores.argmax(axis=1)
    matrix = metrics.confusion(truth, answered, len(labels))
    real = (scores.astype(np.int64) - zero_point) * scale
    calibration = expected_error(Judged.of(labels, truth, real).reliability)
    return {
        "engine": subject.engine,
        "labels": list(labels),
        "frontend": subject.front_end.id,
        "clips": len(judged),
        "skipped": skipped,
        "accuracy": metrics.accuracy(matrix),
        **metrics.summary(matrix, labels),
        "calibration": calibration,
        "per_clip": [
            {"path": path.as_posix(), "label": labels[t], "answer": labels[a], "scores": row.tolist()}
            for (path, t), a, row in zip(judged, answered, real, strict=True)
        ],
    }


def stream(subject: Subject, folder: Path, clips: Sequence[Path]) -> dict[str, Any] | None:
    """Judges a model on streams of clips; of noise recordings the part is played that training never hears.

    Args:
        subject: the model.
        folder: of the clips and noise recordings.
        clips: relative to it.

    Returns:
        As bundle.json has it; None where there is no clip of a keyword.
    """
    listed = []
    for path in clips:
        if len(path.parts) > 1:
            digest = hashlib.sha256((folder / path).read_bytes()).hexdigest()
            listed.append(Clip(path.as_posix(), "", digest, path.parts[0], "", TEST, ""))
    channel = recordings.Channel(folder, listed, subject.labels, lambda _: None)
    words = channel.words(TEST, scenes.WORDS_A_SCENE * len(scenes.SNRS_DB))
    made = scenes.scenes(words, channel.noise(TEST), TEST)
    heard = streaming.play(made, subject.front_end, subject.answer, subject.settings.hop_frames)
    return streaming.figures(heard, subject.labels, subject.settings)


def table(figures: dict[str, Any]) -> str:
    """The figures for people."""
    labels = figures["labels"]
    width = max(9, *(len(label) for label in labels))
    lines = [
        f"{figures['model']} by {figures['engine']}, front end {figures['frontend']}",
        f"accuracy {figures['accuracy']:.4f} on {figures['clips']} clips, {len(figures['skipped'])} files skipped",
        f"unknown or silence taken for a keyword {figures['false_alarm_rate']:.4f}, "
        f"expected calibration error {figures['calibration']:.4f}",
        "",
        f"{'':{width}} {'recall':>9} {'precision':>9}   answered " + " ".join(f"{label:>{width}}" for label in labels),
    ]
    for label, row in zip(labels, figures["confusion"]["matrix"], strict=True):
        shares = [figures[kind][label] for kind in ("recall", "precision")]
        text = " ".join(f"{'-' if share is None else format(share, '.4f'):>9}" for share in shares)
        lines.append(f"{label:{width}} {text}            " + " ".join(f"{count:>{width}}" for count in row))
    if "streaming" in figures:
        lines += ["", _stream_line(figures["streaming"])]
    lines += [f"skipped {entry['reason']}" for entry in figures["skipped"]]
    return "\n".join(lines)


def _stream_line(streamed: dict[str, Any] | None) -> str:
    if streamed is None:
        return "streams: no clip of a keyword to play"
    return (
        f"streams of {60 * streamed['hours']:.1f} minutes: {streamed['misses']} of {streamed['words']} words missed, "
        f"{streamed['false_alarms_per_hour']:.1f} false alarms an hour"
    )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line instead of argparse's usage text."""
        self.exit(2, f"{self.prog}: {message}; see --help\n")


def _limit(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


def _labels(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"{text!r} has an empty label")
    return names


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = _Parser(prog="kws.evaluate", description="Judge an int8 model on a folder of clips.")
    parser.add_argument("model", type=Path, metavar="MODEL.tflite")
    parser.add_argument("clips", type=Path, metavar="CLIPS_DIR", help="folder of <label>/<clip>.wav or .flac")
    parser.add_argument("--engine", choices=ENGINES, default="tflm")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--labels", type=_labels, help="comma separated, for a model that carries none")
    parser.add_argument("--per-clip", action="store_true", help="list every clip's answer and scores")
    parser.add_argument("--stream", action="store_true", help="speak the clips into noise, too, and listen as a board")
    parser.add_argument("--limit", type=_limit, help="judge so many clips, spread evenly over all; qemu: 200")
    chosen = parser.parse_args(arguments)
    if not chosen.model.is_file():
        parser.error(f"{chosen.model}: no such file")
    if not chosen.clips.is_dir():
        parser.error(f"{chosen.clips}: no such folder")
    return chosen


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 0 with figures, 1 where nothing could be judged, 2 for wrong usage."""
    chosen = _arguments(arguments)
    clips = find_clips(chosen.clips)
    limit = chosen.limit or (_QEMU_SAMPLE if chosen.engine == "qemu" else None)
    if limit and limit < len(clips):
        clips = [clips[index * len(clips) // limit] for index in range(limit)]
    try:
        subject = open_subject(chosen.model.read_bytes(), chosen.model.name, chosen.engine, chosen.labels)
        figures = {"model": str(chosen.model), **evaluate(subject, chosen.clips, clips)}
        if chosen.stream:
            figures["streaming"] = stream(subject, chosen.clips, clips)
    except (EvaluationError, flatbuffer.ModelFileError, firmware.LibraryError, qemu.QemuError) as error:
        sys.stderr.write(f"kws.evaluate: {error}\n")
        return 1
    per_clip = figures["per_clip"]
    if not chosen.per_clip:
        del figures["per_clip"]
    if chosen.json:
        sys.stdout.write(json.dumps(figures, indent=1) + "\n")
        return 0
    sys.stdout.write(table(figures) + "\n")
    if chosen.per_clip:
        for entry in per_clip:
            scores = " ".join(f"{score:.4f}" for score in entry["scores"])
            sys.stdout.write(f"{entry['path']} {entry['label']} {entry['answer']} {scores}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

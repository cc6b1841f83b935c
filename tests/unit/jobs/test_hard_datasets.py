"""Datasets as people drop them: too few clips, one word, thirty words, no noise. A model, or a sentence that helps."""

import itertools
import json
import math
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import preprocess
import pytest
import train
from kws import board, features, firmware, labels, splits, training_set
from made_clips import encode, lay_out, tone

Counts = Mapping[str, int]

# Speakers enough to learn and to judge a word by.
PLENTY = {"train": 5, "validation": 1, "test": 2}


def _speakers(split: str) -> list[str]:
    every = (f"{number:08x}" for number in itertools.count())
    return list(itertools.islice((name for name in every if splits.split_of(name) == split), 40))


SPEAKERS = {split: _speakers(split) for split in splits.SPLITS}


def _clips(words: Mapping[str, Counts], a_speaker: int = 1, level: float = 1.0) -> dict[str, bytes]:
    """Files by key: for each word so many speakers of each split, a pitch a word."""
    files = {}
    for place, (word, counts) in enumerate(words.items()):
        for split, count in counts.items():
            for speaker, take in itertools.product(SPEAKERS[split][:count], range(a_speaker)):
                samples = tone(200.0 * 1.12**place, int(f"{place}{int(speaker, 16):03}{take}")) * level
                files[f"clips/{word}/{speaker}_nohash_{take}.wav"] = encode(np.rint(samples).astype(np.int16))
    return files


def _dataset(root: Path, files: Mapping[str, bytes]) -> Path:
    """The files as a dataset, preprocessed: folders `input` and `features`."""
    inputs = lay_out(root / "input", dict(files))
    (inputs / "dataset" / "manifest.jsonl").write_bytes((inputs / "dataset" / "new.jsonl").read_bytes())
    settings = preprocess.Settings("r000001", features.MICRO, 1, 1, "algo-1", ("algo-1",), 1)
    preprocess.preprocess(settings, inputs, root / "features")
    return root


def _train(root: Path, keywords: str, files: Mapping[str, bytes]) -> dict[str, Any]:
    """A quick training on files; the content of bundle.json as the job wrote it."""
    _dataset(root, files)
    folders = train.Folders(
        features=root / "features", dataset=root / "input" / "dataset", audio=root / "audio",
        champion=root / "champion", imported=root / "imported", model=root / "model",
        checkpoints=root / "checkpoints", tensorboard=root / "tensorboard", failure=root / "failure",
    )  # fmt: skip
    request = ["--architecture", "tiny_conv", "--keywords", keywords, "--epochs", "1", "--samples_per_epoch", "256"]
    train.train(train.hyperparameters(request), folders, lambda line: None)

    def refuse(constant: str) -> float:
        raise ValueError(f"{constant} is no JSON")

    content: dict[str, Any] = json.loads((root / "model" / "bundle.json").read_text(), parse_constant=refuse)
    return content


@pytest.fixture(scope="module")
def library(repository: Path) -> firmware.Library:
    subprocess.run(["make", "-s", "-C", str(repository / "firmware"), "host"], check=True, capture_output=True)
    return firmware.Library()


def _board_takes(library: firmware.Library, root: Path, names: list[str]) -> None:
    info = library.check((root / "model" / "model.tflite").read_bytes(), "model.tflite")
    assert json.loads(info.card)["labels"] == names
    assert info.output_size == len(names)


# --- what gives a model


def test_one_keyword_with_the_longest_name_and_no_noise(tmp_path: Path, library: firmware.Library) -> None:
    # GIVEN one keyword whose name is as long as a label may be, another word of one clip, and no noise recordings
    word = "a0_" * 10 + "zz"
    files = _clips({word: PLENTY, "cat": {"train": 1}})
    # WHEN a model is trained
    content = _train(tmp_path, word, files)
    # THEN there is one, which says what it could not measure, and the board takes it
    assert content["labels"] == [word, "unknown", "silence"]
    test = content["metrics"]["test"]
    assert test["recall"][word] is not None
    assert test["recall"]["unknown"] is None
    assert test["recall"]["silence"] is not None
    _board_takes(library, tmp_path, [word, "unknown", "silence"])


def test_thirty_keywords_and_no_other_word(tmp_path: Path, library: firmware.Library) -> None:
    # GIVEN thirty keywords of few clips
    words = [f"keyword_number_{n}" for n in range(30)]
    files = _clips({word: {"train": 2, "test": 1} for word in words})
    # WHEN a model is trained
    content = _train(tmp_path, ",".join(words), files)
    # THEN it has all of them, each judged, and the board takes it with its card
    assert content["labels"] == [*words, "unknown", "silence"]
    assert all(content["metrics"]["test"]["recall"][word] is not None for word in words)
    assert content["metrics"]["validation"]["accuracy"]["float"] is not None
    _board_takes(library, tmp_path, content["labels"])


def test_clips_near_silence(tmp_path: Path) -> None:
    # GIVEN recordings of a microphone that hardly works
    files = _clips({"yes": PLENTY, "no": PLENTY, "cat": PLENTY}, level=1e-4)
    # WHEN a model is trained
    content = _train(tmp_path, "yes,no", files)
    # THEN it is what it is, but its figures are figures
    history = content["metrics"]["history"]
    assert all(math.isfinite(epoch[name]) for epoch in history for name in ("loss", "val_loss"))


def test_folders_may_carry_the_names_of_the_other_classes(tmp_path: Path) -> None:
    # GIVEN clips dropped as `unknown` and as `silence`
    root = _dataset(tmp_path, _clips({"yes": PLENTY, "unknown": PLENTY, "silence": PLENTY}))
    # WHEN they become a training set
    names = labels.model_labels(["yes"])
    clips, _ = train.dataset.read(root / "input" / "dataset" / "manifest.jsonl")
    data = training_set.assemble(train.load_rows(root / "features", features.MICRO), clips, names)
    # THEN they are of those classes
    counts = {name: set(data.test.clip[data.test.classes == index]) for index, name in enumerate(names)}
    recorded = {name: {clip.sha256 for clip in clips if (clip.label, clip.split) == (name, "test")} for name in names}
    assert all(recorded[name] and recorded[name] <= counts[name] for name in names)


# --- what gives none


OTHER = {"cat": PLENTY}
REMEDY = r"; drop clips of more speakers into clips/<keyword>/ \(all clips of a speaker go to one split"

REFUSALS: dict[str, tuple[str, Mapping[str, Counts], int, str]] = {
    "no clips at all": ("yes,no", {}, 1, "keyword 'yes' has no clips; keyword 'no' has no clips" + REMEDY),
    "a keyword without clips": ("yes,up", {"yes": PLENTY} | OTHER, 1, "keyword 'up' has no clips" + REMEDY),
    "a keyword with one clip to train with": (
        "yes,up",
        {"yes": PLENTY, "up": {"train": 1}} | OTHER,
        1,
        "keyword 'up' has 1 clip of 1 speaker: 1 to train with, none to test" + REMEDY,
    ),
    "a keyword with one clip to test": (
        "yes,up",
        {"yes": PLENTY, "up": {"test": 1}} | OTHER,
        1,
        "keyword 'up' has 1 clip of 1 speaker: none to train with, 1 to test" + REMEDY,
    ),
    "a keyword of one speaker": (
        "yes,up",
        {"yes": PLENTY, "up": {"train": 1}} | OTHER,
        6,
        "keyword 'up' has 6 clips of 1 speaker: 6 to train with, none to test" + REMEDY,
    ),
    "a keyword that fell into validation": (
        "yes,up",
        {"yes": PLENTY, "up": {"validation": 2}} | OTHER,
        2,
        "keyword 'up' has 4 clips of 2 speakers: none to train with, none to test" + REMEDY,
    ),
    "keywords all short of test clips": (
        "yes,no,up,down,left",
        {word: {"train": 3, "validation": 1} for word in ("yes", "no", "up", "down", "left")} | OTHER,
        1,
        "keyword 'yes' has 4 clips of 4 speakers: 3 to train with, none to test; keyword 'no' has 4 .*"
        "keyword 'up' has 4 clips of 4 speakers: 3 to train with, none to test, and 2 keywords more" + REMEDY,
    ),
    "one keyword and no other word": (
        "yes",
        {"yes": PLENTY},
        1,
        "all training clips with speech are of one class, yes; drop clips of other words too",
    ),
}


@pytest.mark.parametrize(("keywords", "words", "takes", "sentence"), REFUSALS.values(), ids=REFUSALS.keys())
def test_too_little_says_what_there_is_and_what_to_do(
    tmp_path: Path, keywords: str, words: Mapping[str, Counts], takes: int, sentence: str
) -> None:
    with pytest.raises(training_set.TrainingSetError, match=sentence) as caught:
        _train(tmp_path, keywords, _clips(words, takes))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("keywords", "error", "sentence"),
    [
        ([f"{'word' * 7}_{n:02}" for n in range(30)], board.BoardError, r"card of these 32 labels takes up to 1\d\d\d"),
        ([f"w{n}" for n in range(39)], board.BoardError, "41 labels; the board holds 40, unknown and silence included"),
        (["w" * 33], labels.LabelError, "not a label; use 1 to 32 of a-z, 0-9 and _"),
        (["yes", "silence"], labels.LabelError, "keyword 'silence': every model has this class; leave it out"),
    ],
)
def test_labels_that_no_board_holds_are_refused_before_anything_is_read(
    tmp_path: Path, keywords: list[str], error: type[Exception], sentence: str
) -> None:
    # GIVEN folders that hold nothing
    nothing = train.Folders(*[tmp_path / "nothing"] * 9)
    # WHEN / THEN
    with pytest.raises(error, match=sentence):
        train.train(train.hyperparameters(["--keywords", ",".join(keywords)]), nothing, lambda line: None)

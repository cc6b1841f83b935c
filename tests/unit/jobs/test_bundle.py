"""The bundle of any model, trained or brought along: its files, and the same bytes each time."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from kws import (
    bundle,
    candidate,
    champion,
    dataset,
    evaluation,
    features,
    flatbuffer,
    models,
    quantise,
    recognise,
    tflm,
    training,
    training_set,
)
from made_clips import describe, small_clips

LABELS = ("yes", "no", "unknown", "silence")


@pytest.fixture(scope="module")
def clips() -> list[dataset.Clip]:
    return describe(small_clips(30))


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The audio channel."""
    folder = tmp_path_factory.mktemp("audio")
    for key, content in small_clips(30).items():
        path = folder / key.removeprefix("clips/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def model() -> candidate.Candidate:
    """A model that was never trained, with scores that a float model could give."""
    training.prepare(3)
    keras_model = models.build("tiny_conv", (49, 40, 1), 4)
    examples = np.random.default_rng(0).integers(-128, 128, (20, 49, 40)).astype(np.int8)
    int8 = quantise.to_int8(keras_model, examples)

    def scores(rows: np.ndarray) -> np.ndarray:
        return (tflm.Model(int8, "m").answer(rows).astype(np.float32) + 128) / 256

    def save(folder: Path) -> None:
        folder.mkdir()
        (folder / "saved_model.pb").write_bytes(b"model")

    weights = [np.asarray(w) for w in keras_model.get_weights()]
    return candidate.Candidate(int8, quantise.to_float(keras_model), scores, save, 16652, 336000, weights)


@pytest.fixture(scope="module")
def data(clips: list[dataset.Clip]) -> training_set.TrainingSet:
    def split(name: str) -> training_set.Split:
        chosen = [c for c in clips if c.split == name and not c.is_noise]
        random = np.random.default_rng(len(chosen))
        rows = random.integers(-128, 128, (len(chosen), 49, 40)).astype(np.int8)
        classes = [LABELS.index("unknown" if c.label == "stop" else c.label) for c in chosen]
        return training_set.Split(rows, np.array(classes), np.array([c.sha256 for c in chosen]))

    train = split("train")
    return training_set.TrainingSet(train, np.ones(len(train)), split("validation"), split("test"), False)


def origin(clips: list[dataset.Clip]) -> bundle.Origin:
    return bundle.Origin(
        "tiny_conv", LABELS, features.MICRO, {"manifest": "s3://d/m", "sha256": "ab", "clips": len(clips)}, "c0de",
        seed=1, epochs=2, warm_start="s3://d/old", cost={"flash_bytes": 1, "arena_bytes": 2, "instructions": 3},
        budget={"flash": 9},
    )  # fmt: skip


EPOCHS = [training.Epoch(1, 1.0, 0.5, 1.1, 0.4, 2.5), training.Epoch(2, 0.5, 0.7, 0.6, 0.6, 2.4)]


@pytest.fixture(scope="module")
def written(
    tmp_path_factory: pytest.TempPathFactory,
    repository: Path,
    model: candidate.Candidate,
    data: training_set.TrainingSet,
    clips: list[dataset.Clip],
    recordings: Path,
) -> tuple[Path, dict, list[str]]:
    folder, lines = tmp_path_factory.mktemp("bundle"), list[str]()
    jobs = repository / "jobs"
    content = bundle.write(folder, model, data, clips, origin(clips), EPOCHS, jobs, recordings, None, lines.append)
    return folder, content, lines


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_bundle_holds_all_files_of_the_contract(written: tuple[Path, dict, list[str]]) -> None:
    folder, content, lines = written
    names = set(hashes(folder))
    assert names >= {
        "bundle.json", "model.tflite", "model_float.tflite", "1/saved_model.pb", "golden_x.bin", "golden_y.bin",
        "weights.npz", "answers.jsonl", "evaluation.json", "report.html", "code/inference.py", "code/kws/features.py",
        "code/requirements.txt",
    }  # fmt: skip
    # AND its card says where the model comes from and what it costs
    assert json.loads((folder / "bundle.json").read_text()) == content
    assert (content["origin"], content["warm_start"], content["epochs"], content["seed"]) == (
        "trained", "s3://d/old", 2, 1
    )  # fmt: skip
    assert content["cost"] == {"flash_bytes": 1, "arena_bytes": 2, "instructions": 3}
    assert content["metrics"]["history"][0] == {
        "epoch": 1, "loss": 1.0, "accuracy": 0.5, "val_loss": 1.1, "val_accuracy": 0.4, "seconds": 2.5
    }  # fmt: skip
    assert content["metrics"]["champion"] is None
    # AND the job's log tells of the streams
    assert [line.split()[1] for line in lines] == ["validation", "test", "test"]


def test_the_handlers_ask_for_what_they_need_and_no_more(written: tuple[Path, dict, list[str]]) -> None:
    text = (written[0] / "code" / "requirements.txt").read_text()
    assert "soundfile==" in text
    assert "matplotlib" not in text


def test_the_chosen_recogniser_is_in_the_card_and_in_the_model(written: tuple[Path, dict, list[str]]) -> None:
    folder, content, _ = written
    for name in ("model.tflite", "model_float.tflite"):
        card = flatbuffer.card_of((folder / name).read_bytes(), name)
        assert card is not None
        assert card["recogniser"] == content["recogniser"]
    assert content["recogniser"] != recognise.Settings().as_dict()


def test_figures_agree_with_the_answers(
    written: tuple[Path, dict, list[str]], data: training_set.TrainingSet, model: candidate.Candidate
) -> None:
    folder, content, _ = written
    answers = [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]
    test = content["metrics"]["test"]
    # THEN there is an answer for each test clip, TFLM's own
    assert [a["sha256"] for a in answers] == sorted(data.test.clip.tolist())
    assert test["clips"] == len(answers)
    assert test["accuracy"]["int8"] == np.mean([a["truth"] == a["answer"] for a in answers])
    rows = dict(zip(data.test.clip.tolist(), data.test.features, strict=True))
    raw = tflm.Model(model.int8, "m").answer(np.stack([rows[a["sha256"]] for a in answers]))
    assert [a["scores"] for a in answers] == raw.tolist()
    # AND the worst clips are among the wrong ones, the surest first
    wrong = {a["key"]: max(a["scores"]) for a in answers if a["truth"] != a["answer"]}
    named = test["mistakes"]
    assert [m["score"] for m in named] == sorted(((s + 128) / 256 for s in wrong.values()), reverse=True)[:20]
    assert {m["key"] for m in named} <= set(wrong)
    # AND the curves are of this model
    curves = json.loads((folder / "evaluation.json").read_text())
    assert curves["schema"] == "earshot.evaluation/1"
    assert set(curves["int8"]["trade_off"]) == {"yes", "no"}
    assert sum(b["answers"] for b in curves["float"]["calibration"]) == test["clips"]
    assert len(curves["streaming"]["operating"]) > 1


def test_streams_hold_every_keyword_of_the_test_clips(
    written: tuple[Path, dict, list[str]], clips: list[dataset.Clip]
) -> None:
    streaming = written[1]["metrics"]["streaming"]
    assert streaming["words"] == sum(c.split == "test" and c.label in LABELS for c in clips)
    assert streaming["miss_rate"] == streaming["misses"] / streaming["words"]
    assert [part["snr_db"] for part in streaming["by_snr"]] == [None, 20.0, 10.0, 5.0]


def test_the_same_inputs_give_the_same_bytes(
    written: tuple[Path, dict, list[str]],
    tmp_path: Path,
    repository: Path,
    model: candidate.Candidate,
    data: training_set.TrainingSet,
    clips: list[dataset.Clip],
    recordings: Path,
) -> None:
    # GIVEN another training that took other seconds
    slower = [replace(epoch, seconds=epoch.seconds + 1) for epoch in EPOCHS]
    again = bundle.write(
        tmp_path / "b", model, data, clips, origin(clips), slower, repository / "jobs", recordings, None, lambda _: None
    )
    # THEN all files are the same, but for these seconds
    first, second = hashes(written[0]), hashes(tmp_path / "b")
    assert first.keys() == second.keys()
    assert {name for name in first if first[name] != second[name]} == {"bundle.json"}
    for content in (again, written[1]):
        for epoch in content["metrics"]["history"]:
            epoch.pop("seconds", None)
    assert again == written[1]


def test_an_imported_model_has_no_history_no_weights_and_no_streams_without_audio(
    tmp_path: Path,
    repository: Path,
    model: candidate.Candidate,
    data: training_set.TrainingSet,
    clips: list[dataset.Clip],
) -> None:
    # GIVEN a model that was brought along, a champion of the same labels that had everything right, and no audio
    brought = replace(model, weights=[])
    where = replace(origin(clips), imported=True, architecture="imported", epochs=0, warm_start="")
    truth = dict(zip(data.test.clip.tolist(), (LABELS[c] for c in data.test.classes), strict=True))
    rival = champion.Champion("s3://c", {"labels": list(LABELS)}, {s: (t, t) for s, t in truth.items()}, None)
    # WHEN
    content = bundle.write(
        tmp_path, brought, data, clips, where, [], repository / "jobs", tmp_path / "absent", rival, lambda _: None
    )
    # THEN
    assert (content["origin"], content["architecture"]) == ("imported", "imported")
    assert content["metrics"]["history"] == []
    assert content["metrics"]["streaming"] is None
    assert content["recogniser"] == recognise.Settings().as_dict()
    assert not (tmp_path / "weights.npz").exists()
    assert json.loads((tmp_path / "evaluation.json").read_text())["streaming"] is None
    assert "it was not trained here" in (tmp_path / "report.html").read_text()
    # AND the comparison is on all test clips
    versus = content["metrics"]["champion"]
    assert (versus["clips"], versus["accuracy"]) == (len(truth), 1.0)
    assert versus["challenger"] == content["metrics"]["test"]["accuracy"]["int8"]
    # AND what it lost is named as the worst clips are
    wrong = {m["key"] for m in content["metrics"]["test"]["mistakes"]}
    assert len(versus["lost"]) == min(20, round(len(truth) * (1 - versus["challenger"])))
    assert len(truth) > 20 or wrong == set(versus["lost"])


def test_a_bundle_is_a_champion(written: tuple[Path, dict, list[str]], model: candidate.Candidate) -> None:
    # GIVEN the files of a bundle
    files = {name: (written[0] / name).read_bytes() for name in ("bundle.json", "answers.jsonl", "weights.npz")}
    # WHEN the next run reads them / THEN it has the labels, the answers and the weights
    rival = champion.parse(files, "s3://d")
    answers = [evaluation.Answer(**{**json.loads(line)}) for line in files["answers.jsonl"].decode().splitlines()]
    content = champion.compare(rival, LABELS, answers, lambda _: None)
    assert content["accuracy"] == content["challenger"] == written[1]["metrics"]["test"]["accuracy"]["int8"]
    assert rival.weights is not None
    for was, is_ in zip(model.weights, rival.weights, strict=True):
        np.testing.assert_array_equal(was, is_)

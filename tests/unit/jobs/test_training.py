"""The training job: the same bytes each time, resumed or not; a bundle that holds what it promises."""

import argparse
import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import train
from kws import batches, cost, flatbuffer, models, quantise, shards, tflm, training, training_set

SMALL = ["--architecture", "tiny_conv", "--learning_rate", "0.004", "--keywords", "yes,no", "--epochs", "4"]
SMALL += ["--samples_per_epoch", "2560", "--batch_size", "64", "--seed", "5"]


def folders(root: Path, preprocessed: Path) -> train.Folders:
    return train.Folders.of(
        {
            "SAGEMAKER_BASE_DIR": str(root),
            "SM_CHANNEL_FEATURES": str(preprocessed / "features"),
            "SM_CHANNEL_DATASET": str(preprocessed / "input" / "dataset"),
        }
    )


def run(root: Path, preprocessed: Path, *more: str) -> tuple[dict, list[str]]:
    lines: list[str] = []
    content = train.train(train.hyperparameters([*SMALL, *more]), folders(root, preprocessed), lines.append)
    return content, lines


@pytest.fixture(scope="module")
def trained(preprocessed: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict, list[str]]:
    root = tmp_path_factory.mktemp("trained")
    return (root, *run(root, preprocessed, "--run", "r000001", "--dataset_uri", "s3://d/manifest.jsonl"))


Trained = tuple[Path, dict, list[str]]


def test_the_same_inputs_give_the_same_model_bytes(trained: Trained, preprocessed: Path, tmp_path: Path) -> None:
    # GIVEN a second training of the same manifest, code and seed
    run(tmp_path, preprocessed)
    # THEN both models and the golden answers are equal byte by byte
    for name in ("model.tflite", "model_float.tflite", "golden_x.bin", "golden_y.bin"):
        assert (tmp_path / "model" / name).read_bytes() == (trained[0] / "model" / name).read_bytes(), name


def test_another_seed_gives_another_model(trained: Trained, preprocessed: Path, tmp_path: Path) -> None:
    run(tmp_path, preprocessed, "--seed", "6")
    other = (tmp_path / "model" / "model.tflite").read_bytes()
    assert other != (trained[0] / "model" / "model.tflite").read_bytes()


def test_an_interrupted_training_ends_as_an_uninterrupted_one(
    trained: Trained, preprocessed: Path, tmp_path: Path
) -> None:
    # GIVEN a job that is killed after its second epoch
    class Killed(Exception):
        pass

    def die_after_two(line: str) -> None:
        if line.startswith("epoch 3/"):
            raise Killed

    with pytest.raises(Killed):
        train.train(train.hyperparameters(SMALL), folders(tmp_path, preprocessed), die_after_two)
    # WHEN it is started again
    content, lines = run(tmp_path, preprocessed)
    # THEN it goes on where it was, to the same model and history
    assert "resumed after epoch 2/4" in lines
    assert (tmp_path / "model" / "model.tflite").read_bytes() == (trained[0] / "model" / "model.tflite").read_bytes()
    assert [e["loss"] for e in content["metrics"]["history"]] == [e["loss"] for e in trained[1]["metrics"]["history"]]


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 cut", None])
def test_a_checkpoint_that_does_not_fit_is_ignored(
    trained: Trained, preprocessed: Path, tmp_path: Path, damage: bytes | None
) -> None:
    # GIVEN a damaged checkpoint, or one of another recipe
    (tmp_path / "checkpoints").mkdir()
    if damage is None:
        run(tmp_path, preprocessed, "--epochs", "2")
    else:
        (tmp_path / "checkpoints" / "checkpoint.npz").write_bytes(damage)
    # WHEN / THEN training starts from nothing
    _, lines = run(tmp_path, preprocessed)
    assert not any(line.startswith("resumed") for line in lines)
    assert (tmp_path / "model" / "model.tflite").read_bytes() == (trained[0] / "model" / "model.tflite").read_bytes()


def test_it_learns(trained: Trained) -> None:
    # GIVEN tones that differ by their pitch
    test = trained[1]["metrics"]["test"]
    # THEN speakers that it never heard are told apart, as well in int8 as in float
    assert test["accuracy"]["float"] > 0.8
    assert test["accuracy"]["int8"] == pytest.approx(test["accuracy"]["float"], abs=0.05)


def test_the_log_says_what_metric_definitions_read(trained: Trained) -> None:
    epochs = [line for line in trained[2] if line.startswith("epoch ")]
    assert len(epochs) == 4
    number = r"\d+\.\d{4}"
    pattern = rf"epoch \d/4 loss={number} accuracy={number} val_loss={number} val_accuracy={number} seconds=\d+\.\d"
    assert all(re.fullmatch(pattern, line) for line in epochs)
    assert re.fullmatch(rf"test accuracy_float={number} accuracy_int8={number}", trained[2][-1])


def test_the_bundle_holds_what_the_contract_says(trained: Trained, preprocessed: Path) -> None:
    # GIVEN a bundle
    root, content, _ = trained
    model = root / "model"
    assert json.loads((model / "bundle.json").read_text()) == content
    # THEN its card is complete
    assert content["schema"] == "earshot.bundle/1"
    assert content["labels"] == ["yes", "no", "unknown", "silence"]
    assert content["dataset"]["manifest"] == "s3://d/manifest.jsonl"
    assert content["dataset"]["clips"] == sum(content["dataset"][s] for s in ("train", "validation", "test"))
    assert content["operators"] == ["CONV_2D", "RESHAPE", "FULLY_CONNECTED", "SOFTMAX"]
    assert content["input"] == {"shape": [1, 49, 40, 1], "scale": 1 / 128, "zero_point": -128}
    assert content["output"] == {"shape": [1, 4], "scale": 1 / 256, "zero_point": -128}
    assert (content["parameters"], content["macs"]) == (16652, 336000)
    assert content["model_bytes"] == (model / "model.tflite").stat().st_size < 20_480
    assert 8_000 < content["arena_bytes"] < 12_000
    # AND the files are there, the serving code with its package
    for name in (
        "model_float.tflite",
        "1/saved_model.pb",
        "code/inference.py",
        "code/kws/features.py",
        "code/requirements.txt",
    ):
        assert (model / name).is_file(), name
    # AND the confusion matrix counts every test clip
    test = content["metrics"]["test"]
    assert sum(map(sum, test["confusion"]["matrix"])) == test["clips"]
    trace = sum(test["confusion"]["matrix"][i][i] for i in range(4))
    assert trace / test["clips"] == test["accuracy"]["int8"]


def test_golden_answers_are_tflms(trained: Trained) -> None:
    # GIVEN the golden rows
    root, content, _ = trained
    model = root / "model"
    x = np.frombuffer((model / "golden_x.bin").read_bytes(), np.int8).reshape(-1, 49, 40)
    y = np.frombuffer((model / "golden_y.bin").read_bytes(), np.int8).reshape(-1, 4)
    assert len(x) == len(y) == content["golden"] == 8
    # WHEN / THEN the model answers them so
    np.testing.assert_array_equal(tflm.Model((model / "model.tflite").read_bytes(), "m").answer(x), y)


def test_the_saved_model_serves_what_the_int8_model_answers(trained: Trained) -> None:
    # GIVEN the SavedModel
    root, _, _ = trained
    model = root / "model"
    served = tf.saved_model.load(str(model / "1")).signatures["serving_default"]
    x = np.frombuffer((model / "golden_x.bin").read_bytes(), np.int8).reshape(-1, 49, 40)
    # WHEN it is called by the contract's names
    scores = served(features=quantise.real_values(x))["scores"].numpy()
    # THEN its probabilities are the int8 ones, within quantisation
    y = np.frombuffer((model / "golden_y.bin").read_bytes(), np.int8).reshape(-1, 4)
    assert scores.sum(axis=1) == pytest.approx(np.ones(8), abs=1e-5)
    np.testing.assert_allclose(scores, (y.astype(int) + 128) / 256, atol=0.12)


def test_the_model_card_travels_inside(trained: Trained) -> None:
    for name in ("model.tflite", "model_float.tflite"):
        assert flatbuffer.card_of((trained[0] / "model" / name).read_bytes(), name) == {
            "schema": "earshot.model/1",
            "frontend": "micro-7b49ead9",
            "labels": ["yes", "no", "unknown", "silence"],
            "recogniser": {
                "average_ms": 480,
                "threshold": 200,
                "suppression_ms": 1500,
                "minimum_count": 3,
                "hop_frames": 4,
            },
        }


def test_a_card_changes_no_answer_and_can_be_replaced(trained: Trained) -> None:
    # GIVEN a model whose card is replaced
    content = (trained[0] / "model" / "model.tflite").read_bytes()
    card = {"schema": "earshot.model/1", "frontend": "f", "labels": ["a"]}
    changed = flatbuffer.with_card(content, card)
    # THEN the new card is read, there is one only, and the answers are the same
    assert flatbuffer.card_of(changed, "m") == card
    assert len(flatbuffer.parse(changed, "m").metadata) == len(flatbuffer.parse(content, "m").metadata)
    x = np.random.default_rng(0).integers(-128, 128, (5, 49, 40)).astype(np.int8)
    np.testing.assert_array_equal(tflm.Model(content, "m").answer(x), tflm.Model(changed, "m").answer(x))


def test_weights_lie_aligned_in_the_file(trained: Trained) -> None:
    # GIVEN the model as a board reads it in place
    content = (trained[0] / "model" / "model.tflite").read_bytes()
    tree = flatbuffer.parse(content, "m")
    # THEN every buffer begins at a multiple of 16
    for buffer in tree.buffers:
        if buffer.data is not None and len(buffer.data) >= 16:
            assert content.index(bytes(buffer.data)) % 16 == 0


@pytest.mark.parametrize("content", [b"", b"TFL3TFL3", bytes(100), b"\x10\x00\x00\x00TFL3" + bytes(40)])
def test_what_is_no_model_is_refused(content: bytes) -> None:
    with pytest.raises(flatbuffer.ModelFileError, match=r"x\.tflite"):
        tflm.Model(content, "x.tflite")


def test_a_float_model_is_refused(trained: Trained) -> None:
    with pytest.raises(flatbuffer.ModelFileError, match="its input is float32; quantise it to int8"):
        tflm.Model((trained[0] / "model" / "model_float.tflite").read_bytes(), "x.tflite")


def test_input_quantisation_is_that_of_features_even_for_quiet_examples() -> None:
    # GIVEN examples that use a small part of the range
    training.prepare(1)
    model = models.build("tiny_conv", (49, 40, 1), 3)
    content = quantise.to_int8(model, np.full((4, 49, 40), -120, np.int8))
    # WHEN / THEN a feature still is its own quantised value
    assert tflm.Model(content, "m").input_quantisation == (1 / 128, -128)


# --- failures


def change(preprocessed: Path, root: Path, alter: Callable[[shards.Rows], shards.Rows]) -> Path:
    """A copy of the small dataset with altered features."""
    (root / "features").mkdir(parents=True)
    for path in (preprocessed / "features").glob("shard-*.npz"):
        shards.save(root / "features" / path.name, alter(shards.load(path, (49, 40))))
    (root / "input").mkdir()
    (root / "input" / "dataset").symlink_to(preprocessed / "input" / "dataset")
    return root


def test_features_of_another_front_end_are_refused(preprocessed: Path, tmp_path: Path) -> None:
    def rename(rows: shards.Rows) -> shards.Rows:
        return shards.Rows("micro-00000000", rows.features, rows.clip, rows.label, rows.split, rows.copy)

    changed = change(preprocessed, tmp_path / "changed", rename)
    with pytest.raises(shards.ShardError, match="front end micro-00000000, the job wants micro-7b49ead9"):
        run(tmp_path, changed)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--keywords", "yes,up"], "keyword 'up' has no clips; drop clips of more speakers"),
        (["--keywords", "yes,yes"], "named twice"),
        (["--keywords", ","], "no keywords"),
        (["--frontend", "micro-12345678"], "front end 'micro-12345678' is unknown"),
        (["--architecture", "huge"], "architecture 'huge' is unknown; known are tiny_conv"),
        (["--epochs", "0"], "0 is not between 1 and"),
        (["--epochs", "many"], "hyperparameters: argument --epochs"),
        (["--learning_rate", "nan"], "nan is not between"),
    ],
)
def test_a_failure_is_one_sentence_in_the_failure_file(
    preprocessed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str
) -> None:
    # GIVEN a container with a request that cannot be met
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    monkeypatch.setenv("SM_CHANNEL_FEATURES", str(preprocessed / "features"))
    monkeypatch.setenv("SM_CHANNEL_DATASET", str(preprocessed / "input" / "dataset"))
    # WHEN the job runs
    status = train.main([*SMALL, *arguments])
    # THEN it fails with one line that says why
    assert status == 1
    text = (tmp_path / "output" / "failure").read_text()
    assert sentence in text
    assert text.count("\n") == 1


def test_an_empty_features_channel_is_named(preprocessed: Path, tmp_path: Path) -> None:
    (tmp_path / "features").mkdir()
    (tmp_path / "input").symlink_to(preprocessed / "input")
    with pytest.raises(shards.ShardError, match="holds no shards"):
        run(tmp_path, tmp_path)


def test_the_job_runs_as_its_container_runs_it(preprocessed: Path, tmp_path: Path, repository: Path) -> None:
    # GIVEN the folders of a container, and the argument that TensorFlow's container adds
    data = tmp_path / "input" / "data"
    data.mkdir(parents=True)
    (data / "features").symlink_to(preprocessed / "features")
    (data / "dataset").symlink_to(preprocessed / "input" / "dataset")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SM_")}
    environment["SAGEMAKER_BASE_DIR"] = str(tmp_path)
    command = [sys.executable, str(repository / "jobs" / "train.py"), *SMALL, "--epochs", "1", "--model_dir", "s3://x"]
    # WHEN its entry point runs
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    # THEN it ends well with a bundle and without a failure
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model" / "bundle.json").exists()
    assert (tmp_path / "checkpoints" / "checkpoint.npz").exists()
    assert not (tmp_path / "output" / "failure").exists()
    assert "epoch 1/1 loss=" in done.stdout


def test_defaults_are_complete() -> None:
    request: argparse.Namespace = train.hyperparameters([])
    assert request.architecture in models.ARCHITECTURES
    assert min(request.epochs, request.samples_per_epoch, request.batch_size) >= 1


def test_masks_stay_within_their_limits() -> None:
    masks = batches._masks(np.random.default_rng(0), (50, 8), 2, 8, 49)
    widths = masks[..., 1] - masks[..., 0]
    assert masks.shape == (50, 8, 2, 2)
    assert (widths.min(), widths.max()) == (0, 8)
    assert masks.min() >= 0
    assert masks.max() <= 49
    kept = batches._kept(tf.constant(masks[0]), 49).numpy()
    for row, spans in zip(kept, masks[0], strict=True):
        hidden = {place for start, end in spans for place in range(start, end)}
        assert set(np.flatnonzero(row == 0).tolist()) == hidden


def test_spread_rows_cover_every_class() -> None:
    classes = np.array([2] * 50 + [0, 1, 3])
    chosen = training_set.spread(classes, 8)
    assert len(chosen) == 8
    assert set(classes[chosen]) == {0, 1, 2, 3}


def test_a_checkpoint_belongs_to_its_data(preprocessed: Path) -> None:
    # GIVEN two training sets that differ in one feature
    recipe = training.Recipe(1, 1, 1, 1e-3, 1)
    part = training_set.Split(np.zeros((1, 49, 40), np.int8), np.zeros(1, np.int64), np.array(["a"]))
    other = training_set.Split(np.ones((1, 49, 40), np.int8), part.classes, part.clip)
    sets = [training_set.TrainingSet(p, np.ones(1), part, part, False) for p in (part, other)]
    # WHEN / THEN their checkpoints are told apart
    assert training.identity(recipe, sets[0], "a", ()) != training.identity(recipe, sets[1], "a", ())
    # AND so are a cold and a warm start
    assert training.identity(recipe, sets[0], "a", ()) != training.identity(recipe, sets[0], "a", [np.ones(1)])


# --- early stopping, warm start, budget, curves


def test_early_stopping_goes_back_to_the_lowest_validation_loss(preprocessed: Path, tmp_path: Path) -> None:
    # GIVEN a learning rate that leaps about, and a patience of two epochs
    lines: list[str] = []
    wild = [*SMALL, "--epochs", "12", "--learning_rate", "0.3", "--patience", "2"]
    content = train.train(train.hyperparameters(wild), folders(tmp_path, preprocessed), lines.append)
    # THEN it ended early, two epochs after the best one
    losses = [epoch["val_loss"] for epoch in content["metrics"]["history"]]
    assert len(losses) < 12
    assert int(np.argmin(losses)) == len(losses) - 3
    # AND the model is that of the best epoch
    assert any(line.startswith(f"went back to epoch {len(losses) - 2}") for line in lines)


def test_early_stopping_survives_a_kill(preprocessed: Path, tmp_path: Path) -> None:
    # GIVEN a training that stops early, and one that is killed after the best epoch was seen
    wild = [*SMALL, "--epochs", "12", "--learning_rate", "0.3", "--patience", "2"]
    whole = train.train(train.hyperparameters(wild), folders(tmp_path / "a", preprocessed), lambda _: None)
    last = len(whole["metrics"]["history"])

    class Killed(Exception):
        pass

    def die(line: str) -> None:
        if line.startswith(f"epoch {last}/"):
            raise Killed

    with pytest.raises(Killed):
        train.train(train.hyperparameters(wild), folders(tmp_path / "b", preprocessed), die)
    train.train(train.hyperparameters(wild), folders(tmp_path / "b", preprocessed), lambda _: None)
    # THEN both end with the same bytes
    models_ = [(tmp_path / name / "model" / "model.tflite").read_bytes() for name in ("a", "b")]
    assert models_[0] == models_[1]


def champion_of(root: Path, target: Path) -> None:
    """Packs a trained bundle as SageMaker leaves it, as another job's champion channel."""
    channel = target / "input" / "data" / "champion"
    channel.mkdir(parents=True)
    with tarfile.open(channel / "model.tar.gz", "w:gz") as archive:
        archive.add(root / "model", arcname=".")


def test_a_warm_start_begins_where_the_champion_ended(trained: Trained, preprocessed: Path, tmp_path: Path) -> None:
    # GIVEN a champion of the same labels, front end and architecture
    champion_of(trained[0], tmp_path)
    # WHEN a training may start warm
    content, lines = run(tmp_path, preprocessed, "--epochs", "6", "--champion_uri", "s3://d/m.tar.gz")
    # THEN it is shorter, says so, and begins better than the champion began
    assert content["warm_start"] == "s3://d/m.tar.gz"
    assert any("begins with the weights of s3://d/m.tar.gz: 4 epochs instead of 6" in line for line in lines)
    first, cold = (c["metrics"]["history"][0]["val_loss"] for c in (content, trained[1]))
    assert first < cold
    # AND both are compared on the champion's test clips
    assert content["metrics"]["champion"]["clips"] > 0


@pytest.mark.parametrize(
    "change",
    [["--warm_start", "false"], ["--keywords", "no,yes"], ["--keywords", "yes"], ["--architecture", "tc_resnet8"]],
)
def test_a_champion_of_another_kind_gives_no_weights(
    trained: Trained, preprocessed: Path, tmp_path: Path, change: list[str]
) -> None:
    champion_of(trained[0], tmp_path)
    content, _ = run(tmp_path, preprocessed, "--champion_uri", "s3://d/m.tar.gz", "--epochs", "1", *change)
    assert content["warm_start"] == ""


def test_what_does_not_fit_is_refused_before_training(preprocessed: Path, tmp_path: Path) -> None:
    # GIVEN a board with little room
    lines: list[str] = []
    small = train.hyperparameters([*SMALL, "--budget", "flash=10000,arena=5000,instructions=100000"])
    # WHEN / THEN the job says what is missing, and has not trained
    with pytest.raises(
        cost.OverBudgetError, match=r"flash 18,\d+ of 10,000 bytes .*arena 9,\d+ of.*instructions 5\d\d,"
    ):
        train.train(small, folders(tmp_path, preprocessed), lines.append)
    assert not any(line.startswith("epoch") for line in lines)


def test_curves_are_left_for_tensorboard(trained: Trained) -> None:
    files = list((trained[0] / "output" / "tensorboard").glob("events.out.tfevents.*"))
    assert files
    records = [record for file in files for record in tf.compat.v1.train.summary_iterator(str(file))]
    seen = {(record.step, value.tag) for record in records for value in record.summary.value}
    assert {(epoch, "val_accuracy") for epoch in (1, 2, 3, 4)} <= seen

"""Models that somebody brought along: described, checked, with a twin in real numbers that answers as they do."""

# mypy: disable-error-code="no-untyped-def, no-any-return, import-not-found"

import hashlib
import json
import os
import signal
import sys
import tempfile
from pathlib import Path

import flatbuffers
import keras
import numpy as np
import pytest
import tensorflow as tf
import train
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keras import layers
from kws import board, cost, features, flatbuffer, graph, imported, labels, quantise, tflm, twin

sys.path.append(str(Path(__file__).resolve().parents[1] / "firmware"))

import tflite_models as models

MICRO = features.MICRO
LABELS = ("silence", "unknown", "yes", "no")
KEYWORDS = ("yes", "no")


def _rows(count: int, seed: int = 0) -> np.ndarray:
    """Features of a made-up loudness: int8 (count, 49, 40)."""
    random = np.random.default_rng(seed)
    loudness = random.uniform(0, 180, (count, 1, 40)) * np.abs(np.sin(np.arange(49)[:, None] * random.uniform(0, 0.3)))
    return np.clip(loudness + random.normal(0, 20, (count, 49, 40)) - 128, -128, 127).astype(np.int8)


def _converted(model: keras.Model, step: float = 1 / 128) -> bytes:
    """An int8 model as somebody converts it, by features whose real value is (q + 128) · step."""
    rows = np.concatenate([np.resize(np.arange(-128, 128), (1, 49, 40)), _rows(40)])
    examples = _real(model, rows, step)[:, None]
    with tempfile.TemporaryDirectory() as folder:
        quantise.save(model, Path(folder), batch=1)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([row] for row in examples)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        return bytes(converter.convert())


def _decisive(inputs: keras.KerasTensor, x: keras.KerasTensor, step: float = 1 / 128) -> keras.Model:
    """A model with a last layer that is sure of most of its answers, and gives all of them."""
    last = layers.Dense(4)
    model = keras.Model(inputs, last(x))
    logits = model.predict(_real(model, _rows(100), step), verbose=0)
    kernel = last.kernel.numpy() * 5 / logits.std(axis=0)
    last.kernel.assign(kernel)
    last.bias.assign(-5 * logits.mean(axis=0) / logits.std(axis=0))
    return model


def _real(model: keras.Model, rows: np.ndarray, step: float) -> np.ndarray:
    return ((rows.astype(np.float32) + 128) * np.float32(step)).reshape(-1, *model.input_shape[1:])


def tiny_conv() -> keras.Model:
    inputs = keras.Input((49, 40, 1))
    x = layers.Conv2D(8, (10, 8), strides=2, padding="same", activation="relu")(inputs)
    return _decisive(inputs, layers.Flatten()(x))


def ds_cnn() -> keras.Model:
    inputs = keras.Input((49, 40, 1))
    x = layers.Conv2D(12, (10, 4), strides=2, padding="same", activation="relu6")(inputs)
    for _ in range(2):
        x = layers.DepthwiseConv2D((3, 3), padding="same", activation="relu")(x)
        x = layers.Conv2D(12, 1, activation="relu")(x)
    return _decisive(inputs, layers.Flatten()(layers.AveragePooling2D((5, 5))(x)))


def residual() -> keras.Model:
    """Convolutions over time, frequencies as channels, with a sum, a dilation, a pool and a mean."""
    inputs = keras.Input((49, 40, 1))
    x = layers.Reshape((49, 1, 40))(inputs)
    x = layers.Conv2D(16, (3, 1), padding="same", activation="relu")(x)
    y = layers.Conv2D(16, (9, 1), padding="same", activation="relu")(x)
    x = layers.ReLU()(layers.Add()([layers.DepthwiseConv2D((9, 1), padding="same")(y), x]))
    x = layers.MaxPooling2D((2, 1))(x)
    x = layers.Conv2D(16, (3, 1), padding="same", dilation_rate=(2, 1), activation="relu")(x)
    x = keras.ops.pad(x, ((0, 0), (1, 0), (0, 0), (0, 0)))
    return _decisive(inputs, keras.ops.mean(x, axis=(1, 2)))


def micro_speech() -> keras.Model:
    """As published with TensorFlow Lite Micro: features in one row."""
    inputs = keras.Input((1960,))
    x = layers.Reshape((49, 40, 1))(inputs)
    x = layers.Conv2D(8, (10, 8), strides=2, padding="same", activation="relu")(x)
    return _decisive(inputs, layers.Flatten()(x), 26 / 255)


# Per architecture: the model, the real value of a step of a feature.
NETWORKS = {
    "tiny_conv": (tiny_conv, 1 / 128),
    "ds_cnn": (ds_cnn, 1 / 128),
    "residual": (residual, 1 / 128),
    "micro_speech": (micro_speech, 26 / 255),
}


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    keras.utils.set_random_seed(1)
    return {name: _converted(build(), step) for name, (build, step) in NETWORKS.items()}


def _describe(content: bytes, **changes) -> bytes:
    fields = {
        "schema": "earshot.import/1",
        "name": "brought.tflite",
        "labels": list(LABELS),
        "frontend": MICRO.id,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    return json.dumps({k: v for k, v in (fields | changes).items() if v is not None}).encode()


def _folder(root: Path, content: bytes, description: bytes | None = None) -> Path:
    (root / "model.tflite").write_bytes(content)
    (root / "import.json").write_bytes(_describe(content) if description is None else description)
    return root


def _card(**changes) -> dict:
    recogniser = {"average_ms": 1000, "threshold": 200, "suppression_ms": 1500, "minimum_count": 3}
    card = {"schema": "earshot.model/1", "frontend": MICRO.id, "labels": list(LABELS), "recogniser": recogniser}
    return card | changes


# --- whole models


@pytest.mark.parametrize("name", NETWORKS)
def test_a_twin_answers_as_its_int8_model(files, name: str, tmp_path: Path) -> None:
    # GIVEN a model as its maker converted it, and some features
    found = imported.load(_folder(tmp_path, files[name]), KEYWORDS, MICRO)
    rows = _rows(200, seed=1)
    # WHEN it and its twin answer
    scores = found.candidate.scores(rows)
    answers = tflm.Model(found.candidate.int8, name).answer(rows)
    # THEN probabilities are near each other, and where one is sure the other says the same
    assert scores.shape == (200, 4)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
    assert np.abs(scores - (answers + 128.0) / 256).mean() < 0.02
    best = np.sort(scores, axis=1)
    sure = best[:, -1] - best[:, -2] > 0.2
    assert sure.sum() > 50
    assert len(np.unique(scores[sure].argmax(axis=1))) > 1
    np.testing.assert_array_equal(scores[sure].argmax(axis=1), answers[sure].argmax(axis=1))


@pytest.mark.parametrize("name", NETWORKS)
def test_all_forms_of_a_candidate_answer_alike(files, name: str, tmp_path: Path) -> None:
    # GIVEN a candidate
    candidate = imported.load(_folder(tmp_path, files[name]), KEYWORDS, MICRO).candidate
    rows = _rows(5, seed=2)
    expected = candidate.scores(rows)
    # WHEN its SavedModel is served by the contract's names, and its float .tflite runs
    candidate.save(tmp_path / "1")
    served = tf.saved_model.load(str(tmp_path / "1")).signatures["serving_default"]
    interpreter = tf.lite.Interpreter(model_content=candidate.full)
    interpreter.allocate_tensors()
    (taken,), (given_,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert taken["shape"].tolist() == [1, 49, 40, 1]
    # THEN all give the same scores
    np.testing.assert_allclose(served(features=quantise.real_values(rows))["scores"].numpy(), expected, atol=1e-5)
    for row, scores in zip(rows, expected, strict=True):
        interpreter.set_tensor(taken["index"], quantise.real_values(row[None]))
        interpreter.invoke()
        np.testing.assert_allclose(interpreter.get_tensor(given_["index"])[0], scores, atol=1e-4)


def test_a_published_model_keeps_its_input(files, tmp_path: Path) -> None:
    # GIVEN a model as TensorFlow Lite Micro publishes one
    found = imported.load(_folder(tmp_path, files["micro_speech"]), KEYWORDS, MICRO)
    model = tflm.Model(found.candidate.int8, "m")
    # THEN shape, quantisation and the order of labels stay its own
    assert model.input_shape == (1, 1960)
    assert model.input_quantisation == (pytest.approx(0.101961, abs=1e-6), -128)
    assert found.labels == LABELS
    # AND weights and multiplications are counted as for any tiny_conv
    assert (found.candidate.parameters, found.candidate.macs) == (16652, 336000)
    assert found.candidate.weights == ()


def test_counting_meets_the_count_of_keras(files) -> None:
    for name, (build, _) in NETWORKS.items():
        assert graph.parameters(graph.read(files[name], name)) == build().count_params()


# --- operators


def _assert_near(content: bytes, steps: float) -> None:
    """The twin within so many steps of the output's quantisation, on random features and both ends."""
    network = graph.read(content, "m")
    board.check_graph(network, "m")
    taken, given_ = (network.tensors[ends[0]] for ends in (network.inputs, network.outputs))
    rows = np.random.default_rng(0).integers(-128, 128, (6, taken.elements, 1)).astype(np.int8)
    rows[0], rows[1] = -128, 127
    real = (tflm.Model(content, "m").answer(rows[..., 0]).astype(float) - given_.zero_point) * given_.scale
    twins = twin.Twin(network, (taken.elements, 1)).scores(rows)
    assert np.abs(twins - real).max() <= steps * given_.scale * (1 + 1e-4)


some = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
points = st.tuples(st.integers(-128, 127), st.integers(-128, 127))
windows = st.fixed_dictionaries(
    {
        "height": st.integers(1, 9), "width": st.integers(1, 9), "kernel": pairs, "stride": pairs,
        "same": st.booleans(), "activation": st.integers(0, 3),
    }
)  # fmt: skip


@some
@given(windows, st.sampled_from([(1, 1), (2, 1), (2, 3)]), st.booleans(), st.integers(1, 2), points,
       st.integers(0, 999))  # fmt: skip
def test_a_convolution_in_real_numbers(window, dilation, depthwise, groups, zero_points, seed) -> None:
    depth, channels = (2, 4) if depthwise else (2 * groups, 3 * groups)
    content = models.conv_model(
        np.random.default_rng(seed), depthwise=depthwise, groups=groups, dilation=dilation, depth=depth,
        channels=channels, zero_points=zero_points, per_channel=bool(seed % 2), bias=bool(seed % 3), **window,
    )  # fmt: skip
    if content is not None:
        _assert_near(content, 1)


@some
@given(windows, st.booleans(), st.integers(-128, 127))
def test_a_pool_in_real_numbers(window, maximum, zero_point) -> None:
    content = models.pool_model(maximum=maximum, zero_point=zero_point, **window)
    if content is not None:
        _assert_near(content, 1)


@some
@given(st.integers(1, 3), st.integers(0, 3), points, st.booleans(), st.booleans())
def test_a_dense_layer_in_real_numbers(batch, activation, zero_points, per_channel, bias) -> None:
    content = models.dense_model(
        np.random.default_rng(batch), batch=batch, activation=activation, zero_points=zero_points,
        per_channel=per_channel, bias=bias,
    )  # fmt: skip
    _assert_near(content, 1)


@pytest.mark.parametrize(
    ("content", "steps"),
    [
        (models.add_model(np.random.default_rng(0)), 1),
        (models.add_model(np.random.default_rng(0), activation=1), 1),
        (models.add_model(np.random.default_rng(0), constant_shape=(2,)), 1),
        (models.add_model(np.random.default_rng(0), constant_shape=(1, 3, 1, 1), activation=3), 1),
        (models.relu_model(), 1),
        (models.relu_model(six=True), 1),
        (models.pad_model(), 0.01),
        (models.pad_model(amounts=((2, 0), (0, 0), (0, 0), (0, 3))), 0.01),
        (models.mean_model(), 1),
        (models.mean_model(axes=(0, 3), keep=False, scales=(0.1, 0.07), zero_points=(3, 9)), 1),
        (models.mean_model(axes=(0, 1, 2, 3), keep=False), 1),
        (models.reshape_model(), 0.01),
        (models.softmax_model(rows=3, depth=7), 1),
        (models.softmax_model(beta=2.0, scale=0.02), 1),
    ],
)  # fmt: skip
def test_an_operator_in_real_numbers(content: bytes, steps: float) -> None:
    _assert_near(content, steps)


# --- cards


def test_a_card_that_agrees_is_taken_out(files, tmp_path: Path) -> None:
    # GIVEN a model that carries a card of the same content
    content = flatbuffer.with_card(files["tiny_conv"], _card())
    # WHEN it is imported
    found = imported.load(_folder(tmp_path, content), KEYWORDS, MICRO)
    # THEN the candidate has none, and answers the same
    assert flatbuffer.card_of(found.candidate.int8, "m") is None
    assert b"earshot" not in found.candidate.int8
    rows = _rows(5)
    np.testing.assert_array_equal(
        tflm.Model(found.candidate.int8, "m").answer(rows), tflm.Model(files["tiny_conv"], "m").answer(rows)
    )
    # AND putting a card in and out again changes nothing any more
    assert flatbuffer.without_card(flatbuffer.with_card(found.candidate.int8, _card())) == found.candidate.int8


@pytest.mark.parametrize(
    ("card", "words"),
    [
        (
            _card(labels=["yes", "no", "unknown", "silence"]),
            "inside says the labels yes,no,unknown,silence, import.json says silence,unknown,yes,no; "
            "import it with --labels yes,no,unknown,silence",
        ),
        (_card(frontend="micro-00000000"), r"inside says front end micro-00000000, import.json says micro-\w+"),
        (_card(labels=["a\nb"]), r"inside says the labels a\\nb, import.json"),
    ],
)
def test_a_card_that_contradicts_is_refused(files, tmp_path: Path, card, words: str) -> None:
    content = flatbuffer.with_card(files["tiny_conv"], card)
    with pytest.raises(imported.ImportedModelError, match=rf"brought\.tflite: the model card {words}"):
        imported.load(_folder(tmp_path, content), KEYWORDS, MICRO)


def test_a_damaged_card_is_refused(files, tmp_path: Path) -> None:
    content = flatbuffer.with_card(files["tiny_conv"], {"schema": "other"})
    with pytest.raises(flatbuffer.ModelFileError, match=r"brought.tflite: its model card is not of earshot.model/1"):
        imported.load(_folder(tmp_path, content), KEYWORDS, MICRO)


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(st.binary(max_size=50), st.sampled_from([b"[" * 100_000, b'{"a":' * 50_000, b"{}", b"null", b"1e999"]))
)
def test_any_bytes_for_a_card_are_refused_on_one_line(text: bytes) -> None:
    # GIVEN a model with anything for a card
    content = models.keyword_model(MICRO.id, card=text or "\0")
    # WHEN / THEN it is refused, by a sentence on one line
    with pytest.raises(flatbuffer.ModelFileError, match=r"^m: its model card is .*again$"):
        flatbuffer.card_of(content, "m")


# --- descriptions


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"schema": "earshot.import/2"}, imported.ImportedModelError, "not of schema earshot.import/1"),
        ({"sha256": None}, imported.ImportedModelError, "the text 'sha256' is missing"),
        ({"sha256": "0" * 64}, imported.ImportedModelError, "its sha256 is .*…, import.json says 0000000000000000…"),
        ({"labels": "yes,no"}, imported.ImportedModelError, "'labels' is no list of names"),
        ({"labels": ["yes", "no", "unknown"]}, imported.ImportedModelError, "yes, no, unknown lack silence; bring"),
        ({"labels": ["yes", "unknown", "silence", "up"]}, imported.ImportedModelError, "lack no; bring a model"),
        ({"labels": ["yes", "no", "yes", "unknown", "silence"]}, imported.ImportedModelError, "'yes' is named twice"),
        ({"labels": ["yes", "no", "up", "unknown", "silence"]}, imported.ImportedModelError, "4 outputs and 5 labels"),
        ({"labels": ["yes", "No", "unknown", "silence"]}, labels.LabelError, "keyword 'No': not a label"),
        ({"labels": [f"w{n}" for n in range(50)] + [*LABELS]}, board.BoardError, "54 labels; the board holds 40"),
        ({"frontend": "micro-00000000"}, imported.ImportedModelError, "made for front end micro-00000000, this run's"),
    ],
)  # fmt: skip
def test_a_description_that_does_not_fit_is_refused(files, tmp_path: Path, changes, error, words: str) -> None:
    # GIVEN a good model, described wrongly
    folder = _folder(tmp_path, files["tiny_conv"], _describe(files["tiny_conv"], **changes))
    # WHEN / THEN
    with pytest.raises(error, match=words):
        imported.load(folder, KEYWORDS, MICRO)


def test_a_model_may_know_more_words_and_the_front_end_by_its_name(files, tmp_path: Path) -> None:
    folder = _folder(tmp_path, files["tiny_conv"], _describe(files["tiny_conv"], frontend="micro"))
    assert imported.load(folder, ("no",), MICRO).labels == LABELS


@pytest.mark.parametrize("missing", ["import.json", "model.tflite"])
def test_a_folder_that_lacks_a_file_is_refused(files, tmp_path: Path, missing: str) -> None:
    _folder(tmp_path, files["tiny_conv"])
    (tmp_path / missing).unlink()
    with pytest.raises(imported.ImportedModelError, match=f"{missing}: cannot be read from the imported channel"):
        imported.load(tmp_path, KEYWORDS, MICRO)


values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)
fields = st.dictionaries(st.sampled_from(["schema", "name", "labels", "frontend", "sha256"]), values)
descriptions = st.one_of(
    st.binary(max_size=60),
    values.map(lambda value: json.dumps(value).encode()),
    fields.map(lambda some_fields: _describe(b"", **some_fields)),
)


@settings(max_examples=200, deadline=None)
@given(descriptions)
def test_any_description_is_read_or_refused_on_one_line(text: bytes) -> None:
    # GIVEN any bytes, any JSON, or a good description with any values in it
    # WHEN it is read and held against a run
    sentence = ""
    try:
        imported.check_labels(imported.describe(text, "import.json"), KEYWORDS, MICRO)
    except (imported.ImportedModelError, labels.LabelError, board.BoardError) as error:
        sentence = str(error)
    # THEN it is taken, or refused by a sentence on one line
    assert "\n" not in sentence


# --- the job


SMALL = ["--architecture", "tiny_conv", "--keywords", "yes,no", "--epochs", "3", "--samples_per_epoch", "2560",
         "--batch_size", "64", "--seed", "5"]  # fmt: skip


def _job(root: Path, preprocessed: Path, brought: Path | None = None, *more: str) -> tuple[dict, list[str]]:
    lines: list[str] = []
    folders = train.Folders(
        features=preprocessed / "features", dataset=preprocessed / "input" / "dataset", audio=root / "audio",
        champion=root / "champion", imported=brought or root / "nothing", model=root / "model",
        checkpoints=root / "checkpoints", tensorboard=root / "tensorboard", failure=root / "failure",
    )  # fmt: skip
    content = train.train(train.hyperparameters([*SMALL, *more]), folders, lines.append)
    return content, lines


@pytest.fixture(scope="module")
def trained(preprocessed: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    root = tmp_path_factory.mktemp("trained")
    return root / "model", _job(root, preprocessed)[0]


def _reversed(content: bytes) -> bytes:
    """A tiny_conv with its outputs in the other order."""
    tree = flatbuffer.parse(flatbuffer.without_card(content), "m")
    network = graph.read(content, "m")
    [dense] = [node for node in network.nodes if node.operator == "FULLY_CONNECTED"]
    for index in dense.inputs[1:]:
        tensor = tree.subgraphs[0].tensors[index]
        tree.buffers[tensor.buffer].data = np.frombuffer(network.tensors[index].values[::-1].tobytes(), np.uint8)
        if len(tensor.quantization.scale) > 1:
            tensor.quantization.scale = tensor.quantization.scale[::-1].copy()
    packer = flatbuffers.Builder(1024)
    packer.Finish(tree.Pack(packer), b"TFL3")
    return bytes(packer.Output())


@pytest.mark.parametrize("turned", [False, True], ids=["with its card", "with other labels"])
def test_a_model_that_comes_back_is_judged_as_it_was(trained, preprocessed, tmp_path: Path, turned: bool) -> None:
    # GIVEN a model that a job has trained, as it is or with its outputs in another order
    root, before = trained
    content = (root / "model.tflite").read_bytes()
    names = before["labels"][::-1] if turned else before["labels"]
    content = _reversed(content) if turned else content
    (tmp_path / "in").mkdir()
    brought = _folder(tmp_path / "in", content, _describe(content, labels=names))
    # WHEN it is imported
    after, lines = _job(tmp_path, preprocessed, brought)
    # THEN nothing is trained, and it is judged as before
    assert "brought.tflite was brought along: nothing is trained" in lines
    assert not any(line.startswith("epoch") for line in lines)
    assert (after["origin"], after["architecture"], after["epochs"]) == ("imported", "imported", 0)
    assert after["labels"] == names
    assert after["metrics"]["history"] == []
    old, new = before["metrics"]["test"], after["metrics"]["test"]
    assert new["accuracy"]["int8"] == old["accuracy"]["int8"] > 0.6
    assert new["recall"] == old["recall"]
    assert abs(new["accuracy"]["float"] - old["accuracy"]["float"]) < 0.1
    assert after["parameters"] == before["parameters"]
    assert after["macs"] == before["macs"]
    # AND the bundle is whole, but for weights to go on from; its card says the labels of this import
    assert flatbuffer.card_of((tmp_path / "model" / "model.tflite").read_bytes(), "m")["labels"] == names
    there = {str(path.relative_to(tmp_path / "model")) for path in (tmp_path / "model").rglob("*")}
    assert {"1/saved_model.pb", "model_float.tflite", "golden_x.bin", "answers.jsonl", "report.html"} <= there
    assert "weights.npz" not in there


def test_an_import_must_keep_the_budget(trained, preprocessed, tmp_path: Path) -> None:
    # GIVEN a model and a board with less flash
    (tmp_path / "in").mkdir()
    content = (trained[0] / "model.tflite").read_bytes()
    brought = _folder(tmp_path / "in", content, _describe(content, labels=trained[1]["labels"]))
    # WHEN / THEN
    with pytest.raises(cost.OverBudgetError, match=r"brought\.tflite does not fit the board: flash"):
        _job(tmp_path, preprocessed, brought, "--budget", "flash=1000")


def test_a_refused_import_fails_the_job_with_a_sentence(preprocessed, tmp_path: Path, monkeypatch) -> None:
    # GIVEN a container with a file that is no model
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    for channel, folder in (("FEATURES", "features"), ("DATASET", "input/dataset")):
        monkeypatch.setenv(f"SM_CHANNEL_{channel}", str(preprocessed / folder))
    (tmp_path / "input" / "data" / "imported").mkdir(parents=True)
    _folder(tmp_path / "input" / "data" / "imported", b"GIF89a")
    # WHEN the job runs
    status = train.main(SMALL)
    # THEN
    assert status == 1
    words = "brought.tflite: not a .tflite file; give a TensorFlow Lite model\n"
    assert (tmp_path / "output" / "failure").read_text() == words


# --- hostile files


def test_what_ends_tflm_does_not_end_the_job(files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a file on which TFLM's process dies
    monkeypatch.setattr(tflm.Model, "answer", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    # WHEN / THEN it is refused, by a process that lives
    with pytest.raises(flatbuffer.ModelFileError, match=r"brought\.tflite: damaged \.tflite file"):
        imported.load(_folder(tmp_path, files["tiny_conv"]), KEYWORDS, MICRO)


def test_scales_that_lead_out_of_real_numbers_are_refused(tmp_path: Path) -> None:
    # GIVEN a model whose scales fit each other, but not a float
    def wild(scale: float) -> bytes:
        model = models.ModelBuilder()
        x = model.tensor((1, 1960), scale, 0)
        w = model.tensor((4, 1960), 9e29, 0, np.arange(4 * 1960) % 251 - 125)
        y = model.tensor((1, 4), 9e29, 0)
        table = models.schema.FullyConnectedOptionsT()
        model.operator(models.CODES.FULLY_CONNECTED, [x, w], [y], table, models.OPTIONS.FullyConnectedOptions, 4)
        z = model.tensor((1, 4), 1 / 256, -128)
        soft = models.options(models.schema.SoftmaxOptionsT, beta=1.0)
        model.operator(models.CODES.SOFTMAX, [y], [z], soft, models.OPTIONS.SoftmaxOptions, 2)
        return model.build([x], [z])

    with pytest.raises(imported.ImportedModelError, match="in real numbers it gives no scores"):
        imported.load(_folder(tmp_path, wild(9e8)), KEYWORDS, MICRO)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.tuples(st.integers(0, 1500), st.integers(0, 255), st.booleans()), min_size=1, max_size=3),
    cut=st.one_of(st.none(), st.none(), st.integers(0, 4000)),
)
def test_a_damaged_file_never_ends_the_job(tmp_path: Path, changes, cut) -> None:
    # GIVEN a file with some bytes changed, or cut off, whose sha256 is its own
    content = bytearray(models.keyword_model(MICRO.id, labels=LABELS))
    for at, value, front in changes:
        content[at if front else -1 - at] = value
    content = content[:cut]
    # WHEN it is imported
    try:
        candidate = imported.load(_folder(tmp_path, bytes(content)), KEYWORDS, MICRO).candidate
    except (imported.ImportedModelError, board.BoardError, flatbuffer.ModelFileError) as error:
        sentence = str(error)
    # THEN all of it answers, or it is refused in words
    else:
        sentence = "brought.tflite: "
        assert candidate.scores(_rows(2)).shape == (2, 4)
        assert tflm.Model(candidate.int8, "m").answer(_rows(2)).shape == (2, 4)
    assert sentence.startswith("brought.tflite: ")

"""Counting, the evaluation command with both engines, the recogniser, and the endpoint's handlers."""

import http.server
import io
import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import inference
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kws import audio, evaluate, features, firmware, flatbuffer, metrics, models, quantise, recognise, tflm, training
from made_clips import WORDS, encode, tone

LABELS = ["yes", "no", "unknown", "silence"]
CARD = {
    "schema": "earshot.model/1",
    "frontend": features.MICRO.id,
    "labels": LABELS,
    "recogniser": {"average_ms": 1000, "threshold": 200, "suppression_ms": 1500, "minimum_count": 3},
}


# --- counting


def test_figures_of_a_case_counted_by_hand() -> None:
    # GIVEN five clips: two yes (one taken for no), one no, one unknown called yes, no silence
    truth, answers = np.array([0, 0, 1, 2, 2]), np.array([0, 1, 1, 0, 2])
    # WHEN they are counted
    matrix = metrics.confusion(truth, answers, 4)
    # THEN
    assert matrix.tolist() == [[1, 1, 0, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]
    assert metrics.accuracy(matrix) == 0.6
    assert metrics.recall(matrix, LABELS) == {"yes": 0.5, "no": 1.0, "unknown": 0.5, "silence": None}
    assert metrics.precision(matrix, LABELS) == {"yes": 0.5, "no": 0.5, "unknown": 1.0, "silence": None}
    assert metrics.false_alarm_rate(matrix, LABELS) == 0.5


def test_accuracy_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no clips"):
        metrics.accuracy(np.zeros((2, 2), np.int64))


# --- the command


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that was never trained: what it answers is arbitrary, and the same everywhere."""
    training.prepare(3)
    keras_model = models.build("tiny_conv", (49, 40, 1), 4)
    examples = np.random.default_rng(0).integers(-128, 128, (50, 49, 40)).astype(np.int8)
    path = tmp_path_factory.mktemp("model") / "model.tflite"
    path.write_bytes(flatbuffer.with_card(quantise.to_int8(keras_model, examples), CARD))
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")

    def put(path: str, content: bytes) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)

    for number, (word, hz) in enumerate(WORDS.items()):
        put(f"{word}/a.wav", encode(tone(hz, number)))
        put(f"{word}/deeper/b.FLAC", encode(tone(hz, 9 + number, 1.4), container="FLAC"))
    put("_silence_/a.wav", encode(np.zeros(16000, np.int16)))
    put("_background_noise_/hum.wav", encode(np.zeros(64000, np.int16)))
    put("yes/broken.wav", b"RIFF")
    put("lost.wav", encode(tone(400, 1)))
    put("README.md", b"not a clip")
    return folder


@pytest.fixture(scope="module")
def library(repository: Path) -> firmware.Library:
    subprocess.run(["make", "-s", "-C", str(repository / "firmware"), "host"], check=True, capture_output=True)
    return firmware.Library()


def judge(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = evaluate.main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_json_holds_what_the_contract_says(model: Path, clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # WHEN a folder is judged
    status, out, _ = judge(capsys, model, clips, "--json", "--per-clip")
    figures = json.loads(out)
    # THEN every clip counts once, by its folder
    assert status == 0
    assert figures["engine"] == "tflm"
    assert (figures["model"], figures["labels"], figures["frontend"]) == (str(model), LABELS, features.MICRO.id)
    assert figures["clips"] == 7 == len(figures["per_clip"])
    assert [(c["path"], c["label"]) for c in figures["per_clip"]] == [
        ("_silence_/a.wav", "silence"),
        ("no/a.wav", "no"),
        ("no/deeper/b.FLAC", "no"),
        ("stop/a.wav", "unknown"),
        ("stop/deeper/b.FLAC", "unknown"),
        ("yes/a.wav", "yes"),
        ("yes/deeper/b.FLAC", "yes"),
    ]
    # AND what was left out has its reason
    assert [entry["path"] for entry in figures["skipped"]] == [
        "_background_noise_/hum.wav",
        "lost.wav",
        "yes/broken.wav",
    ]
    # AND the answer is the label with the highest of scores between 0 and 1
    for clip in figures["per_clip"]:
        assert clip["answer"] == LABELS[int(np.argmax(clip["scores"]))]
        assert all(0 <= score <= 1 and (score * 256).is_integer() for score in clip["scores"])
    # AND the figures agree with the answers
    right = sum(clip["answer"] == clip["label"] for clip in figures["per_clip"])
    assert figures["accuracy"] == right / 7
    assert np.sum(figures["confusion"]["matrix"]) == 7


def test_the_board_answers_the_same(
    model: Path, clips: Path, library: firmware.Library, capsys: pytest.CaptureFixture[str]
) -> None:
    both = [
        json.loads(judge(capsys, model, clips, "--json", "--per-clip", "--engine", e)[1]) for e in ("tflm", "firmware")
    ]
    assert both[1].pop("engine") == "firmware"
    both[0].pop("engine")
    assert both[0] == both[1]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), amplitude=st.integers(0, 32767))
def test_the_boards_features_are_ours(library: firmware.Library, seed: int, amplitude: int) -> None:
    clip = np.random.default_rng(seed).integers(-amplitude - 1, amplitude + 1, (1, 16000)).astype(np.int16)
    np.testing.assert_array_equal(library.features(clip, features.MICRO), features.MICRO.features(clip))


def test_people_get_a_table(model: Path, clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = judge(capsys, model, clips, "--per-clip", "--limit", "4")
    assert status == 0
    assert "accuracy" in out
    assert all(label in out for label in LABELS)


def test_clips_are_spoken_into_noise_and_heard_as_a_board_hears(
    model: Path, clips: Path, library: firmware.Library, capsys: pytest.CaptureFixture[str]
) -> None:
    # WHEN the folder is also judged as streams, by either engine
    judged = [
        json.loads(judge(capsys, model, clips, "--json", "--stream", "--engine", e)[1])["streaming"]
        for e in ("tflm", "firmware")
    ]
    # THEN each of its four keywords is spoken once, and both heard the same
    assert judged[0]["words"] == 4
    assert judged[0]["hours"] > 0
    assert judged[0] == judged[1]
    # AND people read it, too
    out = judge(capsys, model, clips, "--stream")[1]
    assert re.search(r"streams of \d\.\d minutes: \d of 4 words missed, \d+\.\d false alarms an hour", out)


def test_a_limit_is_spread_over_all(model: Path, clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = json.loads(judge(capsys, model, clips, "--json", "--per-clip", "--limit", "5")[1])
    assert len(figures["per_clip"]) + len(figures["skipped"]) == 5
    assert len({clip["label"] for clip in figures["per_clip"]}) > 1


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["MODEL"], "required: CLIPS_DIR"),
        (["absent.tflite", "CLIPS"], "absent.tflite: no such file"),
        (["MODEL", "absent"], "absent: no such folder"),
        (["MODEL", "CLIPS", "--engine", "gpu"], "invalid choice: 'gpu'"),
        (["MODEL", "CLIPS", "--limit", "0"], "'0' is not a number from 1 on"),
        (["MODEL", "CLIPS", "--labels", "a,,b"], "has an empty label"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(
    model: Path, clips: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], fault: str
) -> None:
    places = {"MODEL": str(model), "CLIPS": str(clips)}
    with pytest.raises(SystemExit) as ended:
        evaluate.main([places.get(a, a) for a in arguments])
    printed = capsys.readouterr()
    assert ended.value.code == 2
    assert printed.out == ""
    assert fault in printed.err
    assert printed.err.count("\n") == 1


def test_a_model_without_a_card_needs_labels(
    model: Path, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a model that carries no card
    tree = flatbuffer.parse(model.read_bytes(), "m")
    bare = tmp_path / "bare.tflite"
    tree.metadata = [entry for entry in tree.metadata if entry.name != b"earshot"]
    builder = flatbuffer._AligningBuilder(1024)
    builder.Finish(tree.Pack(builder), b"TFL3")
    bare.write_bytes(bytes(builder.Output()))
    # WHEN / THEN it is judged with labels alone, as many as it has scores
    status, _, err = judge(capsys, bare, clips)
    assert status == 1
    assert "name them in order with --labels" in err
    status, _, err = judge(capsys, bare, clips, "--labels", "yes,no")
    assert status == 1
    assert "gives 4 scores for 2 labels" in err
    assert judge(capsys, bare, clips, "--labels", ",".join(LABELS))[0] == 0


@pytest.mark.parametrize(
    ("card", "fault"),
    [
        ({**CARD, "frontend": "micro-00000000"}, "front end 'micro-00000000' is unknown here"),
        ({**CARD, "labels": ["yes", "no", "no", "silence"]}, "a label stands twice"),
        ({**CARD, "schema": "other/1"}, "its model card is not of earshot.model/1"),
        ({**CARD, "labels": ["yes"]}, "gives 4 scores for 1 labels"),
        ({**CARD, "recogniser": {"average": 1}}, "its card's recogniser is none"),
        ({**CARD, "recogniser": 7}, "its card's recogniser is none"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(
    model: Path, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], card: dict, fault: str
) -> None:
    path = tmp_path / "other.tflite"
    path.write_bytes(flatbuffer.with_card(model.read_bytes(), card))
    status, out, err = judge(capsys, path, clips)
    assert (status, out) == (1, "")
    assert fault in err


def test_labels_against_the_card_are_refused(model: Path, clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = judge(capsys, model, clips, "--labels", "no,yes,unknown,silence")
    assert status == 1
    assert "carries the labels yes,no,unknown,silence" in err


def test_a_model_that_ends_its_process_is_refused(
    model: Path, clips: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN kernels that crash, as TFLM's do on some damaged files
    monkeypatch.setattr(tflm.Model, "answer", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    # WHEN / THEN the command lives to say so
    status, _, err = judge(capsys, model, clips)
    assert status == 1
    assert "damaged .tflite file (TFLM fails on it)" in err


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_models_never_end_the_command(
    model: Path, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], data: st.DataObject
) -> None:
    # GIVEN a model that is cut, or whose bytes are overwritten
    content = bytearray(model.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        for _ in range(data.draw(st.integers(1, 16))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.tflite"
    path.write_bytes(content)
    # WHEN it is judged
    status, _, err = judge(capsys, path, clips, "--limit", "3")
    # THEN it is judged, or refused in one line
    assert status in (0, 1)
    assert status == 0 or err.startswith("kws.evaluate: ")


def test_nothing_to_judge_is_an_error(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # GIVEN a folder with a broken clip only
    (tmp_path / "yes").mkdir()
    (tmp_path / "yes" / "a.wav").write_bytes(b"RIFF")
    # WHEN / THEN the status says so, and why
    status, _, err = judge(capsys, model, tmp_path)
    assert status == 1
    assert "no clip could be judged" in err
    assert "yes/a.wav" in err


def test_a_missing_library_says_how_to_build_it(tmp_path: Path) -> None:
    with pytest.raises(firmware.LibraryError, match="make -C firmware host"):
        firmware.Library(tmp_path / "libearshot.so")


def test_the_board_refuses_what_is_no_model(library: firmware.Library) -> None:
    with pytest.raises(flatbuffer.ModelFileError, match=r"x\.tflite: the board refuses it"):
        library.open(bytes(64), "x.tflite")


# --- the recogniser


def push_all(scores: list[list[int]], every_ms: int = 40, **changes: int) -> list[recognise.Word]:
    recogniser = recognise.Recogniser(LABELS, recognise.Settings(**changes))
    words = [recogniser.push(np.array(row, np.int8), 30 + every_ms * i) for i, row in enumerate(scores)]
    return [word for word in words if word]


SURE_YES, SURE_NO = [127, -128, -128, -128], [-128, 127, -128, -128]


def test_a_word_needs_its_count_and_its_threshold() -> None:
    assert push_all([SURE_YES] * 2) == []
    assert push_all([SURE_YES] * 3) == [recognise.Word("yes", 255, 110)]
    # An average of exactly the threshold is not above it: 72 + 128 = 200.
    assert push_all([[72, -128, -128, -128]] * 5) == []
    assert push_all([[73, -128, -128, -128]] * 5) == [recognise.Word("yes", 201, 110)]


def test_unknown_and_silence_are_no_words() -> None:
    assert push_all([[-128, -128, 127, -128]] * 9) == []
    assert push_all([[-128, -128, -128, 127]] * 9) == []


def test_the_same_word_is_suppressed_for_its_time_and_another_is_not() -> None:
    # GIVEN three seconds of one word: heard at 110 ms, again when more than 1500 ms have passed
    assert [w.at_ms for w in push_all([SURE_YES] * 75)] == [110, 1630]
    # AND another word right after it, once it outweighs the average
    words = push_all([SURE_YES] * 5 + [SURE_NO] * 40)
    assert [w.label for w in words] == ["yes", "no"]


def test_old_results_leave_the_average() -> None:
    # GIVEN results more than a second apart
    assert push_all([SURE_YES] * 5, every_ms=1001) == []


def test_the_average_is_rounded_down_and_the_first_of_equals_wins() -> None:
    words = push_all([[127, 127, -128, -128]] * 2 + [[126, 126, -128, -128]])
    assert words == [recognise.Word("yes", 254, 110)]


# --- the endpoint


@pytest.fixture
def serving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """A bundle's handlers beside a server that answers as TensorFlow Serving does."""
    (tmp_path / "bundle.json").write_text(json.dumps({"labels": LABELS, "frontend": features.MICRO.id}))
    (tmp_path / "code").mkdir()
    monkeypatch.setattr(inference, "__file__", str(tmp_path / "code" / "inference.py"))
    monkeypatch.setenv("EARSHOT_VERSION", "1.0.3")
    asked: list[np.ndarray] = []

    class Serving(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(np.array(json.loads(body)["instances"], np.float32))
            answer = json.dumps({"predictions": [[0.1, 0.7, 0.15, 0.05]]}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Serving)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    uri = f"http://127.0.0.1:{server.server_port}/v1/models/earshot:predict"
    yield SimpleNamespace(
        asked=asked, uri=uri, context=lambda kind: SimpleNamespace(request_content_type=kind, rest_uri=uri)
    )
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("kind", "container"),
    [("audio/wav", "WAV"), ("audio/x-wav", "WAV"), ("audio/flac", "FLAC"), ("Audio/WAV; rate=16000", "WAV")],
)
def test_a_recording_is_answered(serving: SimpleNamespace, kind: str, container: str) -> None:
    # GIVEN a recording longer than a second
    samples = tone(500, 1, 1.5)
    # WHEN it is sent
    body, content_type = inference.handler(io.BytesIO(encode(samples, container=container)), serving.context(kind))
    # THEN the answer names word, scores, version and front end
    assert content_type == "application/json"
    assert json.loads(body) == {
        "label": "no",
        "scores": {"yes": 0.1, "no": 0.7, "unknown": 0.15, "silence": 0.05},
        "version": "1.0.3",
        "frontend": features.MICRO.id,
    }
    # AND the model was asked with the features of training
    expected = features.MICRO.features(audio.fit_second(samples)[None])
    np.testing.assert_array_equal(serving.asked[0], quantise.real_values(expected))


def test_features_are_answered_as_they_are(serving: SimpleNamespace) -> None:
    rows = np.random.default_rng(0).integers(-128, 128, (49, 40)).astype(np.int8)
    file = io.BytesIO()
    np.save(file, rows)
    inference.handler(io.BytesIO(file.getvalue()), serving.context("application/x-npy"))
    np.testing.assert_array_equal(serving.asked[0], quantise.real_values(rows[None]))


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


@pytest.mark.parametrize(
    ("kind", "content", "fault"),
    [
        ("text/plain", b"hello", "content type 'text/plain' is not understood; send audio/wav"),
        ("", b"", "is not understood"),
        ("audio/wav", b"ID3", "cannot be decoded"),
        ("audio/wav", b"", "the file is empty"),
        ("application/x-npy", b"nonsense", "is no .npy file"),
        ("application/x-npy", npy(np.zeros((49, 40))), "send int8 of shape (49, 40)"),
        ("application/x-npy", npy(np.zeros((1, 49, 40), np.int8)), "send int8 of shape (49, 40)"),
        ("application/x-npy", npy(np.array([{}], object)), "is no .npy file"),
    ],
)
def test_what_cannot_be_read_says_what_to_send(serving: SimpleNamespace, kind: str, content: bytes, fault: str) -> None:
    with pytest.raises(inference.RequestError) as raised:
        inference.handler(io.BytesIO(content), serving.context(kind))
    assert fault in str(raised.value)
    assert serving.asked == []


def test_a_model_that_does_not_answer_is_named() -> None:
    with pytest.raises(RuntimeError, match="gave no scores"):
        inference.ask("http://127.0.0.1:9/v1/models/earshot:predict", np.zeros((49, 40), np.int8))

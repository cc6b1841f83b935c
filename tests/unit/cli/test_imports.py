"""A model is checked before it is sent, sent once, and its run is told to its end."""

import hashlib
import io
import json

import pytest
from rich.progress import Progress

from earshot import cli, imports, runs
from earshot.errors import EarshotError
from earshot.follow import Bars, Follower
from earshot.views import terminal, verdict_line, verdict_mark

MODEL = b"\x1c\0\0\0TFL3" + bytes(100)
LABELS = ["silence", "unknown", "yes", "no"]
FRONT_END = "micro-5f3a90c1"


class Cloud:
    """A stack whose function answers as told."""

    is_local = True
    stack = "earshot"
    outputs = {  # noqa: RUF012 - as Target has it
        "Keywords": "yes,no", "DataBucket": "data", "ImportFunction": "import-model", "Boards": "B",
        "ReleasesDomain": "d",
    }  # fmt: skip
    parameters = {"MaxModelBytes": "1000"}  # noqa: RUF012 - as Target has it

    def __init__(self, answer=None, error=False):
        self.put, self.invoked, self.answer, self.error = {}, [], answer or {"run": "r000002"}, error

    def __str__(self):
        return "stack earshot"

    def client(self, service):
        return self

    def put_object(self, Bucket, Key, Body, **more):
        self.put[Key] = Body

    def invoke(self, FunctionName, Payload):
        self.invoked.append((FunctionName, json.loads(Payload)))
        fault = {"FunctionError": "Unhandled"} if self.error else {}
        return {"Payload": io.BytesIO(json.dumps(self.answer).encode()), **fault}


@pytest.fixture
def pipeline(monkeypatch):
    """The pipeline's item, and runs by id."""
    item, known = {"dataset": "r000001"}, {"r000001": {"card": {"frontend": FRONT_END}}}
    monkeypatch.setattr(runs, "pipeline", lambda target: item)
    monkeypatch.setattr(runs, "get_run", lambda target, run: known[run])
    return item


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "mine.tflite"
    path.write_bytes(MODEL)
    return path


def test_a_model_is_uploaded_and_its_run_begun(pipeline, model):
    # GIVEN a stack with a dataset WHEN a model with labels in its own order is brought
    cloud = Cloud()
    assert imports.start(cloud, model, LABELS, None) == "r000002"
    # THEN model and description lie under its hash, and the function was called with it
    sha = hashlib.sha256(MODEL).hexdigest()
    assert cloud.put[f"imports/{sha}/model.tflite"] == MODEL
    assert json.loads(cloud.put[f"imports/{sha}/import.json"]) == {
        "schema": "earshot.import/1", "name": "mine.tflite", "labels": LABELS, "frontend": FRONT_END, "sha256": sha
    }  # fmt: skip
    assert cloud.invoked == [("import-model", {"import": sha})]


@pytest.mark.parametrize("named", ["micro", FRONT_END, None])
def test_the_front_end_may_be_named_by_name_or_id(pipeline, named):
    assert imports.front_end(Cloud(), named) == FRONT_END


@pytest.mark.parametrize(
    ("content", "labels", "named", "fault"),
    [
        (None, LABELS, None, "mine.tflite: cannot be read"),
        (b"", LABELS, None, "not a TensorFlow Lite model"),
        (b"PK\x03\x04" + bytes(40), LABELS, None, "not a TensorFlow Lite model"),
        (MODEL + bytes(1000), LABELS, None, "1108 bytes, but the stack takes at most 1000"),
        (MODEL, ["yes", "no", "unknown"], None, "labels lack silence"),
        (MODEL, ["yes", "unknown", "silence"], None, "labels lack no"),
        (MODEL, [*LABELS, "yes"], None, "label yes stands twice"),
        (MODEL, [*LABELS, "Up"], None, "label 'Up'"),
        (MODEL, [*LABELS, ""], None, "label ''"),
        (MODEL, LABELS, "macro", "front end macro is unknown: the last dataset was made by micro-"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_sent(pipeline, model, content, labels, named, fault):
    # GIVEN a file or a description that cannot be WHEN it is brought THEN one line says why, and nothing was sent
    model.unlink()
    if content is not None:
        model.write_bytes(content)
    cloud = Cloud()
    with pytest.raises(EarshotError, match=fault):
        imports.start(cloud, model, labels, named)
    assert (cloud.put, cloud.invoked) == ({}, [])


@pytest.mark.parametrize(
    ("item", "fault"),
    [({}, "there is no dataset yet"), ({"dataset": "r000001", "active": "r000003"}, "run r000003 is")],
)
def test_a_pipeline_that_cannot_judge_now_is_told_at_once(pipeline, model, item, fault):
    pipeline.clear()
    pipeline.update(item)
    cloud = Cloud()
    with pytest.raises(EarshotError, match=fault):
        imports.start(cloud, model, LABELS, None)
    assert cloud.put == {}


def test_the_functions_refusal_is_quoted(pipeline, model):
    cloud = Cloud({"errorMessage": "run r000003 is active (training)"}, error=True)
    with pytest.raises(EarshotError, match=r"mine.tflite is refused: run r000003 is active \(training\)"):
        imports.start(cloud, model, LABELS, None)


VERDICT = {
    "gate": "recall of yes", "value": 0.5, "limit": 0.7, "passed": False, "clips": ["clips/yes/a.wav"], "detail": ""
}  # fmt: skip


def run_item(state, **changes):
    return {
        "id": "r000002", "state": state, "version": "", "clips_new": 0, "clips_total": 9, "times": {}, "card": {},
        "verdicts": [], "firmware_done": False, "reason": "", "imported": "5" * 64, **changes,
    }  # fmt: skip


def command(monkeypatch, capsys, model, states, *more):
    """`earshot models import` while the run goes through these states."""
    cloud, left = Cloud(), list(states)
    monkeypatch.setattr(cli, "_target", lambda context: cloud)
    monkeypatch.setattr(cli, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(imports, "start", lambda *given: "r000002")
    monkeypatch.setattr(runs, "get_run", lambda target, run: left.pop(0) if len(left) > 1 else left[0])
    monkeypatch.setattr(runs, "job_logs", lambda target, run: [])
    monkeypatch.setattr("sys.argv", ["earshot", "models", "import", str(model), "--labels", "a,b", *more])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    printed = capsys.readouterr()
    return ended.value.code, printed.out, printed.err


def test_waiting_tells_the_runs_way_and_why_it_was_rejected(monkeypatch, capsys, model):
    # GIVEN a run that is rejected WHEN somebody waits for it
    end = run_item("rejected", verdicts=[VERDICT], reason="gates not passed: recall of yes 0.5 misses 0.7 by 0.2")
    code, out, err = command(monkeypatch, capsys, model, [run_item("training"), run_item("training"), end])
    # THEN each state is told once, the gate with its clip, and the command fails with the reason
    assert code == 1
    assert out.count("training") == 2  # the state, and that nothing is trained
    assert "an imported model is judged on 9 clips" in out
    assert "recall of yes 0.5 (limit 0.7)  e.g. clips/yes/a.wav" in out
    assert "run r000002 ended rejected: gates not passed" in err


def test_a_released_model_is_a_success_and_json_is_json(monkeypatch, capsys, model):
    released = run_item("released", version="1.0.2", firmware_done=True)
    code, out, _ = command(monkeypatch, capsys, model, [released])
    assert code == 0
    assert "released" in out
    code, out, _ = command(monkeypatch, capsys, model, [run_item("training"), released], "--json")
    assert (code, json.loads(out)["version"]) == (0, "1.0.2")


def test_without_waiting_the_run_is_named_and_left_alone(monkeypatch, capsys, model):
    code, out, _ = command(monkeypatch, capsys, model, [run_item("training")], "--no-wait")
    assert code == 0
    assert "judged by run r000002" in out


def test_a_model_that_waits_for_a_person_says_how_to_approve_it(monkeypatch, capsys, model):
    code, out, _ = command(monkeypatch, capsys, model, [run_item("awaiting_approval", version="1.0.2")])
    assert code == 0
    assert "earshot models approve 1.0.2" in out


def test_verdicts_of_before_and_of_now_read_well():
    # GIVEN verdicts as the table had them before, and as it has them now WHEN shown THEN each is a line of words
    old = {"gate": "arena bytes", "value": 9648, "limit": 131072, "passed": True}
    assert verdict_line(old) == "arena bytes 9648 (limit 131072)"
    assert verdict_line({**old, "value": None}) == "arena bytes not measured (limit 131072)"
    assert verdict_mark(old) == "[green]passed[/green]  arena bytes 9648 (limit 131072)"
    lacking = {
        "gate": "operators",
        "value": 1,
        "limit": 0,
        "passed": False,
        "clips": [],
        "detail": "the board has no TANH",
    }
    assert verdict_line(lacking) == "operators 1 (limit 0): the board has no TANH"
    large = {"gate": "instructions", "value": 41234567, "limit": 40000000, "passed": False}
    assert verdict_line(large) == "instructions 41234567 (limit 40000000)"


class Logs(Cloud):
    """A job's log that grows."""

    lines = ()

    def describe_log_streams(self, logGroupName, logStreamNamePrefix):
        return {"logStreams": [{"logStreamName": logStreamNamePrefix + "algo-1"}]}

    def get_log_events(self, nextToken="0", **more):
        begin = int(nextToken)
        events = [{"message": line} for line in self.lines[begin:]]
        return {"events": events, "nextForwardToken": str(len(self.lines))}


def test_a_jobs_log_is_told_once_and_moves_a_bar():
    # GIVEN a run that trains WHEN its log grows THEN each line that tells something is said once
    cloud, said = Logs(), []
    run = run_item("training", imported="")
    with Progress(console=terminal(), disable=True) as progress:
        follower = Follower(cloud, said.append, Bars(progress))
        for cloud.lines in (("epoch 1/2 loss=0.5",), ("epoch 1/2 loss=0.5", "noise", "epoch 2/2 loss=0.4", "test x=1")):
            follower.follow(run)
        assert [(task.completed, task.total) for task in progress.tasks] == [(2, 2)]
    assert [line.partition("    ")[2] for line in said[1:]] == [
        "epoch  1/2 loss=0.5",
        "epoch  2/2 loss=0.4",
        "test x=1",
    ]
    assert follower.heard == ("4",)

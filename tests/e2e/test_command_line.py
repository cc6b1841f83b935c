"""The command line on the stack that the demonstration left."""

import json
import subprocess

from stage import DEMO, EARSHOT, run


def test_runs_are_listed_and_shown(demo):
    listed = json.loads(demo.earshot("runs", "--json"))
    assert [run["id"] for run in listed][-2:] == [run["id"] for run in demo.summary["runs"][:2]][::-1]
    shown = demo.earshot("runs", "show", demo.summary["runs"][0]["id"])
    assert "passed" in shown
    assert "said \\ heard" in shown
    assert "released" in demo.earshot("runs")


def test_an_unknown_run_and_version_are_refused_in_a_line(demo):
    demo.earshot("runs", "show", "r999999", status=1)
    demo.earshot("models", "approve", "9.9.9", status=1)
    demo.earshot("models", "rollback", "9.9.9", status=1)


def test_a_released_model_cannot_be_approved_again(demo):
    demo.earshot("models", "approve", demo.summary["runs"][-1]["version"], status=1)


def test_both_engines_give_the_same_answers_on_every_clip(demo):
    # GIVEN the released model and clips of strangers
    answers = {}
    for engine in ("tflm", "firmware"):
        told = demo.earshot(
            "evaluate", DEMO / "model.tflite", DEMO / "clips/held", "--engine", engine, "--json", "--per-clip"
        )
        answers[engine] = json.loads(told)
    # THEN TensorFlow Lite Micro and the board's C code agree, score for score
    assert answers["tflm"]["per_clip"] == answers["firmware"]["per_clip"]
    assert answers["tflm"]["clips"] == demo.summary["device"]["clips_heard"]
    # AND the board in the demonstration was right on as many
    right = sum(clip["answer"] == clip["label"] for clip in answers["firmware"]["per_clip"])
    assert right == demo.summary["device"]["correct"]


def test_clips_put_again_sends_nothing(demo):
    told = json.loads(demo.earshot("clips", "put", DEMO / "clips/second", "--json"))
    assert told["uploaded"] == 0
    assert told["unchanged"] > 0


def test_a_rollback_is_a_new_higher_version_with_the_old_model(demo):
    first, newest = demo.summary["runs"][0]["version"], demo.summary["runs"][-1]["version"]
    told = demo.earshot("models", "rollback", first)
    again = told.split(" as ")[1].split(":")[0]
    assert tuple(map(int, again.split("."))) > tuple(map(int, newest.split(".")))
    # a board takes it, by itself
    for _ in range(30):
        heard = run([EARSHOT, "device", "run", "--once", "--json", "--id", "host-0002", "--dir", "build/demo/other"],
                    dict(demo.environment))  # fmt: skip
        if any(json.loads(line).get("version") == again for line in heard.splitlines() if "confirmed" in line):
            break
    else:
        raise AssertionError(f"no board took {again}: {heard}")
    bucket, board = demo.outputs["ReleasesBucket"], demo.outputs["Boards"].split(",")[0]
    models = []
    for version in (first, again):
        path = DEMO / f"{version}.tflite"
        demo.aws("s3", "cp", f"s3://{bucket}/{version}/{board}/model.tflite", str(path))
        models.append(path.read_bytes())
    assert models[0] == models[1]


def test_a_model_brought_along_is_judged_like_a_trained_one(demo):
    # GIVEN the newest model of the demonstration, as a file of somebody's
    newest = demo.summary["runs"][-1]
    # WHEN it is imported with its labels
    labels = ",".join(newest["confusion"]["labels"])
    told = json.loads(demo.earshot("models", "import", DEMO / "model.tflite", "--labels", labels, "--json"))
    # THEN it passed the same gates with the same accuracy, and is out as a version of its own
    assert told["state"] == "released"
    assert told["card"]["origin"] == "imported"
    assert told["card"]["metrics"]["test"]["accuracy"]["int8"] == newest["accuracy"]["int8"]
    assert tuple(map(int, told["version"].split("."))) > tuple(map(int, newest["version"].split(".")))


def test_labels_that_do_not_fit_the_model_are_refused_in_a_sentence(demo):
    refused = subprocess.run(
        [EARSHOT, "models", "import", DEMO / "model.tflite", "--labels", "yes,no,unknown"],
        cwd=DEMO.parents[1], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert refused.returncode == 1
    assert "silence" in refused.stderr
    assert "Traceback" not in refused.stderr

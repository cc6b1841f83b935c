"""Clips into S3, words recognised on the board: what a user sees of it."""

import re

BROKEN = {
    "broken_mp3.wav": "MP3",
    "broken_truncated_header.wav": "",
    "broken_empty.wav": "empty",
    "broken_three_hours.wav": "",
    "wrong_label.wav": "label",
}


def test_ctrl_c_ends_it_at_once_in_one_line(interruption):
    status, printed = interruption
    assert status == 130
    assert "Traceback" not in printed


def test_every_dropped_file_has_its_place(demo):
    clips = demo.summary["clips"]
    assert clips["dropped"] == clips["ingested"] + clips["duplicate"] + len(clips["quarantined"])
    assert clips["duplicate"] == 1


def test_broken_files_are_in_quarantine_with_their_reasons(demo):
    quarantined = demo.summary["clips"]["quarantined"]
    assert {key.rsplit("/", 1)[1] for key in quarantined} == set(BROKEN)
    for key, reason in quarantined.items():
        name = key.rsplit("/", 1)[1]
        assert BROKEN[name].lower() in reason.lower()
        assert len(reason.split()) > 3
    # AND they are kept, with the reason on the object
    for key, reason in quarantined.items():
        head = demo.aws(
            "s3api", "head-object", "--bucket", demo.outputs["ClipsBucket"], "--key", f"quarantine/{key}",
            "--query", "Metadata.reason", "--output", "text",
        )  # fmt: skip
        assert head.split()[:3] == reason.split()[:3]


def test_nothing_in_the_summary_is_null(demo):
    def values(inside):
        if isinstance(inside, dict | list):
            for each in inside.values() if isinstance(inside, dict) else inside:
                yield from values(each)
        else:
            yield inside

    assert None not in list(values(demo.summary))


def test_the_second_drop_made_a_second_version_from_its_clips_alone(demo):
    runs = demo.summary["runs"]
    assert [run["state"] for run in runs] == ["released"] * len(runs)
    assert len(runs) >= 2
    # every clip is new in exactly one run
    assert sum(run["clips_new"] for run in runs) == demo.summary["clips"]["ingested"] == runs[-1]["clips_total"]
    assert tuple(map(int, runs[-1]["version"].split("."))) >= (1, 0, 2)
    assert len({run["version"] for run in runs}) == len(runs)
    assert len({run["frontend"] for run in runs}) == 1


def test_accuracy_is_what_the_confusion_matrix_says(demo):
    for run in demo.summary["runs"]:
        matrix = run["confusion"]["matrix"]
        right = sum(row[index] for index, row in enumerate(matrix))
        assert abs(right / sum(map(sum, matrix)) - run["accuracy"]["int8"]) < 1e-6
        assert len(matrix) == len(run["confusion"]["labels"]) == 4


def test_endpoint_and_board_run_the_newest_version(demo):
    newest = demo.summary["runs"][-1]["version"]
    endpoint, device = demo.summary["endpoint"], demo.summary["device"]
    assert endpoint["status"] == "InService"
    assert endpoint["model_version"] == device["model_version"] == newest
    assert device["confirmed"] is True
    assert device["clips_heard"] == endpoint["clips_tried"] > 100


def test_the_board_hears_words_of_strangers(demo):
    device = demo.summary["device"]
    assert device["correct"] / device["clips_heard"] > 0.8
    # float endpoint and int8 board differ where a clip is on the fence, and only there
    assert device["agrees_with_cloud"] / device["clips_heard"] > 0.97


def test_the_steps_are_told_in_order(demo):
    told = [
        "sam deploy", "first drop", "quarantine", "preprocessing", "training", "epoch", "gate", "releasing", "endpoint",
        "board downloading", "board verified", "board trial", "board confirmed", "second drop", "Confusion",
    ]  # fmt: skip
    plain = re.sub(r"\x1b\[[0-9;]*m", "", demo.printed)
    places = [plain.find(step) for step in told]
    assert -1 not in places, dict(zip(told, places, strict=True))

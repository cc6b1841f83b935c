"""Programs that others wrote, on the stack that the demonstration left: they meet what they meet on AWS."""

import hashlib
import json
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
from stage import DEMO, ROOT, run
from tuf.ngclient import Updater


@pytest.fixture(scope="module")
def word():
    return sorted((DEMO / "clips/held/yes").glob("*.wav"))[0]


def test_aws_s3_cp_drops_a_clip_that_is_taken_in(demo):
    # GIVEN a clip that the bucket has already: taken in, it is a duplicate and starts no run
    known = sorted((DEMO / "clips/first/yes").glob("*.wav"))[0]
    bucket = demo.outputs["ClipsBucket"]
    # WHEN somebody copies it into the bucket under another name
    demo.aws("s3", "cp", str(known), f"s3://{bucket}/clips/yes/copied by hand.wav")
    # THEN it is there, and counted
    assert "copied by hand.wav" in demo.aws("s3", "ls", f"s3://{bucket}/clips/yes/")
    for _ in range(60):
        if "2 duplicate" in demo.earshot("runs"):
            break
        time.sleep(1)
    else:
        raise AssertionError(demo.earshot("runs"))


def test_python_tuf_gets_what_the_board_runs(demo, tmp_path):
    # GIVEN the root that the demonstration made WHEN TUF's own client follows it, for a board of each kind
    root = (DEMO / "keys/root.json").read_bytes()
    updates = f"http://{demo.outputs['ReleasesDomain']}/tuf"
    updater = Updater(str(tmp_path), f"{updates}/metadata/", str(tmp_path), f"{updates}/targets/", bootstrap=root)
    for board in demo.outputs["Boards"].split(","):
        target = updater.get_targetinfo(f"{board}/model.img")
        # THEN it downloads what the job document offers
        with urllib.request.urlopen(f"http://{demo.outputs['ReleasesDomain']}/{board}/ota_update.json") as answer:
            document = json.load(answer)
        image = Path(updater.download_target(target)).read_bytes()
        assert (target.custom["board"], target.custom["version"]) == (board, document["Version"])
        assert hashlib.sha256(image).hexdigest() == document["Sha256"]


def test_aws_lists_training_jobs(demo):
    jobs = json.loads(demo.aws("sagemaker", "list-training-jobs", "--sort-by", "CreationTime"))["TrainingJobSummaries"]
    names = {job["TrainingJobName"] for job in jobs}
    assert {f"earshot-{run['id']}-train" for run in demo.summary["runs"]} <= names
    described = json.loads(
        demo.aws("sagemaker", "describe-training-job", "--training-job-name", jobs[-1]["TrainingJobName"])
    )
    assert described["TrainingJobStatus"] == "Completed"
    assert {metric["MetricName"] for metric in described["FinalMetricDataList"]}


def test_aws_invokes_the_endpoint(demo, word, tmp_path):
    answer = tmp_path / "answer.json"
    demo.aws(
        "sagemaker-runtime", "invoke-endpoint", "--endpoint-name", demo.outputs["EndpointName"],
        "--content-type", "audio/wav", "--body", f"fileb://{word}", str(answer),
    )  # fmt: skip
    heard = json.loads(answer.read_text())
    assert set(heard["scores"]) == {"yes", "no", "unknown", "silence"}
    assert heard["label"] == max(heard["scores"], key=heard["scores"].get)
    assert heard["version"] == demo.summary["endpoint"]["model_version"]


def test_the_endpoint_says_what_is_wrong_with_a_file(demo, tmp_path):
    broken = tmp_path / "notes.wav"
    broken.write_text("this is no recording")
    told = subprocess.run(
        [
            ROOT / ".venv/sam/bin/aws", "sagemaker-runtime", "invoke-endpoint",
            "--endpoint-name", demo.outputs["EndpointName"], "--content-type", "audio/wav",
            "--body", f"fileb://{broken}", tmp_path / "answer.json",
        ],
        env=demo.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode != 0
    assert "ModelError" in told.stderr
    assert "send PCM WAV or FLAC" in told.stderr


def test_aws_tails_the_training_log(demo):
    # `logs tail` came with version 2, which no Python index carries but Debian does; what it asks, version 1 asks, too
    debians = shutil.which("aws", path="/usr/bin")
    if debians:
        tail = ["logs", "tail", "/aws/sagemaker/TrainingJobs", "--since", "1h"]
        log = run([debians, "--endpoint-url", demo.url, *tail], demo.environment)
    else:
        log = demo.aws(
            "logs", "filter-log-events", "--log-group-name", "/aws/sagemaker/TrainingJobs", "--interleaved",
            "--query", "events[].message", "--output", "text",
        )  # fmt: skip
    assert "epoch 1/" in log
    assert "accuracy_int8=" in log


def test_version_2_of_aws_works_as_well(demo, word, tmp_path):
    # Debian's is older than the variable AWS_ENDPOINT_URL
    command = [shutil.which("aws", path="/usr/bin") or ROOT / ".venv/sam/bin/aws", "--endpoint-url", demo.url]
    told = run([*command, "sagemaker", "list-training-jobs", "--output", "json"], demo.environment)
    assert len(json.loads(told)["TrainingJobSummaries"]) >= 2
    answer = tmp_path / "answer.json"
    run(
        [
            *command, "sagemaker-runtime", "invoke-endpoint", "--endpoint-name", demo.outputs["EndpointName"],
            "--content-type", "audio/wav", "--body", f"fileb://{word}", answer,
        ],
        demo.environment,
    )  # fmt: skip
    assert "label" in json.loads(answer.read_text())


def test_amazons_sdk_reads_the_stack(demo):
    done = subprocess.run(
        [ROOT / ".venv/sdk/bin/python", "-m", "pytest", "-q", ROOT / "tests/integration/sdk"],
        env={**demo.environment, "EARSHOT_URL": demo.url},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert "skipped" not in done.stdout

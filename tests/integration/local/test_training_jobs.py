"""Training jobs run as processes under the /opt/ml contract and go through SageMaker's states."""

import itertools
import json
import time

import pytest
from botocore.exceptions import ClientError

FINAL = {"Completed", "Failed", "Stopped"}


@pytest.fixture
def training(cloud, name):
    """Starts jobs from a script's text, in a bucket of the test's own."""
    return Training(cloud, name)


class Training:
    def __init__(self, cloud, name):
        self.cloud, self.name = cloud, name
        self.sagemaker, self.s3 = cloud.client("sagemaker"), cloud.client("s3")
        self.s3.create_bucket(Bucket=name)

    def request(self, script, files=None, hyperparameters=None, **changes):
        source = self.cloud.archive({"train.py": script, **(files or {})})
        self.s3.put_object(Bucket=self.name, Key="source.tar.gz", Body=source)
        return {
            "TrainingJobName": self.name,
            "RoleArn": self.cloud.role(),
            "AlgorithmSpecification": {"TrainingImage": self.cloud.image, "TrainingInputMode": "File"},
            "HyperParameters": {
                "sagemaker_program": "train.py",
                "sagemaker_submit_directory": f"s3://{self.name}/source.tar.gz",
                **(hyperparameters or {}),
            },
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.name}/models"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            **changes,
        }

    def start(self, *values, **named):
        self.sagemaker.create_training_job(**self.request(*values, **named))

    def described(self):
        return self.sagemaker.describe_training_job(TrainingJobName=self.name)

    def end(self, seconds=40):
        def finished():
            job = self.described()
            return job if job["TrainingJobStatus"] in FINAL else None

        return self.cloud.wait(finished, seconds)

    def run(self, *values, **named):
        self.start(*values, **named)
        return self.end()

    def log(self):
        logs, group = self.cloud.client("logs"), "/aws/sagemaker/TrainingJobs"
        streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{self.name}/")["logStreams"]
        lines = []
        for stream in streams:
            events = logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True)
            lines += [event["message"] for event in events["events"]]
        return lines

    def read(self, key):
        return self.s3.get_object(Bucket=self.name, Key=key)["Body"].read()


def test_job_finds_its_inputs_and_leaves_its_model(training):
    # GIVEN a channel of two objects, one in a folder
    for key in ("data/a/one.txt", "data/two.txt", "elsewhere.txt"):
        training.s3.put_object(Bucket=training.name, Key=key, Body=key.encode())
    script = """
import json, os, pathlib, sys
channel = pathlib.Path(os.environ["SM_CHANNEL_TRAIN"])
found = sorted(str(p.relative_to(channel)) for p in channel.rglob("*") if p.is_file())
config = pathlib.Path(os.environ["SM_INPUT_CONFIG_DIR"])
model = pathlib.Path(os.environ["SM_MODEL_DIR"])
(model / "folder").mkdir()
(model / "folder" / "told.json").write_text(json.dumps({
    "found": found, "arguments": sys.argv[1:], "cwd": os.getcwd(), "channels": json.loads(os.environ["SM_CHANNELS"]),
    "hyperparameters": json.loads((config / "hyperparameters.json").read_text()),
    "resources": json.loads((config / "resourceconfig.json").read_text()),
    "channel_config": json.loads((config / "inputdataconfig.json").read_text()),
    "hps": json.loads(os.environ["SM_HPS"]), "rate": os.environ["SM_HP_LEARNING_RATE"], "mine": os.environ["MINE"],
    "job": os.environ["TRAINING_JOB_NAME"], "server": {k: v for k, v in os.environ.items() if "MINISTACK" in k},
}))
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "report.txt").write_text("fine")
"""
    # WHEN a job runs on it
    job = training.run(
        script,
        hyperparameters={"epochs": "3", "learning_rate": "0.002", "keywords": "yes,no", "quoted": '"a b"'},
        InputDataConfig=[
            {
                "ChannelName": "train",
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{training.name}/data/"}},
            }
        ],
        Environment={"MINE": "set"},
    )
    # THEN it is completed, and its model archive holds what the script saw
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == (
        f"s3://{training.name}/models/{training.name}/output/model.tar.gz"
    )
    model = training.cloud.members(training.read(f"models/{training.name}/output/model.tar.gz"))
    told = json.loads(model["folder/told.json"])
    assert told["found"] == ["a/one.txt", "two.txt"]
    assert told["arguments"] == [
        "--epochs", "3", "--keywords", "yes,no", "--learning_rate", "0.002", "--quoted", "a b",
    ]  # fmt: skip
    assert told["cwd"] == "/opt/ml/code"
    assert told["channels"] == ["train"]
    assert told["hyperparameters"]["quoted"] == '"a b"'
    assert told["hps"] == {"epochs": 3, "keywords": "yes,no", "learning_rate": 0.002, "quoted": "a b"}
    assert told["rate"] == "0.002"
    assert told["resources"] == {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "lo"}
    assert told["channel_config"]["train"]["TrainingInputMode"] == "File"
    assert (told["mine"], told["job"], told["server"]) == ("set", training.name, {})
    outputs = training.cloud.members(training.read(f"models/{training.name}/output/output.tar.gz"))
    assert outputs == {"report.txt": b"fine"}


def test_states_and_metrics(training):
    # WHEN a job prints what its metric definitions look for
    request = training.request("for n in (1, 2): print(f'epoch {n} accuracy=0.{n}5 loss=1e-{n}', flush=True)")
    request["AlgorithmSpecification"]["MetricDefinitions"] = [
        {"Name": "accuracy", "Regex": r"accuracy=([0-9.]+)"},
        {"Name": "loss", "Regex": r"loss=([0-9.e-]+)"},
        {"Name": "never", "Regex": r"never=([0-9.]+)"},
    ]
    training.sagemaker.create_training_job(**request)
    job = training.end()
    # THEN the last values are the final ones, and the states are SageMaker's, in order, without gaps
    assert {m["MetricName"]: m["Value"] for m in job["FinalMetricDataList"]} == {"accuracy": 0.25, "loss": 0.01}
    transitions = job["SecondaryStatusTransitions"]
    assert [t["Status"] for t in transitions] == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert all(t["EndTime"] == after["StartTime"] for t, after in itertools.pairwise(transitions))
    assert job["CreationTime"] <= job["TrainingStartTime"] <= job["TrainingEndTime"]
    assert job["BillableTimeInSeconds"] >= 1


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("import sys; print('boom'); sys.exit(3)", "AlgorithmError: boom, exit code: 3"),
        (
            "import pathlib, sys; pathlib.Path('/opt/ml/output/failure').write_text('no clips'); sys.exit(1)",
            "AlgorithmError: no clips, exit code: 1",
        ),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "exit code: 137"),
        ("raise ValueError('odd label')", "AlgorithmError: ValueError: odd label, exit code: 1"),
    ],
)
def test_failure_reason(training, script, reason):
    # WHEN the script fails THEN the reason says why, and there is no model
    job = training.run(script)
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Failed"
    assert reason in job["FailureReason"]
    assert "ModelArtifacts" not in job
    assert "Contents" not in training.s3.list_objects_v2(Bucket=training.name, Prefix="models/")


def test_log_is_live(training):
    # GIVEN a job that prints and then waits
    training.start("import time; print('first line', flush=True); time.sleep(60)")
    # WHEN it still runs THEN its line is in CloudWatch Logs
    training.cloud.wait(lambda: training.described()["SecondaryStatus"] == "Training")

    def said():
        try:
            return "first line" in training.log()
        except ClientError:
            return False

    training.cloud.wait(said)
    assert training.described()["TrainingJobStatus"] == "InProgress"
    training.sagemaker.stop_training_job(TrainingJobName=training.name)
    training.end()


def test_stop_lets_the_script_save_its_model(training):
    # GIVEN a script that saves when it is told to end
    training.start(
        """
import pathlib, signal, sys, time
def save(*_):
    pathlib.Path("/opt/ml/model/saved").write_text("in time")
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
print("ready", flush=True)
time.sleep(60)
"""
    )
    training.cloud.wait(lambda: training.described()["SecondaryStatus"] == "Training" and "ready" in training.log())
    # WHEN it is stopped
    began = time.monotonic()
    training.sagemaker.stop_training_job(TrainingJobName=training.name)
    job = training.end()
    # THEN it is Stopped, soon, with what it saved
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert [t["Status"] for t in job["SecondaryStatusTransitions"]][-2:] == ["Stopping", "Stopped"]
    assert time.monotonic() - began < 10
    model = training.cloud.members(training.read(f"models/{training.name}/output/model.tar.gz"))
    assert model == {"saved": b"in time"}
    # AND a second stop is refused
    with pytest.raises(ClientError, match=r"ValidationException.*status Stopped"):
        training.sagemaker.stop_training_job(TrainingJobName=training.name)


def test_time_runs_out(training):
    # WHEN a job takes longer than it may THEN it is stopped by SageMaker, children and all
    job = training.run(
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(333)'])",
        StoppingCondition={"MaxRuntimeInSeconds": 1},
    )
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


def test_checkpoints_come_down_and_go_up(training):
    # GIVEN a checkpoint of an earlier job
    training.s3.put_object(Bucket=training.name, Key="checkpoints/epoch", Body=b"7")
    # WHEN a job goes on from it and is killed while it runs
    training.run(
        """
import os, pathlib, signal, time
epoch = pathlib.Path("/opt/ml/checkpoints/epoch")
epoch.write_text(str(int(epoch.read_text()) + 1))
os.kill(os.getpid(), signal.SIGKILL)
""",
        CheckpointConfig={"S3Uri": f"s3://{training.name}/checkpoints"},
    )
    # THEN its checkpoint is in S3
    assert training.read("checkpoints/epoch") == b"8"


def test_tensorboard_logs_are_there_while_the_job_runs(training):
    # GIVEN a job that logs for TensorBoard, says so, and logs once more when it is told to end
    training.start(
        """
import pathlib, signal, sys, time
logs = pathlib.Path("/opt/ml/output/tensorboard/train")
logs.mkdir()
def last(*_):
    (logs / "events.2").write_text("second")
    sys.exit(0)
signal.signal(signal.SIGTERM, last)
(logs / "events.1").write_text("first")
time.sleep(60)
""",
        TensorBoardOutputConfig={"S3OutputPath": f"s3://{training.name}/tensorboard/"},
    )
    prefix = f"tensorboard/{training.name}/tensorboard-output/train/"

    def logs():
        found = training.s3.list_objects_v2(Bucket=training.name, Prefix="tensorboard/").get("Contents", ())
        return [item["Key"] for item in found]

    # WHEN it still runs THEN what it has logged is in S3, below the job's name
    training.cloud.wait(logs)
    assert training.described()["TrainingJobStatus"] == "InProgress"
    assert logs() == [f"{prefix}events.1"]
    # AND what it logs at its end comes too
    training.sagemaker.stop_training_job(TrainingJobName=training.name)
    training.end()
    assert logs() == [f"{prefix}events.1", f"{prefix}events.2"]
    assert training.read(f"{prefix}events.1") == b"first"


def test_manifest_channel_keeps_paths(training):
    # GIVEN a manifest that names two of three objects
    for key in ("features/x/1.npz", "features/y/2.npz", "features/y/3.npz"):
        training.s3.put_object(Bucket=training.name, Key=key, Body=key.encode())
    manifest = [{"prefix": f"s3://{training.name}/features/"}, "x/1.npz", "y/2.npz"]
    training.s3.put_object(Bucket=training.name, Key="m.manifest", Body=json.dumps(manifest).encode())
    source = {"S3DataType": "ManifestFile", "S3Uri": f"s3://{training.name}/m.manifest"}
    # WHEN it is a channel THEN those are there, below their paths
    script = "import os; print(sorted(os.path.join(d, f) for d, _, fs in os.walk('/opt/ml/input/data/f') for f in fs))"
    job = training.run(script, InputDataConfig=[{"ChannelName": "f", "DataSource": {"S3DataSource": source}}])
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert "['/opt/ml/input/data/f/x/1.npz', '/opt/ml/input/data/f/y/2.npz']" in training.log()


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (b"not json", "not JSON"),
        (b"[]", "must be a list that begins with"),
        (b'[{"prefix": "s3://BUCKET/"}, "missing.npz"]', "missing.npz cannot be read"),
        (b'[{"prefix": "s3://BUCKET/"}, "../outside"]', "cannot be read"),
        (b'[{"prefix": "s3://BUCKET/"}]', "names no object"),
    ],
)
def test_bad_manifest_fails_the_job(training, manifest, said):
    # WHEN a channel's manifest is bad THEN the job fails as a client's error, naming it
    content = manifest.replace(b"BUCKET", training.name.encode())
    training.s3.put_object(Bucket=training.name, Key="m.manifest", Body=content)
    source = {"S3DataType": "ManifestFile", "S3Uri": f"s3://{training.name}/m.manifest"}
    job = training.run("", InputDataConfig=[{"ChannelName": "f", "DataSource": {"S3DataSource": source}}])
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: ")
    assert said in job["FailureReason"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"AlgorithmSpecification": {"TrainingImage": "nowhere/pytorch:1", "TrainingInputMode": "File"}}, "CannotPull"),
        ({"HyperParameters": {}}, "sagemaker_program"),
        ({"HyperParameters": {"sagemaker_program": "x.py", "sagemaker_submit_directory": "s3://no/x"}}, "cannot fetch"),
    ],
)
def test_job_that_cannot_start(training, changes, said):
    # WHEN image or script are not there THEN the job fails and says which
    job = training.run("", **changes)
    assert job["TrainingJobStatus"] == "Failed"
    assert said in job["FailureReason"]


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"RoleArn": "arn:aws:iam::000000000000:role/nobody"}, "ValidationException", "Could not assume role"),
        ({"TrainingJobName": "under_score"}, "ValidationException", "regular expression pattern"),
        ({"TrainingJobName": "x" * 64}, "ValidationException", "length less than or equal to 63"),
        (
            {"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 21, "VolumeSizeInGB": 5}},
            "ResourceLimitExceeded",
            "20 Instances",
        ),
        (
            {"ResourceConfig": {"InstanceType": "ml.q9.huge", "InstanceCount": 1, "VolumeSizeInGB": 5}},
            "ValidationException",
            "enum value set",
        ),
        ({"EnableManagedSpotTraining": True}, "ValidationException", "MaxWaitTimeInSeconds"),
        (
            {"TensorBoardOutputConfig": {"S3OutputPath": "s3://b/p", "LocalPath": "/opt/ml/logs"}},
            "ValidationException",
            "reserved path",
        ),
        (
            {"Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]},
            "ValidationException",
            "Duplicate tag keys",
        ),
    ],
)
def test_refused_requests(training, changes, code, said):
    # WHEN a request is wrong THEN SageMaker's code says so and there is no job
    with pytest.raises(ClientError) as refused:
        training.start("", **changes)
    assert refused.value.response["Error"]["Code"] == code
    assert said in refused.value.response["Error"]["Message"]
    with pytest.raises(ClientError, match=r"ValidationException.*Requested resource not found"):
        training.described()


def test_bad_metric_is_refused(training):
    request = training.request("")
    for expression in ("([0-9", "accuracy=[0-9]+"):
        request["AlgorithmSpecification"]["MetricDefinitions"] = [{"Name": "m", "Regex": expression}]
        with pytest.raises(ClientError, match=r"ValidationException.*Metric m"):
            training.sagemaker.create_training_job(**request)


def test_name_is_taken_for_ever(training):
    # GIVEN a finished job WHEN another takes its name THEN it is refused
    training.run("")
    with pytest.raises(ClientError, match=r"ResourceInUse.*already exists"):
        training.start("")


def test_role_must_trust_sagemaker(training):
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
    with pytest.raises(ClientError, match="Could not assume role"):
        training.start("", RoleArn=training.cloud.role("functions", trust))

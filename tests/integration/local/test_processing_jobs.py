"""Processing jobs: inputs by prefix and manifest, shards over hosts, outputs, failure, stop."""

import json

import pytest
from botocore.exceptions import ClientError

SCRIPT = """
import json, os, pathlib
config = json.loads(pathlib.Path("/opt/ml/config/resourceconfig.json").read_text())
host = config["current_host"]
clips = pathlib.Path("/opt/ml/processing/input/clips")
found = sorted(str(p.relative_to(clips)) for p in clips.rglob("*") if p.is_file())
job = json.loads(pathlib.Path("/opt/ml/config/processingjobconfig.json").read_text())
marker = pathlib.Path("/tmp/mine")
alone = not marker.exists()
marker.write_text(host)
out = pathlib.Path("/opt/ml/processing/output/features") / "deep"
out.mkdir()
(out / f"{host}.json").write_text(json.dumps(
    {"hosts": config["hosts"], "found": found, "run": os.environ["EARSHOT_RUN"], "job": job["ProcessingJobName"],
     "alone": alone, "cwd": os.getcwd()}))
"""


@pytest.fixture
def processing(cloud, name):
    return Processing(cloud, name)


class Processing:
    def __init__(self, cloud, name):
        self.cloud, self.name = cloud, name
        self.sagemaker, self.s3 = cloud.client("sagemaker"), cloud.client("s3")
        self.s3.create_bucket(Bucket=name)

    def put(self, key, content=b"x"):
        self.s3.put_object(Bucket=self.name, Key=key, Body=content)

    def input(self, name, key, **more):
        source = {
            "S3Uri": f"s3://{self.name}/{key}",
            "LocalPath": f"/opt/ml/processing/input/{name}",
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
            **more,
        }
        return {"InputName": name, "S3Input": source}

    def request(self, script=None, inputs=(), hosts=1, mode="EndOfJob", **changes):
        self.put("code/source.tar.gz", self.cloud.archive({"job.py": script or SCRIPT, "requirements.txt": "numpy\n"}))
        command = (
            "mkdir -p /tmp/work && tar xzf /opt/ml/processing/input/code/source.tar.gz -C /tmp/work"
            " && exec python3 /tmp/work/job.py"
        )
        cluster = {"InstanceCount": hosts, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5}
        output = {
            "S3Uri": f"s3://{self.name}/features",
            "LocalPath": "/opt/ml/processing/output/features",
            "S3UploadMode": mode,
        }
        return {
            "ProcessingJobName": self.name,
            "RoleArn": self.cloud.role(),
            "AppSpecification": {
                "ImageUri": self.cloud.image,
                "ContainerEntrypoint": ["/bin/sh", "-c", command],
            },
            "ProcessingInputs": [self.input("code", "code/"), *inputs],
            "ProcessingOutputConfig": {"Outputs": [{"OutputName": "features", "S3Output": output}]},
            "ProcessingResources": {"ClusterConfig": cluster},
            "Environment": {"EARSHOT_RUN": "r000001"},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            **changes,
        }

    def described(self):
        return self.sagemaker.describe_processing_job(ProcessingJobName=self.name)

    def end(self):
        def finished():
            job = self.described()
            return job if job["ProcessingJobStatus"] in {"Completed", "Failed", "Stopped"} else None

        return self.cloud.wait(finished, 40)

    def run(self, *values, **named):
        self.sagemaker.create_processing_job(**self.request(*values, **named))
        return self.end()

    def outputs(self):
        listed = self.s3.list_objects_v2(Bucket=self.name, Prefix="features/").get("Contents", [])
        keys = [entry["Key"] for entry in listed]
        return {key: self.s3.get_object(Bucket=self.name, Key=key)["Body"].read() for key in keys}


def test_shards_over_two_hosts(processing):
    # GIVEN five clips, one with an odd name, in a manifest
    names = ["yes/a.wav", "yes/b c+d.wav", "no/é.wav", "no/f.wav", "up/deep/er/g.wav"]
    for clip in names:
        processing.put(f"clips/{clip}", clip.encode())
    processing.put("new.manifest", json.dumps([{"prefix": f"s3://{processing.name}/clips/"}, *names]).encode())
    clips = processing.input(
        "clips", "new.manifest", S3DataType="ManifestFile", S3DataDistributionType="ShardedByS3Key"
    )
    # WHEN two hosts share them
    job = processing.run(inputs=[clips], hosts=2)
    # THEN each clip is on exactly one host, below its path, and each host has a /tmp of its own
    assert job["ProcessingJobStatus"] == "Completed", job.get("FailureReason")
    told = [json.loads(content) for content in processing.outputs().values()]
    assert sorted(processing.outputs()) == ["features/deep/algo-1.json", "features/deep/algo-2.json"]
    assert sorted(told[0]["found"] + told[1]["found"]) == sorted(names)
    assert {len(one["found"]) for one in told} == {2, 3}
    assert all(one["hosts"] == ["algo-1", "algo-2"] and one["alone"] and one["cwd"] == "/" for one in told)
    assert all(one["run"] == "r000001" and one["job"] == processing.name for one in told)


def test_requirements_that_are_there_install_without_a_network(processing):
    # WHEN the entry point installs what the image holds THEN that works; what it lacks fails at once
    request = processing.request("print('ran')")
    install = (
        "cd /opt/ml/processing/input/code && tar xzf source.tar.gz && python3 -m pip install -q -r requirements.txt"
    )
    request["AppSpecification"]["ContainerEntrypoint"] = ["/bin/sh", "-c", install]
    processing.sagemaker.create_processing_job(**request)
    assert processing.end()["ProcessingJobStatus"] == "Completed"
    processing.name, request["ProcessingJobName"] = f"{processing.name}-b", f"{processing.name}-b"
    request["AppSpecification"]["ContainerEntrypoint"] = ["python3", "-m", "pip", "install", "no-such-thing-at-all"]
    processing.sagemaker.create_processing_job(**request)
    assert processing.end()["ProcessingJobStatus"] == "Failed"


def test_failure(processing):
    # WHEN one of two hosts fails THEN the job fails with its reason and message, nothing is uploaded
    job = processing.run(
        """
import json, pathlib, sys, time
host = json.loads(pathlib.Path("/opt/ml/config/resourceconfig.json").read_text())["current_host"]
pathlib.Path("/opt/ml/processing/output/features/part").write_text(host)
if host == "algo-2":
    pathlib.Path("/opt/ml/output/message").write_text("2 of 5 clips")
    sys.exit("cannot decode")
time.sleep(60)
""",
        hosts=2,
    )
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: cannot decode, exit code: 1"
    assert processing.outputs() == {}


@pytest.mark.parametrize(
    ("key", "said"), [("nothing/", "No S3 objects found"), ("code/source.tar.gz/x", "No S3 objects found")]
)
def test_input_that_is_not_there(processing, key, said):
    job = processing.run(inputs=[processing.input("clips", key)])
    assert job["ProcessingJobStatus"] == "Failed"
    assert said in job["FailureReason"]


def test_one_object_as_a_prefix(processing):
    # GIVEN an object and another whose key begins alike
    processing.put("datasets/new.jsonl", b"{}")
    # WHEN the input names the one THEN it lies in the folder by its base name
    job = processing.run(inputs=[processing.input("clips", "datasets/new.jsonl")])
    assert job["ProcessingJobStatus"] == "Completed", job.get("FailureReason")
    (content,) = processing.outputs().values()
    assert json.loads(content)["found"] == ["new.jsonl"]


def test_continuous_output_arrives_while_the_job_runs(processing):
    request = processing.request(
        "import pathlib, time; pathlib.Path('/opt/ml/processing/output/features/early').write_text('1');time.sleep(60)",
        mode="Continuous",
    )
    processing.sagemaker.create_processing_job(**request)
    processing.cloud.wait(processing.outputs)
    assert processing.described()["ProcessingJobStatus"] == "InProgress"
    # WHEN it is stopped THEN it is Stopped, by way of Stopping
    processing.sagemaker.stop_processing_job(ProcessingJobName=processing.name)
    assert processing.end()["ProcessingJobStatus"] == "Stopped"
    with pytest.raises(ClientError, match=r"ValidationException.*is in status Stopped"):
        processing.sagemaker.stop_processing_job(ProcessingJobName=processing.name)


def test_time_runs_out(processing):
    job = processing.run("import time; time.sleep(60)", StoppingCondition={"MaxRuntimeInSeconds": 1})
    assert job["ProcessingJobStatus"] == "Stopped"


def test_refused_requests(processing):
    client = processing.sagemaker
    bad_path = processing.input("clips", "code/", LocalPath="/opt/ml/../../etc")
    for change, said in (
        ({"ProcessingInputs": [processing.input("a", "code/"), processing.input("a", "code/")]}, "InputName"),
        ({"ProcessingInputs": [bad_path]}, "LocalPath"),
        ({"Environment": {"1bad": "x"}}, "regular expression"),
        ({"ProcessingInputs": [processing.input(f"i{n}", "code/") for n in range(11)]}, "less than or equal to 10"),
    ):
        with pytest.raises(ClientError, match=f"ValidationException.*{said}"):
            client.create_processing_job(**processing.request(**change))
    with pytest.raises(ClientError, match=r"ValidationException.*Could not find requested job"):
        processing.described()


def test_delete_only_what_has_ended(processing):
    processing.sagemaker.create_processing_job(**processing.request("import time; time.sleep(60)"))
    with pytest.raises(ClientError, match="ResourceInUse"):
        processing.sagemaker.delete_processing_job(ProcessingJobName=processing.name)
    processing.sagemaker.stop_processing_job(ProcessingJobName=processing.name)
    processing.end()
    processing.sagemaker.delete_processing_job(ProcessingJobName=processing.name)
    with pytest.raises(ClientError, match="Could not find requested job"):
        processing.described()

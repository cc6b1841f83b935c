"""Other people's clients: the `aws` command line."""

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def aws(cloud):
    def run(*arguments):
        command = [ROOT / ".venv/sam/bin/aws", *arguments]
        told = subprocess.run(command, env=cloud.tool_environment(), capture_output=True, text=True, check=False)
        assert told.returncode == 0, told.stderr
        return told.stdout

    return run


def test_aws_command_line(aws, cloud, name, tmp_path):
    # GIVEN a bucket and a file of several parts
    content = bytes(range(256)) * 40_000
    (tmp_path / "clip.wav").write_bytes(content)
    aws("s3", "mb", f"s3://{name}")
    # WHEN copied there and back THEN it is the same
    aws("s3", "cp", str(tmp_path / "clip.wav"), f"s3://{name}/clips/yes/a b.wav")
    aws("s3", "cp", f"s3://{name}/clips/yes/a b.wav", str(tmp_path / "back.wav"))
    assert (tmp_path / "back.wav").read_bytes() == content
    # WHEN a training job runs THEN it is listed and its log can be read
    sources = tmp_path / "s.tar.gz"
    sources.write_bytes(cloud.archive({"t.py": "print('epoch 1/1 loss=0.5')"}))
    aws("s3", "cp", str(sources), f"s3://{name}/s.tar.gz")
    hyperparameters = {"sagemaker_program": "t.py", "sagemaker_submit_directory": f"s3://{name}/s.tar.gz"}
    aws(
        "sagemaker", "create-training-job", "--training-job-name", name, "--role-arn", cloud.role(),
        "--algorithm-specification", f"TrainingImage={cloud.image},TrainingInputMode=File",
        "--hyper-parameters", json.dumps(hyperparameters),
        "--output-data-config", f"S3OutputPath=s3://{name}/models",
        "--resource-config", "InstanceType=ml.m5.large,InstanceCount=1,VolumeSizeInGB=5",
        "--stopping-condition", "MaxRuntimeInSeconds=60",
    )  # fmt: skip
    aws("sagemaker", "wait", "training-job-completed-or-stopped", "--training-job-name", name)
    listed = json.loads(aws("sagemaker", "list-training-jobs", "--name-contains", name))
    assert listed["TrainingJobSummaries"][0]["TrainingJobStatus"] == "Completed"
    log = json.loads(
        aws("logs", "filter-log-events", "--log-group-name", "/aws/sagemaker/TrainingJobs",
            "--log-stream-name-prefix", f"{name}/")
    )  # fmt: skip
    assert [event["message"] for event in log["events"]] == ["epoch 1/1 loss=0.5"]


def test_aws_command_line_invokes_an_endpoint(aws, cloud, name, tmp_path):
    handler = "def handler(data, context): return data.read()[::-1], context.request_content_type"
    cloud.client("s3").create_bucket(Bucket=name)
    model = cloud.archive({"code/inference.py": handler})
    cloud.client("s3").put_object(Bucket=name, Key="m.tar.gz", Body=model)
    container = f"Image={cloud.serving_image},ModelDataUrl=s3://{name}/m.tar.gz"
    aws("sagemaker", "create-model", "--model-name", name, "--execution-role-arn", cloud.role(),
        "--primary-container", container)  # fmt: skip
    variant = f"VariantName=a,ModelName={name},ServerlessConfig={{MemorySizeInMB=1024,MaxConcurrency=1}}"
    aws("sagemaker", "create-endpoint-config", "--endpoint-config-name", name, "--production-variants", variant)
    aws("sagemaker", "create-endpoint", "--endpoint-name", name, "--endpoint-config-name", name)
    aws("sagemaker", "wait", "endpoint-in-service", "--endpoint-name", name)
    (tmp_path / "clip.wav").write_bytes(b"RIFF")
    answer = aws("sagemaker-runtime", "invoke-endpoint", "--endpoint-name", name, "--content-type", "audio/wav",
                 "--body", f"fileb://{tmp_path / 'clip.wav'}", str(tmp_path / "answer"))  # fmt: skip
    assert (tmp_path / "answer").read_bytes() == b"FFIR"
    assert json.loads(answer)["ContentType"] == "audio/wav"
    cloud.client("sagemaker").delete_endpoint(EndpointName=name)

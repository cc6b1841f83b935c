"""SageMaker's own SDK reads what the local cloud made.

Runs under the SDK's environment, against a cloud that runs already:

    EARSHOT_URL=http://127.0.0.1:4566 .venv/sdk/bin/python -m pytest tests/integration/sdk

It makes resources of its own names, so a cloud in use is fine; it needs nothing deployed.
"""

import io
import json
import os
import tarfile
import time

import boto3
import pytest
from sagemaker.core.resources import Endpoint, ModelPackage, TrainingJob

URL = os.environ.get("EARSHOT_URL", "http://127.0.0.1:4566")
SETTINGS = {
    "endpoint_url": URL,
    "region_name": "us-east-1",
    "aws_access_key_id": "test",
    "aws_secret_access_key": "test",
}
REGISTRY = "763104351884.dkr.ecr.us-east-1.amazonaws.com"
HANDLER = "def handler(data, context): return data.read(), 'application/json'"


def archive(name, text):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def session():
    """The SDK builds its clients from the environment."""
    variables = {
        "AWS_ENDPOINT_URL": URL,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield boto3.Session(region_name="us-east-1")


@pytest.fixture(scope="module")
def made():
    """A training job, a model package and an endpoint, by plain boto3."""
    name = f"sdk-{int(time.time())}"
    s3, sagemaker, iam = (boto3.client(service, **SETTINGS) for service in ("s3", "sagemaker", "iam"))
    trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="source.tar.gz", Body=archive("train.py", "print('accuracy=0.5')"))
    s3.put_object(Bucket=name, Key="model.tar.gz", Body=archive("code/inference.py", HANDLER))
    sagemaker.create_training_job(
        TrainingJobName=name,
        RoleArn=role,
        AlgorithmSpecification={
            "TrainingImage": f"{REGISTRY}/tensorflow-training:2.19-cpu-py312",
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "accuracy", "Regex": "accuracy=([0-9.]+)"}],
        },
        HyperParameters={
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": f"s3://{name}/source.tar.gz",
        },
        OutputDataConfig={"S3OutputPath": f"s3://{name}/models"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    container = {"Image": f"{REGISTRY}/tensorflow-inference:2.19-cpu", "ModelDataUrl": f"s3://{name}/model.tar.gz"}
    sagemaker.create_model_package_group(ModelPackageGroupName=name)
    package = sagemaker.create_model_package(
        ModelPackageGroupName=name,
        InferenceSpecification={"Containers": [container]},
        ModelApprovalStatus="Approved",
        CustomerMetadataProperties={"version": "1.0.1"},
    )["ModelPackageArn"]
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=role, PrimaryContainer=container)
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": name,
        "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1},
    }
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    yield name, package
    sagemaker.delete_endpoint(EndpointName=name)


def test_training_job(session, made):
    # GIVEN a job WHEN the SDK waits for it THEN it reads its states, metrics and artifacts
    name, _ = made
    job = TrainingJob.get(training_job_name=name, session=session, region="us-east-1")
    job.wait(poll=1, logs=False, timeout=60)
    assert job.training_job_status == "Completed"
    assert job.secondary_status_transitions[-1].status == "Completed"
    assert job.final_metric_data_list[0].value == 0.5
    assert job.model_artifacts.s3_model_artifacts == f"s3://{name}/models/{name}/output/model.tar.gz"
    listed = [found.training_job_name for found in TrainingJob.get_all(name_contains=name, session=session)]
    assert listed == [name]


def test_model_package(session, made):
    _, arn = made
    package = ModelPackage.get(model_package_name=arn, session=session, region="us-east-1")
    assert (package.model_approval_status, package.model_package_version) == ("Approved", 1)
    assert package.customer_metadata_properties == {"version": "1.0.1"}


def test_endpoint(session, made):
    # WHEN the SDK waits for the endpoint THEN it can invoke it
    name, _ = made
    endpoint = Endpoint.get(endpoint_name=name, session=session, region="us-east-1")
    endpoint.wait_for_status("InService", poll=1, timeout=60)
    assert endpoint.production_variants[0].variant_name == "AllTraffic"
    answer = endpoint.invoke(body=b'{"a": 1}', content_type="application/json")
    assert json.loads(answer.body.read()) == {"a": 1}

"""What holds for every SageMaker operation: the model is the law, pages are whole, tags belong to what exists."""

import json
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError

from earshot.local.sagemaker.schema import check_answer, service_model


def post(cloud, target, body):
    """Send what boto3 would not."""
    request = urllib.request.Request(
        cloud.url,
        data=body if isinstance(body, bytes) else json.dumps(body).encode(),
        headers={"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.load(refusal)


@pytest.mark.parametrize(
    ("target", "body", "code"),
    [
        ("SageMaker.DescribeTrainingJob", {"TrainingJobName": "x", "Colour": "red"}, "ValidationException"),
        ("SageMaker.DescribeTrainingJob", {}, "ValidationException"),
        ("SageMaker.DescribeTrainingJob", {"TrainingJobName": 7}, "ValidationException"),
        ("SageMaker.DescribeTrainingJob", {"TrainingJobName": None}, "ValidationException"),
        ("SageMaker.ListTrainingJobs", {"MaxResults": 101}, "ValidationException"),
        ("SageMaker.ListTrainingJobs", {"MaxResults": True}, "ValidationException"),
        ("SageMaker.ListTrainingJobs", {"SortBy": "Colour"}, "ValidationException"),
        ("SageMaker.ListTrainingJobs", {"NextToken": "bm9uc2Vuc2U="}, "ValidationException"),
        ("SageMaker.ListTrainingJobs", {"NextToken": "%%%"}, "ValidationException"),
        ("SageMaker.ListTrainingJobs", b"{not json", "SerializationException"),
        ("SageMaker.ListTrainingJobs", b"\xff\xfe", "SerializationException"),
        ("SageMaker.ListTrainingJobs", b"[]", "SerializationException"),
        ("SageMaker.ListTrainingJobs", b'{"MaxResults": NaN}', "SerializationException"),
        ("SageMaker.ListTrainingJobs", b"[" * 100_000, "SerializationException"),
        ("SageMaker.MakeCoffee", {}, "UnknownOperationException"),
        ("SageMaker.CreateDomain", {}, "UnknownOperationException"),
    ],
)
def test_odd_requests(cloud, target, body, code):
    status, answer = post(cloud, target, body)
    assert (status, answer["__type"]) == (400, code)


def test_every_answer_is_as_the_model_says(cloud, name):
    # GIVEN resources of each kind
    sagemaker, s3 = cloud.client("sagemaker"), cloud.client("s3")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="m.tar.gz", Body=cloud.archive({"t.py": ""}))
    role = cloud.role()
    cluster = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5}
    sagemaker.create_training_job(
        TrainingJobName=name,
        RoleArn=role,
        AlgorithmSpecification={"TrainingImage": cloud.image, "TrainingInputMode": "File"},
        HyperParameters={"sagemaker_program": "t.py", "sagemaker_submit_directory": f"s3://{name}/m.tar.gz"},
        OutputDataConfig={"S3OutputPath": f"s3://{name}/models"},
        ResourceConfig=cluster,
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    sagemaker.create_processing_job(
        ProcessingJobName=name,
        RoleArn=role,
        AppSpecification={"ImageUri": cloud.image, "ContainerEntrypoint": ["true"]},
        ProcessingResources={"ClusterConfig": cluster},
    )
    container = {"Image": cloud.serving_image, "ModelDataUrl": f"s3://{name}/m.tar.gz"}
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=role, PrimaryContainer=container)
    variant = {"VariantName": "a", "ModelName": name, "InstanceType": "ml.c5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    sagemaker.create_model_package_group(ModelPackageGroupName=name)
    containers = {"Containers": [container]}
    package = sagemaker.create_model_package(ModelPackageGroupName=name, InferenceSpecification=containers)
    package = package["ModelPackageArn"]
    # WHEN described and listed, at once and at the end THEN each answer fits its operation's own model
    requests = {
        "DescribeTrainingJob": {"TrainingJobName": name},
        "DescribeProcessingJob": {"ProcessingJobName": name},
        "DescribeModel": {"ModelName": name},
        "DescribeEndpointConfig": {"EndpointConfigName": name},
        "DescribeEndpoint": {"EndpointName": name},
        "DescribeModelPackageGroup": {"ModelPackageGroupName": name},
        "DescribeModelPackage": {"ModelPackageName": package},
        "BatchDescribeModelPackage": {"ModelPackageArnList": [package]},
        "ListModelPackages": {"ModelPackageGroupName": name},
        "ListTags": {"ResourceArn": package},
        **{
            operation: {}
            for operation in (
                "ListTrainingJobs", "ListProcessingJobs", "ListModels", "ListEndpointConfigs", "ListEndpoints",
                "ListModelPackageGroups",
            )
        },
    }  # fmt: skip

    def all_fit(but=()):
        for operation, request in requests.items():
            if operation in but:
                continue
            status, answer = post(cloud, f"SageMaker.{operation}", request)
            assert status == 200, answer
            check_answer(operation, answer)

    all_fit(but=["DescribeTrainingJob"])  # the model wants ModelArtifacts, which a running job does not have
    cloud.wait(
        lambda: (
            sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"] == "Completed"
            and sagemaker.describe_processing_job(ProcessingJobName=name)["ProcessingJobStatus"] == "Completed"
            and sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] != "Creating"
        )
    )
    all_fit()


def test_clients_still_speak_json(cloud):
    # GIVEN the model the clients are made from THEN the protocol is the one that is served here
    assert service_model().metadata["protocols"] == ["json"]
    assert service_model("sagemaker-runtime").metadata["protocols"] == ["rest-json"]


def test_pages(cloud, name):
    # GIVEN 23 groups
    sagemaker = cloud.client("sagemaker")
    names = [f"{name}-{number:02d}" for number in range(23)]
    for group in names:
        sagemaker.create_model_package_group(ModelPackageGroupName=group)
    # WHEN listed by pages of 10, by name downwards THEN each comes once, in order
    pages = sagemaker.get_paginator("list_model_package_groups").paginate(
        NameContains=name, SortBy="Name", SortOrder="Descending", PaginationConfig={"PageSize": 10}
    )
    sizes, listed = [], []
    for page in pages:
        found = [group["ModelPackageGroupName"] for group in page["ModelPackageGroupSummaryList"]]
        sizes.append(len(found))
        listed += found
        # AND a group deleted between two pages shifts nothing
        sagemaker.delete_model_package_group(ModelPackageGroupName=found[0])
    assert sizes == [10, 10, 3]
    assert listed == names[::-1]


def test_tags(cloud, name):
    sagemaker = cloud.client("sagemaker")
    tags = [{"Key": "project", "Value": "earshot"}]
    arn = sagemaker.create_model_package_group(ModelPackageGroupName=name, Tags=tags)["ModelPackageGroupArn"]
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "run", "Value": "r1"}])
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["project"])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "run", "Value": "r1"}]
    with pytest.raises(ClientError, match="reserved"):
        sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "aws:x", "Value": "y"}])
    with pytest.raises(ClientError, match="ResourceLimitExceeded"):
        sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": f"k{n}", "Value": "v"} for n in range(50)])
    with pytest.raises(ClientError, match="Could not find resource"):
        sagemaker.list_tags(ResourceArn=arn + "x")


def test_any_credentials_mean_the_one_account(cloud):
    import boto3

    for key in ("123456789012", "AKIAIOSFODNN7EXAMPLE"):
        sts = boto3.client(
            "sts", endpoint_url=cloud.url, region_name="us-east-1", aws_access_key_id=key, aws_secret_access_key="x"
        )
        assert sts.get_caller_identity()["Account"] == "000000000000"

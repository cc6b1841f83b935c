"""Model package groups and their versions: registered, approved, listed, deployed, deleted."""

import pytest
from botocore.exceptions import ClientError


@pytest.fixture
def group(cloud, name):
    sagemaker, s3 = cloud.client("sagemaker"), cloud.client("s3")
    sagemaker.create_model_package_group(ModelPackageGroupName=name, Tags=[{"Key": "a", "Value": "b"}])
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="model.tar.gz", Body=cloud.archive({"code/inference.py": "def handler(d, c): ..."}))
    return Group(cloud, name, sagemaker)


class Group:
    def __init__(self, cloud, name, sagemaker):
        self.cloud, self.name, self.sagemaker = cloud, name, sagemaker

    def register(self, **more):
        container = {"Image": self.cloud.serving_image, "ModelDataUrl": f"s3://{self.name}/model.tar.gz"}
        request = {
            "ModelPackageGroupName": self.name,
            "InferenceSpecification": {
                "Containers": [container],
                "SupportedContentTypes": ["audio/wav"],
                "SupportedResponseMIMETypes": ["application/json"],
            },
            "CustomerMetadataProperties": {"run": "r000001"},
            **more,
        }
        return self.sagemaker.create_model_package(**request)["ModelPackageArn"]

    def described(self, arn):
        return self.sagemaker.describe_model_package(ModelPackageName=arn)


def test_versions_count_up_and_are_never_reused(group):
    # GIVEN two versions WHEN the second is deleted THEN the next is the third
    first, second = group.register(), group.register()
    assert first.endswith(f":model-package/{group.name}/1")
    group.sagemaker.delete_model_package(ModelPackageName=second)
    assert group.register().endswith("/3")
    described = group.described(first)
    assert (described["ModelPackageVersion"], described["ModelPackageGroupName"]) == (1, group.name)
    assert (described["ModelPackageStatus"], described["ModelApprovalStatus"]) == ("Completed", "PendingManualApproval")
    with pytest.raises(ClientError, match=r"ValidationException.*does not exist"):
        group.described(second)


def test_approval(group):
    arn = group.register(ModelApprovalStatus="PendingManualApproval")
    group.sagemaker.update_model_package(
        ModelPackageArn=arn,
        ModelApprovalStatus="Approved",
        ApprovalDescription="heard it",
        CustomerMetadataProperties={"version": "1.0.1"},
        CustomerMetadataPropertiesToRemove=["run"],
    )
    described = group.described(arn)
    assert (described["ModelApprovalStatus"], described["ApprovalDescription"]) == ("Approved", "heard it")
    assert described["CustomerMetadataProperties"] == {"version": "1.0.1"}
    with pytest.raises(ClientError, match="enum value set"):
        group.sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Maybe")
    with pytest.raises(ClientError, match="does not exist"):
        group.sagemaker.update_model_package(ModelPackageArn=arn + "9", ModelApprovalStatus="Approved")


def test_list_by_approval_and_page(group):
    arns = [group.register(ModelApprovalStatus=status) for status in ("Approved", "Rejected", "Approved")]
    listed = group.sagemaker.list_model_packages(
        ModelPackageGroupName=group.name, ModelApprovalStatus="Approved", SortOrder="Descending"
    )["ModelPackageSummaryList"]
    assert [package["ModelPackageArn"] for package in listed] == [arns[2], arns[0]]
    pages = group.sagemaker.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=group.name, PaginationConfig={"PageSize": 2}
    )
    assert [p["ModelPackageArn"] for page in pages for p in page["ModelPackageSummaryList"]] == arns
    with pytest.raises(ClientError, match="does not exist"):
        group.sagemaker.list_model_packages(ModelPackageGroupName="nobody")
    found = group.sagemaker.batch_describe_model_package(ModelPackageArnList=[arns[0], arns[0] + "99"])
    assert list(found["ModelPackageSummaries"]) == [arns[0]]
    assert list(found["BatchDescribeModelPackageErrorMap"]) == [arns[0] + "99"]


def test_only_an_approved_version_is_deployed(group):
    arn = group.register()
    request = {
        "ModelName": group.name,
        "ExecutionRoleArn": group.cloud.role(),
        "PrimaryContainer": {"ModelPackageName": arn},
    }
    with pytest.raises(ClientError, match="PendingManualApproval"):
        group.sagemaker.create_model(**request)
    group.sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    group.sagemaker.create_model(**request)
    container = group.sagemaker.describe_model(ModelName=group.name)["PrimaryContainer"]
    assert container["ModelDataUrl"] == f"s3://{group.name}/model.tar.gz"


def test_client_token_makes_registration_idempotent(group):
    arn = group.register(ClientToken="run-1")
    assert group.register(ClientToken="run-1") == arn
    with pytest.raises(ClientError, match="ConflictException"):
        group.register(ClientToken="run-1", ModelApprovalStatus="Approved")


def test_group_errors(group):
    group.register()
    for call, code in (
        (lambda: group.sagemaker.create_model_package_group(ModelPackageGroupName=group.name), "ValidationException"),
        (lambda: group.sagemaker.delete_model_package_group(ModelPackageGroupName=group.name), "ConflictException"),
        (lambda: group.sagemaker.describe_model_package_group(ModelPackageGroupName="x"), "ValidationException"),
        (lambda: group.register(ModelPackageGroupName="nobody"), "ValidationException"),
        (lambda: group.register(ModelPackageName="both"), "ValidationException"),
    ):
        with pytest.raises(ClientError, match=code):
            call()


def test_package_with_a_name_of_its_own(group):
    container = {"Image": group.cloud.serving_image}
    request = {"ModelPackageName": f"{group.name}-n", "InferenceSpecification": {"Containers": [container]}}
    arn = group.sagemaker.create_model_package(**request)["ModelPackageArn"]
    assert group.described(f"{group.name}-n")["ModelPackageArn"] == arn
    with pytest.raises(ClientError, match="ConflictException"):
        group.sagemaker.create_model_package(**request)
    listed = group.sagemaker.list_model_packages(NameContains=group.name)["ModelPackageSummaryList"]
    assert [package["ModelPackageArn"] for package in listed] == [arn]

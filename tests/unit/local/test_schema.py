"""Requests against SageMaker's own model."""

import pytest

from earshot.local.sagemaker.faults import UnknownOperation, ValidationError
from earshot.local.sagemaker.schema import check_request


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({}, "Value null at 'endpointName' failed to satisfy constraint: Member must not be null"),
        ({"EndpointName": "a b"}, "Member must satisfy regular expression pattern"),
        ({"EndpointName": "a\n"}, "Member must satisfy regular expression pattern"),
        ({"EndpointName": "x" * 64}, "Member must have length less than or equal to 63"),
        ({"EndpointName": ["a"]}, "Member must be a string"),
        ({"EndpointName": "a", "Extra": 1}, "Unknown member 'Extra'"),
        ([], "Member must be a structure"),
    ],
)
def test_faults_are_named(request_, said):
    with pytest.raises(ValidationError) as refused:
        check_request("DescribeEndpoint", request_)
    assert said in str(refused.value)


def test_every_fault_is_told_with_its_place():
    request = {
        "EndpointConfigName": "a",
        "ProductionVariants": [
            {"VariantName": "v", "InitialVariantWeight": -1},
            {"VariantName": "w", "ServerlessConfig": {"MemorySizeInMB": 2048.5, "MaxConcurrency": True}},
        ],
        "Tags": {"Key": "k"},
    }
    with pytest.raises(ValidationError) as refused:
        check_request("CreateEndpointConfig", request)
    text = str(refused.value)
    assert text.startswith("4 validation errors detected: ")
    for place in (
        "productionVariants.1.member.initialVariantWeight",
        "2.member.serverlessConfig.memorySizeInMB",
        "'tags'",
    ):
        assert place in text


def test_null_is_as_good_as_absent():
    check_request("ListTrainingJobs", {"NameContains": None})


def test_unknown_operation():
    with pytest.raises(UnknownOperation):
        check_request("MakeCoffee", {})


def test_deep_nesting_is_refused_and_not_followed():
    value: dict = {}
    for _ in range(500):
        value = {"x": value}
    with pytest.raises(ValidationError):
        check_request("CreateEndpointConfig", value)

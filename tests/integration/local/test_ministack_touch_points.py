"""Every inner name of ministack that the adapter leans on: an upgrade that moves one fails here, by name."""

import importlib.metadata
import inspect

import pytest

PINNED = "1.5.33"
NAMES = [
    ("ministack.app", "app", ["scope", "receive", "send"]),
    ("ministack.app", "set_request_account_id", ["access_key_id"]),
    ("ministack.app", "call_service_handler_sync", ["handler", "method", "path", "headers", "body", "query_params"]),
    ("ministack.app", "SERVICE_HANDLERS", None),
    ("ministack.core.responses", "request_scope", ["account_id", "region"]),
    ("ministack.core.lambda_runtime", "_detect_runtime_binary", ["runtime"]),
    ("ministack.core.lambda_runtime", "reset", []),
    ("ministack.services.scheduler", "_SCHEDULE_TICK_INTERVAL", None),
    ("ministack.services.apigateway", "_apis", None),
    ("ministack.services.apigateway", "_routes", None),
    ("ministack.services.apigateway", "_integrations", None),
    ("ministack.services.s3", "_bucket_policies", None),
    ("ministack.services.s3", "_bucket_notifications", None),
    ("ministack.services.s3", "_next_event_sequencer", ["event_name"]),
    ("ministack.services.s3", "_fire_s3_event", ["bucket_name", "key", "event_name"]),
    ("ministack.services.s3", "_fire_s3_event_async", ["bucket_name", "key", "event_name"]),
    ("ministack.services.eventbridge", "_dispatch_event", ["event", "view"]),
    ("ministack.services.eventbridge", "_put_events", ["data", "allow_aws_source"]),
    ("ministack.services.eventbridge", "_invoke_target", ["target", "event", "rule", "view"]),
    ("ministack.services.eventbridge", "_dispatch_to_sqs", ["spec", "payload", "sqs_parameters"]),
    ("ministack.services.sqs", "_queue_by_arn", ["arn"]),
    ("ministack.services.iam", "_roles", None),
    ("ministack.services.cloudwatch", "_alarms", None),
    ("ministack.services.cloudwatch_logs", "_filter_log_events", ["data"]),
    ("ministack.services.cloudwatch_logs", "_log_groups", None),
    ("ministack.services.cloudfront", "_distributions", None),
    ("ministack.services.cloudformation.provisioners", "_RESOURCE_HANDLERS", None),
]


def test_version_is_the_one_that_was_read():
    assert importlib.metadata.version("ministack") == PINNED


@pytest.mark.parametrize(("module", "name", "parameters"), NAMES, ids=[f"{m}.{n}" for m, n, _ in NAMES])
def test_name_is_where_it_was(module, name, parameters):
    # WHEN looked up THEN it is there and, a function, begins with the parameters it is called with
    found = getattr(importlib.import_module(module), name)
    if parameters is not None:
        assert list(inspect.signature(found).parameters)[: len(parameters)] == parameters


@pytest.mark.parametrize(
    "kind",
    [
        "AWS::ApiGatewayV2::Api",
        "AWS::ApiGatewayV2::Integration",
        "AWS::ApiGatewayV2::Route",
        "AWS::CloudFront::Distribution",
    ],
)
def test_wrapped_resource_types_are_functions_by_name(kind):
    from ministack.services.cloudformation import provisioners

    handlers = provisioners._RESOURCE_HANDLERS[kind]
    assert list(inspect.signature(handlers["create"]).parameters) == ["logical_id", "props", "stack_name"]
    assert list(inspect.signature(handlers["delete"]).parameters) == ["physical_id", "props"]


@pytest.mark.parametrize("service", ["s3", "logs"])
def test_called_services_have_handlers(service):
    import ministack.app

    assert inspect.signature(ministack.app.SERVICE_HANDLERS[service]).parameters.keys() == {
        "method", "path", "headers", "body", "query_params",
    }  # fmt: skip


def test_the_gap_is_still_there_to_be_filled():
    # GIVEN the package as it is THEN it has no SageMaker of its own (once it has, weigh using it)
    import ministack.app
    from ministack.services.cloudformation import provisioners

    assert "sagemaker" not in ministack.app.SERVICE_REGISTRY
    assert "AWS::SageMaker::ModelPackageGroup" not in provisioners._RESOURCE_HANDLERS

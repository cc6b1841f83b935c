"""A run ended: tells people, in words, what happened and what to do."""

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.parser import event_parser
from aws_lambda_powertools.utilities.typing import LambdaContext
from earshot_pipeline.aws import client
from earshot_pipeline.events import RunEnded
from earshot_pipeline.message import run_message
from earshot_pipeline.run import RunState
from earshot_pipeline.settings import Environment

logger, tracer, metrics = Logger(), Tracer(), Metrics()
environment = Environment.of_process()
told = DynamoDBPersistenceLayer(
    table_name=environment.text("TABLE"),
    key_attr="pk",
    sort_key_attr="sk",
    static_pk_value="IDEMPOTENCY#notify",
    expiry_attr="expires",
    boto3_client=client("dynamodb"),
)
once = IdempotencyConfig(
    event_key_jmespath="[run, state]", raise_on_no_idempotency_key=True, expires_after_seconds=30 * 86_400
)


@idempotent_function(data_keyword_argument="ending", persistence_store=told, config=once)
def _tell(ending: dict[str, str], subject: str, body: str) -> None:
    client("sns").publish(TopicArn=environment.text("TOPIC"), Subject=subject, Message=body)
    logger.info("told", extra=ending)


@metrics.log_metrics(capture_cold_start_metric=True)
@tracer.capture_lambda_handler(capture_response=False)
@logger.inject_lambda_context
@event_parser(model=RunEnded)
def lambda_handler(event: RunEnded, context: LambdaContext) -> None:
    """Tell about a run's end, once."""
    once.register_lambda_context(context)
    if event.detail.state == RunState.FAILED:
        metrics.add_metric("RunsFailed", MetricUnit.Count, 1)
    subject, body = run_message(event.detail)
    _tell(ending={"run": event.detail.run, "state": event.detail.state}, subject=subject, body=body)

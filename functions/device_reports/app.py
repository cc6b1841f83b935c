"""Reports of boards: taken only with the registered device's signature and a counter that grew."""

import base64
import binascii
import json
import time
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response, content_types
from aws_lambda_powertools.event_handler.exceptions import BadRequestError, UnauthorizedError
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError
from earshot_pipeline import wiring
from earshot_pipeline.aws import client
from earshot_pipeline.report import ForgedReportError, MalformedReportError, Report, check_signature, parse_report
from earshot_pipeline.rollout import Outcome, Tick, advance
from earshot_pipeline.rollout_table import RolloutTable, UnknownRolloutError
from earshot_pipeline.settings import Environment
from earshot_pipeline.version import BadVersionError, Version

logger, tracer, metrics = Logger(), Tracer(), Metrics()
environment = Environment.of_process()
app = APIGatewayHttpResolver()


@app.post("/reports")
def take_report() -> Response[str]:
    """Take a report, or say why not; a refused report changes nothing."""
    event = app.current_event
    table, now = wiring.rollouts(environment), time.time()
    try:
        text = event.raw_event.get("body") or ""
        body = base64.b64decode(text, validate=True) if event.is_base64_encoded else text.encode()
        report = parse_report(body)
        check_signature(body, event.headers.get("x-earshot-signature", ""), table.device(report.device), report)
    except (MalformedReportError, binascii.Error, UnicodeEncodeError) as fault:
        raise BadRequestError(str(fault)) from fault
    except ForgedReportError as fault:
        raise UnauthorizedError(str(fault)) from fault
    if not table.take_report(report.device, report.model_dump(), now):
        raise UnauthorizedError(f"counter {report.counter} is not larger than the last report's")
    _tell_rollout(table, report)
    metrics.add_metric(f"Device{report.state.capitalize()}", MetricUnit.Count, 1)
    return Response(HTTPStatus.NO_CONTENT, content_types.APPLICATION_JSON, "")


def _tell_rollout(table: RolloutTable, report: Report) -> None:
    """Have the version's rollout looked at where a look would change it. What is lost here, the reconciler makes up."""
    if report.state not in (*Outcome,):
        return
    try:
        version = Version.parse(report.version)
        rollout = table.rollout(version)
    except (BadVersionError, UnknownRolloutError):
        return
    after, _ = advance(rollout, Tick(table.tally(version)))
    if after == rollout:
        return
    try:
        client("lambda").invoke(
            FunctionName=environment.text("CONVERT_FIRMWARE_FUNCTION"),
            InvocationType="Event",
            Payload=json.dumps({"rollout": str(version)}).encode(),
        )
    except ClientError:
        logger.exception("a rollout could not be told", version=str(version))


@metrics.log_metrics(capture_cold_start_metric=True)
@tracer.capture_lambda_handler(capture_response=False)
@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer a request of the HTTP API."""
    return app.resolve(event, context)

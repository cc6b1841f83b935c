"""Every day: signs the update metadata anew, so that boards can tell no news from news that is kept from them."""

import json
import time
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from earshot_pipeline import tuf_wiring
from earshot_pipeline.aws import client
from earshot_pipeline.settings import Environment
from earshot_pipeline.tuf_updates import HOW_TO_BEGIN

logger, tracer, metrics = Logger(), Tracer(), Metrics()
environment = Environment.of_process()


@metrics.log_metrics(capture_cold_start_metric=True)
@tracer.capture_lambda_handler(capture_response=False)
@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> None:  # noqa: ARG001 - the clock says nothing
    """Sign timestamp, and snapshot before it expires; ask who may sign targets when those are due."""
    now = time.time()
    outcome = tuf_wiring.updates(environment).publish((), now)
    if outcome is None:
        logger.warning(HOW_TO_BEGIN)
        return
    if outcome.targets_due:
        client("lambda").invoke(
            FunctionName=environment.text("CONVERT_FIRMWARE_FUNCTION"),
            InvocationType="Event",
            Payload=json.dumps({"refresh": "due"}).encode(),
        )
    left = outcome.root_expires - datetime.fromtimestamp(now, UTC)
    metrics.add_metric("UpdateRootDaysLeft", MetricUnit.Count, left.days)
    logger.info("update metadata signed anew", written=outcome.written, versions=outcome.versions)

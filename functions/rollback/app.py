"""Called by people: releases an earlier version's model again, under a new and higher version."""

import time
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.parser import event_parser
from aws_lambda_powertools.utilities.typing import LambdaContext
from earshot_pipeline import wiring
from earshot_pipeline.events import RollbackRequest
from earshot_pipeline.run import Registered
from earshot_pipeline.settings import Environment
from earshot_pipeline.version import Version

logger, tracer, metrics = Logger(), Tracer(), Metrics()
environment = Environment.of_process()


@metrics.log_metrics(capture_cold_start_metric=True)
@tracer.capture_lambda_handler(capture_response=False)
@logger.inject_lambda_context
@event_parser(model=RollbackRequest)
def lambda_handler(event: RollbackRequest, context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001 - Lambda's form
    """Register the model once more; its approval releases it as any other's does."""
    table, now = wiring.rollouts(environment), time.time()
    if event.groups:
        environment.rollout_groups(event.groups)
    run = table.reissue_run(Version.parse(event.version), now)
    if event.groups and run.version is not None:
        table.plan_rollout(run.version, event.groups)
    arn = wiring.packages(environment).register(run)
    table.advance(run.id, lambda _: Registered(now, arn))
    metrics.add_metric("Rollbacks", MetricUnit.Count, 1)
    logger.info("rolled back", to=event.version, run=run.id, version=str(run.version))
    return {"version": str(run.version), "run": run.id}

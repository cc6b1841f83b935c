"""Woken when clips have been quiet, when a run ended and by the reconciler: starts the next run if one is due."""

import time
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from earshot_pipeline import wiring
from earshot_pipeline.frontend import frontend_id
from earshot_pipeline.preprocessing import Preprocessing
from earshot_pipeline.settings import Environment
from earshot_pipeline.sources import Sources

logger, tracer, metrics = Logger(), Tracer(), Metrics()
environment = Environment.of_process()


@metrics.log_metrics(capture_cold_start_metric=True)
@tracer.capture_lambda_handler(capture_response=False)
@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> None:  # noqa: ARG001 - any call means: look
    """Start the next run if it is due, or carry on with the one that was claimed."""
    table = wiring.table(environment)
    preprocessing = Preprocessing(
        table=table,
        data=wiring.bucket(environment, "DATA_BUCKET"),
        clips_bucket=environment.text("CLIPS_BUCKET"),
        scheduler=wiring.scheduler(environment),
        debounce=environment.debounce(),
        jobs=wiring.jobs(),
        settings=wiring.processing_settings(environment),
        sources=Sources.of_layer(),
        frontend=frontend_id(environment.text("FRONTEND")),
    )
    now = time.time()
    started = preprocessing.start_if_due(now)
    if started is not None:
        metrics.add_metric("RunsStarted", MetricUnit.Count, 1)
    active = table.pipeline().active
    if not active:
        return
    run, demanded = table.demanded(active)
    run = preprocessing.carry_out(run, demanded, now)
    logger.info("run looked at", run=run.id, state=run.state, clips_new=run.clips_new)
    wiring.announce_end(environment, *table.demanded(active), now)

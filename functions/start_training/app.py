"""Features landed, a processing job changed or a model was imported: starts the run's training job."""

import time

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.utilities.parser import event_parser
from aws_lambda_powertools.utilities.typing import LambdaContext
from earshot_pipeline import naming, wiring
from earshot_pipeline.events import ObjectCreated, ProcessingJobChange, RunRequest
from earshot_pipeline.frontend import frontend_id
from earshot_pipeline.intake import Intake
from earshot_pipeline.settings import Environment
from earshot_pipeline.sources import Sources
from earshot_pipeline.table import UnknownRunError
from earshot_pipeline.training import Training

logger, tracer, metrics = Logger(), Tracer(), Metrics()
environment = Environment.of_process()
Event = ObjectCreated | ProcessingJobChange | RunRequest


def _run_of(event: Event) -> str | None:
    match event:
        case ObjectCreated():
            return naming.run_of_features_key(event.detail.object.key)
        case ProcessingJobChange():
            return naming.run_of_job(environment.text("STACK"), event.detail.name)
        case RunRequest():
            return event.run


@metrics.log_metrics(capture_cold_start_metric=True)
@tracer.capture_lambda_handler(capture_response=False)
@logger.inject_lambda_context
@event_parser(model=Event)
def lambda_handler(event: Event, context: LambdaContext) -> None:  # noqa: ARG001 - the signature is Lambda's
    """See what became of the run's preprocessing; start training, or end the run."""
    name = _run_of(event)
    if name is None:
        return
    table, clips, now = wiring.table(environment), wiring.bucket(environment, "CLIPS_BUCKET"), time.time()
    training = Training(
        table=table,
        data=wiring.bucket(environment, "DATA_BUCKET"),
        clips=clips,
        champions=wiring.champions(environment),
        intake=Intake(clips, table),
        jobs=wiring.jobs(),
        settings=wiring.training_settings(environment),
        sources=Sources.of_layer(),
        frontend=frontend_id(environment.text("FRONTEND")),
    )
    try:
        run = table.run(name)
    except UnknownRunError:
        logger.warning("a job of no run of ours", run=name)
        return
    run, demanded = training.confirm(run, now)
    logger.info("run looked at", run=run.id, state=run.state, reason=run.reason)
    training.carry_out(run, demanded)
    wiring.announce_end(environment, run, demanded, now)

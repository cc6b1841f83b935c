"""A training job ended or a model package was rejected: judges the model, registers it, hears the decision."""

import time

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.parser import event_parser
from aws_lambda_powertools.utilities.typing import LambdaContext
from earshot_pipeline import naming, wiring
from earshot_pipeline.events import ModelPackageChange, RunRequest, TrainingJobChange
from earshot_pipeline.frontend import frontend_id
from earshot_pipeline.registering import Decisions, Registering
from earshot_pipeline.run import Action, Run, RunState
from earshot_pipeline.settings import Environment
from earshot_pipeline.table import Table, UnknownRunError

logger, tracer, metrics = Logger(), Tracer(), Metrics()
environment = Environment.of_process()
Event = TrainingJobChange | ModelPackageChange | RunRequest


def _judge(table: Table, name: str | None, now: float) -> tuple[Run, tuple[Action, ...]] | None:
    if name is None:
        return None
    registering = Registering(
        table=table,
        data=wiring.bucket(environment, "DATA_BUCKET"),
        jobs=wiring.jobs(),
        packages=wiring.packages(environment),
        stack=environment.text("STACK"),
        keywords=environment.keywords(),
        frontend=frontend_id(environment.text("FRONTEND")),
        gates=environment.gates(),
        automatic=environment.text("APPROVAL_MODE") == "auto",
    )
    try:
        run, demanded = registering.confirm(table.run(name), now)
    except UnknownRunError:
        logger.warning("a job of no run of ours", run=name)
        return None
    return registering.carry_out(run, demanded, now)


@metrics.log_metrics(capture_cold_start_metric=True)
@tracer.capture_lambda_handler(capture_response=False)
@logger.inject_lambda_context
@event_parser(model=Event)
def lambda_handler(event: Event, context: LambdaContext) -> None:  # noqa: ARG001 - the signature is Lambda's
    """Judge and register, or hear what was decided."""
    table, now = wiring.table(environment), time.time()
    decisions = Decisions(table, wiring.packages(environment))
    match event:
        case TrainingJobChange():
            told = _judge(table, naming.run_of_job(environment.text("STACK"), event.detail.name), now)
        case ModelPackageChange():
            told = decisions.confirm(event.detail.arn, now)
        case RunRequest():
            told = _judge(table, event.run, now)
            if told and told[0].state is RunState.AWAITING_APPROVAL:
                told = decisions.confirm(told[0].package_arn, now)
    if told is None:
        return
    run, demanded = told
    logger.info("run looked at", run=run.id, state=run.state, version=str(run.version), reason=run.reason)
    if run.version is not None:
        metrics.add_metric("ModelsPassed", MetricUnit.Count, 1)
    wiring.announce_end(environment, run, demanded, now)

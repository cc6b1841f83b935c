"""A model package was approved: makes, signs and publishes what boards need of it."""

import time

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.parser import event_parser
from aws_lambda_powertools.utilities.typing import LambdaContext
from earshot_pipeline import wiring
from earshot_pipeline.aws import client
from earshot_pipeline.events import ModelPackageChange, RunRequest
from earshot_pipeline.publishing import Publishing
from earshot_pipeline.registering import Decisions
from earshot_pipeline.run import Action
from earshot_pipeline.settings import Environment
from earshot_pipeline.signer import KmsSigner

logger, tracer, metrics = Logger(), Tracer(), Metrics()
environment = Environment.of_process()
Event = ModelPackageChange | RunRequest


@metrics.log_metrics(capture_cold_start_metric=True)
@tracer.capture_lambda_handler(capture_response=False)
@logger.inject_lambda_context
@event_parser(model=Event)
def lambda_handler(event: Event, context: LambdaContext) -> None:  # noqa: ARG001 - the signature is Lambda's
    """Publish the approved version for every board."""
    table, now = wiring.table(environment), time.time()
    if isinstance(event, ModelPackageChange):
        told = Decisions(table, wiring.packages(environment)).confirm(event.detail.arn, now)
    else:
        told = table.demanded(event.run)
    if told is None:
        return
    run, demanded = told
    if Action.PUBLISH_FIRMWARE in demanded:
        publishing = Publishing(
            table=table,
            data=wiring.bucket(environment, "DATA_BUCKET"),
            releases=wiring.bucket(environment, "RELEASES_BUCKET"),
            signer=KmsSigner(client("kms"), environment.text("SIGNING_KEY")),
            boards=environment.boards(),
            domain=environment.text("RELEASES_DOMAIN"),
        )
        run, demanded = publishing.publish(run, demanded, now)
        metrics.add_metric("ReleasesPublished", MetricUnit.Count, int(run.firmware_done))
    logger.info("run looked at", run=run.id, state=run.state, version=str(run.version), reason=run.reason)
    wiring.announce_end(environment, run, demanded, now)

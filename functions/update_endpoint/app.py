"""A model package was approved or the endpoint changed: takes the next step towards serving what waits."""

import time

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.utilities.parser import event_parser
from aws_lambda_powertools.utilities.typing import LambdaContext
from earshot_pipeline import wiring
from earshot_pipeline.aws import client
from earshot_pipeline.endpoint import Endpoint, EndpointSettings
from earshot_pipeline.events import EndpointChange, ModelPackageChange, RunRequest
from earshot_pipeline.registering import Decisions
from earshot_pipeline.serving import Serving
from earshot_pipeline.settings import Environment
from earshot_pipeline.table import Table

logger, tracer, metrics = Logger(), Tracer(), Metrics()
environment = Environment.of_process()
Event = ModelPackageChange | EndpointChange | RunRequest


def _serving(table: Table) -> Serving:
    settings = EndpointSettings(
        name=environment.text("STACK"),
        mode=environment.text("ENDPOINT_MODE"),
        image=environment.text("SERVING_IMAGE"),
        role=environment.text("SERVING_ROLE"),
        instance=environment.text("ENDPOINT_INSTANCE"),
        instances=environment.integer("ENDPOINT_INSTANCES"),
        memory_mb=environment.integer("ENDPOINT_MEMORY"),
        alarm=environment.text("ENDPOINT_ALARM"),
    )
    return Serving(table, Endpoint(client("sagemaker"), settings))


@metrics.log_metrics(capture_cold_start_metric=True)
@tracer.capture_lambda_handler(capture_response=False)
@logger.inject_lambda_context
@event_parser(model=Event)
def lambda_handler(event: Event, context: LambdaContext) -> None:  # noqa: ARG001 - the signature is Lambda's
    """Step every run that waits for the endpoint; SageMaker lets only one of them change it at a time."""
    table, now = wiring.table(environment), time.time()
    if isinstance(event, ModelPackageChange):
        Decisions(table, wiring.packages(environment)).confirm(event.detail.arn, now)
    elif isinstance(event, EndpointChange) and event.detail.name != environment.text("STACK"):
        return
    serving = _serving(table)
    for name in serving.waiting():
        run, demanded = serving.serve(name, now)
        logger.info("run looked at", run=run.id, state=run.state, version=str(run.version), reason=run.reason)
        wiring.announce_end(environment, run, demanded, now)

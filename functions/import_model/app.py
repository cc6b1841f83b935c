"""Called by people: judges a model that they brought along, and releases it like any other if it passes the gates."""

import json
import time

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.parser import event_parser
from aws_lambda_powertools.utilities.typing import LambdaContext
from earshot_pipeline import wiring
from earshot_pipeline.aws import client
from earshot_pipeline.events import ImportRequest
from earshot_pipeline.frontend import frontend_id
from earshot_pipeline.importing import Importing
from earshot_pipeline.settings import Environment

logger, tracer, metrics = Logger(), Tracer(), Metrics()
environment = Environment.of_process()


@metrics.log_metrics(capture_cold_start_metric=True)
@tracer.capture_lambda_handler(capture_response=False)
@logger.inject_lambda_context
@event_parser(model=ImportRequest)
def lambda_handler(event: ImportRequest, context: LambdaContext) -> dict[str, str]:  # noqa: ARG001 - Lambda's form
    """Start the model's run; what starts its job is asked here, and by the reconciler if that call is lost."""
    importing = Importing(
        table=wiring.table(environment),
        data=wiring.bucket(environment, "DATA_BUCKET"),
        champions=wiring.champions(environment),
        keywords=environment.keywords(),
        frontend=frontend_id(environment.text("FRONTEND")),
    )
    run = importing.start(event.sha256, time.time())
    client("lambda").invoke(
        FunctionName=environment.text("START_TRAINING_FUNCTION"),
        InvocationType="Event",
        Payload=json.dumps({"source": "earshot.import", "run": run.id}).encode(),
    )
    metrics.add_metric("ModelsImported", MetricUnit.Count, 1)
    logger.info("model imported", run=run.id, sha256=event.sha256, champion=run.champion)
    return {"run": run.id}

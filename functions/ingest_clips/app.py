"""Clips that were dropped into S3: judged, deduplicated and indexed, or moved to quarantine."""

import json
import time
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.parser import ValidationError, parse
from aws_lambda_powertools.utilities.typing import LambdaContext
from earshot_pipeline import wiring
from earshot_pipeline.events import ObjectCreated
from earshot_pipeline.ingest import Drop
from earshot_pipeline.intake import Intake
from earshot_pipeline.naming import is_folder_marker
from earshot_pipeline.schedule import schedule_next
from earshot_pipeline.settings import Environment

logger, tracer, metrics = Logger(), Tracer(), Metrics()
environment = Environment.of_process()
_UNITS = {"ingested": "ClipsIngested", "duplicate": "ClipsDuplicate", "quarantined": "ClipsQuarantined"}


class TryAgainError(RuntimeError):
    """The clip could not be taken in now."""


def _drop(body: str) -> Drop | None:
    event = parse(event=json.loads(body), model=ObjectCreated)
    item = event.detail.object
    if is_folder_marker(item.key, item.size):
        return None
    return Drop(item.key, item.version_id, item.sequencer, item.size, event.time.timestamp())


@metrics.log_metrics(capture_cold_start_metric=True)
@tracer.capture_lambda_handler(capture_response=False)
@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """Take a batch of S3 events from the queue; only those that failed come again."""
    drops: dict[str, Drop | None] = {}
    for record in event["Records"]:
        try:
            drops[record["messageId"]] = _drop(record["body"])
        except (ValidationError, ValueError) as fault:
            logger.warning("not an Object Created event; it goes to the dead letters", fault=str(fault))
    table = wiring.table(environment)
    taken = Intake(wiring.bucket(environment, "CLIPS_BUCKET"), table).take([drop for drop in drops.values() if drop])
    for name, change in taken.counts.items():
        metrics.add_metric(_UNITS[name], MetricUnit.Count, change)
    logger.info("batch taken in", records=len(drops), failed=len(taken.failed), extra=taken.counts)
    if taken.clips:
        now = time.time()
        arrivals = table.note_arrivals(now)
        schedule_next(table, wiring.scheduler(environment), arrivals, environment.debounce(), now)

    def settle(record: SQSRecord) -> None:
        if record.message_id not in drops or drops[record.message_id] in taken.failed:
            raise TryAgainError(record.message_id)

    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(event, settle, processor, context)

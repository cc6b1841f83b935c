"""Every quarter of an hour: what an event should have caused and did not, is caused now."""

import json
import time
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from earshot_pipeline import wiring
from earshot_pipeline.aws import client
from earshot_pipeline.reconciliation import OWNERS, Patience
from earshot_pipeline.run import ENDS, Failed, Run, RunState
from earshot_pipeline.settings import Environment
from earshot_pipeline.table import Table

logger, tracer, metrics = Logger(), Tracer(), Metrics()
environment = Environment.of_process()
_RECENT = 20
_OPEN = frozenset(RunState) - ENDS


def _open_runs(table: Table) -> list[Run]:
    names = dict.fromkeys([*table.versions_in(_OPEN), *(run.id for run in table.recent_runs(_RECENT))])
    return [table.run(name) for name in names]


def _ask(function: str, run: str) -> None:
    _invoke(function, {"source": "earshot.reconcile", "run": run})


def _invoke(function: str, request: dict[str, str]) -> None:
    client("lambda").invoke(
        FunctionName=environment.text(f"{function.upper()}_FUNCTION"),
        InvocationType="Event",
        Payload=json.dumps(request).encode(),
    )


def _end(table: Table, run: Run, stuck: Failed) -> None:
    logger.error("run is stuck", run=run.id, state=run.state)
    wiring.announce_end(environment, *table.advance(run.id, lambda _: stuck), stuck.at)


@metrics.log_metrics(capture_cold_start_metric=True)
@tracer.capture_lambda_handler(capture_response=False)
@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> None:  # noqa: ARG001 - the clock says nothing
    """Ask the owners of every open run and rollout again, end what is stuck, and see whether a run is due."""
    table, now = wiring.rollouts(environment), time.time()
    patience = Patience.of_jobs(environment.number("PROCESSING_SECONDS"), environment.number("TRAINING_SECONDS"))
    for run in _open_runs(table):
        stuck: Failed | None = patience.overdue(run, now)
        if stuck is not None:
            _end(table, run, stuck)
        elif run.ended:
            wiring.announce_end(environment, *table.demanded(run.id), now)
        for function in OWNERS.get(run.state, ()):
            _ask(function, run.id)
    for rollout in table.rollouts():
        if not rollout.settled:
            _invoke("convert_firmware", {"rollout": str(rollout.version)})
    _ask("start_preprocessing", "")
    counters = table.counters()
    for name, total in counters.items():
        metrics.add_metric(f"Clips{name.capitalize()}Total", MetricUnit.Count, total)
    logger.info("reconciled", extra=counters)

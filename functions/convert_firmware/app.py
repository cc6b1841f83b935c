"""A model package was approved: makes, signs and publishes what boards need of it.

On demand it renews update metadata, and drives rollouts.
"""

import json
import time
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.parser import event_parser
from aws_lambda_powertools.utilities.typing import LambdaContext
from earshot_pipeline import tuf_wiring, wiring
from earshot_pipeline.aws import client
from earshot_pipeline.events import ModelPackageChange, RefreshRequest, RolloutRequest, RunRequest
from earshot_pipeline.offering import Offering
from earshot_pipeline.publishing import Publishing
from earshot_pipeline.registering import Decisions
from earshot_pipeline.rolling import Rolling
from earshot_pipeline.rollout import Abort, Pause, Proceed, Resume
from earshot_pipeline.run import Action
from earshot_pipeline.settings import Environment
from earshot_pipeline.signer import KmsSigner
from earshot_pipeline.tuf_repository import METADATA
from earshot_pipeline.tuf_updates import HOW_TO_BEGIN
from earshot_pipeline.version import Version

logger, tracer, metrics = Logger(), Tracer(), Metrics()
environment = Environment.of_process()
Event = ModelPackageChange | RunRequest | RefreshRequest | RolloutRequest


def _offering() -> Offering:
    return Offering(
        rollouts=wiring.rollouts(environment),
        releases=wiring.bucket(environment, "RELEASES_BUCKET"),
        updates=tuf_wiring.updates(environment, environment.text("TARGETS_KEYS")),
        boards=environment.boards(),
        domain=environment.text("RELEASES_DOMAIN"),
    )


def _publishing() -> Publishing:
    offering = _offering()
    return Publishing(
        table=wiring.table(environment),
        data=wiring.bucket(environment, "DATA_BUCKET"),
        signer=KmsSigner(client("kms"), environment.text("SIGNING_KEY")),
        offering=offering,
        rolling=Rolling(offering, _release_again),
        groups=environment.rollout_groups,
    )


def _release_again(run: str) -> None:
    client("lambda").invoke(
        FunctionName=environment.text("REGISTER_MODEL_FUNCTION"),
        InvocationType="Event",
        Payload=json.dumps({"source": "earshot.rollout", "run": run}).encode(),
    )


def _roll_out(request: RolloutRequest, now: float) -> dict[str, Any]:
    version, rollouts = Version.parse(request.rollout), wiring.rollouts(environment)
    if request.want == "plan":
        environment.rollout_groups(request.groups)
        rollouts.plan_rollout(version, request.groups)
        return {"rollout": request.rollout, "groups": request.groups}
    rolling = Rolling(_offering(), _release_again)
    before = rollouts.rollout(version)
    match request.want:
        case "look":
            after = rolling.drive(version, now)
        case "pause":
            after = rolling.tell(version, lambda _: Pause(), now)
        case "resume":
            after = rolling.tell(version, lambda _: Resume(), now)
        case "proceed":
            after = rolling.tell(version, lambda tally: Proceed(request.group, tally), now)
        case "abort":
            after = rolling.tell(version, lambda _: Abort(request.reason), now)
    if after.state is not before.state:
        metrics.add_metric(f"Rollouts{after.state.capitalize()}", MetricUnit.Count, 1)
    logger.info("rollout looked at", version=str(version), state=after.state, percent=after.percent, why=after.reason)
    return {"rollout": str(version), "state": after.state.value, "percent": after.percent, "reason": after.reason}


def _refresh(how: str, now: float) -> dict[str, Any]:
    outcome = _offering().publish(now, renew=how != "due", anew=how == "anew")
    if outcome is None:
        logger.warning(HOW_TO_BEGIN)
        return {"versions": {}, "written": []}
    logger.info("update metadata looked after", written=outcome.written, versions=outcome.versions)
    return {"versions": dict(outcome.versions), "written": [key.removeprefix(METADATA) for key in outcome.written]}


@metrics.log_metrics(capture_cold_start_metric=True)
@tracer.capture_lambda_handler(capture_response=False)
@logger.inject_lambda_context
@event_parser(model=Event)
def lambda_handler(event: Event, context: LambdaContext) -> dict[str, Any] | None:  # noqa: ARG001 - Lambda's form
    """Publish the approved version for every board."""
    table, now = wiring.table(environment), time.time()
    if isinstance(event, RefreshRequest):
        return _refresh(event.refresh, now)
    if isinstance(event, RolloutRequest):
        return _roll_out(event, now)
    if isinstance(event, ModelPackageChange):
        told = Decisions(table, wiring.packages(environment)).confirm(event.detail.arn, now)
    else:
        told = table.demanded(event.run)
    if told is None:
        return None
    run, demanded = told
    if Action.PUBLISH_FIRMWARE in demanded:
        publishing = _publishing()
        run, demanded = publishing.publish(run, demanded, now)
        metrics.add_metric("ReleasesPublished", MetricUnit.Count, int(run.firmware_done))
        if not publishing.updates.begun():
            logger.warning(HOW_TO_BEGIN)
    logger.info("run looked at", run=run.id, state=run.state, version=str(run.version), reason=run.reason)
    wiring.announce_end(environment, run, demanded, now)
    return None

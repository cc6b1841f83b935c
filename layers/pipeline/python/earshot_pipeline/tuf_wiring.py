"""The update metadata made from the environment; apart from wiring.py, since it needs the signing layer."""

from datetime import timedelta

from earshot_pipeline import wiring
from earshot_pipeline.aws import client
from earshot_pipeline.settings import Environment
from earshot_pipeline.tuf_bucket import RepositoryBucket
from earshot_pipeline.tuf_repository import Lifetimes, Signers
from earshot_pipeline.tuf_signers import kms_signers
from earshot_pipeline.tuf_updates import Updates


def updates(environment: Environment, targets_keys: str = "") -> Updates:
    """The stack's update metadata.

    Args:
        environment: the function's settings.
        targets_keys: ids of the keys of targets, comma separated; none for a function that may not sign targets.
    """
    kms = client("kms")
    online = environment.text("ONLINE_KEYS")
    return Updates(
        RepositoryBucket(wiring.bucket(environment, "RELEASES_BUCKET")),
        Signers(kms_signers(kms, targets_keys), kms_signers(kms, online)),
        Lifetimes(
            targets=timedelta(days=environment.number("TARGETS_DAYS")),
            snapshot=timedelta(days=environment.number("SNAPSHOT_DAYS")),
            timestamp=timedelta(days=environment.number("TIMESTAMP_DAYS")),
        ),
    )

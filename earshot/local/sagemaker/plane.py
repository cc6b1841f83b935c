"""What all of SageMaker's resources stand on: the clock, the lock, roles, tags, events, containers.

The rule of the lock: it is held while a resource is read or changed, never
while another service is called. Calls into the emulator wait for its event
loop, and CloudFormation calls in here from that loop.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from earshot.local.containers.workshop import Workshop
from earshot.local.policy import allows_service
from earshot.local.sagemaker.events import EventStream
from earshot.local.sagemaker.faults import ValidationError
from earshot.local.sagemaker.tags import Tags

_PRINCIPAL = "sagemaker.amazonaws.com"


class Plane:
    """One account's SageMaker, without its resources."""

    def __init__(self, workshop: Workshop) -> None:
        self.workshop = workshop
        self.lock = threading.RLock()
        self.tags = Tags()
        self.events = EventStream(workshop.emulator.put_event)

    def now(self) -> float:
        """Give the time as SageMaker's answers do: seconds, to the millisecond."""
        return round(time.time(), 3)

    def check_role(self, arn: str) -> None:
        """Make sure that SageMaker may assume a role.

        Raises:
            ValidationError: there is no such role, or it does not trust SageMaker.
        """
        trust = self.workshop.emulator.role_trust(arn.rsplit("/", 1)[-1])
        allowed = trust is not None and allows_service(_assumable(trust), _PRINCIPAL, "sts:AssumeRole", "*", arn)
        if not allowed:
            raise ValidationError(
                f"Could not assume role {arn}. Please ensure that the role exists and allows principal "
                f"'{_PRINCIPAL}' to assume the role."
            )

    def begin(self, name: str, work: Callable[..., None], *values: Any) -> None:
        """Do work in a thread of its own."""
        threading.Thread(target=work, args=values, name=name, daemon=True).start()


def _assumable(trust: dict[str, Any]) -> dict[str, Any]:
    """A trust policy names no resource; it speaks of the role that carries it."""
    statements = trust.get("Statement", [])
    listed = statements if isinstance(statements, list) else [statements]
    return {**trust, "Statement": [{"Resource": "*", **statement} for statement in listed]}

"""One-time schedules that wake the pipeline when clips have been quiet for long enough."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from earshot_pipeline.debounce import Arrivals, DebounceSettings, due_at
from earshot_pipeline.table import Table


@dataclass(frozen=True)
class Scheduler:
    """EventBridge Scheduler.

    Attributes:
        scheduler: a boto3 Scheduler client.
        group: the schedule group.
        target: ARN of the function to wake.
        role: the role by which the scheduler calls it.
        dead_letters: ARN of the queue for calls that failed.
    """

    scheduler: Any
    group: str
    target: str
    role: str
    dead_letters: str

    def wake_at(self, due: float) -> None:
        """Wake the pipeline at a time, in seconds since the epoch; asking twice for the same second asks once."""
        moment = math.ceil(due)
        when = datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        try:
            self.scheduler.create_schedule(
                Name=f"wake-{moment}",
                GroupName=self.group,
                ScheduleExpression=f"at({when})",
                ScheduleExpressionTimezone="UTC",
                FlexibleTimeWindow={"Mode": "OFF"},
                ActionAfterCompletion="DELETE",
                Target={
                    "Arn": self.target,
                    "RoleArn": self.role,
                    "Input": '{"source":"earshot.schedule"}',
                    "RetryPolicy": {"MaximumRetryAttempts": 10, "MaximumEventAgeInSeconds": 3600},
                    "DeadLetterConfig": {"Arn": self.dead_letters},
                },
            )
        except ClientError as fault:
            if fault.response["Error"]["Code"] != "ConflictException":
                raise


def schedule_next(
    table: Table, scheduler: Scheduler, arrivals: Arrivals, settings: DebounceSettings, now: float
) -> None:
    """See to it that the pipeline wakes when a run is due; one schedule is pending at a time.

    A schedule that fires too early, because clips kept arriving, makes the next one.
    """
    due = due_at(arrivals, settings)
    if due is None:
        return
    due = max(due, now + 1)
    if table.reserve_wake_up(math.ceil(due), now):
        scheduler.wake_at(due)

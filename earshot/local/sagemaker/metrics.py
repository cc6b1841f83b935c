"""A training job's metrics, read from its log as its MetricDefinitions say."""

from __future__ import annotations

import math
import re
import threading
import time
from typing import Any

from earshot.local.sagemaker.faults import ValidationError


class LogMetrics:
    """The last value of each metric; lines come from several containers' threads."""

    def __init__(self, definitions: list[dict[str, str]]) -> None:
        """Compile the definitions.

        Raises:
            ValidationError: an expression that cannot be compiled, or has no group for the value.
        """
        self._lock = threading.Lock()
        self._last: dict[str, dict[str, Any]] = {}
        self._expressions: list[tuple[str, re.Pattern[str]]] = []
        for definition in definitions:
            name, text = definition["Name"], definition["Regex"]
            try:
                expression = re.compile(text)
            except re.error as error:
                raise ValidationError(f"Metric {name}: {text!r} is not a regular expression ({error})") from None
            if expression.groups < 1:
                raise ValidationError(f"Metric {name}: {text!r} has no group that captures the value")
            self._expressions.append((name, expression))

    def read(self, line: str) -> None:
        """Take what a line of the log says."""
        for name, expression in self._expressions:
            for match in expression.finditer(line):
                try:
                    value = float(match[1])
                except (TypeError, ValueError):
                    continue
                if math.isfinite(value):
                    with self._lock:
                        self._last[name] = {"MetricName": name, "Value": value, "Timestamp": round(time.time(), 3)}

    def final(self) -> list[dict[str, Any]]:
        """Give FinalMetricDataList."""
        with self._lock:
            return [self._last[name] for name, _ in self._expressions if name in self._last]

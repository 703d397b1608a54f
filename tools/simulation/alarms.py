"""CloudWatch's alarms of the template, evaluated on the metrics that a history emits."""

import json
import operator
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from cfnlint.decode.cfn_yaml import load

from tools.local.aws import PROJECT

TEMPLATE: dict[str, Any] = json.loads(json.dumps(load(str(PROJECT / "template.yaml"))))
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
}
STATISTICS: dict[str, Callable[[Sequence[float]], float]] = {"Minimum": min, "Maximum": max, "Sum": sum}


@dataclass
class Alarm:
    """A metric alarm with its data. Its window slides, which is CloudWatch's default (user guide, EvaluationWindow)."""

    name: str
    metric: str
    dimensions: frozenset[str]
    statistic: Callable[[Sequence[float]], float]
    is_breaching: Callable[[float, float], bool]
    threshold: float
    period: float
    periods: int
    breaching_periods: int
    is_missing_breaching: bool
    rang_at: float = float("-inf")
    """When it was last observed to ring."""
    _data: deque[tuple[float, float]] = field(default_factory=deque)

    @property
    def window(self) -> float:
        """Seconds of data that it goes by."""
        return self.period * self.periods

    def add(self, now: float, value: float) -> None:
        """Take a value of its metric."""
        self._data.append((now, value))

    def rings(self, now: float) -> bool:
        """Return whether it is in ALARM."""
        while self._data and self._data[0][0] <= now - self.window:
            self._data.popleft()
        if sum(map(self._is_breaching, self._periods(now))) < self.breaching_periods:
            return False
        self.rang_at = now
        return True

    def _periods(self, now: float) -> Iterator[list[float]]:
        for end in (now - number * self.period for number in range(self.periods)):
            yield [value for at, value in self._data if end - self.period < at <= end]

    def _is_breaching(self, values: list[float]) -> bool:
        return self.is_breaching(self.statistic(values), self.threshold) if values else self.is_missing_breaching


def alarms() -> dict[str, Alarm]:
    """Return the alarms of the template by their names, with the defaults of its parameters."""
    properties = {
        name: resource["Properties"]
        for name, resource in TEMPLATE["Resources"].items()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    }
    return {name: _alarm(name, each) for name, each in properties.items()}


def _alarm(name: str, properties: dict[str, Any]) -> Alarm:
    threshold, periods = properties["Threshold"], int(properties["EvaluationPeriods"])
    if isinstance(threshold, dict):
        threshold = TEMPLATE["Parameters"][threshold["Ref"]]["Default"]
    return Alarm(
        name=name,
        metric=f"{properties['Namespace']}/{properties['MetricName']}",
        dimensions=frozenset(each["Name"] for each in properties["Dimensions"]),
        statistic=STATISTICS[properties["Statistic"]],
        is_breaching=COMPARISONS[properties["ComparisonOperator"]],
        threshold=float(threshold),
        period=float(properties["Period"]),
        periods=periods,
        breaching_periods=int(properties.get("DatapointsToAlarm", periods)),
        is_missing_breaching={"breaching": True, "notBreaching": False}[properties["TreatMissingData"]],
    )

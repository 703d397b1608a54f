"""Takes metrics out of the function's log, as CloudWatch does and MiniStack does not, so that alarms change."""

import json
from collections.abc import Iterator
from typing import Any

from tools.local.stack import Stack


def data(line: dict[str, Any]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Read a line in CloudWatch's embedded metric format: each namespace with the metrics for PutMetricData."""
    for directive in line["_aws"]["CloudWatchMetrics"]:
        yield (
            directive["Namespace"],
            [
                {
                    "MetricName": metric["Name"],
                    "Dimensions": [{"Name": name, "Value": line[name]} for name in names],
                    "Values": values if isinstance(values := line[metric["Name"]], list) else [values],
                    "Timestamp": line["_aws"]["Timestamp"] / 1000,
                }
                for names in directive["Dimensions"]
                for metric in directive["Metrics"]
            ],
        )


class Metrics:
    """The metrics in the log of a stack's function; each is taken once."""

    def __init__(self, stack: Stack) -> None:
        """Begin with the log's first line."""
        self._stack = stack
        self._cloudwatch = stack.client("cloudwatch")
        self._taken = 0

    def take(self) -> None:
        """Give CloudWatch the metrics that the log has got meanwhile."""
        lines = [line for line in self._stack.log_lines() if line.startswith("{") and '"_aws"' in line]
        for line in lines[self._taken :]:
            for namespace, metrics in data(json.loads(line)):
                self._cloudwatch.put_metric_data(Namespace=namespace, MetricData=metrics)
        self._taken = len(lines)

"""What wakes the rotator, from the template."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cfnlint.decode.cfn_yaml import load

from local.aws import HOUSE

TEMPLATE: dict[str, Any] = load(str(HOUSE / "template.yaml"))
RESOURCES: dict[str, Any] = TEMPLATE["Resources"] | TEMPLATE["Resources"]["Fn::ForEach::ClientId"][2]
del RESOURCES["Fn::ForEach::ClientId"]

SCHEDULE = "schedule: "
"""How the source of a schedule begins, before the parameter that is its rate."""

PERMISSIONS = {"AWS::IAM::Role", "AWS::Lambda::Permission"}
"""They name the function too, but wake nobody."""


@dataclass(frozen=True)
class WakeUp:
    """What is matched, and what the function is sent for it."""

    source: str
    detail_type: str
    detail: str
    sent: str


def written(value: Any) -> Any:  # noqa: ANN401  whatever YAML holds
    """Write a value of the template as the docs do: names that CloudFormation fills in are in single braces."""
    if isinstance(value, list):
        return [written(each) for each in value]
    if isinstance(value, dict):
        return written(value["Fn::Sub"]) if "Fn::Sub" in value else {key: written(each) for key, each in value.items()}
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)\}", r"{\1}", value).replace("{ClientId}", "{client ID}")
    return value


def of_schedule(properties: dict[str, Any]) -> WakeUp:
    """Read a schedule of EventBridge Scheduler, whose rate is a parameter."""
    return WakeUp(
        source=SCHEDULE + properties["ScheduleExpression"]["Ref"],
        detail_type="none",
        detail="none",
        sent=written(properties["Target"]["Input"]),
    )


def of_rule(properties: dict[str, Any]) -> WakeUp:
    """Read a rule of EventBridge, with one source, one detail type and one target."""
    pattern, (target,) = written(properties["EventPattern"]), written(properties["Targets"])
    (source,), (detail_type,) = pattern["source"], pattern["detail-type"]
    transformer = target.get("InputTransformer", {"InputPathsMap": {}, "InputTemplate": target.get("Input")})
    sent = transformer["InputTemplate"]
    for name, path in transformer["InputPathsMap"].items():
        sent = sent.replace(f"<{name}>", path)
    return WakeUp(source=source, detail_type=detail_type, detail=json.dumps(pattern["detail"]), sent=sent)


def of_rotation(properties: dict[str, Any]) -> WakeUp:
    """Read a rotation schedule of Secrets Manager's, which sends its own words (AWS's guide to rotation functions)."""
    return WakeUp(
        source=f"Secrets Manager: {properties['RotationRules']['ScheduleExpression']}",
        detail_type="none",
        detail="none",
        sent='{"Step": …, "SecretId": …, "ClientRequestToken": …}',
    )


READERS: dict[str, Callable[[dict[str, Any]], WakeUp]] = {
    "AWS::Scheduler::Schedule": of_schedule,
    "AWS::Events::Rule": of_rule,
    "AWS::SecretsManager::RotationSchedule": of_rotation,
}
"""A way to wake a function for which there is none is not in the docs."""


def wake_ups(resources: dict[str, Any]) -> dict[str, WakeUp]:
    """Read each resource that names the function, but for permissions. Raises KeyError for a type that is new."""
    return {
        name: READERS[each["Type"]](each["Properties"])
        for name, each in resources.items()
        if re.search(r'"Rotator"|\$\{Rotator\b', json.dumps(each["Properties"])) and each["Type"] not in PERMISSIONS
    }

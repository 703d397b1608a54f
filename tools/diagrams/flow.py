"""What starts the function, who reads and writes which secret, and who calls movieXchange, by the template."""

import re
from fnmatch import fnmatchcase
from typing import Any

from cfnlint.decode.cfn_yaml import load
from matplotlib.figure import Figure

from tools.diagrams.colors import BLUE_FILL, CYAN_FILL, YELLOW_FILL
from tools.diagrams.shapes import SMALL, Arrow, Box, Point, canvas
from tools.local.aws import PROJECT

TEMPLATE: dict[str, Any] = load(str(PROJECT / "template.yaml"))
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
CREDENTIALS, TOKEN = "credentials", "tokens/NAME"
VERBS = {"secretsmanager:GetSecretValue": "reads", "secretsmanager:PutSecretValue": "writes"}
STARTS: dict[str, tuple[tuple[Point, ...], Point, str]] = {
    "Schedule": (((1.39, 2.78), (1.85, 2.78)), (0.77, 2.36), "center"),
    "CredentialsChanged": (((2.3, 1.03), (2.3, 2.5)), (2.22, 1.85), "right"),
    "TokenRejected": (((7.38, 1.03), (7.38, 3.42), (2.4, 3.42), (2.4, 3.06)), (4.9, 3.49), "center"),
}
"""Along which points each comes to the queue, and where its label is. A new one needs its way."""


def starts() -> dict[str, str]:
    """Return what sends to the queue, by its resource, with how often or on which event."""
    every = TEMPLATE["Parameters"]["CheckEvery"]["Default"].replace("rate(", "every ").removesuffix(")")
    rules = {name: each["Properties"] for name, each in RESOURCES.items() if each["Type"] == "AWS::Events::Rule"}
    schedules = [name for name, each in RESOURCES.items() if each["Type"] == "AWS::Scheduler::Schedule"]
    return dict.fromkeys(schedules, every) | {
        name: rule["EventPattern"]["detail-type"][0] for name, rule in rules.items()
    }


def secrets_of(statement: dict[str, Any]) -> list[str]:
    """Return the ends of the secrets' names that a statement is about, with asterisks for parameters and tags."""
    names = re.findall(r"\$\{Environment\}/([^'\"]+)", str(statement.get("Resource")))
    return [re.sub(r"\$\{[^}]*\}", "*", name) for name in names]


def does(resource: str, secret: str) -> str:
    """Return in words what a role or a policy allows with a secret's value."""
    properties = RESOURCES[resource]["Properties"]
    document = properties.get("PolicyDocument") or properties["Policies"][0]["PolicyDocument"]
    allowed = [
        action
        for each in document["Statement"]
        if any(fnmatchcase(f"{secret}-AbCdEf", name) for name in secrets_of(each))
        for action in each["Action"]
    ]
    return ", ".join(verb for action, verb in VERBS.items() if action in allowed)


def boxes() -> list[Box]:
    """Place everything; what the stack makes is coloured."""
    return [
        Box("schedule", "EventBridge", (0.77, 2.78), (1.24, 0.56), CYAN_FILL),
        Box("queue", "SQS FIFO", (2.4, 2.78), (1.1, 0.56), CYAN_FILL),
        Box("function", "Lambda", (4.52, 2.78), (1.3, 0.72), BLUE_FILL),
        Box("movieXchange", "OAuth, API", (6.6, 2.78), (1.4, 0.56)),
        Box("a person", "has the password", (0.77, 0.75), (1.24, 0.56)),
        Box(CREDENTIALS, "a secret", (2.6, 0.75), (1.3, 0.56), YELLOW_FILL),
        Box(TOKEN, "a secret each", (4.55, 0.75), (1.6, 0.56), YELLOW_FILL),
        Box("your application", "AWS SDK, IAM", (6.65, 0.75), (1.6, 0.56)),
    ]


def arrows() -> list[Arrow]:
    """Lead to the queue what starts a run, and on from there. Raises KeyError for a start that has no way."""
    return [
        *(Arrow(STARTS[name][0], label, *STARTS[name][1:], starts=True) for name, label in starts().items()),
        Arrow(((2.95, 2.78), (3.87, 2.78)), "one at a time", (3.4, 2.85), starts=True),
        Arrow(((0.5, 1.03), (0.5, 1.72), (3.95, 1.72), (3.95, 2.42)), "by hand", (1.2, 1.5), starts=True),
        Arrow(((1.39, 0.75), (1.95, 0.75)), "fills", (1.67, 0.82)),
        Arrow(
            ((2.9, 1.03), (2.9, 1.38), (4.2, 1.38), (4.2, 2.42)),
            f"{does('FunctionRole', CREDENTIALS)}, labels",
            (3.0, 1.2),
            "left",
            returns=True,
        ),
        Arrow(((4.6, 1.03), (4.6, 2.42)), does("FunctionRole", TOKEN), (4.68, 1.75), "left", returns=True),
        Arrow(((5.17, 2.78), (5.9, 2.78)), "logs in,", (5.52, 2.85)),
        Arrow(((5.35, 0.75), (5.85, 0.75)), does("ReaderPolicy", TOKEN), (5.6, 0.82)),
        Arrow(((6.65, 1.03), (6.65, 2.5)), "calls the API", (6.57, 1.75), "right"),
        Arrow(((2.35, 0.14), (2.85, 0.14)), "starts a run", (2.95, 0.1), "left", starts=True),
        Arrow(((4.05, 0.14), (4.55, 0.14)), "reads, writes, calls", (4.65, 0.1), "left"),
    ]


def diagram() -> Figure:
    """Draw all of them."""
    figure, axes = canvas(7.5, 3.7)
    for arrow in arrows():
        arrow.draw(axes)
    for box in boxes():
        box.draw(axes)
    axes.text(5.52, 2.6, "verifies", ha="center", **SMALL)
    return figure

"""Who wakes whom, who reads and writes which secret, and who calls movieXchange; what the template says is its."""

from fnmatch import fnmatchcase
from typing import Any

from matplotlib.figure import Figure

from pictures.shapes import Arrow, Box, Point, canvas
from pictures.wakeups import RESOURCES, SCHEDULE, TEMPLATE, WakeUp, wake_ups, written

ACCOUNT = "{SecretPrefix}/{Environment}/"
VERBS = {"secretsmanager:GetSecretValue": "reads", "secretsmanager:PutSecretValue": "writes"}

SECRETS = {"Credentials": ("a secret", 2.6, 1.3), "Token&{ClientId}": ("a secret each", 4.55, 1.6)}
"""What each is, where its middle is, and its width. A secret that every stack has needs its place."""

WAKE_UPS: dict[str, tuple[tuple[Point, ...], Point, str]] = {
    "Tick&{ClientId}": (((1.39, 2.98), (2.75, 2.98)), (2.05, 3.05), "center"),
    "CredentialsChanged&{ClientId}": (((2.9, 1.03), (2.9, 2.14)), (2.82, 1.55), "right"),
    "TokenRejected&{ClientId}": (((6.25, 1.03), (6.25, 2.38), (4.25, 2.38)), (5.27, 2.23), "center"),
}
"""Along which points each comes, and where its label is. A new one needs its way."""


def secrets() -> dict[str, str]:
    """Tell by its resource the name of each secret that every stack has, without the account."""
    return {
        name: written(each["Properties"]["Name"]).removeprefix(ACCOUNT)
        for name, each in RESOURCES.items()
        if each["Type"] == "AWS::SecretsManager::Secret" and "Condition" not in each
    }


def does(document: dict[str, Any], secret: str) -> str:
    """Tell in words what a policy lets its bearer do with a secret's value."""
    arn_ends = f"{ACCOUNT}{secret}-AbCdEf"
    statements = [
        each
        for each in document["Statement"]
        if "Sid" in each and fnmatchcase(arn_ends, str(written(each["Resource"])).rpartition(":secret:")[2])
    ]
    return ", ".join(verb for action, verb in VERBS.items() if any(action in each["Action"] for each in statements))


def boxes() -> list[Box]:
    """Place everybody; what is the stack's is coloured."""
    return [
        Box("schedule", "EventBridge", (0.77, 2.98), (1.24, 0.56), "lightcyan"),
        Box("rotator", "Lambda", (3.5, 2.7), (1.5, 1.12), "lightblue"),
        Box("movieXchange", "OAuth, API", (6.6, 2.98), (1.4, 0.56)),
        Box("a person", "has the password", (0.77, 0.75), (1.24, 0.56)),
        Box("your app", "AWS SDK, IAM", (6.6, 0.75), (1.4, 0.56)),
    ] + [
        Box(name, SECRETS[resource][0], (SECRETS[resource][1], 0.75), (SECRETS[resource][2], 0.56), "lemonchiffon")
        for resource, name in secrets().items()
    ]


def label(wake_up: WakeUp) -> str:
    """Tell how often a schedule comes, or which event it is."""
    if not wake_up.source.startswith(SCHEDULE):
        return wake_up.detail_type
    rate: str = TEMPLATE["Parameters"][wake_up.source.removeprefix(SCHEDULE)]["Default"]
    return rate.replace("rate(", "every ").removesuffix(")")


def wakings() -> list[Arrow]:
    """Lead each wake-up that every stack has to the rotator. Raises KeyError for one that has no way."""
    return [
        Arrow(points, label(each), at, align, wakes=True)
        for name, each in wake_ups(RESOURCES).items()
        if "Condition" not in RESOURCES[name]
        for points, at, align in [WAKE_UPS[name]]
    ]


def arrows() -> list[Arrow]:
    """Lead to the rotator what wakes it, and on from there."""
    rotator = RESOURCES["RotatorRole"]["Properties"]["Policies"][0]["PolicyDocument"]
    reader = RESOURCES["Reader&{ClientId}"]["Properties"]["PolicyDocument"]
    credentials, token = secrets()["Credentials"], secrets()["Token&{ClientId}"]
    return [
        *wakings(),
        Arrow(((0.5, 1.03), (0.5, 2.38), (2.75, 2.38)), "by hand", (1.6, 2.45), wakes=True),
        Arrow(((1.39, 0.75), (1.95, 0.75)), "fills", (1.67, 0.82)),
        Arrow(((3.12, 1.03), (3.12, 2.14)), does(rotator, credentials), (3.2, 1.55), "left"),
        Arrow(((4.05, 1.03), (4.05, 2.14)), does(rotator, token), (4.13, 1.55), "left", returns=True),
        Arrow(((4.25, 2.98), (5.9, 2.98)), "logs in, verifies", (5.07, 3.05)),
        Arrow(((5.35, 0.75), (5.9, 0.75)), does(reader, token), (5.62, 0.82)),
        Arrow(((6.95, 1.03), (6.95, 2.7)), "calls", (6.87, 1.8), "right"),
        Arrow(((2.35, 0.14), (2.85, 0.14)), "wakes", (2.95, 0.1), "left", wakes=True),
        Arrow(((3.75, 0.14), (4.25, 0.14)), "reads, writes, calls", (4.35, 0.1), "left"),
    ]


def picture() -> Figure:
    """Draw all of them."""
    figure, axes = canvas(7.5, 3.45)
    for arrow in arrows():
        arrow.draw(axes)
    for box in boxes():
        box.draw(axes)
    return figure

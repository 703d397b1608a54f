"""What is known of the tokens, from the log of the last day and the labels, and what is wrong."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Console
from rich.table import Table

from mx_token_rotator_operator.stack import DeployedStack, Outcome, failure, listed

OUTCOMES = '{ $.outcome = "refreshed" || $.outcome = "kept" || $.outcome = "failed" }'
HOUR = 3600.0  # seconds
Status = dict[str, Any]


def token_status(name: str, log: Sequence[Outcome], labels: Mapping[str, str], now: datetime) -> Status:
    """Return what the log says of a token, oldest line first; None for what it does not say."""
    # Members that would be null are left out. Without a client ID a line is about all of them, or a mistyped request.
    own = [each for each in log if each.get("client_id", name) == name and each["reason"] != "RequestInvalid"]
    current = [each for each in own if each.get("version_id") == labels.get("AWSCURRENT") and "expires_at" in each]
    newest: Outcome = current[-1] if current else {}
    replaced: Outcome = next((each for each in reversed(own) if each["outcome"] == "refreshed"), {})
    last: Outcome = own[-1] if own else {}
    # The first failure of a series says why; later ones may say only that nobody logs in any more.
    others = [place for place, each in enumerate(own) if each["reason"] != last["reason"]]
    series = own[others[-1] + 1 if others else 0 :]
    return {
        "seconds_left": max(0, int(-age(newest["expires_at"], now))) if newest else None,
        "verified": newest.get("verified"),
        "replaced_at": replaced.get("logged_at"),
        "reason": replaced.get("reason"),
        "checked_at": last.get("logged_at"),
        "last_check": f"{last['outcome']}: {last['reason']}" if last else None,
        "failure": series[0] if last.get("outcome") == "failed" else None,
        "versions": labels,
    }


def wrongs(status: Status, now: datetime) -> Iterator[str]:
    """Find what is wrong, each with what to do."""
    tokens: dict[str, Status] = status["tokens"]
    current, rejected = (status["credentials"].get(label) for label in ("AWSCURRENT", "REJECTED"))
    failing = {name: token["failure"] for name, token in tokens.items() if token["failure"]}
    silent = [name for name, token in tokens.items() if age(token["checked_at"], now) > HOUR]
    if status["mapping"].startswith("Disabl"):
        yield "Paused: no log-in starts by itself.\nWhat to do: mx-token-rotator resume"
    elif silent:
        yield f"{listed(silent)}: not checked within the last hour.\nWhat to do: mx-token-rotator doctor"
    if not current:
        yield "The credentials secret is empty, or missing.\nWhat to do: mx-token-rotator set-credentials"
    elif current == rejected:
        remedy = "mx-token-rotator set-credentials, or refresh NAME to try these once more"
        yield f"The credentials have the label REJECTED, so nothing logs in with them.\nWhat to do: {remedy}"
    for reason in dict.fromkeys(each["reason"] for each in failing.values()):
        names = [name for name, each in failing.items() if each["reason"] == reason]
        first = min((failing[name] for name in names), key=lambda each: each["logged_at"])
        last = min(age(tokens[name]["checked_at"], now) for name in names)
        times = f"last {span(last)} ago, first {span(age(first['logged_at'], now))} ago"
        yield f"{listed(names)}: {reason} ({times})\n{failure(first)}"
    for name, alarm in status["alarms"].items():
        if alarm["state"] == "ALARM":
            time = span(age(alarm["since"], now))
            yield f"{name} has been in ALARM for {time}.\nWhat to do: see Alarms in docs/operating.md"


def age(time: str | None, now: datetime) -> float:
    """Return how many seconds ago a time was; endlessly many for None."""
    return (now - datetime.fromisoformat(time)).total_seconds() if time else float("inf")


def span(seconds: float) -> str:
    """Return a length of time in hours or minutes."""
    return f"{seconds / HOUR:.1f} h" if seconds >= HOUR else f"{seconds // 60:.0f} min"


def outcomes(stack: DeployedStack, since: datetime) -> list[Outcome]:
    """Return the outcomes from the log, oldest first, each with the time of its line."""
    start, pages = int(since.timestamp() * 1000), stack.session.client("logs").get_paginator("filter_log_events")
    return [
        json.loads(each["message"]) | {"logged_at": datetime.fromtimestamp(each["timestamp"] // 1000, UTC).isoformat()}
        for page in pages.paginate(logGroupName=f"/aws/lambda/{stack.name}", filterPattern=OUTCOMES, startTime=start)
        for each in page["events"]
        if '"outcome":' in each["message"]  # MiniStack ignores the pattern
    ]


def observe(stack: DeployedStack, now: datetime) -> Status:
    """Return the status of a stack: its tokens, credentials, queue and alarms, and what is wrong."""
    labels, log = stack.token_labels(), outcomes(stack, now - timedelta(days=1))
    names = {physical: logical for logical, physical in stack.resources.items() if physical}
    alarms = stack.session.client("cloudwatch").describe_alarms(AlarmNames=[*names])["MetricAlarms"]
    status = {
        "tokens": {name: token_status(name, log, labels[name], now) for name in labels},
        "credentials": stack.labels(stack.credentials_secret),
        "mapping": stack.mapping_state(),
        "alarms": {
            names[each["AlarmName"]]: {"state": each["StateValue"], "since": str(each["StateUpdatedTimestamp"])}
            for each in alarms
        },
    }
    return status | {"wrong": list(wrongs(status, now))}


def show(status: Status, now: datetime) -> str:
    """Return a status as text that fits the screen, from 60 columns on."""
    table = Table("name", "expires in", "version", "replaced", "last check", box=None, padding=(0, 2, 0, 0))
    for column in table.columns:
        column.overflow = "fold"
    for name, token in status["tokens"].items():
        left = "unknown" if token["seconds_left"] is None else span(token["seconds_left"])
        replaced = f"{span(age(token['replaced_at'], now))} ago, {token['reason']}" if token["reason"] else ""
        check = "failed" if token["failure"] else token["last_check"]
        table.add_row(name, left, token["versions"].get("AWSCURRENT", "")[:8], replaced, check)
    alarms = "\n".join(f"{name}: {alarm['state']}" for name, alarm in status["alarms"].items())
    console = Console(highlight=False, markup=False)
    with console.capture() as text:
        console.print(table, "", alarms, *(f"\n{each}" for each in status["wrong"] or ["Nothing is wrong."]), sep="\n")
    return text.get().rstrip()

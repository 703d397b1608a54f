"""What started a run, parsed into a request."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mx_token_rotator.errors import RequestInvalid
from mx_token_rotator.settings import Client


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a run is asked to do. A trial logs in with a version of the credentials and publishes nothing."""

    clients: Sequence[Client]
    scheduled_at: datetime | None = None
    rejected_version: str = ""  # of a token secret
    announced_version: str = ""  # of the credentials
    trial_version: str = ""  # of the credentials
    force: bool = False
    dry_run: bool = False
    tries: int = 3  # of one log-in during an outage; two for a report, which an application repeats


def parse(event: object, clients: Sequence[Client], account: str, now: datetime) -> Request:
    """Read a message of the queue, or a request by hand. Raises RequestInvalid."""
    event = {} if event is None else event  # an invocation without a payload
    if not isinstance(event, dict):
        raise RequestInvalid("The request is not a JSON object")
    if "Records" in event:
        return _from_queue(event["Records"], clients, account, now)
    if event.keys() - {"client_id", "force", "dry_run", "credentials_version"}:
        raise RequestInvalid("The request has a member besides client_id, force, dry_run and credentials_version")
    options = {name: event.get(name, False) for name in ("force", "dry_run")}
    if not all(isinstance(option, bool) for option in options.values()):
        raise RequestInvalid("The members force and dry_run must be true or false")
    clients = [_client(event["client_id"], clients)] if "client_id" in event else clients
    trial = _version(event["credentials_version"], "credentials_version", 32) if "credentials_version" in event else ""
    if trial and event.keys() != {"client_id", "credentials_version"}:
        raise RequestInvalid("The member credentials_version goes with client_id alone")
    return Request(clients=clients, trial_version=trial, **options)


def _from_queue(records: Any, clients: Sequence[Client], account: str, now: datetime) -> Request:  # noqa: ANN401
    try:
        (record,) = records
        message, deliveries = json.loads(record["body"]), int(record["attributes"]["ApproximateReceiveCount"])
        match message:
            case {"scheduled": str() as time, **others} if not others:
                is_time = not time.startswith("<")  # emulators leave the placeholder
                return Request(clients=clients, scheduled_at=datetime.fromisoformat(time) if is_time else now)
            case {"credentials_changed": version, **others} if not others:
                return Request(clients=clients, announced_version=_version(version, "credentials_changed"))
            case {"rejected_version": version, "reported": str() as secret, **others} if not others:
                # An earlier delivery has ended a run, and an application repeats a report that was not served.
                named = [_client(secret.removeprefix(f"{account}/tokens/"), clients)] if deliveries == 1 else []
                return Request(clients=named, rejected_version=_version(version, "rejected_version"), tries=2)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        raise RequestInvalid("The event is not one message of the queue that can be read") from None
    raise RequestInvalid("The message is neither a schedule's, nor new credentials, nor a report")


def _client(name: object, clients: Sequence[Client]) -> Client:
    found = [client for client in clients if client.name == name]
    if not found:
        raise RequestInvalid(f"The stack has no such client ID; it has {', '.join(each.name for each in clients)}")
    return found[0]


def _version(value: object, member: str, shortest: int = 1) -> str:
    if not isinstance(value, str) or not re.fullmatch(rf"[A-Za-z0-9_.-]{{{shortest},64}}", value):
        raise RequestInvalid(f"The member {member} is not a version id")
    return value

"""How often the function may log in for a client ID: in each state, by checks and by reports, in an hour and a day."""

from collections import defaultdict, deque
from collections.abc import Callable
from enum import StrEnum
from math import ceil
from typing import TYPE_CHECKING

from tools.simulation.faults import DAY, HOUR
from tools.simulation.promise import MIN_TOKEN_AGE, Promise
from tools.simulation.sqs import DEDUPLICATION_SECONDS

if TYPE_CHECKING:
    from tools.simulation.invocation import Invocation


class State(StrEnum):
    """What came of a log-in."""

    ISSUED = "a token is published"
    UNLICENSED = "the API refuses every token, and one is published"
    REFUSED = "the API refuses the new token, and the old one stays"
    SAME = "the published token is issued again"
    CLIENT_REFUSED = "the client ID is rejected"
    REJECTED = "the credentials are rejected"
    UNAVAILABLE = "movieXchange is unavailable"
    MISBEHAVED = "the answer is neither a token nor a refusal"
    UNWRITTEN = "Secrets Manager fails"


def _issues(promise: Promise, seconds: float) -> float:
    return seconds / promise.due_after + 1


def _checks(promise: Promise, seconds: float) -> float:
    return seconds / promise.check_every + 2


def _last_checks(promise: Promise, seconds: float) -> float:
    """Count the checks between the time at which a token is due and its end."""
    each = (promise.lifetime - promise.due_after) // promise.check_every + 2
    return min(_checks(promise, seconds), each)


def _last_checks_of_each(promise: Promise, seconds: float) -> float:
    """Count them for each lifetime in turn."""
    return min(_checks(promise, seconds), _last_checks(promise, seconds) * ceil(seconds / promise.lifetime))


def _replacements(_: Promise, seconds: float) -> float:
    return seconds / MIN_TOKEN_AGE + 1


def _deliveries(_: Promise, seconds: float) -> float:
    return seconds / DEDUPLICATION_SECONDS + 1


TRIES, TRIES_OF_REPORTS = 3, 2
Limit = Callable[[Promise, float], float]
BY_CHECKS: dict[State, Limit] = {
    State.ISSUED: _issues,
    State.UNLICENSED: _issues,
    State.REFUSED: _last_checks,
    State.SAME: _last_checks_of_each,
    State.CLIENT_REFUSED: _checks,
    State.REJECTED: lambda *_: 10,
    State.UNAVAILABLE: lambda promise, seconds: TRIES * _checks(promise, seconds),
    State.MISBEHAVED: _checks,
    State.UNWRITTEN: _checks,
}
BY_REPORTS: dict[State, Limit] = {
    **dict.fromkeys(State, _deliveries),
    State.ISSUED: _replacements,
    State.UNLICENSED: _replacements,
    State.UNAVAILABLE: lambda promise, seconds: TRIES_OF_REPORTS * _deliveries(promise, seconds),
    State.REJECTED: lambda *_: 10,
}
ERRORS = {
    "MovieXchangeUnavailable": State.UNAVAILABLE,
    "MovieXchangeMisbehaved": State.MISBEHAVED,
    "SecretsManagerFailed": State.UNWRITTEN,
}


def state_of(invocation: "Invocation", client_id: str, outcome: dict[str, object]) -> State | None:
    """Return what came of the log-in for a client ID; nothing for what is neither a success nor an error of MX."""
    reason = str(outcome["reason"])
    if outcome["outcome"] == "refreshed":
        return State.ISSUED
    if reason == "same token":
        return State.SAME
    if reason == "TokenRefused":
        return State.UNLICENSED if client_id in invocation.published else State.REFUSED
    if reason == "CredentialsRejected":
        return State.CLIENT_REFUSED if client_id in invocation.rejected_client_ids else State.REJECTED
    return ERRORS.get(reason)


class LogIns:
    """When a history logged in for each client ID, by what came of it."""

    def __init__(self, promise: Promise, *, is_same: bool) -> None:
        """Begin without a log-in; `is_same` says that movieXchange issues a token again until it ends."""
        self._promise = promise
        # Its token is news if anything else of the document differs, and then has a short lifetime. One that is
        # refused again is not published again.
        same: dict[State, Limit] = {State.ISSUED: _checks, State.REFUSED: _last_checks_of_each}
        self._by_checks = BY_CHECKS | (same if is_same else {})
        self._times: dict[tuple[str, State, bool], deque[float]] = defaultdict(deque)

    def excess(self, invocation: "Invocation", now: float, allowed: Callable[[float], int]) -> str:
        """Count an invocation's log-ins, and say which are too many; `allowed` gives what a window may have besides."""
        names = {client.name: client.client_id for client in invocation.stack.settings.clients}
        is_report = bool(invocation.request and invocation.request.rejected_version)
        for outcome in invocation.outcomes:
            client_id = names.get(outcome["client_id"], "")
            state = state_of(invocation, client_id, outcome)
            requests = invocation.log_ins[client_id]
            if state is not State.UNAVAILABLE:
                requests -= invocation.unanswered[client_id]
            if state is None or not requests:
                continue
            times = self._times[client_id, state, is_report]
            times.extend([now] * requests)
            while times[0] <= now - DAY:
                times.popleft()
            limit = (BY_REPORTS if is_report else self._by_checks)[state]
            for seconds in (HOUR, DAY):
                count, most = sum(at > now - seconds for at in times), limit(self._promise, seconds)
                if count > most and count > most + allowed(seconds):
                    by = "reports" if is_report else "checks"
                    return (
                        f"{count} for {client_id} in {seconds / HOUR:g} h by {by}, where {state} (at most {most:.0f})"
                    )
        return ""

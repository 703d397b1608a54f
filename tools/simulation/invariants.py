"""What must hold whatever happens, each with its name; what does not hold is a Violation."""

import json
import re
from collections import defaultdict, deque
from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

from mx_token_rotator.secrets_manager import REJECTED
from mx_token_rotator.settings import Client
from tools.simulation import faults as f
from tools.simulation.engine import seconds_of, written
from tools.simulation.faults import DAY, HOUR, MINUTE
from tools.simulation.invocation import READS, Invocation
from tools.simulation.limits import LogIns
from tools.simulation.promise import MIN_TOKEN_AGE, SHORTEST_REFRESH
from tools.simulation.secrets_manager import CURRENT, Secret, State, Version
from tools.simulation.sqs import DEDUPLICATION_SECONDS
from tools.simulation.watch import Watch

if TYPE_CHECKING:
    from tools.simulation.stack import Stack

SETTLED = 10.0
"""Seconds after which a fault that ended is not noticed any more."""
RETRY_EVERY = 3 * HOUR
MOST_REJECTIONS, MOST_REQUESTS, MOST_VERSIONS = 10, 150, 96
"""In a day, in an hour and in a day, with the default settings."""
MOST_GETS = 7
"""In a run, for a client ID that it logs in for, besides the one for each client ID."""
UNAVAILABLE = (f.MX_DOWN, f.MX_LIMITING)
HARMLESS = (*f.OF_THE_API, f.BLOCKED)
"""Faults in spite of which applications have a working token, at the latest after a scheduled retry."""
KEPT = {"fresh", "too young", "already replaced"}
SECRET = re.compile("secret-(user|password|client-secret|token|refresh)")
"""How all that is secret begins in the simulation."""


class Invariant(StrEnum):
    """What must hold."""

    VALID = "no application holds an expired token while the trouble stays within what is promised"
    HEALED = "after a scheduled run without faults every token is fresh and of the current credentials"
    REPLACED = "a dead token that applications report is replaced as soon as movieXchange issues another"
    WORKS = "no token is thrown away while the published one is dead"
    BLOCKED = "nobody logs in with a version that has the label, except by hand and in scheduled retries"
    REJECTIONS = "rejected credentials cost at most ten log-ins a day"
    LOG_INS = "log-ins for a client ID stay within what its state allows, in an hour and in a day"
    RINGS = "each trouble rings the alarm that the docs name, within the time that they name"
    SILENT = "no alarm rings in a healthy stack"
    REQUESTS = "movieXchange gets at most 150 requests an hour while it is unavailable"
    GETS = "a run sends the API one request for each client ID, and at most seven more for each that it logs in for"
    VERSIONS = "a token secret gets at most 96 versions a day"
    SECRECY = "outcomes and log lines contain no secret"
    DOCUMENTS = "what is published is a document with a token that was issued for its client ID"
    UNLABELLED = "credentials that movieXchange accepted last do not keep the label for more than three hours"
    OUTCOMES = "a run has one outcome for each client ID, and none is Unexpected"
    QUIET = "a run that keeps all tokens reads, and does nothing else"


class Violation(BaseException):
    """An invariant that does not hold. No Exception, because the function reports those as outcomes."""

    def __init__(self, invariant: Invariant, stack: "Stack", found: str) -> None:
        """Say which, when, and what was found."""
        super().__init__(f"{invariant}: {found} ({written(stack.engine.now)})")
        self.invariant = invariant


class Invariants:
    """Looks at every publication, request, call of an application and invocation of a stack."""

    def __init__(self, stack: "Stack") -> None:
        """Begin with nothing observed."""
        self._stack = stack
        self.is_strict = True
        """Whether the first violation ends the history."""
        self.violations: list[Violation] = []
        self.excused: set[str] = set()
        """Versions of tokens that a person made current, whatever lifetime they have left."""
        self._beyond_promise: set[tuple[str, float]] = set()
        self._changed_at = 0.0
        self._current: str | None = None
        self._labelled: tuple[str, float] | None = None
        self._accepted_at: dict[str, float] = {}  # since when each version has been accepted
        self._rejected_at: dict[str, float] = {}
        self._rejections: dict[str, deque[float]] = defaultdict(deque)
        self._requests: deque[float] = deque()
        self._versions: dict[Client, deque[float]] = defaultdict(deque)
        self._by_hand: deque[float] = deque()
        self._reported: dict[str, float] = {}
        self._log_ins = LogIns(stack.promise, is_same=stack.account.kind == "same")
        self.watch = Watch(stack)

    # What the stack observes

    def by_hand(self) -> None:
        """Note that a person did what may cost versions."""
        self._by_hand.append(self._now)
        self._reported.clear()

    def credentials_observed(self, state: State) -> None:
        """Note which version of the credentials is current, and which one has the label."""
        current, labelled = state.labels.get(CURRENT), state.labels.get(REJECTED)
        if current != self._current:
            self._current, self._changed_at = current, self._now
        if self._labelled and labelled != self._labelled[0] and self._now - self._labelled[1] > MINUTE:
            self._reported.clear()  # nobody could serve them until now
        if labelled != (self._labelled and self._labelled[0]):
            self._labelled = (labelled, self._now) if labelled else None

    def began(self, invocation: Invocation) -> None:
        """Look at what an invocation finds."""
        self.watch.began(invocation)

    def time_passed(self) -> None:
        """Look at the alarms, whether or not anything runs."""
        for found in self.watch.unchecked():
            self._found(Invariant.RINGS, found)
        for found in self.watch.silence():
            self._found(Invariant.SILENT, found)

    def sent(self, invocation: Invocation, form: Mapping[str, str] | None) -> None:
        """Look at a request to movieXchange."""
        self._requests_are_few(invocation)
        if form and form["grant_type"] == "password":
            self._labelled_credentials_are_not_used(invocation)

    def answered(self, invocation: Invocation, form: Mapping[str, str], *, is_accepted: bool) -> None:
        """Note what became of a log-in by password."""
        version = invocation.credentials_version
        if is_accepted:
            if self._accepted_at.get(version, float("-inf")) <= self._rejected_at.get(version, float("-inf")):
                self._accepted_at[version] = self._now
            self._rejections[version].clear()
            invocation.accepted_log_ins.add(form["client_id"])
        else:
            self._rejected_at[version] = self._now
            invocation.rejected_version = version
            invocation.trouble = "the credentials were rejected"

    def published(self, invocation: Invocation, client: Client, secret: Secret) -> None:
        """Look at a publication."""
        version = secret.state.current
        if version:
            self._what_is_published_is_a_document(client, version)
        if not invocation.is_by_hand:
            self._versions_are_few(client)

    def used(self, client: Client, cache: float, version: Version) -> None:
        """Look at a token that an application uses."""
        document = self._stack.document(version)
        issued = self._stack.account.tokens.get(document["access_token"])
        ends_at = issued.ends_at if issued else self._end(version)
        if ends_at > self._now or version.id in self.excused or (version.id, cache) in self._beyond_promise:
            return
        if self._is_promised(ends_at, cache):
            self._found(Invariant.VALID, f"{client.name}, with a cache of {cache:g} s")
        self._beyond_promise.add((version.id, cache))  # what went wrong only adds up

    def reported(self, client: Client, version: Version) -> None:
        """Look at a report of a version that is dead, while it is the published one."""
        published = self._stack.published(client)
        if published is None or published.id != version.id:
            return
        calm_since, since = self._stack.faults.last_end(self._now, *HARMLESS), self._reported.get(version.id)
        if since is None or since < calm_since:
            self._reported[version.id] = since = self._now
        limit = 2 * DEDUPLICATION_SECONDS + self._stack.promise.gap
        if self._labelled:
            limit += RETRY_EVERY + self._stack.promise.gap
        if self._now - max(since, version.created_at + MIN_TOKEN_AGE) > limit:
            self._found(Invariant.REPLACED, f"{client.name}, reported since {written(since)}")

    def ended(self, invocation: Invocation) -> None:
        """Look at how an invocation ended."""
        self._nothing_secret_is_shown(invocation)
        self._outcomes_are_complete(invocation)
        self._rejections_are_few(invocation)
        self._gets_are_few(invocation)
        self._a_quiet_run_only_reads(invocation)
        self._the_label_comes_off()
        self._a_log_in_leaves_a_token_that_works(invocation)
        self._a_scheduled_run_heals(invocation)
        self._log_ins_are_few(invocation)
        for found in self.watch.ended(invocation):
            self._found(Invariant.RINGS, found)

    # The invariants

    def _labelled_credentials_are_not_used(self, invocation: Invocation) -> None:
        version, request = invocation.credentials_version, invocation.request
        started = invocation.started - self._stack.faults.climate.longest_lag
        if self._labelled is None or self._labelled[0] != version or request is None:
            return
        is_allowed = request.force or request.trial_version or self._is_retry_slot(invocation)
        if self._labelled[1] < started and not is_allowed:
            self._found(Invariant.BLOCKED, version)

    def _is_retry_slot(self, invocation: Invocation) -> bool:
        scheduled_at = invocation.request.scheduled_at if invocation.request else None
        return scheduled_at is not None and scheduled_at.timestamp() % RETRY_EVERY < self._stack.promise.check_every

    def _rejections_are_few(self, invocation: Invocation) -> None:
        """Not counted are those whose label could not be put, or that were not answered in time."""
        version, request = invocation.rejected_version, invocation.request
        is_hindered = invocation.was_killed or "update_secret_version_stage" in invocation.failed_calls
        if not version or is_hindered or request is None or request.force or request.trial_version:
            return
        rejections = self._within(self._rejections[version], DAY)
        if len(rejections) > MOST_REJECTIONS:
            self._found(Invariant.REJECTIONS, f"{version} was rejected {len(rejections)} times")

    def _requests_are_few(self, invocation: Invocation) -> None:
        """Checks that are more frequent than the default cost three requests each."""
        most = MOST_REQUESTS + 3 * max(0.0, HOUR / self._stack.promise.check_every - 4)
        if not any(self._stack.faults.is_on(kind, self._now) for kind in UNAVAILABLE):
            self._requests.clear()
        elif not invocation.is_by_hand and len(self._within(self._requests, HOUR)) > most:
            self._found(Invariant.REQUESTS, str(len(self._requests)))

    def _gets_are_few(self, invocation: Invocation) -> None:
        """A new token is tried six times at most; the published one before a log-in, and after a refusal."""
        clients = invocation.request.clients if invocation.request else []
        most = len(clients) + MOST_GETS * min(len(clients), invocation.calls.count("log in"))
        if (gets := invocation.calls.count("verify")) > most:
            self._found(Invariant.GETS, f"{gets} (at most {most})")

    def _log_ins_are_few(self, invocation: Invocation) -> None:
        """Whatever goes wrong, and what people do, may cost one more each."""

        def allowed(seconds: float) -> int:
            since = self._now - seconds
            return len(self._stack.faults.between(since, self._now)) + sum(at > since for at in self._by_hand)

        if not invocation.is_by_hand and (found := self._log_ins.excess(invocation, self._now, allowed)):
            self._found(Invariant.LOG_INS, found)

    def _versions_are_few(self, client: Client) -> None:
        """What people do may cost one more each, and checks that are late a few; one check may be a minute early."""
        versions = self._within(self._versions[client], DAY - self._stack.promise.check_every)
        most = MOST_VERSIONS if self._stack.faults.climate is f.FAIR else MOST_VERSIONS + 3
        while self._by_hand and self._by_hand[0] < self._now - DAY:
            self._by_hand.popleft()
        if len(versions) > most + len(self._by_hand):
            self._found(Invariant.VERSIONS, f"{client.name} has {len(versions)}")

    def _nothing_secret_is_shown(self, invocation: Invocation) -> None:
        shown = json.dumps(invocation.outcomes) + "".join(invocation.warnings)
        shown += "".join(f"{failure} {failure.problem} {failure.remedy}" for failure in invocation.failures)
        if SECRET.search(shown):
            self._found(Invariant.SECRECY, shown)

    def _what_is_published_is_a_document(self, client: Client, version: Version) -> None:
        document = self._stack.document(version)
        issued = self._stack.account.tokens.get(document.get("access_token", ""))
        is_its_own = issued is not None and issued.client_id == client.client_id == document["client_id"]
        if not is_its_own or self._end(version) > (issued.ends_at if issued else 0) + 1:
            self._found(Invariant.DOCUMENTS, f"{client.name}: {version.text}")

    def _the_label_comes_off(self) -> None:
        version, since = self._labelled or ("", 0.0)
        accepted_at = self._accepted_at.get(version, float("-inf"))
        if not version or version != self._current or accepted_at < self._rejected_at.get(version, float("-inf")):
            return
        begin = max(since, accepted_at, self._stack.faults.last_end(self._now, *HARMLESS))
        if self._now - begin > RETRY_EVERY + 2 * self._stack.promise.gap:
            self._found(Invariant.UNLABELLED, version)

    def _outcomes_are_complete(self, invocation: Invocation) -> None:
        names = [each["client_id"] for each in invocation.outcomes]
        expected = [client.name for client in invocation.request.clients] if invocation.request else []
        is_complete = sorted(map(str, names)) == sorted(expected) or invocation.was_killed or invocation.is_interrupted
        has_defect = any(each["reason"] == "Unexpected" for each in invocation.outcomes)
        if not is_complete or len(set(names)) < len(names) or has_defect:
            self._found(Invariant.OUTCOMES, str(invocation.outcomes))

    def _a_quiet_run_only_reads(self, invocation: Invocation) -> None:
        request, reasons = invocation.request, {each["reason"] for each in invocation.outcomes}
        others = {"verify", "update_secret", "create_secret"} & set(invocation.calls)
        is_quiet = bool(reasons) and reasons <= KEPT and not others and not invocation.was_killed
        if ((request and request.dry_run) or is_quiet) and not set(invocation.calls) <= READS:
            self._found(Invariant.QUIET, f"{reasons}: {invocation.calls}")

    def _a_log_in_leaves_a_token_that_works(self, invocation: Invocation) -> None:
        """Unless it could not be published, another run overlapped, a person ended it, or the API could not tell."""
        is_trial = invocation.request is not None and invocation.request.trial_version
        has_no_chance = (
            invocation.was_killed or invocation.is_interrupted or "put_secret_value" in invocation.failed_calls
        )
        is_disturbed = any(at >= invocation.started for at in self._by_hand)
        # A wrong client secret has its new token refused, perhaps without a verdict on the old one, which has ended.
        is_unknown = f.UNFIT in {kind for *_, kind in self._stack.faults.between(invocation.started, self._now)}
        if is_trial or has_no_chance or is_disturbed or is_unknown or not invocation.was_alone:
            return
        for client in self._stack.settings.clients:
            published = self._stack.published(client)
            token = self._stack.document(published).get("access_token", "") if published else ""
            issued = self._stack.account.tokens.get(token)
            if client.client_id in invocation.accepted_log_ins and (issued is None or issued.is_revoked):
                self._found(Invariant.WORKS, f"{client.name}: {invocation.outcomes}")

    def _a_scheduled_run_heals(self, invocation: Invocation) -> None:
        request, faults = invocation.request, self._stack.faults
        is_scheduled = request is not None and request.scheduled_at is not None
        if request is None or not is_scheduled or not invocation.was_alone or not self._was_calm(invocation):
            return
        begin = invocation.started - SETTLED
        during = faults.between(begin, self._now)
        is_blocked = any(kind == f.BLOCKED for *_, kind in during)
        has_api_recovered = any(kind in f.OF_THE_API and end < self._now for _, end, kind in during)
        calm = self._now - faults.last_end(self._now, *HARMLESS)
        may_wait = is_blocked and calm < RETRY_EVERY + 2 * self._stack.promise.gap
        if self._changed_at > begin or may_wait or has_api_recovered:
            return
        for client in request.clients:
            if not self._is_well(client):
                self._found(Invariant.HEALED, f"{client.name}: {invocation.outcomes}")

    # What they go by

    @property
    def _now(self) -> float:
        return self._stack.engine.now

    def _found(self, invariant: Invariant, found: str) -> None:
        violation = Violation(invariant, self._stack, found)
        self.violations.append(violation)
        if self.is_strict:
            raise violation

    def _within(self, times: deque[float], seconds: float) -> deque[float]:
        """Add this moment, and drop those that are longer ago."""
        times.append(self._now)
        while times[0] < self._now - seconds:
            times.popleft()
        return times

    def _was_calm(self, invocation: Invocation) -> bool:
        """Return whether nothing went wrong at the time of an invocation, which did not run out of time."""
        faults = self._stack.faults.during(invocation.started - SETTLED, self._now, *HARMLESS)
        has_time = self._now - invocation.started < MINUTE / 2
        return has_time and not faults and not invocation.was_killed

    def _is_well(self, client: Client) -> bool:
        """Return whether what is published is not due, and of the current credentials."""
        published, promise = self._stack.published(client), self._stack.promise
        document = self._stack.document(published) if published else {}
        if published is None or document.get("credentials_version") != self._current:
            return False
        left = self._end(published) - self._now
        if self._stack.account.kind == "same":  # there is no fresher one
            return left > -MINUTE
        is_fresh = left > promise.lifetime * (100 - promise.refresh_at_percent) / 100 - MINUTE
        is_young = self._now - published.created_at < SHORTEST_REFRESH + MINUTE
        return is_fresh or (is_young and left > -MINUTE)  # it may expire while others are replaced

    def _end(self, version: Version) -> float:
        """Return when a token expires, as its document says."""
        return seconds_of(self._stack.document(version)["expires_at"])

    def _is_promised(self, ends_at: float, cache: float) -> bool:
        """Return whether what went wrong since a token was due stays within the tolerance."""
        promise = self._stack.promise
        # One of the kind `same` gives no other token before this one ends.
        if promise.tolerance(cache) < promise.cost([]) or self._stack.account.kind == "same":
            return False
        troubles = self._stack.faults.during(ends_at - promise.lifetime + promise.due_after, self._now, *f.OF_THE_API)
        return promise.cost(troubles) <= promise.tolerance(cache)

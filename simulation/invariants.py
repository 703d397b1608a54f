"""What must hold whatever happens, each with its name; what does not hold is a Violation."""

import json
from collections import Counter
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import requests

from mx_token_rotator.errors import RotatorError
from mx_token_rotator.refresh import LONGEST_LAG
from mx_token_rotator.rotation import Step
from mx_token_rotator.tokens import RFC_3339, AccessToken
from mx_token_rotator.vault import REJECTED
from simulation.engine import EPOCH, moment
from simulation.invocation import Crash, Invocation
from simulation.moviexchange import LIFETIME
from simulation.promise import CACHES, INVOCATION, MIN_TOKEN_AGE
from simulation.secrets_manager import PENDING, Secret, Version
from simulation.weather import FAIR

if TYPE_CHECKING:
    from simulation.world import World

QUIET_CALLS = ["GetSecretValue", "DescribeSecret"]
SETTLED = 10.0
"""Seconds after which nothing of what was wrong is to be noticed any more, but for the clocks and the lag."""


@lru_cache
def token_in(version: Version) -> AccessToken:
    """Read the token of a version; whoever put it, it must be readable."""
    token = AccessToken.parse(version.text, client_id=json.loads(version.text)["client_id"])
    if token is None:
        raise ValueError
    return token


class Invariant(StrEnum):
    """What must hold."""

    ISSUED_AND_VERIFIED = "what is published was issued and verified"
    NONE_EXPIRED = "no app holds an expired token"
    OUTLIVES_CACHES = "a replaced token outlives the caches"
    FORWARD = "publications go forward"
    TRIED_ONCE = "rejected credentials are tried once"
    QUIET = "a quiet tick writes nothing"
    WITHIN_SETTINGS = "log-ins stay within what the settings imply"
    ENDS_WELL = "every invocation ends in an outcome or an error of the house"
    REPAIRS = "the next healthy tick repairs"
    REPORTED = "a token that is reported is replaced"
    WORKS = "whoever logs in leaves a token that works"
    UNLABELLED = "credentials that work bear no label"
    ROTATED_ONCE = "a rotation logs in once"
    ROTATED = "a healthy rotation rotates"
    NONE_PENDING = "nothing that is over stays pending"


class Violation(AssertionError):
    """An invariant, by its name, that does not hold."""

    def __init__(self, invariant: Invariant, world: "World", found: str) -> None:
        """Say which, when, and what was found."""
        super().__init__(f"{invariant}: {found} ({moment(world.engine.now).strftime(RFC_3339)})")
        self.invariant = invariant


class Invariants:
    """Looks at every publication, log-in, app's call and invocation of a world."""

    def __init__(self, world: "World") -> None:
        """Have seen nothing yet."""
        self._world = world
        self.is_strict = True
        """Whether the first violation ends the world."""
        self.violations: list[Violation] = []
        self.became_current: dict[str, float] = {}
        self._current: str | None = None
        self._rejected_at: dict[str, float] = {}
        self._excused: set[str] = set()
        self._by_hand: set[str] = set()
        self._went_back_at: dict[Secret, float] = {}
        self.writes: Counter[str] = Counter()
        self.log_ins: Counter[str] = Counter()
        self._rotated: dict[str, str] = {}
        """By which rotation, under its version's id, a version was published."""

    # What the world tells

    def noted_credentials(self, current: Version) -> None:
        """Note which version of the credentials is current; one that a person moves to may be tried anew."""
        if current.id != self._current:
            self._current = current.id
            self.became_current[current.id] = self._world.engine.now
            self._rejected_at.pop(current.id, None)
            self._excused.discard(current.id)

    def noted_read(self, invocation: Invocation, secret: Secret, answer: dict[str, Any], operation: str) -> None:
        """Note which versions an invocation goes by."""
        if operation != "GetSecretValue":
            return
        if secret is self._world.credentials:
            invocation.credentials_version = answer["VersionId"]
        elif secret is self._world.tokens[invocation.request.client_id]:
            invocation.read_version = answer["VersionId"]

    def noted_log_in(self, invocation: Invocation) -> None:
        """Note that a log-in by the password grant is sent."""
        client_id, version = invocation.request.client_id, invocation.credentials_version
        self.log_ins[client_id] += 1
        if version:
            self.rejected_credentials_are_tried_once(invocation, version)
        if invocation.step:
            self.a_rotation_logs_in_once(invocation, invocation.step)

    def noted_answer(self, invocation: Invocation, *, status: int) -> None:
        """Note what an invocation learns of its log-in."""
        version = invocation.credentials_version
        if version and status in {requests.codes.bad_request, requests.codes.unauthorized}:
            self._rejected_at.setdefault(version, self._world.engine.now)
            invocation.rejected_version = version
        elif version and status == requests.codes.ok:
            self._rejected_at.pop(version, None)
            invocation.accepted_version = version

    def went_back(self, secret: Secret) -> None:
        """Note that a person went back to a version: of the credentials, or of a token whatever life it has left."""
        self._went_back_at[secret] = self._world.engine.now
        if secret.current:
            self._by_hand.add(secret.current.id)

    def published(self, invocation: Invocation, was: Version | None, now: Version) -> None:
        """Look at a publication."""
        self._by_hand.discard(now.id)
        if invocation.step:
            self._rotated[now.id] = invocation.step.version_id
        self.what_is_published_was_issued_and_verified(invocation, was, token_in(now))
        self.publications_go_forward(invocation, was, token_in(now))
        if was:
            self.a_replaced_token_outlives_the_caches(invocation.request.client_id, was)
        invocation.read_version = now.id

    def ended(self, invocation: Invocation) -> None:
        """Look at how an invocation ended."""
        self._excuse(invocation)
        self.every_invocation_ends_in_an_outcome_or_an_error_of_the_house(invocation)
        self.a_quiet_tick_writes_nothing(invocation)
        self.the_next_healthy_tick_repairs(invocation)
        self.a_token_that_is_reported_is_replaced(invocation)
        self.whoever_logs_in_leaves_a_token_that_works(invocation)
        self.credentials_that_work_bear_no_label(invocation)
        self.nothing_that_is_over_stays_pending(invocation)

    def rotated(self, client_id: str, version_id: str, began: float) -> None:
        """Look at how a rotation ended."""
        self.a_healthy_rotation_rotates(client_id, version_id, began)

    def at_the_end(self) -> None:
        """Look at what is published when all is over."""
        for client_id, secret in self._world.tokens.items():
            if secret.current:
                self.a_replaced_token_outlives_the_caches(client_id, secret.current, cache=0.0)
            self.log_ins_stay_within_what_the_settings_imply(client_id)

    # The invariants

    def what_is_published_was_issued_and_verified(
        self, invocation: Invocation, was: Version | None, token: AccessToken
    ) -> None:
        """It was issued to this client ID, and movieXchange's API took it; or gave no verdict, and none was better."""
        issued = self._world.account.tokens.get(token.access_token)
        has_passed = issued is not None and issued.passed
        is_ours = issued is not None and issued.client_id == invocation.request.client_id
        nothing_better = was is None or self._is_in_its_last_quarter(token_in(was))
        is_reported = was is not None and invocation.request.rejected_version == was.id
        is_a_copy = was is not None and token_in(was) == token
        if not is_ours or not (has_passed or nothing_better or is_reported or is_a_copy):
            self._found(Invariant.ISSUED_AND_VERIFIED, token.access_token)

    def no_app_holds_an_expired_token(self, cache: float, client_id: str, version: Version) -> None:
        """An app uses no token that has ended, while what went wrong stays under the promised tolerance."""
        ended_at = self._end(version)
        if ended_at <= self._world.engine.now and self._is_promised(client_id, version, cache):
            self._found(Invariant.NONE_EXPIRED, f"with a cache of {cache:g} s")

    def a_replaced_token_outlives_the_caches(self, client_id: str, was: Version, cache: float = CACHES[-1]) -> None:
        """A token that is replaced is good for as long as an app may keep it, unless it was revoked."""
        issued = self._world.account.tokens.get(token_in(was).access_token)
        left = issued.ends_at - self._world.engine.now if issued and not issued.revoked else cache
        if left < cache and self._is_promised(client_id, was, cache):
            self._found(Invariant.OUTLIVES_CACHES, f"{left:.0f} s were left")

    def publications_go_forward(self, invocation: Invocation, was: Version | None, token: AccessToken) -> None:
        """A version has one successor, by whoever read it; and the credentials' version never goes back by itself."""
        before, client_id = token_in(was) if was else token, invocation.request.client_id
        is_next = invocation.read_version == (was.id if was else None) or self._went_back(self._world.tokens[client_id])
        if not is_next:
            self._found(Invariant.FORWARD, "another was published since this invocation looked")
        older, newer = (self.became_current[each.credentials_version] for each in (before, token))
        if newer < older and not self._went_back(self._world.credentials):
            self._found(Invariant.FORWARD, "its credentials are older than those of the one before")

    def rejected_credentials_are_tried_once(self, invocation: Invocation, version: str) -> None:
        """Who could know of the rejection tries again only by force, or in the last quarter of the published token."""
        current = self._world.tokens[invocation.request.client_id].current
        is_last_chance = current is not None and self._is_in_its_last_quarter(token_in(current))
        told_by = self._rejected_at.get(version, float("inf")) + INVOCATION + self._world.weather.climate.longest_lag
        is_allowed = version in self._excused or invocation.request.force or is_last_chance
        if invocation.started > told_by and not is_allowed:
            self._found(Invariant.TRIED_ONCE, f"{version} was tried again")

    def a_quiet_tick_writes_nothing(self, invocation: Invocation) -> None:
        """An invocation that has no reason to log in makes two reads, and no more."""
        said = invocation.outcome.reason if invocation.outcome else str(invocation.raised)
        is_barred = "of the credentials before" in said and not self._world.keep_refresh_token
        is_quiet = is_barred or said in {"fresh", "too young", "already replaced"}
        if is_quiet and not invocation.step and invocation.calls != QUIET_CALLS:
            self._found(Invariant.QUIET, f"{said}: {invocation.calls}")

    def log_ins_stay_within_what_the_settings_imply(self, client_id: str) -> None:
        """Where nothing goes wrong, a token is replaced once in each share of its life, and never sooner."""
        is_fair = self._world.weather.climate is FAIR and not self._world.weather.thrown
        is_fair = is_fair and not self._world.native_rotation
        most = self._world.engine.now / self._world.promise.due_after + 2
        a_log_in = 2 if self._world.keep_refresh_token else 1
        if is_fair and (self.log_ins[client_id] > most or self.writes[client_id] > most * a_log_in):
            self._found(Invariant.WITHIN_SETTINGS, f"{self.log_ins[client_id]}, {self.writes[client_id]}")

    def every_invocation_ends_in_an_outcome_or_an_error_of_the_house(self, invocation: Invocation) -> None:
        """Nothing else comes out of it, but that it may crash."""
        if invocation.raised is not None and not isinstance(invocation.raised, RotatorError | Crash):
            self._found(Invariant.ENDS_WELL, repr(invocation.raised))

    def the_next_healthy_tick_repairs(self, invocation: Invocation) -> None:
        """After a tick that nothing stood in the way of, what is published is fresh, and of the current credentials."""
        if not invocation.is_tick or self._is_well(invocation.request.client_id):
            return
        if self._was_healthy(invocation):
            self._found(Invariant.REPAIRS, repr(invocation.raised or invocation.outcome))

    def a_token_that_is_reported_is_replaced(self, invocation: Invocation) -> None:
        """After an app's report of a version that is not too young, another one is published."""
        if invocation.request.rejected_version is None:
            return
        current, now = self._world.tokens[invocation.request.client_id].current, self._world.engine.now
        is_there = current is not None and current.id == invocation.request.rejected_version
        is_old = current is not None and now - current.created_at > MIN_TOKEN_AGE + SETTLED
        if is_there and is_old and self._was_healthy(invocation):
            self._found(Invariant.REPORTED, repr(invocation.raised or invocation.outcome))

    def whoever_logs_in_leaves_a_token_that_works(self, invocation: Invocation) -> None:
        """After the last of those who run at the same time, movieXchange takes what is published."""
        if invocation.outcome is None or invocation.request.dry_run or "log in" not in invocation.calls:
            return
        current = self._world.tokens[invocation.request.client_id].current
        issued = self._world.account.tokens.get(token_in(current).access_token) if current else None
        is_last = not self._world.running[invocation.request.client_id]
        if is_last and (issued is None or issued.revoked) and self._was_calm(invocation):
            self._found(Invariant.WORKS, repr(invocation.outcome))

    def credentials_that_work_bear_no_label(self, invocation: Invocation) -> None:
        """A rejection that was a mistake is taken back."""
        labelled, now = self._world.credentials.state.labels.get(REJECTED), self._world.engine.now
        if labelled is None or labelled != invocation.accepted_version:
            return
        if not self._world.weather.hindrances(invocation.request.client_id, invocation.started - SETTLED, now):
            self._found(Invariant.UNLABELLED, labelled)

    def a_rotation_logs_in_once(self, invocation: Invocation, step: Step) -> None:
        """Once it has published a token that is good, its steps ask for no other, however often they come."""
        current = self._world.tokens[step.client_id].current
        is_done = current is not None and self._rotated.get(current.id) == step.version_id
        is_seen = invocation.read_version is not None and self._rotated.get(invocation.read_version) == step.version_id
        if is_done and is_seen and self._is_well(step.client_id):
            self._found(Invariant.ROTATED_ONCE, step.version_id)

    def a_healthy_rotation_rotates(self, client_id: str, version_id: str, began: float) -> None:
        """Where nothing stood in its way, AWSCURRENT came to its version, or is at one that another published since."""
        current, now = self._world.tokens[client_id].current, self._world.engine.now
        is_overtaken = current is not None and current.created_at >= began and current.id not in self._rotated
        is_soon = began < self.became_current.get(self._current or "", 0.0) + INVOCATION
        hindered = self._world.weather.troubles(client_id, began - SETTLED, now) or self._world.weather.labels(
            client_id, began - SETTLED, now
        )
        if not (version_id in self._rotated or is_overtaken or is_soon or hindered):
            self._found(Invariant.ROTATED, version_id)

    def nothing_that_is_over_stays_pending(self, invocation: Invocation) -> None:
        """After a publication, a rotation's last step, or a step that failed, Secrets Manager may begin another."""
        client_id, step = invocation.request.client_id, invocation.step
        if step:
            is_over = isinstance(invocation.raised, RotatorError) or (step.name == "finish" and not invocation.raised)
        else:
            is_over = invocation.outcome is not None and invocation.outcome.outcome == "refreshed"
        pending, now = self._world.tokens[client_id].state.labels.get(PENDING), self._world.engine.now
        is_alone = invocation.was_alone and (step is not None or client_id not in self._world.rotating)
        hindered = self._world.weather.hindrances(client_id, invocation.started - SETTLED, now)
        if self._world.native_rotation and is_over and pending and is_alone and not hindered:
            self._found(Invariant.NONE_PENDING, pending)

    # What they go by

    def _found(self, invariant: Invariant, found: str) -> None:
        violation = Violation(invariant, self._world, found)
        self.violations.append(violation)
        if self.is_strict:
            raise violation

    def _excuse(self, invocation: Invocation) -> None:
        """Let credentials be tried again where something stood in the way of their label."""
        version, now = invocation.rejected_version, self._world.engine.now
        if version is None or self._world.credentials.state.labels.get(REJECTED) == version:
            return
        is_out_of_time = now - invocation.started > INVOCATION - 2 * SETTLED
        if is_out_of_time or self._world.weather.hindrances(invocation.request.client_id, invocation.started, now):
            self._excused.add(version)

    def _was_calm(self, invocation: Invocation) -> bool:
        """Tell whether nothing went wrong at the time of an invocation."""
        begin, end = invocation.started - SETTLED, self._world.engine.now + SETTLED
        return not self._world.weather.troubles(invocation.request.client_id, begin, end)

    def _was_healthy(self, invocation: Invocation) -> bool:
        """Tell whether nothing stood in the way, nor a label that has a token wait for its last quarter."""
        client_id, started, now = invocation.request.client_id, invocation.started, self._world.engine.now
        current = self._world.tokens[client_id].current
        token = token_in(current) if current else None
        # So soon after a change, a read may lag, or be taken for one that does.
        became = self.became_current.get(self._current or "", 0.0) + self._world.weather.climate.longest_lag + SETTLED
        is_soon = started < became or (token is not None and token.is_younger_than(LONGEST_LAG, moment(started)))
        waits = token is None or not token.is_past(75, moment(started - INVOCATION))
        is_barred = waits and self._world.weather.labels(client_id, started - SETTLED, now + SETTLED)
        # Where each log-in revokes the older token, two at once may refuse each other's.
        is_undone = self._world.account.revokes_older and not invocation.was_alone
        return not is_soon and not is_barred and not is_undone and self._was_calm(invocation)

    def _went_back(self, secret: Secret) -> bool:
        """Tell whether a person went back so lately that not everybody has seen it; who does is obeyed."""
        lately = self._world.weather.climate.longest_lag + INVOCATION
        return self._world.engine.now - self._went_back_at.get(secret, float("-inf")) < lately

    def _is_well(self, client_id: str) -> bool:
        """Tell whether what is published is not due, and of the current credentials."""
        current, credentials, promise = self._world.tokens[client_id].current, self._current, self._world.promise
        if current is None or token_in(current).credentials_version != credentials:
            return False
        left = self._end(current) - self._world.engine.now
        return left > promise.lifetime - promise.due_after - INVOCATION

    def _end(self, version: Version) -> float:
        """Tell when movieXchange ends a token, or when its document says that it ends."""
        token = token_in(version)
        issued = self._world.account.tokens.get(token.access_token)
        return issued.ends_at if issued else (token.expires_at - EPOCH).total_seconds()

    def _is_in_its_last_quarter(self, token: AccessToken) -> bool:
        """Tell whether it is so, or nearly, by a clock that may be off."""
        return token.is_past(75, moment(self._world.engine.now + INVOCATION))

    def _is_promised(self, client_id: str, version: Version, cache: float) -> bool:
        """Tell whether what went wrong since a token was due stays under the tolerance."""
        if version.id in self._by_hand:
            return False
        due = self._end(version) - LIFETIME + self._world.promise.due_after
        last_quarter = self._end(version) - LIFETIME / 4
        troubles = self._world.weather.troubles(client_id, due, self._world.engine.now)
        labels = self._world.weather.labels(client_id, due, max(due, min(last_quarter, self._world.engine.now)))
        return self._world.promise.cost(troubles + labels) <= self._world.promise.tolerance(cache)

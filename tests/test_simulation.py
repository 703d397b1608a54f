"""What holds in virtual time, and that it would be noticed if it did not.

The Secrets Manager here follows AWS's documentation where the emulators do not: a version id that is taken by another
value is refused, and reads lag behind writes.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import pytest
from botocore.exceptions import ClientError
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from local.aws import HOUSE
from local.document import placed
from mx_token_rotator.errors import RotatorError, TokenRefused, VaultFailed
from mx_token_rotator.moviexchange import MovieXchangeOverHttps
from mx_token_rotator.refresh import Outcome, Request, Rotator, Rules
from mx_token_rotator.rotation import Step
from mx_token_rotator.tokens import AccessToken, Credentials, CredentialsVersions, Published
from mx_token_rotator.vault import SecretsManagerVault, token_secret
from simulation import weather as w
from simulation.engine import moment
from simulation.figures import OUTAGES, WAYS, TimerWorld, Way, failing, picture, save, tolerance_table
from simulation.invariants import Invariant, Violation
from simulation.invocation import Invocation
from simulation.promise import CACHES, DEFAULTS, Promise
from simulation.runner import live, world
from simulation.weather import FAIR, HOUR, MINUTE
from simulation.world import ACCOUNT, CLIENT_IDS, World

Answer = TypeVar("Answer")
WEBSITE = CLIENT_IDS[0]


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_every_invariant_holds(seed: int) -> None:
    """A third of a year of each of these worlds goes by without a violation."""
    assert live(seed, days=120).violation == ""


def test_a_violation_ends_a_world() -> None:
    """Nothing that comes after it is told."""
    lived = RefreshesNever(1, FAIR)
    lived.live()

    with pytest.raises(Violation):
        lived.run(2)


def test_one_seed_is_one_history() -> None:
    """A violation that was found can be found again."""
    assert live(3, days=10) == live(3, days=10)


@pytest.mark.parametrize(
    ("cache", "tolerance"), [(CACHES[2], 4 * HOUR + 40 * MINUTE), (CACHES[1], 5 * HOUR + 35 * MINUTE)]
)
def test_the_promise_is_what_the_settings_come_to(cache: float, tolerance: float) -> None:
    """Half of 12 hours, less a look every 15 minutes in a window of 5, less the cache."""
    assert DEFAULTS.tolerance(cache) == tolerance


def test_the_docs_promise_what_the_settings_come_to() -> None:
    """The table is the one that is computed."""
    operating = (HOUSE / "docs" / "operating.md").read_text()

    assert placed(operating, "tolerance", tolerance_table()) == operating


def test_the_readme_promises_as_many_hours() -> None:
    """Its sentence names the whole hours of the longest outage."""
    words = ["no", "one", "two", "three", "four", "five", "six"]
    hours = words[int(DEFAULTS.outage(CACHES[1]) // HOUR)]

    assert f"may be away for [{hours} hours]" in (HOUSE / "README.md").read_text()


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    """A line for each way, the same each time."""
    drawn = []
    for _ in range(2):
        save(picture([[float(at) for at in range(len(OUTAGES))]] * len(WAYS)), tmp_path / "a.svg")
        drawn.append((tmp_path / "a.svg").read_text())

    assert drawn[0] == drawn[1]


@pytest.mark.parametrize(("way", "notices"), [(WAYS[-1], False), (WAYS[0], True), (WAYS[1], True), (WAYS[2], True)])
def test_an_outage_at_the_worst_moment_is_noticed_unless_a_token_is_replaced_early(way: Way, *, notices: bool) -> None:
    """Four hours that begin shortly before a token ends."""
    failed, _ = failing(way, outage=4 * HOUR, phase=11 * HOUR)

    assert (failed > 0) is notices


def test_a_stretch_of_trouble_costs_the_wait_for_the_next_look_too() -> None:
    """Two that overlap are one; each spoils a look."""
    troubles = [(0.0, 100.0), (50.0, 200.0), (5000.0, 5000.0)]

    assert DEFAULTS.cost(troubles) == 200 + 2 * (DEFAULTS.gap + MINUTE) + MINUTE


@pytest.mark.parametrize("cache", CACHES)
@pytest.mark.parametrize("promise", [DEFAULTS, Promise(check_every=300.0, check_window=0.0, refresh_at_percent=30)])
@pytest.mark.parametrize("begins_after", [0.0, 0.5, 1.0])
def test_the_longest_outage_that_is_promised_costs_no_token(
    promise: Promise, cache: float, begins_after: float
) -> None:
    """Whenever it begins, between the last look at a token that is not due and the first at one that is."""
    lived = World(1, FAIR, promise=promise)
    lived.live()
    lived.engine.run(promise.due_after + begins_after * promise.gap)
    lived.weather.begin(w.AWAY, lived.engine.now, promise.outage(cache))
    lived.run(2)

    assert lived.failed_reads[cache] == 0


class RefreshesLate(World):
    """A share of a life that leaves too little of it."""

    percent = 95

    def rules(self) -> Rules:
        """Take another share than the promise does."""
        return replace(super().rules(), refresh_at_percent=self.percent)


class RefreshesNever(RefreshesLate):
    """A share of a life that is more than all of it."""

    percent = 120


class PublishesWhatIsRefused(World):
    """A token is published whatever movieXchange's API says of it."""

    class moviexchange(MovieXchangeOverHttps):  # noqa: N801  in the place of the product's
        """Takes every refusal for a verdict in favour."""

        def verify(self, token: AccessToken) -> bool:
            """Ask, and do not listen."""
            try:
                return super().verify(token)
            except TokenRefused:
                return True


class LastWriterWins(World):
    """A token is published whatever was published since."""

    class vault(SecretsManagerVault):  # noqa: N801
        """Lets botocore make up the version's id."""

        def publish(self, token: AccessToken, *, after: str | None, issue: str | None = None) -> str | None:  # noqa: ARG002  not heeded
            """Put, and think of no one."""
            answer = self._client.put_secret_value(
                SecretId=token_secret(ACCOUNT, token.client_id), SecretString=token.document()
            )
            return answer["VersionId"]


class TrustsEveryRead(World):
    """Credentials are used as they are read, though reads may lag."""

    class vault(SecretsManagerVault):  # noqa: N801
        """Knows of nothing that would tell a stale read."""

        def credentials_versions(self) -> CredentialsVersions:
            """Hide all labels but two."""
            return replace(super().credentials_versions(), labelled=frozenset())

        def credentials(self) -> Credentials:
            """Make them look new."""
            return replace(super().credentials(), created_at=moment(10 * 365 * w.DAY))


class LetsFirstComeFirst(World):
    """What another invocation published first stays, whatever it is."""

    class story(Rotator):  # noqa: N801
        """Takes nothing for worse."""

        def _is_worse(self, *_: object) -> bool:
            """Give up."""
            return False


class HearsNoReports(World):
    """What apps report is taken for a tick."""

    class story(Rotator):  # noqa: N801
        """Drops the version that was reported."""

        def refresh(self, request: Request) -> Outcome:
            """Look, and no more."""
            return super().refresh(replace(request, rejected_version=None))


class LeavesLabels(World):
    """A label is never taken away."""

    class vault(SecretsManagerVault):  # noqa: N801
        """Only puts labels."""

        def label_rejected(self, version_id: str | None, *, instead_of: str | None) -> None:
            """Put, and do not take away."""
            if version_id:
                super().label_rejected(version_id, instead_of=instead_of)


class LabelsNothing(World):
    """Rejected credentials are not labelled."""

    class vault(SecretsManagerVault):  # noqa: N801
        """Leaves labels alone."""

        def label_rejected(self, version_id: str | None, *, instead_of: str | None) -> None:
            """Do nothing."""


class WritesWhatItReads(World):
    """Looking at a token writes it."""

    class vault(SecretsManagerVault):  # noqa: N801
        """Puts each token back."""

        def published(self, client_id: str) -> Published | None:
            """Read, and write."""
            published = super().published(client_id)
            if published and published.token:
                name = token_secret(ACCOUNT, client_id)
                self._client.put_secret_value(SecretId=name, SecretString=published.token.document())
            return published


class LogsInForEachStep(World):
    """A rotation is taken to begin with each step."""

    class vault(SecretsManagerVault):  # noqa: N801
        """Knows of no version that Secrets Manager made."""

        def rotation_began(self, client_id: str, version_id: str) -> datetime | None:  # noqa: ARG002  not heeded
            """Tell nothing."""
            return None


class LeavesTheRotationsVersion(World):
    """A rotation's version has the token, and no label that tells so."""

    class vault(SecretsManagerVault):  # noqa: N801
        """Does not copy."""

        def copy(self, token: AccessToken, version_id: str, *, instead_of: str) -> bool:  # noqa: ARG002  not heeded
            """Do nothing."""
            return False


class LeavesItPending(World):
    """A rotation that is over is still under way for Secrets Manager."""

    class vault(SecretsManagerVault):  # noqa: N801
        """Leaves AWSPENDING alone."""

        def unstage(self, client_id: str, version_id: str) -> None:
            """Do nothing."""


class LetsErrorsThrough(World):
    """What botocore raises is not turned into an error of the house."""

    class vault(SecretsManagerVault):  # noqa: N801
        """Has no errors of its own."""

        def _call(self, operation: str, name: str, call: Callable[[], Answer], *, within: float = 27.0) -> Answer:
            """Call."""
            try:
                return self._deadline.wait_for(call)
            except ClientError as error:
                if "secret value" in error.response["Error"]["Message"]:
                    return super()._call(operation, name, call, within=within)
                raise


class IsWedgedByAFailure(World):
    """One failure leaves something behind that stops all that follows."""

    class story(Rotator):  # noqa: N801
        """Cannot forget."""

        def refresh(self, request: Request) -> Outcome:
            """Remember that there was a failure."""
            if vars(self).get("is_wedged"):
                raise VaultFailed("A pending version is in the way")
            try:
                return super().refresh(request)
            except RotatorError:
                vars(self)["is_wedged"] = True
                raise


def quiet(lived: World) -> None:
    """Let two days of fair weather go by."""
    lived.run(2)


def another_client_secret(lived: World) -> None:
    """Change the client secret at movieXchange, and force a token."""
    lived.engine.run(HOUR)
    lived.change_client_secret()
    lived.invoke(Request(client_id=WEBSITE, force=True))
    lived.run(1)


def two_at_once(lived: World) -> None:
    """Force a token twice at the same time."""
    lived.engine.run(HOUR)
    for _ in range(2):
        lived.invoke(Request(client_id=WEBSITE, force=True))
    lived.run(1)


def a_mistyped_password(lived: World) -> None:
    """Put a wrong password."""
    lived.engine.run(HOUR)
    lived.put_credentials(password="mistyped")
    lived.run(1)


def credentials_while_reads_lag(lived: World) -> None:
    """Put credentials again and again, with reads that lag and invocations that come one after the other."""
    lived.weather.climate = replace(FAIR, lagging=0.7, longest_lag=30.0)
    for secret in lived.secrets.values():
        secret.longest_lag = 30.0
    for _ in range(30):
        lived.engine.run(lived.engine.now + HOUR)
        lived.put_credentials()
        for second in range(1, 20):
            lived.engine.later(second, lambda: lived.invoke(Request(client_id=WEBSITE)))
    lived.run(1)


def a_failing_secrets_manager(lived: World) -> None:
    """Have Secrets Manager throttle for an hour."""
    lived.engine.run(HOUR)
    lived.weather.begin(w.THROTTLED, lived.engine.now, HOUR)
    lived.run(1)


def a_mistaken_rejection(lived: World) -> None:
    """Have movieXchange reject right credentials for an hour, at which a token is due."""
    lived.engine.run(6 * HOUR)
    lived.weather.begin(w.MISTAKE, lived.engine.now, HOUR)
    lived.run(1)


def a_revoked_token(lived: World) -> None:
    """Have every token ended that is an hour old."""
    lived.engine.run(HOUR)
    lived.revoke()
    lived.run(1)


def a_rotation(lived: World) -> None:
    """Have Secrets Manager rotate, and take the first step twice."""
    lived.engine.run(HOUR)
    lived.rotate(WEBSITE)
    lived.engine.run(2 * HOUR)
    step = Step(name="create", client_id=WEBSITE, version_id=f"rotation-{WEBSITE}-{HOUR}")
    lived.engine.start(Invocation(lived, Request(client_id=WEBSITE), step=step).run)
    lived.run(1)


def many_at_once_where_log_ins_revoke(lived: World) -> None:
    """Force tokens within a second, again and again."""
    lived.account.revokes_older = True
    lived.weather.thrown["forced"] = 180
    for _ in range(60):
        lived.engine.run(lived.engine.now + HOUR)
        for second in (0.0, 0.5, 0.8):
            lived.engine.later(second, lambda: lived.invoke(Request(client_id=WEBSITE, force=True)))
    lived.run(1)


BROKEN: list[tuple[type[World], Callable[[World], None], Invariant]] = [
    (RefreshesNever, quiet, Invariant.NONE_EXPIRED),
    (RefreshesLate, quiet, Invariant.OUTLIVES_CACHES),
    (PublishesWhatIsRefused, another_client_secret, Invariant.ISSUED_AND_VERIFIED),
    (LastWriterWins, two_at_once, Invariant.FORWARD),
    (TrustsEveryRead, credentials_while_reads_lag, Invariant.FORWARD),
    (LabelsNothing, a_mistyped_password, Invariant.TRIED_ONCE),
    (WritesWhatItReads, quiet, Invariant.QUIET),
    (TimerWorld, quiet, Invariant.WITHIN_SETTINGS),
    (LetsErrorsThrough, a_failing_secrets_manager, Invariant.ENDS_WELL),
    (LeavesLabels, a_mistaken_rejection, Invariant.UNLABELLED),
    (HearsNoReports, a_revoked_token, Invariant.REPORTED),
    (LetsFirstComeFirst, many_at_once_where_log_ins_revoke, Invariant.WORKS),
    (IsWedgedByAFailure, a_failing_secrets_manager, Invariant.REPAIRS),
    (LogsInForEachStep, a_rotation, Invariant.ROTATED_ONCE),
    (LeavesTheRotationsVersion, a_rotation, Invariant.ROTATED),
    (LeavesItPending, a_rotation, Invariant.NONE_PENDING),
]


@pytest.mark.parametrize(("broken", "scene", "invariant"), BROKEN, ids=lambda value: getattr(value, "__name__", None))
def test_a_story_that_is_broken_is_caught(
    broken: type[World], scene: Callable[[World], None], invariant: Invariant
) -> None:
    """Each invariant can fail, and says by its name which one it is."""
    lived = broken(1, FAIR, native_rotation=scene is a_rotation)
    lived.invariants.is_strict = False
    lived.live()
    scene(lived)

    assert invariant in {each.invariant for each in lived.invariants.violations}


def test_each_invariant_has_a_story_that_breaks_it() -> None:
    """None is there that cannot fail."""
    assert {invariant for _, _, invariant in BROKEN} == set(Invariant)


@pytest.mark.parametrize("scene", dict.fromkeys(scene for _, scene, _ in BROKEN))
def test_the_story_as_it_is_survives_the_same(scene: Callable[[World], None]) -> None:
    """It is the breakage that is caught, and not the scene."""
    lived = World(1, FAIR, native_rotation=scene is a_rotation)
    lived.live()
    scene(lived)

    assert lived.invocations["fresh"] > 0


REQUESTS = st.builds(Request, client_id=st.just(WEBSITE), force=st.booleans(), dry_run=st.booleans())


class AnythingInAnyOrder(RuleBasedStateMachine):
    """What Hypothesis may do to a world; what it finds it makes as short as it can."""

    lived: World

    @initialize(seed=st.integers(0, 10_000), keep=st.booleans(), revokes=st.booleans(), rotates=st.booleans())
    def begin(self, seed: int, *, keep: bool, revokes: bool, rotates: bool) -> None:
        """Deploy the stack and fill the credentials."""
        climate = replace(w.ROUGH, days_between=float("inf"), chance=0.0)
        self.lived = World(seed, climate, keep_refresh_token=keep, revokes_older=revokes, native_rotation=rotates)
        self.lived.live()

    @rule(minutes=st.integers(1, 600))
    def wait(self, minutes: int) -> None:
        """Let time pass."""
        self.lived.engine.run(self.lived.engine.now + minutes * MINUTE)

    @rule(kind=st.sampled_from(w.STRETCHES), minutes=st.integers(1, 400))
    def begin_trouble(self, kind: str, minutes: int) -> None:
        """Have something go wrong for a while."""
        self.lived.weather.begin(kind, self.lived.engine.now, minutes * MINUTE)

    @rule()
    def end_trouble(self) -> None:
        """Have all be well again."""
        self.lived.weather.clear(self.lived.engine.now)

    @rule(step=st.integers(1, 20), request=REQUESTS)
    def crash(self, step: int, request: Request) -> None:
        """Invoke, and crash before or after a call."""
        self.lived.steps_to_crash = step
        self.invoke(1, request)

    @rule(times=st.integers(1, 3), request=REQUESTS)
    def invoke(self, times: int, request: Request) -> None:
        """Invoke, more than once at the same time."""
        for _ in range(times):
            self.lived.insist_on(request)

    @rule()
    def rotate(self) -> None:
        """Have Secrets Manager rotate, if it does in this world."""
        if self.lived.native_rotation:
            self.lived.rotate(WEBSITE)

    @rule()
    def report(self) -> None:
        """Report what is published, rightly or wrongly."""
        current = self.lived.tokens[WEBSITE].current
        if current:
            self.lived.report(WEBSITE, current.id)

    @rule(deed=st.sampled_from(["change_password", "change_client_secret", "mistype_credentials", "put_credentials"]))
    def change_credentials(self, deed: str) -> None:
        """Have a person change something."""
        getattr(self.lived, deed)()

    @rule(deed=st.sampled_from(["roll_back_credentials", "roll_back_token", "revoke"]))
    def go_back(self, deed: str) -> None:
        """Have a person undo something."""
        getattr(self.lived, deed)()

    def teardown(self) -> None:
        """Let a day pass, in which all must come right."""
        self.lived.run(1)


def test_whatever_is_thought_of_every_invariant_holds() -> None:
    """Hypothesis thinks of it, and each step is held to every invariant."""
    run_state_machine_as_test(
        AnythingInAnyOrder, settings=settings(max_examples=150, stateful_step_count=30, deadline=None, derandomize=True)
    )


def test_a_world_is_drawn_with_what_its_seed_says() -> None:
    """Some have fair weather, keep refresh tokens, revoke older ones, have Secrets Manager rotate; settings differ."""
    worlds = [world(seed) for seed in range(32)]
    drawn = [
        (each.weather.climate, each.promise, each.keep_refresh_token, each.account.revokes_older, each.native_rotation)
        for each in worlds
    ]

    assert [len({str(draw) for draw in draws}) for draws in zip(*drawn, strict=True)] == [2, 6, 2, 2, 2]

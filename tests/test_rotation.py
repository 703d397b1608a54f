"""Secrets Manager's four steps, on a Secrets Manager that follows its documentation where the emulators do not.

Neither moto nor MiniStack rotates as AWS does: MiniStack copies the value and calls nobody, moto calls no function
outside Docker. So the tests play Secrets Manager's part, which is to make a version without a value, to label it
AWSPENDING, and to call the steps in turn.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast

import pytest

from mx_token_rotator.deadline import Deadline
from mx_token_rotator.errors import (
    CredentialsRejected,
    MovieXchangeMisbehaved,
    MovieXchangeUnavailable,
    RequestInvalid,
    RotatorError,
    TokenRefused,
    VaultFailed,
)
from mx_token_rotator.refresh import Outcome, Request, Rotator, Rules
from mx_token_rotator.rotation import Rotation, Step
from mx_token_rotator.tokens import AccessToken
from mx_token_rotator.vault import SecretsManagerVault, credentials_secret, token_secret
from simulation.secrets_manager import CURRENT, PENDING, Client, Secret, failure
from simulation.world import STEPS
from tests.fakes import CLIENT_ID, FakeMovieXchange, a_token

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

ACCOUNT = "moviexchange/staging"
TOKEN_SECRET = token_secret(ACCOUNT, CLIENT_ID)
VERSION = "11111111-2222-4333-8444-555555555555"
NEXT = "99999999-2222-4333-8444-555555555555"
FILLED = '{"username": "user", "password": "pass", "client_secret": "a-client-secret"}'


@dataclass
class Rotated:
    """A token secret with a token in it, and what acts on it: ticks, and Secrets Manager."""

    mx: FakeMovieXchange
    now: float = 0.0
    skew: timedelta = timedelta()
    read_at: float | None = None
    secrets: dict[str, Secret] = field(default_factory=dict)
    trouble: dict[str, str] = field(default_factory=dict)
    between: dict[str, Callable[[], object]] = field(default_factory=dict)
    reported: list[RotatorError] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Fill the credentials, and publish a token."""
        self.secrets = {credentials_secret(ACCOUNT): Secret(0.0), TOKEN_SECRET: Secret(longest_lag=100.0)}
        self.secrets[credentials_secret(ACCOUNT)].put("credentials-1", FILLED, self.now)
        self.tick()

    @property
    def secret(self) -> Secret:
        """The token secret."""
        return self.secrets[TOKEN_SECRET]

    @property
    def published(self) -> AccessToken | None:
        """What an app reads."""
        return AccessToken.parse(self.secret.current.text, client_id=CLIENT_ID) if self.secret.current else None

    def reach(self, operation: str, name: str, act: Callable[[Secret, float], dict[str, object]]) -> dict[str, object]:
        """Call Secrets Manager; another may come first, and a call may fail."""
        self.now += 1.0
        self.calls.append(operation)
        self.between.pop(operation, lambda: None)()
        if operation in self.trouble:
            raise failure(operation, self.trouble[operation])
        at, self.read_at = self.read_at or self.now, None
        return act(self.secrets[name], at)

    def rotation(self) -> Rotation:
        """Wire the rooms together."""
        observed: list[AccessToken | None] = []
        vault = SecretsManagerVault(cast("SecretsManagerClient", Client(self.reach)), ACCOUNT, Deadline(lambda: 3600.0))
        rotator = Rotator(
            vault=vault,
            moviexchange=self.mx,
            rules=Rules(
                refresh_at_percent=50,
                min_token_age=timedelta(seconds=900),
                keep_refresh_token=False,
                native_rotation=True,
            ),
            clock=self.clock,
            observe=observed.append,
            report=self.reported.append,
        )
        return Rotation(rotator=rotator, vault=vault, observed=observed)

    def clock(self) -> datetime:
        """Tell the time, soon after the fakes' token was issued."""
        return a_token().issued_at + timedelta(seconds=self.now) + self.skew

    def tick(self, *, force: bool = False) -> Outcome:
        """Serve a request of EventBridge's or a person's, as the handler does."""
        rotation = self.rotation()
        outcome = rotation.rotator.refresh(Request(client_id=CLIENT_ID, force=force))
        if outcome.outcome == "refreshed":
            rotation.give_way(CLIENT_ID)
        return outcome

    def next_token(self, access_token: str, *, seconds: int = 0) -> None:
        """Have movieXchange issue this token at the next log-in, so much later than the first one."""
        self.mx.token = a_token(access_token=access_token, issued_at=a_token().issued_at + timedelta(seconds=seconds))

    def begin(self, version_id: str = VERSION) -> str:
        """Begin a rotation, as RotateSecret does, and tell the id of its version."""
        self.now += 1.0
        return self.secret.begin_rotation(version_id, self.now)

    def take(self, *names: str, version_id: str = VERSION) -> list[Outcome]:
        """Have steps taken."""
        steps = [Step(name=name, client_id=CLIENT_ID, version_id=version_id) for name in names]
        return [self.rotation().take(step) for step in steps]


@pytest.fixture
def rotated() -> Rotated:
    """Give a token secret in whose account movieXchange would issue another token now."""
    made = Rotated(FakeMovieXchange(token=a_token()))
    made.next_token("another")
    made.mx.calls.clear()
    return made


def test_a_rotation_publishes_another_token_under_its_own_version(rotated: Rotated) -> None:
    """Secrets Manager finds its version current, and apps another token."""
    rotated.begin()
    rotated.take(*STEPS)

    assert (rotated.secret.state.labels[CURRENT], rotated.published) == (VERSION, a_token(access_token="another"))


def test_a_rotation_logs_in_once_and_shows_the_token_once(rotated: Rotated) -> None:
    """Four steps ask no more of movieXchange than one tick."""
    rotated.begin()
    rotated.take(*STEPS)

    assert rotated.mx.calls == ["log_in", "verify another"]


def test_nothing_is_pending_after_a_rotation(rotated: Rotated) -> None:
    """The next one may begin."""
    rotated.begin()
    rotated.take(*STEPS)

    assert rotated.begin(NEXT) == NEXT


def test_apps_have_the_token_after_the_first_step(rotated: Rotated) -> None:
    """Nothing waits for the steps that follow."""
    rotated.begin()
    rotated.take("create")

    assert rotated.published == a_token(access_token="another")


def test_the_first_step_tells_of_the_rotations_version(rotated: Rotated) -> None:
    """It is the one that apps see from now on."""
    rotated.begin()
    (outcome,) = rotated.take("create")

    assert (outcome.outcome, outcome.reason, outcome.version_id) == ("refreshed", "rotation", VERSION)


@pytest.mark.parametrize("name", STEPS[1:])
def test_a_later_step_changes_nothing_that_is_published(rotated: Rotated, name: str) -> None:
    """It finds the rotation done, or not begun."""
    rotated.begin()
    (outcome,) = rotated.take(name)

    assert (outcome.outcome, outcome.reason, rotated.published) == ("kept", "fresh", a_token())


@pytest.mark.parametrize("names", [("create", "create"), STEPS * 2, ("create", "finish", "create", "finish")])
def test_steps_that_come_again_log_in_once(rotated: Rotated, names: tuple[str, ...]) -> None:
    """Secrets Manager tries a rotation again from its first step."""
    rotated.begin()
    rotated.take(*names)

    assert rotated.mx.calls == ["log_in", "verify another"]


def test_a_first_step_that_comes_again_writes_nothing(rotated: Rotated) -> None:
    """It reads when the rotation began, and that what is published is no older."""
    rotated.begin()
    rotated.take("create")
    rotated.calls.clear()
    rotated.take("create")

    assert rotated.calls == ["ListSecretVersionIds", "GetSecretValue", "DescribeSecret"]


def test_a_token_that_was_published_since_is_the_rotations(rotated: Rotated) -> None:
    """A tick that came between the beginning and the first step has done what was asked for."""
    rotated.begin()
    rotated.tick(force=True)
    rotated.take(*STEPS)

    assert (rotated.secret.state.labels[CURRENT], rotated.mx.calls) == (VERSION, ["log_in", "verify another"])


def test_a_first_rotation_fills_an_empty_secret(rotated: Rotated) -> None:
    """It does what the first tick does."""
    rotated.secrets[TOKEN_SECRET] = Secret(0.0)
    rotated.begin()
    rotated.take(*STEPS)

    assert (rotated.secret.state.labels[CURRENT], rotated.published) == (VERSION, a_token(access_token="another"))


FAILURES: list[tuple[Callable[[Rotated], object], type[RotatorError]]] = [
    (lambda rotated: setattr(rotated.mx, "refusal", CredentialsRejected("no")), CredentialsRejected),
    (lambda rotated: setattr(rotated.mx, "refusal", MovieXchangeUnavailable("away")), MovieXchangeUnavailable),
    (lambda rotated: setattr(rotated.mx, "verdict", TokenRefused("no")), TokenRefused),
    (lambda rotated: setattr(rotated.mx, "verdict", False), MovieXchangeUnavailable),
    (lambda rotated: setattr(rotated.mx, "token", a_token()), MovieXchangeMisbehaved),
    (lambda rotated: rotated.trouble.update(PutSecretValue="ThrottlingException"), VaultFailed),
]


@pytest.mark.parametrize(("befall", "error"), FAILURES)
def test_a_rotation_that_cannot_be_is_an_error_and_is_in_nobodys_way(
    rotated: Rotated, befall: Callable[[Rotated], object], error: type[RotatorError]
) -> None:
    """Secrets Manager must not take it for done; apps keep their token, and the next rotation begins."""
    rotated.begin()
    befall(rotated)
    with pytest.raises(error):
        rotated.take("create")

    assert (rotated.published, rotated.begin(NEXT)) == (a_token(), NEXT)


def test_rejected_credentials_are_not_tried_by_a_rotation(rotated: Rotated) -> None:
    """It may come often, and a wrong password must not be tried again and again."""
    rotated.secrets[credentials_secret(ACCOUNT)].move("REJECTED", "credentials-1", rotated.now)
    rotated.begin()
    with pytest.raises(CredentialsRejected):
        rotated.take("create")

    assert rotated.mx.calls == []


@pytest.mark.parametrize(
    "trouble",
    [
        {"UpdateSecretVersionStage": "AccessDeniedException"},
        {"UpdateSecretVersionStage": "ThrottlingException", "ListSecretVersionIds": "ThrottlingException"},
    ],
)
def test_a_label_that_cannot_be_taken_away_is_reported(rotated: Rotated, trouble: dict[str, str]) -> None:
    """It costs no token, but the next rotation waits for the next publication."""
    rotated.begin()
    rotated.take("create")
    rotated.trouble.update(trouble)
    rotated.take("finish")

    assert [type(each) for each in rotated.reported] == [VaultFailed]


@pytest.mark.parametrize("skew", [timedelta(hours=-1), timedelta(hours=1)])
def test_a_clock_that_is_off_has_no_rotation_log_in_twice(rotated: Rotated, skew: timedelta) -> None:
    """What came first is told by Secrets Manager's clock alone."""
    rotated.skew = skew
    rotated.begin()
    rotated.take(*STEPS * 2)

    assert rotated.mx.calls == ["log_in", "verify another"]


def test_a_rotation_that_broke_off_before_its_copy_is_ended_without_another_log_in(rotated: Rotated) -> None:
    """Secrets Manager tries it again, and finds the token published."""
    rotated.begin()
    rotated.trouble.update(UpdateSecretVersionStage="InternalServiceError")
    with pytest.raises(VaultFailed):
        rotated.take("create")
    rotated.trouble.clear()
    rotated.take(*STEPS)

    assert (rotated.secret.state.labels[CURRENT], rotated.mx.calls) == (VERSION, ["log_in", "verify another"])


def test_a_tick_that_publishes_ends_a_rotation_that_broke_off(rotated: Rotated) -> None:
    """What was copied is not published any more, and must not stay pending."""
    rotated.begin()
    rotated.take("create")
    rotated.next_token("a third")
    rotated.tick(force=True)

    assert (rotated.published, PENDING in rotated.secret.state.labels) == (a_token(access_token="a third"), False)


def test_a_quiet_tick_leaves_a_rotation_alone(rotated: Rotated) -> None:
    """Its last step is still to come."""
    rotated.begin()
    rotated.take("create")
    rotated.tick()

    assert rotated.secret.state.labels[PENDING] == VERSION


def test_a_tick_that_cannot_end_a_rotation_reports_it(rotated: Rotated) -> None:
    """Its token is published, so it is no failure of the tick."""
    rotated.trouble.update(ListSecretVersionIds="AccessDeniedException")
    outcome = rotated.tick(force=True)

    assert (outcome.outcome, [type(each) for each in rotated.reported]) == ("refreshed", [VaultFailed])


@pytest.mark.parametrize("names", [("finish",), STEPS])
def test_a_rotation_that_was_overtaken_gives_way(rotated: Rotated, names: tuple[str, ...]) -> None:
    """Steps that come after another publication leave that."""
    rotated.begin()
    rotated.take("create")
    rotated.next_token("a third")
    rotated.tick(force=True)
    rotated.take(*names)

    assert (rotated.published, rotated.begin(NEXT)) == (a_token(access_token="a third"), NEXT)


@pytest.mark.parametrize("operation", ["PutSecretValue", "UpdateSecretVersionStage"])
def test_of_a_rotation_and_a_tick_at_the_same_time_the_later_log_in_stays(rotated: Rotated, operation: str) -> None:
    """The tick comes between two calls of the rotation's first step; where log-ins revoke, the later token works."""
    rotated.begin()

    def tick() -> None:
        rotated.next_token("the tick's")
        rotated.mx.ended = "another"
        rotated.tick(force=True)

    rotated.between[operation] = tick
    rotated.take(*STEPS)

    assert (rotated.published, PENDING in rotated.secret.state.labels) == (a_token(access_token="the tick's"), False)


def test_of_two_ticks_that_read_a_token_and_its_copy_the_later_log_in_stays(rotated: Rotated) -> None:
    """One reads before AWSCURRENT moved to the rotation's version, and logs in last; where log-ins revoke."""
    rotated.next_token("another", seconds=1)
    rotated.begin()
    rotated.take("create")
    before_it_moved = rotated.now - 0.5

    def tick() -> None:
        rotated.next_token("of the first to read", seconds=3)
        rotated.mx.ended = "of the first to log in"
        rotated.read_at = before_it_moved
        rotated.tick(force=True)

    rotated.next_token("of the first to log in", seconds=2)
    rotated.between["PutSecretValue"] = tick
    rotated.tick(force=True)

    assert rotated.published is not None
    assert rotated.published.access_token == "of the first to read"


ARN = f"arn:aws:secretsmanager:eu-west-1:123456789012:secret:{TOKEN_SECRET}-AbCdEf"
EVENT = {"Step": "createSecret", "SecretId": ARN, "ClientRequestToken": VERSION}


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("spelling", ["{}Secret", "{}_secret"])
def test_each_step_is_taken_in_both_spellings(name: str, spelling: str) -> None:
    """AWS's functions are sent the first one, and its guide writes the second."""
    step = Step.parse(EVENT | {"Step": spelling.format(name)}, {TOKEN_SECRET: CLIENT_ID})

    assert step == Step(name=name, client_id=CLIENT_ID, version_id=VERSION)


def test_what_else_secrets_manager_sends_is_left_alone() -> None:
    """A function of the secret's own account does not need the RotationToken."""
    assert Step.parse(EVENT | {"RotationToken": "t"}, {TOKEN_SECRET: CLIENT_ID}).version_id == VERSION


@pytest.mark.parametrize(
    ("member", "value"),
    [
        *(("Step", value) for value in ("", "create", "createSecrets", "finish-secret", None, 4, ["createSecret"])),
        ("SecretId", TOKEN_SECRET),
        ("SecretId", ARN.replace(CLIENT_ID, "FooTickets_Kiosk")),
        ("SecretId", ARN.replace("/tokens/", "/refresh-tokens/")),
        ("SecretId", ARN.replace("staging", "production")),
        ("SecretId", ARN + "2"),
        ("SecretId", None),
        *(("ClientRequestToken", value) for value in ("", "x" * 31, "x" * 65, VERSION + "\n", VERSION + "/", None, 4)),
    ],
)
def test_a_step_that_is_none_of_ours_names_its_member(member: str, value: object) -> None:
    """Whoever sent it reads what is wrong with it."""
    with pytest.raises(RequestInvalid, match=f"The member {member} is "):
        Step.parse(EVENT | {member: value}, {TOKEN_SECRET: CLIENT_ID})

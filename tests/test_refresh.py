"""The story, told with fakes of its two roles."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mx_token_rotator.errors import (
    CredentialsInvalid,
    CredentialsRejected,
    MovieXchangeMisbehaved,
    MovieXchangeUnavailable,
    RequestInvalid,
    RotatorError,
    TokenRefused,
    VaultFailed,
)
from mx_token_rotator.refresh import LONGEST_LAG, Due, Kept, Outcome, Request, Rotator, Rules, decide
from mx_token_rotator.tokens import AccessToken, CredentialsVersions, Published, RefreshToken
from tests.fakes import (
    CLIENT_ID,
    ISSUED_AT,
    LIFETIME,
    FakeMovieXchange,
    FakeVault,
    a_refresh_token,
    a_token,
    published,
)

RULES = Rules(refresh_at_percent=50, min_token_age=timedelta(seconds=900), keep_refresh_token=False)
CHANGED = CredentialsVersions(current="credentials-2", labelled=frozenset({"credentials-1", "credentials-2"}))
LONG_AGO = ISSUED_AT - timedelta(days=1)
SOON = ISSUED_AT + timedelta(seconds=2)
UNSEEN = CredentialsVersions(current="credentials-0", labelled=frozenset({"credentials-0"}))
QUIET = Request(client_id=CLIENT_ID)
REPORTED = Request(client_id=CLIENT_ID, rejected_version="version-1")
FORCED = Request(client_id=CLIENT_ID, force=True)
DRY = Request(client_id=CLIENT_ID, force=True, dry_run=True)
AN_HOUR = timedelta(hours=1)
UNREADABLE = Published(version_id="version-1", token=None)


@dataclass
class Scene:
    """A vault with a published token, a movieXchange with another one, and an hour of the first one's life gone."""

    vault: FakeVault = field(default_factory=lambda: FakeVault(now=published()))
    mx: FakeMovieXchange = field(default_factory=lambda: FakeMovieXchange(a_token(access_token="another")))
    now: datetime = ISSUED_AT + AN_HOUR
    rules: Rules = RULES
    seen: list[AccessToken | None] = field(default_factory=list)
    reported: list[RotatorError] = field(default_factory=list)

    def refresh(self, request: Request = QUIET) -> Outcome:
        """Tell the story."""
        rotator = Rotator(
            vault=self.vault,
            moviexchange=self.mx,
            rules=self.rules,
            clock=lambda: self.now,
            observe=self.seen.append,
            report=self.reported.append,
        )
        return rotator.refresh(request)

    def reason(self, request: Request = QUIET) -> tuple[str, str]:
        """Tell the story, and give what came of it."""
        outcome = self.refresh(request)
        return outcome.outcome, outcome.reason


def test_the_first_token_is_published() -> None:
    """Where nothing ever was, there is no doubt."""
    assert Scene(vault=FakeVault()).reason() == ("refreshed", "first")


def test_a_fresh_token_is_kept() -> None:
    """An hour of twelve is no reason."""
    assert Scene().reason() == ("kept", "fresh")


def test_a_quiet_tick_reads_the_token_and_the_credentials_version_alone() -> None:
    """No password is read, and nobody logs in."""
    scene = Scene()
    scene.refresh()

    assert (scene.vault.calls, scene.mx.calls) == ([f"published {CLIENT_ID}", "credentials_versions"], [])


def test_a_refresh_reads_logs_in_verifies_and_publishes_once() -> None:
    """Each step once, in the story's order."""
    scene = Scene()
    scene.refresh(FORCED)

    assert (scene.vault.calls, scene.mx.calls) == (
        [f"published {CLIENT_ID}", "credentials_versions", "credentials", "publish"],
        ["log_in", "verify another"],
    )


def test_the_outcome_of_a_refresh_tells_of_the_new_token() -> None:
    """Its version, and its end."""
    assert Scene().refresh(FORCED) == Outcome(
        client_id=CLIENT_ID,
        outcome="refreshed",
        reason="forced",
        version_id="version-2",
        expires_at="2026-11-24T14:00:00Z",
    )


def test_the_outcome_of_keeping_tells_of_the_old_token() -> None:
    """What is published is what apps have."""
    assert Scene().refresh().version_id == "version-1"


@pytest.mark.parametrize(
    ("left", "reason"), [(timedelta(seconds=1), ("kept", "fresh")), (timedelta(), ("refreshed", "expiring"))]
)
def test_a_token_is_replaced_at_half_its_life(left: timedelta, reason: tuple[str, str]) -> None:
    """Not a second earlier."""
    assert Scene(now=ISSUED_AT + LIFETIME / 2 - left).reason() == reason


def test_a_token_of_other_credentials_is_replaced_at_once() -> None:
    """A new version of the credentials is a reason by itself."""
    assert Scene(vault=FakeVault(now=published(), versions=CHANGED)).reason() == (
        "refreshed",
        "credentials changed",
    )


def test_a_new_token_bears_the_version_of_its_credentials() -> None:
    """So the next tick knows that they were used."""
    scene = Scene(vault=FakeVault(now=published(), versions=CHANGED))
    scene.refresh()

    assert scene.reason() == ("kept", "fresh")


def test_a_reported_token_is_replaced() -> None:
    """An app saw that very version refused."""
    assert Scene().reason(REPORTED) == ("refreshed", "rejected")


def test_a_report_of_a_version_that_was_replaced_is_no_reason() -> None:
    """Duplicates and late reports cost nothing."""
    request = Request(client_id=CLIENT_ID, rejected_version="version-0")

    assert Scene().reason(request) == ("kept", "already replaced")


@pytest.mark.parametrize(("age", "reason"), [(899, ("kept", "too young")), (900, ("refreshed", "rejected"))])
def test_a_report_of_a_young_token_is_no_reason(age: int, reason: tuple[str, str]) -> None:
    """An app that reports wrongly cannot use up the versions of a day."""
    assert Scene(now=ISSUED_AT + timedelta(seconds=age)).reason(REPORTED) == reason


def test_a_forced_token_is_replaced_whatever_its_age() -> None:
    """A person may insist."""
    assert Scene(now=ISSUED_AT).reason(FORCED) == ("refreshed", "forced")


def test_an_unreadable_value_is_repaired() -> None:
    """What is no document of ours gives way."""
    assert Scene(vault=FakeVault(now=UNREADABLE)).reason() == ("refreshed", "unreadable")


def test_a_dry_run_says_so() -> None:
    """The outcome tells what would have happened, and what is published still."""
    outcome = Scene().refresh(DRY)

    assert (outcome.outcome, outcome.reason, outcome.version_id) == ("kept", "dry run: forced", "version-1")


def test_a_dry_run_does_everything_but_publish() -> None:
    """It logs in and verifies."""
    scene = Scene()
    scene.refresh(DRY)

    assert (scene.mx.calls, "publish" in scene.vault.calls) == (["log_in", "verify another"], False)


def test_a_dry_run_of_what_is_fresh_does_nothing() -> None:
    """Without force there is nothing to try."""
    assert Scene().reason(Request(client_id=CLIENT_ID, dry_run=True)) == ("kept", "dry run: fresh")


def test_a_refused_token_is_not_published() -> None:
    """Verification is there for this."""
    scene = Scene(mx=FakeMovieXchange(a_token(), verdict=TokenRefused("HTTP 403")))
    with pytest.raises(TokenRefused):
        scene.refresh(FORCED)

    assert scene.vault.now == published()


@pytest.mark.parametrize(
    ("vault", "now", "request_", "reason"),
    [
        (FakeVault(), ISSUED_AT, QUIET, ("refreshed", "first")),
        (FakeVault(now=UNREADABLE), ISSUED_AT, QUIET, ("refreshed", "unreadable")),
        (FakeVault(now=published()), ISSUED_AT + AN_HOUR, REPORTED, ("refreshed", "rejected")),
        (FakeVault(now=published()), ISSUED_AT + AN_HOUR, FORCED, ("kept", "unverified")),
        (FakeVault(now=published()), ISSUED_AT + LIFETIME * 0.749, QUIET, ("kept", "unverified")),
        (FakeVault(now=published()), ISSUED_AT + LIFETIME * 0.75, QUIET, ("refreshed", "expiring")),
    ],
)
def test_without_a_verdict_only_what_is_worse_gives_way(
    vault: FakeVault, now: datetime, request_: Request, reason: tuple[str, str]
) -> None:
    """An unverified token is published where apps have nothing usable, or not for long."""
    scene = Scene(vault, FakeMovieXchange(a_token(access_token="another"), verdict=False), now)

    assert scene.reason(request_) == reason


def test_the_same_token_is_not_written_twice() -> None:
    """MovieXchange may hand out what is published already."""
    scene = Scene(mx=FakeMovieXchange(a_token(expires_at=ISSUED_AT + LIFETIME + AN_HOUR)))

    assert (scene.reason(FORCED), "publish" in scene.vault.calls) == (("kept", "same token"), False)


def test_the_same_token_with_another_client_secret_is_written() -> None:
    """Apps need the new client secret, and the next tick the new version."""
    scene = Scene(
        FakeVault(now=published(client_secret="older", credentials_version="older"), created_at=ISSUED_AT),
        FakeMovieXchange(a_token()),
    )

    assert scene.reason() == ("refreshed", "credentials changed")


def test_the_observer_is_told_what_is_published_now() -> None:
    """First what was read, then what took its place."""
    scene = Scene()
    scene.refresh(FORCED)

    assert [token and token.access_token for token in scene.seen] == ["an-access-token", "another"]


@pytest.mark.parametrize("now", [None, UNREADABLE])
def test_the_observer_is_told_when_nothing_usable_is_published(now: Published | None) -> None:
    """Also of a refresh that then fails."""
    scene = Scene(FakeVault(now=now, trouble={"credentials": CredentialsInvalid("empty", "secret")}))
    with pytest.raises(CredentialsInvalid):
        scene.refresh()

    assert scene.seen == [None]


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda scene: setattr(scene.vault, "trouble", {f"published {CLIENT_ID}": VaultFailed("x")}), VaultFailed),
        (lambda scene: setattr(scene.vault, "trouble", {"credentials_versions": VaultFailed("x")}), VaultFailed),
        (lambda scene: setattr(scene.vault, "trouble", {"publish": VaultFailed("x")}), VaultFailed),
        (lambda scene: setattr(scene.mx, "refusal", CredentialsRejected("x")), CredentialsRejected),
        (lambda scene: setattr(scene.mx, "refusal", MovieXchangeUnavailable("x")), MovieXchangeUnavailable),
        (lambda scene: setattr(scene.mx, "refusal", MovieXchangeMisbehaved("x")), MovieXchangeMisbehaved),
    ],
)
def test_a_failed_step_is_raised_and_costs_no_token(spoil: Callable[[Scene], None], error: type[RotatorError]) -> None:
    """What is published stays as it was."""
    scene = Scene()
    spoil(scene)
    with pytest.raises(error):
        scene.refresh(FORCED)

    assert scene.vault.now == published()


@pytest.mark.parametrize(
    ("held", "version", "request_", "after", "reason"),
    [
        (None, "credentials-2", FORCED, LIFETIME, Due.FIRST),
        (UNREADABLE, "credentials-2", FORCED, LIFETIME, Due.UNREADABLE),
        (published(), "credentials-2", REPORTED, LIFETIME, Due.REJECTED),
        (published(), "credentials-2", FORCED, LIFETIME, Due.CREDENTIALS_CHANGED),
        (published(), "credentials-1", FORCED, LIFETIME, Due.EXPIRING),
        (published(), "credentials-1", FORCED, AN_HOUR, Due.FORCED),
        (published(), None, QUIET, AN_HOUR, Due.CREDENTIALS_CHANGED),
        (published(), "credentials-2", REPORTED, timedelta(), Due.CREDENTIALS_CHANGED),
        (published(), "credentials-1", REPORTED, timedelta(), Kept.TOO_YOUNG),
        (published(), "credentials-1", QUIET, timedelta(), Kept.FRESH),
    ],
)
def test_the_first_reason_that_holds_is_given(
    held: Published | None, version: str | None, request_: Request, after: timedelta, reason: Due | Kept
) -> None:
    """Where several hold, the one that says most about the cause."""
    assert decide(held, version, request_, RULES, ISSUED_AT + after) is reason


GUARDED = CredentialsVersions(current="credentials-1", rejected="credentials-1", labelled=frozenset({"credentials-1"}))
REJECTED = CredentialsRejected("HTTP 400 with the OAuth error invalid_grant")
HALF_TIME = ISSUED_AT + LIFETIME / 2
LAST_QUARTER = ISSUED_AT + LIFETIME * 0.75


def test_rejected_credentials_are_labelled() -> None:
    """Whoever looks next sees that they need not be tried."""
    scene = Scene(mx=FakeMovieXchange(a_token(), refusal=REJECTED), now=HALF_TIME)
    with pytest.raises(CredentialsRejected):
        scene.refresh()

    assert scene.vault.versions.rejected == "credentials-1"


def test_a_refused_client_id_says_nothing_of_the_credentials() -> None:
    """Another client ID may do with them, so they are not labelled."""
    refusal = CredentialsRejected("HTTP 400 with the OAuth error invalid_client", of_client_id=True)
    scene = Scene(mx=FakeMovieXchange(a_token(), refusal=refusal), now=HALF_TIME)
    with pytest.raises(CredentialsRejected):
        scene.refresh()

    assert scene.vault.versions.rejected is None


@pytest.mark.parametrize(
    ("now", "percent"),
    [(ISSUED_AT, 50), (HALF_TIME, 50), (LAST_QUARTER - timedelta(seconds=1), 50), (LAST_QUARTER, 90)],
)
def test_credentials_that_were_rejected_are_not_tried_again(now: datetime, percent: int) -> None:
    """A quiet tick raises the error all the same, and nobody logs in."""
    rules = replace(RULES, refresh_at_percent=percent)
    scene = Scene(FakeVault(now=published(), versions=GUARDED), now=now, rules=rules)
    with pytest.raises(CredentialsRejected, match="version credentials-1 of the credentials before"):
        scene.refresh()

    assert (scene.vault.calls, scene.mx.calls) == ([f"published {CLIENT_ID}", "credentials_versions"], [])


def test_a_first_fill_that_was_rejected_is_not_tried_again() -> None:
    """Where no app ever had a token, there is nothing to save."""
    scene = Scene(FakeVault(versions=GUARDED))
    with pytest.raises(CredentialsRejected):
        scene.refresh()

    assert scene.mx.calls == []


def test_a_new_version_is_tried_whatever_became_of_the_one_before() -> None:
    """The label stays with the version that it was put on."""
    versions = replace(CHANGED, rejected="credentials-1")

    assert Scene(FakeVault(now=published(), versions=versions)).reason() == ("refreshed", "credentials changed")


@pytest.mark.parametrize(
    ("vault", "now", "request_", "reason"),
    [
        (FakeVault(now=published(), versions=GUARDED), LAST_QUARTER, QUIET, "expiring"),
        (FakeVault(now=UNREADABLE, versions=GUARDED), ISSUED_AT, QUIET, "unreadable"),
        (FakeVault(now=published(), versions=GUARDED), ISSUED_AT, FORCED, "forced"),
    ],
    ids=["in the last quarter", "where nothing is usable", "by force"],
)
def test_rejected_credentials_have_another_chance(
    vault: FakeVault, now: datetime, request_: Request, reason: str
) -> None:
    """MovieXchange may have been mistaken; and if so, the label is taken away."""
    scene = Scene(vault, now=now)

    assert (scene.reason(request_), vault.versions.rejected) == (("refreshed", reason), None)


def test_a_last_chance_that_fails_leaves_the_label() -> None:
    """It is there already."""
    scene = Scene(
        FakeVault(now=published(), versions=GUARDED), FakeMovieXchange(a_token(), refusal=REJECTED), LAST_QUARTER
    )
    with pytest.raises(CredentialsRejected):
        scene.refresh()

    assert "label_rejected" not in scene.vault.calls


def test_a_label_that_cannot_be_put_is_reported_beside_the_rejection() -> None:
    """The keeper of the credentials must act, and the keeper of the role too."""
    failure = VaultFailed("AccessDeniedException")
    vault = FakeVault(now=published(), trouble={"label_rejected": failure})
    scene = Scene(vault, FakeMovieXchange(a_token(), refusal=REJECTED), HALF_TIME)
    with pytest.raises(CredentialsRejected):
        scene.refresh()

    assert scene.reported == [failure]


def test_a_token_that_another_invocation_replaced_meanwhile_is_left() -> None:
    """One version has one successor; the outcome tells of the one that is there."""
    outcome = Scene(FakeVault(now=published(), came_first=[a_token(access_token="first")])).refresh(FORCED)

    assert (outcome.outcome, outcome.reason, outcome.version_id) == ("kept", "superseded", "version-of-another")


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (a_token(access_token="ended", credentials_version="credentials-2"), ("refreshed", "credentials changed")),
        (a_token(access_token="good", credentials_version="credentials-2"), ("kept", "superseded")),
        (a_token(access_token="good", credentials_version="credentials-1"), ("refreshed", "credentials changed")),
        (a_token(access_token="ended", credentials_version="credentials-3"), ("kept", "superseded")),
    ],
    ids=["ended by our log-in", "as good", "of older credentials", "of newer credentials"],
)
def test_a_token_that_another_published_first_gives_way_if_it_is_worse(
    first: AccessToken, reason: tuple[str, str]
) -> None:
    """Who published first may have logged in first, or with an older password; but credentials do not go back."""
    mx = FakeMovieXchange(a_token(access_token="another"), ended="ended")

    assert Scene(FakeVault(now=published(), versions=CHANGED, came_first=[first]), mx).reason() == reason


def test_credentials_without_a_label_take_nobodys_place() -> None:
    """They may be those of two changes ago, where reads lag; what another published is then of newer ones."""
    vault = FakeVault(
        now=published(credentials_version="credentials-0"),
        versions=CHANGED,
        lagging="credentials-0",
        came_first=[a_token(credentials_version="credentials-1")],
    )

    assert Scene(vault).reason() == ("kept", "superseded")


def test_a_value_that_another_published_first_and_nobody_can_read_is_left() -> None:
    """The next tick repairs it."""
    scene = Scene(FakeVault(now=published(), came_first=[None]))

    assert scene.reason(FORCED) == ("kept", "superseded")


@pytest.mark.parametrize(
    ("versions", "created_at", "now", "request_", "reason"),
    [
        (CHANGED, LONG_AGO, SOON, QUIET, ("refreshed", "credentials changed")),
        (UNSEEN, ISSUED_AT, SOON, QUIET, ("refreshed", "credentials changed")),
        (UNSEEN, LONG_AGO, ISSUED_AT + LONGEST_LAG, QUIET, ("refreshed", "credentials changed")),
        (UNSEEN, LONG_AGO, SOON, FORCED, ("refreshed", "credentials changed")),
        (UNSEEN, LONG_AGO, SOON, QUIET, ("kept", "stale read")),
    ],
    ids=["a person went back", "newer than the token", "no read lags so long", "by force", "not to be seen yet"],
)
def test_older_credentials_than_the_tokens_own_are_not_used_while_reads_may_lag(
    versions: CredentialsVersions, created_at: datetime, now: datetime, request_: Request, reason: tuple[str, str]
) -> None:
    """A read that lags must not undo what a better one did; a person who goes back may."""
    vault = FakeVault(now=published(), versions=versions, created_at=created_at)

    assert Scene(vault, now=now).reason(request_) == reason


@pytest.mark.parametrize("lagging", ["credentials-1", "credentials-0"], ids=["replaced", "replaced twice"])
def test_credentials_that_another_version_replaced_are_not_used(lagging: str) -> None:
    """The versions were read before, and say that another one is current."""
    scene = Scene(FakeVault(now=published(), versions=CHANGED, lagging=lagging), now=SOON)

    assert scene.reason() == ("kept", "stale read")


def test_a_stale_read_costs_no_log_in() -> None:
    """An old password is not sent."""
    scene = Scene(FakeVault(now=published(), versions=UNSEEN), now=SOON)
    scene.refresh()

    assert scene.mx.calls == []


NETTED = replace(RULES, keep_refresh_token=True)
EMPTY = CredentialsInvalid("empty", "secret")


def netted(now: datetime = HALF_TIME, *, vault: FakeVault | None = None, mx: FakeMovieXchange | None = None) -> Scene:
    """Make a scene with a refresh token that is kept, and credentials that movieXchange rejects."""
    return Scene(
        vault or FakeVault(now=published(), kept=a_refresh_token()),
        mx or FakeMovieXchange(a_token(access_token="another"), refusal=REJECTED),
        now,
        NETTED,
    )


def test_a_refresh_token_is_kept_before_the_token_is_published() -> None:
    """A crash in between costs neither."""
    scene = Scene(mx=FakeMovieXchange(a_token(access_token="another"), refresh_token="kept"), rules=NETTED)
    scene.refresh(FORCED)

    assert scene.vault.calls[2:] == [f"safety_net {CLIENT_ID}", "credentials", "keep after net-1", "publish"]


def test_a_refresh_token_is_kept_with_all_that_it_takes_to_use_it() -> None:
    """When it is needed, the credentials cannot be read."""
    scene = Scene(mx=FakeMovieXchange(a_token(access_token="another"), refresh_token="kept"), rules=NETTED)
    scene.refresh(FORCED)

    assert scene.vault.kept == a_refresh_token(refresh_token="kept")


def test_a_rotation_alone_is_no_reason_to_use_the_refresh_token() -> None:
    """The token is not due, and the credentials' trouble is what must be told."""
    scene = netted(ISSUED_AT)
    with pytest.raises(CredentialsRejected):
        scene.refresh(Request(client_id=CLIENT_ID, rotation_began=ISSUED_AT))

    assert scene.mx.calls == ["log_in"]


def test_without_the_option_no_refresh_token_is_kept() -> None:
    """It is off by default, and nothing of it is there."""
    scene = Scene(mx=FakeMovieXchange(a_token(access_token="another"), refresh_token="kept"))
    scene.refresh(FORCED)

    assert scene.vault.kept is None


def test_an_answer_without_a_refresh_token_leaves_the_one_that_is_kept() -> None:
    """MovieXchange does not always hand one out."""
    scene = netted(mx=FakeMovieXchange(a_token(access_token="another")))
    scene.refresh()

    assert scene.vault.kept == a_refresh_token()


@pytest.mark.parametrize(
    ("vault", "mx"),
    [
        (
            FakeVault(now=published(), kept=a_refresh_token()),
            FakeMovieXchange(a_token(access_token="another"), refusal=REJECTED),
        ),
        (FakeVault(now=published(), kept=a_refresh_token(), versions=GUARDED), None),
        (FakeVault(now=published(), kept=a_refresh_token(), trouble={"credentials": EMPTY}), None),
        (FakeVault(now=published(), kept=a_refresh_token(), trouble={"credentials": VaultFailed("gone")}), None),
        (
            FakeVault(now=published(), kept=a_refresh_token(), trouble={"credentials_versions": VaultFailed("gone")}),
            None,
        ),
    ],
    ids=["rejected", "rejected before", "empty", "unreadable", "gone"],
)
def test_where_the_credentials_cannot_be_used_the_refresh_grant_keeps_the_token_alive(
    vault: FakeVault, mx: FakeMovieXchange | None
) -> None:
    """Apps keep working, and the outcome says how."""
    scene = netted(vault=vault, mx=mx or FakeMovieXchange(a_token(access_token="another")))

    assert scene.reason() == ("refreshed", "refresh grant: expiring")


def test_the_trouble_with_the_credentials_is_reported_all_the_same() -> None:
    """A person must act."""
    scene = netted()
    scene.refresh()

    assert scene.reported == [REJECTED]


@pytest.mark.parametrize(("versions", "request_"), [(GUARDED, QUIET), (CHANGED, QUIET), (CHANGED, FORCED)])
def test_the_refresh_grant_is_not_used_while_the_token_is_fresh(
    versions: CredentialsVersions, request_: Request
) -> None:
    """Nothing has to be kept alive, and the trouble is raised."""
    scene = netted(ISSUED_AT + AN_HOUR, vault=FakeVault(now=published(), kept=a_refresh_token(), versions=versions))
    with pytest.raises(CredentialsRejected):
        scene.refresh(request_)

    assert [call for call in scene.mx.calls if call != "log_in"] == []


def test_without_a_refresh_token_the_trouble_is_raised() -> None:
    """There is no net."""
    scene = netted(vault=FakeVault(now=published()))
    with pytest.raises(CredentialsRejected):
        scene.refresh()

    assert scene.reported == []


@pytest.mark.parametrize(("of_client_id", "kept"), [(False, None), (True, a_refresh_token())])
def test_a_refresh_token_that_is_refused_is_forgotten(*, of_client_id: bool, kept: RefreshToken | None) -> None:
    """Unless it is the client ID that is refused."""
    refusal = CredentialsRejected("refused", of_client_id=of_client_id)
    scene = netted(mx=FakeMovieXchange(a_token(), refusal=REJECTED, refresh_refusal=refusal))
    with pytest.raises(CredentialsRejected):
        scene.refresh()

    assert scene.vault.kept == kept


def test_a_refresh_token_that_is_refused_leaves_the_trouble_with_the_credentials() -> None:
    """Their keeper must act; of the refresh token nobody can."""
    vault = FakeVault(now=published(), kept=a_refresh_token(), trouble={"credentials": EMPTY})
    scene = netted(vault=vault, mx=FakeMovieXchange(a_token(), refresh_refusal=CredentialsRejected("refused")))
    with pytest.raises(CredentialsInvalid):
        scene.refresh()

    assert scene.reported == []


def test_a_renewed_token_goes_with_what_apps_have() -> None:
    """A refresh token may have been kept with older credentials than those of the published token."""
    kept = a_refresh_token(client_secret="older", credentials_version="credentials-0")
    scene = netted(vault=FakeVault(now=published(), kept=kept))
    scene.refresh()

    assert scene.seen[-1] == a_token(access_token="another")


def test_a_renewed_token_goes_with_what_was_kept_where_apps_have_nothing() -> None:
    """That is why it is kept beside the refresh token."""
    scene = netted(vault=FakeVault(now=UNREADABLE, kept=a_refresh_token(client_secret="kept")))
    scene.refresh()

    assert scene.seen[-1] == a_token(access_token="another", client_secret="kept")


def test_a_refresh_token_that_is_kept_already_is_not_written_again() -> None:
    """Versions are limited."""
    mx = FakeMovieXchange(a_token(access_token="another"), refresh_token="a-refresh-token")
    scene = Scene(FakeVault(now=published(), kept=a_refresh_token()), mx, rules=NETTED)
    scene.refresh(FORCED)

    assert "keep after net-1" not in scene.vault.calls


def test_a_renewal_brings_the_next_refresh_token() -> None:
    """The one that was used may be used up."""
    mx = FakeMovieXchange(a_token(access_token="another"), refusal=REJECTED, refresh_token="next")
    scene = netted(mx=mx)
    scene.refresh()

    assert scene.vault.kept == a_refresh_token(refresh_token="next")


def test_a_label_on_older_credentials_stays_when_newer_ones_work() -> None:
    """It may be taken away from the version that was used alone."""
    scene = Scene(FakeVault(now=published(), versions=replace(CHANGED, rejected="credentials-1")))
    scene.refresh()

    assert scene.vault.versions.rejected == "credentials-1"


def test_a_refresh_token_survives_an_outage() -> None:
    """No answer is no refusal."""
    trouble = MovieXchangeUnavailable("HTTP 503")
    scene = netted(mx=FakeMovieXchange(a_token(), refusal=REJECTED, refresh_refusal=trouble))
    with pytest.raises(MovieXchangeUnavailable):
        scene.refresh()

    assert (scene.vault.kept, scene.reported) == (a_refresh_token(), [REJECTED])


def test_an_outage_is_no_reason_for_the_refresh_grant() -> None:
    """The password grant stays first, and a refresh token would meet the same."""
    scene = netted(mx=FakeMovieXchange(a_token(), refusal=MovieXchangeUnavailable("HTTP 503")))
    with pytest.raises(MovieXchangeUnavailable):
        scene.refresh()

    assert scene.mx.calls == ["log_in"]


@pytest.mark.parametrize("call", [f"safety_net {CLIENT_ID}", "keep after net-1"])
def test_a_net_that_fails_costs_no_token(call: str) -> None:
    """Its failure is reported."""
    failure = VaultFailed("AccessDeniedException")
    vault = FakeVault(now=published(), trouble={call: failure})
    scene = netted(vault=vault, mx=FakeMovieXchange(a_token(access_token="another"), refresh_token="kept"))

    assert (scene.reason(), scene.reported) == (("refreshed", "expiring"), [failure])


@given(percent=st.integers(10, 90), life=st.integers(60, 10**6), at=st.floats(0, 2), later=st.floats(0, 2))
def test_a_token_that_is_due_stays_due(percent: int, life: int, at: float, later: float) -> None:
    """No tick undoes the reason of the one before."""
    held = published(expires_at=ISSUED_AT + timedelta(seconds=life))
    rules = Rules(refresh_at_percent=percent, min_token_age=timedelta(), keep_refresh_token=False)
    first, second = (
        decide(held, "credentials-1", QUIET, rules, ISSUED_AT + timedelta(seconds=life) * share)
        for share in (at, at + later)
    )

    assert (first, second) in {(Kept.FRESH, Kept.FRESH), (Kept.FRESH, Due.EXPIRING), (Due.EXPIRING, Due.EXPIRING)}


@pytest.mark.parametrize(
    ("event", "request_"),
    [
        ({"client_id": CLIENT_ID}, QUIET),
        ({"client_id": CLIENT_ID, "rejected_version": "version-1"}, REPORTED),
        ({"client_id": CLIENT_ID, "force": True}, FORCED),
        ({"client_id": CLIENT_ID, "force": True, "dry_run": True}, DRY),
        ({"client_id": CLIENT_ID, "force": False, "dry_run": False}, QUIET),
    ],
)
def test_a_request_is_taken(event: object, request_: Request) -> None:
    """One client ID, and what is asked for it."""
    assert Request.parse(event, {CLIENT_ID}) == request_


@pytest.mark.parametrize(
    ("event", "named"),
    [
        (None, "no JSON object"),
        ([], "no JSON object"),
        ("canary", "no JSON object"),
        ({}, "client_id"),
        ({"client_id": "canary"}, "client_id"),
        ({"client_id": ["canary"]}, "client_id"),
        ({"client_id": f"../{CLIENT_ID}"}, "client_id"),
        ({"client_id": CLIENT_ID, "force": "canary"}, "force"),
        ({"client_id": CLIENT_ID, "force": 1}, "force"),
        ({"client_id": CLIENT_ID, "dry_run": None}, "dry_run"),
        ({"client_id": CLIENT_ID, "rejected_version": 17}, "rejected_version"),
        ({"client_id": CLIENT_ID, "rejected_version": None}, "rejected_version"),
        ({"client_id": CLIENT_ID, "rejected_version": ""}, "rejected_version"),
        ({"client_id": CLIENT_ID, "rejected_version": "canary\n"}, "rejected_version"),
        ({"client_id": CLIENT_ID, "rejected_version": "v" * 65}, "rejected_version"),
        ({"client_id": CLIENT_ID, "rejected_version": "version-1", "force": True}, "rejected_version"),
        ({"client_id": CLIENT_ID, "forced": "canary"}, "unknown member 'forced'"),
        ({"client_id": CLIENT_ID, "rotation_began": "canary"}, "unknown member 'rotation_began'"),
        ({"client_id": CLIENT_ID, "é\n" * 99: "canary"}, r"unknown member '\xe9\n\xe9\n"),
    ],
)
def test_a_wrong_request_names_its_member_and_not_its_value(event: object, named: str) -> None:
    """Whoever sent it learns what to mend, and a log learns nothing else."""
    with pytest.raises(RequestInvalid) as caught:
        Request.parse(event, {CLIENT_ID})

    assert (named in caught.value.problem, "canary" in str(caught.value)) == (True, False)


def test_a_long_unknown_member_is_cut_short() -> None:
    """Whatever is sent, the log stays readable."""
    with pytest.raises(RequestInvalid) as caught:
        Request.parse({"client_id": CLIENT_ID, "x" * 99: 1}, {CLIENT_ID})

    assert caught.value.problem == f"The request has the unknown member '{'x' * 59}"


def test_of_many_unknown_members_the_first_in_order_is_named() -> None:
    """The same wrong request is always told the same."""
    event = {f"{number:02}": 1 for number in reversed(range(100))}
    with pytest.raises(RequestInvalid) as caught:
        Request.parse(event, {CLIENT_ID})

    assert caught.value.problem == "The request has the unknown member '00'"

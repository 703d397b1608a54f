"""Credentials and access tokens: what is read, what is refused, and when a token's life is over."""

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mx_token_rotator.errors import CredentialsInvalid
from mx_token_rotator.tokens import AccessToken, Credentials, CredentialsVersions, Published, RefreshToken
from tests.fakes import CLIENT_ID, ISSUED_AT, LIFETIME, a_refresh_token, a_token

SECRET = "moviexchange/staging/credentials"
FILLED = {"username": "user", "password": "pass", "client_secret": "canary-secret"}
DOCUMENT = json.loads(a_token().document())


def parse(text: str | None) -> Credentials:
    """Read a value of the credentials secret."""
    return Credentials.parse(text, version_id="credentials-1", created_at=ISSUED_AT, secret=SECRET)


def test_filled_credentials_are_read() -> None:
    """All three members, as they were put."""
    assert parse(json.dumps(FILLED)) == Credentials(**FILLED, version_id="credentials-1", created_at=ISSUED_AT)


@pytest.mark.parametrize("member", ["username", "password"])
def test_blanks_at_the_ends_of_a_member_stay(member: str) -> None:
    """A password may end in one, and without it nobody could log in."""
    assert getattr(parse(json.dumps(FILLED | {member: " blank "})), member) == " blank "


def test_members_that_are_not_known_are_left_alone() -> None:
    """A keeper may note more in the secret."""
    assert parse(json.dumps(FILLED | {"note": 1})).username == "user"


@pytest.mark.parametrize("text", [None, ""])
def test_a_secret_without_a_value_is_still_empty(text: str | None) -> None:
    """Nobody has filled it yet."""
    with pytest.raises(CredentialsInvalid, match="is still empty"):
        parse(text)


@pytest.mark.parametrize("text", ["canary", '"canary"', "[]", "null", "{", "[" * 100_000, "{'username': 'canary'}"])
def test_a_value_that_is_no_json_object_is_refused_without_being_repeated(text: str) -> None:
    """The error says what is missing, and nothing of what is there."""
    with pytest.raises(CredentialsInvalid) as caught:
        parse(text)

    assert caught.value.problem == f"The secret {SECRET} holds no JSON object"


@pytest.mark.parametrize("member", FILLED)
@pytest.mark.parametrize("value", ["", "  ", None, 17, ["canary"], "canary\ud800"])
def test_a_member_that_is_no_text_is_named(member: str, value: object) -> None:
    """A member may not be empty, of another type, or half a character."""
    with pytest.raises(CredentialsInvalid) as caught:
        parse(json.dumps(FILLED | {member: value}))

    assert caught.value.problem == f"The secret {SECRET} lacks the member {member}, or it is no text"


@pytest.mark.parametrize("member", FILLED)
def test_a_missing_member_is_named(member: str) -> None:
    """Each of the three is needed."""
    with pytest.raises(CredentialsInvalid, match=f"lacks the member {member}"):
        parse(json.dumps({name: value for name, value in FILLED.items() if name != member}))


@pytest.mark.parametrize(
    "value", ["canary\n", "canary\r\nX-Injected: 1", " canary", "canary ", "canary\x00", "kanárek"]
)
def test_a_client_secret_that_no_header_takes_is_refused(value: str) -> None:
    """It would fail in every application, one by one."""
    with pytest.raises(CredentialsInvalid, match=r"client_secret of .* cannot travel in an HTTP header"):
        parse(json.dumps(FILLED | {"client_secret": value}))


def test_a_client_secret_of_one_character_is_taken() -> None:
    """The shape has no least length."""
    assert parse(json.dumps(FILLED | {"client_secret": "x"})).client_secret == "x"


def test_the_document_is_what_apps_rely_on() -> None:
    """Seven members, times as RFC 3339 in UTC."""
    assert DOCUMENT == {
        "access_token": "an-access-token",
        "token_type": "Bearer",
        "client_secret": "a-client-secret",
        "client_id": CLIENT_ID,
        "issued_at": "2026-11-24T02:00:00Z",
        "expires_at": "2026-11-24T14:00:00Z",
        "credentials_version": "credentials-1",
    }


@given(
    token=st.builds(
        a_token,
        access_token=st.text(min_size=1),
        client_secret=st.text(min_size=1),
        issued_at=st.datetimes(
            min_value=datetime(2000, 1, 1),  # noqa: DTZ001  Hypothesis adds the zone
            max_value=datetime(2100, 1, 1),  # noqa: DTZ001  the same
            timezones=st.just(UTC),
        ).map(lambda time: time.replace(microsecond=0)),
        expires_at=st.just(datetime(2101, 1, 1, tzinfo=UTC)),
    )
)
def test_what_is_written_is_what_is_read(token: AccessToken) -> None:
    """A document read back is the token that was published."""
    assert AccessToken.parse(token.document(), client_id=token.client_id) == token


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[]",
        "{}",
        *(json.dumps(DOCUMENT | {member: None}) for member in DOCUMENT),
        *(json.dumps(DOCUMENT | {member: ""}) for member in DOCUMENT),
        *(json.dumps({name: value for name, value in DOCUMENT.items() if name != member}) for member in DOCUMENT),
        json.dumps(DOCUMENT | {"client_id": "SomebodyElse"}),
        json.dumps(DOCUMENT | {"expires_at": "tomorrow"}),
        json.dumps(DOCUMENT | {"issued_at": "2026-11-24T02:00:00+00:00"}),
        json.dumps(DOCUMENT | {"expires_at": DOCUMENT["issued_at"]}),
    ],
)
def test_anything_else_is_unreadable(text: str) -> None:
    """What the rotator would not write for this client ID is not taken for its own."""
    assert AccessToken.parse(text, client_id=CLIENT_ID) is None


def test_a_refresh_token_is_read_as_it_was_written() -> None:
    """With all that it takes to use it."""
    assert RefreshToken.parse(a_refresh_token().document(), client_id=CLIENT_ID) == a_refresh_token()


@pytest.mark.parametrize(
    "text",
    ["", "no JSON", "{}", json.dumps(asdict(a_refresh_token()) | {"refresh_token": ""}), a_token().document()],
    ids=["empty", "no JSON", "forgotten", "an empty member", "another document"],
)
def test_anything_else_is_no_refresh_token(text: str) -> None:
    """What was forgotten, above all."""
    assert RefreshToken.parse(text, client_id=CLIENT_ID) is None


def test_a_refresh_token_of_another_client_id_is_none() -> None:
    """MovieXchange takes it from no other."""
    assert RefreshToken.parse(a_refresh_token().document(), client_id="SomebodyElse") is None


@pytest.mark.parametrize(
    ("current", "rejected", "is_rejected"),
    [("v2", "v2", True), ("v2", "v1", False), ("v2", None, False), (None, None, False)],
)
def test_only_the_label_of_the_current_version_counts(
    current: str | None, rejected: str | None, *, is_rejected: bool
) -> None:
    """A new version has none."""
    assert CredentialsVersions(current=current, rejected=rejected).is_rejected is is_rejected


@pytest.mark.parametrize(
    ("token", "after", "running_out"),
    [(a_token(), LIFETIME * 0.749, False), (a_token(), LIFETIME * 0.75, True), (None, timedelta(), True)],
)
def test_what_is_published_runs_out_in_its_last_quarter(
    token: AccessToken | None, after: timedelta, *, running_out: bool
) -> None:
    """And is of no use at all where it cannot be read."""
    assert Published(version_id="v1", token=token).is_running_out(ISSUED_AT + after) is running_out


@pytest.mark.parametrize(
    ("created_at", "moment", "is_older"),
    [
        (ISSUED_AT, None, False),
        (ISSUED_AT, ISSUED_AT, False),
        (ISSUED_AT, ISSUED_AT + timedelta(milliseconds=1), True),
        (None, ISSUED_AT, True),
    ],
)
def test_a_version_is_older_than_what_came_after_it(
    created_at: datetime | None, moment: datetime | None, *, is_older: bool
) -> None:
    """One that nobody has dated counts as old."""
    version = Published(version_id="v1", token=a_token(), created_at=created_at)

    assert version.is_older_than(moment) is is_older


@pytest.mark.parametrize(("after", "left"), [(0, 43200), (43199, 1), (43200, 0), (50000, 0)])
def test_the_seconds_that_are_left_end_at_0(after: int, left: int) -> None:
    """An ended token has no negative life."""
    assert a_token().seconds_left(ISSUED_AT + timedelta(seconds=after)) == left


@pytest.mark.parametrize(("after", "past"), [(timedelta(hours=6, seconds=-1), False), (timedelta(hours=6), True)])
def test_half_of_a_life_is_over_at_its_half(after: timedelta, past: bool) -> None:  # noqa: FBT001  an expectation
    """Six hours of twelve, to the second."""
    assert a_token().is_past(50, ISSUED_AT + after) is past


@given(
    percent=st.integers(10, 90), life=st.integers(1, 10**7), earlier=st.integers(0, 10**7), wait=st.integers(0, 10**7)
)
def test_what_is_past_stays_past(percent: int, life: int, earlier: int, wait: int) -> None:
    """A share of a life that is over does not come back."""
    token = a_token(expires_at=ISSUED_AT + timedelta(seconds=life))
    before, after = (token.is_past(percent, ISSUED_AT + timedelta(seconds=each)) for each in (earlier, earlier + wait))

    assert after or not before


@given(percent=st.integers(10, 90), life=st.integers(1, 10**7))
def test_every_share_is_over_before_the_end(percent: int, life: int) -> None:
    """A token is due while it still has life left."""
    token = a_token(expires_at=ISSUED_AT + timedelta(seconds=life))

    assert token.is_past(percent, token.expires_at)


@pytest.mark.parametrize(("after", "younger"), [(899, True), (900, False)])
def test_a_token_grows_up_at_its_age(after: int, younger: bool) -> None:  # noqa: FBT001  an expectation
    """At the age itself it is not younger any more."""
    assert a_token().is_younger_than(timedelta(seconds=900), ISSUED_AT + timedelta(seconds=after)) is younger


def test_other_times_alone_say_nothing_new() -> None:
    """The same token handed out later is the same to an application."""
    later = a_token(issued_at=ISSUED_AT + LIFETIME / 2, expires_at=ISSUED_AT + LIFETIME * 2)

    assert a_token().says_the_same_as(later)


@pytest.mark.parametrize("member", ["access_token", "token_type", "client_secret", "credentials_version"])
def test_any_other_member_says_something_new(member: str) -> None:
    """A new client secret needs publishing, whatever the token."""
    assert not a_token().says_the_same_as(a_token(**{member: "another"}))

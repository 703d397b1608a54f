"""The documents in the secrets: what is accepted, what is refused, and what a token's age means."""

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mx_token_rotator.errors import CredentialsInvalid
from mx_token_rotator.tokens import AccessToken, Credentials, RefreshToken
from tests.cases import cases
from tests.function.fakes import CLIENT_ID, ISSUED_AT, LIFETIME, a_refresh_token, a_token

SECRET = "moviexchange/staging/credentials"
FILLED = {"username": "user", "password": "pass", "client_secret": "canary-secret"}
DOCUMENT = a_token().document()
TEXTS = cases("credentials")
REFUSED = {name: case for name, case in TEXTS.items() if case["want"] == "CredentialsInvalid"}
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def parse(value: str | bytes | None) -> Credentials:
    """Read a value of the credentials secret."""
    return Credentials.parse(value, version_id="credentials-1", secret=SECRET)


def problem(value: str | bytes | None) -> str:
    """Return what is wrong with a value of the credentials secret."""
    with pytest.raises(CredentialsInvalid) as caught:
        parse(value)
    return caught.value.problem


def read(document: object, now: datetime = ISSUED_AT) -> AccessToken | None:
    """Read a token secret's value."""
    return AccessToken.parse(json.dumps(document), client_id=CLIENT_ID, now=now)


def test_filled_credentials_are_read() -> None:
    """All three members are as they were stored."""
    assert parse(json.dumps(FILLED)) == Credentials(**FILLED, version_id="credentials-1")


def test_a_byte_order_mark_that_was_read_as_cp1252_is_undone() -> None:
    """The AWS CLI for Windows may read a file of UTF-8 so, and then every other letter is wrong, too."""
    text = json.dumps(FILLED | {"password": "pässwörd €"}, ensure_ascii=False)

    assert parse(f"\ufeff{text}".encode().decode("cp1252")).password == "pässwörd €"


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_credentials_that_cannot_be_used_are_refused_with_what_is_wrong(case: dict[str, Any]) -> None:
    """The message has the words by which a person finds the mistake."""
    assert [word for word in [SECRET, *case["words"]] if word not in problem(case["text"])] == []


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "is still empty, or has no such version"),
        ("", "is still empty, or has no such version"),
        (b'{"username": "canary"}', "has a binary value instead of a text"),
        ("{'username': 'canary'}", "is not JSON: see line 1, column 2"),
        ('{"username": "u",\n "password": "canary\n"}', "is not JSON: see line 2, column 21"),
        ("[" * 100_000, "is not JSON: see line ?, column ?"),
        ("ï»¿{canary\u0100}", "is not JSON: see line ?, column ?"),
        ('"canary"', "has its JSON inside a JSON string: store the object itself"),
        ('["canary"]', "is not a JSON object: store the object itself"),
        ("null", "is not a JSON object: store the object itself"),
    ],
)
def test_each_kind_of_wrong_value_has_its_own_sentence(value: str | bytes | None, said: str) -> None:
    """The sentence says what to look for, and repeats nothing."""
    assert problem(value) == f"The secret {SECRET} {said}"


@pytest.mark.parametrize(
    ("member", "value", "said"),
    [
        *(
            (name, value, "is missing, empty or not a text")
            for name in ("username", "password")
            for value in ("", None)
        ),
        *((name, value, "is missing, empty or not a text") for name in FILLED for value in (17, ["canary"], False)),
        (
            "client_secret",
            None,
            'is missing; store "client_secret": "" if there is none, as for Vista\'s Digital Platform',
        ),
        *(
            (name, f"canary{half}y", "has half of a character, which cannot be sent")
            for name in FILLED
            for half in ("\ud800", "\udfff")
        ),
        *(
            ("client_secret", value, "has a character that an HTTP header cannot carry")
            for value in ("canary\r\nX-Injected: 1", "can\x00ary", "kanárek")
        ),
    ],
)
def test_a_member_that_cannot_be_used_is_named(member: str, value: object, said: str) -> None:
    """Each member has its rules."""
    assert problem(json.dumps(FILLED | {member: value})) == f"The member {member} of the secret {SECRET} {said}"


@pytest.mark.parametrize("member", FILLED)
@pytest.mark.parametrize("edge", ["\n", "\r\n", "\t", "\u200b", "\ufeff", "\u00a0", "\u2028", "\x00", "\u00ad"])
@pytest.mark.parametrize("form", ["{}canary", "canary{}", "{}"], ids=["at the beginning", "at the end", "alone"])
def test_an_invisible_edge_of_a_member_is_refused(member: str, edge: str, form: str) -> None:
    """Nobody chooses it, and a log-in that it spoils costs one of the account's few attempts."""
    wrong = "begins or ends with a line break, a tab or an invisible character"

    assert (
        problem(json.dumps(FILLED | {member: form.format(edge)}))
        == f"The member {member} of the secret {SECRET} {wrong}"
    )


@pytest.mark.parametrize(("username", "password"), [("u", "p w"), (" u", "p"), ("u", "p "), ("u ", " ")])
def test_spaces_at_the_edges_are_kept(username: str, password: str) -> None:
    """A password may end in a space."""
    credentials = parse(json.dumps(FILLED | {"username": username, "password": password}))

    assert (credentials.username, credentials.password) == (username, password)


def test_a_line_break_inside_a_password_is_kept() -> None:
    """Only at an edge is it a mistake for certain."""
    assert parse(json.dumps(FILLED | {"password": "p\nw"})).password == "p\nw"


def test_spaces_around_a_client_secret_are_dropped() -> None:
    """HTTP does not carry them around a header's value."""
    assert parse(json.dumps(FILLED | {"client_secret": " X  Y "})).client_secret == "X  Y"


def refusal(value: str) -> str:
    """Return what is wrong with a value of the credentials secret, or an empty text."""
    try:
        parse(value)
    except CredentialsInvalid as error:
        return error.problem
    return ""


@given(username=st.text(), password=st.text(), client_secret=st.text())
def test_no_text_in_the_credentials_is_repeated(username: str, password: str, client_secret: str) -> None:
    """The message names the member, not what is in it."""
    document = {
        "username": f"{username}canary",
        "password": f"{password}canary",
        "client_secret": f"canary{client_secret}",
    }

    assert "canary" not in refusal(json.dumps(document))


@given(password=st.text(min_size=1))
def test_a_password_is_refused_or_kept_as_it_is(password: str) -> None:
    """Nothing is taken from it or added to it."""
    text = json.dumps(FILLED | {"password": password})

    assert refusal(text) or parse(text).password == password


@given(value=ANY_JSON | st.dictionaries(st.sampled_from(list(FILLED)), ANY_JSON))
def test_credentials_of_any_other_json_are_refused(value: object) -> None:
    """Nothing that a person may store raises another error."""
    assert refusal(json.dumps(value)) or (isinstance(value, dict) and value.keys() >= FILLED.keys())


@pytest.mark.parametrize(
    "value", [parse(json.dumps(FILLED)), a_token(), a_refresh_token()], ids=lambda value: type(value).__name__
)
def test_a_repr_shows_no_secret(value: object) -> None:
    """A traceback or a debugger may print it."""
    shown = repr(value)

    assert [
        secret
        for secret in ("canary-secret", "pass", "an-access-token", "a-refresh-token", "a-client-secret")
        if secret in shown
    ] == []


def test_the_document_is_what_applications_rely_on() -> None:
    """It has eight members, with times as RFC 3339 in UTC."""
    assert list(a_token(verified=True).document().items()) == [
        ("access_token", "an-access-token"),
        ("token_type", "Bearer"),
        ("client_secret", "a-client-secret"),
        ("client_id", CLIENT_ID),
        ("issued_at", "2026-11-28T13:05:00Z"),
        ("expires_at", "2026-11-29T01:05:00Z"),
        ("credentials_version", "credentials-1"),
        ("verified", True),
    ]


MOMENTS = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  Hypothesis adds the zone


@given(
    token=st.builds(
        a_token,
        access_token=st.text(min_size=1),
        client_secret=st.text(),
        issued_at=MOMENTS.map(lambda time: time.replace(microsecond=0)),
        expires_at=st.just(datetime(2101, 1, 1, tzinfo=UTC)),
        verified=st.none() | st.booleans(),
    )
)
def test_what_is_written_is_what_is_read(token: AccessToken) -> None:
    """A document read back is the token that was published."""
    assert read(token.document(), now=token.issued_at) == token


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not JSON",
        "[" * 100_000,
        "[]",
        '["hostile"]',
        "{}",
        *(json.dumps(DOCUMENT | {member: None}) for member in DOCUMENT if member != "verified"),
        *(json.dumps(DOCUMENT | {member: ""}) for member in ("access_token", "client_id", "issued_at", "expires_at")),
        json.dumps(DOCUMENT | {"client_id": "SomebodyElse"}),
        json.dumps(DOCUMENT | {"expires_at": "tomorrow"}),
        json.dumps(DOCUMENT | {"issued_at": "0001-01-01T00:00:00+23:59"}),
        json.dumps(DOCUMENT | {"expires_at": DOCUMENT["issued_at"]}),
    ],
)
def test_anything_else_is_unreadable(text: str) -> None:
    """A document that the function would not write for this client ID is not taken for its own."""
    assert AccessToken.parse(text, client_id=CLIENT_ID, now=ISSUED_AT) is None


@given(document=st.dictionaries(st.sampled_from(list(DOCUMENT)), ANY_JSON))
def test_no_document_raises(document: dict[str, object]) -> None:
    """A person may have stored anything; with these members at random it is never one of ours."""
    assert read(document) is None


@pytest.mark.parametrize(
    ("before", "is_readable"), [(timedelta(minutes=5), True), (timedelta(minutes=5, seconds=1), False)]
)
def test_a_document_from_the_future_is_unreadable(before: timedelta, is_readable: bool) -> None:  # noqa: FBT001  an expectation
    """Clocks may differ by five minutes; beyond that nobody knows how long the token lives."""
    assert (read(DOCUMENT, now=ISSUED_AT - before) is not None) is is_readable


def test_times_of_another_zone_are_read_as_utc() -> None:
    """A person may have written the document."""
    issued_at = ISSUED_AT.astimezone(timezone(timedelta(hours=5))).isoformat()

    assert read(DOCUMENT | {"issued_at": issued_at}) == a_token()


def test_times_are_utc_wherever_the_function_runs() -> None:
    """What is written is always UTC, whatever the machine's own time zone is."""
    assert repr(read(DOCUMENT)) == repr(a_token())  # a repr names the zone; times of two zones may be equal


@pytest.mark.parametrize("verified", [None, "true", 1, []])
def test_a_verdict_that_is_not_a_boolean_is_none(verified: object) -> None:
    """The token is usable all the same."""
    assert read(DOCUMENT | {"verified": verified}) == a_token(verified=None)


def test_a_refresh_token_is_read_as_it_was_written() -> None:
    """It comes with everything that a token needs to be published."""
    assert RefreshToken.parse(json.dumps(asdict(a_refresh_token())), client_id=CLIENT_ID) == a_refresh_token()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not JSON",
        "{}",
        json.dumps(asdict(a_refresh_token(client_id="SomebodyElse"))),
        json.dumps(DOCUMENT),
    ],
    ids=["empty", "not JSON", "forgotten", "another client ID's", "another document"],
)
def test_anything_else_is_not_a_refresh_token(text: str) -> None:
    """A refresh token works only with the client ID that it was issued for."""
    assert RefreshToken.parse(text, client_id=CLIENT_ID) is None


@pytest.mark.parametrize(
    ("after", "percent"), [(-1, 100.0), (0, 100.0), (0.25, 75.0), (0.5, 50.0), (0.999, 0.1), (1, 0.0), (2, 0.0)]
)
def test_the_remaining_life_is_a_share_from_0_to_100_percent(after: float, percent: float) -> None:
    """A token from the near future has all of its life left, an expired one nothing."""
    assert a_token().life_remaining(ISSUED_AT + LIFETIME * after) == pytest.approx(percent)


@pytest.mark.parametrize(
    ("changes", "is_the_same"),
    [
        ({}, True),
        ({"issued_at": ISSUED_AT + timedelta(hours=1)}, True),
        ({"expires_at": ISSUED_AT + LIFETIME - timedelta(hours=1)}, True),
        ({"expires_at": ISSUED_AT + LIFETIME + timedelta(seconds=839)}, True),
        ({"expires_at": ISSUED_AT + LIFETIME + timedelta(seconds=840)}, False),
        *(
            ({member: "another"}, False)
            for member in ("access_token", "token_type", "client_secret", "credentials_version")
        ),
        ({"verified": False}, False),
    ],
    ids=repr,
)
def test_the_same_token_is_news_only_with_another_member_or_a_later_end(
    changes: dict[str, Any],
    is_the_same: bool,  # noqa: FBT001  an expectation
) -> None:
    """Fifteen minutes of life are worth a version."""
    assert a_token(**changes).says_the_same_as(a_token()) is is_the_same


def test_a_token_in_the_place_of_none_is_news() -> None:
    """The first publication has nothing to repeat."""
    assert not a_token().says_the_same_as(None)

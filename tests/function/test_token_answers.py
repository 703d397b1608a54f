"""What an answer of the token endpoint means: everything harmless is a token, everything else one of three errors."""

import base64
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mx_token_rotator.errors import (
    CredentialsRejected,
    MovieXchangeMisbehaved,
    MovieXchangeUnavailable,
    RotatorError,
)
from mx_token_rotator.moviexchange import jwt_expiry, parse_grant
from mx_token_rotator.tokens import AccessToken, RefreshToken
from mx_token_rotator.transport import Answer
from tests.cases import cases
from tests.function.fakes import CLIENT_ID, ISSUED_AT, a_refresh_token, a_token

HOST = "auth.example.com"
TOKEN = {"token_type": "Bearer", "access_token": "T", "expires_in": 43200}
COMMON = {"client_secret": "a-client-secret", "client_id": CLIENT_ID, "credentials_version": "credentials-1"}
YEAR = timedelta(days=366)
ALL_STATUSES = range(100, 600)
CASES = cases("token-answers")
TOKENS = {name: case for name, case in CASES.items() if case["want"] == "token"}
FAILURES = {name: case for name, case in CASES.items() if case["want"] != "token"}

TOLD_AS = {
    "invalid_grant": "CredentialsRejected",
    "access_denied": "CredentialsRejected",
    "invalid_client": "CredentialsRejected of the client ID",
    "unauthorized_client": "CredentialsRejected of the client ID",
    "temporarily_unavailable": "MovieXchangeUnavailable",
    "server_error": "MovieXchangeUnavailable",
    "slow_down": "MovieXchangeUnavailable",
    "invalid_request": "MovieXchangeMisbehaved",
    "invalid_scope": "MovieXchangeMisbehaved",
    "unsupported_grant_type": "MovieXchangeMisbehaved",
    "unsupported_response_type": "MovieXchangeMisbehaved",
}
"""The codes of RFC 6749, sections 4.1.2.1 and 5.2, and slow_down of RFC 8628."""


def encoded(body: object) -> bytes:
    """Write a body: bytes and texts as they stand, anything else as JSON."""
    if isinstance(body, bytes):
        return body
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def grant(body: object, status: int = 200) -> tuple[AccessToken, RefreshToken | None, list[str]]:
    """Parse an answer of the token endpoint; return the tokens and warnings."""
    tokens, warnings = parse_grant(Answer(host=HOST, status=status, body=encoded(body)), ISSUED_AT, **COMMON)
    return *tokens, warnings


def without_gaps(members: dict[str, object]) -> dict[str, object]:
    """Leave out the members that are `...`."""
    return {name: value for name, value in members.items() if value is not ...}


def token(**members: object) -> AccessToken:
    """Return the token of a usual answer with some of its members changed; `...` leaves one out."""
    return grant(without_gaps(TOKEN | members))[0]


def refusal(answer: Answer) -> RotatorError:
    """Return the error that comes of an answer."""
    with pytest.raises(RotatorError) as caught:
        parse_grant(answer, ISSUED_AT, **COMMON)
    return caught.value


def told_as(status: int, body: object) -> str:
    """Return what an answer is taken for: a token, or the name of an error."""
    try:
        grant(body, status)
    except RotatorError as error:
        return type(error).__name__ + (f" of the {error.kind}" if error.kind else "")
    return "token"


def jwt(payload: object) -> str:
    """Make a token with this payload."""
    header, body = (
        base64.urlsafe_b64encode(encoded(each)).rstrip(b"=").decode() for each in ({"alg": "RS256"}, payload)
    )
    return f"{header}.{body}.c2lnbmF0dXJl"


@pytest.mark.parametrize("case", TOKENS.values(), ids=TOKENS)
def test_an_answer_of_a_real_server_is_a_token(case: dict[str, Any]) -> None:
    """Its lifetime counts from just before the request, and a warning says what was assumed."""
    issued, _, warnings = grant(case["body"], case["status"])

    assert (issued.access_token, issued.expires_at - ISSUED_AT, bool(warnings)) == (
        case["body"]["access_token"],
        timedelta(seconds=case["lifetime"]),
        case.get("warns", False),
    )


@pytest.mark.parametrize("case", FAILURES.values(), ids=FAILURES)
def test_a_refusal_of_a_real_server_is_recognised(case: dict[str, Any]) -> None:
    """Credentials are labelled as rejected unless the client ID alone is meant."""
    error = refusal(Answer(host=HOST, status=case["status"], body=encoded(case["body"])))
    is_of_credentials = isinstance(error, CredentialsRejected) and error.kind != "client ID"

    assert (type(error).__name__, is_of_credentials) == (case["want"], case.get("labels", False))


def of_status(status: int) -> str:
    """Return what a status without a JSON object means."""
    if status == 401:
        return "CredentialsRejected"
    is_outage = status in {408, 425, 429} or status < 200 or status >= 500
    return "MovieXchangeUnavailable" if is_outage else "MovieXchangeMisbehaved"


def of_object(status: int) -> str:
    """Return what a status means with a JSON object that does not say why."""
    is_refusal = 400 <= status < 500 and status not in {403, 404, 405, 408, 425, 429}
    return "CredentialsRejected" if is_refusal else of_status(status)


def of_reason(status: int) -> str:
    """Return what a status means with a JSON object that says why in words or in an unknown code."""
    return "CredentialsRejected" if status in {403, 404, 405} else of_object(status)


@pytest.mark.parametrize(
    "body", ["", "<html>Whatever</html>", [TOKEN], "invalid_grant", '{"error": "invalid_grant"', b"\xff"]
)
def test_every_status_without_a_json_object_is_classified(body: object) -> None:
    """The status alone decides."""
    assert {each: told_as(each, body) for each in ALL_STATUSES} == {each: of_status(each) for each in ALL_STATUSES}


@pytest.mark.parametrize("body", [{}, {"message": "Forbidden"}, {"error": None}, {"errorDescription": ""}], ids=repr)
def test_every_status_with_an_object_that_gives_no_reason_is_classified(body: object) -> None:
    """Under 403, 404 and 405 it is a gateway's, or of a wrong host."""
    assert {each: told_as(each, body) for each in ALL_STATUSES} == {each: of_object(each) for each in ALL_STATUSES}


@pytest.mark.parametrize(
    "body",
    [
        {"error": "Login Failed."},
        {"error": {"code": "invalid_grant"}},
        {"error_description": "The user name or password is incorrect."},
        {"errorDescription": "The user name or password is incorrect."},
    ],
    ids=repr,
)
def test_every_status_with_a_reason_in_words_is_classified(body: object) -> None:
    """A client's error with a reason speaks of the credentials, which are all that the request has."""
    assert {each: told_as(each, body) for each in ALL_STATUSES} == {each: of_reason(each) for each in ALL_STATUSES}


@pytest.mark.parametrize("code", TOLD_AS)
def test_an_oauth_code_decides_under_every_status(code: str) -> None:
    """A server may send it under any, also beside a token."""
    bodies = [{"error": code}, {"error": f" {code.upper()} ", "error_description": "in words"}, TOKEN | {"error": code}]

    assert {told_as(status, body) for status in ALL_STATUSES for body in bodies} == {TOLD_AS[code]}


def test_a_token_counts_under_every_2xx_alone() -> None:
    """Under another status it is an object like any other."""
    assert {each: told_as(each, TOKEN) for each in ALL_STATUSES} == {
        each: "token" if each // 100 == 2 else of_object(each) for each in ALL_STATUSES
    }


def test_an_unknown_code_beside_a_token_is_ignored() -> None:
    """The token is what counts."""
    assert told_as(200, TOKEN | {"error": ""}) == "token"


@pytest.mark.parametrize("is_untrusted", [False, True])
def test_without_an_answer_movie_xchange_is_unavailable_unless_its_certificate_is_wrong(*, is_untrusted: bool) -> None:
    """A certificate does not heal by itself."""
    error = refusal(Answer(host=HOST, trouble="what was seen", is_untrusted=is_untrusted))

    assert type(error) is (MovieXchangeMisbehaved if is_untrusted else MovieXchangeUnavailable)


MESSAGES: list[tuple[Answer, str]] = [
    (
        Answer(host=HOST, trouble="the connection was refused"),
        "movieXchange (auth.example.com) is unavailable (the connection was refused)",
    ),
    (
        Answer(host=HOST, trouble="not trusted", is_untrusted=True),
        "movieXchange (auth.example.com) gave neither a token nor a refusal (not trusted)",
    ),
    (
        Answer(host=HOST, status=503, body=b"<html>canary"),
        "movieXchange (auth.example.com) is unavailable (HTTP 503)",
    ),
    (
        Answer(host=HOST, status=400, body=b'{"error": "invalid_grant", "error_description": "canary"}'),
        "movieXchange (auth.example.com) rejected the user name or password (HTTP 400, invalid_grant)",
    ),
    (
        Answer(host=HOST, status=400, body=b'{"error": "canary"}'),
        "movieXchange (auth.example.com) rejected the user name or password (HTTP 400)",
    ),
    (
        Answer(host=HOST, status=400, body=b'{"error": "invalid_client"}'),
        "movieXchange (auth.example.com) rejected the client ID (HTTP 400, invalid_client)",
    ),
    (
        Answer(host=HOST, status=302, body=b"canary"),
        "movieXchange (auth.example.com) gave neither a token nor a refusal (HTTP 302)",
    ),
    (
        Answer(host=HOST, status=200, body=b'{"access_token": "canary\\n"}'),
        "movieXchange (auth.example.com) gave no JSON object with a usable access_token (HTTP 200)",
    ),
    (
        Answer(host=HOST, status=200, body=b'{"access_token": "canary", "token_type": "canary"}'),
        "movieXchange (auth.example.com) issued a token whose token_type is not Bearer",
    ),
    (
        Answer(host=HOST, status=200, body=b'{"access_token": "canary", "expires_in": "canary"}'),
        "movieXchange (auth.example.com) issued a token whose expires_in is not a positive number",
    ),
]


@pytest.mark.parametrize(("answer", "said"), MESSAGES)
def test_a_message_names_the_host_and_what_was_seen(answer: Answer, said: str) -> None:
    """It has the status and a known code, and nothing else of the answer."""
    assert refusal(answer).problem == said


def test_a_refused_client_id_has_its_own_remedy() -> None:
    """Another password would not help."""
    assert refusal(Answer(host=HOST, status=400, body=b'{"error": "invalid_client"}')).remedy.startswith(
        "Correct ClientIds"
    )


def test_a_token_has_all_that_applications_need() -> None:
    """The client secret, the client ID and the version are those that the token was asked for with."""
    assert token() == a_token(access_token="T")


@pytest.mark.parametrize(
    "text",
    ["x", "x" * 16_384, "perm:T!", "".join(map(chr, range(0x21, 0x7F)))],
    ids=["the shortest", "the longest", "a colon", "every visible character"],
)
def test_a_token_of_visible_ascii_is_accepted(text: str) -> None:
    """Not only RFC 6750's characters are in use."""
    assert token(access_token=text).access_token == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "x" * 16_385, 17, None, ["T"], {"T": "T"}, True, ..., "T\n", "\ud800"),
        *(f"a{chr(point)}b" for point in [*range(0x21), 0x7F, 0x85, 0xA0, 0xE9, 0x660, 0x2028, 0xFEFF, 0xFF21]),
    ],
)
def test_any_other_token_is_misbehaviour(text: object) -> None:
    """No header carries it."""
    with pytest.raises(MovieXchangeMisbehaved, match="usable access_token"):
        token(access_token=text)


@pytest.mark.parametrize("token_type", ["Bearer", "bearer", "BEARER", " Bearer ", None, ...])
def test_every_bearer_token_is_published_as_one(token_type: object) -> None:
    """Applications build a header from the published type."""
    assert token(token_type=token_type).token_type == "Bearer"


@pytest.mark.parametrize("token_type", ["DPoP", "mac", "Bearer\r\nX: y", "B\u0435arer", ["Bearer"], 17, True, {"a": 1}])
def test_another_type_is_misbehaviour(token_type: object) -> None:
    """Applications could not use it."""
    with pytest.raises(MovieXchangeMisbehaved, match="token_type is not Bearer"):
        token(token_type=token_type)


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [
        *((1, 1), (3600, 3600), (3600.9, 3600), (1.0, 1), (31_622_400, 31_622_400)),
        *(("3600", 3600), ("3600.9", 3600), (" 3600 ", 3600), ("3600.", 3600), ("007", 7)),
    ],
)
def test_a_number_or_a_numeric_text_is_a_lifetime(expires_in: object, seconds: int) -> None:
    """Times are published in whole seconds, rounded towards the earlier end."""
    issued, _, warnings = grant(TOKEN | {"expires_in": expires_in})

    assert (issued.expires_at - ISSUED_AT, warnings) == (timedelta(seconds=seconds), [])


@pytest.mark.parametrize("expires_in", [31_622_401, "31622401", 1e308, int("9" * 400), "9" * 400, 631_138_518])
def test_a_lifetime_of_more_than_a_year_is_cut_with_a_warning(expires_in: object) -> None:
    """A token of twenty years is a mistake."""
    issued, _, warnings = grant(TOKEN | {"expires_in": expires_in})

    assert (issued.expires_at - ISSUED_AT, warnings) == (
        YEAR,
        [f"movieXchange ({HOST}) sent an expires_in of more than 366 days: 366 days are assumed"],
    )


@pytest.mark.parametrize("expires_in", [None, ...])
def test_a_missing_lifetime_is_the_documented_one_with_a_warning(expires_in: object) -> None:
    """MX's guide speaks of twelve hours."""
    issued, _, warnings = grant(without_gaps(TOKEN | {"expires_in": expires_in}))

    assert (issued.expires_at - ISSUED_AT, warnings) == (
        timedelta(hours=12),
        [f"movieXchange ({HOST}) sent no expires_in: the documented 43200 s are assumed"],
    )


@pytest.mark.parametrize(
    "expires_in",
    [
        *(0, -1, 0.9, -0.5, float("nan"), float("inf"), -float("inf"), -(10**400), True, False),
        *(
            "",
            " ",
            "0",
            "-1",
            "0.9",
            "1e3",
            "twelve hours",
            "0x10",
            "\u0661",
            "1_000",
            "nan",
            "inf",
            [43200],
            {},
        ),
    ],
)
def test_any_other_lifetime_is_misbehaviour(expires_in: object) -> None:
    """Nobody knows when such a token expires."""
    with pytest.raises(MovieXchangeMisbehaved, match="expires_in is not a positive number"):
        token(expires_in=expires_in)


@pytest.mark.parametrize("number", ["1e400", "9" * 5000])
def test_a_number_that_python_does_not_read_is_misbehaviour(number: str) -> None:
    """Python limits the digits of integers."""
    assert told_as(200, json.dumps(TOKEN).replace("43200", number)) == "MovieXchangeMisbehaved"


NOT_TIMES: list[object] = [float("nan"), float("inf"), 10**400, True, None, [], {}, "1"]


def at(after: timedelta) -> float:
    """Return the `exp` of a token that ends so long after the request."""
    return (ISSUED_AT + after).timestamp()


@pytest.mark.parametrize(
    ("expires_in", "exp", "lifetime"),
    [
        (43200, at(timedelta(hours=1)), timedelta(hours=1)),
        (43200, at(timedelta(hours=24)), timedelta(hours=12)),
        (..., at(timedelta(hours=24)), timedelta(hours=24)),
        (None, at(timedelta(hours=1)), timedelta(hours=1)),
        (631_138_518, at(timedelta(hours=1)), timedelta(hours=1)),
        (43200, at(timedelta(seconds=60)), timedelta(seconds=60)),
        (43200, at(timedelta(seconds=60.9)), timedelta(seconds=60)),
        (43200, at(timedelta(seconds=59)), timedelta(hours=12)),
        (43200, at(-timedelta(hours=1)), timedelta(hours=12)),
        (..., at(YEAR), YEAR),
        (..., at(YEAR + timedelta(seconds=1)), timedelta(hours=12)),
        *((43200, odd, timedelta(hours=12)) for odd in NOT_TIMES),
    ],
)
def test_the_earlier_end_of_a_jwt_counts(expires_in: object, exp: object, lifetime: timedelta) -> None:
    """An `exp` counts from a minute to a year after the request, alone where expires_in is missing."""
    issued = token(access_token=jwt({"exp": exp}), expires_in=expires_in)

    assert issued.expires_at - ISSUED_AT == lifetime


@pytest.mark.parametrize("length", range(20))
def test_a_jwts_payload_may_have_any_length(length: int) -> None:
    """A JWT comes without the padding of base64, of which each length needs another."""
    end = ISSUED_AT + timedelta(hours=1)

    assert jwt_expiry(jwt({"exp": end.timestamp(), "sub": "x" * length}), ISSUED_AT) == end


def test_a_lifetime_that_the_jwt_says_is_not_warned_of() -> None:
    """Nothing is assumed."""
    document = {"access_token": jwt({"exp": at(timedelta(hours=1))})}

    assert grant(document)[2] == []


@pytest.mark.parametrize(
    "text",
    [
        "a.b",
        "a.!.c",
        "..",
        "a.e30.c.d.e",
        jwt([1]),
        jwt("not JSON"),
        jwt(b"\xff"),
        jwt("[" * 5000),
        jwt('{"exp": ' + "9" * 5000 + "}"),
    ],
    ids=range(9),
)
def test_a_token_whose_payload_cannot_be_read_lives_as_long_as_expires_in_says(text: str) -> None:
    """Not every token is a JWT."""
    assert token(access_token=text).expires_at - ISSUED_AT == timedelta(hours=12)


@pytest.mark.parametrize("refresh_token", ["r", 'with spaces and "quotes"', "x" * 16_384])
def test_a_refresh_token_comes_with_all_that_publishing_needs(refresh_token: str) -> None:
    """It can be used when the credentials cannot."""
    assert grant(TOKEN | {"refresh_token": refresh_token})[1] == a_refresh_token(refresh_token=refresh_token)


@pytest.mark.parametrize("refresh_token", [None, "", 17, ["a"], "a\nb", "é", "x" * 16_385])
def test_a_refresh_token_that_cannot_be_used_costs_no_access_token(refresh_token: object) -> None:
    """The access token is what counts."""
    issued, stored, _ = grant(TOKEN | {"refresh_token": refresh_token})

    assert (issued.access_token, stored) == ("T", None)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
MEMBERS = ("access_token", "token_type", "expires_in", "refresh_token", "error", "error_description")
ANY_BODY = (
    st.binary()
    | ANY_JSON
    | st.dictionaries(st.sampled_from(MEMBERS), ANY_JSON | st.sampled_from(["T", "Bearer", 43200, *TOLD_AS]))
)


@given(body=ANY_BODY, status=st.integers(100, 599))
def test_no_body_raises_anything_else(body: object, status: int) -> None:
    """An answer is a token or one of three errors."""
    assert told_as(status, body) in {"token", *TOLD_AS.values()}


@given(expires_in=ANY_JSON, payload=ANY_JSON | st.fixed_dictionaries({"exp": ANY_JSON | st.floats(0, 1e11)}))
def test_every_token_ends_within_a_year(expires_in: object, payload: object) -> None:
    """Whatever a server writes, the published times are whole seconds, and the end comes after the beginning."""
    try:
        lifetime = token(access_token=jwt(payload), expires_in=expires_in).expires_at - ISSUED_AT
    except MovieXchangeMisbehaved:
        lifetime = timedelta(seconds=1)

    assert timedelta(seconds=1) <= lifetime <= YEAR and not lifetime.microseconds  # noqa: PT018  one statement


@given(payload=st.binary() | ANY_JSON | st.fixed_dictionaries({"exp": st.floats(0, 1e11) | st.integers()}))
def test_a_payload_gives_a_plausible_end_or_none(payload: object) -> None:
    """Nothing in a payload raises."""
    end = jwt_expiry(jwt(payload), ISSUED_AT)

    assert end is None or ISSUED_AT + timedelta(seconds=60) <= end <= ISSUED_AT + YEAR


@given(text=st.text(alphabet=st.characters(min_codepoint=0x21, max_codepoint=0x7E)))
def test_a_token_of_any_other_form_gives_no_end(text: str) -> None:
    """It would take a signed payload with a plausible time."""
    assert jwt_expiry(text, datetime.now(ISSUED_AT.tzinfo)) is None

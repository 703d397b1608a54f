"""movieXchange and Vista's Digital Platform: what is sent, what is tried again, and what the API says of a token."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
from mx_token_rotator.moviexchange import MovieXchange, judge, retry_after
from mx_token_rotator.tokens import Credentials
from mx_token_rotator.transport import Answer, World, send
from tests.cases import cases
from tests.function.fakes import CLIENT_ID, ISSUED_AT, a_refresh_token, a_token, settings
from tools.local.mx import CHAINS_PATH, SITES_PATH, MovieXchangeStandIn

NOW = ISSUED_AT + timedelta(milliseconds=500)
CREDENTIALS = Credentials(username="u", password="p", client_secret="a-client-secret", version_id="credentials-1")
API = "https://api.example.com"
ACCEPTED = {name: case for name, case in cases("credentials").items() if case["want"] == "accepted"}


def answered(status: int, body: bytes = b"", **headers: str) -> Answer:
    """Make an answer."""
    return Answer(
        host="h", status=status, body=body, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


TOKEN = answered(200, b'{"access_token": "T", "expires_in": 43200}')
REJECTED = answered(400, b'{"error": "invalid_grant"}')
DOWN = answered(503)
LOST = Answer(host="h", trouble="no answer in time")
NOT_REACHED = Answer(host="h", trouble="the connection was refused", never_connected=True)


@dataclass
class Surroundings:
    """A clock that only sleeping moves, answers in turn, of which the last one is repeated, and what was done."""

    answers: list[Answer] = field(default_factory=list)
    seconds_left: float = 55.0
    sent: list[tuple[str, str, Mapping[str, str], Mapping[str, str] | None]] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds_left -= seconds

    def _send(self, *request: Any) -> Answer:  # noqa: ANN401  as `transport.send` takes it
        self.sent.append(request)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def _clock(self) -> datetime:
        return NOW + timedelta(seconds=sum(self.slept))

    def movie_xchange(self, **variables: str) -> MovieXchange:
        """Return the account in these surroundings."""
        world = World(
            send=self._send,
            clock=self._clock,
            sleep=self._sleep,
            seconds_left=lambda: self.seconds_left,
            warn=self.warnings.append,
        )
        return MovieXchange(settings(**{"API_URL": API} | variables), world)


@pytest.fixture
def around() -> Surroundings:
    """Return surroundings in which nothing has happened yet."""
    return Surroundings()


@pytest.fixture
def connect(mx: MovieXchangeStandIn) -> Callable[..., MovieXchange]:
    """Return a function that connects to the stand-in, with some of the stack's variables changed."""

    def to(**variables: str) -> MovieXchange:
        world = World(
            send=send,
            clock=lambda: NOW,
            sleep=lambda _: None,
            seconds_left=lambda: 55.0,
            warn=lambda _: None,
        )
        return MovieXchange(settings(**{"AUTH_URL": mx.url, "API_URL": mx.url} | variables), world)

    return to


def stored(mx: MovieXchangeStandIn, **other: str) -> Credentials:
    """Return the account's credentials, with some members changed."""
    return Credentials(**mx.credentials(**other), version_id="credentials-1")


def test_a_log_in_gives_a_token_with_all_that_applications_need(
    connect: Callable[..., MovieXchange], mx: MovieXchangeStandIn
) -> None:
    """Its lifetime counts from the whole second before the request."""
    token, _ = connect().log_in(CLIENT_ID, stored(mx))

    assert token == a_token(access_token=token.access_token, client_secret=mx.client_secret)


@pytest.mark.parametrize("case", ACCEPTED.values(), ids=ACCEPTED)
def test_credentials_are_sent_as_they_are_stored(
    connect: Callable[..., MovieXchange], mx: MovieXchangeStandIn, case: dict[str, Any]
) -> None:
    """The four fields of the password grant arrive; the client secret is not among them."""
    credentials = Credentials.parse(case["text"], version_id="credentials-1", secret="s")
    mx.username, mx.password = case["sent"]["username"], case["sent"]["password"]
    token, _ = connect().log_in("Foo Tickets (Web)", credentials)

    assert (mx.requests[0].form, token.client_secret) == (
        {"grant_type": "password", "client_id": "Foo Tickets (Web)"} | case["sent"],
        case.get("client_secret", "c"),
    )


def test_a_refresh_token_gets_another_token_once(connect: Callable[..., MovieXchange], mx: MovieXchangeStandIn) -> None:
    """A new refresh token comes with each answer, and the used one is rejected."""
    mx.hands_out_refresh_tokens = True
    first = connect().log_in(CLIENT_ID, stored(mx))[1]
    assert first is not None
    token, second = connect().renew(first)
    with pytest.raises(CredentialsRejected):
        connect().renew(first)

    assert (connect().verify(token)[0], second is not None, second != first) == (True, True, True)


def test_a_refresh_sends_the_form_of_the_refresh_grant(around: Surroundings) -> None:
    """Neither user name nor password is among the fields."""
    around.answers = [TOKEN]
    around.movie_xchange(AUTH_URL="https://auth.example.com").renew(a_refresh_token())

    assert around.sent == [
        (
            "POST",
            "https://auth.example.com/connect/token",
            {},
            {"grant_type": "refresh_token", "refresh_token": "a-refresh-token", "client_id": CLIENT_ID},
        )
    ]


def test_a_renewed_token_is_of_the_version_that_its_refresh_token_came_from(around: Surroundings) -> None:
    """Nobody read the credentials meanwhile."""
    around.answers = [TOKEN]
    token, _ = around.movie_xchange().renew(a_refresh_token(credentials_version="v", client_secret="s"))

    assert (token.credentials_version, token.client_secret) == ("v", "s")


def test_a_warning_about_an_answer_is_logged(around: Surroundings) -> None:
    """It says what was assumed."""
    around.answers = [answered(200, b'{"access_token": "T"}')]
    around.movie_xchange().log_in(CLIENT_ID, CREDENTIALS)

    assert around.warnings == ["movieXchange (h) sent no expires_in: the documented 43200 s are assumed"]


@pytest.mark.parametrize(
    ("username", "password", "ending"),
    [
        ("X", "p", "(HTTP 400, invalid_grant), read from the secret moviexchange/staging/credentials"),
        ("u", " p", "moviexchange/staging/credentials; a space begins or ends password there"),
        ("u ", "p ", "moviexchange/staging/credentials; a space begins or ends username and password there"),
    ],
)
def test_a_rejection_mentions_spaces_that_were_sent(
    around: Surroundings, username: str, password: str, ending: str
) -> None:
    """They are easily overlooked."""
    around.answers = [REJECTED]
    credentials = Credentials(username=username, password=password, client_secret="", version_id="v")
    with pytest.raises(CredentialsRejected) as caught:
        around.movie_xchange().log_in(CLIENT_ID, credentials)

    assert caught.value.problem.endswith(ending)


@pytest.mark.parametrize(
    "passing",
    [DOWN, NOT_REACHED, answered(429), answered(200, b'{"error": "slow_down"}'), answered(408), answered(425)],
    ids=str,
)
def test_an_outage_of_a_moment_is_survived(around: Surroundings, passing: Answer) -> None:
    """Two failures cost a second and a half."""
    around.answers = [passing, passing, TOKEN]
    around.movie_xchange().log_in(CLIENT_ID, CREDENTIALS)

    assert (len(around.sent), around.slept) == (3, [0.5, 1.0])


@pytest.mark.parametrize(
    ("last", "tries", "sent", "error"),
    [
        (DOWN, 3, 3, MovieXchangeUnavailable),
        (DOWN, 2, 2, MovieXchangeUnavailable),
        (NOT_REACHED, 3, 3, MovieXchangeUnavailable),
        (LOST, 3, 1, MovieXchangeUnavailable),
        (Answer(host="h", trouble="certificate", is_untrusted=True), 3, 1, MovieXchangeMisbehaved),
        (REJECTED, 3, 1, CredentialsRejected),
        (answered(500, b'{"error": "invalid_client"}'), 3, 1, CredentialsRejected),
        (answered(302), 3, 1, MovieXchangeMisbehaved),
        (answered(200), 3, 1, MovieXchangeMisbehaved),
    ],
)
def test_only_what_was_unavailable_or_never_reached_is_tried_again(
    around: Surroundings, last: Answer, tries: int, sent: int, error: type[RotatorError]
) -> None:
    """An answer that got lost may have been counted as an attempt to log in."""
    around.answers = [last]
    with pytest.raises(error):
        around.movie_xchange().log_in(CLIENT_ID, CREDENTIALS, tries=tries)

    assert len(around.sent) == sent


def test_another_failure_ends_the_tries(around: Surroundings) -> None:
    """After an outage the answer counts that came last."""
    around.answers = [DOWN, LOST, TOKEN]
    with pytest.raises(MovieXchangeUnavailable, match="no answer in time"):
        around.movie_xchange().log_in(CLIENT_ID, CREDENTIALS)

    assert len(around.sent) == 2


@pytest.mark.parametrize(
    ("header", "slept"),
    [
        ("7", [7.0, 7.0]),
        ("10", [10.0, 10.0]),
        ("11", []),
        ("0", [0.5, 1.0]),
        ("soon", [0.5, 1.0]),
        ("Sat, 28 Nov 2026 13:05:03 GMT", [2.5, 1.0]),
    ],
)
def test_retry_after_is_heeded_up_to_ten_seconds(around: Surroundings, header: str, slept: list[float]) -> None:
    """A shorter one does not shorten our own wait, and a longer one is left to the next run."""
    around.answers = [answered(429, Retry_After=header)]
    with pytest.raises(MovieXchangeUnavailable):
        around.movie_xchange().log_in(CLIENT_ID, CREDENTIALS)

    assert around.slept == slept


def test_a_wait_beyond_the_time_limit_is_not_begun(around: Surroundings) -> None:
    """The next run is soon enough."""
    around.answers, around.seconds_left = [answered(503, Retry_After="6")], 5.0
    with pytest.raises(MovieXchangeUnavailable):
        around.movie_xchange().log_in(CLIENT_ID, CREDENTIALS)

    assert (len(around.sent), around.slept) == (1, [])


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", 0),
        ("7", 7),
        ("9" * 400, 999_999_999),
        ("-7", 0),
        ("soon", 0),
        ("1.5", 0),
        ("²", 0),
        ("Sat, 28 Nov 2026 13:05:30 GMT", 29.5),
        ("Sat, 28 Nov 2026 12:00:00 GMT", 0),
        ("Sat, 28 Nov 2026 13:05:30 +99999999999999999999", 0),
    ],
)
def test_retry_after_is_read_in_both_of_its_forms(header: str, seconds: float) -> None:
    """It is a number of seconds or a date; anything else is no wish."""
    assert retry_after(header, NOW) == seconds


@given(header=st.text() | st.from_regex(r"\A[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ [\d:]+ [A-Z0-9+-]*\Z"))
def test_no_retry_after_raises_or_goes_backwards(header: str) -> None:
    """A header is anybody's text."""
    assert retry_after(header, NOW) >= 0


def test_a_new_token_is_shown_with_the_client_secret(
    connect: Callable[..., MovieXchange], mx: MovieXchangeStandIn
) -> None:
    """MX's API wants both headers."""
    token, _ = connect().log_in(CLIENT_ID, stored(mx))

    verdict, _ = connect().verify(token)

    assert (verdict, mx.requests[-1].method, mx.requests[-1].path) == (True, "GET", CHAINS_PATH)


def test_a_token_of_vistas_digital_platform_is_shown_alone(
    connect: Callable[..., MovieXchange], mx: MovieXchangeStandIn
) -> None:
    """OCAPI knows no client secret, and may be below a path."""
    vista = connect(API_URL=f"{mx.url}/WSVistaWebClient")
    token, _ = vista.log_in("A website that shows what is on", stored(mx, client_secret=""))
    verdict, _ = vista.verify(token)
    headers = mx.requests[-1].headers

    assert (verdict, mx.requests[-1].path, "MX-Api-Client-Secret" in headers) == (
        True,
        f"/WSVistaWebClient{SITES_PATH}",
        False,
    )


@pytest.mark.parametrize("variables", [{"VERIFY_PATH": "none"}, {"ACCOUNT": "a/sandbox", "API_URL": "none"}], ids=repr)
def test_without_a_url_no_token_is_shown_to_anybody(around: Surroundings, variables: dict[str, str]) -> None:
    """That is no verdict, and nothing to warn of."""
    verdict, _ = around.movie_xchange(**variables).verify(a_token())

    assert (verdict, around.sent, around.warnings) == (None, [], [])


@pytest.mark.parametrize("code", [401, 403])
def test_a_refused_new_token_is_shown_again_after_two_seconds(around: Surroundings, code: int) -> None:
    """An API may learn of a new token a little later."""
    around.answers = [answered(code), answered(200)]

    verdict, _ = around.movie_xchange().verify(a_token(), is_new=True)

    assert (verdict, around.slept, around.sent[0] == around.sent[1]) == (True, [2.0], True)


@pytest.mark.parametrize(
    ("answers", "verdict", "sent"),
    [
        ([answered(401), answered(403)], False, 2),
        ([answered(401), answered(404)], None, 2),
        ([answered(403), LOST], None, 2),
        ([LOST, answered(200)], None, 1),
        ([DOWN, answered(200)], True, 2),
        ([NOT_REACHED, answered(401), answered(401)], False, 3),
        ([DOWN], None, 3),
        ([answered(404)], None, 1),
    ],
)
def test_a_new_token_is_tried_hard(
    around: Surroundings,
    answers: list[Answer],
    verdict: bool | None,  # noqa: FBT001  an expectation
    sent: int,
) -> None:
    """A log-in was spent on it."""
    around.answers = answers.copy()

    assert (around.movie_xchange().verify(a_token(), is_new=True)[0], len(around.sent)) == (verdict, sent)


def test_a_refusal_that_is_repeated_names_the_url(around: Surroundings) -> None:
    """What was seen last is shown."""
    around.answers = [answered(401), answered(403)]

    _, seen = around.movie_xchange().verify(a_token(), is_new=True)

    assert seen == f"The GET of VerifyPath, {API}{CHAINS_PATH}, got HTTP 403"


def test_a_refusal_in_the_last_seconds_stands(around: Surroundings) -> None:
    """There is no time for another look."""
    around.answers, around.seconds_left = [answered(401), answered(200)], 2.0

    assert around.movie_xchange().verify(a_token(), is_new=True)[0] is False


@pytest.mark.parametrize("first", [answered(401), DOWN, NOT_REACHED], ids=str)
def test_a_published_token_is_shown_once(around: Surroundings, first: Answer) -> None:
    """An application may report it every minute."""
    around.answers = [first, answered(200)]
    around.movie_xchange().verify(a_token())

    assert len(around.sent) == 1


def test_a_missing_verdict_is_warned_of(around: Surroundings) -> None:
    """The warning names the URL, which nobody may have set."""
    around.answers = [answered(404)]
    around.movie_xchange().verify(a_token())

    assert around.warnings == [
        f"The GET of VerifyPath, {API}{CHAINS_PATH}, got HTTP 404, which is no verdict on the token"
    ]


PAGE = b"<!DOCTYPE html><title>Attention Required!</title>"


@pytest.mark.parametrize("headers", [{}, {"Content_Type": "application/json"}, {"Content_Type": "text/plain"}])
def test_every_status_of_the_api_has_its_verdict(headers: dict[str, str]) -> None:
    """2xx accepts the token, 401 and 403 refuse it, and nothing else says anything of it."""
    verdicts = {
        code: judge(answered(code, b'{"errorDescription": "x"}', **headers), API)[0] for code in range(100, 600)
    }

    assert verdicts == {
        code: False if code in {401, 403} else True if code // 100 == 2 else None for code in range(100, 600)
    }


@pytest.mark.parametrize("code", [401, 403])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [(PAGE, "text/html; charset=UTF-8"), (PAGE, ""), (b"\n " + PAGE, "text/plain"), (b"", "Text/HTML")],
)
def test_a_page_under_401_and_403_is_no_verdict(code: int, body: bytes, content_type: str) -> None:
    """It comes from a firewall in between."""
    assert judge(answered(code, body, Content_Type=content_type), API)[0] is None


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (answered(403), "got HTTP 403"),
        (LOST, "got no answer in time"),
        *(
            (answered(403, Mx_Correlation_Id=hexadecimal), f"got HTTP 403, Mx-Correlation-Id {hexadecimal}")
            for hexadecimal in ("c0ffee-1", "C0FFEE-1")
        ),
        *(
            (answered(403, Mx_Correlation_Id=odd), "got HTTP 403")
            for odd in ("", "a-token", "c0ffee\n", "c" * 65, 'c"}', "\x1b[2J", "c0ffée")
        ),
    ],
)
def test_what_was_seen_has_the_url_the_status_and_a_harmless_correlation_id(answer: Answer, said: str) -> None:
    """A support engineer asks for it; made of anything but hexadecimal digits and hyphens it may be a secret."""
    assert judge(answer, API)[1] == f"The GET of VerifyPath, {API}, {said}"

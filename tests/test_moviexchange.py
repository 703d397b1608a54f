"""movieXchange over a real socket, in every way in which it can answer, and the pure functions that judge it."""

import json
import ssl
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import pytest
import requests
import trustme

from local.faults import (
    MALFORMED,
    TOKEN,
    Fault,
    answer,
    cut_off,
    down,
    drip,
    drip_head,
    gzipped,
    huge,
    oauth_error,
    raw,
    redirect,
    slow,
    status,
    times,
)
from local.mx import MovieXchangeStandIn
from mx_token_rotator.deadline import Deadline
from mx_token_rotator.errors import (
    CredentialsRejected,
    MovieXchangeMisbehaved,
    MovieXchangeUnavailable,
    RotatorError,
    TokenRefused,
)
from mx_token_rotator.moviexchange import (
    Answer,
    MovieXchangeOverHttps,
    read_grant,
    seconds_to_wait,
)
from mx_token_rotator.session import new_session
from mx_token_rotator.tokens import Credentials, RefreshToken
from tests.fakes import a_refresh_token, a_token

CLIENT_ID = "FooTickets_Website"
NOW = datetime(2026, 11, 24, 2, 0, 0, 500_000, tzinfo=UTC)
CHAINS = "/mxs/reference-data/v1/cinema-chains"


@dataclass
class World:
    """What stands at the room's edge: a clock that moves by itself only where a test says so, and the warnings."""

    seconds: float = 0.0
    budget: float = 60.0
    a_look_takes: float = 0.0
    slept: list[float] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def clock(self) -> datetime:
        """Read the clock."""
        return NOW + timedelta(seconds=self.seconds)

    def time_left(self) -> float:
        """Tell what is left of the invocation."""
        self.seconds += self.a_look_takes
        return self.budget - self.seconds

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.slept.append(seconds)
        self.seconds += seconds


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """Give the session that the function uses."""
    with new_session() as made:
        yield made


@pytest.fixture
def world() -> World:
    """Give a world in which nothing has happened yet."""
    return World()


Connect = Callable[..., MovieXchangeOverHttps]


@pytest.fixture
def connect(session: requests.Session, world: World) -> Connect:
    """Give the room's object for an address."""

    def to(url: str, verify_path: str = CHAINS) -> MovieXchangeOverHttps:
        return MovieXchangeOverHttps(
            session,
            auth_url=url,
            api_url=url,
            verify_path=verify_path,
            clock=world.clock,
            deadline=Deadline(world.time_left),
            sleep=world.sleep,
            warn=world.warnings.append,
        )

    return to


def credentials(mx: MovieXchangeStandIn) -> Credentials:
    """Give the account's credentials."""
    return Credentials(**mx.credentials(), version_id="v1", created_at=NOW)


@pytest.fixture
def log_in(connect: Connect, mx: MovieXchangeStandIn) -> Callable[[], object]:
    """Give a log-in with the account's credentials."""
    return lambda: connect(mx.url).log_in(CLIENT_ID, credentials(mx))


def test_a_log_in_gives_a_token_with_all_that_apps_need(connect: Connect, mx: MovieXchangeStandIn) -> None:
    """The recorded answer becomes the document that is published; its life counts from before the request."""
    token = connect(mx.url).log_in(CLIENT_ID, credentials(mx)).access_token

    assert token == a_token(
        access_token=token.access_token,
        client_secret=mx.client_secret,
        client_id=CLIENT_ID,
        issued_at=NOW.replace(microsecond=0),
        expires_at=NOW.replace(microsecond=0) + timedelta(hours=12),
        credentials_version="v1",
    )


def test_a_log_in_sends_the_form_of_the_password_grant(log_in: Callable[[], object], mx: MovieXchangeStandIn) -> None:
    """Four fields, percent-encoded; the client secret is not among them."""
    log_in()

    assert mx.requests[0].form == {
        "grant_type": "password",
        "username": mx.username,
        "password": mx.password,
        "client_id": CLIENT_ID,
    }


def test_a_refresh_token_comes_with_all_that_it_takes_to_use_it(connect: Connect, mx: MovieXchangeStandIn) -> None:
    """MovieXchange's guide says that there is one; with it goes what a token is published with."""
    mx.hands_out_refresh_tokens = True
    kept = connect(mx.url).log_in(CLIENT_ID, credentials(mx)).refresh_token

    assert kept == RefreshToken(
        refresh_token=next(iter(mx.refresh_tokens)),
        client_secret=mx.client_secret,
        client_id=CLIENT_ID,
        credentials_version="v1",
    )


@pytest.mark.parametrize(
    "document",
    [TOKEN, *(TOKEN | {"refresh_token": each} for each in (None, "", 17, ["a"], "a\nb"))],
    ids=["none", "null", "empty", "a number", "a list", "a line break"],
)
def test_an_answer_without_a_refresh_token_works_too(
    connect: Connect, mx: MovieXchangeStandIn, document: dict[str, object]
) -> None:
    """The recorded answer has none, and one that is none costs no access token."""
    mx.token_fault = answer(document)

    assert connect(mx.url).log_in(CLIENT_ID, credentials(mx)).refresh_token is None


def test_a_refresh_token_gets_another_token(connect: Connect, mx: MovieXchangeStandIn) -> None:
    """MovieXchange takes the new token, which is published with what the refresh token was kept with."""
    mx.hands_out_refresh_tokens = True
    room = connect(mx.url)
    first = room.log_in(CLIENT_ID, credentials(mx))
    assert first.refresh_token is not None
    second = room.renew(first.refresh_token).access_token

    assert (room.verify(second), second.credentials_version) == (True, "v1")


def test_a_refresh_sends_the_form_of_the_refresh_grant(connect: Connect, mx: MovieXchangeStandIn) -> None:
    """Three fields; neither user name nor password is among them."""
    mx.token_fault = answer(TOKEN)
    connect(mx.url).renew(a_refresh_token())

    assert mx.requests[0].form == {
        "grant_type": "refresh_token",
        "refresh_token": "a-refresh-token",
        "client_id": CLIENT_ID,
    }


def test_a_refresh_token_that_is_used_up_is_refused(connect: Connect, mx: MovieXchangeStandIn) -> None:
    """MovieXchange hands out a new one with each answer, and takes the old one no more."""
    with pytest.raises(CredentialsRejected, match="invalid_grant"):
        connect(mx.url).renew(a_refresh_token())


def test_cookies_are_not_kept(connect: Connect, mx: MovieXchangeStandIn) -> None:
    """What stands before movieXchange sets cookies; none is sent back."""
    room = connect(mx.url)
    room.verify(room.log_in(CLIENT_ID, credentials(mx)).access_token)

    assert mx.requests[-1].headers["Cookie"] is None


def test_a_missing_lifetime_is_taken_to_be_the_documented_one(
    connect: Connect, mx: MovieXchangeStandIn, world: World
) -> None:
    """Without expires_in a token lives 12 hours, and a warning says so."""
    mx.token_fault = answer({"token_type": "Bearer", "access_token": "an-access-token"})
    token = connect(mx.url).log_in(CLIENT_ID, credentials(mx)).access_token

    assert (token.expires_at - token.issued_at, world.warnings) == (
        timedelta(hours=12),
        ["The answer has no expires_in: movieXchange's documented 43200 s are taken"],
    )


def test_a_fraction_of_a_second_of_a_lifetime_is_dropped(connect: Connect, mx: MovieXchangeStandIn) -> None:
    """Times are published in whole seconds, rounded towards the earlier end."""
    mx.token_fault = answer(TOKEN | {"expires_in": 3600.9})
    token = connect(mx.url).log_in(CLIENT_ID, credentials(mx)).access_token

    assert token.expires_at - token.issued_at == timedelta(hours=1)


@pytest.mark.parametrize("seconds", [1, 366 * 24 * 3600])
def test_the_shortest_and_the_longest_lifetime_are_taken(
    connect: Connect, mx: MovieXchangeStandIn, seconds: int
) -> None:
    """A token may live from a second to a leap year."""
    mx.token_fault = answer(TOKEN | {"expires_in": seconds})
    token = connect(mx.url).log_in(CLIENT_ID, credentials(mx)).access_token

    assert token.expires_at - token.issued_at == timedelta(seconds=seconds)


@pytest.mark.parametrize("fault", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_answer_is_misbehaviour(
    log_in: Callable[[], object], mx: MovieXchangeStandIn, fault: Fault
) -> None:
    """What is no token document is never published."""
    mx.token_fault = fault

    with pytest.raises(MovieXchangeMisbehaved):
        log_in()


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(log_in: Callable[[], object], mx: MovieXchangeStandIn, code: int) -> None:
    """The credentials go to the host that was set, and to no other."""
    mx.token_fault = redirect(f"{mx.url}/elsewhere", code)
    with pytest.raises(MovieXchangeMisbehaved):
        log_in()

    assert [each.path for each in mx.requests] == ["/connect/token"]


@pytest.mark.parametrize("content_type", ["text/html", "text/plain", "application/jwt"])
def test_a_token_document_under_a_wrong_content_type_is_taken(
    log_in: Callable[[], object], mx: MovieXchangeStandIn, content_type: str
) -> None:
    """What an answer holds decides, not what it is called."""
    mx.token_fault = raw(b'{"token_type":"Bearer","access_token":"a-token","expires_in":43200}', content_type)
    log_in()

    assert mx.log_ins() == 1


@pytest.mark.parametrize("code", ["invalid_grant", "invalid_client", "unauthorized_client"])
def test_an_oauth_refusal_rejects_the_credentials(
    log_in: Callable[[], object], mx: MovieXchangeStandIn, code: str
) -> None:
    """The error names the code, and nothing else of the answer."""
    mx.token_fault = oauth_error(code)
    with pytest.raises(CredentialsRejected) as caught:
        log_in()

    assert caught.value.problem == f"The token endpoint answered HTTP 400 with the OAuth error {code}"


@pytest.mark.parametrize(
    ("fault", "of_client_id"),
    [
        (oauth_error("invalid_grant"), False),
        (oauth_error("invalid_client", 401), True),
        (oauth_error("unauthorized_client"), True),
        (status(401), False),
        (status(401, b'{"error": ["invalid_client"]}'), False),
    ],
    ids=["invalid_grant", "invalid_client", "unauthorized_client", "401", "401 with nonsense"],
)
def test_a_refusal_of_the_client_id_is_told_from_one_of_the_password(
    log_in: Callable[[], object], mx: MovieXchangeStandIn, fault: Fault, *, of_client_id: bool
) -> None:
    """Another client ID may do with the same password; what does not say is taken to speak of the password."""
    mx.token_fault = fault
    with pytest.raises(CredentialsRejected) as caught:
        log_in()

    assert caught.value.of_client_id is of_client_id


def test_a_rejected_log_in_is_not_tried_again(log_in: Callable[[], object], mx: MovieXchangeStandIn) -> None:
    """A wrong password is sent once."""
    mx.token_fault = oauth_error("invalid_grant")
    with pytest.raises(CredentialsRejected):
        log_in()

    assert mx.log_ins() == 1


def test_a_moment_of_trouble_is_survived(log_in: Callable[[], object], mx: MovieXchangeStandIn, world: World) -> None:
    """Two failures in passing cost a second and a half."""
    mx.token_fault = times(2, status(503), then=answer(TOKEN))
    log_in()

    assert (mx.log_ins(), world.slept) == (3, [0.5, 1.0])


@pytest.mark.parametrize("fault", [status(429), status(500), status(503), down()], ids=["429", "500", "503", "down"])
def test_lasting_trouble_ends_after_three_tries(
    log_in: Callable[[], object], mx: MovieXchangeStandIn, fault: Fault
) -> None:
    """The next tick is the retry after that."""
    mx.token_fault = fault
    with pytest.raises(MovieXchangeUnavailable):
        log_in()

    assert mx.log_ins() == 3


def test_retry_after_is_heeded(log_in: Callable[[], object], mx: MovieXchangeStandIn, world: World) -> None:
    """MovieXchange says how long to wait, and that is how long it is."""
    mx.token_fault = times(1, status(429, headers={"Retry-After": "7"}), then=answer(TOKEN))
    log_in()

    assert world.slept == [7.0]


def test_a_shorter_retry_after_does_not_shorten_our_own_wait(
    log_in: Callable[[], object], mx: MovieXchangeStandIn, world: World
) -> None:
    """A quarter of a second that movieXchange would be content with is still half of one."""
    world.seconds = 0.25
    mx.token_fault = times(1, status(429, headers={"Retry-After": "Tue, 24 Nov 2026 02:00:01 GMT"}), then=answer(TOKEN))
    log_in()

    assert world.slept == [0.5]


def test_a_retry_after_beyond_the_time_left_is_not_waited_for(
    log_in: Callable[[], object], mx: MovieXchangeStandIn, world: World
) -> None:
    """What does not fit is left to the next tick, at once."""
    mx.token_fault = status(429, headers={"Retry-After": "31"})
    with pytest.raises(MovieXchangeUnavailable):
        log_in()

    assert (mx.log_ins(), world.slept) == (1, [])


def test_a_short_invocation_leaves_even_less_time(
    log_in: Callable[[], object], mx: MovieXchangeStandIn, world: World
) -> None:
    """The invocation's own end counts too."""
    world.budget = 5
    mx.token_fault = status(429, headers={"Retry-After": "6"})
    with pytest.raises(MovieXchangeUnavailable):
        log_in()

    assert world.slept == []


def test_without_time_nothing_is_asked(log_in: Callable[[], object], mx: MovieXchangeStandIn, world: World) -> None:
    """A password is not sent when nobody could wait for the answer."""
    world.budget = 0
    with pytest.raises(MovieXchangeUnavailable, match="nothing in time"):
        log_in()

    assert mx.log_ins() == 0


def test_a_silent_peer_is_given_up_before_the_time_is(log_in: Callable[[], object], session: requests.Session) -> None:
    """Three seconds to connect and ten for the next byte leave time for another try."""
    with patch.object(session, "send", wraps=session.send) as send:
        log_in()

    assert [each.kwargs["timeout"] for each in send.call_args_list] == [(3, 10)]


def test_a_slow_answer_is_a_time_out(log_in: Callable[[], object], mx: MovieXchangeStandIn, world: World) -> None:
    """Waiting ends with the time that is left."""
    world.budget = 0.2
    mx.token_fault = slow(60)

    with pytest.raises(MovieXchangeUnavailable, match="nothing in time"):
        log_in()


def test_a_dripping_head_is_a_time_out(log_in: Callable[[], object], mx: MovieXchangeStandIn, world: World) -> None:
    """A socket's own time-out begins anew with each byte; ours does not."""
    world.budget = 0.3
    mx.token_fault = drip_head(0.05, 60)

    with pytest.raises(MovieXchangeUnavailable, match="nothing in time"):
        log_in()


def test_a_dripping_body_is_a_time_out(log_in: Callable[[], object], mx: MovieXchangeStandIn, world: World) -> None:
    """A peer that always sends one more byte in time does not hold the function up."""
    world.a_look_takes = 1.0
    mx.token_fault = drip(0.01, 60)

    with pytest.raises(MovieXchangeUnavailable, match="nothing: Timeout"):
        log_in()


def test_a_huge_body_is_not_read_to_its_end(log_in: Callable[[], object], mx: MovieXchangeStandIn) -> None:
    """Reading ends beyond 64 KiB, whatever the length that was announced."""
    mx.token_fault = huge(10**9)

    with pytest.raises(MovieXchangeMisbehaved, match="longer than 65536 bytes"):
        log_in()


@pytest.mark.parametrize(
    "fault",
    [raw(json.dumps(TOKEN).encode().ljust(65_536)), gzipped(json.dumps(TOKEN).encode())],
    ids=["64 KiB", "gzip"],
)
def test_an_answer_of_a_shape_that_is_still_allowed_is_taken(
    connect: Connect, mx: MovieXchangeStandIn, fault: Fault
) -> None:
    """A body may be as long as the limit, and compressed, which every request offers."""
    mx.token_fault = fault

    assert connect(mx.url).log_in(CLIENT_ID, credentials(mx)).access_token.access_token == TOKEN["access_token"]


@pytest.mark.usefixtures("traced")
def test_a_gzip_bomb_does_not_go_off(log_in: Callable[[], object], mx: MovieXchangeStandIn) -> None:
    """What is small on the wire is held to the limit while it is inflated, too."""
    mx.token_fault = gzipped(json.dumps(TOKEN).encode().ljust(50_000_000))
    tracemalloc.reset_peak()
    with pytest.raises(MovieXchangeMisbehaved, match="longer than 65536 bytes"):
        log_in()

    assert tracemalloc.get_traced_memory()[1] < 5_000_000


@pytest.mark.parametrize("location", ["http://[", "//[x]/", "/\xff"])
def test_a_redirect_to_nowhere_is_not_even_looked_at(
    log_in: Callable[[], object], mx: MovieXchangeStandIn, location: str
) -> None:
    """An address that cannot be read is no trouble of ours."""
    mx.token_fault = redirect(location)

    with pytest.raises(MovieXchangeMisbehaved, match="HTTP 302"):
        log_in()


@pytest.mark.parametrize(
    ("code", "error"),
    [(302, MovieXchangeMisbehaved), (401, CredentialsRejected), (403, MovieXchangeMisbehaved)],
)
def test_a_refusal_counts_even_if_its_body_breaks_off(
    log_in: Callable[[], object], mx: MovieXchangeStandIn, code: int, error: type[RotatorError]
) -> None:
    """The status was said; a password is not sent again to hear the rest."""
    mx.token_fault = cut_off(code, headers={"Location": "/elsewhere"})
    with pytest.raises(error):
        log_in()

    assert mx.log_ins() == 1


def test_a_token_document_that_breaks_off_is_no_answer(log_in: Callable[[], object], mx: MovieXchangeStandIn) -> None:
    """A connection that breaks within the body is trouble in passing."""
    mx.token_fault = cut_off(200)

    with pytest.raises(MovieXchangeUnavailable, match="nothing: ProtocolError"):
        log_in()


def test_nobody_at_the_address_is_no_answer(connect: Connect, mx: MovieXchangeStandIn) -> None:
    """A refused connection is trouble in passing, of which its kind alone is told."""
    with pytest.raises(MovieXchangeUnavailable) as caught:
        connect("http://127.0.0.1:1").log_in(CLIENT_ID, credentials(mx))

    assert caught.value.problem == "The token endpoint answered nothing: ConnectionError"


@pytest.fixture
def mx_over_tls(tls: ssl.SSLContext) -> Iterator[MovieXchangeStandIn]:
    """Run movieXchange over TLS, with a certificate of an authority that nobody trusts yet."""
    with MovieXchangeStandIn(tls=tls) as stand_in:
        yield stand_in


def test_a_certificate_that_nobody_vouches_for_is_refused(connect: Connect, mx_over_tls: MovieXchangeStandIn) -> None:
    """TLS is always checked, and nothing is sent before."""
    with pytest.raises(MovieXchangeUnavailable, match="SSLError"):
        connect(mx_over_tls.url).log_in(CLIENT_ID, credentials(mx_over_tls))

    assert mx_over_tls.requests == []


def test_a_certificate_that_is_vouched_for_is_taken(
    connect: Connect, mx_over_tls: MovieXchangeStandIn, authority: trustme.CA, session: requests.Session
) -> None:
    """The refusal above is the certificate's doing and no other's."""
    with authority.cert_pem.tempfile() as bundle:
        session.verify = bundle
        connect(mx_over_tls.url).log_in(CLIENT_ID, credentials(mx_over_tls))

    assert mx_over_tls.log_ins() == 1


def test_a_new_token_passes_verification(connect: Connect, mx: MovieXchangeStandIn) -> None:
    """The API takes both headers."""
    room = connect(mx.url)

    assert room.verify(room.log_in(CLIENT_ID, credentials(mx)).access_token) is True


@pytest.mark.parametrize("code", [401, 403])
def test_a_refused_token_is_an_error_that_names_the_correlation(
    connect: Connect, mx: MovieXchangeStandIn, code: int
) -> None:
    """MovieXchange's support asks for the id of the answer."""
    mx.api_fault = status(code, headers={"Mx-Correlation-Id": "c0ffee\tnot this"})

    with pytest.raises(TokenRefused, match=rf"HTTP {code} \(Mx-Correlation-Id: c0ffeenotthis\)"):
        connect(mx.url).verify(a_token())


def test_a_long_correlation_id_is_cut_short(connect: Connect, mx: MovieXchangeStandIn) -> None:
    """A header without an end does not fill the log."""
    mx.api_fault = status(403, headers={"Mx-Correlation-Id": "c" * 65})
    with pytest.raises(TokenRefused) as caught:
        connect(mx.url).verify(a_token())

    assert caught.value.problem == f"Verification got HTTP 403 (Mx-Correlation-Id: {'c' * 64})"


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("a-token-of-8", "withheld"),
        ("id=a-token-", "withheld"),
        ("id/a to.ken=", "idatoken"),
        ("a-secret-of-9", "withheld"),
        ("secret-o; secret-of-", "withheld"),
        ("a-token", "a-token"),
    ],
)
def test_a_correlation_id_that_repeats_what_was_sent_is_withheld(
    connect: Connect, mx: MovieXchangeStandIn, header: str, told: str
) -> None:
    """Eight characters of the token or of the client secret are too many, with or without what is never told."""
    mx.api_fault = status(403, headers={"Mx-Correlation-Id": header})
    with pytest.raises(TokenRefused) as caught:
        connect(mx.url).verify(a_token(access_token="a-token-of-8", client_secret="a-secret;-of-9"))

    assert caught.value.problem == f"Verification got HTTP 403 (Mx-Correlation-Id: {told})"


@pytest.mark.parametrize("member", ["username", "password", "client_secret", "access_token", "refresh_token"])
def test_a_correlation_id_that_repeats_a_secret_of_the_log_in_is_withheld(
    connect: Connect, mx: MovieXchangeStandIn, member: str
) -> None:
    """Both hosts are of one party, which knows more than its API is sent."""
    mx.hands_out_refresh_tokens = True
    room = connect(mx.url)
    response = room.log_in(CLIENT_ID, credentials(mx))
    known = mx.credentials() | {
        "access_token": response.access_token.access_token,
        "refresh_token": next(iter(mx.refresh_tokens)),
    }
    mx.api_fault = status(403, headers={"Mx-Correlation-Id": known[member]})
    with pytest.raises(TokenRefused) as caught:
        room.verify(response.access_token)

    assert caught.value.problem == "Verification got HTTP 403 (Mx-Correlation-Id: withheld)"


def test_a_password_that_is_the_name_of_its_grant_is_withheld_too(connect: Connect, mx: MovieXchangeStandIn) -> None:
    """What is left out of the secrets goes by its place in the form, not by its value."""
    mx.password = "password"
    mx.api_fault = status(403, headers={"Mx-Correlation-Id": "password"})
    room = connect(mx.url)
    with pytest.raises(TokenRefused) as caught:
        room.verify(room.log_in(CLIENT_ID, credentials(mx)).access_token)

    assert caught.value.problem == "Verification got HTTP 403 (Mx-Correlation-Id: withheld)"


def test_a_verdict_counts_even_if_its_body_breaks_off(connect: Connect, mx: MovieXchangeStandIn) -> None:
    """A refused token is not published because the rest of the answer was lost."""
    mx.api_fault = cut_off(403)

    with pytest.raises(TokenRefused):
        connect(mx.url).verify(a_token())


def test_a_verdict_is_its_status_alone(connect: Connect, mx: MovieXchangeStandIn) -> None:
    """A body without an end holds nobody up."""
    mx.api_fault = drip(0.05, 60)

    assert (connect(mx.url).verify(a_token()), len(mx.requests)) == (True, 1)


@pytest.mark.parametrize(
    ("fault", "got"),
    [
        (status(500), "HTTP 500"),
        (status(429), "HTTP 429"),
        (status(404), "HTTP 404"),
        (redirect("http://["), "HTTP 302"),
        (down(), "nothing: ConnectionError"),
    ],
)
def test_anything_else_is_no_verdict(
    connect: Connect, mx: MovieXchangeStandIn, world: World, fault: Fault, got: str
) -> None:
    """Trouble at the API says nothing about the token, and is warned of."""
    mx.api_fault = fault

    assert (connect(mx.url).verify(a_token()), world.warnings) == (
        False,
        [f"Verification got {got} (Mx-Correlation-Id: none), which is no verdict on the token"],
    )


def test_without_a_path_nothing_is_verified(connect: Connect, mx: MovieXchangeStandIn) -> None:
    """An empty VerifyPath switches verification off."""
    assert (connect(mx.url, verify_path="").verify(a_token()), mx.requests) == (True, [])


def error_of(code: int, body: bytes = b"<html></html>") -> type[RotatorError] | None:
    """Tell what the token endpoint's answer is taken for."""
    try:
        read_grant(Answer(status=code, body=body))
    except RotatorError as error:
        return type(error)
    return None


@pytest.mark.parametrize("code", range(100, 600))
def test_every_status_has_its_error(code: int) -> None:
    """Without a token document or an OAuth error, the status alone decides."""
    expected: type[RotatorError] = MovieXchangeMisbehaved
    if code == 401:
        expected = CredentialsRejected
    if code in {408, 429} or code >= 500:
        expected = MovieXchangeUnavailable

    assert error_of(code) is expected


@pytest.mark.parametrize("code", range(100, 600))
def test_an_oauth_rejection_counts_under_a_clients_error_alone(code: int) -> None:
    """A 4xx with invalid_grant rejects the credentials, but for those that mean to wait."""
    expected: type[RotatorError] = MovieXchangeMisbehaved
    if code // 100 == 4:
        expected = CredentialsRejected
    if code in {408, 429} or code >= 500:
        expected = MovieXchangeUnavailable

    assert error_of(code, b'{"error": "invalid_grant"}') is expected


@pytest.mark.parametrize("code", [200, *range(201, 300)])
def test_a_token_document_counts_under_200_alone(code: int) -> None:
    """RFC 6749, section 5.1, knows one status of success."""
    body = b'{"token_type": "bearer", "access_token": "a-token", "expires_in": 43200}'

    assert error_of(code, body) is (None if code == 200 else MovieXchangeMisbehaved)


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": "invalid_request"}',
        b'{"error": "invalid_scope"}',
        b'{"error": "something new"}',
        b'{"error": ["invalid_grant"]}',
        b'["invalid_grant"]',
        b"invalid_grant",
    ],
)
def test_another_error_is_misbehaviour(body: bytes) -> None:
    """Only the three codes that speak of the credentials reject them."""
    assert error_of(400, body) is MovieXchangeMisbehaved


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
        ("Tue, 24 Nov 2026 02:00:30 GMT", 29.5),
        ("Tue, 24 Nov 2026 01:00:00 GMT", 0),
        ("Tue, 24 Nov 2026 02:00:30", 0),
        ("Tue, 24 Nov 2026 02:00:30 +99999999999999999999", 0),
    ],
)
def test_retry_after_is_read_in_both_of_its_forms(header: str, seconds: float) -> None:
    """Seconds, or a date; anything else is no wish."""
    assert seconds_to_wait(header, NOW) == seconds

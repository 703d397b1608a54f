"""The stand-in of movieXchange answers as movieXchange was recorded, and fails as it is told."""

from collections.abc import Callable

import pytest
import requests

from local.faults import Fault, cut_off, down, huge, oauth_error, redirect, slow, status, times
from local.mx import MovieXchangeStandIn

CHAINS = "/mxs/reference-data/v1/cinema-chains"


def ask_for_token(mx: MovieXchangeStandIn, **form: str) -> requests.Response:
    """Ask the token endpoint, by the password grant if nothing else is said."""
    password = {"grant_type": "password", "username": mx.username, "password": mx.password, "client_id": "FooTickets"}
    return requests.post(f"{mx.url}/connect/token", data=password | form, timeout=10, allow_redirects=False)


def call_api(mx: MovieXchangeStandIn, **headers: str) -> requests.Response:
    """Call the API with a new token and the client secret, if nothing else is said."""
    right = {
        "Authorization": f"Bearer {ask_for_token(mx).json()['access_token']}",
        "MX-Api-Client-Secret": mx.client_secret,
    }
    wanted = right | {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.get(f"{mx.url}{CHAINS}", headers=wanted, timeout=10)


def test_a_log_in_is_answered_as_it_was_recorded(mx: MovieXchangeStandIn) -> None:
    """Three members, the recorded content type, and a cookie."""
    answer = ask_for_token(mx)

    assert (answer.status_code, answer.headers["Content-Type"], sorted(answer.json()), len(answer.cookies)) == (
        200,
        "application/json;charset=UTF-8",
        ["access_token", "expires_in", "token_type"],
        1,
    )


@pytest.mark.parametrize("form", [{"password": "wrong"}, {"username": "wrong"}, {"password": "pass+%40"}])
def test_a_wrong_log_in_is_an_invalid_grant(mx: MovieXchangeStandIn, form: dict[str, str]) -> None:
    """Oauthlib answers as RFC 6749 says."""
    answer = ask_for_token(mx, **form)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_a_client_id_of_another_shape_is_refused(mx: MovieXchangeStandIn) -> None:
    """MovieXchange knows client IDs of 50 characters at most."""
    assert ask_for_token(mx, client_id="x" * 51).json()["error"] == "invalid_client"


def test_a_refresh_token_gives_another_token_and_is_used_up(mx: MovieXchangeStandIn) -> None:
    """The second use of the same one is refused."""
    mx.hands_out_refresh_tokens = True
    form = {"grant_type": "refresh_token", "refresh_token": ask_for_token(mx).json()["refresh_token"]}

    assert [ask_for_token(mx, **form).status_code for _ in range(2)] == [200, 400]


def test_a_refresh_token_is_for_its_own_client_id(mx: MovieXchangeStandIn) -> None:
    """Another client ID cannot use it."""
    mx.hands_out_refresh_tokens = True
    form = {"grant_type": "refresh_token", "refresh_token": ask_for_token(mx).json()["refresh_token"]}

    assert ask_for_token(mx, **form, client_id="Another").json()["error"] == "invalid_grant"


def test_the_api_takes_both_headers(mx: MovieXchangeStandIn) -> None:
    """A JSON array, and an id that support asks for."""
    answer = call_api(mx)

    assert (answer.status_code, type(answer.json()), "Mx-Correlation-Id" in answer.headers) == (200, list, True)


@pytest.mark.parametrize(
    ("headers", "code"), [({"Authorization": "Bearer wrong"}, 401), ({"MX_Api_Client_Secret": "wrong"}, 403)]
)
def test_the_api_insists_on_each_header(mx: MovieXchangeStandIn, headers: dict[str, str], code: int) -> None:
    """One of them alone is not enough."""
    assert call_api(mx, **headers).status_code == code


def test_a_revoked_token_is_refused(mx: MovieXchangeStandIn) -> None:
    """Whatever life it had left."""
    token = ask_for_token(mx).json()["access_token"]
    mx.revoke(token)

    assert call_api(mx, Authorization=f"Bearer {token}").status_code == 401


def test_a_token_ends_with_its_life(mx: MovieXchangeStandIn) -> None:
    """The API knows when."""
    mx.lifetime = -1

    assert call_api(mx).status_code == 401


def test_a_log_in_can_end_the_older_tokens(mx: MovieXchangeStandIn) -> None:
    """The worst that movieXchange may do at a log-in."""
    mx.revokes_older_tokens = True
    token = ask_for_token(mx).json()["access_token"]
    ask_for_token(mx)

    assert call_api(mx, Authorization=f"Bearer {token}").status_code == 401


@pytest.mark.parametrize("path", ["/elsewhere", "/connect/elsewhere"])
@pytest.mark.parametrize("ask", [requests.get, requests.post])
def test_any_other_path_is_not_found(mx: MovieXchangeStandIn, path: str, ask: Callable[..., requests.Response]) -> None:
    """With an empty body, as recorded."""
    answer = ask(mx.url + path, timeout=10)

    assert (answer.status_code, answer.content) == (404, b"")


@pytest.mark.parametrize("code", [201, 204, 302, 304, 400, 401, 403, 418, 429, 500, 503, 599])
def test_any_status_can_be_had(mx: MovieXchangeStandIn, code: int) -> None:
    """The token endpoint answers what it is told."""
    mx.token_fault = status(code)

    assert ask_for_token(mx).status_code == code


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (oauth_error("invalid_client", 401), 401),
        (redirect("/elsewhere", 307), 307),
        (times(0, down(), then=status(418)), 418),
        (slow(0), 200),
        (huge(100_000), 200),
    ],
)
def test_a_fault_takes_the_place_of_the_answer(mx: MovieXchangeStandIn, fault: Fault, said: int) -> None:
    """Until it is taken back."""
    mx.token_fault = fault

    assert ask_for_token(mx).status_code == said


@pytest.mark.parametrize("fault", [down(), cut_off(200)], ids=["down", "cut off"])
def test_a_connection_can_break(mx: MovieXchangeStandIn, fault: Fault) -> None:
    """Before the answer, or within it."""
    mx.token_fault = fault

    with pytest.raises(requests.RequestException):
        ask_for_token(mx)


def test_what_was_received_shows_no_secret(mx: MovieXchangeStandIn) -> None:
    """A failed assertion may print it."""
    ask_for_token(mx)

    assert mx.password not in repr(mx.requests)


def test_a_stand_in_that_stopped_is_gone() -> None:
    """Nobody listens at its port any more."""
    with MovieXchangeStandIn() as mx:
        pass

    with pytest.raises(requests.ConnectionError):
        requests.get(mx.url, timeout=10)

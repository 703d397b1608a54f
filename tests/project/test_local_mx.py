"""The stand-in for movieXchange answers as movieXchange was recorded, and fails as it is asked to."""

import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable

import pytest
import requests

from tools.local.faults import Fault, cut_off, down, huge, oauth_error, redirect, slow, status, times
from tools.local.mx import CHAINS_PATH, SITES_PATH, MovieXchangeStandIn


def log_in(mx: MovieXchangeStandIn, **form: str) -> requests.Response:
    """Ask the token endpoint for a token, by default with the password grant."""
    password = {"grant_type": "password", "username": mx.username, "password": mx.password, "client_id": "FooTickets"}
    return requests.post(f"{mx.url}/connect/token", data=password | form, timeout=10, allow_redirects=False)


def call_api(mx: MovieXchangeStandIn, path: str = CHAINS_PATH, **headers: str) -> requests.Response:
    """Call the API, by default with a new token and the client secret."""
    right = {
        "Authorization": f"Bearer {log_in(mx).json()['access_token']}",
        "MX-Api-Client-Secret": mx.client_secret,
    }
    wanted = right | {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.get(mx.url + path, headers=wanted, timeout=10)


def test_a_log_in_is_answered_as_it_was_recorded(mx: MovieXchangeStandIn) -> None:
    """Three members, the recorded content type, and a cookie."""
    answer = log_in(mx)

    assert (answer.status_code, answer.headers["Content-Type"], sorted(answer.json()), len(answer.cookies)) == (
        200,
        "application/json;charset=UTF-8",
        ["access_token", "expires_in", "token_type"],
        1,
    )


@pytest.mark.parametrize("form", [{"password": "wrong"}, {"username": "wrong"}, {"password": "pass+%40"}])
def test_a_wrong_log_in_is_an_invalid_grant(mx: MovieXchangeStandIn, form: dict[str, str]) -> None:
    """Oauthlib answers as RFC 6749 says."""
    answer = log_in(mx, **form)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(("wrong", "code"), [(4, 200), (5, 400)])
def test_five_wrong_passwords_can_lock_the_account(mx: MovieXchangeStandIn, wrong: int, code: int) -> None:
    """The right password does not help then."""
    mx.locks_out = True
    for _ in range(wrong):
        log_in(mx, password="wrong")

    assert log_in(mx).status_code == code


def test_an_account_without_lock_out_forgives(mx: MovieXchangeStandIn) -> None:
    """However many wrong passwords there were."""
    for _ in range(6):
        log_in(mx, password="wrong")

    assert log_in(mx).status_code == 200


@pytest.mark.parametrize("client_id", ["_Website", "Foo Tickets (Web)"])
def test_any_client_id_is_accepted(mx: MovieXchangeStandIn, client_id: str) -> None:
    """MovieXchange's own examples, and a sentence."""
    assert log_in(mx, client_id=client_id).status_code == 200


def test_a_client_id_can_be_refused(mx: MovieXchangeStandIn) -> None:
    """The others are not."""
    mx.refused_client_ids = {"Refused"}
    answers = [log_in(mx, client_id=client_id).json().get("error") for client_id in ("Refused", "Another")]

    assert answers == ["invalid_client", None]


def test_a_refresh_token_can_be_used_once(mx: MovieXchangeStandIn) -> None:
    """The second use of the same one is refused."""
    mx.hands_out_refresh_tokens = True
    form = {"grant_type": "refresh_token", "refresh_token": log_in(mx).json()["refresh_token"]}

    assert [log_in(mx, **form).status_code for _ in range(2)] == [200, 400]


def test_a_refresh_token_is_for_its_own_client_id(mx: MovieXchangeStandIn) -> None:
    """Another client ID cannot use it."""
    mx.hands_out_refresh_tokens = True
    form = {"grant_type": "refresh_token", "refresh_token": log_in(mx).json()["refresh_token"]}

    assert log_in(mx, **form, client_id="Another").json()["error"] == "invalid_grant"


def test_the_api_accepts_both_headers(mx: MovieXchangeStandIn) -> None:
    """The answer is a JSON array, with an id that support asks for."""
    answer = call_api(mx)

    assert (answer.status_code, type(answer.json()), "Mx-Correlation-Id" in answer.headers) == (200, list, True)


@pytest.mark.parametrize(
    ("headers", "code"), [({"Authorization": "Bearer wrong"}, 401), ({"MX_Api_Client_Secret": "wrong"}, 403)]
)
def test_the_api_insists_on_each_header(mx: MovieXchangeStandIn, headers: dict[str, str], code: int) -> None:
    """One of them alone is not enough."""
    assert call_api(mx, **headers).status_code == code


def test_an_account_can_lack_the_licence(mx: MovieXchangeStandIn) -> None:
    """The refusal of a good token has movieXchange's error shape."""
    mx.is_licensed = False
    answer = call_api(mx)

    assert (answer.status_code, list(answer.json())) == (403, ["errorDescription"])


@pytest.mark.parametrize("base", ["", "/WSVistaWebClient"])
@pytest.mark.parametrize(("token", "code"), [("right", 200), ("wrong", 401)])
def test_ocapi_needs_a_token_alone(mx: MovieXchangeStandIn, base: str, token: str, code: int) -> None:
    """It is served with and without a path in front of it."""
    texts = {"right": log_in(mx).json()["access_token"], "wrong": "wrong"}
    headers = {"Authorization": f"Bearer {texts[token]}"}

    assert requests.get(mx.url + base + SITES_PATH, headers=headers, timeout=10).status_code == code


def test_a_revoked_token_is_refused(mx: MovieXchangeStandIn) -> None:
    """Even if it has not expired."""
    token = log_in(mx).json()["access_token"]
    mx.revoke(token)

    assert call_api(mx, Authorization=f"Bearer {token}").status_code == 401


def test_a_jwt_says_when_it_expires(mx: MovieXchangeStandIn) -> None:
    """Its payload has `exp`, whatever `expires_in` says."""
    mx.jwt_lifetime = 600
    _, payload, _ = log_in(mx).json()["access_token"].split(".")

    assert json.loads(urlsafe_b64decode(payload + "==="))["exp"] - time.time() == pytest.approx(600, abs=10)


@pytest.mark.parametrize("lifetime", ["lifetime", "jwt_lifetime"])
def test_a_token_expires(mx: MovieXchangeStandIn, lifetime: str) -> None:
    """The earlier of its two ends counts."""
    setattr(mx, lifetime, -1)

    assert call_api(mx).status_code == 401


@pytest.mark.parametrize(("client_id", "code"), [("FooTickets", 401), ("Another", 200)])
def test_a_log_in_can_end_the_older_tokens(mx: MovieXchangeStandIn, client_id: str, code: int) -> None:
    """Those of the same client ID."""
    mx.revokes_older_tokens = True
    headers = {"Authorization": f"Bearer {log_in(mx).json()['access_token']}"}
    log_in(mx, client_id=client_id)

    assert requests.get(mx.url + SITES_PATH, headers=headers, timeout=10).status_code == code


def test_log_ins_are_counted_for_each_client_id(mx: MovieXchangeStandIn) -> None:
    """And for all of them together."""
    for client_id in ("A", "A", "B"):
        log_in(mx, client_id=client_id)

    assert (mx.log_ins("A"), mx.log_ins("B"), mx.log_ins()) == (2, 1, 3)


@pytest.mark.parametrize("path", ["/elsewhere", "/connect/elsewhere"])
@pytest.mark.parametrize("ask", [requests.get, requests.post])
def test_any_other_path_is_not_found(mx: MovieXchangeStandIn, path: str, ask: Callable[..., requests.Response]) -> None:
    """With an empty body, as recorded."""
    answer = ask(mx.url + path, timeout=10)

    assert (answer.status_code, answer.content) == (404, b"")


@pytest.mark.parametrize("code", [201, 204, 302, 304, 400, 401, 403, 418, 429, 500, 503, 599])
def test_any_status_can_be_had(mx: MovieXchangeStandIn, code: int) -> None:
    """The token endpoint answers with the fault's status."""
    mx.token_fault = status(code)

    assert log_in(mx).status_code == code


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (oauth_error("invalid_client", 401), 401),
        (redirect("/elsewhere", 307), 307),
        (times(0, down(), then=status(418)), 418),
        (slow(0), 200),
        (huge(100_000), 200),
    ],
)
def test_a_fault_replaces_the_answer(mx: MovieXchangeStandIn, fault: Fault, code: int) -> None:
    """Until it is removed."""
    mx.token_fault = fault

    assert log_in(mx).status_code == code


@pytest.mark.parametrize("fault", [down(), cut_off(200)], ids=["down", "cut off"])
def test_a_connection_can_break(mx: MovieXchangeStandIn, fault: Fault) -> None:
    """Before the answer, or within it."""
    mx.token_fault = fault

    with pytest.raises(requests.RequestException):
        log_in(mx)


def test_a_received_request_shows_no_secret(mx: MovieXchangeStandIn) -> None:
    """A failed assertion may print it."""
    log_in(mx)

    assert mx.password not in repr(mx.requests)


def test_a_stopped_stand_in_closes_its_port() -> None:
    """Nothing listens there afterwards."""
    with MovieXchangeStandIn() as mx:
        pass

    with pytest.raises(requests.ConnectionError):
        requests.get(mx.url, timeout=10)

"""MovieXchangeAuth for requests and for httpx: which hosts get headers, and what happens at a 401."""

import io
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import requests

from moviexchange_auth import TokenSource
from moviexchange_auth.httpx import MovieXchangeAuth as HttpxAuth
from moviexchange_auth.requests import MovieXchangeAuth
from tests.reader.app import SECRET, App
from tools.local.faults import redirect, status, times
from tools.local.mx import CHAINS_PATH, SITES_PATH, TOKEN_PATH, MovieXchangeStandIn

CLASSES = [MovieXchangeAuth, HttpxAuth]


def test_a_request_has_both_headers(app: App) -> None:
    """The API accepts it."""
    app.publish("a-token")

    assert (app.call(), app.sent()) == (200, [("Bearer a-token", app.mx.client_secret)])


def test_a_request_to_vista_has_authorization_alone(app: App) -> None:
    """The secret's client secret is empty there."""
    app.mx.client_secret = ""
    app.publish("a-token")

    assert (app.call(url=app.mx.url + SITES_PATH), app.sent()) == (200, [("Bearer a-token", None)])


# Hosts


@pytest.mark.parametrize("spelling", ["{}", "https://{}", "https://{}/", " {} ", ["{}"], ("HTTPS://{}",), {"{}"}])
def test_a_host_may_be_spelled_in_any_common_way(app: App, spelling: Any) -> None:  # noqa: ANN401  several types
    """A single text is one host."""
    app.publish("a-token")
    filled = [each.format(app.host) for each in ([spelling] if isinstance(spelling, str) else spelling)]
    app.authenticate(api_hosts=filled[0] if isinstance(spelling, str) else type(spelling)(filled))

    assert app.call() == 200


@pytest.mark.parametrize("auth", CLASSES)
@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("API.Example.com", "https://api.example.com/"),
        ("api.example.com:443", "https://api.example.com/"),
        ("api.example.com", "https://api.example.com:443/?page=2"),
        ("https://api.example.com:8443", "https://API.EXAMPLE.COM:8443/path"),
        ("[::1]:8443", "https://[::1]:8443"),
    ],
)
def test_upper_case_and_the_usual_port_make_no_difference(auth: type[MovieXchangeAuth], given: str, asked: str) -> None:
    """Neither where the host is named nor in a URL."""
    assert auth(SECRET, api_hosts=given)._is_api(asked)  # noqa: SLF001  no such host can be called here


@pytest.mark.parametrize("auth", CLASSES)
@pytest.mark.parametrize(
    "wrong",
    [
        "http://api.example.com",
        "api.example.com/path",
        "https://vwc.example.com/WSVistaWebClient",
        "*.example.com",
        "api example.com",
        "user@api.example.com",
        "api.example.com:port",
        "",
        [],
        ["api.example.com", "https://"],
    ],
)
def test_what_is_not_a_host_is_refused_at_once(auth: type[MovieXchangeAuth], wrong: str | list[str]) -> None:
    """Not with the first request, and not by sending no headers."""
    with pytest.raises(ValueError, match=r"api_hosts are names of HTTPS hosts, such as api\.example\.com"):
        auth(SECRET, api_hosts=wrong)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com/",
        "https://api.example.com.evil.example/",
        "https://evil.example/api.example.com",
        "https://evil.example/?https://api.example.com/",
        "https://api.example.com@evil.example/",
        "https://api.example.com\\@evil.example/",
        "https://api.example.com:8443/",
        "https://evil-api.example.com/",
    ],
)
def test_what_resembles_a_host_is_another_one(url: str) -> None:
    """It gets no header."""
    assert not MovieXchangeAuth(SECRET, api_hosts="api.example.com")._is_api(url)  # noqa: SLF001  as above


def test_another_host_gets_no_header(app: App) -> None:
    """The secret is not read for it either."""
    app.publish("a-token")
    app.call(url=app.elsewhere)

    assert (app.sent(), app.calls) == ([(None, None)], [])


def test_the_same_host_without_tls_gets_no_header(app: App) -> None:
    """The token would be readable on the way."""
    app.publish("a-token")
    with MovieXchangeStandIn() as plain:
        app.authenticate(api_hosts=[app.host, plain.url.removeprefix("http://")])
        app.call(url=plain.url + CHAINS_PATH)

        assert [each.headers["Authorization"] for each in plain.requests] == [None]


def test_a_skipped_host_is_logged(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """With those that are configured, so that a wrong name is found; without the URL."""
    caplog.set_level(logging.DEBUG, "moviexchange_auth")
    app.call(url=app.elsewhere + "?seat=12")

    assert caplog.messages == [
        f"No headers for {app.host.replace('127.0.0.1', 'localhost')}: api_hosts are {{{app.host!r}}}"
    ]


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_has_no_header(app: App, code: int) -> None:
    """Neither the token nor the client secret leaves the API's hosts."""
    app.publish("a-token")
    app.mx.api_fault = times(1, redirect(app.elsewhere, code), then=status(200))
    app.call()

    assert app.sent() == [("Bearer a-token", app.mx.client_secret), (None, None)]


def test_a_redirect_of_a_repeated_request_has_no_header(app: App) -> None:
    """Nor does one that comes after a newer token was tried."""
    app.publish("a-token")
    app.call()
    app.publish("another-token")
    app.mx.api_fault = times(1, status(401), then=times(1, redirect(app.elsewhere), then=status(200)))
    app.call()

    assert app.sent()[2:] == [("Bearer another-token", app.mx.client_secret), (None, None)]


def test_a_redirect_after_a_redirect_has_no_header(app: App) -> None:
    """However far away the other host is."""
    app.publish("a-token")
    app.mx.api_fault = times(1, redirect("/here"), then=times(1, redirect(app.elsewhere), then=status(200)))
    app.call()

    assert app.sent() == [("Bearer a-token", app.mx.client_secret)] * 2 + [(None, None)]


def test_a_redirect_to_an_api_host_has_both_headers(app: App) -> None:
    """The next request is for the API too."""
    app.publish("a-token")
    app.mx.api_fault = times(1, redirect("/elsewhere"), then=status(200))

    assert (app.call(), app.sent()) == (200, [("Bearer a-token", app.mx.client_secret)] * 2)


# A 401


def test_after_a_401_the_request_is_repeated_with_a_newer_token(app: App) -> None:
    """The application does not notice, and nothing is reported."""
    app.publish("a-token", is_accepted=False)
    app.source.token()
    app.publish("another-token")

    assert (app.call(), app.calls, len(app.mx.requests)) == (200, ["GetSecretValue"], 2)


def test_after_a_401_a_version_that_is_still_current_is_reported(app: App) -> None:
    """The application gets the 401, and the request is not repeated."""
    version = app.publish("a-token", is_accepted=False)
    status_code = app.call()

    assert (status_code, [each["Detail"] for each in app.reports], len(app.mx.requests)) == (
        401,
        [f'{{"version_id": "{version}"}}'],
        1,
    )


def test_a_newer_token_that_is_refused_too_is_not_tried_again(app: App) -> None:
    """A request is repeated once."""
    app.publish("a-token", is_accepted=False)
    app.source.token()
    app.publish("another-token", is_accepted=False)

    assert (app.call(), len(app.mx.requests)) == (401, 2)


def test_a_403_is_left_alone(app: App) -> None:
    """It says that the account may not make this call."""
    app.publish("a-token")
    app.mx.api_fault = status(403)

    assert (app.call(), app.calls, app.reports) == (403, ["GetSecretValue"], [])


@pytest.mark.parametrize(("seconds", "reports"), [(0.0, 0), (59.0, 0), (60.0, 1)])
def test_a_token_that_the_host_accepted_within_a_minute_is_not_reported(app: App, seconds: float, reports: int) -> None:
    """OCAPI answers 401 to a good token, too, if only the visitor is not signed in."""
    app.publish("a-token")
    app.call()
    app.advance(seconds)
    app.mx.api_fault = status(401)
    app.call()

    assert len(app.reports) == reports


def test_a_token_that_another_host_accepted_is_reported(app: App) -> None:
    """Each host judges for itself."""
    app.publish("a-token")
    app.authenticate(api_hosts=[app.host, app.host.replace("127.0.0.1", "localhost")])
    app.call()
    app.mx.api_fault = status(401)
    app.call(url=app.elsewhere)

    assert len(app.reports) == 1


def test_an_answer_that_should_not_be_reported_is_not(app: App) -> None:
    """The application knows which of its calls need a visitor; the next one is reported."""
    app.publish("a-token", is_accepted=False)
    app.authenticate(should_report=lambda answer: "members" not in str(answer.url))
    app.call(url=app.mx.url + "/ocapi/v1/members/current" + SITES_PATH)
    before = len(app.reports)
    app.call()

    assert (before, len(app.reports)) == (0, 1)


def test_should_report_can_read_the_answer(app: App) -> None:
    """Its text may say why."""
    app.publish("a-token", is_accepted=False)
    app.authenticate(should_report=lambda answer: answer.json()["errorDescription"] != "The access token is not valid.")
    app.call()

    assert app.reports == []


def test_a_netrc_entry_in_the_tokens_place_is_not_reported(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests puts it there after a redirect. What was refused is not the token."""
    if app.library != "requests":
        pytest.skip("httpx reads no netrc file if there is an Auth")
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password mine\n")
    for name, value in {"NETRC": str(tmp_path / "netrc"), "REQUESTS_CA_BUNDLE": app.bundle, "NO_PROXY": "*"}.items():
        monkeypatch.setenv(name, value)
    app.session.trust_env = True
    app.publish("a-token")
    app.mx.api_fault = times(1, redirect("/elsewhere"), then=status(401))

    assert (app.call(), app.sent()[-1][0], app.reports) == (401, "Basic bWU6bWluZQ==", [])


# Bodies


def file() -> BinaryIO:
    """Return a file that is not at its beginning."""
    opened = io.BytesIO(b"skipped;seats=2")
    opened.seek(8)
    return opened


def whole_file() -> BinaryIO:
    """Return a file at its beginning, which httpx expects."""
    return io.BytesIO(b"seats=2")


BODIES: dict[str, dict[str, Any]] = {
    "requests, bytes": {"data": b"seats=2"},
    "requests, a text": {"data": "seats=2"},
    "requests, a bytearray": {"data": bytearray(b"seats=2")},
    "requests, a form": {"data": {"seats": "2"}},
    "requests, JSON": {"json": {"seats": 2}},
    "requests, a file": {"data": file},
    "requests, an upload": {"files": {"seats": whole_file}},
    "httpx, bytes": {"content": b"seats=2"},
    "httpx, a text": {"content": "seats=2"},
    "httpx, a form": {"data": {"seats": "2"}},
    "httpx, JSON": {"json": {"seats": 2}},
    "httpx, a file": {"content": whole_file},
    "httpx, an upload": {"files": {"seats": whole_file}, "data": {"row": "7"}},
    "httpx under asyncio, bytes": {"content": b"seats=2"},
    "httpx under asyncio, a form": {"data": {"seats": "2"}},
    "httpx under asyncio, an upload": {"files": {"seats": whole_file}},
}


def made(body: dict[str, Any]) -> dict[str, Any]:
    """Open the files of a body."""
    values = {key: made(value) if isinstance(value, dict) else value for key, value in body.items()}
    return {key: value() if callable(value) else value for key, value in values.items()}


@pytest.mark.parametrize(("app", "body"), [(name.split(",")[0], name) for name in BODIES], indirect=["app"])
def test_a_body_is_sent_again(app: App, body: str) -> None:
    """From where it began."""
    app.publish("a-token")
    app.source.token()
    app.publish("another-token")
    app.mx.token_fault = times(1, status(401), then=status(200))
    status_code = app.call("POST", app.mx.url + TOKEN_PATH, **made(BODIES[body]))
    first, second = app.mx.requests

    assert (status_code, second.form, second.headers["Content-Length"]) == (
        200,
        first.form,
        first.headers["Content-Length"],
    )


def parts() -> Iterator[bytes]:
    """Generate a body."""
    yield b"seats=2"


async def asynchronous_parts() -> AsyncIterator[bytes]:
    """Generate a body under asyncio."""
    yield b"seats=2"


def test_a_stream_is_not_sent_again(app: App) -> None:
    """It cannot be read a second time. The next request has the newer token."""
    stream = {"requests": {"data": parts()}, "httpx": {"content": parts()}}
    body: Any = stream.get(app.library, {"content": asynchronous_parts()})
    app.publish("a-token")
    app.source.token()
    app.publish("another-token")
    app.mx.token_fault = status(401)
    status_code = app.call("POST", app.mx.url + TOKEN_PATH, headers={"Content-Length": "7"}, **body)

    assert (status_code, len(app.mx.requests), app.source.headers()["Authorization"]) == (
        401,
        1,
        "Bearer another-token",
    )


# What it is made from


@pytest.mark.parametrize("auth", CLASSES)
def test_it_is_made_from_a_name_or_an_arn_or_a_token_source(auth: type[MovieXchangeAuth]) -> None:
    """A TokenSource is shared, the others make one."""
    source = TokenSource(SECRET, event_bus="a-bus")

    assert (auth(source).source, auth(SECRET, event_bus="a-bus").source.event_bus) == (source, "a-bus")


@pytest.mark.parametrize("auth", CLASSES)
def test_an_event_bus_beside_a_token_source_is_refused(auth: type[MovieXchangeAuth]) -> None:
    """It has its own."""
    with pytest.raises(TypeError, match="Give event_bus to the TokenSource"):
        auth(TokenSource(SECRET), event_bus="a-bus")


def test_a_request_without_a_token_fails_before_it_is_sent(app: App) -> None:
    """The secret is still empty."""
    with pytest.raises(Exception, match=f"^The token in the secret {SECRET} cannot be read: ") as caught:
        app.call()

    assert (type(caught.value).__name__, app.mx.requests) == ("TokenError", [])


def test_the_api_hosts_are_movieXchanges_by_default() -> None:  # noqa: N802  its name
    """In production and staging."""
    hosts = ("https://api.moviexchange.com/", "https://staging-api.moviexchange.com/")

    assert all(MovieXchangeAuth(SECRET)._is_api(each) for each in hosts)  # noqa: SLF001  as above


def test_a_prepared_request_is_not_changed_for_another_host() -> None:
    """An Authorization of the application's own stays."""
    prepared = requests.Request("GET", "https://example.com/", headers={"Authorization": "mine"}).prepare()

    assert MovieXchangeAuth(SECRET)(prepared).headers["Authorization"] == "mine"

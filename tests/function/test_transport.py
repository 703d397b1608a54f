"""One HTTP exchange over a real socket: what is sent, what is read of the answer, and how its absence is told."""

import json
import select
import signal
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from unittest.mock import patch

import pytest
import requests
import trustme

from mx_token_rotator import __version__, transport
from mx_token_rotator.errors import TimeIsUp
from mx_token_rotator.transport import Answer, send
from tools.local.faults import (
    TOKEN,
    Fault,
    answer,
    cut_off,
    down,
    drip,
    drip_head,
    gzipped,
    huge,
    raw,
    redirect,
    slow,
    status,
    wire,
)
from tools.local.lambda_runtime import reserved_port
from tools.local.mx import CHAINS_PATH, MovieXchangeStandIn

FORM = {"grant_type": "password", "username": "a+b@c", "password": " p&w=%ü ", "client_id": "Foo Tickets (Web)"}
BODY = json.dumps(TOKEN).encode()


@pytest.fixture
def mx(account_at_mx: MovieXchangeStandIn) -> MovieXchangeStandIn:
    """Use one movieXchange account for the file, without what came before."""
    account_at_mx.requests.clear()
    account_at_mx.token_fault = account_at_mx.api_fault = None
    return account_at_mx


def post(mx: MovieXchangeStandIn, fault: Fault | None = None) -> Answer:
    """Send a form to the token endpoint, which answers with a fault."""
    mx.token_fault = fault
    return send("POST", f"{mx.url}/connect/token", {}, FORM)


def get(mx: MovieXchangeStandIn, fault: Fault | None = None) -> Answer:
    """Send a GET with a token to the API, which answers with a fault."""
    mx.api_fault = fault
    return send("GET", mx.url + CHAINS_PATH, {"Authorization": "Bearer T"}, None)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeIsUp after so many seconds, as the handler does."""

    def interrupt(*_: object) -> None:
        raise TimeIsUp

    handler = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)


def test_a_form_arrives_as_it_is(mx: MovieXchangeStandIn) -> None:
    """Its values are percent-encoded on the way."""
    post(mx)

    assert (mx.requests[0].method, mx.requests[0].path, mx.requests[0].form) == ("POST", "/connect/token", FORM)


def test_every_header_that_is_sent_is_known(mx: MovieXchangeStandIn) -> None:
    """No cookie, no proxy's and no netrc's credentials, nothing of requests' own."""
    get(mx)

    assert dict(mx.requests[0].headers) == {
        "Host": mx.url.removeprefix("http://"),
        "Accept-Encoding": "identity",
        "User-Agent": f"mx-token-rotator/{__version__}",
        "Accept": "application/json",
        "Connection": "close",
        "Authorization": "Bearer T",
    }


def test_nothing_is_taken_from_the_environment(
    mx: MovieXchangeStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy and a netrc file that somebody set for another purpose are not used."""
    (tmp_path / "netrc").write_text("default login somebody password something\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    post(mx)

    assert [(each.path, each.headers["Authorization"]) for each in mx.requests] == [("/connect/token", None)]


def test_a_cookie_is_not_sent_back(mx: MovieXchangeStandIn) -> None:
    """A proxy in front of movieXchange sets cookies."""
    post(mx)
    get(mx)

    assert mx.requests[-1].headers["Cookie"] is None


def test_a_connection_is_not_used_again(mx: MovieXchangeStandIn) -> None:
    """An answer that was sent ahead is not taken for the next one."""
    ports = set()

    def note_port(handler: BaseHTTPRequestHandler) -> None:
        ports.add(handler.client_address[1])
        handler.wfile.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ny"
        )

    bodies = [post(mx, note_port).body for _ in range(3)]

    assert (bodies, len(ports)) == ([b"x"] * 3, 3)


@pytest.mark.parametrize("location", ["{trap}/connect/token", "//{host}/", "file:///etc/passwd", "http://[", "/\xff"])
def test_a_redirect_is_not_followed(mx: MovieXchangeStandIn, location: str) -> None:
    """Credentials and tokens go to the host that was set, and to no other."""
    codes = [300, 301, 302, 303, 307, 308]
    with MovieXchangeStandIn() as trap:
        to = location.format(trap=trap.url, host=trap.url.removeprefix("http://"))
        seen = [each(mx, redirect(to, code)).status for each in (post, get) for code in codes]

        assert (seen, len(mx.requests), trap.requests) == (codes * 2, 12, [])


@pytest.mark.parametrize("code", [200, 201, 302, 400, 401, 404, 429, 500, 503])
def test_the_status_the_headers_and_the_body_come_back(mx: MovieXchangeStandIn, code: int) -> None:
    """Header names are compared without their case."""
    answered = post(mx, status(code, b"body", headers={"Retry-After": "7"}))

    assert (answered.status, answered.headers["retry-after"], answered.body) == (code, "7", b"body")


def test_an_answer_says_its_host_and_its_status(mx: MovieXchangeStandIn) -> None:
    """Both stand in every message."""
    answered = post(mx, status(503))

    assert (answered.host, str(answered)) == (mx.url.removeprefix("http://"), "HTTP 503")


def test_a_repr_shows_neither_headers_nor_body(mx: MovieXchangeStandIn) -> None:
    """Either may repeat a secret."""
    assert "canary" not in repr(post(mx, status(200, b"canary", headers={"A": "canary"})))


@pytest.mark.parametrize(("code", "body"), [(401, b"body"), (403, b"body"), (200, b""), (404, b""), (503, b"")])
def test_the_body_of_the_api_is_read_under_401_and_403_alone(mx: MovieXchangeStandIn, code: int, body: bytes) -> None:
    """Elsewhere the status is the verdict."""
    assert get(mx, status(code, b"body")).body == body


@pytest.mark.parametrize("fault", [drip(0.05, 60), huge(10**9), cut_off(200)], ids=["dripping", "huge", "cut off"])
def test_a_body_that_is_not_needed_holds_nobody_up(mx: MovieXchangeStandIn, fault: Fault) -> None:
    """The connection is closed on it."""
    with time_limit(5):
        assert get(mx, fault).status == 200


@pytest.mark.parametrize(
    "fault", [raw(BODY), gzipped(BODY), wire(b"HTTP/1.1 200 OK\r\n\r\n" + BODY)], ids=["length", "gzip", "no length"]
)
def test_a_body_is_read_whole(mx: MovieXchangeStandIn, fault: Fault) -> None:
    """A compressed one is decompressed, though nobody asked for it."""
    assert post(mx, fault).body == BODY


@pytest.mark.parametrize(
    ("fault", "length"),
    [
        (raw(b"x" * 65_535), 65_535),
        (raw(b"x" * 65_536), 65_536),
        (raw(b"x" * 65_537), 65_536),
        (huge(10**9), 65_536),
        (gzipped(b"x" * 50_000_000), 65_536),
    ],
    ids=["shorter", "just as long", "longer by a byte", "a gigabyte", "a gzip bomb"],
)
def test_64_kib_of_a_body_are_read(mx: MovieXchangeStandIn, fault: Fault, length: int) -> None:
    """A token answer has some two."""
    assert len(post(mx, fault).body) == length


def test_half_a_token_is_no_answer(mx: MovieXchangeStandIn) -> None:
    """The status is not told either: the log-in may have to be repeated."""
    answered = post(mx, cut_off(200))

    assert (answered.status, answered.trouble, answered.never_connected) == (
        None,
        "it closed the connection, or does not speak HTTP",
        False,
    )


@pytest.mark.parametrize("code", [400, 401, 403, 500])
def test_a_refusal_counts_without_its_body(mx: MovieXchangeStandIn, code: int) -> None:
    """A password is not sent again to hear the rest."""
    assert [each(mx, cut_off(code)).status for each in (post, get)] == [code, code]


def test_nobody_at_the_port_is_told() -> None:
    """The host in the message has its port."""
    with reserved_port() as port:
        answered = send("POST", f"http://127.0.0.1:{port}/connect/token", {}, FORM)

    assert answered == Answer(host=f"127.0.0.1:{port}", trouble="the connection was refused", never_connected=True)


def test_a_name_that_cannot_be_resolved_is_told() -> None:
    """A VPC without DNS, or a mistyped AuthUrl."""
    with patch("socket.getaddrinfo", side_effect=socket.gaierror(-2, "canary")):
        answered = send("GET", "https://nobody.invalid/", {}, None)

    assert answered == Answer(host="nobody.invalid", trouble="its name cannot be resolved (DNS)", never_connected=True)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TimeoutError("canary"), "the connection timed out"),
        (OSError(101, "canary"), "no connection could be made"),
    ],
    ids=["dropped", "unreachable"],
)
def test_a_connection_that_is_not_made_is_told(error: OSError, said: str) -> None:
    """A security group drops packets without an answer, and a subnet may have no route."""
    with patch.object(socket.socket, "connect", side_effect=error):
        answered = send("POST", "https://127.0.0.1:9/", {}, FORM)

    assert answered == Answer(host="127.0.0.1:9", trouble=said, never_connected=True)


@pytest.mark.parametrize(
    "fault", [slow(60), drip(60, 120), drip_head(60, 120)], ids=["silent", "in a body", "in a head"]
)
def test_an_answer_that_does_not_come_in_time_is_told(
    mx: MovieXchangeStandIn, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log-in may have been counted, so it is not as if nobody had been reached."""
    monkeypatch.setattr(transport, "TIMEOUTS", (3.05, 0.1))
    answered = post(mx, fault)

    assert (str(answered), answered.status, answered.never_connected) == ("no answer in time", None, False)


def test_the_longest_waits_fit_into_an_invocation() -> None:
    """To connect takes three seconds at most, and the next byte ten."""
    with patch("requests.adapters.HTTPAdapter.send", side_effect=requests.ConnectionError) as sending:
        send("GET", "https://127.0.0.1/", {}, None)

    assert (sending.call_args.kwargs["timeout"], sum(transport.TIMEOUTS) < 15) == ((3.05, 10.0), True)


@pytest.mark.parametrize("fault", [drip(0.02, 60), drip_head(0.02, 60)], ids=["body", "head"])
def test_the_functions_time_limit_ends_a_slow_drip(mx: MovieXchangeStandIn, fault: Fault) -> None:
    """A socket's time-out begins anew with each byte."""
    with time_limit(0.2):
        answered = post(mx, fault)

    assert (str(answered), answered.never_connected) == ("no answer before the function's time limit", False)


@pytest.mark.parametrize("fault", [down(), wire(b"")], ids=["reset", "closed"])
def test_a_connection_that_breaks_off_is_told(mx: MovieXchangeStandIn, fault: Fault) -> None:
    """The exception's text is not told: it may quote what was sent."""
    answered = post(mx, fault)

    assert (str(answered), answered.never_connected) == ("it closed the connection, or does not speak HTTP", False)


@pytest.fixture
def mx_over_tls(tls: ssl.SSLContext) -> Iterator[MovieXchangeStandIn]:
    """Run movieXchange over TLS, with a certificate of an authority that nobody trusts yet."""
    with MovieXchangeStandIn(tls=tls) as stand_in:
        yield stand_in


@pytest.fixture
def trusting(authority: trustme.CA) -> Iterator[None]:
    """Trust the certificate authority."""
    with authority.cert_pem.tempfile() as bundle, patch("requests.adapters.DEFAULT_CA_BUNDLE_PATH", bundle):
        yield


def test_a_certificate_that_nobody_vouches_for_is_named(mx_over_tls: MovieXchangeStandIn) -> None:
    """TLS is always checked, and nothing is sent before."""
    answered, untrusted = (
        post(mx_over_tls),
        "its TLS certificate is not trusted: unable to get local issuer certificate",
    )

    assert (answered.trouble, answered.is_untrusted, answered.never_connected, mx_over_tls.requests) == (
        f"{untrusted}; a proxy that opens TLS must exempt {mx_over_tls.url.removeprefix('https://')}",
        True,
        False,
        [],
    )


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize(
    ("name", "days", "said"),
    [("elsewhere.example.com", 1, "IP address mismatch"), ("127.0.0.1", -1, "certificate has expired")],
)
def test_a_wrong_certificate_is_named(authority: trustme.CA, name: str, days: int, said: str) -> None:
    """The message has OpenSSL's reason."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ends = datetime.now(UTC) + timedelta(days=days)
    authority.issue_cert(name, not_before=ends - timedelta(days=2), not_after=ends).configure_cert(context)
    with MovieXchangeStandIn(tls=context) as mx:
        answered = post(mx)

    assert (said in answered.trouble, answered.is_untrusted, mx.requests) == (True, True, [])


@pytest.mark.usefixtures("trusting")
def test_a_certificate_that_is_vouched_for_is_accepted(mx_over_tls: MovieXchangeStandIn) -> None:
    """The refusals above are the certificates' doing and no other's."""
    assert (post(mx_over_tls, raw(BODY)).body, mx_over_tls.log_ins()) == (BODY, 1)


@pytest.mark.usefixtures("trusting")
def test_a_redirect_from_tls_to_plain_http_is_not_followed(
    mx: MovieXchangeStandIn, mx_over_tls: MovieXchangeStandIn
) -> None:
    """Not on the same host either."""
    assert (post(mx_over_tls, redirect(f"{mx.url}/connect/token", 307)).status, mx.requests) == (307, [])


def test_plain_http_in_the_place_of_tls_gets_no_request(mx: MovieXchangeStandIn) -> None:
    """No password is sent before there is TLS, and none in the clear."""
    answered = send("POST", mx.url.replace("http:", "https:"), {}, FORM)

    assert (str(answered), mx.requests) == ("broken off by SSLError", [])


@pytest.mark.parametrize(
    "content_type",
    [
        b"multipart/a; boundary*" + b"9" * 5000 + b"=a",
        b"multipart/a; boundary*=a; boundary*0*=b",
        b"a/b; c*=a\x00b'c'd",
    ],
    ids=["a parameter of 5000 digits", "a parameter both whole and in parts", "a character set with a NUL"],
)
def test_a_head_over_which_python_trips_is_an_answer_like_any_other(
    mx: MovieXchangeStandIn, content_type: bytes
) -> None:
    """The email package reads it, and raises in some versions of Python."""
    fault = wire(b"HTTP/1.1 200 OK\r\nContent-Type: " + content_type + b"\r\nContent-Length: 2\r\n\r\n{}")

    assert (post(mx, fault).status or 200, get(mx, fault).status or 200) == (200, 200)


@pytest.mark.parametrize("error", [ValueError("canary"), TypeError("canary")])
def test_what_python_raises_over_a_head_is_told_by_its_name(mx: MovieXchangeStandIn, error: Exception) -> None:
    """python/cpython issue 134151 has both."""
    with patch("http.client.HTTPResponse.begin", side_effect=error):
        answered = post(mx, answer(TOKEN))

    assert str(answered) == f"broken off by {type(error).__name__}"


def test_a_url_that_cannot_be_used_is_told() -> None:
    """The template lets none pass."""
    assert str(send("GET", "https://127.0.0.1:99999/", {}, None)) == "broken off by InvalidURL"


def test_the_text_of_an_exception_is_not_told(mx: MovieXchangeStandIn) -> None:
    """urllib3's has the URL, requests' the header that was sent."""
    with patch("http.client.HTTPConnection.request", side_effect=OSError("canary")):
        answered = post(mx)

    assert "canary" not in repr(answered)


# Through a proxy


class Proxy(StreamRequestHandler):
    """Connect to what the server's `leads_to` says, whatever was asked for; no address refuses."""

    server: "ProxyServer"

    def handle(self) -> None:
        """Note what is asked for, and pass bytes on in both directions."""
        self.server.asked.append(self.rfile.readline().decode().strip())
        while self.rfile.readline().strip():
            pass
        address = self.server.leads_to
        if not address:
            self.wfile.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with suppress(ConnectionError), socket.create_connection(address) as upstream:
            ends = {self.connection: upstream, upstream: self.connection}
            while True:
                for readable in select.select(list(ends), [], [])[0]:
                    data = readable.recv(65536)
                    if not data:
                        return
                    ends[readable].sendall(data)


class ProxyServer(ThreadingTCPServer):
    """A proxy on loopback, and what it was asked to connect to."""

    def __init__(self) -> None:
        """Listen on a free port."""
        super().__init__(("127.0.0.1", 0), Proxy)
        self.asked: list[str] = []
        self.leads_to: tuple[str, int] | None = None

    @property
    def url(self) -> str:
        """Its address, as the parameter HttpsProxy has it."""
        return f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def proxy() -> Iterator[ProxyServer]:
    """Run a proxy that refuses until it is told where to connect to."""
    with ProxyServer() as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


FAR = "token-service.invalid"  # RFC 6761: no resolver knows it


def post_through(proxy: str) -> Answer:
    """Log in at a host that only the proxy can resolve."""
    return send("POST", f"https://{FAR}/connect/token", {}, FORM, proxy)


@pytest.mark.usefixtures("trusting")
def test_the_proxy_resolves_the_name_and_connects(authority: trustme.CA, proxy: ProxyServer) -> None:
    """It sees the host alone: what is sent is encrypted for the token service."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(FAR).configure_cert(context)
    with MovieXchangeStandIn(tls=context) as mx:
        mx.token_fault = raw(BODY)
        proxy.leads_to = ("127.0.0.1", int(mx.url.rpartition(":")[2]))
        answered = post_through(proxy.url)

    assert (answered.body, proxy.asked, mx.log_ins()) == (BODY, [f"CONNECT {FAR}:443 HTTP/1.0"], 1)


def test_a_proxy_that_opens_tls_is_refused_with_the_host_to_exempt(
    proxy: ProxyServer, mx_over_tls: MovieXchangeStandIn
) -> None:
    """Its certificate is of a company's own authority, and nothing is sent to it."""
    proxy.leads_to = ("127.0.0.1", int(mx_over_tls.url.rpartition(":")[2]))
    answered = post_through(proxy.url)

    assert (answered.trouble.partition("; ")[2], answered.is_untrusted, mx_over_tls.requests) == (
        f"a proxy that opens TLS must exempt {FAR}",
        True,
        [],
    )


def test_a_proxy_that_refuses_is_named(proxy: ProxyServer) -> None:
    """It wants a user name, or does not let the host through."""
    answered = post_through(proxy.url)

    assert (answered.trouble, answered.never_connected) == (
        "the proxy of HttpsProxy cannot be reached, or does not let it through",
        False,
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "proxy.invalid"])
def test_a_proxy_that_cannot_be_reached_is_named(host: str) -> None:
    """Nothing was sent, so that it can be tried again."""
    with reserved_port() as port:
        answered = post_through(f"http://{host}:{port}")

    assert (answered.trouble, answered.never_connected) == (
        "the proxy of HttpsProxy cannot be reached, or does not let it through",
        True,
    )


def test_plain_http_goes_past_the_proxy(mx: MovieXchangeStandIn, proxy: ProxyServer) -> None:
    """It is for loopback alone."""
    send("GET", mx.url + CHAINS_PATH, {"Authorization": "Bearer T"}, None, proxy.url)

    assert (len(mx.requests), proxy.asked) == (1, [])

"""Ways in which movieXchange can fail: each writes to the socket in place of the stand-in's answer.

Waiting ends when the stand-in stops, so nothing outlives it.
"""

import gzip
import json
import socket
import struct
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from threading import Event

Fault = Callable[[BaseHTTPRequestHandler], None]

RECORDED_TYPE = "application/json;charset=UTF-8"
TOKEN = {"token_type": "Bearer", "access_token": "an-access-token", "expires_in": 43200}
BODILESS = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}


def send(  # noqa: PLR0913  an answer's parts
    handler: BaseHTTPRequestHandler,
    code: int,
    body: bytes = b"",
    *,
    content_type: str = RECORDED_TYPE,
    content_length: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Answer with this status, these headers and this body."""
    bodiless = code < HTTPStatus.OK or code in BODILESS
    handler.send_response(code, "Whatever")
    if not bodiless:
        handler.send_header("Content-Type", content_type)
        handler.send_header("Content-Length", str(len(body) if content_length is None else content_length))
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(b"" if bodiless else body)


def stopped(handler: BaseHTTPRequestHandler) -> Event:
    """Return the event that is set when the stand-in stops."""
    event: Event = handler.server.stopped  # type: ignore[attr-defined]  # the stand-in's server has it
    return event


def down() -> Fault:
    """Reset the connection without an answer."""

    def fault(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()

    return fault


def slow(seconds: float) -> Fault:
    """Answer 200 with a token, so many seconds late."""

    def fault(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        if not stopped(handler).wait(seconds):
            send(handler, HTTPStatus.OK, json.dumps(TOKEN).encode())

    return fault


def status(
    code: int, body: bytes = b"", content_type: str = "text/html", headers: Mapping[str, str] | None = None
) -> Fault:
    """Answer with a status."""

    def fault(handler: BaseHTTPRequestHandler) -> None:
        # An informational status is not a final answer: the connection must not be used for another one.
        handler.close_connection = code < HTTPStatus.OK
        send(handler, code, body, content_type=content_type, headers=headers)

    return fault


def oauth_error(code: str, status_code: int = 400) -> Fault:
    """Answer with an error of RFC 6749, section 5.2."""
    body = json.dumps({"error": code, "error_description": "in words"}).encode()
    return status(status_code, body, content_type=RECORDED_TYPE)


def answer(document: object) -> Fault:
    """Answer 200 with a JSON document."""
    return raw(json.dumps(document).encode())


def raw(body: bytes, content_type: str = RECORDED_TYPE) -> Fault:
    """Answer 200 with exactly these bytes."""
    return status(HTTPStatus.OK, body, content_type)


def gzipped(body: bytes) -> Fault:
    """Answer 200 with these bytes, compressed."""
    return status(HTTPStatus.OK, gzip.compress(body), RECORDED_TYPE, headers={"Content-Encoding": "gzip"})


def cut_off(code: int, headers: Mapping[str, str] | None = None) -> Fault:
    """Answer with a status and a body that ends before its length is reached."""

    def fault(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        send(handler, code, b'{"token_type":"Bearer"', content_length=1000, headers=headers)

    return fault


def redirect(location: str, code: int = 302) -> Fault:
    """Answer with a redirect."""
    return status(code, headers={"Location": location})


def huge(size: int) -> Fault:
    """Answer 200 with a JSON text of so many bytes."""

    def fault(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        send(handler, HTTPStatus.OK, b'"', content_length=size)
        left = size - 1
        while left > 0 and not stopped(handler).is_set():
            handler.wfile.write(b"x" * min(left, 65536))
            left -= 65536

    return fault


def drip(interval: float, seconds: float) -> Fault:
    """Answer 200 with a valid head, then with a byte of the body every so many seconds."""

    def fault(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        send(handler, HTTPStatus.OK, b"{", content_length=1_000_000)
        for _ in range(int(seconds / interval)):
            if stopped(handler).wait(interval):
                return
            handler.wfile.write(b" ")
            handler.wfile.flush()

    return fault


def drip_head(interval: float, seconds: float) -> Fault:
    """Answer with a byte of a status line every so many seconds."""

    def fault(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        handler.wfile.write(b"HTTP/1.1 200 ")
        for _ in range(int(seconds / interval)):
            handler.wfile.write(b"O")
            if stopped(handler).wait(interval):
                return

    return fault


def wire(head: bytes, again: bytes = b"", *, interval: float = 0.0) -> Fault:
    """Write exactly these bytes, then others again and again, every so many seconds, for as long as anybody reads."""

    def fault(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        handler.wfile.write(head)
        while again and not stopped(handler).wait(interval):
            handler.wfile.write(again)

    return fault


def times(count: int, fault: Fault, then: Fault) -> Fault:
    """Answer the first requests in one way, and all that follow in another."""
    left = iter(range(count))

    def either(handler: BaseHTTPRequestHandler) -> None:
        (then if next(left, None) is None else fault)(handler)

    return either


MALFORMED: dict[str, Fault] = {
    "a lifetime of 0": answer(TOKEN | {"expires_in": 0}),
    "a negative lifetime": answer(TOKEN | {"expires_in": -1}),
    "a lifetime in words": answer(TOKEN | {"expires_in": "twelve hours"}),
    "a lifetime of true": answer(TOKEN | {"expires_in": True}),
    "a lifetime of NaN": raw(b'{"token_type":"Bearer","access_token":"a","expires_in":NaN}'),
    "no token": answer({"token_type": "Bearer", "expires_in": 43200}),
    "a number as token": answer(TOKEN | {"access_token": 17}),
    "an empty token": answer(TOKEN | {"access_token": ""}),
    "a token with a line break": answer(TOKEN | {"access_token": "a\r\nX-Injected: b"}),
    "another token type": answer(TOKEN | {"token_type": "DPoP"}),
    "a list": answer([TOKEN]),
    "a text": answer("Bearer"),
    "an HTML page": raw(b"<html>Checking your browser</html>", content_type="text/html"),
    "truncated JSON": raw(json.dumps(TOKEN).encode()[:-9]),
    "JSON nested too deep": raw(b"[" * 60_000),
    "invalid UTF-8": raw(b'{"access_token": "\xff"}'),
    "an empty body": raw(b""),
    "a redirect": redirect("http://127.0.0.1:1/elsewhere"),
}
"""Answers of the token endpoint that are not a token answer."""

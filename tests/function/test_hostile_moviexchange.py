"""A peer that means harm: whatever comes back over the socket ends in a token or in one of our errors, and soon."""

import gzip
import json
import signal
import tracemalloc
import zlib
from http.server import BaseHTTPRequestHandler

import pytest

from mx_token_rotator.errors import RotatorError
from mx_token_rotator.moviexchange import judge, parse_grant
from mx_token_rotator.transport import LONGEST_BODY, Answer, send
from tests.function.fakes import ISSUED_AT
from tests.function.test_transport import time_limit
from tools.local.faults import MALFORMED, TOKEN, Fault, answer, oauth_error, raw, status, wire
from tools.local.mx import CHAINS_PATH, MovieXchangeStandIn

HEAD = b"HTTP/1.1 200 OK\r\nX-Marker: hostile\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
GZIPPED = HEAD + b"Content-Encoding: gzip\r\n\r\n"
GZIP_NAME = b"\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x03"
DOCUMENT = json.dumps(TOKEN | {"access_token": "hostile"}).encode()
BLANK = b" " * 10_000_000
LINE = 65_000  # bytes; http.client takes lines of up to 65,536


def whole(body: bytes = DOCUMENT, *headers: bytes) -> Fault:
    """Answer 200 with these headers and this body, and its length."""
    lines = [*headers, b"Content-Length: %d" % len(body)]
    return wire(HEAD + b"\r\n".join(lines) + b"\r\n\r\n" + body)


BROKEN_HEADS: dict[str, Fault] = {
    "header lines without end": wire(HEAD, b"a: hostile\r\n"),
    "a header line without end": wire(HEAD + b"a: ", b"hostile" * 1000),
    "a status line without end": wire(b"HTTP/1.1 200 ", b"hostile" * 1000),
    "a status that is not a number": wire(b"HTTP/1.1 hostile OK\r\n\r\n"),
    "a status of five digits": wire(b"HTTP/1.1 20000 OK\r\n\r\n"),
    "bytes without end": wire(b"", b"\x00\xffhostile" * 1000),
    "empty lines without end": wire(b"", b"\r\n" * 1000),
    "no head, as in HTTP/0.9": wire(DOCUMENT),
    "HTTP/2": wire(b"HTTP/2 200 OK\r\n\r\n" + DOCUMENT),
    "a frame of HTTP/2": wire(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + b"\x00" * 18),
    "a status line that breaks off": wire(b"HTTP/1."),
    "nothing at all": wire(b""),
    "two lengths": wire(HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n" + DOCUMENT),
    "a list of lengths": wire(HEAD + b"Content-Length: 1, 2\r\n\r\n" + DOCUMENT),
}

BROKEN_BODIES: dict[str, Fault] = {
    "a chunk's size without end": wire(CHUNKED, b"0" * 1000),
    "a chunk's extension without end": wire(CHUNKED + b"1;", b"hostile" * 1000),
    "a chunk's size in words": wire(CHUNKED + b"hostile\r\n" + DOCUMENT),
    "a chunk that breaks off": wire(CHUNKED + b"ff\r\n{"),
    "a trailer without end": wire(CHUNKED + b"1\r\n{\r\n0\r\na: ", b"hostile" * 1000),
    "a length that is not reached": wire(HEAD + b"Content-Length: 99999\r\n\r\n" + DOCUMENT),
    "gzip that is none": whole(DOCUMENT, b"Content-Encoding: gzip"),
    "gzip six times over": whole(b"hostile", b"Content-Encoding: " + b", ".join([b"gzip"] * 6)),
    "gzip 10,000 times over": whole(b"hostile", b"Content-Encoding: " + b",".join([b"gzip"] * 10_000)),
}

ENDLESS: dict[str, Fault] = {
    "100 Continue": wire(b"", b"HTTP/1.1 100 Continue\r\na: hostile\r\n\r\n" * 100),
    "trailers": wire(CHUNKED + b"1\r\n{\r\n0\r\n", b"a: hostile\r\n" * 1000),
    "a gzip name": wire(GZIPPED + GZIP_NAME, b"hostile" * 1000),
    "empty gzip blocks": wire(GZIPPED + GZIP_NAME.replace(b"\x08\x08", b"\x08\x00"), b"\x00\x00\x00\xff\xff" * 1000),
    "empty gzip members": wire(GZIPPED, gzip.compress(b"") * 1000),
}

BOMBS: dict[str, Fault] = {
    "chunks of a byte without end": wire(CHUNKED, b"1\r\n \r\n" * 1000),
    "a body without end or length": wire(HEAD + b"\r\n", BLANK),
    "a body without end": wire(HEAD + b"Content-Length: 99999999999\r\n\r\n", BLANK),
    "a chunk without end": wire(CHUNKED + b"fffffffffff\r\n", BLANK),
    "a gzip bomb": whole(gzip.compress(BLANK), b"Content-Encoding: gzip"),
    "a deflate bomb": whole(zlib.compress(BLANK), b"Content-Encoding: deflate"),
    "a gzip bomb in another": whole(gzip.compress(gzip.compress(BLANK)), b"Content-Encoding: gzip, gzip"),
    "a gzip bomb in a deflated one": whole(zlib.compress(gzip.compress(BLANK)), b"Content-Encoding: gzip, deflate"),
}

NOT_TOKENS: dict[str, Fault] = (
    MALFORMED
    | BOMBS
    | {
        "a gzip bomb under 403": status(403, gzip.compress(BLANK), headers={"Content-Encoding": "gzip"}),
        "Brotli, which was not asked for": whole(b"\x0b\x02\x80hostile\x03", b"Content-Encoding: br"),
        "a coding that nobody knows": whole(b"hostile", b"Content-Encoding: hostile"),
        "another transfer coding": wire(HEAD + b"Transfer-Encoding: xchunked\r\n\r\n1\r\n{\r\n0\r\n\r\n"),
        "two transfer codings": wire(HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n1\r\n{\r\n0\r\n\r\n"),
        "a head that breaks off": wire(HEAD + b"Content-Le"),
        "an error code with a line break": oauth_error("invalid_grant\r\nhostile", 200),
        "a token with a header behind it": answer(TOKEN | {"access_token": "hostile\r\nX-Injected: hostile"}),
        "half a character": raw(b'{"token_type":"Bearer","expires_in":43200,"access_token":"hostile\\ud800"}'),
        "a token of 63 KiB": answer(TOKEN | {"access_token": "x" * 63 * 1024}),
        "a lifetime that is given twice": raw(DOCUMENT.replace(b"43200", b'43200, "expires_in": -1')),
        "a token nested too deep": raw(DOCUMENT.replace(b'"hostile"', b'{"a":' * 10_000 + b"1" + b"}" * 10_000)),
        "two documents": raw(DOCUMENT + DOCUMENT),
    }
)

UNAVAILABLE: dict[str, Fault] = (
    BROKEN_HEADS
    | BROKEN_BODIES
    | {
        "103 Early Hints": wire(b"", b"HTTP/1.1 103 Early Hints\r\na: hostile\r\n\r\n" * 100),
        "101 Switching Protocols": wire(b"HTTP/1.1 101 hostile\r\nUpgrade: hostile\r\n\r\n" + DOCUMENT),
    }
)

DOCUMENTS: dict[str, Fault] = {
    "a head of 6 MB": wire(
        HEAD + b"".join(b"a%d: " % n + b"b" * LINE + b"\r\n" for n in range(96)) + b"\r\n" + DOCUMENT
    ),
    "a negative length": wire(HEAD + b"Content-Length: -1\r\n\r\n" + DOCUMENT),
    "a length of 5000 digits": wire(HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n" + DOCUMENT),
    "a length in words": wire(HEAD + b"Content-Length: hostile\r\n\r\n" + DOCUMENT),
    "a length beside chunks": wire(
        CHUNKED[:-2] + b"Content-Length: 1\r\n\r\n%x\r\n" % len(DOCUMENT) + DOCUMENT + b"\r\n0\r\n\r\n"
    ),
    "a line that is no header": wire(HEAD + b"hostile\r\nb: c\r\n\r\n" + DOCUMENT),
    "a header that goes on in the next line": whole(DOCUMENT, b"a: hostile\r\n {}", b"b: \r\n\thostile"),
    "a header with control characters": whole(DOCUMENT, b"a: \x1b[31m\x1chostile\x85\x0b"),
    "a minor version of the future": wire(b"HTTP/1.9 200 OK\r\n\r\n" + DOCUMENT),
    "a byte order mark": raw(b"\xef\xbb\xbf" + DOCUMENT),
    "UTF-16": raw(DOCUMENT.decode().encode("utf-16")),
    "a type that is given twice": raw(DOCUMENT.replace(b'"token_type"', b'"token_type": "mac", "token_type"')),
    "another content type": raw(DOCUMENT, "text/html"),
    "64 KiB": raw(DOCUMENT.ljust(LONGEST_BODY)),
}


@pytest.fixture
def mx(account_at_mx: MovieXchangeStandIn) -> MovieXchangeStandIn:
    """Use one movieXchange account for the file, without what came before."""
    account_at_mx.requests.clear()
    account_at_mx.token_fault = account_at_mx.api_fault = None
    return account_at_mx


def log_in(mx: MovieXchangeStandIn, fault: Fault) -> Answer:
    """Log in while the token endpoint answers so."""
    mx.token_fault = fault
    with time_limit(60):
        return send("POST", f"{mx.url}/connect/token", {}, {"username": "u"})


def interrupted(fault: Fault) -> Fault:
    """Have the time limit come a moment after the request has arrived, however long that took."""

    def arrived(handler: BaseHTTPRequestHandler) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        fault(handler)

    return arrived


def taken_for(answered: Answer) -> str:
    """Return what an answer is taken for: its token, or the name of an error; or that the error repeats the answer."""
    try:
        (token, _), _ = parse_grant(answered, ISSUED_AT, client_id="c", client_secret="", credentials_version="v")
    except RotatorError as error:
        return "repeated" if "hostile" in error.problem else type(error).__name__
    return token.access_token


@pytest.mark.parametrize("fault", UNAVAILABLE.values(), ids=UNAVAILABLE)
def test_an_answer_that_cannot_be_read_counts_as_an_outage(mx: MovieXchangeStandIn, fault: Fault) -> None:
    """Nothing of it is repeated."""
    assert taken_for(log_in(mx, fault)) == "MovieXchangeUnavailable"


@pytest.mark.parametrize("fault", NOT_TOKENS.values(), ids=NOT_TOKENS)
def test_an_answer_that_can_be_read_but_is_no_token_is_misbehaviour(mx: MovieXchangeStandIn, fault: Fault) -> None:
    """Nothing of it is repeated."""
    assert taken_for(log_in(mx, fault)) == "MovieXchangeMisbehaved"


@pytest.mark.parametrize("fault", DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_token_answer_is_accepted_whatever_is_odd_around_it(mx: MovieXchangeStandIn, fault: Fault) -> None:
    """The token is what counts."""
    assert taken_for(log_in(mx, fault)) == "hostile"


def test_a_cookie_that_cannot_be_read_costs_no_token(mx: MovieXchangeStandIn) -> None:
    """Python warns of it, without its value."""
    fault = whole(DOCUMENT, b"Set-Cookie: hostile=b; expires=1 Jan " + b"9" * 5000)
    with pytest.warns(UserWarning, match=r"http\.cookiejar bug") as warned:
        answered = log_in(mx, fault)

    assert (taken_for(answered), "hostile" in str(warned[0].message)) == ("hostile", False)


@pytest.mark.parametrize("fault", ENDLESS.values(), ids=ENDLESS)
def test_the_time_limit_ends_what_has_no_end(mx: MovieXchangeStandIn, fault: Fault) -> None:
    """The peer would go on for ever, always in time for the socket."""
    assert str(log_in(mx, interrupted(fault))) == "no answer before the function's time limit"


@pytest.mark.parametrize(
    ("fault", "verdict"),
    [
        *((fault, None) for fault in BROKEN_HEADS.values()),
        *(
            (fault, True)
            for fault in (BROKEN_BODIES | ENDLESS | BOMBS).values()
            if fault is not ENDLESS["100 Continue"]
        ),
    ],
    ids=[*BROKEN_HEADS, *BROKEN_BODIES, *list(ENDLESS)[1:], *BOMBS],
)
def test_a_body_of_the_api_is_not_even_read(
    mx: MovieXchangeStandIn,
    fault: Fault,
    verdict: bool | None,  # noqa: FBT001  an expectation
) -> None:
    """The status is the verdict, and a head that cannot be read is none."""
    mx.api_fault = fault
    with time_limit(60):
        answered = send("GET", mx.url + CHAINS_PATH, {}, None)

    assert judge(answered, mx.url)[0] is verdict


@pytest.mark.parametrize("fault", (BOMBS | ENDLESS | BROKEN_HEADS).values(), ids=[*BOMBS, *ENDLESS, *BROKEN_HEADS])
def test_a_hostile_answer_takes_little_memory(mx: MovieXchangeStandIn, fault: Fault) -> None:
    """Whatever it would come to, no more is kept of it than a few times what a token answer may have."""
    log_in(mx, interrupted(fault))
    tracemalloc.start()
    log_in(mx, interrupted(fault))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 40 * LONGEST_BODY

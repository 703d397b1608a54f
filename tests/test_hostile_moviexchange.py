"""A movieXchange that means harm: the whole function, whatever comes back over the socket."""

import gzip
import json
import secrets
import ssl
import threading
import tracemalloc
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from io import DEFAULT_BUFFER_SIZE

import pytest
import trustme

from local.faults import TOKEN, Fault, answer, oauth_error, raw, redirect, send, status, wire
from local.mx import MovieXchangeStandIn
from mx_token_rotator import deadline
from mx_token_rotator.errors import MovieXchangeMisbehaved, MovieXchangeUnavailable, RotatorError
from mx_token_rotator.moviexchange import LONGEST_TOKEN, Answer, read_grant
from mx_token_rotator.session import LONGEST_ANSWER
from mx_token_rotator.vault import SecretsManagerVault, refresh_token_secret
from tests.fakes import LIFETIME
from tests.function import ACCOUNT, CLIENT_ID, REQUEST, TOKEN_SECRET, Context, Rotator, logged

KEPT = refresh_token_secret(ACCOUNT, CLIENT_ID)
FORCE = {**REQUEST, "force": True}
HEAD = b"HTTP/1.1 200 OK\r\nX-Marker: hostile\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
GZIPPED = HEAD + b"Content-Encoding: gzip\r\n\r\n"
DOCUMENT = json.dumps(TOKEN | {"access_token": "hostile"}).encode()
BLANK = b" " * 10_000_000
LINE = 65_000  # bytes; http.client takes lines of up to 65,536


def whole(body: bytes = DOCUMENT, *headers: bytes) -> Fault:
    """Answer 200 with these headers and this body, and its length."""
    lines = [*headers, b"Content-Length: %d" % len(body)]
    return wire(HEAD + b"\r\n".join(lines) + b"\r\n\r\n" + body)


def lines(count: int, line: bytes) -> bytes:
    """Give so many header lines that are long, after the status line."""
    return HEAD + b"".join(line % number + b"\r\n" for number in range(count))


def not_at_fault(handler: BaseHTTPRequestHandler) -> None:
    """Answer with a token that was never there before."""
    send(handler, 200, json.dumps(TOKEN | {"access_token": secrets.token_urlsafe()}).encode())


BROKEN_HEADS: dict[str, Fault] = {
    "header lines without end": wire(HEAD, b"a: hostile\r\n"),
    "a header line without end": wire(HEAD + b"a: ", b"hostile" * 1000),
    "a head of 6 MB": wire(lines(96, b"a%d: " + b"b" * LINE) + b"\r\n"),
    "cookies of 6 MB": wire(lines(96, b"Set-Cookie: a%d=b" + b";c=d" * (LINE // 4)) + b"\r\n"),
    "a content type of 6 MB": wire(
        HEAD + b"Content-Type: multipart/mixed" + (b";" * LINE + b"\r\n ") * 96 + b"\r\nContent-Length: 0\r\n\r\n"
    ),
    "100 Continue without end": wire(b"", b"HTTP/1.1 100 Continue\r\na: hostile\r\n\r\n" * 100),
    "a status line without end": wire(b"HTTP/1.1 200 ", b"hostile" * 1000),
    "a status that is none": wire(b"HTTP/1.1 hostile OK\r\n\r\n"),
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

# RFC 2231's parameters, over which Python's email package trips, in some versions (python/cpython issue 134151).
CONTENT_TYPES: dict[str, Fault] = {
    "a parameter of 5000 digits": whole(DOCUMENT, b"Content-Type: multipart/a; boundary*" + b"9" * 5000 + b"=a"),
    "a parameter both whole and in parts": whole(DOCUMENT, b"Content-Type: multipart/a; boundary*=a; boundary*0*=b"),
    "a character set with a NUL": whole(DOCUMENT, b"Content-Type: multipart/a; boundary*=a\x00b'c'hostile"),
}

BROKEN_BODIES: dict[str, Fault] = {
    "chunks of a byte without end": wire(CHUNKED, b"1\r\n \r\n" * 1000),
    "a chunk's size without end": wire(CHUNKED, b"0" * 1000),
    "a chunk's extension without end": wire(CHUNKED + b"1;", b"hostile" * 1000),
    "a chunk's size in words": wire(CHUNKED + b"hostile\r\n" + DOCUMENT),
    "a chunk that breaks off": wire(CHUNKED + b"ff\r\n{"),
    "trailers without end": wire(CHUNKED + b"1\r\n{\r\n0\r\n", b"a: hostile\r\n" * 1000),
    "a trailer without end": wire(CHUNKED + b"1\r\n{\r\n0\r\na: ", b"hostile" * 1000),
    "a length that is not reached": wire(HEAD + b"Content-Length: 99999\r\n\r\n" + DOCUMENT),
    "gzip that is none": whole(DOCUMENT, b"Content-Encoding: gzip"),
    "gzip six times over": whole(b"hostile", b"Content-Encoding: " + b", ".join([b"gzip"] * 6)),
    "gzip 10,000 times over": whole(b"hostile", b"Content-Encoding: " + b",".join([b"gzip"] * 10_000)),
    "a gzip name without end": wire(GZIPPED + b"\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x03", b"hostile" * 1000),
    "empty gzip blocks without end": wire(
        GZIPPED + b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", b"\x00\x00\x00\xff\xff" * 1000
    ),
    "empty gzip members without end": wire(GZIPPED, gzip.compress(b"") * 1000),
}

BOMBS: dict[str, Fault] = {
    "a body without end or length": wire(HEAD + b"\r\n", BLANK),
    "a body without end": wire(HEAD + b"Content-Length: 99999999999\r\n\r\n", BLANK),
    "a chunk without end": wire(CHUNKED + b"fffffffffff\r\n", BLANK),
    "a chunk of a negative size": wire(CHUNKED + b"-1\r\n", BLANK),
    "a gzip bomb": whole(gzip.compress(BLANK), b"Content-Encoding: gzip"),
    "a deflate bomb": whole(zlib.compress(BLANK), b"Content-Encoding: deflate"),
    "a gzip bomb in another": whole(gzip.compress(gzip.compress(BLANK)), b"Content-Encoding: gzip, gzip"),
    "a gzip bomb in a deflated one": whole(zlib.compress(gzip.compress(BLANK)), b"Content-Encoding: gzip, deflate"),
}

NO_DOCUMENTS: dict[str, Fault] = BOMBS | {
    "a gzip bomb under 403": status(403, gzip.compress(BLANK), headers={"Content-Encoding": "gzip"}),
    "Brotli, which was not asked for": whole(b"\x0b\x02\x80hostile\x03", b"Content-Encoding: br"),
    "a coding that nobody knows": whole(b"hostile", b"Content-Encoding: hostile"),
    "another transfer coding": wire(HEAD + b"Transfer-Encoding: xchunked\r\n\r\n1\r\n{\r\n0\r\n\r\n"),
    "two transfer codings": wire(HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n1\r\n{\r\n0\r\n\r\n"),
    "a head that breaks off": wire(HEAD + b"Content-Le"),
    "103 Early Hints without end": wire(b"", b"HTTP/1.1 103 Early Hints\r\na: hostile\r\n\r\n" * 100),
    "101 Switching Protocols": wire(b"HTTP/1.1 101 hostile\r\nUpgrade: hostile\r\n\r\n" + DOCUMENT),
    "HTML": raw(b"<html>hostile</html>", "text/html"),
    "HTML under 403": status(403, b"<html>hostile</html>"),
    "an error code with a line break": oauth_error("invalid_grant\r\nhostile"),
    "an error code with a NUL": oauth_error("invalid_grant\x00hostile"),
    "an error code in other letters": oauth_error("INVALID_GRANT"),
    "a type with a line break": answer(TOKEN | {"token_type": "Bearer\r\nX-Injected: hostile"}),
    "a type with a space": answer(TOKEN | {"token_type": "Bearer "}),
    "a type in other letters": answer(TOKEN | {"token_type": "Bearer\u0435"}),
    "a type in a list": answer(TOKEN | {"token_type": ["Bearer"]}),
    "a token with a header behind it": answer(TOKEN | {"access_token": "hostile\r\nX-Injected: hostile"}),
    "a token with a line break behind it": answer(TOKEN | {"access_token": "hostile\n"}),
    "half a character": raw(b'{"token_type":"Bearer","expires_in":43200,"access_token":"hostile\\ud800"}'),
    "a token longer than a header": answer(TOKEN | {"access_token": "x" * (LONGEST_TOKEN + 1)}),
    "a token of 63 KiB": answer(TOKEN | {"access_token": "x" * 63 * 1024, "refresh_token": "hostile"}),
    "a lifetime of half a second": answer(TOKEN | {"expires_in": 0.5}),
    "a lifetime of minus half a second": answer(TOKEN | {"expires_in": -0.5}),
    "a lifetime of 1e308": raw(DOCUMENT.replace(b"43200", b"1e308")),
    "a lifetime of 1e400": raw(DOCUMENT.replace(b"43200", b"1e400")),
    "a lifetime of minus infinity": raw(DOCUMENT.replace(b"43200", b"-Infinity")),
    "a lifetime of 4000 digits": raw(DOCUMENT.replace(b"43200", b"9" * 4000)),
    "a lifetime of 5000 digits": raw(DOCUMENT.replace(b"43200", b"9" * 5000)),
    "a lifetime in a list": answer(TOKEN | {"expires_in": [43200]}),
    "a lifetime that is given twice": raw(DOCUMENT.replace(b"43200", b'43200, "expires_in": -1')),
    "a token nested too deep": raw(DOCUMENT.replace(b'"hostile"', b'{"a":' * 10_000 + b"1" + b"}" * 10_000)),
    "two documents": raw(DOCUMENT + DOCUMENT),
}

DOCUMENTS: dict[str, Fault] = {
    "a negative length": wire(HEAD + b"Content-Length: -1\r\n\r\n" + DOCUMENT),
    "a length of 5000 digits": wire(HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n" + DOCUMENT),
    "a length in words": wire(HEAD + b"Content-Length: hostile\r\n\r\n" + DOCUMENT),
    "a length beside chunks": wire(
        CHUNKED[:-2] + b"Content-Length: 1\r\n\r\n%x\r\n" % len(DOCUMENT) + DOCUMENT + b"\r\n0\r\n\r\n"
    ),
    "a line that is no header": wire(HEAD + b"hostile\r\nb: c\r\n\r\n" + DOCUMENT),
    "a header that goes on in the next line": whole(DOCUMENT, b"a: hostile\r\n {}", b"b: \r\n\thostile"),
    "a header with control characters": whole(DOCUMENT, b"a: \x1b[31m\x1chostile\x85\x0b"),
    "a cookie that cannot be read": whole(DOCUMENT, b"Set-Cookie: hostile=b; expires=1 Jan " + b"9" * 5000),
    "a minor version of the future": wire(b"HTTP/1.9 200 OK\r\n\r\n" + DOCUMENT),
    "a byte order mark": raw(b"\xef\xbb\xbf" + DOCUMENT),
    "UTF-16": raw(DOCUMENT.decode().encode("utf-16")),
    "a type that is given twice": raw(DOCUMENT.replace(b'"token_type"', b'"token_type": "mac", "token_type"')),
    "a lifetime with a fraction": answer(TOKEN | {"access_token": "hostile", "expires_in": 3600.9}),
    "the longest token": answer(TOKEN | {"access_token": "x" * LONGEST_TOKEN}),
}

DRIPS: dict[str, Fault] = {
    "a head": wire(HEAD + b"a: ", b"b", interval=0.02),
    "heads": wire(b"", b"HTTP/1.1 100 Continue\r\n\r\n", interval=0.02),
    "a chunk's size": wire(CHUNKED, b"0", interval=0.02),
    "a chunk's extension": wire(CHUNKED + b"1;", b"a", interval=0.02),
    "trailers": wire(CHUNKED + b"0\r\n", b"a: b\r\n", interval=0.02),
    "a gzip name": wire(GZIPPED + b"\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x03", b"a", interval=0.02),
    "a body": wire(HEAD + b"Content-Length: 1000000\r\n\r\n", b" ", interval=0.02),
}


@dataclass
class Attack:
    """The function under attack, with a token published, and what it printed meanwhile."""

    rotator: Rotator
    mx: MovieXchangeStandIn
    capsys: pytest.CaptureFixture[str]
    caplog: pytest.LogCaptureFixture
    is_on_refresh_grant: bool = False

    def error(self, fault: Fault, *, within: float = 28.0) -> type[RotatorError] | None:
        """Force another token while the token endpoint answers so, and there are so many seconds; give the error."""
        self.mx.token_fault = self._on_refresh_grant(fault) if self.is_on_refresh_grant else fault
        self.mx.requests.clear()
        self.capsys.readouterr()
        context = Context()
        context.seconds_left = self.rotator.module.SPARE_SECONDS + SecretsManagerVault.LONGEST_CALL + within
        try:
            self.rotator(REQUEST if self.is_on_refresh_grant else FORCE, context)
        except RotatorError as error:
            return type(error)
        return None

    def _on_refresh_grant(self, fault: Fault) -> Fault:
        def either(handler: BaseHTTPRequestHandler) -> None:
            is_refresh = self.mx.requests[-1].form["grant_type"] == "refresh_token"
            (fault if is_refresh else oauth_error("invalid_grant"))(handler)

        return either

    def value(self, secret: str) -> bytes:
        """Read a secret's value."""
        text: str = self.rotator.module.secrets_manager.get_secret_value(SecretId=secret)["SecretString"]
        return text.encode()

    def tries(self) -> int:
        """Count the requests of the grant that is attacked."""
        grant = "refresh_token" if self.is_on_refresh_grant else "password"
        return len([each for each in self.mx.requests if each.form.get("grant_type") == grant])

    def printed(self) -> list[str]:
        """Read the kinds of lines that were printed, each one JSON document; raise where hostile text is among them."""
        out, err = self.capsys.readouterr()
        loggers = {record.name for record in self.caplog.records}
        if "hostile" in out + err + self.caplog.text or err or loggers - {"mx-token-rotator"}:
            raise AssertionError(out + err + self.caplog.text)
        documents = [json.loads(line) for line in out.splitlines()]
        return [each.get("level") or each["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Name"] for each in documents]


@pytest.fixture
def attack(
    warm: Rotator, warm_mx: MovieXchangeStandIn, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> Iterator[Attack]:
    """Attack the password grant, or the API."""
    yield Attack(warm, warm_mx, capsys, caplog)
    warm_mx.token_fault = warm_mx.api_fault = None


@pytest.fixture(params=["password grant", "refresh grant"])
def attack_on_either_grant(request: pytest.FixtureRequest, attack: Attack) -> Iterator[Attack]:
    """Attack the one or the other, for which the token is due for as long as it takes."""
    attack.is_on_refresh_grant = request.param == "refresh grant"
    due = LIFETIME * 0.6 if attack.is_on_refresh_grant else LIFETIME * 0
    attack.rotator.age(due)
    yield attack
    attack.rotator.age(-due)


FAILURE = ["ERROR", "TokenRefreshFailed"]
"""What is printed of a failure: its line, and its count."""


@pytest.mark.parametrize(
    ("fault", "error", "tries"),
    [
        *((fault, MovieXchangeUnavailable, 3) for fault in (BROKEN_HEADS | BROKEN_BODIES).values()),
        *((fault, MovieXchangeMisbehaved, 1) for fault in NO_DOCUMENTS.values()),
    ],
    ids=[*BROKEN_HEADS, *BROKEN_BODIES, *NO_DOCUMENTS],
)
def test_a_hostile_answer_ends_in_its_error_and_publishes_nothing(
    attack_on_either_grant: Attack, fault: Fault, error: type[RotatorError], tries: int
) -> None:
    """What cannot be read is asked for thrice, what can be read but is none once; and nothing of it is printed."""
    attack = attack_on_either_grant
    before = attack.rotator.published()
    raised = attack.error(fault)
    failures = 2 if attack.is_on_refresh_grant else 1

    assert (raised, attack.tries(), attack.rotator.published(), sorted(attack.printed())) == (
        error,
        tries,
        before,
        sorted(FAILURE * failures + ["TokenSecondsRemaining"]),
    )


@pytest.mark.parametrize("fault", DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_token_document_is_taken_whatever_is_odd_around_it(attack: Attack, fault: Fault) -> None:
    """One token comes out of it, and counts; nothing else is printed of it."""
    attack.mx.api_fault = status(200)
    attack.error(not_at_fault)
    before = attack.rotator.published()["access_token"]
    raised = attack.error(fault)

    assert (raised, attack.rotator.published()["access_token"] != before, sorted(attack.printed())) == (
        None,
        True,
        ["INFO", "TokenRefreshed", "TokenSecondsRemaining"],
    )


@pytest.mark.parametrize("fault", CONTENT_TYPES.values(), ids=CONTENT_TYPES)
def test_a_content_type_that_cannot_be_read_is_no_bug_of_ours(attack: Attack, fault: Fault) -> None:
    """At either host: it is no answer where Python trips over it, and a harmless one where it does not."""
    attack.mx.api_fault = fault
    raised = [attack.error(fault), attack.error(not_at_fault)]

    assert (raised[0] in {None, MovieXchangeUnavailable}, raised[1]) == (True, None)


@pytest.mark.parametrize(
    "fault",
    [
        *BROKEN_HEADS.values(),
        NO_DOCUMENTS["103 Early Hints without end"],
        NO_DOCUMENTS["101 Switching Protocols"],
        status(404, b"<html>hostile</html>"),
    ],
    ids=[*BROKEN_HEADS, "103 Early Hints without end", "101 Switching Protocols", "HTML under 404"],
)
def test_a_hostile_head_of_the_api_is_no_verdict(attack: Attack, fault: Fault) -> None:
    """What is published stays, and a warning says so without a word of the answer's."""
    attack.mx.api_fault = fault
    before = attack.rotator.published()
    raised = attack.error(not_at_fault)

    assert (raised, attack.rotator.published(), sorted(attack.printed())) == (
        None,
        before,
        ["INFO", "TokenSecondsRemaining", "WARNING"],
    )


@pytest.mark.parametrize("fault", (BROKEN_BODIES | BOMBS).values(), ids=[*BROKEN_BODIES, *BOMBS])
def test_a_hostile_body_of_the_api_is_not_even_read(attack: Attack, fault: Fault) -> None:
    """The status is the verdict, once."""
    attack.mx.api_fault = fault
    before = attack.rotator.published()
    raised = attack.error(not_at_fault)

    assert (raised, attack.rotator.published() != before, [each.method for each in attack.mx.requests]) == (
        None,
        True,
        ["POST", "GET"],
    )


def test_a_correlation_id_injects_nothing(attack: Attack) -> None:
    """Neither a line nor a member nor an escape sequence: letters, digits and hyphens are left of it."""
    attack.mx.api_fault = wire(
        b"HTTP/1.1 403 No\r\nMx-Correlation-Id: c0ffee\r\n "
        b'"}{"level": "INFO"}\x1b[2J\x85\xe2\x80\xa8-1\r\nContent-Length: 0\r\n\r\n'
    )
    attack.error(not_at_fault)
    (line,) = logged(attack.capsys.readouterr().out)

    assert line["message"] == "Verification got HTTP 403 (Mx-Correlation-Id: c0ffeelevelINFO2J-1)"


ELSEWHERE = [
    "http://{host}/connect/token",
    "https://{host}/connect/token",
    "//{host}/connect/token",
    "HTTP://user:hostile@{host}\\@127.0.0.1/",
    "ftp://{host}/",
    "file:///proc/self/environ",
    "data:application/json,hostile",
    "javascript:hostile",
]


@pytest.mark.parametrize("location", ELSEWHERE)
def test_no_redirect_of_the_token_endpoint_is_followed(attack_on_either_grant: Attack, location: str) -> None:
    """To no other host, by no other scheme, under no status: the trap gets nothing."""
    with MovieXchangeStandIn() as trap:
        to = location.format(host=trap.url.removeprefix("http://"))
        raised = {attack_on_either_grant.error(redirect(to, code)) for code in range(300, 309)}

    assert (raised, attack_on_either_grant.tries(), trap.requests) == ({MovieXchangeMisbehaved}, 1, [])


@pytest.mark.parametrize("location", ELSEWHERE)
def test_no_redirect_of_the_api_is_followed(attack: Attack, location: str) -> None:
    """The token is shown to nobody else, and none of it is a verdict."""
    before = attack.rotator.published()
    with MovieXchangeStandIn() as trap:
        for code in range(300, 309):
            attack.mx.api_fault = redirect(location.format(host=trap.url.removeprefix("http://")), code)
            attack.error(not_at_fault)

    assert (attack.rotator.published(), trap.requests) == (before, [])


@pytest.mark.parametrize("fault", DRIPS.values(), ids=DRIPS)
def test_nobody_is_left_behind_with_a_peer_that_drips_on(
    attack: Attack, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each log-in ends with its time, and the call in its thread with it, though the peer would go on for ever."""
    others = set(threading.enumerate())
    with monkeypatch.context() as patch:
        patch.setattr(deadline, "CALLERS", pool := ThreadPoolExecutor())
        raised = [attack.error(fault, within=0.2) for _ in range(3)]
    pool.shutdown(wait=False)
    callers = [each for each in set(threading.enumerate()) - others if each.name.startswith("ThreadPoolExecutor")]
    for caller in callers:
        caller.join(10)

    assert (raised, [each for each in callers if each.is_alive()]) == ([MovieXchangeUnavailable] * 3, [])


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("fault", (BROKEN_HEADS | BOMBS).values(), ids=[*BROKEN_HEADS, *BOMBS])
def test_a_hostile_answer_takes_little_memory(attack: Attack, fault: Fault) -> None:
    """Whatever it would come to, no more is read of it than an answer may be long."""
    attack.error(fault)
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    attack.error(fault)

    assert tracemalloc.get_traced_memory()[1] - before < 40 * LONGEST_ANSWER


@pytest.mark.parametrize(
    "code_point", [*range(0x21), 0x22, 0x2C, 0x3D, 0x7F, 0x85, 0xA0, 0xE9, 0x660, 0x2028, 0xFEFF, 0xFF21]
)
def test_a_token_with_a_character_of_no_token_is_refused(code_point: int) -> None:
    """RFC 6750's b64token: no control character, space, quote or comma, no equals sign but at the end, ASCII alone."""
    body = json.dumps(TOKEN | {"access_token": f"a{chr(code_point)}b"}).encode()

    with pytest.raises(MovieXchangeMisbehaved):
        read_grant(Answer(status=200, body=body))


def test_the_longest_tokens_fit_into_their_secrets(attack: Attack) -> None:
    """A value of Secrets Manager is of 65,536 bytes at most, and each quote takes two."""
    attack.mx.api_fault = status(200)
    attack.error(answer(TOKEN | {"access_token": "x" * LONGEST_TOKEN, "refresh_token": '"' * LONGEST_TOKEN}))

    assert [LONGEST_TOKEN < len(attack.value(name)) <= 65_536 for name in (TOKEN_SECRET, KEPT)] == [True, True]


def test_a_refresh_token_too_long_for_its_secret_is_not_kept(attack: Attack) -> None:
    """The access token is what counts, and it is no fault of Secrets Manager's."""
    attack.mx.api_fault = status(200)
    attack.error(answer(TOKEN | {"access_token": "short", "refresh_token": "x" * (LONGEST_TOKEN + 1)}))

    assert (attack.rotator.published()["access_token"], b"xxx" in attack.value(KEPT)) == ("short", False)


@pytest.fixture
def trusted(warm: Rotator, authority: trustme.CA, tls: ssl.SSLContext) -> Iterator[ssl.SSLContext]:
    """Have the function trust the certificate authority, and give what it takes to serve under it."""
    with authority.cert_pem.tempfile() as bundle:
        warm.module.session().verify = bundle
        yield tls
        warm.module.session().verify = True


def test_what_is_sent_ahead_is_not_taken_for_the_next_answer(
    attack: Attack, trusted: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over TLS urllib3 does not see it: it lies decrypted between the socket and the first answer's reader."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
    length = DEFAULT_BUFFER_SIZE - len(head % DEFAULT_BUFFER_SIZE)
    asked_for = json.dumps(TOKEN | {"access_token": "asked-for"}).encode().ljust(length)

    def keep_alive(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(head % length + asked_for + head % len(DOCUMENT) + DOCUMENT)

    attack.mx.api_fault = status(200)
    with MovieXchangeStandIn(tls=trusted) as mx:
        mx.token_fault = keep_alive
        monkeypatch.setenv("AUTH_URL", mx.url)
        for _ in range(2):
            attack.rotator(FORCE)

    assert attack.rotator.published()["access_token"] == "asked-for"


def test_plain_http_in_the_place_of_tls_is_told_nothing(attack: Attack, monkeypatch: pytest.MonkeyPatch) -> None:
    """No password is sent before there is TLS, and none in the clear."""
    monkeypatch.setenv("AUTH_URL", attack.mx.url.replace("http:", "https:"))

    assert (attack.error(answer(TOKEN)), attack.mx.requests) == (MovieXchangeUnavailable, [])


def test_a_redirect_from_tls_to_plain_http_is_not_followed(
    attack: Attack, trusted: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not to the same name either."""
    with MovieXchangeStandIn(tls=trusted) as mx:
        mx.token_fault = redirect(f"{attack.mx.url}/connect/token", 307)
        monkeypatch.setenv("AUTH_URL", mx.url)

        assert (attack.error(not_at_fault), attack.mx.requests) == (MovieXchangeMisbehaved, [])

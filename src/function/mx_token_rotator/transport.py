"""One HTTP exchange: explicit time-outs, a bounded body, no redirects, cookies, netrc or proxies of the environment."""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from ssl import SSLCertVerificationError
from urllib.parse import urlsplit

from mx_token_rotator import __version__
from mx_token_rotator.errors import TimeIsUp

TIMEOUTS = (3.05, 10.0)  # seconds to connect, and to wait for the next byte
LONGEST_BODY = 64 * 1024  # bytes
TROUBLES = {  # by the names of the exceptions of socket and urllib3
    "ProxyError": "the proxy of HttpsProxy cannot be reached, or does not let it through",
    "gaierror": "its name cannot be resolved (DNS)",
    "ConnectionRefusedError": "the connection was refused",
    "ConnectTimeoutError": "the connection timed out",
    "NewConnectionError": "no connection could be made",
    "ReadTimeoutError": "no answer in time",
    "ProtocolError": "it closed the connection, or does not speak HTTP",
    "TimeIsUp": "no answer before the function's time limit",
}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back: a status and the body's first bytes, or no status and what was in the way."""

    host: str
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    trouble: str = ""
    never_connected: bool = False
    is_untrusted: bool = False

    def __str__(self) -> str:
        """Say what was seen."""
        return self.trouble or f"HTTP {self.status}"


@dataclass(frozen=True, kw_only=True)
class World:
    """What a run has of its surroundings; `seconds_left` is the time until it is interrupted."""

    send: Callable[[str, str, Mapping[str, str], Mapping[str, str] | None], Answer]
    clock: Callable[[], datetime]
    sleep: Callable[[float], None]
    seconds_left: Callable[[], float]
    warn: Callable[[str], None]


def send(method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None, proxy: str = "") -> Answer:
    """Send one request on a connection of its own, HTTPS through the proxy if any; return what came of it."""
    # Loading requests takes a third of a second, and most runs send nothing.
    from requests import Request, RequestException  # noqa: PLC0415
    from requests.adapters import HTTPAdapter  # noqa: PLC0415
    from urllib3.exceptions import HTTPError  # noqa: PLC0415

    host, body = urlsplit(url).netloc, b""
    ours = {"User-Agent": f"mx-token-rotator/{__version__}", "Accept": "application/json", "Connection": "close"}
    try:
        request = Request(method, url, headers=ours | dict(headers), data=form).prepare()
        # The adapter alone: a session would add redirects, cookies, netrc and proxies.
        via = {"https": proxy}
        with closing(HTTPAdapter()) as http, http.send(request, stream=True, timeout=TIMEOUTS, proxies=via) as response:
            # The body of an answer that a status explains may be endless.
            if form or response.status_code in {401, 403}:
                try:
                    body = response.raw.read(LONGEST_BODY, decode_content=True)
                except HTTPError:
                    if response.ok:  # half a token is none, but a refusal is one without its body
                        raise
    except (RequestException, HTTPError, ValueError, TypeError, TimeIsUp) as error:
        # ValueError and TypeError come from the email package, which reads the head (python/cpython issue 134151).
        return no_answer(host, error)
    return Answer(host=host, status=response.status_code, headers=response.headers, body=body)


def no_answer(host: str, error: BaseException | None) -> Answer:
    """Say why there is no answer, without the exception's text, which may quote what was sent."""
    names, trouble = list[str](), ""
    while error:  # requests and urllib3 wrap what happened
        names.append(type(error).__name__)
        for each in (error, *error.args):  # behind a proxy, urllib3 has it as an argument alone
            if isinstance(each, SSLCertVerificationError):
                trouble = f"its TLS certificate is not trusted: {each.verify_message}"
        error = error.__cause__ or error.__context__
    trouble += f"; a proxy that opens TLS must exempt {host}" * bool(trouble)
    said = trouble or next((text for name, text in TROUBLES.items() if name in names), f"broken off by {names[0]}")
    never_connected = bool({"ConnectTimeoutError", "NewConnectionError", "NameResolutionError"} & set(names))
    return Answer(host=host, trouble=said, never_connected=never_connected, is_untrusted=bool(trouble))

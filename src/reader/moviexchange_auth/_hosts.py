"""Which hosts get a token, and which of their answers refuse it."""

import re
from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import KW_ONLY, dataclass
from logging import getLogger
from typing import Any

from moviexchange_auth._source import TokenSource
from moviexchange_auth._token import Token

API_HOSTS = ("api.moviexchange.com", "staging-api.moviexchange.com")
NAMES, UNAUTHORIZED, ACCEPTED_WITHIN = ("authorization", "mx-api-client-secret"), 401, 60.0  # seconds
HTTPS_URL = re.compile(r"(?is)https://([a-z0-9_.-]*[a-z0-9_]|\[[0-9a-f:.]+\])(?::(\d+))?([/?#].*)?")


def origin_of(url: str) -> str:
    """Return host:port of an HTTPS URL, and nothing for any other."""
    found = HTTPS_URL.fullmatch(url)
    return f"{found[1].lower()}:{int(found[2] or 443)}" if found else ""


def sign(headers: MutableMapping[str, str], token: Token | None) -> None:
    """Replace the headers of a token by those of another, or of none."""
    for name in NAMES:
        headers.pop(name, None)
    headers.update(token.headers() if token else {})


@dataclass(eq=False)
class HostRules:
    """What both classes for HTTP libraries know of hosts."""

    secret: str | TokenSource
    _: KW_ONLY
    api_hosts: str | Iterable[str] = API_HOSTS
    event_bus: str | None = None
    should_report: Callable[[Any], bool] | None = None

    def __post_init__(self) -> None:
        """Refuse what is not a host. Raises ValueError."""
        if isinstance(self.secret, TokenSource) and self.event_bus:
            raise TypeError("Give event_bus to the TokenSource")
        given = self.secret
        self.source = given if isinstance(given, TokenSource) else TokenSource(given, event_bus=self.event_bus)
        hosts = [self.api_hosts] if isinstance(self.api_hosts, str) else self.api_hosts
        urls = [text.strip() if "://" in text else f"https://{text.strip()}" for text in hosts]
        wrong = [url for url in urls if not (found := HTTPS_URL.fullmatch(url)) or (found[3] or "/") != "/"]
        if wrong or not urls:
            raise ValueError(f"api_hosts are names of HTTPS hosts, such as api.example.com; these are not: {wrong}")
        self._origins, self._accepted = {origin_of(url) for url in urls}, dict[str, tuple[str, float]]()

    def _is_api(self, url: str) -> bool:
        if (origin := origin_of(url)) not in self._origins:
            getLogger("moviexchange_auth").debug("No headers for %s: api_hosts are %s", origin or "HTTP", self._origins)
        return origin in self._origins

    def _verdict(self, token: Token, answer: Any) -> bool | None:  # noqa: ANN401  of either library
        """Return None unless the answer refuses this token, and otherwise whether that is a reason to report it."""
        if answer.request.headers.get("Authorization") != token.headers()["Authorization"]:
            return None
        origin, now = origin_of(str(answer.request.url)), self.source.monotonic()
        version, at = self._accepted.get(origin, ("", 0.0))
        if 200 <= answer.status_code < 300:  # noqa: PLR2004
            self._accepted[origin] = token.version, now
        if answer.status_code != UNAUTHORIZED:
            return None
        is_accepted = version == token.version and now < at + ACCEPTED_WITHIN
        return not is_accepted and (self.should_report is None or self.should_report(answer))

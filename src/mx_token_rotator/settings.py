"""The environment: what the stack tells the function."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from mx_token_rotator.errors import SettingsInvalid

LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"  # RFC 1123, section 2.1
HOST = rf"({LABEL}(\.{LABEL})*|\[[0-9A-Fa-f:.]+\])"
LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The function's environment variables, each set by the stack."""

    account: str
    client_ids: frozenset[str]
    refresh_at_percent: int
    min_token_age_seconds: int
    verify_path: str
    keep_refresh_token: bool
    native_rotation: bool
    watch_tokens: bool
    auth_url: str
    api_url: str

    @classmethod
    def parse(cls, environment: Mapping[str, str]) -> Self:
        """Read them all. Raises SettingsInvalid, which names the variable and what it should be."""
        return cls(
            account=_matching(environment, "ACCOUNT", r"[\w/+=.@-]+", "a prefix and an environment"),
            client_ids=frozenset(
                _matching(environment, "CLIENT_IDS", r"[\w.-]+(,[\w.-]+)*", "client IDs with commas between").split(",")
            ),
            refresh_at_percent=_number(environment, "REFRESH_AT_PERCENT", range(10, 91)),
            min_token_age_seconds=_number(environment, "MIN_TOKEN_AGE_SECONDS", range(86_401)),
            verify_path=_matching(environment, "VERIFY_PATH", r"(/[!-~]*)?", "a path that begins with /, or empty"),
            keep_refresh_token=_switch(environment, "KEEP_REFRESH_TOKEN"),
            native_rotation=_switch(environment, "NATIVE_ROTATION"),
            watch_tokens=_switch(environment, "WATCH_TOKENS"),
            auth_url=_url(environment, "AUTH_URL"),
            api_url=_url(environment, "API_URL"),
        )


def _matching(environment: Mapping[str, str], name: str, pattern: str, meaning: str) -> str:
    value = environment.get(name)
    if value is None:
        raise SettingsInvalid(f"The environment variable {name} is missing: it should be {meaning}")
    if not re.fullmatch(pattern, value, re.ASCII):
        raise SettingsInvalid(f"The environment variable {name} is wrong: it should be {meaning}")
    return value


def _switch(environment: Mapping[str, str], name: str) -> bool:
    return _matching(environment, name, "true|false", "true or false") == "true"


def _number(environment: Mapping[str, str], name: str, allowed: range) -> int:
    meaning = f"a whole number from {allowed[0]} to {allowed[-1]}"
    number = int(_matching(environment, name, r"\d{1,9}", meaning))
    if number not in allowed:
        raise SettingsInvalid(f"The environment variable {name} is wrong: it should be {meaning}")
    return number


def _url(environment: Mapping[str, str], name: str) -> str:
    """Read the address of a host, without a path; plain HTTP is for loopback alone."""
    meaning = "https:// and a host (http:// only for a loopback address)"
    value = _matching(environment, name, rf"https?://{HOST}(:\d+)?/?", meaning)
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        parts = None
    if parts is None or (parts.scheme == "http" and parts.hostname not in LOOPBACK):
        raise SettingsInvalid(f"The environment variable {name} is wrong: it should be {meaning}")
    return value.rstrip("/")

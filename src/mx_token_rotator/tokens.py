"""Credentials and access tokens, and the rules about them.

Nothing here reads a clock, a network or an environment: every rule is a function of values.
Secret members never show in a repr.
"""

import json
import re
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from mx_token_rotator.errors import CredentialsInvalid

RFC_3339 = "%Y-%m-%dT%H:%M:%SZ"
HEADER_VALUE = r"[!-~]([ -~]*[!-~])?"  # RFC 9110, section 5.5, in ASCII


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """One movieXchange account, as a person put it into the credentials secret."""

    username: str = field(repr=False)
    password: str = field(repr=False)
    client_secret: str = field(repr=False)
    version_id: str

    @classmethod
    def parse(cls, text: str | None, *, version_id: str, secret: str) -> Self:
        """Read the credentials secret's value; no text, or an empty one, is a secret that nobody has filled.

        Raises CredentialsInvalid, which names the member that is wrong.
        """
        if not text:
            raise CredentialsInvalid(f"The secret {secret} is still empty", secret)
        document = _json_object(text)
        if document is None:
            raise CredentialsInvalid(f"The secret {secret} holds no JSON object", secret)
        members = {name: document.get(name, "") for name in ("username", "password", "client_secret")}
        for name, value in members.items():
            if not isinstance(value, str) or not value.strip() or not _is_unicode(value):
                raise CredentialsInvalid(f"The secret {secret} lacks the member {name}, or it is no text", secret)
        if not re.fullmatch(HEADER_VALUE, members["client_secret"]):
            raise CredentialsInvalid(f"The member client_secret of {secret} cannot travel in an HTTP header", secret)
        return cls(**members, version_id=version_id)


@dataclass(frozen=True, kw_only=True)
class AccessToken:
    """An access token with all that an app needs to use it: the document in the token secret."""

    access_token: str = field(repr=False)
    token_type: str
    client_secret: str = field(repr=False)
    client_id: str
    issued_at: datetime
    expires_at: datetime
    credentials_version: str

    @classmethod
    def parse(cls, text: str, *, client_id: str) -> Self | None:
        """Read a token secret's value; None where it is not what `document` writes for this client ID."""
        document = _json_object(text) or {}
        members = {each.name: document.get(each.name, "") for each in fields(cls)}
        if not all(isinstance(member, str) and member for member in members.values()):
            return None
        try:
            issued_at, expires_at = _time(members["issued_at"]), _time(members["expires_at"])
        except ValueError:
            return None
        if issued_at >= expires_at or members["client_id"] != client_id:
            return None
        return cls(**members | {"issued_at": issued_at, "expires_at": expires_at})

    def document(self) -> str:
        """Write the token secret's value."""
        times = {"issued_at": self.issued_at.strftime(RFC_3339), "expires_at": self.expires_at.strftime(RFC_3339)}
        return json.dumps({each.name: getattr(self, each.name) for each in fields(self)} | times)

    def seconds_left(self, now: datetime) -> float:
        """How long the token may still be used, in seconds; 0 once it has ended."""
        return max(0.0, (self.expires_at - now).total_seconds())

    def is_past(self, percent: int, now: datetime) -> bool:
        """Whether this share of the token's life is over."""
        return now >= self.issued_at + (self.expires_at - self.issued_at) * percent / 100

    def is_younger_than(self, age: timedelta, now: datetime) -> bool:
        """Whether the token was issued less than this long ago."""
        return now - self.issued_at < age

    def says_the_same_as(self, other: "AccessToken") -> bool:
        """Whether apps would read the same from both, but for the times."""
        return (self.access_token, self.token_type, self.client_secret, self.credentials_version) == (
            other.access_token,
            other.token_type,
            other.client_secret,
            other.credentials_version,
        )


@dataclass(frozen=True, kw_only=True)
class Published:
    """What a token secret holds now: a version, and its token where it can be read."""

    version_id: str
    token: AccessToken | None


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _time(text: str) -> datetime:
    return datetime.strptime(text, RFC_3339).replace(tzinfo=UTC)


def _is_unicode(text: str) -> bool:
    """Tell texts from those with half a character in them, which JSON can hold and UTF-8 cannot."""
    return not any("\ud800" <= each <= "\udfff" for each in text)

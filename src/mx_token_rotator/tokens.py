"""Credentials and access tokens, and the rules about them.

Nothing here reads a clock, a network or an environment: every rule is a function of values.
Secret members never show in a repr.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, Self

from mx_token_rotator.errors import CredentialsInvalid

RFC_3339 = "%Y-%m-%dT%H:%M:%SZ"
LAST_QUARTER = 75  # percent of a token's life
HEADER_VALUE = r"[!-~]([ -~]*[!-~])?"  # RFC 9110, section 5.5, in ASCII


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """One movieXchange account, as a person put it into the credentials secret."""

    username: str = field(repr=False)
    password: str = field(repr=False)
    client_secret: str = field(repr=False)
    version_id: str
    created_at: datetime

    @classmethod
    def parse(cls, text: str | None, *, version_id: str, created_at: datetime, secret: str) -> Self:
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
        return cls(**members, version_id=version_id, created_at=created_at)


@dataclass(frozen=True, kw_only=True)
class CredentialsVersions:
    """What is told of the credentials without reading them: the versions that bear a label."""

    current: str | None
    rejected: str | None = None
    """The version that movieXchange rejected last."""
    labelled: frozenset[str] = frozenset()

    @property
    def is_rejected(self) -> bool:
        """Whether movieXchange rejected the current version."""
        return self.current is not None and self.current == self.rejected


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
        members = _texts(text, [each.name for each in fields(cls)])
        if members is None or members["client_id"] != client_id:
            return None
        try:
            issued_at, expires_at = _time(members["issued_at"]), _time(members["expires_at"])
        except ValueError:
            return None
        if issued_at >= expires_at:
            return None
        return cls(**members | {"issued_at": issued_at, "expires_at": expires_at})

    def document(self) -> str:
        """Write the token secret's value."""
        times = {"issued_at": self.issued_at.strftime(RFC_3339), "expires_at": self.expires_at.strftime(RFC_3339)}
        return json.dumps({each.name: getattr(self, each.name) for each in fields(self)} | times)

    def headers(self) -> dict[str, str]:
        """Give both headers that movieXchange wants with each call of its API (its guide)."""
        return {"Authorization": f"Bearer {self.access_token}", "MX-Api-Client-Secret": self.client_secret}

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
class RefreshToken:
    """A refresh token with all that it takes to publish a token by it: the document in the refresh-token secret."""

    refresh_token: str = field(repr=False)
    client_secret: str = field(repr=False)
    client_id: str
    credentials_version: str

    @classmethod
    def parse(cls, text: str, *, client_id: str) -> Self | None:
        """Read a refresh-token secret's value; None where it is not what `document` writes for this client ID."""
        members = _texts(text, [each.name for each in fields(cls)])
        return cls(**members) if members and members["client_id"] == client_id else None

    def document(self) -> str:
        """Write the refresh-token secret's value."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, kw_only=True)
class TokenResponse:
    """What a grant gave (RFC 6749, section 5.1): an access token, and a refresh token where there is one."""

    access_token: AccessToken
    refresh_token: RefreshToken | None


@dataclass(frozen=True, kw_only=True)
class Published:
    """What a token secret holds now: a version, and its token where it can be read."""

    version_id: str
    token: AccessToken | None
    created_at: datetime | None = field(default=None, compare=False)
    """When the version was made, by Secrets Manager's clock; None where that has not been read."""

    def issue(self) -> str:
        """Tell the issue of its token, which a rotation's copy has in common with what it was copied from."""
        token = self.token
        return f"{token.issued_at}, {token.expires_at}, {token.credentials_version}" if token else self.version_id

    def is_older_than(self, moment: datetime | None) -> bool:
        """Whether this version was made before a moment, if there is one; both by Secrets Manager's clock."""
        return moment is not None and (self.created_at is None or self.created_at < moment)

    def is_running_out(self, now: datetime) -> bool:
        """Whether apps have nothing usable, or not for long: less than a quarter of the token's life is left."""
        return self.token is None or self.token.is_past(LAST_QUARTER, now)


@dataclass(frozen=True, kw_only=True)
class SafetyNet:
    """What a refresh-token secret holds now: a version, and its refresh token; None where there is none."""

    version_id: str | None
    refresh_token: RefreshToken | None


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _texts(text: str, names: Iterable[str]) -> dict[str, Any] | None:
    """Read a JSON object's members of these names; None where one is missing, empty or no text."""
    document = _json_object(text) or {}
    members = {name: document.get(name) for name in names}
    return members if all(isinstance(each, str) and each for each in members.values()) else None


def _time(text: str) -> datetime:
    """Read a time that `document` wrote. Raises ValueError."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text, re.ASCII):
        raise ValueError
    return datetime.fromisoformat(text)


def _is_unicode(text: str) -> bool:
    """Tell texts from those with half a character in them, which JSON can hold and UTF-8 cannot."""
    return not any("\ud800" <= each <= "\udfff" for each in text)

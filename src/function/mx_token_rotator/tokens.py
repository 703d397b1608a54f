"""The documents in the secrets, and their rules: pure functions of values. Secret members never show in a repr."""

import json
import re
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from mx_token_rotator.errors import CredentialsInvalid

TIMES = ("issued_at", "expires_at")
# Secrets Manager keeps about 100 versions a day. Tokens that one run issues are 14 minutes old in the next, or more.
SHORTEST_REFRESH = timedelta(minutes=14)


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """A user name and password with their client secret, which is empty for Vista's Digital Platform."""

    username: str = field(repr=False)
    password: str = field(repr=False)
    client_secret: str = field(repr=False)
    version_id: str

    @classmethod
    def parse(cls, value: str | bytes | None, *, version_id: str, secret: str) -> Self:
        """Read the value of the credentials secret. Raises CredentialsInvalid, which names what is wrong."""
        if not isinstance(value, str) or not value:
            what = "has a binary value instead of a text" if value else "is still empty, or has no such version"
            raise CredentialsInvalid(f"The secret {secret} {what}")
        try:
            # Windows editors put a byte order mark first, and the AWS CLI for Windows reads UTF-8 as cp1252.
            value = value.encode("cp1252").decode() if value.startswith("ï»¿") else value
            document = json.loads(value.removeprefix("\ufeff"))
        except (ValueError, RecursionError) as error:
            place = f"line {getattr(error, 'lineno', '?')}, column {getattr(error, 'colno', '?')}"
            raise CredentialsInvalid(f"The secret {secret} is not JSON: see {place}") from None
        if not isinstance(document, dict):
            what = "has its JSON inside a JSON string" if isinstance(document, str) else "is not a JSON object"
            raise CredentialsInvalid(f"The secret {secret} {what}: store the object itself")
        members: dict[str, Any] = {name: document.get(name) for name in ("username", "password", "client_secret")}
        for name, member in members.items():
            if trouble := _trouble(name, member):
                raise CredentialsInvalid(f"The member {name} of the secret {secret} {trouble}")
        members["client_secret"] = members["client_secret"].strip(" ")  # HTTP does not carry these around a value
        return cls(**members, version_id=version_id)


def _trouble(name: str, member: object) -> str:
    """Return what is wrong with a member of the credentials, or an empty text."""
    if name == "client_secret" and member is None:
        return 'is missing; store "client_secret": "" if there is none, as for Vista\'s Digital Platform'
    if not isinstance(member, str) or (not member and name != "client_secret"):
        return "is missing, empty or not a text"
    if not (member[:1] + member[-1:]).isprintable():  # of all white space, Python calls the space alone printable
        return "begins or ends with a line break, a tab or an invisible character"
    if any("\ud800" <= each <= "\udfff" for each in member):
        return "has half of a character, which cannot be sent"
    if name == "client_secret" and not re.fullmatch(r"[ -~]*", member):  # RFC 9110, section 5.5, in ASCII
        return "has a character that an HTTP header cannot carry"
    return ""


@dataclass(frozen=True, kw_only=True)
class RefreshToken:
    """A refresh token with all that is needed to publish a token by it: the document in a refresh-token secret."""

    refresh_token: str = field(repr=False)
    client_secret: str = field(repr=False)
    client_id: str
    credentials_version: str

    @classmethod
    def parse(cls, text: str, *, client_id: str) -> Self | None:
        """Read a refresh-token secret's value; None if it is not a document for this client ID."""
        members = members_of(json_object(text) or {}, client_id, [each.name for each in fields(cls)])
        return cls(**members) if members else None


@dataclass(frozen=True, kw_only=True)
class AccessToken:
    """An access token with all that an application needs to use it: the document in a token secret."""

    access_token: str = field(repr=False)
    token_type: str = "Bearer"  # noqa: S105
    client_secret: str = field(repr=False)
    client_id: str
    issued_at: datetime
    expires_at: datetime
    credentials_version: str
    verified: bool | None = None  # None: the API was not asked, or gave no verdict

    @classmethod
    def parse(cls, text: str, *, client_id: str, now: datetime) -> Self | None:
        """Read a token secret's value; None if it is not a document for this client ID, or comes from the future."""
        document = json_object(text) or {}
        members = members_of(document, client_id, [each.name for each in fields(cls) if each.name != "verified"])
        try:
            times = {name: datetime.fromisoformat(members[name]).astimezone(UTC) for name in TIMES}
        except (KeyError, ValueError, OverflowError):
            return None
        is_plausible = times["issued_at"] < times["expires_at"] and times["issued_at"] <= now + timedelta(minutes=5)
        verified = document["verified"] if isinstance(document.get("verified"), bool) else None
        return cls(**members | times, verified=verified) if is_plausible and members["access_token"] else None

    def document(self) -> dict[str, Any]:
        """Return the token secret's value, times in RFC 3339."""
        times = {name: getattr(self, name).strftime("%Y-%m-%dT%H:%M:%SZ") for name in TIMES}
        return asdict(self) | times

    def life_remaining(self, now: datetime) -> float:
        """Return the share of its lifetime that is left, from 0 to 100 percent."""
        return min(100.0, max(0.0, 100 * (self.expires_at - now) / (self.expires_at - self.issued_at)))

    def says_the_same_as(self, other: "AccessToken | None") -> bool:
        """Return whether publishing it in place of the other would tell applications nothing new."""
        if other is None or self.expires_at >= other.expires_at + SHORTEST_REFRESH:
            return False
        return replace(self, issued_at=other.issued_at, expires_at=other.expires_at) == other


@dataclass(frozen=True, kw_only=True)
class Published:
    """What a token secret holds: no version if it is empty, no token if the value is not one for its client ID."""

    version_id: str | None = None
    token: AccessToken | None = None
    text: str = field(default="", repr=False)
    is_denied_by_kms: bool = False


def members_of(document: dict[str, Any], client_id: str, names: list[str]) -> dict[str, Any]:
    """Return a document's members of these names; none if one is not a text, or client_id is another."""
    members = {name: document.get(name) for name in names}
    is_ours = all(isinstance(member, str) for member in members.values()) and members["client_id"] == client_id
    return members if is_ours else {}


def json_object(text: str | bytes) -> dict[str, Any] | None:
    """Read a JSON object; None for anything else."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None

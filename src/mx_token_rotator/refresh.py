"""The story: look at what is published, and move it to what should be.

Nothing here knows AWS, HTTP, the environment or a clock; they come in as roles.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, Self

from mx_token_rotator.errors import RequestInvalid
from mx_token_rotator.tokens import RFC_3339, AccessToken, Credentials, Published

LAST_QUARTER = 75  # percent of a token's life


class Vault(Protocol):
    """Where the credentials are read and tokens are published. Every method raises VaultFailed."""

    def published(self, client_id: str) -> Published | None:
        """Read what is published for a client ID; None where nothing ever was."""

    def credentials_version(self) -> str | None:
        """Tell the version of the credentials without reading them; None where there is none."""

    def credentials(self) -> Credentials:
        """Read the credentials. Raises CredentialsInvalid."""

    def publish(self, token: AccessToken) -> str:
        """Put a token in the place of what is published, in one step, and give the new version's id."""


class MovieXchange(Protocol):
    """The two things that are asked of movieXchange."""

    def log_in(self, client_id: str, credentials: Credentials) -> AccessToken:
        """Get a token. Raises CredentialsRejected, MovieXchangeUnavailable or MovieXchangeMisbehaved."""

    def verify(self, token: AccessToken) -> bool:
        """Show a token to the API: True where it passed, False where there was no verdict. Raises TokenRefused."""


class Due(StrEnum):
    """Why a token is replaced."""

    FIRST = "first"
    UNREADABLE = "unreadable"
    REJECTED = "rejected"
    CREDENTIALS_CHANGED = "credentials changed"
    EXPIRING = "expiring"
    FORCED = "forced"


class Kept(StrEnum):
    """Why what is published stays."""

    FRESH = "fresh"
    ALREADY_REPLACED = "already replaced"
    TOO_YOUNG = "too young"
    SAME_TOKEN = "same token"  # noqa: S105  a reason, no secret
    UNVERIFIED = "unverified"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """When a token is replaced: RefreshAtPercent and MinTokenAgeSeconds."""

    refresh_at_percent: int
    min_token_age: timedelta


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of one invocation, for one client ID."""

    client_id: str
    rejected_version: str | None = None
    force: bool = False
    dry_run: bool = False

    @classmethod
    def parse(cls, event: object, client_ids: Collection[str]) -> Self:
        """Take a request as EventBridge or a person sends it, for one of the stack's client IDs.

        An app fills in the rejected version by way of EventBridge, which puts it into the request unescaped; so a
        request that bears one bears nothing else, and must look like a version id.
        Raises RequestInvalid, which names the member.
        """
        if not isinstance(event, dict):
            raise RequestInvalid("The request is no JSON object")
        unknown = sorted(event.keys() - {each.name for each in fields(cls)})
        if unknown:
            raise RequestInvalid(f"The request has the unknown member {unknown[0]!a:.60}")
        if event.get("client_id") not in list(client_ids):
            raise RequestInvalid("The member client_id is missing, or none of the stack's ClientIds")
        for name in ("force", "dry_run"):
            if not isinstance(event.get(name, False), bool):
                raise RequestInvalid(f"The member {name} is neither true nor false")
        if "rejected_version" in event:
            version = event["rejected_version"]
            if not isinstance(version, str) or not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", version):
                raise RequestInvalid("The member rejected_version is no version id")
            if event.keys() != {"client_id", "rejected_version"}:
                raise RequestInvalid("The member rejected_version goes with client_id alone")
        return cls(**event)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an invocation did; nothing in it is secret."""

    client_id: str
    outcome: str
    reason: str
    version_id: str | None
    expires_at: str | None

    @classmethod
    def of(cls, request: Request, reason: Due | Kept, version_id: str | None, token: AccessToken | None) -> Self:
        """Tell what is published now, and why."""
        return cls(
            client_id=request.client_id,
            outcome="refreshed" if isinstance(reason, Due) and not request.dry_run else "kept",
            reason=f"dry run: {reason}" if request.dry_run else reason.value,
            version_id=version_id,
            expires_at=token.expires_at.strftime(RFC_3339) if token else None,
        )


def decide(  # noqa: PLR0911  one return for each reason, in the order in which they count
    published: Published | None, credentials_version: str | None, request: Request, rules: Rules, now: datetime
) -> Due | Kept:
    """Decide whether and why what is published is due to be replaced; the first reason that holds is given."""
    if published is None:
        return Due.FIRST
    if published.token is None:
        return Due.UNREADABLE
    rejected = request.rejected_version == published.version_id
    young = published.token.is_younger_than(rules.min_token_age, now)
    if rejected and not young:
        return Due.REJECTED
    if published.token.credentials_version != credentials_version:
        return Due.CREDENTIALS_CHANGED
    if published.token.is_past(rules.refresh_at_percent, now):
        return Due.EXPIRING
    if request.force:
        return Due.FORCED
    if rejected:
        return Kept.TOO_YOUNG
    return Kept.ALREADY_REPLACED if request.rejected_version else Kept.FRESH


def weigh(published: Published | None, token: AccessToken, due: Due, now: datetime, *, verified: bool) -> Due | Kept:
    """Decide whether a new token takes the place of what is published.

    One without a verdict does only where apps have nothing better: what is published is unusable, or has less than a
    quarter of its life left.
    """
    if published is None or published.token is None:
        return due
    if token.says_the_same_as(published.token):
        return Kept.SAME_TOKEN
    if verified or due is Due.REJECTED or published.token.is_past(LAST_QUARTER, now):
        return due
    return Kept.UNVERIFIED


def refresh(  # noqa: PLR0913  each is a role or a value of its own
    request: Request,
    vault: Vault,
    moviexchange: MovieXchange,
    *,
    rules: Rules,
    clock: Callable[[], datetime],
    observe: Callable[[AccessToken | None], None],
) -> Outcome:
    """Look at what is published for the request's client ID, and replace it if it is due.

    `observe` is told the usable token that is published, or None, as soon as it is known and when it changes, so that
    it is known of a failed refresh too.
    Raises any of the errors but SettingsInvalid and RequestInvalid; what is published then stays as it was.
    """
    published = vault.published(request.client_id)
    current, version_id = (published.token, published.version_id) if published else (None, None)
    observe(current)

    reason = decide(published, vault.credentials_version(), request, rules, clock())
    if isinstance(reason, Due):
        token = moviexchange.log_in(request.client_id, vault.credentials())
        verified = moviexchange.verify(token)
        reason = weigh(published, token, reason, clock(), verified=verified)
        if isinstance(reason, Due) and not request.dry_run:
            current, version_id = token, vault.publish(token)
            observe(current)
    return Outcome.of(request, reason, version_id, current)

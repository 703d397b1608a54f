"""The story: look at what is published, and move it to what should be.

Nothing here knows AWS, HTTP, the environment or a clock; they come in as roles.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, Self, TypeVar

from mx_token_rotator.errors import (
    CredentialsInvalid,
    CredentialsRejected,
    RequestInvalid,
    RotatorError,
    TokenRefused,
    VaultFailed,
)
from mx_token_rotator.tokens import (
    RFC_3339,
    AccessToken,
    Credentials,
    CredentialsVersions,
    Published,
    RefreshToken,
    SafetyNet,
    TokenResponse,
)

LONGEST_LAG = timedelta(minutes=1)
"""After which a read of Secrets Manager is not stale any more; its documentation says eventually, which is seconds."""

MEMBERS = ("client_id", "rejected_version", "force", "dry_run")
"""What an event may bear."""

Answer = TypeVar("Answer")


class Vault(Protocol):
    """Where the credentials are read and tokens are published. Every method raises VaultFailed."""

    def published(self, client_id: str) -> Published | None:
        """Read what is published for a client ID; None where nothing ever was."""

    def credentials_versions(self) -> CredentialsVersions:
        """Tell the versions of the credentials without reading them."""

    def credentials(self) -> Credentials:
        """Read the credentials. Raises CredentialsInvalid."""

    def label_rejected(self, version_id: str | None, *, instead_of: str | None) -> None:
        """Move the label REJECTED from one version of the credentials to another; None is none."""

    def publish(self, token: AccessToken, *, after: str | None, issue: str | None = None) -> str | None:
        """Put a token in the place of the version that was read; give the new version's id, or None if it is too late.

        One version has one successor, as have all versions of one issue where that is told: of those who read the same,
        the first one publishes.
        """

    def safety_net(self, client_id: str) -> SafetyNet:
        """Read the refresh token that is kept for a client ID."""

    def keep(self, refresh_token: RefreshToken, *, after: str | None) -> None:
        """Keep a refresh token in the place of the version that was read, unless another took it first."""

    def forget(self, client_id: str, *, after: str | None) -> None:
        """Keep no refresh token in the place of the version that was read, unless another took it first."""


class MovieXchange(Protocol):
    """The three things that are asked of movieXchange."""

    def log_in(self, client_id: str, credentials: Credentials) -> TokenResponse:
        """Get a token. Raises CredentialsRejected, MovieXchangeUnavailable or MovieXchangeMisbehaved."""

    def renew(self, refresh_token: RefreshToken) -> TokenResponse:
        """Get a token without the credentials. Raises the same; CredentialsRejected of the refresh token."""

    def verify(self, token: AccessToken) -> bool:
        """Show a token to the API: True where it passed, False where there was no verdict. Raises TokenRefused."""


class Due(StrEnum):
    """Why a token is replaced."""

    FIRST = "first"
    UNREADABLE = "unreadable"
    REJECTED = "rejected"
    CREDENTIALS_CHANGED = "credentials changed"
    EXPIRING = "expiring"
    ROTATION = "rotation"
    FORCED = "forced"


class Kept(StrEnum):
    """Why what is published stays."""

    FRESH = "fresh"
    ALREADY_REPLACED = "already replaced"
    TOO_YOUNG = "too young"
    SAME_TOKEN = "same token"  # noqa: S105  a reason, no secret
    UNVERIFIED = "unverified"
    SUPERSEDED = "superseded"
    STALE_READ = "stale read"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the stack decides: RefreshAtPercent, MinTokenAgeSeconds, KeepRefreshToken and NativeRotation."""

    refresh_at_percent: int
    min_token_age: timedelta
    keep_refresh_token: bool
    native_rotation: bool = False


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of one invocation, for one client ID."""

    client_id: str
    rejected_version: str | None = None
    force: bool = False
    dry_run: bool = False
    rotation_began: datetime | None = None
    """When Secrets Manager began to rotate the token secret: an older version is due. No event bears it."""

    @classmethod
    def parse(cls, event: object, client_ids: Collection[str]) -> Self:
        """Take a request as EventBridge or a person sends it, for one of the stack's client IDs.

        An app fills in the rejected version by way of EventBridge, which puts it into the request unescaped; so a
        request that bears one bears nothing else, and must look like a version id.
        Raises RequestInvalid, which names the member.
        """
        if not isinstance(event, dict):
            raise RequestInvalid("The request is no JSON object")
        unknown = sorted(event.keys() - set(MEMBERS))
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
    def of(
        cls, request: Request, reason: Due | Kept, published: Published | None, *, by_refresh_grant: bool = False
    ) -> Self:
        """Tell what is published now, and why."""
        token = published.token if published else None
        said = ["dry run"] * request.dry_run + ["refresh grant"] * by_refresh_grant + [reason.value]
        return cls(
            client_id=request.client_id,
            outcome="refreshed" if isinstance(reason, Due) and not request.dry_run else "kept",
            reason=": ".join(said),
            version_id=published.version_id if published else None,
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
    if published.is_older_than(request.rotation_began):
        return Due.ROTATION
    if request.force:
        return Due.FORCED
    if rejected:
        return Kept.TOO_YOUNG
    return Kept.ALREADY_REPLACED if request.rejected_version else Kept.FRESH


def is_barred(
    reason: Due | Kept, published: Published | None, versions: CredentialsVersions, request: Request, now: datetime
) -> bool:
    """Tell whether a log-in is not to be tried: movieXchange has rejected the current credentials already.

    A person may insist; and where apps have a token that is due, but not for long, another try is the last chance.
    """
    is_last_chance = isinstance(reason, Due) and published is not None and published.is_running_out(now)
    return versions.is_rejected and not request.force and not is_last_chance


def is_stale(
    credentials: Credentials, versions: CredentialsVersions, published: Published | None, now: datetime
) -> bool:
    """Tell whether credentials were replaced before they were read: Secrets Manager's reads lag behind its writes.

    So they are if another version is known to be current instead; and, for a little while, if they are older than the
    published token and others than those that it came from, unless the labels of both are to be seen.
    """
    if credentials.version_id in versions.labelled - {versions.current}:
        return True
    token = published.token if published else None
    if token is None or token.credentials_version == credentials.version_id:
        return False
    are_seen = {token.credentials_version, credentials.version_id} <= versions.labelled
    return not are_seen and credentials.created_at < token.issued_at and token.is_younger_than(LONGEST_LAG, now)


def weigh(published: Published | None, token: AccessToken, due: Due, now: datetime, *, verified: bool) -> Due | Kept:
    """Decide whether a new token takes the place of what is published.

    One without a verdict does only where apps have nothing better: what is published is unusable, or has less than a
    quarter of its life left.
    """
    if published is None or published.token is None:
        return due
    if token.says_the_same_as(published.token):
        return Kept.SAME_TOKEN
    return due if verified or due is Due.REJECTED or published.is_running_out(now) else Kept.UNVERIFIED


@dataclass(frozen=True, kw_only=True)
class Obtained:
    """A new access token, and why it was asked for."""

    reason: Due
    token: AccessToken
    by_refresh_grant: bool
    replaced: frozenset[str] = frozenset()
    """Versions of the credentials that were replaced before those that it came from."""


@dataclass(frozen=True, kw_only=True)
class Rotator:
    """The story: `refresh` is what happens, and below it are its two ways to a new token.

    `observe` is told the usable token that is published, or None, as soon as it is known and when it changes, so that
    it is known of a failed refresh too. `report` is told a failure that somebody must end but that costs no token.
    """

    vault: Vault
    moviexchange: MovieXchange
    rules: Rules
    clock: Callable[[], datetime]
    observe: Callable[[AccessToken | None], None]
    report: Callable[[RotatorError], None]

    def refresh(self, request: Request) -> Outcome:
        """Look at what is published for the request's client ID, and replace it if it is due.

        Raises any of the errors but SettingsInvalid and RequestInvalid; what is published then stays as it was.
        """
        published = self.vault.published(request.client_id)
        self.observe(published.token if published else None)

        try:
            obtained = self._log_in(request, published)
        except (CredentialsInvalid, CredentialsRejected, VaultFailed) as trouble:
            obtained = self._renew(request, published, trouble)
        if isinstance(obtained, Kept):
            return Outcome.of(request, obtained, published)

        verified = self.moviexchange.verify(obtained.token)
        reason = weigh(published, obtained.token, obtained.reason, self.clock(), verified=verified)
        if isinstance(reason, Due) and not request.dry_run:
            reason, published = self._publish(obtained, reason, published)
            self.observe(published.token if published else None)
        return Outcome.of(request, reason, published, by_refresh_grant=obtained.by_refresh_grant)

    def _log_in(self, request: Request, published: Published | None) -> Obtained | Kept:
        """Get a token by the password grant, if one is due."""
        versions = self.vault.credentials_versions()
        now = self.clock()
        reason = decide(published, versions.current, request, self.rules, now)
        if is_barred(reason, published, versions, request, now):
            raise CredentialsRejected(f"MovieXchange rejected version {versions.current} of the credentials before")
        if isinstance(reason, Kept):
            return reason

        net = self._safety_net(request)
        credentials = self.vault.credentials()
        if not request.force and is_stale(credentials, versions, published, self.clock()):
            return Kept.STALE_READ

        was_rejected = credentials.version_id == versions.rejected
        try:
            response = self.moviexchange.log_in(request.client_id, credentials)
        except CredentialsRejected as rejection:
            if not was_rejected and not rejection.of_client_id:
                self._aside(lambda: self.vault.label_rejected(credentials.version_id, instead_of=versions.rejected))
            raise
        if was_rejected:
            self._aside(lambda: self.vault.label_rejected(None, instead_of=credentials.version_id))
        self._keep(response, net)
        # Of credentials that bear no label it cannot be told whether they are newer than the labels, or much older.
        is_current = credentials.version_id == versions.current
        replaced = versions.labelled - {versions.current} if is_current else frozenset()
        return Obtained(reason=reason, token=response.access_token, by_refresh_grant=False, replaced=replaced)

    def _renew(self, request: Request, published: Published | None, trouble: RotatorError) -> Obtained:
        """Get a token by the refresh grant, where the credentials stand in the way and the token itself is due.

        Raises what stands in the way where there is no refresh token that works, and reports it otherwise.
        """
        token = published.token if published else None
        unchanged = token.credentials_version if token else None
        unforced = replace(request, force=False, rotation_began=None)
        reason = decide(published, unchanged, unforced, self.rules, self.clock())
        net = self._safety_net(request) if isinstance(reason, Due) else None
        if isinstance(reason, Kept) or net is None or net.refresh_token is None:
            raise trouble

        kept = net.refresh_token
        if token:
            # What apps have is at least as new: a log-in need not have brought a refresh token.
            kept = replace(kept, client_secret=token.client_secret, credentials_version=token.credentials_version)
        try:
            response = self.moviexchange.renew(kept)
        except CredentialsRejected as refusal:
            if not refusal.of_client_id:
                self._aside(lambda: self.vault.forget(request.client_id, after=net.version_id))
            raise trouble from refusal
        except RotatorError:
            self.report(trouble)
            raise
        self.report(trouble)
        self._keep(response, net)
        return Obtained(reason=reason, token=response.access_token, by_refresh_grant=True)

    def _publish(
        self, obtained: Obtained, due: Due, published: Published | None
    ) -> tuple[Due | Kept, Published | None]:
        """Publish a token in the place of what was read, unless another came first and that one is as good."""
        # A rotation's copy is another version of the same token; those who read one and the other read the same.
        issue = published.issue() if published and self.rules.native_rotation else None
        version_id = self.vault.publish(obtained.token, after=published.version_id if published else None, issue=issue)
        if version_id:
            return due, Published(version_id=version_id, token=obtained.token)
        other = self.vault.published(obtained.token.client_id)
        return self._publish(obtained, due, other) if self._is_worse(other, obtained) else (Kept.SUPERSEDED, other)

    def _is_worse(self, other: Published | None, obtained: Obtained) -> bool:
        """Tell whether what another published is of older credentials, or refused by movieXchange.

        Where that ends the older token at each log-in, who published first need not have logged in last.
        """
        if other is None or other.token is None:
            return False
        if other.token.credentials_version != obtained.token.credentials_version:
            return other.token.credentials_version in obtained.replaced
        try:
            self.moviexchange.verify(other.token)
        except TokenRefused:
            return True
        return False

    def _safety_net(self, request: Request) -> SafetyNet | None:
        return self._aside(lambda: self.vault.safety_net(request.client_id)) if self.rules.keep_refresh_token else None

    def _keep(self, response: TokenResponse, net: SafetyNet | None) -> None:
        """Keep the refresh token before the access token is published, so that a crash in between costs neither."""
        refresh_token = response.refresh_token
        if net and refresh_token and refresh_token != net.refresh_token:
            self._aside(lambda: self.vault.keep(refresh_token, after=net.version_id))

    def _aside(self, call: Callable[[], Answer]) -> Answer | None:
        """Call what must not stand between apps and their token: its failure is reported."""
        try:
            return call()
        except VaultFailed as failure:
            self.report(failure)
            return None

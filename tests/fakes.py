"""Typed fakes of the story's two roles, and values to tell it with."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from mx_token_rotator.errors import RotatorError, TokenRefused
from mx_token_rotator.tokens import (
    AccessToken,
    Credentials,
    CredentialsVersions,
    Published,
    RefreshToken,
    SafetyNet,
    TokenResponse,
)

CLIENT_ID = "FooTickets_Website"
ISSUED_AT = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
LIFETIME = timedelta(hours=12)
UNCHANGED = CredentialsVersions(current="credentials-1", labelled=frozenset({"credentials-1"}))


def a_token(**changes: Any) -> AccessToken:  # noqa: ANN401  any member's value
    """Make a token of 12 hours, with some of its members changed."""
    token = AccessToken(
        access_token="an-access-token",
        token_type="Bearer",
        client_secret="a-client-secret",
        client_id=CLIENT_ID,
        issued_at=ISSUED_AT,
        expires_at=ISSUED_AT + LIFETIME,
        credentials_version="credentials-1",
    )
    return replace(token, **changes)


def published(**changes: Any) -> Published:  # noqa: ANN401  any member's value
    """Make the first published version, whose token has some members changed."""
    return Published(version_id="version-1", token=a_token(**changes))


def a_refresh_token(**changes: Any) -> RefreshToken:  # noqa: ANN401  any member's value
    """Make a refresh token, with some of its members changed."""
    token = RefreshToken(
        refresh_token="a-refresh-token",
        client_secret="a-client-secret",
        client_id=CLIENT_ID,
        credentials_version="credentials-1",
    )
    return replace(token, **changes)


@dataclass
class FakeVault:
    """A vault in memory; it notes each call, and raises what it was told to."""

    now: Published | None = None
    versions: CredentialsVersions = UNCHANGED
    created_at: datetime = ISSUED_AT - timedelta(days=1)
    came_first: list[AccessToken | None] = field(default_factory=list)
    lagging: str | None = None
    kept: RefreshToken | None = None
    trouble: dict[str, RotatorError] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def published(self, client_id: str) -> Published | None:
        """Read what is published."""
        self._note(f"published {client_id}")
        return self.now

    def credentials_versions(self) -> CredentialsVersions:
        """Tell the versions of the credentials."""
        self._note("credentials_versions")
        return self.versions

    def credentials(self) -> Credentials:
        """Read the credentials."""
        self._note("credentials")
        return Credentials(
            username="u",
            password="p",
            client_secret="a-client-secret",
            version_id=self.lagging or self.versions.current or "",
            created_at=self.created_at,
        )

    def label_rejected(self, version_id: str | None, *, instead_of: str | None) -> None:
        """Move the label."""
        self._note("label_rejected")
        assert self.versions.rejected == instead_of
        self.versions = replace(self.versions, rejected=version_id)

    def publish(self, token: AccessToken, *, after: str | None, issue: str | None = None) -> str | None:  # noqa: ARG002  one issue, one version here
        """Publish the next version, unless somebody else did meanwhile."""
        self._note("publish")
        assert after == (self.now.version_id if self.now else None)
        if self.came_first:
            self.now = Published(version_id="version-of-another", token=self.came_first.pop())
            return None
        self.now = Published(version_id="version-2", token=token)
        return self.now.version_id

    def safety_net(self, client_id: str) -> SafetyNet:
        """Read what is kept."""
        self._note(f"safety_net {client_id}")
        return SafetyNet(version_id="net-1", refresh_token=self.kept)

    def keep(self, refresh_token: RefreshToken, *, after: str | None) -> None:
        """Keep another refresh token."""
        self._note(f"keep after {after}")
        self.kept = refresh_token

    def forget(self, client_id: str, *, after: str | None) -> None:
        """Keep none."""
        self._note(f"forget {client_id} after {after}")
        self.kept = None

    def _note(self, call: str) -> None:
        self.calls.append(call)
        if call in self.trouble:
            raise self.trouble[call]


@dataclass
class FakeMovieXchange:
    """movieXchange in memory: the next tokens it issues, and its verdict on them."""

    token: AccessToken
    verdict: bool | RotatorError = True
    ended: str | None = None
    refusal: RotatorError | None = None
    refresh_token: str | None = None
    refresh_refusal: RotatorError | None = None
    calls: list[str] = field(default_factory=list)

    def log_in(self, client_id: str, credentials: Credentials) -> TokenResponse:
        """Issue the token for this client ID and these credentials."""
        self.calls.append("log_in")
        if self.refusal:
            raise self.refusal
        return self._response(client_id, credentials.client_secret, credentials.version_id)

    def renew(self, refresh_token: RefreshToken) -> TokenResponse:
        """Issue the token for what the refresh token was issued for."""
        self.calls.append(f"renew {refresh_token.refresh_token}")
        if self.refresh_refusal:
            raise self.refresh_refusal
        return self._response(refresh_token.client_id, refresh_token.client_secret, refresh_token.credentials_version)

    def verify(self, token: AccessToken) -> bool:
        """Give the verdict."""
        self.calls.append(f"verify {token.access_token}")
        if isinstance(self.verdict, RotatorError):
            raise self.verdict
        if token.access_token == self.ended:
            raise TokenRefused("HTTP 401")
        return self.verdict

    def _response(self, client_id: str, client_secret: str, credentials_version: str) -> TokenResponse:
        token = replace(
            self.token, client_id=client_id, client_secret=client_secret, credentials_version=credentials_version
        )
        kept = a_refresh_token(
            refresh_token=self.refresh_token,
            client_id=client_id,
            client_secret=client_secret,
            credentials_version=credentials_version,
        )
        return TokenResponse(access_token=token, refresh_token=kept if self.refresh_token else None)

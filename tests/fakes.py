"""Typed fakes of the story's two roles, and values to tell it with."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from mx_token_rotator.errors import RotatorError
from mx_token_rotator.tokens import AccessToken, Credentials, Published

CLIENT_ID = "FooTickets_Website"
ISSUED_AT = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
LIFETIME = timedelta(hours=12)


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


@dataclass
class FakeVault:
    """A vault in memory; it notes each call, and raises what it was told to."""

    now: Published | None = None
    version: str | None = "credentials-1"
    trouble: dict[str, RotatorError] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def published(self, client_id: str) -> Published | None:
        """Read what is published."""
        self._note(f"published {client_id}")
        return self.now

    def credentials_version(self) -> str | None:
        """Tell the version of the credentials."""
        self._note("credentials_version")
        return self.version

    def credentials(self) -> Credentials:
        """Read the credentials."""
        self._note("credentials")
        return Credentials(username="u", password="p", client_secret="a-client-secret", version_id=self.version or "")

    def publish(self, token: AccessToken) -> str:
        """Publish the next version."""
        self._note("publish")
        self.now = Published(version_id="version-2", token=token)
        return self.now.version_id

    def _note(self, call: str) -> None:
        self.calls.append(call)
        if call in self.trouble:
            raise self.trouble[call]


@dataclass
class FakeMovieXchange:
    """movieXchange in memory: the next token it issues, and its verdict on it."""

    token: AccessToken
    verdict: bool | RotatorError = True
    refusal: RotatorError | None = None
    calls: list[str] = field(default_factory=list)

    def log_in(self, client_id: str, credentials: Credentials) -> AccessToken:
        """Issue the token for this client ID and these credentials."""
        self.calls.append("log_in")
        if self.refusal:
            raise self.refusal
        return replace(
            self.token,
            client_id=client_id,
            client_secret=credentials.client_secret,
            credentials_version=credentials.version_id,
        )

    def verify(self, token: AccessToken) -> bool:
        """Give the verdict."""
        self.calls.append(f"verify {token.access_token}")
        if isinstance(self.verdict, RotatorError):
            raise self.verdict
        return self.verdict

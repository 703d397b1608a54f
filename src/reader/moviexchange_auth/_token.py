"""Decisions about a token: functions of values, without I/O and without a clock."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from typing import Any

EARLY = 120.0  # seconds before a token expires; from then on a newer one is looked for


class TokenError(Exception):
    """There is no token with as much time left as was asked for. The message says why, and what to do."""


class ClientSecretError(TokenError):
    """The token is used with a client secret, so no browser may have it."""


@dataclass(frozen=True)
class Token:
    """A published token, as in `source.token().version`. Its repr shows neither the token nor the client secret."""

    access_token: str = field(repr=False)
    client_secret: str = field(repr=False)
    expires_at: datetime
    version: str
    secret_name: str
    secret_arn: str

    def headers(self) -> dict[str, str]:
        """Return both headers, or Authorization alone without a client secret, as in `source.token().headers()`."""
        headers = {"Authorization": f"Bearer {self.access_token}", "MX-Api-Client-Secret": self.client_secret}
        return {name: value for name, value in headers.items() if value}


def parse(answer: Mapping[str, Any], secret_id: str) -> Token:
    """Read an answer of GetSecretValue. Raises ValueError, whose text has nothing of the secret's value in it."""
    try:
        document = json.loads(answer["SecretString"])
        texts = document["access_token"] + "", document["client_secret"] + ""  # anything else is a TypeError
        expires_at = datetime.strptime(document["expires_at"], "%Y-%m-%dT%H:%M:%S%z")
    except (ValueError, TypeError, KeyError):
        raise ValueError("it contains no token; look for the last error of mx-token-rotator") from None
    return Token(*texts, expires_at, answer["VersionId"], answer.get("Name", secret_id), answer.get("ARN", ""))


@dataclass(frozen=True)
class Known:
    """What is known of a secret. `now` is a time since the epoch, all others are of a monotonic clock."""

    token: Token | None = None
    failure: Exception | None = None
    keep_until: float = -inf
    hold_until: float = -inf

    def serves(self, now: float, min_life: float = 0.0, refused: str = "") -> bool:
        """Decide whether the kept token has so many seconds left, and is not the refused version."""
        left = self.token.expires_at.timestamp() - now if self.token and self.token.version != refused else 0.0
        return left > 0 and left >= min_life

    def needs_read(self, now: float, monotonic: float, min_life: float = 0.0, refused: str = "") -> bool:
        """Decide whether to read the secret for a caller who wants that."""
        is_good = monotonic < self.keep_until and self.serves(now, max(min_life, EARLY), refused)
        return not is_good and monotonic >= self.hold_until

    def hand_out(self, now: float, min_life: float, secret_id: str) -> Token:
        """Return the kept token if it has so many seconds left. Raises TokenError."""
        if self.token and self.serves(now, min_life):
            return self.token
        state = f"expires at {self.token.expires_at:%Y-%m-%dT%H:%M:%SZ}" if self.token else "cannot be read"
        reason = self.failure or "look for the last error of mx-token-rotator"
        raise TokenError(f"The token in the secret {secret_id} {state}: {reason}") from self.failure

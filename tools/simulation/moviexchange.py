"""A movieXchange account in memory."""

import base64
import json
import random
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from mx_token_rotator.transport import Answer
from tools.simulation.engine import moment

USERNAME = "secret-user"
REJECTIONS: list[tuple[int, dict[str, Any] | None]] = [
    (400, {"error": "invalid_grant"}),
    (400, {"errorDescription": "wrong"}),
    (400, {"error": "Login Failed."}),
    (200, {"error": "invalid_grant"}),
    (500, {"error": "access_denied"}),
    (422, {"message": "wrong"}),
    (401, None),
]
"""How token services say that they reject a user name or password."""
NONSENSE = [
    Answer(host="auth", status=200, body=b"<html>Checking your browser</html>"),
    Answer(host="auth", status=200, body=b'{"token_type":"Bearer"'),
    Answer(host="auth", status=200, body=b'{"token_type":"mac","access_token":"a","expires_in":43200}'),
    Answer(host="auth", status=200, body=b'{"token_type":"Bearer","access_token":"a","expires_in":-1}'),
    Answer(host="auth", status=403, body=b'{"message":"Forbidden"}'),
    Answer(host="auth", status=302),
]
NO_VERDICTS = [
    Answer(host="api", status=404),
    Answer(host="api", status=500),
    Answer(host="api", status=403, headers={"Content-Type": "text/html"}, body=b"<html>Attention</html>"),
]
MOST_FAILURES = 5
LOCKED_SECONDS = 300.0
"""The defaults of ASP.NET Identity."""


@dataclass
class Issued:
    """An access token that was issued."""

    client_id: str
    ends_at: float
    is_revoked: bool = False


@dataclass
class Account:
    """A user name and password with their client secret, and what was issued for them.

    `kind` says what becomes of a client ID's older tokens at a log-in: they are kept, end, are issued again with a
    later end ("repeats"), or with the same end ("same"). `locks` says whether five wrong passwords lock the account.
    """

    rng: random.Random
    lifetime: float
    kind: str = "keeps"
    locks: bool = True
    password: str = "secret-password-0"  # noqa: S105  made up
    client_secret: str = "secret-client-secret-0"  # noqa: S105  made up
    tokens: dict[str, Issued] = field(default_factory=dict)
    refresh_tokens: dict[str, str] = field(default_factory=dict)
    locked_until: float = float("-inf")
    _failures: int = 0
    _numbers: "count[int]" = field(default_factory=count)

    def log_in(self, form: dict[str, str], now: float) -> Answer:
        """Answer at the token endpoint (RFC 6749, sections 4.3, 5 and 6); a refresh token is used up by its use."""
        client_id = form["client_id"]
        if form["grant_type"] == "password":
            is_known = form["password"] == self.password and now >= self.locked_until
            self._failures = 0 if is_known else self._failures + 1
            if self.locks and self._failures >= MOST_FAILURES:
                self._failures, self.locked_until = 0, now + LOCKED_SECONDS
        else:
            is_known = self.refresh_tokens.pop(form["refresh_token"], None) == client_id
        return self._issue(client_id, now) if is_known else self.reject(form)

    def reject(self, form: dict[str, str]) -> Answer:
        """Reject a log-in in one of many ways; the answer may repeat what was sent."""
        status, document = self.rng.choice(REJECTIONS)
        told = document and document | {"error_description": f"{form} is wrong"}
        return Answer(host="auth", status=status, body=json.dumps(told).encode() if told else b"")

    def _issue(self, client_id: str, now: float) -> Answer:
        number = next(self._numbers)
        older = [text for text, each in self.tokens.items() if each.client_id == client_id and self._is_live(each, now)]
        is_again = bool(older) and self.kind in {"repeats", "same"}
        text = older[-1] if is_again else f"secret-token-{number}"
        ends_at = self.tokens[text].ends_at if is_again and self.kind == "same" else now + self.lifetime
        if self.kind == "ends":
            for each in older:
                self.tokens[each].is_revoked = True
        if number % 2 and self.kind not in {"repeats", "same"}:
            payload = json.dumps({"exp": int(moment(now + self.lifetime).timestamp())}).encode()
            text = f"{text}.{base64.urlsafe_b64encode(payload).decode().rstrip('=')}.signature"
        self.tokens[text] = Issued(client_id, ends_at)
        self.refresh_tokens[f"secret-refresh-token-{number}"] = client_id
        # The recorded answer, and what other servers send.
        seconds = max(1, int(ends_at - now))
        document: dict[str, Any] = {"token_type": "Bearer", "access_token": text, "expires_in": seconds}
        odd: list[dict[str, Any]] = [
            {},
            {"expires_in": str(seconds)},
            {"token_type": None},
            {"expires_in": seconds + 0.5},
        ]
        if number % 3 == 0:
            document["refresh_token"] = f"secret-refresh-token-{number}"
        return Answer(host="auth", status=200 + number % 2, body=json.dumps(document | odd[number % len(odd)]).encode())

    @staticmethod
    def _is_live(issued: Issued, now: float) -> bool:
        return not issued.is_revoked and now < issued.ends_at

    def accepts(self, access_token: str, client_secret: str, now: float) -> bool:
        """Return whether the API accepts both headers."""
        issued = self.tokens.get(access_token)
        return issued is not None and self._is_live(issued, now) and client_secret == self.client_secret

    def revoke(self, client_id: str | None = None) -> None:
        """End the tokens of a client ID, or all of them."""
        for issued in self.tokens.values():
            issued.is_revoked = issued.is_revoked or client_id in {None, issued.client_id}

    def forget(self, before: float) -> None:
        """Drop what ended long ago."""
        for text in [text for text, issued in self.tokens.items() if issued.ends_at < before]:
            del self.tokens[text]

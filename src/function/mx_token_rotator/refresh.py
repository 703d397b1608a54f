"""The run: decide for each client ID in turn, and replace its token if needed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from zlib import crc32

from mx_token_rotator import errors
from mx_token_rotator.events import Request
from mx_token_rotator.grants import Grants
from mx_token_rotator.moviexchange import MovieXchange
from mx_token_rotator.secrets_manager import SecretsManager
from mx_token_rotator.settings import Client, Settings
from mx_token_rotator.tokens import SHORTEST_REFRESH, AccessToken, Published
from mx_token_rotator.transport import World

LOG_IN_SECONDS = 20.0  # no log-in begins with less time left
Outcome = dict[str, Any]  # an entry of the function's result; nothing in it is secret
Decision = tuple[bool, str]


def outcome(name: str | None, published: Published, what: str, why: str | errors.RotatorError) -> Outcome:
    """Return what came of a client ID (refreshed, kept or failed), why, and what is published."""
    token = published.token.document() if published.token else {}
    advice = {} if isinstance(why, str) else {"error": why.problem, "who": why.who, "remedy": why.remedy}
    reason = why if isinstance(why, str) else type(why).__name__
    entry = {"client_id": name, "outcome": what, "reason": reason, "version_id": published.version_id}
    return entry | {"expires_at": token.get("expires_at"), "verified": token.get("verified")} | advice


def decide(published: Published, current: str | None, request: Request, settings: Settings, now: datetime) -> Decision:
    """Return whether the published token is to be replaced, and the first reason that holds."""
    token = published.token
    age = now - token.issued_at if token else timedelta.max
    if request.rejected_version:
        if request.rejected_version != published.version_id:
            return False, "already replaced"
        return (False, "too young") if age < settings.min_token_age else (True, "rejected")
    if token is None:
        return True, "unreadable" if published.version_id or published.is_denied_by_kms else "first"
    life = token.life_remaining(now)
    is_last_chance = token.expires_at - now <= settings.check_every + timedelta(minutes=1)  # the next run may be late
    if life == 0 or ((is_last_chance or life <= 100 - settings.refresh_at_percent) and age >= SHORTEST_REFRESH):
        return True, "expiring"
    if token.credentials_version != current:
        return True, "credentials changed"
    return (True, "forced") if request.force else (False, "fresh")


@dataclass
class Run:
    """One run of the function. `failures` are all that somebody must end, also what cost no token."""

    request: Request
    settings: Settings
    secrets: SecretsManager
    moviexchange: MovieXchange
    world: World
    failures: list[errors.RotatorError]
    published: dict[Client, Published] = field(default_factory=dict)
    lives: dict[str, float] = field(default_factory=dict)  # percent left under the names; stays 0 if found expired

    def outcomes(self) -> Iterator[Outcome]:
        """Check each client ID, and yield what came of it."""
        # In another order each time, so that what ends one run early does not end all of them at the same client ID.
        now, half = self.world.clock(), self.world.seconds_left() / 2  # slow reads leave the others to the next run
        for client in sorted(self.request.clients, key=lambda each: crc32(f"{each.name} {now}".encode())):
            if self.world.seconds_left() >= half:
                yield from self._attempt(self._read, client)
        for client in self.published:
            yield from self._attempt(self._check, client)

    @cached_property
    def grants(self) -> Grants:
        """How this run gets tokens; made once all published tokens are read."""
        proven = {each.token.credentials_version for each in self.published.values() if each.token}
        return Grants(self.request, self.settings, self.secrets, self.moviexchange, self.failures, proven)

    def _attempt(self, step: Callable[[Client], Outcome | None], client: Client) -> Iterator[Outcome]:
        try:
            result = step(client) if self.world.seconds_left() > 0 else None
        except Exception as error:  # noqa: BLE001  a defect must not cost the other client IDs their tokens
            self.failures.append(errors.named(error))
            result = outcome(client.name, self.published.get(client, Published()), "failed", self.failures[-1])
        if result:
            yield result

    def _read(self, client: Client) -> None:
        """Read what is published, and make first whatever a later publication needs."""
        now = self.world.clock()
        published = self.secrets.published(client, now)
        self.lives[client.name] = published.token.life_remaining(now) if published and published.token else 0.0
        if not (self.request.dry_run or self.request.trial_version):
            if published is None:
                self.secrets.create("tokens", client)
            elif published.is_denied_by_kms:
                self.secrets.use_stack_key("tokens", client)
        self.published[client] = published or Published()

    def _check(self, client: Client) -> Outcome:
        published, token = self.published[client], self.published[client].token
        if self.request.trial_version:
            return self._try_credentials(client, token)
        request = replace(self.request, force=self.grants.is_forced)
        is_due, reason = decide(published, self.grants.current, request, self.settings, self.world.clock())
        if self.request.dry_run:
            if is_due:
                self.grants.admit()
            return outcome(client.name, published, "kept", f"dry run: {reason}")
        if is_due and self.world.seconds_left() < LOG_IN_SECONDS:
            is_due, reason = False, "postponed"
        # Secrets Manager keeps about 100 versions a day, so a token that lasts a shorter time must do with one.
        is_settled = token is not None and self.world.clock() - token.issued_at >= 3 * self.settings.min_token_age
        verdict = None
        if token and (reason == "rejected" or (reason == "fresh" and token.verified is False)):
            verdict, seen = self.moviexchange.verify(token)
            if verdict is False and not is_due:
                raise errors.TokenRefused(f"{seen}; the token stays published, since no accepted one is there")
            if verdict:  # OCAPI answers 401 also if only the visitor is not signed in
                if is_settled:
                    self._publish(client, replace(token, verified=True))
                is_due, reason = False, "still accepted" if is_due else reason
        if is_due:
            is_dead = verdict is False or not self.lives[client.name]
            old = None if is_dead or (token and token.verified is False) else token
            return self._replace(client, reason, old, is_urgent=is_dead and is_settled)
        return outcome(client.name, self.published[client], "kept", reason) | ({"verified": True} if verdict else {})

    def _replace(self, client: Client, reason: str, old: AccessToken | None, *, is_urgent: bool) -> Outcome:
        """Get a token, try it, and publish it unless the old one is better, which is None if it is known to be bad."""
        if self.published[client].text and not self.grants.stop:
            # A log-in may end the old token: find out first whether another one could be published.
            self.secrets.confirm_writable(client, self.published[client])
        is_due_by_itself = reason not in {"forced", "credentials changed"}
        token, is_renewed = self.grants.obtain(client, may_renew=self.settings.keep_refresh_token and is_due_by_itself)
        is_news = is_urgent and self._publish(client, token)
        verdict, seen = self.moviexchange.verify(token, is_new=True)
        has_other_source = old is not None and old.credentials_version != token.credentials_version
        # Without a verdict on the old token, a new one of the same credentials is no worse, since it is alive.
        verdict_on_old = self.moviexchange.verify(old)[0] if old and verdict is False else False
        is_old_better = verdict_on_old or (verdict_on_old is None and has_other_source)
        if is_old_better and has_other_source:
            self.grants.reject(token.credentials_version, errors.TokenRefused(seen))
        elif not is_renewed:
            self.grants.accept(token.credentials_version)
        if is_old_better:
            raise errors.TokenRefused(f"{seen}; the published token stays")
        if verdict is False:  # a run by hand at the same time may have published a later one
            other = self.secrets.published(client, self.world.clock())
            if other and other.token and other.token.issued_at > token.issued_at:
                return outcome(client.name, other, "kept", "already replaced")
        if verdict is False or not is_urgent:
            is_news = self._publish(client, replace(token, verified=verdict)) or is_news
        if verdict is False:
            raise errors.TokenRefused(f"{seen}; the new token is published, since no accepted one is there")
        said = ("refreshed", reason + ", by refresh token" * is_renewed) if is_news else ("kept", "same token")
        return outcome(client.name, self.published[client], *said) | {"verified": verdict}

    def _publish(self, client: Client, token: AccessToken) -> bool:
        """Publish a token, unless that would tell applications nothing new; return whether it was published."""
        published = self.published[client]
        if token.says_the_same_as(published.token):
            return False
        try:
            self.published[client] = self.secrets.publish(client, token)
        except Exception as failure:
            self.grants.stop = errors.named(failure)
            raise
        had_expired = published.token and not self.lives[client.name]
        self.lives[client.name] = 0.0 if had_expired else token.life_remaining(self.world.clock())
        return True

    def _try_credentials(self, client: Client, old: AccessToken | None) -> Outcome:
        """Log in with a version of the credentials; publish its token only if that ended the published one."""
        token, _ = self.moviexchange.log_in(client.client_id, self.secrets.credentials(self.request.trial_version))
        verdict, seen = self.moviexchange.verify(token, is_new=True)
        if verdict is False:
            raise errors.TokenRefused(seen)
        has_ended = bool(verdict and old and self.moviexchange.verify(old)[0] is False)
        is_news = has_ended and self._publish(client, replace(token, verified=True))
        return outcome(client.name, self.published[client], ("kept", "refreshed")[is_news], "credentials accepted")

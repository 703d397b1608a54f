"""Secrets Manager's own rotation of a token secret, in its four steps.

The story publishes; a rotation only has a version of Secrets Manager's own take the place of the one that the story
published. So nothing waits to be published, and a step that comes twice, late or never does no harm:

createSecret  refreshes, if what is published is older than the rotation, and moves AWSCURRENT to a copy of it
setSecret     has nothing to do: movieXchange issued the token, and knows it
testSecret    has nothing to do: the story shows each token to movieXchange before it publishes it
finishSecret  takes AWSPENDING away, as does a step that fails, and whoever publishes another token

Secrets Manager begins no rotation while AWSPENDING is on another version than AWSCURRENT (RotateSecret's API
reference).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, Self

from mx_token_rotator.errors import (
    MovieXchangeMisbehaved,
    MovieXchangeUnavailable,
    RequestInvalid,
    RotatorError,
    VaultFailed,
)
from mx_token_rotator.refresh import Kept, Outcome, Request, Rotator
from mx_token_rotator.tokens import AccessToken, Published

UNFINISHED: Mapping[str, type[RotatorError]] = {
    Kept.UNVERIFIED: MovieXchangeUnavailable,
    Kept.SAME_TOKEN: MovieXchangeMisbehaved,
    Kept.STALE_READ: VaultFailed,
}
"""What kept a token, and so a rotation from its end, is one of these errors: it must not be taken for done."""


class RotatedVault(Protocol):
    """Where a rotation's versions of the token secrets are. Every method raises VaultFailed."""

    def published(self, client_id: str) -> Published | None:
        """Read what is published for a client ID; None where nothing ever was."""

    def rotation_began(self, client_id: str, version_id: str) -> datetime | None:
        """Tell when Secrets Manager made a version without a value, to be filled by a rotation; None where it did not.

        It does so before it calls the first step.
        """

    def copy(self, token: AccessToken, version_id: str, *, instead_of: str) -> bool:
        """Put a published token into a rotation's version and move AWSCURRENT there, unless another is in the way."""

    def pending(self, client_id: str) -> str | None:
        """Tell which version bears AWSPENDING; None where none does."""

    def unstage(self, client_id: str, version_id: str) -> None:
        """Take AWSPENDING from a version, if it bears it."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """What Secrets Manager asks of one invocation, for one token secret."""

    name: str
    client_id: str
    version_id: str

    @classmethod
    def parse(cls, event: Mapping[str, object], client_ids: Mapping[str, str]) -> Self:
        """Take a step as Secrets Manager sends it, for one of the token secrets, under whose names the client IDs are.

        AWS's guide writes createSecret and create_secret. Raises RequestInvalid, which names the member.
        """
        texts = {member: value for member, value in event.items() if isinstance(value, str)}
        version_id = texts.get("ClientRequestToken", "")
        name = re.fullmatch("(create|set|test|finish)(Secret|_secret)", texts.get("Step", ""))
        # Secrets Manager ends each ARN in six random characters.
        arn = re.fullmatch("arn:[^:]+:secretsmanager:[^:]+:[^:]+:secret:(.+)-.{6}", texts.get("SecretId", ""))
        if name is None:
            raise RequestInvalid("The member Step is none of a rotation's four steps")
        if arn is None or arn[1] not in client_ids:
            raise RequestInvalid("The member SecretId is the ARN of none of the stack's token secrets")
        if not re.fullmatch("[A-Za-z0-9-]{32,64}", version_id):
            raise RequestInvalid("The member ClientRequestToken is no version id")
        return cls(name=name[1], client_id=client_ids[arn[1]], version_id=version_id)


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """The four steps, told by the story. `observed` is what the story saw published, in order."""

    rotator: Rotator
    vault: RotatedVault
    observed: Sequence[AccessToken | None]

    def take(self, step: Step) -> Outcome:
        """Take one step. Raises what `Rotator.refresh` does."""
        try:
            if step.name == "create":
                return self._create(step)
            if step.name == "finish":
                self._end(step.client_id, step.version_id)
            return self._look(step)
        except Exception:
            self._end(step.client_id, step.version_id)
            raise

    def give_way(self, client_id: str) -> None:
        """End a rotation that did not come to its end before another token was published; a failure is reported."""
        try:
            pending = self.vault.pending(client_id)
        except VaultFailed as failure:
            self.rotator.report(failure)
        else:
            if pending:
                self._end(client_id, pending)

    def _create(self, step: Step) -> Outcome:
        began = self.vault.rotation_began(step.client_id, step.version_id) or self.rotator.clock()
        outcome = self.rotator.refresh(Request(client_id=step.client_id, rotation_began=began))
        token = self.observed[-1]
        unfinished = UNFINISHED.get(outcome.reason.rpartition(": ")[2])
        if token is None or unfinished:
            raise (unfinished or VaultFailed)(f"The rotation brought no other token: {outcome.reason}")
        published = str(outcome.version_id)
        if published != step.version_id and self.vault.copy(token, step.version_id, instead_of=published):
            return replace(outcome, version_id=step.version_id)
        return outcome

    def _look(self, step: Step) -> Outcome:
        published = self.vault.published(step.client_id)
        self.rotator.observe(published.token if published else None)
        return Outcome.of(Request(client_id=step.client_id), Kept.FRESH, published)

    def _end(self, client_id: str, version_id: str) -> None:
        try:
            self.vault.unstage(client_id, version_id)
        except VaultFailed as failure:
            self.rotator.report(failure)

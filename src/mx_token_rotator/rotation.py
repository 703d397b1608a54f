"""Secrets Manager's own rotation of a token secret, in its four steps.

It asks for nothing but what a tick does: look, and move what is published to what should be. So a rotation adds a
version of Secrets Manager's to what the story publishes, and nothing waits in that version to be published:

createSecret  refreshes, if the token is older than the rotation, and copies what is published into its version
setSecret     has nothing to do: movieXchange issued the token, and knows it
testSecret    has nothing to do: the story shows each token to movieXchange before it publishes it
finishSecret  moves AWSCURRENT to the copy, if that is still what is published

A step that comes twice, late, or after another publication finds that, and does no harm. Whatever fails or comes second
takes AWSPENDING away, so that it is in nobody's way.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, Self

from mx_token_rotator.errors import MovieXchangeUnavailable, RequestInvalid, VaultFailed
from mx_token_rotator.refresh import Kept, Outcome, Request, Rotator
from mx_token_rotator.tokens import AccessToken, Published


class RotatedVault(Protocol):
    """Where a rotation's versions of the token secrets are. Every method raises VaultFailed."""

    def published(self, client_id: str) -> Published | None:
        """Read what is published for a client ID; None where nothing ever was."""

    def rotation_began(self, client_id: str, version_id: str) -> datetime | None:
        """Tell when Secrets Manager made a version without a value, to be filled by a rotation; None where it did not.

        It does so before it calls the first step.
        """

    def stage(self, token: AccessToken, version_id: str) -> bool:
        """Put a token into a rotation's version, beside what is published; False where it has another value."""

    def staged(self, client_id: str, version_id: str) -> AccessToken | None:
        """Read the token in a version, whatever its labels; None where there is none."""

    def promote(self, client_id: str, version_id: str, *, instead_of: str) -> bool:
        """Move AWSCURRENT from one version to another; False where it had gone from there."""

    def end_rotation(self, client_id: str) -> None:
        """Take AWSPENDING from whichever version bears it.

        Secrets Manager begins no rotation while an older one does (RotateSecret's API reference).
        """


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
        asked = {name: str(event.get(name)) for name in ("Step", "SecretId", "ClientRequestToken")}
        name = re.fullmatch("(create|set|test|finish)(Secret|_secret)", asked["Step"])
        # Secrets Manager ends each ARN in six random characters.
        arn = re.fullmatch("arn:[^:]+:secretsmanager:[^:]+:[^:]+:secret:(.+)-.{6}", asked["SecretId"])
        if name is None:
            raise RequestInvalid("The member Step is none of a rotation's four steps")
        if arn is None or arn[1] not in client_ids:
            raise RequestInvalid("The member SecretId is the ARN of none of the stack's token secrets")
        if not re.fullmatch("[A-Za-z0-9-]{32,64}", asked["ClientRequestToken"]):
            raise RequestInvalid("The member ClientRequestToken is no version id")
        return cls(name=name[1], client_id=client_ids[arn[1]], version_id=asked["ClientRequestToken"])


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """The four steps, told by the story. `observed` is what the story saw published, in order."""

    rotator: Rotator
    vault: RotatedVault
    observed: Sequence[AccessToken | None]

    def take(self, step: Step) -> Outcome:
        """Take one step. Raises what `Rotator.refresh` does; a step that fails ends the rotation."""
        try:
            match step.name:
                case "create":
                    return self._create(step)
                case "finish":
                    return self._finish(step)
                case _:
                    return self._look(step)
        except Exception:
            self.end(step.client_id)
            raise

    def end(self, client_id: str) -> None:
        """Leave nothing that could be in the way of the next rotation; a failure of this is reported."""
        try:
            self.vault.end_rotation(client_id)
        except VaultFailed as failure:
            self.rotator.report(failure)

    def _create(self, step: Step) -> Outcome:
        began = self.vault.rotation_began(step.client_id, step.version_id) or self.rotator.clock()
        # A token's times are whole seconds.
        outcome = self.rotator.refresh(Request(client_id=step.client_id, rotation_began=began.replace(microsecond=0)))
        token = self.observed[-1]
        if token is None or (outcome.outcome == "kept" and outcome.reason not in {Kept.FRESH, Kept.SUPERSEDED}):
            raise MovieXchangeUnavailable(f"The rotation brought no other token: {outcome.reason}")
        if not self.vault.stage(token, step.version_id):
            self.end(step.client_id)
        return outcome

    def _look(self, step: Step) -> Outcome:
        return Outcome.of(Request(client_id=step.client_id), Kept.FRESH, self._published(step))

    def _finish(self, step: Step) -> Outcome:
        published, reason = self._published(step), Kept.SUPERSEDED
        if published and published.token and published.token == self.vault.staged(step.client_id, step.version_id):
            if published.version_id == step.version_id or self.vault.promote(
                step.client_id, step.version_id, instead_of=published.version_id
            ):
                reason, published = Kept.ROTATED, replace(published, version_id=step.version_id)
            else:
                published = self._published(step)
        self.end(step.client_id)
        return Outcome.of(Request(client_id=step.client_id), reason, published)

    def _published(self, step: Step) -> Published | None:
        published = self.vault.published(step.client_id)
        self.rotator.observe(published.token if published else None)
        return published

"""Secrets Manager: where a person puts the credentials and apps read their tokens.

botocore's exceptions end here. Their messages may quote what was sent, so only error codes are passed on.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, ClassVar, TypeVar
from uuid import NAMESPACE_URL, uuid4, uuid5

from botocore.exceptions import BotoCoreError, ClientError

from mx_token_rotator.deadline import Deadline
from mx_token_rotator.errors import VaultFailed
from mx_token_rotator.tokens import (
    AccessToken,
    Credentials,
    CredentialsVersions,
    Published,
    RefreshToken,
    SafetyNet,
)

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_secretsmanager.type_defs import SecretVersionsListEntryTypeDef

REJECTED = "REJECTED"
"""The staging label of the credentials' version that movieXchange rejected last."""

Answer = TypeVar("Answer")


def credentials_secret(account: str) -> str:
    """Name the secret of the account's credentials; an account is `{SecretPrefix}/{Environment}`."""
    return f"{account}/credentials"


def token_secret(account: str, client_id: str) -> str:
    """Name the secret in which a client ID's token is published."""
    return f"{account}/tokens/{client_id}"


def refresh_token_secret(account: str, client_id: str) -> str:
    """Name the secret in which a client ID's refresh token is kept."""
    return f"{account}/refresh-tokens/{client_id}"


def successor(origin: str | None, attempt: int) -> str:
    """Give the id of the version that follows a version, or an issue: whoever read the same derives the same id."""
    return str(uuid5(NAMESPACE_URL, f"mx-token-rotator:{origin}:{attempt}"))


def successors(origin: str | None) -> Iterator[str]:
    """Give that id, and those to try where it is taken."""
    return (successor(origin, attempt) for attempt in count())


class _NoValueYet(VaultFailed):
    """A secret that exists and holds nothing."""


class _VersionTaken(VaultFailed):
    """A version of this id exists, with another value."""


class SecretsManagerVault:
    """One account's secrets. Every method raises VaultFailed."""

    LONGEST_CALL: ClassVar[float] = 27.0
    """Seconds for one call: two tries of 3 s to connect and 10 s to read, and a second between them."""

    ASIDE: ClassVar[float] = 5.0
    """Seconds for one call beside the refresh, for a label or a refresh token: publishing needs the time more."""

    def __init__(self, client: "SecretsManagerClient", account: str, deadline: Deadline) -> None:
        """Take a client that tries twice at most, and the invocation's end."""
        self._client = client
        self._account = account
        self._deadline = deadline

    def published(self, client_id: str) -> Published | None:
        """Read what is published for a client ID; None where nothing ever was."""
        value = self._value(token_secret(self._account, client_id))
        if value is None:
            return None
        text, version_id, created_at = value
        token = AccessToken.parse(text, client_id=client_id)
        return Published(version_id=version_id, token=token, created_at=created_at)

    def credentials_versions(self) -> CredentialsVersions:
        """Tell the versions of the credentials without reading them."""
        name = credentials_secret(self._account)
        answer = self._call("DescribeSecret", name, lambda: self._client.describe_secret(SecretId=name))
        stages = answer.get("VersionIdsToStages", {})
        bearers = {label: version for version, labels in stages.items() for label in labels}
        return CredentialsVersions(
            current=bearers.get("AWSCURRENT"), rejected=bearers.get(REJECTED), labelled=frozenset(stages)
        )

    def credentials(self) -> Credentials:
        """Read the credentials. Raises CredentialsInvalid."""
        name = credentials_secret(self._account)
        value = self._value(name)
        text, version_id, created_at = value or ("", "", datetime.min.replace(tzinfo=UTC))
        return Credentials.parse(text, version_id=version_id, created_at=created_at, secret=name)

    def label_rejected(self, version_id: str | None, *, instead_of: str | None) -> None:
        """Move the label REJECTED from one version of the credentials to another; None is none."""
        name = credentials_secret(self._account)
        versions = {"MoveToVersionId": version_id, "RemoveFromVersionId": instead_of}
        given = {member: version for member, version in versions.items() if version}
        try:
            self._label(name, REJECTED, within=self.ASIDE, **given)
        except VaultFailed:
            # The invocation for another client ID may have moved it first.
            if self.credentials_versions().rejected != version_id:
                raise

    def publish(self, token: AccessToken, *, after: str | None, issue: str | None = None) -> str | None:
        """Put a token in the place of the version that was read; give the new version's id, or None if it is too late.

        PutSecretValue without stages moves AWSCURRENT and AWSPREVIOUS in one atomic call (its API reference).
        """
        name = token_secret(self._account, token.client_id)
        return self._follow(name, after, token.document(), successors(issue or after))

    def rotation_began(self, client_id: str, version_id: str) -> datetime | None:
        """Tell when Secrets Manager made a version without a value, to be filled by a rotation; None where it did not.

        It does so before it calls the first step (AWS's own rotation functions refuse a version that is not there).
        """
        return self._versions(token_secret(self._account, client_id)).get(version_id, {}).get("CreatedDate")

    def copy(self, token: AccessToken, version_id: str, *, instead_of: str) -> bool:
        """Put a published token into a rotation's version and move AWSCURRENT there, unless another is in the way.

        Secrets Manager takes no label from a version that does not bear it (UpdateSecretVersionStage's API reference).
        """
        name = token_secret(self._account, token.client_id)
        put = {"SecretId": name, "SecretString": token.document(), "ClientRequestToken": version_id}
        move = {"MoveToVersionId": version_id, "RemoveFromVersionId": instead_of}
        try:
            self._call(
                "PutSecretValue", name, lambda: self._client.put_secret_value(**put, VersionStages=["AWSPENDING"])
            )
            self._label(name, "AWSCURRENT", within=self.LONGEST_CALL, **move)
        except _VersionTaken:
            return False
        except VaultFailed:
            now = self.published(token.client_id)
            if now is None or now.version_id == instead_of:
                raise
            return now.version_id == version_id
        return True

    def pending(self, client_id: str) -> str | None:
        """Tell which version bears AWSPENDING; None where none does."""
        return self._bearer("AWSPENDING", self._versions(token_secret(self._account, client_id), within=self.ASIDE))

    def unstage(self, client_id: str, version_id: str) -> None:
        """Take AWSPENDING from a version, if it bears it."""
        name = token_secret(self._account, client_id)
        try:
            self._label(name, "AWSPENDING", within=self.ASIDE, RemoveFromVersionId=version_id)
        except VaultFailed:
            if self.pending(client_id) == version_id:
                raise

    def safety_net(self, client_id: str) -> SafetyNet:
        """Read the refresh token that is kept for a client ID."""
        value = self._value(refresh_token_secret(self._account, client_id), within=self.ASIDE)
        if value is None:
            return SafetyNet(version_id=None, refresh_token=None)
        text, version_id, _ = value
        return SafetyNet(version_id=version_id, refresh_token=RefreshToken.parse(text, client_id=client_id))

    def keep(self, refresh_token: RefreshToken, *, after: str | None) -> None:
        """Keep a refresh token in the place of the version that was read, unless another one took it first."""
        name = refresh_token_secret(self._account, refresh_token.client_id)
        if self._follow(name, after, refresh_token.document(), successors(after), within=self.ASIDE) is None:
            now = self.safety_net(refresh_token.client_id)
            if now.refresh_token is None:
                self._follow(
                    name, now.version_id, refresh_token.document(), successors(now.version_id), within=self.ASIDE
                )

    def forget(self, client_id: str, *, after: str | None) -> None:
        """Keep no refresh token in the place of the version that was read, unless another one took it first."""
        # No two such values are the same: Secrets Manager does nothing where an id comes again with its own value.
        nothing = json.dumps({"forgotten": str(uuid4())})
        self._follow(
            refresh_token_secret(self._account, client_id), after, nothing, successors(after), within=self.ASIDE
        )

    def _follow(
        self, name: str, after: str | None, text: str, ids: Iterator[str], *, within: float = LONGEST_CALL
    ) -> str | None:
        """Put a value as the successor of a version; give its id, or None where another put one first.

        Secrets Manager refuses a version id that is taken by another value (PutSecretValue's API reference), so of
        those who read the same version one succeeds. Where a person moved AWSCURRENT back, the id is taken as well,
        and the next one is tried; whoever else does so meets the same ids in the same order.
        """
        version_id = next(ids)
        put = {"SecretId": name, "SecretString": text, "ClientRequestToken": version_id}
        try:
            self._call("PutSecretValue", name, lambda: self._client.put_secret_value(**put), within=within)
        except _VersionTaken:
            versions = self._versions(name)
            # Reads lag behind writes: a list without the id is older than the one who took it.
            was_moved_back = version_id in versions and self._bearer("AWSCURRENT", versions) == after
            if not was_moved_back:
                return None
            return self._follow(name, after, text, ids, within=within)
        return version_id

    def _label(self, name: str, label: str, *, within: float, **versions: str) -> None:
        """Move a staging label."""
        self._call(
            "UpdateSecretVersionStage",
            name,
            lambda: self._client.update_secret_version_stage(SecretId=name, VersionStage=label, **versions),
            within=within,
        )

    def _versions(
        self, name: str, *, within: float = LONGEST_CALL, **page: str
    ) -> "dict[str, SecretVersionsListEntryTypeDef]":
        """List all versions of a secret under their ids, also those that bear no label."""
        answer = self._call(
            "ListSecretVersionIds",
            name,
            lambda: self._client.list_secret_version_ids(SecretId=name, IncludeDeprecated=True, MaxResults=100, **page),
            within=within,
        )
        versions = {each["VersionId"]: each for each in answer["Versions"]}
        next_page = answer.get("NextToken")
        return versions | self._versions(name, within=within, NextToken=next_page) if next_page else versions

    @staticmethod
    def _bearer(label: str, versions: "Mapping[str, SecretVersionsListEntryTypeDef]") -> str | None:
        return next((each for each, version in versions.items() if label in version.get("VersionStages", [])), None)

    def _value(self, name: str, *, within: float = LONGEST_CALL) -> tuple[str, str, datetime] | None:
        """Read a secret's text, version, and when that was made; None where nobody has put a value yet.

        An empty text, or none, is no value either: MiniStack answers so for a secret that was made without a value.
        """
        try:
            answer = self._call(
                "GetSecretValue", name, lambda: self._client.get_secret_value(SecretId=name), within=within
            )
        except _NoValueYet:
            return None
        text = "a binary value, which is none of ours" if "SecretBinary" in answer else answer.get("SecretString")
        return (text, answer["VersionId"], answer["CreatedDate"]) if text else None

    def _call(self, operation: str, name: str, call: Callable[[], Answer], *, within: float = LONGEST_CALL) -> Answer:
        try:
            return self._deadline.within(within).wait_for(call)
        except ClientError as error:
            code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
        except (BotoCoreError, TimeoutError) as error:
            code, message = type(error).__name__, ""
        # AWS says ResourceNotFoundException of a secret without a value and of one that does not exist; only the
        # messages differ ("…can't find the specified secret value for staging label: AWSCURRENT").
        if code == "ResourceNotFoundException" and "secret value" in message:
            raise _NoValueYet(f"{name} has no value")
        if code == "ResourceExistsException":
            raise _VersionTaken(f"{name} has another value under that version id")
        raise VaultFailed(f"{operation} of {name} failed: {code}")

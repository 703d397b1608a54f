"""Secrets Manager: the credentials, the token secrets and the stored refresh tokens of one account."""

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from botocore.client import BaseClient
from botocore.exceptions import BotoCoreError, ClientError, IncompleteReadError

from mx_token_rotator.errors import CredentialsInvalid, SecretsManagerFailed, TimeIsUp
from mx_token_rotator.settings import Client, Settings
from mx_token_rotator.tokens import AccessToken, Credentials, Published, RefreshToken

REJECTED = "REJECTED"  # the staging label of a version of the credentials that nobody may log in with
TAG = "mx-token-rotator:account"
WAITS = (0.0, 1.0, 2.0)  # seconds; Secrets Manager's reads may lag behind its writes
PASSING = ("Throttling", "TooMany", "RequestLimit", "Internal", "ServiceUnavailable", "ResourceExists", "429", "5")


class SecretsManager:
    """One account's secrets. Every method raises SecretsManagerFailed."""

    def __init__(self, client: BaseClient, settings: Settings, sleep: Callable[[float], None]) -> None:
        """Take a client of Secrets Manager with short time-outs and few retries."""
        self._client, self._settings, self._sleep = client, settings, sleep
        self.credentials_secret = f"{settings.account}/credentials"

    def published(self, client: Client, now: datetime) -> Published | None:
        """Read what is published; None if the token secret does not exist."""
        value = self._value({"missing", "empty", "key"}, self._name("tokens", client))
        text, kind = value.get("SecretString", ""), value.get("kind")
        if kind == "missing":
            return None
        if not text and not value.get("SecretBinary"):  # emulators give an empty secret a version
            return Published(is_denied_by_kms=kind == "key")
        token = AccessToken.parse(text, client_id=client.client_id, now=now)
        return Published(version_id=value["VersionId"], token=token, text=text)

    def create(self, kind: str, client: Client) -> None:
        """Create a secret without a value, of the kind `tokens` or `refresh-tokens`."""
        tags = [{"Key": k, "Value": v} for k, v in ({TAG: self._settings.account} | self._settings.secret_tags).items()]
        key = {"KmsKeyId": self._settings.kms_key} if self._settings.kms_key else {}
        description = f"movieXchange {kind} of {client.client_id}, written by mx-token-rotator alone"
        self._call("create_secret", self._name(kind, client), Description=description, Tags=tags, **key)

    def use_stack_key(self, kind: str, client: Client) -> None:
        """Have a secret encrypted under the stack's key; an empty text means the AWS managed key."""
        self._call("update_secret", self._name(kind, client), KmsKeyId=self._settings.kms_key)

    def confirm_writable(self, client: Client, published: Published) -> None:
        """See whether a token can be published: PutSecretValue of an existing version "succeeds but does nothing"."""
        self._put("tokens", client, SecretString=published.text, ClientRequestToken=published.version_id)

    def publish(self, client: Client, token: AccessToken) -> Published:
        """Publish a token; PutSecretValue moves AWSCURRENT and AWSPREVIOUS in one call."""
        text = json.dumps(token.document())
        answer = self._put("tokens", client, SecretString=text)
        return Published(version_id=answer["VersionId"], token=token, text=text)

    def credentials_versions(self, announced: str) -> tuple[str | None, str | None]:
        """Return the current and the rejected version of the credentials. Raises CredentialsInvalid for a replica."""
        for wait in WAITS:
            self._sleep(wait)
            described = self._call("describe_secret", self.credentials_secret)
            stages = described.get("VersionIdsToStages", {})
            if not announced or announced in stages:
                break
        primary = described.get("PrimaryRegion", self._client.meta.region_name)
        if primary != self._client.meta.region_name:
            remedy = "Deploy the stack in that Region, or promote the replica to a secret of its own."
            raise CredentialsInvalid(f"{self.credentials_secret} is a replica of a secret in {primary}", remedy=remedy)
        versions = {label: version for version, labels in stages.items() for label in labels}
        return versions.get("AWSCURRENT"), versions.get(REJECTED)

    def credentials(self, version_id: str) -> Credentials:
        """Read a version of the credentials. Raises CredentialsInvalid."""
        for wait in WAITS:
            self._sleep(wait)
            value = self._value({"empty"}, self.credentials_secret, VersionId=version_id)
            if text := value.get("SecretString") or value.get("SecretBinary"):
                break
        return Credentials.parse(text, version_id=version_id, secret=self.credentials_secret)

    def move_rejected(self, *, to: str | None, of: str | None) -> None:
        """Move the label REJECTED to one version of the credentials from the other; None is none."""
        moved = {name: version for name, version in (("MoveToVersionId", to), ("RemoveFromVersionId", of)) if version}
        self._call("update_secret_version_stage", self.credentials_secret, VersionStage=REJECTED, **moved)

    def stored_refresh_token(self, client: Client) -> RefreshToken | None:
        """Read the stored refresh token."""
        text = self._value({"missing", "empty", "key"}, self._name("refresh-tokens", client)).get("SecretString", "")
        return RefreshToken.parse(text, client_id=client.client_id)

    def store_refresh_token(self, client: Client, token: RefreshToken | None) -> None:
        """Store a refresh token, in a secret that is created if needed; None forgets the stored one."""
        self._put("refresh-tokens", client, SecretString=json.dumps(asdict(token) if token else {}))

    def _put(self, kind: str, client: Client, **version: Any) -> Any:  # noqa: ANN401
        """Put a value; if the secret is missing or its key is denied, mend that first."""
        name, mend = self._name(kind, client), {"missing": self.create, "key": self.use_stack_key}
        try:
            return self._call("put_secret_value", name, **version)
        except SecretsManagerFailed as failure:
            if failure.kind not in mend:
                raise
            mend[failure.kind](kind, client)
            return self._call("put_secret_value", name, **version)

    def _value(self, kinds: set[str], name: str, **version: str) -> dict[str, Any]:
        """Read a secret's value; of a failure of one of these kinds, return the kind alone."""
        try:
            return dict(self._call("get_secret_value", name, **version))
        except SecretsManagerFailed as failure:
            if failure.kind not in kinds:
                raise
            return {"kind": failure.kind}

    def _name(self, kind: str, client: Client) -> str:
        return f"{self._settings.account}/{kind}/{client.name}"

    def _call(self, operation: str, name: str, **arguments: Any) -> Any:  # noqa: ANN401
        named = {"Name" if operation == "create_secret" else "SecretId": name}
        asked = f"{operation.title().replace('_', '')} of the secret {name}"
        try:
            answer = getattr(self._client, operation)(**named, **arguments)
            if answer.keys() == {"ResponseMetadata"}:  # botocore takes half an answer for an empty one
                raise IncompleteReadError(actual_bytes=0, expected_bytes=1)
        except ClientError as error:
            raise _failure(asked, name, error.response["Error"]["Code"], error.response["Error"]["Message"]) from None
        except (BotoCoreError, TimeIsUp) as error:
            raise SecretsManagerFailed(f"{asked} got no answer: {type(error).__name__}", ends_by_itself=True) from None
        return answer


def _failure(asked: str, name: str, code: str, message: str) -> SecretsManagerFailed:
    """Name what failed by the error's code; its message may quote what was sent, and is only searched."""
    problem, remedy, kind = f"{asked} failed: {code}", "", ""
    if code == "ResourceNotFoundException":  # AWS tells an empty secret from a missing one by the message alone
        kind = "empty" if "secret value" in message else "missing"
        remedy = "Create the secret, or deploy the stack with CreateCredentials=true."
    elif ("KMS" in message and "not authorized" not in message) or code == "DecryptionFailure":
        problem, kind = f"{problem} (its KMS key)", "key"
        remedy = "Let the function's role use the secret's KMS key, and enable the key."
    elif code.startswith("InvalidRequest") and "delet" in message:
        problem = f"{problem} (it is marked for deletion)"
        remedy = f"Run aws secretsmanager restore-secret --secret-id {name}"
    elif code.startswith("AccessDenied") and name.endswith("/credentials"):
        problem = f"{problem} (the function's role may not, or the secret does not exist)"
    return SecretsManagerFailed(problem, kind=kind, remedy=remedy, ends_by_itself=code.startswith(PASSING))

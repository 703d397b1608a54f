"""Secrets Manager: where a person puts the credentials and apps read their tokens.

botocore's exceptions end here. Their messages may quote what was sent, so only error codes are passed on.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from mx_token_rotator.deadline import Deadline
from mx_token_rotator.errors import VaultFailed
from mx_token_rotator.tokens import AccessToken, Credentials, Published

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

Answer = TypeVar("Answer")


def credentials_secret(account: str) -> str:
    """Name the secret of the account's credentials; an account is `{SecretPrefix}/{Environment}`."""
    return f"{account}/credentials"


def token_secret(account: str, client_id: str) -> str:
    """Name the secret in which a client ID's token is published."""
    return f"{account}/tokens/{client_id}"


class _NoValueYet(VaultFailed):
    """A secret that exists and holds nothing."""


class SecretsManagerVault:
    """One account's secrets. Every method raises VaultFailed."""

    LONGEST_CALL: ClassVar[float] = 27.0
    """Seconds for one call: two tries of 3 s to connect and 10 s to read, and a second between them."""

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
        text, version_id = value
        return Published(version_id=version_id, token=AccessToken.parse(text, client_id=client_id))

    def credentials_version(self) -> str | None:
        """Tell the version of the credentials without reading them; None where there is none."""
        name = credentials_secret(self._account)
        answer = self._call("DescribeSecret", name, lambda: self._client.describe_secret(SecretId=name))
        versions = answer.get("VersionIdsToStages", {})
        return next((version for version, stages in versions.items() if "AWSCURRENT" in stages), None)

    def credentials(self) -> Credentials:
        """Read the credentials. Raises CredentialsInvalid."""
        name = credentials_secret(self._account)
        text, version_id = self._value(name) or ("", "")
        return Credentials.parse(text, version_id=version_id, secret=name)

    def publish(self, token: AccessToken) -> str:
        """Put a token in the place of what is published, in one step, and give the new version's id.

        PutSecretValue without stages moves AWSCURRENT and AWSPREVIOUS in one atomic call (its API reference).
        """
        name = token_secret(self._account, token.client_id)
        answer = self._call(
            "PutSecretValue",
            name,
            lambda: self._client.put_secret_value(SecretId=name, SecretString=token.document()),
        )
        return answer["VersionId"]

    def _value(self, name: str) -> tuple[str, str] | None:
        """Read a secret's text and version; None where nobody has put a value yet.

        An empty text, or none, is no value either: MiniStack answers so for a secret that was made without a value.
        """
        try:
            answer = self._call("GetSecretValue", name, lambda: self._client.get_secret_value(SecretId=name))
        except _NoValueYet:
            return None
        text = "a binary value, which is none of ours" if "SecretBinary" in answer else answer.get("SecretString")
        return (text, answer["VersionId"]) if text else None

    def _call(self, operation: str, name: str, call: Callable[[], Answer]) -> Answer:
        try:
            return self._deadline.wait_for(call)
        except ClientError as error:
            code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
        except (BotoCoreError, TimeoutError) as error:
            code, message = type(error).__name__, ""
        # AWS says ResourceNotFoundException of a secret without a value and of one that does not exist; only the
        # messages differ ("…can't find the specified secret value for staging label: AWSCURRENT").
        if code == "ResourceNotFoundException" and "secret value" in message:
            raise _NoValueYet(f"{name} has no value")
        raise VaultFailed(f"{operation} of {name} failed: {code}")

"""Secrets Manager in memory. Each rule is from the API reference of the operation at which it stands.

Writes are ordered. Reads may lag behind them; a read observes one state of its secret, whole.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

CURRENT, PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"
MOST_VERSIONS = 120  # "approximately 100", and what people do comes on top
KEPT_SECONDS = 86_400
DEFAULT_KEY = "alias/aws/secretsmanager"


@dataclass(frozen=True)
class Version:
    """A version of a secret."""

    id: str
    text: str = field(repr=False)
    created_at: float
    key: str = DEFAULT_KEY


@dataclass(frozen=True)
class State:
    """What a secret is at a time: its versions by their ids, the version of each label, and whether it is deleted."""

    versions: dict[str, Version] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    key: str = DEFAULT_KEY
    is_marked_for_deletion: bool = False

    @property
    def current(self) -> Version | None:
        """The version that readers get."""
        return self.versions.get(self.labels.get(CURRENT, ""))


def failure(code: str, message: str = "") -> ClientError:
    """Return the error that botocore raises for this code."""
    return ClientError({"Error": {"Code": code, "Message": message}}, "")


class Secret:
    """A secret: what it was at each time that a read may still observe."""

    def __init__(self, longest_lag: float) -> None:
        """Begin without a version."""
        self._longest_lag = longest_lag
        self._states: list[tuple[float, State]] = [(float("-inf"), State())]

    @property
    def state(self) -> State:
        """What it is now."""
        return self._states[-1][1]

    def at(self, time: float) -> State:
        """Return what a read observes that is as old as this."""
        return next(state for since, state in reversed(self._states) if since <= time)

    def put(self, version_id: str, text: str, now: float) -> None:
        """Put a value (PutSecretValue): AWSCURRENT moves to it, and AWSPREVIOUS to the version that had been current.

        The same id with the same value does nothing, with another value it fails; so does a version beyond the limit
        while none is a day old.
        """
        state = self.state
        existing = state.versions.get(version_id)
        if existing and existing.text != text:
            raise failure("ResourceExistsException")
        if existing:
            return
        versions, labelled = dict(state.versions), set(state.labels.values())
        for old in list(state.versions.values())[: max(0, len(versions) + 1 - MOST_VERSIONS)]:
            if old.id not in labelled and now - old.created_at > KEPT_SECONDS:
                del versions[old.id]
        if len(versions) >= MOST_VERSIONS:
            raise failure("LimitExceededException")
        versions[version_id] = Version(version_id, text, now, state.key)
        self.change(now, versions=versions)
        self.move(CURRENT, version_id, now)

    def move(self, label: str, to: str | None, now: float) -> None:
        """Move a label (UpdateSecretVersionStage); AWSPREVIOUS goes with AWSCURRENT."""
        labels = {each: version for each, version in self.state.labels.items() if each != label}
        was = self.state.labels.get(label)
        if to:
            labels[label] = to
        if label == CURRENT and was and was != to:
            labels[PREVIOUS] = was
        self.change(now, labels=labels)

    def change(self, now: float, **what: Any) -> None:  # noqa: ANN401  members of State
        """Become another state, and forget those that no read can observe."""
        self._states.append((now, replace(self.state, **what)))
        while len(self._states) > 1 and self._states[1][0] < now - self._longest_lag:
            self._states.pop(0)


class Store:
    """All secrets of an AWS account, and the keys that the function may not use."""

    def __init__(self, longest_lag: float) -> None:
        """Begin without a secret."""
        self.secrets: dict[str, Secret] = {}
        self.denied_keys: set[str] = set()
        self._numbers = count()
        self._longest_lag = longest_lag

    def new_id(self, kind: str) -> str:
        """Return a version id of 32 characters."""
        return f"{kind}-{next(self._numbers):0{31 - len(kind)}}"

    def create(self, name: str, now: float, key: str = DEFAULT_KEY) -> Secret:
        """Create a secret without a value (CreateSecret)."""
        self.secrets[name] = secret = Secret(self._longest_lag)
        secret.change(now, key=key)
        return secret

    def perform(self, operation: str, name: str, asked: dict[str, Any], now: float, lag: float) -> dict[str, Any]:
        """Do what an operation does, with boto3's names; a read observes what was so long ago."""
        secret = self.secrets.get(name)
        if operation == "create_secret":
            if secret:
                raise failure("ResourceExistsException")
            self.create(name, now, self._usable(asked.get("KmsKeyId", DEFAULT_KEY)))
            return {}
        if secret is None:
            raise failure("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        if secret.state.is_marked_for_deletion and operation != "describe_secret":
            raise failure("InvalidRequestException", "it was marked for deletion")
        perform: Callable[[Secret, dict[str, Any], float, float], dict[str, Any]] = getattr(self, f"_{operation}")
        return perform(secret, asked, now, lag)

    def _usable(self, key: str) -> str:
        if key in self.denied_keys:
            raise failure("AccessDeniedException", "Access to KMS is not allowed")
        return key

    def _get_secret_value(self, secret: Secret, asked: dict[str, Any], now: float, lag: float) -> dict[str, Any]:
        observed = secret.at(now - lag)
        version = observed.versions.get(asked.get("VersionId") or observed.labels.get(CURRENT, ""))
        if version is None:
            raise failure("ResourceNotFoundException", "Secrets Manager can't find the specified secret value")
        self._usable(version.key)
        return {"SecretString": version.text, "VersionId": version.id}

    def _describe_secret(self, secret: Secret, _: object, now: float, lag: float) -> dict[str, Any]:
        stages: dict[str, list[str]] = {}
        for label, version_id in secret.at(now - lag).labels.items():
            stages.setdefault(version_id, []).append(label)
        return {"VersionIdsToStages": stages}

    def _put_secret_value(self, secret: Secret, asked: dict[str, Any], now: float, _: float) -> dict[str, Any]:
        """Botocore makes up an id where there is none."""
        self._usable(secret.state.key)
        version_id = asked.get("ClientRequestToken") or self.new_id("version")
        secret.put(version_id, asked["SecretString"], now)
        return {"VersionId": version_id}

    def _update_secret(self, secret: Secret, asked: dict[str, Any], now: float, _: float) -> dict[str, Any]:
        """Change the key of versions to come; an empty text means the AWS managed key."""
        secret.change(now, key=self._usable(asked["KmsKeyId"]) or DEFAULT_KEY)
        return {}

    def _update_secret_version_stage(
        self, secret: Secret, asked: dict[str, Any], now: float, _: float
    ) -> dict[str, Any]:
        """Move a label; the version that has it must be named, unless it is the one to which the label moves."""
        to, of = asked.get("MoveToVersionId", ""), asked.get("RemoveFromVersionId", "")
        has_it = secret.state.labels.get(asked["VersionStage"], "")
        if has_it != of and (of or has_it != to):
            raise failure("InvalidParameterException")
        secret.move(asked["VersionStage"], to or None, now)
        return {}


class Client:
    """A client as boto3 makes it; how a call gets through is decided by the caller."""

    meta = SimpleNamespace(region_name="eu-west-1")

    def __init__(self, call: Callable[..., dict[str, Any]]) -> None:
        """Take the way to Secrets Manager, which takes an operation, a secret's name and the arguments."""
        self._call = call

    def __getattr__(self, operation: str) -> Callable[..., dict[str, Any]]:
        """Return the method of an operation."""
        return lambda **asked: self._call(operation, asked.pop("SecretId", "") or asked.pop("Name"), asked)

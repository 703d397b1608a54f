"""Secrets Manager by its documentation, in memory.

Each rule is from the API reference of the operation that it stands at. Writes are in order, and reads may lag behind
them; a read sees one state of its secret, whole.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from botocore.exceptions import ClientError

from simulation.engine import moment

CURRENT, PREVIOUS, PENDING = "AWSCURRENT", "AWSPREVIOUS", "AWSPENDING"
READS = {"GetSecretValue", "DescribeSecret", "ListSecretVersionIds"}
KEPT_VERSIONS = 100
KEPT_SECONDS = 86_400


@dataclass(frozen=True)
class Version:
    """A version of a secret."""

    id: str
    text: str = field(repr=False)
    """Empty until a rotation fills it."""
    created_at: float


@dataclass(frozen=True)
class State:
    """What a secret is at a time: its versions by their ids, and which of them bears each label."""

    versions: dict[str, Version] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)

    def bearer(self, label: str) -> Version | None:
        """Find the version that bears a label."""
        return self.versions.get(self.labels.get(label, ""))

    def labels_of(self, version_id: str) -> list[str]:
        """Find the labels that a version bears."""
        return [label for label, bearer in self.labels.items() if bearer == version_id]


def failure(operation: str, code: str, message: str = "") -> ClientError:
    """Make the error that botocore raises for this code."""
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


class Secret:
    """A secret: what it was at each time that a read may still see."""

    def __init__(self, longest_lag: float) -> None:
        """Hold nothing."""
        self.longest_lag = longest_lag
        self._states: list[tuple[float, State]] = [(float("-inf"), State())]

    @property
    def state(self) -> State:
        """What it is now."""
        return self._states[-1][1]

    @property
    def current(self) -> Version | None:
        """The version that readers get."""
        return self.state.bearer(CURRENT)

    def seen(self, at: float) -> State:
        """Tell what a read sees that is as old as this."""
        return next(state for since, state in reversed(self._states) if since <= at)

    def put(self, version_id: str, text: str, now: float, label: str = CURRENT) -> None:
        """Put a value (PutSecretValue): AWSCURRENT moves to it, and AWSPREVIOUS to the one that was current.

        The same id with the same value does nothing; with another value it fails.
        """
        taken = self.state.versions.get(version_id)
        if taken is None or not taken.text:
            version = Version(version_id, text, taken.created_at if taken else now)
            self._become(State({**self.state.versions, version_id: version}, self.state.labels), now)
            self.move(label, version_id, now)
        elif taken.text != text:
            raise failure("PutSecretValue", "ResourceExistsException")

    def begin_rotation(self, version_id: str, now: float) -> str:
        """Make a version to be filled (RotateSecret), and tell its id, or that of the rotation that must end first."""
        pending = self.state.labels.get(PENDING)
        if pending and pending != self.state.labels.get(CURRENT):
            return pending
        version = Version(version_id, "", now)
        self._become(State({**self.state.versions, version_id: version}, self.state.labels), now)
        self.move(PENDING, version_id, now)
        return version_id

    def move(self, label: str, to: str | None, now: float) -> None:
        """Move a label (UpdateSecretVersionStage); with AWSCURRENT goes AWSPREVIOUS."""
        labels = {each: bearer for each, bearer in self.state.labels.items() if each != label}
        was = self.state.labels.get(label)
        if to:
            labels[label] = to
        if label == CURRENT and was and was != to:
            labels[PREVIOUS] = was
        self._become(State(self.state.versions, labels), now)

    def _become(self, state: State, now: float) -> None:
        """Forget what no read can see, and versions without labels beyond a hundred that are a day old."""
        spare = len(state.versions) - KEPT_VERSIONS
        if spare > 0:
            bearers = set(state.labels.values())
            old = [each.id for each in state.versions.values() if now - each.created_at > KEPT_SECONDS]
            gone = set([each for each in old if each not in bearers][:spare])
            state = State({each.id: each for each in state.versions.values() if each.id not in gone}, state.labels)
        if self._states[-1][0] == now:
            self._states.pop()
        self._states.append((now, state))
        while len(self._states) > 1 and self._states[1][0] < now - self.longest_lag:
            self._states.pop(0)


Reach = Callable[[str, str, Callable[[Secret, float], dict[str, object]]], dict[str, object]]
"""Takes an operation, a secret's name, and what the operation does to the secret at a time that a read may lag to."""


class Client:
    """What the vault calls, in boto3's words; how a call gets through is the caller's affair."""

    def __init__(self, reach: Reach) -> None:
        """Take the way to Secrets Manager."""
        self._reach = reach

    def get_secret_value(self, *, SecretId: str) -> dict[str, object]:  # noqa: N803  boto3's words
        """Read the current value."""

        def read(secret: Secret, seen_at: float) -> dict[str, object]:
            version = secret.seen(seen_at).bearer(CURRENT)
            if version is None:
                raise failure(
                    "GetSecretValue",
                    "ResourceNotFoundException",
                    "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT",
                )
            return {"SecretString": version.text, "VersionId": version.id, "CreatedDate": moment(version.created_at)}

        return self._reach("GetSecretValue", SecretId, read)

    def describe_secret(self, *, SecretId: str) -> dict[str, object]:  # noqa: N803
        """Read the versions that bear labels."""

        def read(secret: Secret, seen_at: float) -> dict[str, object]:
            stages: dict[str, list[str]] = {}
            for label, version_id in secret.seen(seen_at).labels.items():
                stages.setdefault(version_id, []).append(label)
            return {"VersionIdsToStages": stages}

        return self._reach("DescribeSecret", SecretId, read)

    def list_secret_version_ids(
        self,
        *,
        SecretId: str,  # noqa: N803
        IncludeDeprecated: bool,  # noqa: N803
        MaxResults: int,  # noqa: N803
    ) -> dict[str, object]:
        """Read all versions; there are never more than one answer holds."""

        def read(secret: Secret, seen_at: float) -> dict[str, object]:
            state = secret.seen(seen_at)
            listed = [
                {
                    "VersionId": each.id,
                    "VersionStages": state.labels_of(each.id),
                    "CreatedDate": moment(each.created_at),
                }
                for each in state.versions.values()
            ]
            return {"Versions": [each for each in listed if each["VersionStages"] or IncludeDeprecated][:MaxResults]}

        return self._reach("ListSecretVersionIds", SecretId, read)

    def put_secret_value(
        self,
        *,
        SecretId: str,  # noqa: N803
        SecretString: str,  # noqa: N803
        ClientRequestToken: str = "",  # noqa: N803
        VersionStages: Sequence[str] = (CURRENT,),  # noqa: N803
    ) -> dict[str, object]:
        """Put a value under one label; botocore makes up an id where there is none."""
        version_id = ClientRequestToken or str(uuid4())

        def write(secret: Secret, now: float) -> dict[str, object]:
            secret.put(version_id, SecretString, now, *VersionStages)
            return {"VersionId": version_id}

        return self._reach("PutSecretValue", SecretId, write)

    def update_secret_version_stage(
        self,
        *,
        SecretId: str,  # noqa: N803
        VersionStage: str,  # noqa: N803
        MoveToVersionId: str | None = None,  # noqa: N803
        RemoveFromVersionId: str | None = None,  # noqa: N803
    ) -> dict[str, object]:
        """Move a label; who bears it must be named."""

        def write(secret: Secret, now: float) -> dict[str, object]:
            if secret.state.labels.get(VersionStage) != RemoveFromVersionId:
                raise failure("UpdateSecretVersionStage", "InvalidParameterException")
            secret.move(VersionStage, MoveToVersionId, now)
            return {}

        return self._reach("UpdateSecretVersionStage", SecretId, write)

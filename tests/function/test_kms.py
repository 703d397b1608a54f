"""KmsKeyArn of a deployed stack is changed, set or emptied, on a Secrets Manager that denies the old key as AWS does.

Once the stack is updated, the policies of the function and of its readers name the new key alone. Versions stay under
the old key until somebody re-encrypts or replaces them. CloudFormation re-encrypts the credentials.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.function.fakes import ACCOUNT, CLIENT_ID, WRONG_PASSWORD
from tests.function.function import CREDENTIALS_SECRET, TOKEN_SECRET, Deployment
from tools.simulation.secrets_manager import DEFAULT_KEY, Client, Secret, Store

OLD = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-4333-8444-555555555555"
NEW = "arn:aws:kms:eu-west-1:123456789012:key/66666666-7777-4888-9999-000000000000"
REFRESH_SECRET = f"{ACCOUNT}/refresh-tokens/{CLIENT_ID}"
CHANGES = {"changed": (OLD, NEW), "set": ("none", NEW), "emptied": (OLD, "none")}
DENYING = pytest.mark.parametrize(("old", "new"), [CHANGES["changed"], CHANGES["emptied"]], ids=["changed", "emptied"])
"""All principals of the account may use the AWS managed key through Secrets Manager, so leaving it denies nothing."""


class ClosingClient(Client):
    """A client that can be closed as boto3's."""

    def close(self) -> None:
        """Do nothing."""


def stored_under(parameter: str) -> str:
    """Return the key that Secrets Manager uses with this parameter KmsKeyArn."""
    return DEFAULT_KEY if parameter == "none" else parameter


@dataclass
class Encrypted:
    """A deployed stack, whose secrets are in a Secrets Manager that asks for the right to use a secret's key."""

    deployment: Deployment
    store: Store
    environment: pytest.MonkeyPatch

    @property
    def now(self) -> float:
        """The time in seconds."""
        return self.deployment.clock().timestamp()

    def schedule(self) -> dict[str, Any]:
        """Let a quarter of an hour pass, start a scheduled run, and return its only outcome."""
        self.deployment.clock.sleep(900)
        (outcome,) = self.deployment.schedule()
        return outcome

    def secret(self, name: str = TOKEN_SECRET) -> Secret:
        """Return a secret."""
        return self.store.secrets[name]

    def update_stack(self, old: str, new: str) -> None:
        """Deploy with another KmsKeyArn: CloudFormation moves the credentials, the policies name the new key alone."""
        self.environment.setenv("KMS_KEY_ARN", new)
        self.put_under(stored_under(new), CREDENTIALS_SECRET)
        self.store.denied_keys = {old} - {"none"}

    def put_under(self, key: str, name: str) -> None:
        """Re-encrypt a secret with the rights for both keys."""
        self.secret(name).change(self.now, key=key)
        self.leave_versions_under(key, name)

    def leave_versions_under(self, key: str, name: str) -> None:
        """Have the existing versions of a secret under a key, whatever the secret's own is."""
        versions = {id_: replace(each, key=key) for id_, each in self.secret(name).state.versions.items()}
        self.secret(name).change(self.now, versions=versions)

    def keys(self, name: str = TOKEN_SECRET) -> tuple[str, str]:
        """Return the key of a secret, and the one of its current version."""
        state = self.secret(name).state
        return state.key, state.current.key if state.current else ""

    def is_readable(self, *, with_both_keys: bool = False) -> bool:
        """Return whether an application can read a token that works, with the keys of the function or with all."""
        denied, self.store.denied_keys = self.store.denied_keys, set() if with_both_keys else self.store.denied_keys
        try:
            answer = self._call("get_secret_value", TOKEN_SECRET, {})
        except ClientError:
            return False
        finally:
            self.store.denied_keys = denied
        return self.deployment.mx.accepts(json.loads(answer["SecretString"]))

    def _call(self, operation: str, name: str, asked: dict[str, Any]) -> dict[str, Any]:
        return self.store.perform(operation, name, asked, self.now, 0)


Encrypting = Callable[..., Encrypted]


@pytest.fixture
def encrypting(deploying: Callable[..., Deployment], monkeypatch: pytest.MonkeyPatch) -> Encrypting:
    """Return a function that deploys with a KmsKeyArn and other variables; the credentials secret is empty."""

    def deploy(key: str, **variables: str) -> Encrypted:
        deployment, store = deploying(KMS_KEY_ARN=key, **variables), Store(0)
        encrypted = Encrypted(deployment, store, monkeypatch)
        store.create(CREDENTIALS_SECRET, 0, stored_under(key))
        monkeypatch.setattr(deployment.rotator.module, "secrets_manager", ClosingClient(encrypted._call))  # noqa: SLF001  its own
        return encrypted

    return deploy


@pytest.fixture
def published(encrypting: Encrypting) -> Encrypting:
    """Return a function that deploys so, and publishes a token."""

    def deploy(key: str, **variables: str) -> Encrypted:
        encrypted = encrypting(key, **variables)
        encrypted.deployment.fill()
        encrypted.deployment.clock.sleep(3600)
        return encrypted

    return deploy


# What applications notice


@pytest.mark.parametrize(("old", "new"), CHANGES.values(), ids=CHANGES)
def test_an_application_reads_its_token_again_after_one_scheduled_run(
    published: Encrypting, old: str, new: str
) -> None:
    """Whatever happens to KmsKeyArn."""
    stack = published(old)
    stack.update_stack(old, new)
    stack.schedule()

    assert stack.is_readable()


@pytest.mark.parametrize(("old", "new"), CHANGES.values(), ids=CHANGES)
def test_no_application_is_without_its_token_for_longer_than_the_schedule(
    published: Encrypting, old: str, new: str
) -> None:
    """Of an hour in which applications read every minute, at most the 15 minutes before the next check are lost."""
    stack, lost = published(old), []
    stack.deployment.run_for(timedelta(minutes=1))
    stack.update_stack(old, new)
    stack.deployment.run_for(timedelta(hours=1), each_minute=lambda: lost.append(not stack.is_readable()))

    assert sum(lost) <= (0 if old == "none" else 15)


def test_an_application_whose_policy_names_both_keys_always_reads_its_token(published: Encrypting) -> None:
    """A written-out policy may; the tag-based one changes with the stack."""
    stack, lost = published(OLD), []
    stack.update_stack(OLD, NEW)
    stack.deployment.run_for(
        timedelta(hours=1), each_minute=lambda: lost.append(not stack.is_readable(with_both_keys=True))
    )

    assert sum(lost) == 0


def test_a_request_by_hand_does_not_wait_for_the_schedule(published: Encrypting) -> None:
    """It moves the secret as a scheduled run does."""
    stack = published(OLD)
    stack.update_stack(OLD, NEW)
    stack.deployment.rotator({})

    assert stack.is_readable()


def test_a_token_that_was_re_encrypted_by_hand_is_kept(published: Encrypting) -> None:
    """Whoever has the rights for both keys can do without a log-in."""
    stack = published(OLD)
    stack.update_stack(OLD, NEW)
    stack.put_under(NEW, TOKEN_SECRET)
    outcome = stack.schedule()

    assert (outcome["outcome"], outcome["reason"], stack.is_readable()) == ("kept", "fresh", True)


# What the function heals


@DENYING
def test_a_token_under_a_denied_key_is_replaced_under_the_stacks_key(published: Encrypting, old: str, new: str) -> None:
    """The secret and its current version are under the new key then, at the price of one log-in."""
    stack = published(old)
    stack.update_stack(old, new)
    before = len(stack.deployment.mx.log_ins())
    outcome = stack.schedule()

    assert (outcome["reason"], stack.keys(), len(stack.deployment.mx.log_ins()) - before) == (
        "unreadable",
        (stored_under(new), stored_under(new)),
        1,
    )


@DENYING
def test_an_empty_token_secret_under_a_denied_key_is_filled_under_the_stacks_key(
    encrypting: Encrypting, old: str, new: str
) -> None:
    """Nothing shows that its key is denied before something is written, and the token of that log-in is not lost."""
    stack = encrypting(old)
    stack.schedule()
    stack.update_stack(old, new)
    stack.deployment.fill()

    assert (stack.is_readable(), stack.keys(), len(stack.deployment.mx.log_ins())) == (
        True,
        (stored_under(new), stored_under(new)),
        1,
    )


@DENYING
def test_a_refresh_token_secret_under_a_denied_key_is_moved_to_the_stacks_key(
    published: Encrypting, old: str, new: str
) -> None:
    """The next refresh token is stored in it, and nobody has to act."""
    stack = published(old, KEEP_REFRESH_TOKEN="true")
    stack.deployment.mx.issues_refresh_tokens = True
    stack.deployment.rotator({"force": True})
    stack.update_stack(old, new)
    stack.schedule()

    assert (stack.keys(REFRESH_SECRET), "ActionRequired" in stack.deployment.runs[-1].metrics()) == (
        (stored_under(new), stored_under(new)),
        False,
    )


def test_a_fallback_under_a_denied_key_is_not_used_and_costs_nothing_else(published: Encrypting) -> None:
    """The credentials are rejected, which is the error then, although the refresh token cannot be read either."""
    stack = published(OLD, KEEP_REFRESH_TOKEN="true")
    stack.deployment.mx.issues_refresh_tokens = True
    stack.deployment.rotator({"force": True})
    stack.update_stack(OLD, NEW)
    stack.put_under(NEW, TOKEN_SECRET)
    stack.deployment.mx.token_fault = WRONG_PASSWORD
    stack.deployment.clock.sleep(7 * 3600)
    outcome = stack.schedule()

    assert (outcome["reason"], stack.is_readable()) == ("CredentialsRejected", True)


def test_a_healed_secret_is_not_touched_again(published: Encrypting) -> None:
    """The run after it finds everything in order."""
    stack = published(OLD)
    stack.update_stack(OLD, NEW)
    stack.schedule()
    before = stack.secret().state
    outcome = stack.schedule()

    assert (outcome["reason"], stack.secret().state) == ("fresh", before)


def test_where_the_new_key_does_not_admit_the_function_nobody_logs_in(published: Encrypting) -> None:
    """A log-in may end the published token, and nothing could be published, even if the credentials can be read."""
    stack = published(OLD)
    stack.update_stack(OLD, NEW)
    stack.put_under(DEFAULT_KEY, CREDENTIALS_SECRET)
    stack.store.denied_keys = {OLD, NEW}
    before = len(stack.deployment.mx.log_ins())
    stack.deployment.run_for(timedelta(hours=1))

    assert len(stack.deployment.mx.log_ins()) == before


# The credentials under a key that denies the function


@pytest.fixture
def locked(published: Encrypting) -> Encrypted:
    """Publish, then have the credentials stay under a key that denies the function, and let the token become due."""
    stack = published("none")
    stack.put_under(OLD, CREDENTIALS_SECRET)
    stack.store.denied_keys = {OLD}
    stack.deployment.clock.sleep(6 * 3600)
    return stack


def test_credentials_under_a_denied_key_are_told_with_their_remedy(locked: Encrypted) -> None:
    """The message names the secret and its key, and says what to do."""
    outcome = locked.schedule()

    assert (outcome["reason"], outcome["error"], outcome["who"], outcome["remedy"]) == (
        "SecretsManagerFailed",
        f"GetSecretValue of the secret {CREDENTIALS_SECRET} failed: AccessDeniedException (its KMS key)",
        "AWS administrators",
        "Let the function's role use the secret's KMS key, and enable the key.",
    )


def test_credentials_under_a_denied_key_need_a_person(locked: Encrypted) -> None:
    """The alarm ActionRequired rings."""
    locked.schedule()

    assert locked.deployment.runs[-1].metrics()["ActionRequired"] == 1


def test_with_credentials_under_a_denied_key_nobody_logs_in_and_the_published_token_stays(locked: Encrypted) -> None:
    """It works until it expires."""
    log_ins, before = locked.deployment.mx.log_ins(), locked.secret().state
    locked.deployment.run_for(timedelta(hours=4))

    assert (locked.deployment.mx.log_ins(), locked.secret().state, locked.is_readable()) == (log_ins, before, True)


def test_credentials_are_used_again_once_their_key_admits_the_function(locked: Encrypted) -> None:
    """Nothing has to be reset."""
    locked.schedule()
    locked.store.denied_keys = set()
    outcome = locked.schedule()

    assert (outcome["outcome"], outcome["reason"]) == ("refreshed", "expiring")


def test_credentials_that_are_stored_again_are_under_the_stacks_key(published: Encrypting) -> None:
    """Whoever deployed had no right to the old key, so CloudFormation changed the secret's key and no version."""
    stack = published(OLD)
    stack.update_stack(OLD, NEW)
    stack.leave_versions_under(OLD, CREDENTIALS_SECRET)
    outcome = stack.schedule()
    stack.deployment.fill()

    assert (outcome["reason"], stack.is_readable()) == ("SecretsManagerFailed", True)

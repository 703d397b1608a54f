"""The commands as a person runs them on a deployed stack. MiniStack enforces no IAM, and evaluates no alarm."""

import json
import os
import re
import runpy
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from unittest.mock import Mock

import click
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result

from mx_token_rotator_operator import __version__
from mx_token_rotator_operator.__main__ import AwsFailed, main
from mx_token_rotator_operator.stack import DeployedStack
from tests.function.leaks import leaks
from tools.local.aws import KEY, PROJECT, LocalAws
from tools.local.faults import down, oauth_error
from tools.local.mx import MovieXchangeStandIn
from tools.local.stack import UPDATER, WEBSITE, Stack, eventually

NAME = "mx-token-rotator-operated"
REFERENCE = PROJECT / "docs" / "reference.md"

LOG_IN = "What to do: log in to AWS, or name the --profile and the --region."
NAME_IT = "What to do: name it with --stack, --region or --profile."

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def deployed(aws: LocalAws, account_at_mx: MovieXchangeStandIn) -> Stack:
    """Deploy the stack once; no scheduled run comes in between."""
    parameters = {"AuthUrl": account_at_mx.url, "ApiUrl": account_at_mx.url, "CheckEvery": "rate(19 minutes)"}
    stack = Stack(aws, parameters | {"SecretPrefix": "operated"}, name=NAME)
    stack.apply()
    return stack


@pytest.fixture
def stack(deployed: Stack, account_at_mx: MovieXchangeStandIn) -> Stack:
    """Return the stack with credentials that movieXchange accepts, and a token from them for each client ID."""
    account_at_mx.token_fault = account_at_mx.api_fault = None
    if not is_well(deployed, account_at_mx):
        deployed.replace_credentials(account_at_mx.credentials())
    return deployed


def is_well(stack: Stack, account_at_mx: MovieXchangeStandIn) -> bool:
    """Tell whether the tests before left the stack as every test wants to find it."""
    tokens = [token or {} for token in stack.tokens().values()]
    return not stack.is_rejected() and all(
        token.get("access_token") in account_at_mx.access_tokens
        and token["client_secret"] == account_at_mx.client_secret
        and token["credentials_version"] == current_credentials(stack)
        for token in tokens
    )


@pytest.fixture
def run(aws: LocalAws, deployed: Stack) -> Run:
    """Return a function that runs a command on the stack, and types `answers`."""
    environment = {"AWS_ENDPOINT_URL": aws.endpoint, "AWS_CONFIG_FILE": os.devnull}

    def on_the_stack(*arguments: str, answers: str | bytes = "", **variables: str | None) -> Result:
        command, *others = arguments
        return CliRunner().invoke(
            main, [command, "--stack", deployed.name, *others], input=answers, env=environment | variables
        )

    return on_the_stack


def published(stack: Stack) -> dict[str, str | None]:
    """Return the published version of each client ID."""
    return {name: (token or {}).get("version_id") for name, token in stack.tokens().items()}


def current_credentials(stack: Stack) -> str:
    """Return the current version of the credentials."""
    (version,) = (each for each, labels in stack.credentials_labels().items() if "AWSCURRENT" in labels)
    return version


def typed(credentials: dict[str, str]) -> str:
    """Answer each question with a line."""
    return "".join(f"{credentials[name]}\n" for name in ("username", "password", "client_secret"))


def found(result: Result, check: str) -> list[str]:
    """Return what a check of the status came to, each on one line."""
    text = result.stdout.replace("\n    ", " ")
    return re.findall(rf"^\[[a-z ]+\] {check}: (.*)$", text, re.MULTILINE)


def test_the_status_has_a_line_for_each_client_id(stack: Stack, run: Run) -> None:
    """The token's version, when it expires, when and why it was replaced, and the last check."""
    run("refresh", WEBSITE)
    run("refresh", UPDATER)
    versions = published(stack)

    assert found(run("status"), "tokens") == [
        f"{name}: version {str(versions[name])[:8]} expires in 12.0 h, verified, replaced 0 min ago (forced), "
        "checked 0 min ago (refreshed: forced)"
        for name in stack.names
    ]


def test_the_status_shows_each_alarm(stack: Stack, run: Run) -> None:
    """On a line of its own, by the name that the docs use."""
    set_alarm(stack, "ALARM")
    lines = found(run("status"), "alarms")  # MiniStack evaluates the others meanwhile

    assert ([each.split()[0] for each in lines], lines[0].split(" for ")[0]) == (
        ["TokenLifeLow", "ActionRequired", "RefreshFailing", "FunctionBroken"],
        "TokenLifeLow has been in ALARM",
    )


def set_alarm(stack: Stack, state: str) -> None:
    """Put all of the stack's alarms into a state; MiniStack soon evaluates them."""
    for alarm in stack.alarms():
        stack.client("cloudwatch").set_alarm_state(AlarmName=alarm["AlarmName"], StateValue=state, StateReason="a test")


@pytest.mark.parametrize(("state", "exit_code"), [("OK", 0), ("ALARM", 1)])
def test_the_exit_code_of_the_status_says_whether_something_is_wrong(
    stack: Stack, run: Run, state: str, exit_code: int
) -> None:
    """For scripts."""
    run("refresh", WEBSITE)
    run("refresh", UPDATER)
    set_alarm(stack, state)

    assert run("status").exit_code == exit_code


def test_the_status_says_that_the_credentials_are_rejected(
    stack: Stack, account_at_mx: MovieXchangeStandIn, run: Run
) -> None:
    """And what the function said of them."""
    account_at_mx.token_fault = oauth_error("invalid_grant")
    version = stack.fill_credentials(account_at_mx.credentials() | {"password": "wrong"})
    eventually(lambda: "REJECTED" in stack.credentials_labels()[version] and stack.is_idle())
    shown = run("status")
    credentials, tokens = (" ".join(found(shown, each)) for each in ("credentials", "tokens"))

    assert (
        "has the label REJECTED" in credentials,
        "Who must act: the owner of the movieXchange or Vista account" in tokens,
    ) == (
        True,
        True,
    )


@pytest.mark.usefixtures("stack")
def test_the_status_in_json_has_an_object_for_each_finding(run: Run) -> None:
    """As that of doctor."""
    findings = json.loads(run("status", "--json").stdout)

    assert [each["check"] for each in findings] == [
        *("stack", "schedule", "log-ins", "credentials"),
        *["tokens"] * 2,
        *["alarms"] * 4,
    ]


@pytest.mark.usefixtures("stack")
def test_eighty_columns_are_enough_for_the_status(run: Run) -> None:
    """No line is longer."""
    assert max(map(len, run("status").stdout.splitlines())) <= 80


def test_the_status_does_not_know_a_version_that_was_put_by_hand(stack: Stack, run: Run) -> None:
    """The log does not say when it expires."""
    stack.client("secretsmanager").put_secret_value(
        SecretId=stack.token_secret(WEBSITE), SecretString=json.dumps(stack.token(WEBSITE))
    )

    assert found(run("status"), "tokens")[0].startswith(f"{WEBSITE}: the published token is not in the log What to do")


@pytest.mark.usefixtures("stack", "going_on")
def test_no_log_in_starts_by_itself_while_the_stack_is_paused(deployed: Stack, run: Run) -> None:
    """A report stays in the queue, and a refresh works."""
    run("pause")
    before = published(deployed)
    deployed.report_rejected(WEBSITE, str(before[WEBSITE]))
    paused = run("status")
    run("refresh", UPDATER)
    after = published(deployed)

    assert (
        paused.exit_code,
        "log-ins: paused" in paused.stdout,
        [after[name] == before[name] for name in deployed.names],
    ) == (
        1,
        True,
        [True, False],
    )


@pytest.mark.usefixtures("going_on")
def test_a_resumed_stack_goes_on(stack: Stack, account_at_mx: MovieXchangeStandIn, run: Run) -> None:
    """With what waits in the queue."""
    run("pause")
    version = stack.age(WEBSITE, timedelta(hours=1))
    account_at_mx.revoke(stack.published(WEBSITE)["access_token"])
    stack.report_rejected(WEBSITE, version)
    run("resume")

    assert stack.wait_for_another_token(WEBSITE, version)["client_id"] == WEBSITE


@pytest.mark.usefixtures("stack", "going_on")
def test_pausing_says_what_still_works_and_what_will_happen(run: Run) -> None:
    """To applications, alarms and reports."""
    said = run("pause").stdout

    assert all(each in said for each in ("refresh, check", "until their tokens expire", "TokenLifeLow", "15 minutes"))


def test_a_refresh_replaces_a_fresh_token(stack: Stack, run: Run) -> None:
    """It says when the new one expires."""
    before = published(stack)[WEBSITE]
    shown = run("refresh", WEBSITE).stdout
    token = stack.token(WEBSITE) or {}

    assert (shown, token["version_id"] != before) == (
        f"{WEBSITE}: refreshed (forced). The token is verified, and expires at {token['expires_at']}.\n",
        True,
    )


def test_a_refresh_in_json_is_the_outcome(stack: Stack, run: Run) -> None:
    """As the function returns it."""
    outcome = json.loads(run("refresh", WEBSITE, "--json").stdout)

    assert (outcome["reason"], outcome["version_id"]) == ("forced", published(stack)[WEBSITE])


@pytest.mark.usefixtures("stack")
def test_a_refresh_that_fails_says_who_must_act(account_at_mx: MovieXchangeStandIn, run: Run) -> None:
    """In the function's own words, on three lines, and without a traceback."""
    account_at_mx.token_fault = down()
    result = run("refresh", WEBSITE)
    lines = [line.partition(": ")[0] for line in result.stderr.splitlines()]

    assert (result.exit_code, result.stdout, lines) == (1, "", ["Error", "Who must act", "What to do"])


def test_a_refresh_by_the_stored_refresh_token_is_no_success(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody must put the right credentials."""
    outcome = {"outcome": "refreshed", "reason": "expiring, by refresh token", "verified": True, "expires_at": "later"}
    monkeypatch.setattr(DeployedStack, "invoke", lambda *_, **__: [outcome])
    result = run("refresh", WEBSITE)

    assert (result.exit_code, "What to do: mx-token-rotator set-credentials --stack" in result.stderr) == (1, True)


def test_a_check_of_good_credentials_says_so(stack: Stack, run: Run) -> None:
    """And publishes nothing."""
    before = published(stack)
    shown = run("check", WEBSITE).stdout

    assert (shown, published(stack)) == (
        f"{WEBSITE}: movieXchange accepts the credentials. Nothing was published.\n",
        before,
    )


def test_a_check_whose_log_in_ended_the_published_token_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Applications have the new token then."""
    monkeypatch.setattr(DeployedStack, "invoke", lambda *_, **__: [{"outcome": "refreshed"}])

    assert run("check", WEBSITE).stdout.endswith("Its log-in ended the older token, so it was replaced.\n")


@pytest.mark.usefixtures("stack")
def test_empty_credentials_are_not_checked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the secret and the command that fills it."""
    monkeypatch.setattr(DeployedStack, "labels", lambda *_: {})
    result = run("check", WEBSITE)

    assert (result.exit_code, result.stderr.splitlines()) == (
        1,
        [
            "Error: The secret operated/staging/credentials is still empty.",
            f"What to do: mx-token-rotator set-credentials --stack {NAME}",
        ],
    )


@pytest.mark.usefixtures("stack")
def test_a_check_of_rejected_credentials_says_what_to_do(account_at_mx: MovieXchangeStandIn, run: Run) -> None:
    """In the error's own words."""
    account_at_mx.token_fault = oauth_error("invalid_grant")
    result = run("check", WEBSITE)

    assert (result.exit_code, "What to do: Store" in result.stderr) == (1, True)


def test_every_token_comes_from_credentials_that_were_set(
    stack: Stack, account_at_mx: MovieXchangeStandIn, run: Run
) -> None:
    """When the command ends, and they are the current ones."""
    account_at_mx.client_secret = "another-client-secret"
    run("set-credentials", answers=typed(account_at_mx.credentials()))
    versions = [(stack.token(name) or {})["credentials_version"] for name in stack.names]

    assert versions == [current_credentials(stack)] * 2


def test_the_client_secret_may_be_left_empty(stack: Stack, account_at_mx: MovieXchangeStandIn, run: Run) -> None:
    """For Vista's Digital Platform."""
    run("set-credentials", answers=typed(account_at_mx.credentials() | {"client_secret": ""}))

    assert [(stack.token(name) or {})["client_secret"] for name in stack.names] == ["", ""]


@pytest.mark.usefixtures("stack")
def test_credentials_are_set_from_standard_input(account_at_mx: MovieXchangeStandIn, run: Run) -> None:
    """Nothing is asked."""
    text = json.dumps(account_at_mx.credentials())
    result = run("set-credentials", "--from-file", "-", "--json", answers=text)

    assert json.loads(result.stdout) == {"replaced": [WEBSITE, UPDATER]}


@pytest.mark.parametrize("wrong", ["username", "password", "client_secret"])
def test_credentials_that_are_refused_do_not_become_current(
    stack: Stack, account_at_mx: MovieXchangeStandIn, run: Run, wrong: str
) -> None:
    """The token service refuses the user name and password, the API the client secret."""
    before = current_credentials(stack)
    result = run("set-credentials", answers=typed(account_at_mx.credentials() | {wrong: "no-such-thing"}))

    assert (result.exit_code, current_credentials(stack)) == (1, before)


def test_credentials_that_are_refused_leave_no_label_behind(
    stack: Stack, account_at_mx: MovieXchangeStandIn, run: Run
) -> None:
    """The message says that the current ones stay."""
    result = run("set-credentials", answers=typed(account_at_mx.credentials() | {"password": "no-such-thing"}))
    labels = [label for labels in stack.credentials_labels().values() for label in labels]

    assert ("The current ones stay" in result.stderr, sorted(labels)) == (True, ["AWSCURRENT", "AWSPREVIOUS"])


def test_a_file_that_cannot_be_used_is_not_stored(stack: Stack, run: Run, tmp_path: Path) -> None:
    """What is wrong is said of the file."""
    file = tmp_path / "credentials.json"
    file.write_text('{"username": "u",\n "password" "p"}')
    before = stack.credentials_labels()
    result = run("set-credentials", "--from-file", str(file))
    message = f"Error: {file}, line 2, column 13: this is not JSON (Expecting ':' delimiter).\n"

    assert (result.exit_code, result.stderr, stack.credentials_labels()) == (1, message, before)


def test_what_was_typed_wrong_is_not_stored(stack: Stack, run: Run) -> None:
    """A value that was pasted may end in a tab."""
    before = stack.credentials_labels()
    result = run("set-credentials", answers="user\npassword\t\n\n")

    assert (result.stderr.splitlines()[-1], stack.credentials_labels()) == (
        "Error: The password that you typed begins or ends with a line break, a tab or an invisible character.",
        before,
    )


def test_an_interruption_of_the_questions_says_that_nothing_was_stored(stack: Stack, run: Run) -> None:
    """As Ctrl-C or the end of the input."""
    before = stack.credentials_labels()
    result = run("set-credentials", answers="user\n")

    assert (result.exit_code, result.stderr.splitlines()[-1], stack.credentials_labels()) == (
        1,
        "Error: Interrupted. Nothing was stored.",
        before,
    )


def test_an_interruption_of_the_trial_says_that_the_credentials_are_not_used(
    stack: Stack, account_at_mx: MovieXchangeStandIn, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a traceback, which could show what was typed."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(DeployedStack, "invoke", interrupt)
    result = run("set-credentials", answers=typed(account_at_mx.credentials()))

    assert (result.exit_code, result.stderr.split("\n")[-4:], "CANDIDATE" in str(stack.credentials_labels())) == (
        1,
        ["The new credentials are not used. The current ones stay as they were.", "", "Aborted!", ""],
        False,
    )


@pytest.mark.parametrize("right", [True, False])
def test_no_credentials_are_printed(stack: Stack, account_at_mx: MovieXchangeStandIn, run: Run, *, right: bool) -> None:
    """Of what is typed only the user name is echoed, whether movieXchange accepts it or not."""
    credentials = account_at_mx.credentials() | ({} if right else {"password": "Zq7!wrong-and-long"})
    result = run("set-credentials", answers=typed(credentials))
    tokens = [(stack.token(name) or {})["access_token"] for name in stack.names]

    assert leaks(result.output, [credentials["password"], credentials["client_secret"], *tokens]) == []


def test_credentials_that_are_marked_for_deletion_are_named_with_what_restores_them(
    stack: Stack, account_at_mx: MovieXchangeStandIn, run: Run
) -> None:
    """Nothing can be stored there."""
    secrets = stack.client("secretsmanager")
    secrets.delete_secret(SecretId=stack.credentials_secret)
    result = run("set-credentials", answers=typed(account_at_mx.credentials()))
    secrets.restore_secret(SecretId=stack.credentials_secret)

    assert (result.exit_code, result.stderr.splitlines()[-2:]) == (
        1,
        [
            f"Error: The secret {stack.credentials_secret} is marked for deletion.",
            f"What to do: aws secretsmanager restore-secret --secret-id {stack.credentials_secret}",
        ],
    )


def test_a_call_that_aws_refuses_is_reported_by_its_error_code(
    stack: Stack, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS's message may repeat what was sent."""
    refused = ClientError({"Error": {"Code": "ThrottlingException", "Message": "canary"}}, "ListSecrets")
    monkeypatch.setattr("mx_token_rotator_operator.removal.orphans", Mock(side_effect=refused))
    result = run("remove-token", "--orphans")

    assert (result.exit_code, result.stderr) == (
        3,
        f"Error: ListSecrets failed for the stack {stack.name} in eu-west-1: ThrottlingException\n",
    )


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_the_policy_for_readers_is_printed(run: Run, options: list[str]) -> None:
    """As JSON for IAM, with and without line breaks; without a key of the stack's there is nothing to decrypt."""
    policy = json.loads(run("reader-policy", WEBSITE, *options).stdout)
    secret = "arn:aws:secretsmanager:eu-west-1:000000000000:secret:operated/staging/tokens/_Website-??????"

    assert [(statement["Sid"], statement["Resource"]) for statement in policy["Statement"]] == [
        ("ReadToken", secret),
        ("ReportTokenRejected", "arn:aws:events:eu-west-1:000000000000:event-bus/default"),
    ]


@pytest.mark.usefixtures("stack")
def test_one_policy_may_be_for_several_tokens(run: Run) -> None:
    """Of an application with several client IDs."""
    policy = json.loads(run("reader-policy", WEBSITE, UPDATER).stdout)

    assert policy["Statement"][1]["Condition"]["ForAllValues:StringEquals"]["events:source"] == [
        "operated/staging/tokens/_Website",
        "operated/staging/tokens/_OfflineUpdater",
    ]


@pytest.mark.usefixtures("stack")
def test_there_is_no_policy_for_a_name_that_the_stack_does_not_have(run: Run) -> None:
    """The message lists those that it has."""
    message = f"Error: Wbe: the names of the client IDs are {WEBSITE}, {UPDATER}.\n"

    assert run("reader-policy", "Wbe", WEBSITE).stderr == message


@contextmanager
def left(stack: Stack, *names: str, replicas: tuple[str, ...] = ()) -> Iterator[list[str]]:
    """Create token secrets of removed client IDs, as the function left them."""
    client, secrets = stack.client("secretsmanager"), [stack.token_secret(name) for name in names]
    for secret in secrets:
        tags = [{"Key": "mx-token-rotator:account", "Value": "operated/staging"}]
        client.create_secret(Name=secret, SecretString="{}", Tags=tags)
        if replicas:
            client.replicate_secret_to_regions(
                SecretId=secret, AddReplicaRegions=[{"Region": each} for each in replicas]
            )
    yield secrets
    for secret in secrets:
        client.delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)


@pytest.fixture
def orphans(stack: Stack) -> Iterator[list[str]]:
    """Return the token secrets of two removed client IDs."""
    with left(stack, "Old", "Older") as secrets:
        yield secrets


@pytest.fixture
def replicated(stack: Stack) -> Iterator[list[str]]:
    """Return the token secret of a removed client ID with a replica, which MiniStack cannot remove."""
    with left(stack, "Replicated", replicas=("eu-central-1",)) as secrets:
        yield secrets


def deleted(stack: Stack) -> list[str]:
    """Return the secrets of the account that are marked for deletion."""
    secrets = stack.client("secretsmanager").list_secrets(IncludePlannedDeletion=True, MaxResults=100)["SecretList"]
    return sorted(each["Name"] for each in secrets if "DeletedDate" in each and each["Name"].startswith("operated/"))


def test_the_token_of_a_removed_client_id_is_deleted(stack: Stack, run: Run, orphans: list[str]) -> None:
    """The command says what it will do, asks, and says until when the secret can be restored and how."""
    result = run("remove-token", "Old", answers="y\n")
    secret = orphans[0]
    day = stack.client("secretsmanager").describe_secret(SecretId=secret)["DeletedDate"].date()

    assert (result.stderr.splitlines()[0], result.stdout.replace("y\n", ""), deleted(stack)) == (
        f"{secret} will be deleted in seven days.",
        f"{secret} will be gone on {day}. To keep it: aws secretsmanager restore-secret --secret-id {secret}\n",
        [secret],
    )


def test_nothing_is_deleted_without_consent(stack: Stack, run: Run, orphans: list[str]) -> None:
    """The answer is no unless somebody says yes."""
    result = run("remove-token", orphans[0].rpartition("/")[2], answers="\n")

    assert (result.exit_code, deleted(stack)) == (1, [])


@pytest.mark.parametrize("account", [[], ["--account", "operated/staging"]])
def test_what_no_stack_has_any_more_is_deleted(stack: Stack, run: Run, orphans: list[str], account: list[str]) -> None:
    """And nothing that the stack still has, by whatever name the account is called."""
    document = json.loads(run("remove-token", "--orphans", "--yes", "--json", *account).stdout)

    assert (sorted(document["deleted"]), deleted(stack)) == (orphans, orphans)


def test_what_will_be_lost_with_a_replica_is_said(run: Run, replicated: list[str]) -> None:
    """Its Region, and that it cannot be restored."""
    shown = run("remove-token", "Replicated", answers="n\n").stderr.splitlines()[0]

    assert shown == f"{replicated[0]} will be deleted in seven days, and its replicas in eu-central-1 at once."


def test_without_orphans_there_is_nothing_to_delete(run: Run, orphans: list[str]) -> None:
    """And nothing is asked."""
    run("remove-token", "--orphans", "--yes")

    assert (run("remove-token", "--orphans").stdout, len(orphans)) == ("There is nothing to delete.\n", 2)


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([WEBSITE], f"Error: {WEBSITE} is still in use.\nWhat to do: first remove it from the parameter ClientIds.\n"),
        (
            ["Wbe"],
            "Error: There is no secret operated/staging/tokens/Wbe with our tag, or it is to be deleted already.\n",
        ),
    ],
)
def test_a_token_that_cannot_be_removed_is_an_error(run: Run, arguments: list[str], message: str) -> None:
    """It is in use, or a mistyped name."""
    result = run("remove-token", *arguments, "--yes")

    assert (result.exit_code, result.stderr) == (1, message)


@pytest.mark.parametrize("arguments", [[], ["Old", "--orphans"]])
def test_either_a_name_or_the_orphans_are_removed(run: Run, arguments: list[str]) -> None:
    """Anything else is wrong usage."""
    assert run("remove-token", *arguments).exit_code == 2


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize(
    ("arguments", "variables"),
    [
        (["--region", "eu-west-1"], {"AWS_REGION": "eu-west-2"}),
        ([], {"AWS_REGION": "eu-west-1"}),
        (["--profile", "operator", "--region", "eu-west-1"], {}),
        (["--profile", "operator"], {"AWS_DEFAULT_REGION": None}),
        ([], {"AWS_PROFILE": "operator", "AWS_DEFAULT_REGION": None}),
    ],
)
def test_the_account_and_the_region_are_those_of_the_aws_cli(
    run: Run, tmp_path: Path, arguments: list[str], variables: dict[str, str | None]
) -> None:
    """An option comes before AWS_REGION, that before AWS_DEFAULT_REGION, and that before the profile's."""
    profile = f"[profile operator]\nregion = eu-west-1\naws_access_key_id = {KEY}\naws_secret_access_key = {KEY}\n"
    (tmp_path / "config").write_text(profile)
    environment = {"AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_DEFAULT_REGION": "us-east-1"}

    assert run("reader-policy", WEBSITE, *arguments, **(environment | variables)).exit_code == 0


@pytest.mark.parametrize(
    "command", [["check", WEBSITE], ["refresh", WEBSITE], ["pause"], ["remove-token", "--orphans"]]
)
@pytest.mark.parametrize("option", [["--region", "us-east-1"], ["--stack", "no-such-stack"]])
def test_a_stack_that_is_not_there_is_named(run: Run, command: list[str], option: list[str]) -> None:
    """With the Region and the account in which it was looked for, and what to do."""
    result = run(*command, *option)
    name, region = (option[1], "eu-west-1") if option[0] == "--stack" else (NAME, "us-east-1")

    assert (result.exit_code, result.stderr) == (
        3,
        f"Error: There is no stack {name} in {region} of account 000000000000.\n{NAME_IT}\n",
    )


@pytest.mark.parametrize(
    ("arguments", "variables", "message"),
    [
        (["--profile", "nobody"], {}, "The config profile (nobody) could not be found"),
        ([], {"AWS_DEFAULT_REGION": None}, "You must specify a region."),
        (
            [],
            {
                "AWS_ACCESS_KEY_ID": None,
                "AWS_SECRET_ACCESS_KEY": None,
                "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
                "AWS_EC2_METADATA_DISABLED": "true",
            },
            "Unable to locate credentials",
        ),
    ],
)
def test_what_is_missing_is_named(
    run: Run, arguments: list[str], variables: dict[str, str | None], message: str
) -> None:
    """On standard error, with an exit code of its own."""
    result = run("status", *arguments, **variables)

    assert (result.exit_code, result.stderr) == (3, f"Error: {message}\n{LOG_IN}\n")


@pytest.mark.parametrize(
    ("code", "more"),
    [("ExpiredTokenException", LOG_IN), ("InvalidClientTokenId", LOG_IN), ("AccessDeniedException", "")],
)
def test_a_refusal_of_aws_is_named(run: Run, monkeypatch: pytest.MonkeyPatch, code: str, more: str) -> None:
    """By its code, because AWS's message may repeat what was sent; MiniStack refuses nobody."""

    def refuse(_: DeployedStack) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "what was sent"}}, "GetFunctionConfiguration")

    monkeypatch.setattr(DeployedStack, "function", property(refuse))
    result = run("check", WEBSITE)
    message = f"Error: GetFunctionConfiguration failed for the stack {NAME} in eu-west-1: {code}"

    assert (result.exit_code, result.stderr.splitlines()) == (3, [message, *([more] if more else [])])


def test_the_version_is_the_packages() -> None:
    """Of the tool, which is that of the stack that it is for."""
    assert (
        CliRunner().invoke(main, ["--version"], prog_name="mx-token-rotator").output
        == f"mx-token-rotator {__version__}\n"
    )


@pytest.mark.parametrize("command", [[], *([name] for name in main.commands)])
def test_the_exit_codes_are_in_the_help(command: list[str]) -> None:
    """Of each command."""
    assert "3 AWS refused a call" in " ".join(CliRunner().invoke(main, [*command, "--help"]).output.split())


def test_wrong_usage_has_an_exit_code_of_its_own(run: Run) -> None:
    """It is click's."""
    assert run("refresh").exit_code == 2


def test_the_commands_are_run_as_a_module(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the script is not on the PATH; the help has the script's name all the same."""
    monkeypatch.setattr(sys, "argv", ["__main__.py", "--help"])
    monkeypatch.delitem(sys.modules, "mx_token_rotator_operator.__main__")
    with pytest.raises(SystemExit):
        runpy.run_module("mx_token_rotator_operator", run_name="__main__", alter_sys=True)

    printed = capsys.readouterr().out
    assert (printed[:24], set(re.findall(r"^  ([a-z-]+)  ", printed, re.MULTILINE))) == (
        "Usage: mx-token-rotator ",
        {"--help", "--version", *main.commands},
    )


@pytest.fixture
def going_on(run: Run) -> Iterator[None]:
    """Go on after the test, which may have paused the stack."""
    yield
    run("resume")


def documented() -> dict[str, set[str]]:
    """Return what the docs say that each command needs of AWS: operations of its API by the command's name."""
    text = REFERENCE.read_text().split("\n## Commands\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|.*\|(.*)\|$", text, re.MULTILINE)
    needs = {command: set(re.findall(r"`\w+:(\w+)`", cell)) for first, cell in rows for command in named(first)}
    return {command: operations for command, operations in needs.items() if command}


def named(cell: str) -> list[str]:
    """Return the commands in the first cell of a row."""
    return re.findall(r"`([a-z-]+)", cell)


def test_each_command_has_its_line_in_the_docs() -> None:
    """And no other."""
    assert documented().keys() == main.commands.keys()


def test_the_docs_name_the_options_that_every_command_accepts() -> None:
    """And the stack that is meant without one."""
    (line,) = re.findall(r"^Each command accepts .*$", REFERENCE.read_text(), re.MULTILINE)
    common = set.intersection(*({each.opts[0] for each in command.params} for command in main.commands.values()))
    stack = {each.default for command in main.commands.values() for each in command.params if "--stack" in each.opts}

    assert (set(re.findall(r"`(--\w+)`", line)), set(re.findall(r"default `(.*?)`", line))) == (common, stack)


def test_the_docs_name_the_exit_codes() -> None:
    """Those of click, and the one for AWS."""
    text = REFERENCE.read_text().split("\n| exit code |")[1].split("\n## ")[0]
    codes = {0, click.ClickException.exit_code, click.UsageError.exit_code, AwsFailed.exit_code}

    assert {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)} == codes


@pytest.mark.usefixtures("stack", "orphans", "replicated", "going_on")
@pytest.mark.parametrize("command", [name for name in main.commands if name != "doctor"])  # test_doctor.py has it
def test_a_command_calls_what_the_docs_say(
    account_at_mx: MovieXchangeStandIn, run: Run, caplog: pytest.LogCaptureFixture, command: str
) -> None:
    """Whoever is allowed that much can use it."""
    arguments = {name: [WEBSITE] for name in ("refresh", "check", "reader-policy")}
    arguments["remove-token"] = ["--orphans", "--yes"]
    with caplog.at_level("DEBUG", "botocore.endpoint"):
        run(command, *arguments.get(command, []), answers=typed(account_at_mx.credentials()))
    called = set(re.findall(r"OperationModel\(name=(\w+)\)", caplog.text))

    called -= {"GetCallerIdentity"}  # which everybody may call
    assert {"InvokeFunction" if each == "Invoke" else each for each in called} == documented()[command]

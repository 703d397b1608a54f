"""The commands as a person runs them on a deployed stack. MiniStack enforces no IAM, and evaluates no alarm."""

import json
import os
import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from mx_token_rotator_operator.__main__ import AwsFailed, main
from mx_token_rotator_operator.stack import DeployedStack
from tests.function.leaks import leaks
from tools.local.aws import KEY, PROJECT, LocalAws
from tools.local.faults import oauth_error
from tools.local.mx import MovieXchangeStandIn
from tools.local.stack import UPDATER, WEBSITE, Stack

NAME = "mx-token-rotator-operated"
OPERATING = PROJECT / "docs" / "operating.md"

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def deployed(aws: LocalAws, account_at_mx: MovieXchangeStandIn) -> Stack:
    """Deploy the stack once; no scheduled run comes in between."""
    parameters = {"AuthUrl": account_at_mx.url, "ApiUrl": account_at_mx.url, "CheckEvery": "rate(19 minutes)"}
    stack = Stack(aws, parameters | {"SecretPrefix": "operated"}, name=NAME)
    stack.deploy()
    return stack


@pytest.fixture
def stack(deployed: Stack, account_at_mx: MovieXchangeStandIn) -> Stack:
    """Return the stack with credentials that movieXchange accepts, and a token from them for each client ID."""
    account_at_mx.token_fault = account_at_mx.api_fault = None
    deployed.replace_credentials(account_at_mx.credentials())
    return deployed


@pytest.fixture
def run(aws: LocalAws, deployed: Stack) -> Run:
    """Return a function that runs a command on the stack, on a wide screen, and types `answers`."""
    environment = {"AWS_ENDPOINT_URL": aws.endpoint, "AWS_CONFIG_FILE": os.devnull, "COLUMNS": "200"}

    def on_the_stack(*arguments: str, answers: str | bytes = "", **variables: str | None) -> Result:
        return CliRunner().invoke(
            main, [*arguments, "--stack", deployed.name], input=answers, env=environment | variables
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


def test_the_status_has_a_row_for_each_client_id(stack: Stack, run: Run) -> None:
    """When the token expires, when and why it was replaced, the last check, and the versions."""
    run("refresh", WEBSITE)
    run("refresh", UPDATER)
    cells = (r"\d+:\d\d:\d\d", r"\d{4}-\d\d-\d\dT\d\d:\d\d", "forced", "refreshed: forced", r"AWS\w+ \w{8}")
    row = "".join(f" *│ ({cell})" for cell in cells)
    shown = run("status").stdout

    assert [bool(re.search(re.escape(name) + row, shown)) for name in stack.names] == [True, True]


@pytest.mark.usefixtures("stack")
def test_the_status_is_complete_on_a_narrow_screen(run: Run) -> None:
    """Names may differ in their last letter only."""
    assert "…" not in run("status", COLUMNS="60").stdout


def test_the_status_shows_each_alarm(stack: Stack, run: Run) -> None:
    """On a line of its own, by the name that the docs use."""
    stack.client("cloudwatch").set_alarm_state(
        AlarmName=stack.resource("TokenLifeLow"), StateValue="ALARM", StateReason="a test"
    )

    lines = run("status").stdout.splitlines()[-4:]  # MiniStack evaluates the others meanwhile
    names = ["ActionRequired", "FunctionBroken", "RefreshFailing", "TokenLifeLow"]
    assert (sorted(line.split(": ")[0] for line in lines), "TokenLifeLow: ALARM" in lines) == (names, True)


def test_the_status_in_json_has_the_published_versions(stack: Stack, run: Run) -> None:
    """Whole ids, under each name and label."""
    tokens = json.loads(run("status", "--json").stdout)["tokens"]

    assert {name: token["versions"]["AWSCURRENT"] for name, token in tokens.items()} == published(stack)


def test_the_status_does_not_know_a_version_that_was_put_by_hand(stack: Stack, run: Run) -> None:
    """The log does not say when it expires."""
    stack.client("secretsmanager").put_secret_value(
        SecretId=stack.token_secret(WEBSITE), SecretString=json.dumps(stack.token(WEBSITE))
    )

    assert re.search(rf"{WEBSITE} +│ unknown ", run("status").stdout)


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
def test_a_refresh_that_fails_says_who_must_act(run: Run) -> None:
    """In the function's own words, on three lines, and without a traceback."""
    result = run("refresh", "Wbe")
    lines = [line.partition(": ")[0] for line in result.stderr.splitlines()]

    assert (result.exit_code, result.stdout, lines) == (1, "", ["Error", "Who must act", "What to do"])


def test_a_refresh_by_the_stored_refresh_token_is_no_success(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody must put the right credentials."""
    outcome = {"outcome": "refreshed", "reason": "expiring, by refresh token", "verified": True, "expires_at": "later"}
    monkeypatch.setattr(DeployedStack, "invoke", lambda *_, **__: [outcome])
    result = run("refresh", WEBSITE)

    assert (result.exit_code, "put the right ones into operated/staging/credentials" in result.stderr) == (1, True)


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
    monkeypatch.setattr(DeployedStack, "try_credentials", lambda *_: {"outcome": "refreshed"})

    assert run("check", WEBSITE).stdout.endswith("Its log-in ended the older token, so it was replaced.\n")


@pytest.mark.usefixtures("stack")
def test_a_check_of_rejected_credentials_says_what_to_do(account_at_mx: MovieXchangeStandIn, run: Run) -> None:
    """In the error's own words."""
    account_at_mx.token_fault = oauth_error("invalid_grant")
    result = run("check", WEBSITE)

    assert (result.exit_code, "What to do: Store the right credentials" in result.stderr) == (1, True)


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
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_credentials_are_set_from_standard_input(account_at_mx: MovieXchangeStandIn, run: Run, encoding: str) -> None:
    """With the byte order mark of Windows' editors or without; nothing is asked."""
    text = json.dumps(account_at_mx.credentials())
    result = run("set-credentials", "--from-file", "-", "--json", answers=text.encode(encoding))

    assert json.loads(result.stdout) == {"replaced": [WEBSITE, UPDATER]}


@pytest.mark.parametrize("wrong", ["username", "password", "client_secret"])
def test_credentials_that_are_refused_do_not_become_current(
    stack: Stack, account_at_mx: MovieXchangeStandIn, run: Run, wrong: str
) -> None:
    """The token service refuses the user name and password, the API the client secret."""
    before = current_credentials(stack)
    result = run("set-credentials", answers=typed(account_at_mx.credentials() | {wrong: "no-such-thing"}))

    assert (result.exit_code, current_credentials(stack)) == (1, before)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"username": "u",\n "password" "p"}', "is not JSON: Expecting ':' delimiter at line 2, column 13."),
        ('{"username": "ü"}'.encode("cp1252"), "is not UTF-8: save it in that encoding."),
        ('{"username": "u"}'.encode("utf-16"), "is not UTF-8: save it in that encoding."),
    ],
)
def test_a_file_that_cannot_be_read_is_not_stored(
    stack: Stack, run: Run, tmp_path: Path, text: bytes, message: str
) -> None:
    """What is wrong is message of the file."""
    file = tmp_path / "credentials.json"
    file.write_bytes(text)
    before = stack.credentials_labels()
    result = run("set-credentials", "--from-file", str(file))

    assert (result.exit_code, result.stderr, stack.credentials_labels()) == (1, f"Error: {file} {message}\n", before)


@pytest.mark.parametrize("right", [True, False])
def test_no_credentials_are_printed(stack: Stack, account_at_mx: MovieXchangeStandIn, run: Run, *, right: bool) -> None:
    """Of what is typed only the user name is echoed, whether movieXchange accepts it or not."""
    credentials = account_at_mx.credentials() | ({} if right else {"password": "Zq7!wrong-and-long"})
    result = run("set-credentials", answers=typed(credentials))
    tokens = [(stack.token(name) or {})["access_token"] for name in stack.names]

    assert leaks(result.output, [credentials["password"], credentials["client_secret"], *tokens]) == []


def test_a_call_that_aws_refuses_is_reported_by_its_error_code(
    stack: Stack, account_at_mx: MovieXchangeStandIn, run: Run
) -> None:
    """AWS's message may repeat what was sent."""
    secrets = stack.client("secretsmanager")
    secrets.delete_secret(SecretId=stack.credentials_secret)
    result = run("set-credentials", answers=typed(account_at_mx.credentials()))
    secrets.restore_secret(SecretId=stack.credentials_secret)

    assert (result.exit_code, result.stderr.splitlines()[-1]) == (
        3,
        f"Error: PutSecretValue failed for the stack {stack.name} in eu-west-1: InvalidRequestException",
    )


@pytest.mark.usefixtures("stack")
def test_the_policy_for_readers_is_printed(run: Run) -> None:
    """As JSON for IAM."""
    policy = json.loads(run("reader-policy", WEBSITE).stdout)

    assert [statement["Sid"] for statement in policy["Statement"]] == ["ReadToken", "ReportTokenRejected"]


def test_the_token_of_a_removed_client_id_is_deleted(stack: Stack, run: Run) -> None:
    """The command says until when and how it can be kept."""
    secrets, secret = stack.client("secretsmanager"), stack.token_secret("Removed")
    secrets.create_secret(Name=secret)
    shown = run("remove-token", "Removed").stdout
    day = secrets.describe_secret(SecretId=secret)["DeletedDate"].date()

    assert shown == (
        f"{secret} will be deleted on {day}. To keep it: aws secretsmanager restore-secret --secret-id {secret}\n"
    )


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

    assert run("status", *arguments, **(environment | variables)).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--region", "us-east-1"],
            f"GetFunctionConfiguration failed for the stack {NAME} in us-east-1: ResourceNotFoundException",
        ),
        (["--profile", "nobody"], "The config profile (nobody) could not be found"),
    ],
)
def test_what_aws_does_not_know_has_an_exit_code_of_its_own(run: Run, arguments: list[str], message: str) -> None:
    """And one line."""
    result = run("status", *arguments)

    assert (result.exit_code, result.stderr) == (3, f"Error: {message}\n")


def test_wrong_usage_has_an_exit_code_of_its_own(run: Run) -> None:
    """It is click's."""
    assert run("refresh").exit_code == 2


def test_the_commands_are_run_as_a_module(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the script is not on the PATH."""
    monkeypatch.setattr(sys, "argv", ["mx-token-rotator", "--help"])
    monkeypatch.delitem(sys.modules, "mx_token_rotator_operator.__main__")
    with pytest.raises(SystemExit):
        runpy.run_module("mx_token_rotator_operator", run_name="__main__", alter_sys=True)

    assert set(re.findall(r"^  ([a-z-]+)  ", capsys.readouterr().out, re.MULTILINE)) == {"--help", *main.commands}


def documented() -> dict[str, set[str]]:
    """Return what the docs say that each command needs of AWS: operations of its API by the command's name."""
    text = OPERATING.read_text().split("\n## Commands\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([a-z-]+)[^|]*\|[^|]*\|(.*)\|$", text, re.MULTILINE)
    return {command: set(re.findall(r"`\w+:(\w+)`", needs)) for command, needs in rows}


def test_each_command_has_its_line_in_the_docs() -> None:
    """And no other."""
    assert documented().keys() == main.commands.keys()


def test_the_docs_name_the_options_that_every_command_accepts() -> None:
    """And the stack that is meant without one."""
    (line,) = re.findall(r"^Each command accepts .*$", OPERATING.read_text(), re.MULTILINE)
    common = set.intersection(*({each.opts[0] for each in command.params} for command in main.commands.values()))
    stack = {each.default for command in main.commands.values() for each in command.params if "--stack" in each.opts}

    assert (set(re.findall(r"`(--\w+)`", line)), set(re.findall(r"default `(.*?)`", line))) == (common, stack)


def test_the_docs_name_the_exit_codes() -> None:
    """Those of click, and the one for AWS."""
    text = OPERATING.read_text().split("\n| exit code |")[1].split("\n## ")[0]
    codes = {0, click.ClickException.exit_code, click.UsageError.exit_code, AwsFailed.exit_code}

    assert {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)} == codes


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize("command", main.commands)
def test_a_command_calls_what_the_docs_say(
    account_at_mx: MovieXchangeStandIn, run: Run, caplog: pytest.LogCaptureFixture, command: str
) -> None:
    """Whoever is allowed that much can use it."""
    arguments = {"status": [], "set-credentials": [], "remove-token": ["Another"]}.get(command, [WEBSITE])
    with caplog.at_level("DEBUG", "botocore.endpoint"):
        run(command, *arguments, answers=typed(account_at_mx.credentials()))
    called = set(re.findall(r"OperationModel\(name=(\w+)\)", caplog.text))

    assert {"InvokeFunction" if each == "Invoke" else each for each in called} == documented()[command]

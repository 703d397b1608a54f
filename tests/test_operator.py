"""The operator's commands: on the deployed stack, as a person runs them, and what they decide.

MiniStack enforces no IAM, and evaluates no alarm; what the commands need is told in docs/operating.md.
"""

import json
import os
import re
import runpy
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import click
import pytest
from click.testing import CliRunner, Result

from local.aws import HOUSE, KEY, LocalAws
from local.faults import oauth_error, status, times
from local.mx import MovieXchangeStandIn
from local.stack import UPDATER, WEBSITE, Stack
from mx_token_rotator.__main__ import AwsSaysNo, main
from mx_token_rotator.deadline import Deadline
from mx_token_rotator.stack import DeployedStack, InvocationFailed, explained, token_status
from tests.leaks import leaks

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
VERSIONS = {"AWSCURRENT": "two", "AWSPREVIOUS": "one"}

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def deployed(aws: LocalAws, account_at_mx: MovieXchangeStandIn) -> Stack:
    """Build and deploy the stack once; no tick comes in between."""
    hosts = {"AuthUrl": account_at_mx.url, "ApiUrl": account_at_mx.url}
    stack = Stack(aws, hosts | {"CheckEvery": "'rate(19 minutes)'"}, name="mx-token-rotator-operated")
    stack.build()
    stack.deploy()
    return stack


@pytest.fixture
def stack(deployed: Stack, account_at_mx: MovieXchangeStandIn) -> Stack:
    """Give the stack in good health: credentials that movieXchange takes, and a token of theirs for each client ID."""
    account_at_mx.token_fault = account_at_mx.api_fault = None
    deployed.replace_credentials(account_at_mx.credentials())
    return deployed


@pytest.fixture
def run(aws: LocalAws, deployed: Stack) -> Run:
    """Run a command on the stack, on a wide screen; what is asked for comes from `types`."""
    environment = {"AWS_ENDPOINT_URL": aws.endpoint, "AWS_CONFIG_FILE": os.devnull, "COLUMNS": "200"}

    def on_the_stack(*arguments: str, types: str = "", **variables: str | None) -> Result:
        return CliRunner().invoke(
            main, [*arguments, "--stack", deployed.name], input=types, env=environment | variables
        )

    return on_the_stack


def published(stack: Stack) -> dict[str, str | None]:
    """Tell which version is published for each client ID."""
    return {client_id: (token or {}).get("version_id") for client_id, token in stack.tokens().items()}


def version_of_credentials(stack: Stack) -> str:
    """Tell which version of the credentials is current."""
    version: str = stack.client("secretsmanager").get_secret_value(SecretId=f"{stack.account}/credentials")["VersionId"]
    return version


def typed(credentials: dict[str, str]) -> str:
    """Answer each question by a line."""
    return "".join(f"{credentials[name]}\n" for name in ("username", "password", "client_secret"))


def test_the_status_has_a_row_for_each_client_id(stack: Stack, run: Run) -> None:
    """Life left, when and why it was replaced, versions, and the alarm's state."""
    cells = (
        r"\d+:\d\d:\d\d",
        r"\d{4}-\d\d-\d\dT\d\d:\d\d",
        "first|credentials changed",
        r"AWS\w+ \w{8}",
        "INSUFFICIENT_DATA|OK",
    )
    row = "".join(f" *│ ({cell})" for cell in cells)
    shown = run("status").stdout

    assert [bool(re.search(each + row, shown)) for each in stack.client_ids] == [True, True]


@pytest.mark.usefixtures("stack")
def test_the_status_cuts_nothing_off_on_a_narrow_screen(run: Run) -> None:
    """Nor in a file: client IDs differ in their ends too."""
    assert "…" not in run("status", COLUMNS="60").stdout


def test_the_status_shows_the_alarms_that_are_no_client_ids(stack: Stack, run: Run) -> None:
    """A line for each, by the name that the docs have."""
    stack.client("cloudwatch").set_alarm_state(
        AlarmName=stack.resource("DeadLettersAlarm"), StateValue="ALARM", StateReason="a test"
    )

    assert run("status").stdout.splitlines()[-3:] == [
        "CredentialsRejectedAlarm: INSUFFICIENT_DATA",
        "DeadLettersAlarm: ALARM",
        "VaultFailedAlarm: INSUFFICIENT_DATA",
    ]


def test_the_status_in_json_bears_the_published_versions(stack: Stack, run: Run) -> None:
    """Whole ids, under each client ID and label."""
    tokens = json.loads(run("status", "--json").stdout)["tokens"]

    assert {each: token["versions"]["AWSCURRENT"] for each, token in tokens.items()} == published(stack)


def test_the_status_in_json_bears_the_state_of_the_freshness_alarm(stack: Stack, run: Run) -> None:
    """Each client ID's own."""
    stack.client("cloudwatch").set_alarm_state(
        AlarmName=stack.resource("FreshnessFooTicketsWebsite"), StateValue="OK", StateReason="a test"
    )
    tokens = json.loads(run("status", "--json").stdout)["tokens"]

    assert [tokens[each]["alarm"] for each in (WEBSITE, UPDATER)] == ["OK", "INSUFFICIENT_DATA"]


@pytest.mark.usefixtures("stack")
def test_the_last_replacement_of_one_client_id_is_not_the_others(run: Run) -> None:
    """They share the function's log."""
    run("refresh", WEBSITE)
    tokens = json.loads(run("status", "--json").stdout)["tokens"]

    assert [tokens[each]["reason"] == "forced" for each in (WEBSITE, UPDATER)] == [True, False]


def test_the_status_of_a_version_that_was_put_by_hand_is_unknown(stack: Stack, run: Run) -> None:
    """The log does not tell when it ends."""
    document = dict(stack.token(WEBSITE) or {})
    stack.client("secretsmanager").put_secret_value(
        SecretId=stack.token_secret(WEBSITE), SecretString=json.dumps(document)
    )

    assert re.search(rf"{WEBSITE} +│ unknown ", run("status").stdout)


def test_a_refresh_replaces_a_fresh_token(stack: Stack, run: Run) -> None:
    """It says until when the new one lives."""
    before = published(stack)[WEBSITE]
    said = run("refresh", WEBSITE).stdout
    token = stack.token(WEBSITE) or {}

    assert (said, token["version_id"] != before) == (
        f"The token of {WEBSITE} was refreshed, and ends {token['expires_at']} (forced).\n",
        True,
    )


def test_a_refresh_in_json_is_the_outcome(stack: Stack, run: Run) -> None:
    """As the function returns it."""
    outcome = json.loads(run("refresh", WEBSITE, "--json").stdout)

    assert (outcome["reason"], outcome["version_id"]) == ("forced", published(stack)[WEBSITE])


def test_a_refresh_that_fails_says_who_must_act(stack: Stack, run: Run) -> None:
    """The function's own words, and no traceback."""
    result = run("refresh", f"{stack.client_ids[0]}2")

    assert (result.exit_code, result.stdout, result.stderr.split(". ")[1]) == (
        1,
        "",
        "Who must act: whoever sent the request",
    )


def test_a_check_of_good_credentials_says_so(stack: Stack, run: Run) -> None:
    """And publishes nothing."""
    before = published(stack)
    said = run("check", WEBSITE).stdout

    assert (said, published(stack)) == (
        f"movieXchange gives {WEBSITE} a token; nothing was published (dry run: forced).\n",
        before,
    )


@pytest.mark.usefixtures("stack")
def test_a_check_of_rejected_credentials_tells_the_remedy(account_at_mx: MovieXchangeStandIn, run: Run) -> None:
    """In the error's own words."""
    account_at_mx.token_fault = oauth_error("invalid_grant")
    result = run("check", WEBSITE)

    assert (result.exit_code, "Put the user name and password that movieXchange takes" in result.stderr) == (1, True)


@pytest.mark.usefixtures("stack")
def test_a_check_without_a_verdict_tells_where_to_look(account_at_mx: MovieXchangeStandIn, run: Run) -> None:
    """MovieXchange gave a token, and nobody knows what it is worth."""
    account_at_mx.api_fault = status(404)
    result = run("check", WEBSITE)

    assert (result.exit_code, "look at ApiUrl, VerifyPath" in result.stderr) == (1, True)


def test_credentials_that_are_set_make_the_tokens(stack: Stack, account_at_mx: MovieXchangeStandIn, run: Run) -> None:
    """When the command ends, every token is of the new credentials."""
    account_at_mx.client_secret = "another-client-secret"
    run("set-credentials", types=typed(account_at_mx.credentials()))

    assert [(stack.token(each) or {})["client_secret"] for each in stack.client_ids] == ["another-client-secret"] * 2


@pytest.mark.usefixtures("stack")
def test_credentials_are_set_from_standard_input(account_at_mx: MovieXchangeStandIn, run: Run) -> None:
    """Nothing is asked, and JSON tells what was replaced."""
    result = run("set-credentials", "--from-file", "-", "--json", types=json.dumps(account_at_mx.credentials()))

    assert json.loads(result.stdout) == {"replaced": [UPDATER, WEBSITE]}


@pytest.mark.parametrize("wrong", ["username", "password", "client_secret"])
def test_credentials_that_moviexchange_refuses_are_not_written(
    stack: Stack, account_at_mx: MovieXchangeStandIn, run: Run, wrong: str
) -> None:
    """The user name and password at the log-in, the client secret at the API."""
    before = version_of_credentials(stack)
    result = run("set-credentials", types=typed(account_at_mx.credentials() | {wrong: "no-such-thing"}))

    assert (result.exit_code, version_of_credentials(stack)) == (1, before)


@pytest.mark.parametrize("text", [b"{", b'{"username": "u", "password": "\xff", "client_secret": "c"}'])
def test_a_file_that_holds_no_credentials_is_not_written(stack: Stack, run: Run, tmp_path: Path, text: bytes) -> None:
    """Neither what is no JSON, nor what is no text, and no traceback is shown."""
    (tmp_path / "credentials.json").write_bytes(text)
    before = version_of_credentials(stack)
    result = run("set-credentials", "--from-file", str(tmp_path / "credentials.json"))
    is_told = result.stderr.startswith("Error: The secret")

    assert (result.exit_code, is_told, version_of_credentials(stack)) == (1, True, before)


@pytest.mark.usefixtures("stack")
def test_a_missing_verdict_on_new_credentials_is_told(account_at_mx: MovieXchangeStandIn, run: Run) -> None:
    """They are written all the same: the function weighs it again."""
    account_at_mx.api_fault = times(1, status(404), status(200))
    result = run("set-credentials", types=typed(account_at_mx.credentials()))

    assert (result.exit_code, "which is no verdict on the token" in result.stderr) == (0, True)


def test_tokens_that_stay_are_waited_for_until_the_deadline(
    stack: Stack, account_at_mx: MovieXchangeStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the last outcome's reason says why they stay."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", stack.aws.endpoint)
    account_at_mx.api_fault = status(404)
    left, slept = iter([2.0, 1.0, 0.0]), list[float]()
    at_hand = DeployedStack(boto3.Session(), stack.name)
    with pytest.raises(InvocationFailed, match="still has the token that it had: unverified"):
        at_hand.replace_credentials(json.dumps(account_at_mx.credentials()), Deadline(lambda: next(left)), slept.append)

    assert slept == [2.0, 2.0]


@pytest.mark.parametrize("right", [True, False])
def test_no_credentials_are_printed(stack: Stack, account_at_mx: MovieXchangeStandIn, run: Run, *, right: bool) -> None:
    """Of what is typed only the user name is echoed, whether movieXchange takes it or not."""
    credentials = account_at_mx.credentials() | ({} if right else {"password": "Zq7!wrong-and-long"})
    result = run("set-credentials", types=typed(credentials))
    tokens = [(stack.token(each) or {})["access_token"] for each in stack.client_ids]

    assert leaks(result.output, [credentials["password"], credentials["client_secret"], *tokens]) == []


def test_a_write_that_aws_refuses_is_told_by_its_code(
    stack: Stack, account_at_mx: MovieXchangeStandIn, run: Run
) -> None:
    """AWS's message may repeat what was sent."""
    secrets, name = stack.client("secretsmanager"), f"{stack.account}/credentials"
    secrets.delete_secret(SecretId=name)
    result = run("set-credentials", types=typed(account_at_mx.credentials()))
    secrets.restore_secret(SecretId=name)

    assert (result.exit_code, result.stderr.splitlines()[-1]) == (
        3,
        "Error: PutSecretValue failed: InvalidRequestException",
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
    ("arguments", "said"),
    [
        (["--region", "us-east-1"], "FilterLogEvents failed: ResourceNotFoundException"),
        (["--profile", "nobody"], "The config profile (nobody) could not be found"),
    ],
)
def test_what_aws_does_not_know_has_an_exit_code_of_its_own(run: Run, arguments: list[str], said: str) -> None:
    """And one line."""
    result = run("status", *arguments)

    assert (result.exit_code, result.stderr) == (3, f"Error: {said}\n")


def test_wrong_usage_has_an_exit_code_of_its_own(run: Run) -> None:
    """It is click's."""
    assert run("refresh").exit_code == 2


def test_the_commands_are_run_as_a_module(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """As the docs have it."""
    monkeypatch.setattr(sys, "argv", ["mx_token_rotator", "--help"])
    monkeypatch.delitem(sys.modules, "mx_token_rotator.__main__")
    with pytest.raises(SystemExit):
        runpy.run_module("mx_token_rotator", run_name="__main__", alter_sys=True)

    assert set(re.findall(r"^  (\S+)  ", capsys.readouterr().out, re.MULTILINE)) == {
        "check",
        "refresh",
        "set-credentials",
        "status",
        "--help",
    }


def documented() -> dict[str, set[str]]:
    """Read from the docs what each command needs of AWS: its API's operations by the command's name."""
    text = (HOUSE / "docs" / "operating.md").read_text().split("\n## Commands\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([a-z-]+)[^|]*\|[^|]*\|(.*)\|$", text, re.MULTILINE)
    return {command: set(re.findall(r"`\w+:(\w+)`", needs)) for command, needs in rows}


def test_each_command_has_its_line_in_the_docs() -> None:
    """And no other."""
    assert documented().keys() == main.commands.keys()


def test_the_docs_name_the_options_that_every_command_takes() -> None:
    """And the stack that is meant without one."""
    (line,) = re.findall(r"^Each takes .*$", (HOUSE / "docs" / "operating.md").read_text(), re.MULTILINE)
    common = set.intersection(*({each.opts[0] for each in command.params} for command in main.commands.values()))
    stack = {each.default for command in main.commands.values() for each in command.params if each.name == "name"}

    assert (set(re.findall(r"`(--\w+)`", line)), set(re.findall(r"default `(.*?)`", line))) == (common, stack)


def test_the_docs_name_the_exit_codes() -> None:
    """Those of click, and the one that is ours."""
    text = (HOUSE / "docs" / "operating.md").read_text().split("\n| exit code |")[1].split("\n## ")[0]
    codes = {0, click.ClickException.exit_code, click.UsageError.exit_code, AwsSaysNo.exit_code}

    assert {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)} == codes


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize("command", ["status", "refresh", "check", "set-credentials"])
def test_a_command_asks_of_aws_what_the_docs_say(
    account_at_mx: MovieXchangeStandIn, run: Run, caplog: pytest.LogCaptureFixture, command: str
) -> None:
    """Whoever is allowed that much can use it."""
    arguments = [WEBSITE] if command in {"refresh", "check"} else []
    with caplog.at_level("DEBUG", "botocore.endpoint"):
        run(command, *arguments, types=typed(account_at_mx.credentials()))
    asked = set(re.findall(r"OperationModel\(name=(\w+)\)", caplog.text))

    assert {"InvokeFunction" if each == "Invoke" else each for each in asked} == documented()[command]


def line(**members: str | None) -> dict[str, Any]:
    """Give a line of the log, of a version that was published at ten and ends at ten."""
    return {
        "outcome": "refreshed",
        "reason": "expiring",
        "version_id": "two",
        "expires_at": "2026-03-01T22:00:00Z",
        "timestamp": "2026-03-01T10:00:00.000+00:00",
        **members,
    }


def test_a_token_lives_until_its_line_says() -> None:
    """In whole seconds."""
    assert token_status([line()], VERSIONS, NOON)["seconds_left"] == 10 * 3600


def test_a_token_that_has_ended_has_no_life_left() -> None:
    """Not less than none."""
    assert token_status([line(expires_at="2026-03-01T11:00:00Z")], VERSIONS, NOON)["seconds_left"] == 0


@pytest.mark.parametrize("members", [{"version_id": "one"}, {"expires_at": None}])
def test_a_line_that_is_not_of_what_is_published_tells_no_life(members: dict[str, str | None]) -> None:
    """Nor does one of a document that could not be read."""
    assert token_status([line(**members)], VERSIONS, NOON)["seconds_left"] is None


def test_the_last_replacement_counts() -> None:
    """What was kept since is none."""
    log = [
        line(reason="first", version_id="one"),
        line(),
        line(outcome="kept", reason="fresh", timestamp="2026-03-01T11:00:00.000+00:00"),
    ]
    told = token_status(log, VERSIONS, NOON)

    assert (told["reason"], told["replaced_at"]) == ("expiring", "2026-03-01T10:00:00.000+00:00")


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_refresh_token_that_stands_in_for_the_credentials_is_no_success(*, dry_run: bool) -> None:
    """Somebody must put the right ones."""
    reason = "dry run: refresh grant: expiring" if dry_run else "refresh grant: expiring"
    _, remedy = explained(line(client_id=WEBSITE, outcome="kept" if dry_run else "refreshed", reason=reason))

    assert remedy.endswith("put the right ones.")


def test_a_token_that_stays_because_moviexchange_hands_it_out_again_needs_nobody() -> None:
    """It is as good as a new one."""
    said = explained(line(client_id=WEBSITE, outcome="kept", reason="same token"))

    assert said == (f"The token of {WEBSITE} was kept, and ends 2026-03-01T22:00:00Z (same token).", "")

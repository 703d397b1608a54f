"""Canaries in every secret field, over every error and behind every door: none gets out by any way that there is."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from local.aws import LocalAws
from local.lambda_runtime import lambda_runtime
from local.mx import MovieXchangeStandIn
from local.stack import WEBSITE, Stack
from mx_token_rotator.errors import RotatorError
from mx_token_rotator.moviexchange import Answer, Grant
from mx_token_rotator.tokens import Credentials
from tests.doors import BehindTheRuntime, Deployed, Door, refusing
from tests.fakes import ISSUED_AT, a_refresh_token, a_token, published
from tests.function import REQUEST
from tests.leaks import leaks
from tests.secrecy import CANARIES, CASES, ONE_FOR_EACH, Case, plant

SECRETS = list(CANARIES.values())
ERRORS = {error.__name__ for error in RotatorError.__subclasses__() if not error.__name__.startswith("_")}


@pytest.fixture(scope="module")
def refusing_secrets_manager() -> Iterator[str]:
    """Run a Secrets Manager that repeats every canary."""
    with refusing(str(CANARIES)) as address:
        yield address


@pytest.fixture(scope="module")
def stack(aws: LocalAws, account_at_mx: MovieXchangeStandIn) -> Stack:
    """Build and deploy a stack whose function is woken by nobody but the tests."""
    hosts = {"AuthUrl": account_at_mx.url, "ApiUrl": account_at_mx.url}
    stack = Stack(
        aws,
        hosts | {"SecretPrefix": "canaries", "CheckEvery": "'rate(19 minutes)'"},
        name="canaries",
        client_ids=(WEBSITE,),
    )
    stack.build()
    stack.deploy()
    stack.client("events").disable_rule(Name=stack.resource("CredentialsChangedFooTicketsWebsite"))
    return stack


@pytest.fixture(scope="module")
def of_the_stack(stack: Stack, account_at_mx: MovieXchangeStandIn, refusing_secrets_manager: str) -> dict[str, Any]:
    """Give what both doors outside of this process have of the stack: its variables and its secrets."""
    return {
        "mx": account_at_mx,
        "secrets_manager": stack.client("secretsmanager"),
        "account": stack.account,
        "refusal": refusing_secrets_manager,
        "stack": stack,
        "stacks_variables": stack.variables(),
    }


@pytest.fixture(scope="module")
def behind_the_runtime(of_the_stack: dict[str, Any]) -> Iterator[BehindTheRuntime]:
    """Run the stack's package behind the Lambda runtime API."""
    with ExitStack() as ends:
        yield BehindTheRuntime(ends=ends, **of_the_stack)


@pytest.fixture(scope="module")
def deployed(of_the_stack: dict[str, Any]) -> Deployed:
    """Give the deployed function."""
    return Deployed(**of_the_stack)


on_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="the runtime interface emulator and the runtime's client are for Linux alone"
)


IN_PROCESS = pytest.param("in_process", id="in process")
BEHIND_THE_RUNTIME = pytest.param("behind_the_runtime", id="behind the runtime", marks=on_linux)
DEPLOYED = pytest.param("deployed", id="deployed")

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
one_case_for_each = pytest.mark.parametrize("case", ONE_FOR_EACH, ids=lambda case: case.name)


@pytest.fixture
def door(request: pytest.FixtureRequest) -> Door:
    """Give the function behind one of the doors, with secrets that are still empty."""
    door: Door = request.getfixturevalue(request.param)
    door.empty()
    return door


def seen(door: Door, case: Case) -> tuple[str, list[str]]:
    """Let a case happen, and give what came, and which pieces of secrets came with it."""
    case.arrange(door)
    came = door.ask(case.request(door))
    return came, leaks("\n".join(door.seen), SECRETS)


@every_case
@pytest.mark.parametrize("door", [IN_PROCESS, BEHIND_THE_RUNTIME], indirect=True)
def test_no_secret_gets_out(door: Door, case: Case) -> None:
    """Neither what comes of a request nor anything that is printed on the way bears a piece of a canary."""
    assert seen(door, case) == (case.comes, [])


@one_case_for_each
@pytest.mark.parametrize("door", [DEPLOYED], indirect=True)
def test_no_secret_gets_out_of_the_deployed_function(door: Door, case: Case) -> None:
    """Its answers, its log group with the metrics in it, and the log's tail bear no piece of a canary."""
    assert seen(door, case) == (case.comes, [])


@pytest.mark.parametrize("case", [case for case in ONE_FOR_EACH if case.comes in ERRORS], ids=lambda case: case.name)
def test_no_secret_gets_into_a_dead_letter(deployed: Deployed, case: Case) -> None:
    """A failed request is kept with its error, which bears no piece of a canary."""
    deployed.empty()
    case.arrange(deployed)
    letter = deployed.dead_letter(case.request(deployed))

    assert ("Who must act" in letter, leaks(letter, SECRETS)) == (True, [])


def test_each_error_of_the_table_is_among_the_cases() -> None:
    """No error of the tree is left out above."""
    assert {case.comes for case in CASES} >= ERRORS


@pytest.mark.parametrize("door", [BEHIND_THE_RUNTIME, DEPLOYED], indirect=True)
def test_what_is_looked_at_says_more_than_it_would_by_itself(door: Door) -> None:
    """The environment makes libraries write at DEBUG, and Powertools write for people."""
    plant(door)
    door.ask(REQUEST)
    wanted = [
        "[DEBUG] Adding metric: TokenRefreshed",
        '\n    "level"',
    ]

    assert [words for words in wanted if words not in "\n".join(door.seen)] == []


@pytest.mark.parametrize("door", [BEHIND_THE_RUNTIME], indirect=True)
@pytest.mark.parametrize(
    "words",
    [
        '"errorMessage": "The member client_id',
        '"stackTrace": ["',
        '"_aws":{',
        'Lambda-Runtime-Function-Xray-Error-Cause:[{"',
        '"level": "DEBUG", "message": "Adding metric',
    ],
)
def test_what_is_looked_at_is_all_that_the_runtime_gives_away(door: Door, words: str) -> None:
    """The error's answer, metrics, the cause that X-Ray is told, and the runtime's own log in JSON."""
    door.ask({})

    assert words in "\n".join(door.seen)


UNSHIELDED = """
import logging
from mx_token_rotator.handler import handler

for name in ("botocore", "urllib3"):
    logging.getLogger(name).setLevel(logging.NOTSET)
"""


@on_linux
@pytest.mark.parametrize("level", ["DEBUG", "TRACE"])
def test_without_the_handlers_care_the_runtime_would_print_secrets(
    behind_the_runtime: BehindTheRuntime, tmp_path: Path, level: str
) -> None:
    """The same environment prints what goes to Secrets Manager and comes from it, once the loggers are let loose."""
    (tmp_path / "unshielded.py").write_text(UNSHIELDED)
    behind_the_runtime.empty()
    plant(behind_the_runtime)
    variables = behind_the_runtime.all_variables() | {"AWS_LAMBDA_LOG_LEVEL": level, "PYTHONPATH": str(tmp_path)}
    with lambda_runtime(behind_the_runtime.stack.package, variables, handler="unshielded.handler") as runtime:
        runtime.invoke(REQUEST)
        printed = runtime.printed()

    assert {name for name, secret in CANARIES.items() if leaks(printed, [secret])} == {
        "username",
        "password",
        "client_secret",
        "access_token",
    }


@pytest.mark.parametrize(
    "value",
    [
        Credentials(
            username="canary", password="canary", client_secret="canary", version_id="v1", created_at=ISSUED_AT
        ),
        a_token(access_token="canary", client_secret="canary"),
        a_refresh_token(refresh_token="canary", client_secret="canary"),
        published(access_token="canary", client_secret="canary"),
        Answer(status=200, body=b"canary"),
        Grant(access_token="canary", lifetime=43200, refresh_token="canary"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_repr_shows_a_secret(value: object) -> None:
    """What a debugger or an assertion prints is harmless."""
    assert "canary" not in repr(value)

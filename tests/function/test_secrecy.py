"""Canaries in the place of every secret, over every outcome and at every entry point: none gets out in any way."""

import logging
import ssl
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme
from botocore.exceptions import HTTPClientError

from mx_token_rotator.errors import RotatorError
from mx_token_rotator.tokens import Published
from mx_token_rotator.transport import Answer
from tests.function.entry_points import (
    BehindTheRuntime,
    Deployed,
    InProcess,
    cold_start_verbosely,
    refusing_secrets_manager,
)
from tests.function.fakes import CLIENT_ID
from tests.function.function import Rotator
from tests.function.leaks import leaks
from tests.function.secrecy import (
    ACCOUNT,
    CASES,
    ONE_FOR_EACH,
    PASSWORD,
    PUBLISHED,
    REFUSAL,
    REJECTED,
    SPOILT,
    TOKENS,
    USERNAME,
    VERSION,
    Case,
    echo,
    report,
)
from tools.local.aws import LocalAws
from tools.local.mx import MovieXchangeStandIn
from tools.local.stack import Stack

pytestmark = pytest.mark.unmeasured  # it doubles the time, and other tests run the same lines
on_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="the runtime interface emulator and the runtime's client run on Linux only"
)


@pytest.fixture(scope="module")
def warm(account_at_mx: MovieXchangeStandIn) -> Iterator[Rotator]:
    """Start the function cold in this process, once."""
    with cold_start_verbosely(account_at_mx.url) as rotator:
        yield rotator


@pytest.fixture
def in_process(warm: Rotator, account_at_mx: MovieXchangeStandIn, request: pytest.FixtureRequest) -> InProcess:
    """Return the function in this process."""
    return InProcess.of(warm, account_at_mx, request)


@pytest.fixture(scope="module")
def stack(aws: LocalAws, account_at_mx: MovieXchangeStandIn) -> Stack:
    """Deploy a stack whose function nobody but the tests starts."""
    hosts = {"AuthUrl": account_at_mx.url, "ApiUrl": account_at_mx.url}
    prefix = ACCOUNT.partition("/")[0]
    parameters = hosts | {"SecretPrefix": prefix, "CheckEvery": "rate(19 minutes)", "KeepRefreshToken": "true"}
    stack = Stack(aws, parameters, name=prefix, client_ids=(CLIENT_ID,))
    stack.apply()
    stack.client("events").disable_rule(Name=stack.resource("CredentialsChanged"))
    return stack


@pytest.fixture(scope="module")
def behind_the_runtime(stack: Stack, account_at_mx: MovieXchangeStandIn) -> Iterator[BehindTheRuntime]:
    """Run the stack's archive behind the Lambda runtime API."""
    client = stack.client("secretsmanager")
    with ExitStack() as running, refusing_secrets_manager() as address:
        yield BehindTheRuntime(
            mx=account_at_mx, secrets_manager=client, stack=stack, refusing_secrets_manager=address, running=running
        )


@pytest.fixture(scope="module")
def deployed(stack: Stack, account_at_mx: MovieXchangeStandIn) -> Deployed:
    """Return the deployed function."""
    return Deployed(mx=account_at_mx, secrets_manager=stack.client("secretsmanager"), stack=stack)


# In this process


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_no_secret_gets_out(in_process: InProcess, case: Case) -> None:
    """Neither the result nor anything that is written on the way has a piece of a canary."""
    assert (in_process.happen(case), in_process.leaked()) == (case.reason, [])


@pytest.mark.parametrize("case", SPOILT, ids=lambda case: case.name)
def test_no_secret_gets_out_of_a_document_that_somebody_spoilt(in_process: InProcess, case: Case) -> None:
    """Whatever is stored in the secrets."""
    in_process.happen(case)

    assert in_process.leaked() == []


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("handler.Settings.parse", "Unexpected"),
        ("events.parse", "Unexpected"),
        ("refresh.decide", "Unexpected"),
        ("secrets_manager.SecretsManager.publish", "Unexpected"),
        ("moviexchange.parse_grant", "Unexpected"),
        ("handler.send", "Unexpected"),
        ("handler.secrets_manager.describe_secret", "SecretsManagerFailed"),
    ],
)
def test_no_secret_gets_out_of_an_unexpected_exception(
    in_process: InProcess, monkeypatch: pytest.MonkeyPatch, place: str, reason: str
) -> None:
    """An exception whose text has secrets, whether its cause or it is botocore's, is named by its type."""

    def fail(*_: object, **__: object) -> None:
        error = RuntimeError(REFUSAL) if reason == "Unexpected" else HTTPClientError(error=REFUSAL)
        raise error from KeyError(PASSWORD)

    monkeypatch.setattr(f"mx_token_rotator.{place}", fail)

    assert (in_process.happen(Case()), in_process.leaked()) == (reason, [])


def test_no_name_in_a_certificate_gets_out(in_process: InProcess) -> None:
    """A certificate that is not trusted is reported without its names."""
    authority = trustme.CA(organization_name=PASSWORD, organization_unit_name=USERNAME)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(f"{PASSWORD}.example.com", common_name=USERNAME).configure_cert(tls)
    with in_process.mx.another_server(tls) as host:
        case = Case(variables={"AUTH_URL": f"https://{host}"})

        assert (in_process.happen(case), in_process.leaked()) == ("MovieXchangeMisbehaved", [])


@pytest.mark.parametrize(
    ("correlation_id", "is_shown"),
    [("0af7651916cd43dd8448eb211c80319c", True), ("0AF76519-16cd", True), (PASSWORD, False), ("0af7651 91", False)],
)
def test_a_correlation_id_is_shown_if_it_is_a_number(
    in_process: InProcess, correlation_id: str, *, is_shown: bool
) -> None:
    """Hexadecimal digits and hyphens; anything else could be anything."""
    in_process.happen(Case(api=echo(403, correlation_id=correlation_id)))

    assert in_process.shows(f"Mx-Correlation-Id {correlation_id}") == is_shown


@pytest.mark.parametrize("logger", ["botocore", "urllib3"])
def test_without_the_handlers_care_a_library_would_log_secrets(
    in_process: InProcess, monkeypatch: pytest.MonkeyPatch, logger: str
) -> None:
    """The search finds what this library writes when its logger has no level of its own."""
    monkeypatch.setattr(logging.getLogger(logger), "level", logging.NOTSET)
    in_process.happen(Case(token_endpoint=echo(400)))

    assert in_process.leaked() != []


def test_each_error_is_among_the_cases() -> None:
    """No error is left out, besides the one that has a test of its own."""
    assert {case.reason for case in CASES} >= {error.__name__ for error in RotatorError.__subclasses__()} - {
        "Unexpected"
    }


@pytest.mark.parametrize(
    "value", [Answer(host="", headers={"Location": PASSWORD}, body=PASSWORD.encode()), Published(text=PASSWORD)]
)
def test_no_repr_shows_what_was_received(value: object) -> None:
    """A traceback or a debugger may print it."""
    assert leaks(repr(value), [PASSWORD]) == []


# Behind the Lambda runtime API


@on_linux
@pytest.mark.parametrize("case", ONE_FOR_EACH, ids=lambda case: case.name)
def test_no_secret_gets_out_of_the_lambda_runtime(behind_the_runtime: BehindTheRuntime, case: Case) -> None:
    """Neither the result nor anything that the function, the runtime and its emulator print has a piece of a canary."""
    assert (behind_the_runtime.happen(case), behind_the_runtime.leaked()) == (case.reason, [])


BROKEN = f"""
from mx_token_rotator.handler import handler
from mx_token_rotator.refresh import Run

def fail(run):
    raise RuntimeError({REFUSAL!r})

Run.outcomes = fail
"""


@on_linux
def test_no_secret_gets_out_of_the_lambda_runtime_when_the_function_fails_unexpectedly(
    behind_the_runtime: BehindTheRuntime, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The runtime learns nothing of an exception whose text has secrets."""
    (tmp_path / "broken.py").write_text(BROKEN)
    monkeypatch.setattr(behind_the_runtime, "handler", "broken.handler")
    case = Case(variables={"PYTHONPATH": str(tmp_path)})

    assert (behind_the_runtime.happen(case), behind_the_runtime.leaked()) == ("Unexpected", [])


@on_linux
@pytest.mark.parametrize(
    "words", ["[DEBUG] Adding metric: TokenRefreshed", '\n    "level"', '"_aws":{', '"outcomes": [']
)
def test_what_is_searched_has_all_that_the_lambda_runtime_writes(
    behind_the_runtime: BehindTheRuntime, words: str
) -> None:
    """What libraries write at DEBUG, what Powertools writes for people, metrics, and the result."""
    behind_the_runtime.happen(Case())

    assert behind_the_runtime.shows(words)


# Deployed


@pytest.mark.parametrize(
    "case", [case for case in ONE_FOR_EACH if not (case.variables or case.refused)], ids=lambda case: case.name
)
def test_no_secret_gets_out_of_the_deployed_function(deployed: Deployed, case: Case) -> None:
    """Its result, its log group with the metrics in it, and the log's tail have no piece of a canary."""
    assert (deployed.happen(case), deployed.leaked()) == (case.reason, [])


@pytest.mark.parametrize(
    ("message", "reason"), [(PASSWORD, "RequestInvalid"), (report(VERSION), REJECTED)], ids=["no request", "a report"]
)
def test_no_secret_gets_from_the_queue_into_the_log(deployed: Deployed, message: str, reason: str) -> None:
    """A message is served once, whatever it is and whatever comes of it."""
    published, nothing = {TOKENS: PUBLISHED}, {"dry_run": True}
    deployed.happen(Case(event=nothing, secrets=published, token_endpoint=echo(400), api=echo(401)))
    deployed.send(message)
    is_logged = deployed.shows(f'"reason":"{reason}"')

    assert (is_logged, deployed.leaked()) == (True, [])

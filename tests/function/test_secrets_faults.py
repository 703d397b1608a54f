"""Faults of Secrets Manager on the wire: what the docs say comes of each, and what must not come of any."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.function.function import pytest_keeps_its_timer
from tests.function.leaks import leaks
from tests.project.test_docs import rows
from tools.local.faults import down
from tools.local.in_process import (
    DESCRIBE,
    GET_CREDENTIALS,
    GET_TOKEN,
    LABEL,
    PUBLISH,
    TRY_TO_WRITE,
    UNLABEL,
    Checked,
    accounts,
    kind_of,
)
from tools.local.secrets_faults import (
    CASES,
    FAMILIES,
    HEADS,
    ORDINARY,
    STALE,
    Case,
    Result,
    broken,
    by_family,
    rendered,
    tried,
)
from tools.local.secrets_proxy import (
    Call,
    SecretsProxy,
    Wire,
    cut_in_half,
    done_but,
    error,
    instead,
    secrets_proxy,
    stale,
    untroubled,
)

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

pytestmark = pytest.mark.unmeasured  # it doubles the time, and other tests run the same lines

THROTTLED, LOST, HALF = "ThrottlingException (400)", "done, then connection reset", "half an answer"
SELECTED = [
    *(Case(kind, THROTTLED, "always") for kind in ORDINARY),
    *(Case(kind, LOST, "once") for kind in ORDINARY),
    *(Case(kind, HALF, "once") for kind in (GET_TOKEN, DESCRIBE, GET_CREDENTIALS, PUBLISH)),
    *(Case(PUBLISH, trouble, "always") for trouble in (LOST, "connection refused", "no answer in time")),
    *(case for case in CASES if case.trouble == STALE),
]
"""Of the cases that `make faults` tries, those that differ most; it takes minutes for all of them."""
FINE = Checked(
    reasons=("refreshed: expiring",),
    log_ins=2,
    lost_log_ins=0,
    requests=9,
    application_got=("200",),
    needs_person=False,
    printed="",
)

Try = Callable[[Case], Result]


@pytest.fixture(scope="module")
def result_of() -> Iterator[Try]:
    """Return what tries a case, each once."""
    with accounts() as account:

        @cache
        def result_of(case: Case) -> Result:
            with pytest_keeps_its_timer():
                return tried(account(), case)

        yield result_of


def documented(case: Case) -> tuple[str, ...]:
    """Return the cells of a case's row in the docs."""
    (cells,) = (
        cells
        for kind, troubles, *cells in rows(HEADS[case.lasts][0])
        if kind == case.kind and case.trouble in members(troubles)
    )
    return tuple(cells)


def members(troubles: str) -> list[str]:
    """Return the troubles of a cell, in which a whole family may be one word."""
    return [member for each in troubles.split("; ") for member in FAMILIES.get(each, [each])]


@pytest.mark.parametrize("case", SELECTED, ids=", ".join)
def test_what_is_documented_comes_of_a_fault(result_of: Try, case: Case) -> None:
    """`make faults` writes it anew."""
    assert result_of(case).cells() == documented(case)


@pytest.mark.parametrize("case", SELECTED, ids=", ".join)
def test_nothing_worse_comes_of_a_fault(result_of: Try, case: Case) -> None:
    """One log-in is lost at most, an application loses its token only with it, and the function recovers."""
    assert broken(result_of(case)) == []


@pytest.mark.parametrize("case", SELECTED, ids=", ".join)
def test_no_piece_of_a_secret_is_printed_or_returned(result_of: Try, case: Case) -> None:
    """The errors quote what was sent."""
    result = result_of(case)

    assert leaks("".join(each.printed for each in result.checks), result.secrets) == []


@pytest.mark.parametrize("lasts", HEADS)
def test_the_docs_have_every_case(lasts: str) -> None:
    """Each in one row, in the order in which they are tried."""
    listed = [(kind, each) for kind, troubles, *_ in rows(HEADS[lasts][0]) for each in members(troubles)]

    assert sorted(listed) == sorted((case.kind, case.trouble) for case in CASES if case.lasts == lasts)


def test_the_docs_explain_every_family() -> None:
    """In the order in which they are tried."""
    assert [name for name, _ in rows("meets with")] == [*FAMILIES, STALE]


# How results are judged and told


def result(*checks: Checked, recovered_after: str = "at once", versions: int = 2) -> Result:
    """Return what came of a case."""
    return Result(checks=list(checks), recovered_after=recovered_after, versions=versions, secrets=["a-password"])


@pytest.mark.parametrize(
    ("made_up", "found"),
    [
        (result(FINE), []),
        (result(replace(FINE, lost_log_ins=1)), []),
        (result(FINE, replace(FINE, lost_log_ins=2)), ["check 2 lost the tokens of 2 log-ins"]),
        (result(replace(FINE, printed='{"error": "a-password"}')), ["check 1 printed a secret"]),
        (
            result(replace(FINE, application_got=("200", "401"))),
            ["an application lost its token, and no log-in was lost"],
        ),
        (result(replace(FINE, application_got=("401",), lost_log_ins=1)), []),
        (result(FINE, versions=3), ["3 versions were written for 2 log-ins"]),
        (result(FINE, recovered_after=""), ["it did not recover"]),
    ],
)
def test_what_must_not_happen_is_found(made_up: Result, found: list[str]) -> None:
    """And nothing else is."""
    assert broken(made_up) == found


def test_a_row_has_once_what_each_check_said() -> None:
    """What changed from check to check is there in its order."""
    failed = replace(FINE, reasons=("A", "B"), log_ins=0, needs_person=True, application_got=("200", "nothing"))

    assert result(FINE, FINE, failed).cells() == (
        "`refreshed: expiring`, then `A` and `B`",
        "2, then 0",
        "9",
        "no, then yes",
        "200, then 200 and nothing",
        "at once",
    )


def test_faults_of_which_the_same_came_are_one_row() -> None:
    """A row for each kind of request at least."""
    same, other = result(FINE), result(FINE, recovered_after="1 check")
    results = {
        Case(DESCRIBE, LOST, "once"): same,
        Case(GET_TOKEN, LOST, "once"): same,
        Case(GET_TOKEN, THROTTLED, "once"): other,
        Case(GET_TOKEN, HALF, "once"): same,
        Case(GET_TOKEN, HALF, "always"): other,
    }
    cells = "`refreshed: expiring` | 2 | 9 | no | 200"

    assert rendered(results, "once").splitlines()[2:] == [
        f"| {GET_TOKEN} | {LOST}; {HALF} | {cells} | at once |",
        f"| {GET_TOKEN} | {THROTTLED} | {cells} | 1 check |",
        f"| {DESCRIBE} | {LOST} | {cells} | at once |",
    ]


def test_a_whole_family_is_one_word() -> None:
    """In the place of its first member; a part of a family is not."""
    family = list(FAMILIES["a lost answer"])

    assert by_family([THROTTLED, *family, HALF]) == [THROTTLED, "a lost answer", HALF]


@pytest.mark.parametrize(
    ("operation", "arguments", "kind"),
    [
        ("GetSecretValue", {"SecretId": "a/staging/tokens/Web"}, GET_TOKEN),
        ("GetSecretValue", {"SecretId": "a/staging/credentials"}, GET_CREDENTIALS),
        ("DescribeSecret", {"SecretId": "a/staging/credentials"}, DESCRIBE),
        ("PutSecretValue", {"SecretId": "a/staging/tokens/Web", "ClientRequestToken": "published"}, TRY_TO_WRITE),
        ("PutSecretValue", {"SecretId": "a/staging/tokens/Web", "ClientRequestToken": "new"}, PUBLISH),
        ("UpdateSecretVersionStage", {"SecretId": "a/staging/credentials", "MoveToVersionId": "1"}, LABEL),
        ("UpdateSecretVersionStage", {"SecretId": "a/staging/credentials", "RemoveFromVersionId": "1"}, UNLABEL),
        ("CreateSecret", {"Name": "a/staging/tokens/Web"}, "CreateSecret of a token"),
    ],
)
def test_requests_are_told_apart_by_what_they_are_for(operation: str, arguments: dict[str, Any], kind: str) -> None:
    """The function sends most operations for more than one reason."""
    call = Call(operation, arguments.get("SecretId") or arguments["Name"], arguments)

    assert kind_of(call, ["published"]) == kind


# The proxy


@pytest.fixture(scope="module")
def proxy() -> Iterator[SecretsProxy]:
    """Run a Secrets Manager behind a proxy."""
    with secrets_proxy() as running:
        yield running


@pytest.fixture
def client(proxy: SecretsProxy) -> Iterator["SecretsManagerClient"]:
    """Return a client that tries once, and a secret with one value."""
    proxy.choose = lambda _: untroubled
    once = Config(retries={"total_max_attempts": 1})
    client = boto3.client("secretsmanager", endpoint_url=proxy.url, config=once)
    client.create_secret(Name="secret", SecretString="first")
    yield client
    proxy.choose = lambda _: untroubled
    client.delete_secret(SecretId="secret", ForceDeleteWithoutRecovery=True)
    client.close()


def put(client: "SecretsManagerClient") -> str:
    """Put a second value, and return its version or what was in the way."""
    try:
        return client.put_secret_value(SecretId="secret", SecretString="second").get("VersionId", "nothing")
    except ClientError as failure:
        return failure.response["Error"]["Code"]
    except BotoCoreError as failure:
        return type(failure).__name__


@pytest.mark.parametrize(
    ("wire", "came", "value"),
    [
        (error("ThrottlingException", 400), "ThrottlingException", "first"),
        (instead(down()), "ConnectionClosedError", "first"),
        (done_but(down()), "ConnectionClosedError", "second"),
        (cut_in_half, "nothing", "second"),
    ],
)
def test_a_fault_says_whether_the_request_was_served(
    proxy: SecretsProxy, client: "SecretsManagerClient", wire: Wire, came: str, value: str
) -> None:
    """Whatever the client got to know."""
    proxy.choose = lambda _: wire
    answered = put(client)

    assert (answered, proxy.ask("GetSecretValue", "secret").document["SecretString"]) == (came, value)


def test_a_stale_read_has_the_value_from_before_the_last_change(
    proxy: SecretsProxy, client: "SecretsManagerClient"
) -> None:
    """Requests that change nothing do not count."""
    version = put(client)
    client.put_secret_value(SecretId="secret", SecretString="second", ClientRequestToken=version)
    proxy.choose = lambda _: stale

    assert client.get_secret_value(SecretId="secret")["SecretString"] == "first"


def test_a_stale_read_does_not_know_the_labels_of_the_last_change(
    proxy: SecretsProxy, client: "SecretsManagerClient"
) -> None:
    """Nor the version."""
    before = client.describe_secret(SecretId="secret")["VersionIdsToStages"]
    put(client)
    proxy.choose = lambda _: stale

    assert client.describe_secret(SecretId="secret")["VersionIdsToStages"] == before


def test_a_stale_read_by_version_knows_older_ones_alone(proxy: SecretsProxy, client: "SecretsManagerClient") -> None:
    """What a version holds never changes."""
    first = client.get_secret_value(SecretId="secret")["VersionId"]
    second = put(client)
    proxy.choose = lambda _: stale
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_secret_value(SecretId="secret", VersionId=second)

    assert client.get_secret_value(SecretId="secret", VersionId=first)["SecretString"] == "first"

"""The deployed stack: the real SAM CLI, MiniStack, the real archive, and an application with nothing but boto3.

MiniStack enforces no IAM, which test_policies.py covers; it does not deduplicate EventBridge's messages, and leaves the
placeholder of the scheduled time as it is.
"""

import json
import ssl
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any

import pytest
import requests
import trustme

from moviexchange_auth import TokenSource
from moviexchange_auth.requests import MovieXchangeAuth
from tools.local.aws import PROJECT, LocalAws
from tools.local.faults import down
from tools.local.mx import CHAINS_PATH, SITES_PATH, MovieXchangeStandIn
from tools.local.stack import UPDATER, WEBSITE, Stack, build, eventually
from tools.local.survival import DOCUMENT, TRIALS, Scene, rendered

EVENTS = PROJECT / "events"
QUIET = {"CheckEvery": "rate(19 minutes)"}
SENTENCE = "Web:Foo Tickets (Web)"


@pytest.fixture(scope="module")
def deployed(aws: LocalAws, account_at_mx: MovieXchangeStandIn) -> Stack:
    """Deploy the stack once; reports count at once, and no scheduled run comes in between."""
    hosts = {"AuthUrl": account_at_mx.url, "ApiUrl": account_at_mx.url}
    stack = Stack(aws, QUIET | hosts | {"MinTokenAgeSeconds": "0"})
    stack.deploy()
    return stack


@pytest.fixture
def stack(deployed: Stack, account_at_mx: MovieXchangeStandIn) -> Stack:
    """Return the stack with credentials that movieXchange accepts, and a token from them for each client ID."""
    account_at_mx.token_fault = account_at_mx.api_fault = None
    deployed.replace_credentials(account_at_mx.credentials())
    deployed.wait_until_idle()
    return deployed


# Tokens appear, and stay


@pytest.mark.parametrize("name", [WEBSITE, UPDATER])
def test_an_application_calls_the_api_with_what_one_read_returns(stack: Stack, name: str) -> None:
    """Filled credentials become a token for each client ID, and movieXchange accepts it."""
    assert stack.call_api(name) == 200


def test_the_function_creates_the_token_secrets(stack: Stack) -> None:
    """Nobody has to create or fill them, and their tag says whose they are."""
    secrets = stack.client("secretsmanager")
    tags = [secrets.describe_secret(SecretId=stack.token_secret(name))["Tags"] for name in stack.names]

    assert tags == [[{"Key": "mx-token-rotator:account", "Value": "moviexchange/staging"}]] * 2


def test_the_first_tokens_are_logged_as_such(stack: Stack) -> None:
    """An empty secret is not an error."""
    assert {each["client_id"] for each in stack.outcomes("first")} == {WEBSITE, UPDATER}


def test_new_credentials_replace_every_token(stack: Stack, account_at_mx: MovieXchangeStandIn) -> None:
    """Applications have the new client secret at once."""
    account_at_mx.client_secret = "another-client-secret"
    stack.replace_credentials(account_at_mx.credentials())

    assert [stack.published(name)["client_secret"] for name in stack.names] == ["another-client-secret"] * 2


def test_a_deployment_that_changes_nothing_keeps_the_tokens(stack: Stack) -> None:
    """Published tokens are not part of the template."""
    before = stack.tokens()
    stack.deploy()

    assert stack.tokens() == before


def test_what_is_deployed_is_the_archive(deployed: Stack) -> None:
    """Nothing packs it again on its way, so that its digest at AWS can be compared with another build's."""
    function = deployed.client("lambda").get_function_configuration(FunctionName=deployed.name)

    assert function["CodeSha256"] == b64encode(sha256(build().read_bytes()).digest()).decode()


# Rejected tokens


def test_a_reported_token_is_replaced(stack: Stack, account_at_mx: MovieXchangeStandIn) -> None:
    """An application that saw its token refused sends one event, and a working token appears."""
    refused = stack.published(WEBSITE)
    account_at_mx.revoke(refused["access_token"])
    stack.report_rejected(WEBSITE, refused["version_id"])
    stack.wait_for_another_token(WEBSITE, refused["version_id"])

    assert stack.call_api(WEBSITE) == 200


def test_a_report_of_one_client_id_leaves_the_other_alone(stack: Stack, account_at_mx: MovieXchangeStandIn) -> None:
    """The report names one secret."""
    refused, other = stack.published(WEBSITE), stack.published(UPDATER)
    account_at_mx.revoke(refused["access_token"])
    stack.report_rejected(WEBSITE, refused["version_id"])
    stack.wait_for_another_token(WEBSITE, refused["version_id"])

    assert stack.published(UPDATER) == other


def test_ten_simultaneous_reports_are_one_log_in(stack: Stack, account_at_mx: MovieXchangeStandIn) -> None:
    """The queue hands them to the function one after the other."""
    refused, before, served = stack.published(WEBSITE), account_at_mx.log_ins(), len(stack.outcomes("already replaced"))
    account_at_mx.revoke(refused["access_token"])
    with ThreadPoolExecutor(10) as applications:
        for _ in range(10):
            applications.submit(stack.report_rejected, WEBSITE, refused["version_id"])
    eventually(lambda: len(stack.outcomes("already replaced")) == served + 9)

    assert account_at_mx.log_ins() - before == 1


def test_a_report_of_a_token_that_the_api_accepts_changes_nothing(
    stack: Stack, account_at_mx: MovieXchangeStandIn
) -> None:
    """The function tries the token itself before it logs in."""
    before = account_at_mx.log_ins()
    stack.report_rejected(WEBSITE, stack.published(WEBSITE)["version_id"])
    eventually(lambda: stack.outcomes("still accepted"))

    assert account_at_mx.log_ins() == before


@pytest.fixture
def api_over_tls(
    account_at_mx: MovieXchangeStandIn, authority: trustme.CA, tls: ssl.SSLContext
) -> Iterator[tuple[str, str]]:
    """Serve the account's API over TLS too; return its host, and a file with its certificate authority."""
    with account_at_mx.another_server(tls) as host, authority.cert_pem.tempfile() as bundle:
        yield host, bundle


def test_an_application_with_our_reader_recovers_by_itself(
    stack: Stack, account_at_mx: MovieXchangeStandIn, api_over_tls: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reports the refused token, and uses the next one as soon as that is published."""
    host, bundle = api_over_tls
    monkeypatch.setenv("AWS_ENDPOINT_URL", stack.aws.endpoint)
    account_at_mx.revoke(stack.published(WEBSITE)["access_token"])
    with requests.Session() as application:
        application.trust_env, application.verify = False, bundle
        source = TokenSource(stack.token_secret(WEBSITE), client=stack.aws.session)
        application.auth = MovieXchangeAuth(source, api_hosts=host)
        first = application.get(f"https://{host}{CHAINS_PATH}", timeout=10).status_code
        eventually(lambda: application.get(f"https://{host}{CHAINS_PATH}", timeout=10).ok)

    assert first == 401


# Wrong credentials


@pytest.fixture
def mistyped(stack: Stack, account_at_mx: MovieXchangeStandIn) -> None:
    """Put a wrong password, and wait until it was rejected."""
    stack.fill_credentials(account_at_mx.credentials(password="mistyped"))
    stack.wait_until_idle()


def test_a_mistyped_password_is_one_log_in(stack: Stack, account_at_mx: MovieXchangeStandIn) -> None:
    """However many client IDs there are."""
    before = account_at_mx.log_ins()
    stack.fill_credentials(account_at_mx.credentials(password="mistyped"))
    stack.wait_until_idle()

    assert account_at_mx.log_ins() - before == 1


@pytest.mark.usefixtures("mistyped")
def test_rejected_credentials_are_not_used_again(stack: Stack, account_at_mx: MovieXchangeStandIn) -> None:
    """Neither by checks, nor by reports of the published versions and of one that never was."""
    before = account_at_mx.log_ins()
    for name in stack.names:
        account_at_mx.revoke(stack.published(name)["access_token"])
        stack.report_rejected(name, stack.published(name)["version_id"])
        stack.report_rejected(name, "00000000-0000-0000-0000-000000000000")
    stack.invoke({})
    stack.wait_until_idle()

    assert account_at_mx.log_ins() == before


@pytest.mark.usefixtures("mistyped")
def test_rejected_credentials_cost_no_token(stack: Stack) -> None:
    """What is published works until it expires."""
    assert [stack.call_api(name) for name in stack.names] == [200, 200]


@pytest.mark.usefixtures("mistyped")
def test_a_rejection_is_logged_with_who_must_act(stack: Stack) -> None:
    """Each client ID's line has it."""
    lines = stack.outcomes("CredentialsRejected")[-2:]

    assert {(line["client_id"], line["who"]) for line in lines} == {
        (name, "the owner of the movieXchange or Vista account") for name in stack.names
    }


def test_credentials_can_be_tried_before_they_are_current(stack: Stack, account_at_mx: MovieXchangeStandIn) -> None:
    """A trial says whether movieXchange accepts them, and publishes nothing."""
    before = stack.tokens()
    candidates = [stack.add_candidate(account_at_mx.credentials(**other)) for other in ({}, {"password": "wrong"})]
    outcomes = [stack.invoke({"client_id": WEBSITE, "credentials_version": each})[0]["reason"] for each in candidates]

    assert (outcomes, stack.tokens() == before) == (["credentials accepted", "CredentialsRejected"], True)


@pytest.mark.usefixtures("mistyped")
def test_promoted_credentials_replace_rejected_ones(stack: Stack, account_at_mx: MovieXchangeStandIn) -> None:
    """The label moves, and that starts a run."""
    stack.promote(stack.add_candidate(account_at_mx.credentials()))
    stack.wait_until_idle()

    assert ([stack.call_api(name) for name in stack.names], stack.is_rejected()) == ([200, 200], False)


# Faults


def test_an_outage_of_moviexchange_costs_no_token(stack: Stack, account_at_mx: MovieXchangeStandIn) -> None:
    """What is published stays, and nobody has to act."""
    before = stack.tokens()
    account_at_mx.token_fault = down()
    outcomes = stack.invoke({"force": True})

    assert ({each["who"] for each in outcomes}, stack.tokens()) == ({"nobody"}, before)


def test_a_token_secret_that_is_marked_for_deletion_costs_the_others_nothing(
    stack: Stack, account_at_mx: MovieXchangeStandIn
) -> None:
    """Its outcome says so, and the other client ID has its token."""
    secrets = stack.client("secretsmanager")
    secrets.delete_secret(SecretId=stack.token_secret(WEBSITE))
    version = stack.fill_credentials(account_at_mx.credentials())
    stack.wait_until_idle()
    outcome = next(each for each in stack.invoke({}) if each["client_id"] == WEBSITE)
    secrets.restore_secret(SecretId=stack.token_secret(WEBSITE))

    assert ("deletion" in outcome["error"], stack.published(UPDATER)["credentials_version"]) == (True, version)


@pytest.mark.parametrize(
    "name",
    [
        "token endpoint: OAuth error invalid_grant",
        "token endpoint: an empty body",
        "API: HTTP 404",
        "account: password changed",
    ],
)
def test_a_fault_does_what_the_docs_say(stack: Stack, account_at_mx: MovieXchangeStandIn, name: str) -> None:
    """Its row is the one that `make faults` wrote."""
    survived = Scene(stack, account_at_mx).throw(TRIALS[name])

    assert rendered({name: survived}).splitlines()[-1] in DOCUMENT.read_text().splitlines()


# Requests


def queued(stack: Stack, send: Callable[[], object]) -> str:
    """Return the body of the message that reaches the queue, with the function's polling paused meanwhile."""
    mapping, sqs, queue = stack.resource("QueueMapping"), stack.client("sqs"), stack.resource("Queue")
    functions = stack.client("lambda")
    functions.update_event_source_mapping(UUID=mapping, Enabled=False)
    send()
    (message,) = eventually(lambda: sqs.receive_message(QueueUrl=queue, VisibilityTimeout=0).get("Messages"))
    functions.update_event_source_mapping(UUID=mapping, Enabled=True)
    stack.wait_until_idle()
    body: str = message["Body"]
    return body


def sample(name: str) -> Any:  # noqa: ANN401  whatever the file has
    """Read a sample request."""
    return json.loads((EVENTS / f"{name}.json").read_text())


def body_of(name: str) -> dict[str, str]:
    """Read what the message of a sample says."""
    (record,) = sample(name)["Records"]
    body: dict[str, str] = json.loads(record["body"])
    return body


def test_the_sample_of_a_scheduled_run_is_what_the_schedule_sends(stack: Stack) -> None:
    """AWS puts the time in the placeholder's place."""
    schedule = stack.client("scheduler").get_schedule(Name=stack.resource("Schedule"))

    assert json.loads(schedule["Target"]["Input"]).keys() == body_of("scheduled").keys()


def test_the_sample_of_changed_credentials_is_what_the_rule_sends(
    stack: Stack, account_at_mx: MovieXchangeStandIn
) -> None:
    """A new version of the credentials becomes a message that names it."""
    version = ""

    def fill() -> None:
        nonlocal version
        version = stack.fill_credentials(account_at_mx.credentials())

    assert json.loads(queued(stack, fill)) == body_of("credentials-changed") | {"credentials_changed": version}


def test_the_sample_of_a_rejected_token_is_what_the_rule_sends(stack: Stack) -> None:
    """An application's report becomes a message that names the secret and the version."""
    wanted = body_of("token-rejected")
    came = queued(stack, lambda: stack.report_rejected(WEBSITE, wanted["rejected_version"]))

    assert json.loads(came) == wanted


@pytest.mark.parametrize("name", sorted(path.stem for path in EVENTS.iterdir()))
def test_the_function_serves_each_sample(stack: Stack, name: str) -> None:
    """Every file in events/ is a request that the deployed function understands."""
    assert {each["reason"] for each in stack.invoke(sample(name))} & {"RequestInvalid", "Unexpected"} == set()


def test_a_report_cannot_become_another_request(stack: Stack, account_at_mx: MovieXchangeStandIn) -> None:
    """What an application writes as the version cannot force a log-in."""
    before = account_at_mx.log_ins()
    stack.report_rejected(WEBSITE, 'x", "force": true, "client_id": "_OfflineUpdater", "y": "')
    stack.wait_until_idle()

    assert (account_at_mx.log_ins(), len(stack.outcomes("RequestInvalid"))) == (before, 1)


# Metrics, alarms, dashboard, log

Metric = tuple[str, str, frozenset[tuple[str, str]]]


def emitted(stack: Stack) -> set[Metric]:
    """Read from the function's log what metrics it emits: namespace, name, and dimensions with their values."""
    return {
        (directive["Namespace"], metric["Name"], frozenset((name, line[name]) for name in dimensions))
        for line in stack.logged("CloudWatchMetrics")
        for directive in line["_aws"]["CloudWatchMetrics"]
        for metric in directive["Metrics"]
        for dimensions in directive["Dimensions"]
    }


@pytest.mark.usefixtures("mistyped")
def test_each_alarm_listens_to_a_metric_that_is_emitted(stack: Stack) -> None:
    """An alarm on a set of dimensions that nobody emits would never fire; Lambda emits its own."""
    alarms: set[Metric] = {
        (each["Namespace"], each["MetricName"], frozenset((one["Name"], one["Value"]) for one in each["Dimensions"]))
        for each in stack.alarms()
    }
    of_lambda = ("AWS/Lambda", "Errors", frozenset({("FunctionName", stack.output("FunctionName"))}))

    assert (len(alarms), alarms - emitted(stack)) == (4, {of_lambda})


@pytest.mark.usefixtures("mistyped")
def test_each_metric_has_the_dimensions_of_the_docs(stack: Stack) -> None:
    """All metrics of the stack together, and failures by error too."""
    account = ("Account", "moviexchange/staging")
    rejected = ("Error", "CredentialsRejected")

    assert {each for each in emitted(stack) if dict(each[2]).get("Error") in {None, "CredentialsRejected"}} == {
        ("MovieXchange", "TokenLifeRemaining", frozenset({account})),
        ("MovieXchange", "TokenRefreshed", frozenset({account})),
        ("MovieXchange", "TokenRefreshFailed", frozenset({account})),
        ("MovieXchange", "TokenRefreshFailed", frozenset({account, rejected})),
        ("MovieXchange", "ActionRequired", frozenset({account})),
    }


def test_the_dashboard_graphs_metrics_that_are_emitted(stack: Stack) -> None:
    """Besides searches, and what Lambda emits."""
    widgets = [each["properties"] for each in stack.dashboard()["widgets"] if each["type"] == "metric"]
    lines = [line for widget in widgets for line in widget["metrics"] if line[0] == "MovieXchange"]
    graphed = {(space, name, frozenset({(dimension, value)})) for space, name, dimension, value, *_ in lines}

    assert (len(graphed), graphed - emitted(stack)) == (1, set())


def test_no_secret_is_in_the_log(stack: Stack, account_at_mx: MovieXchangeStandIn) -> None:
    """Whatever the deployed function went through in this file."""
    secrets = [*account_at_mx.credentials().values(), *account_at_mx.access_tokens, "mistyped"]
    log = "\n".join(stack.log_lines())

    assert [secret for secret in secrets if secret in log] == []


# Other accounts


@pytest.fixture
def another(aws: LocalAws, mx: MovieXchangeStandIn) -> Callable[..., Stack]:
    """Return a function that deploys a stack of its own, for an account of its own."""

    def deploy(name: str, client_id: str, **parameters: str) -> Stack:
        stack = Stack(aws, QUIET | {"SecretPrefix": name, "AuthUrl": mx.url} | parameters, name, (client_id,))
        stack.deploy()
        return stack

    return deploy


def test_an_account_of_vistas_digital_platform(mx: MovieXchangeStandIn, another: Callable[..., Stack]) -> None:
    """It has no client secret, an API with a path, and a client ID that is a sentence."""
    stack = another("vista", SENTENCE, ApiUrl=f"{mx.url}/WSVistaWebClient")
    stack.replace_credentials(mx.credentials(client_secret=""))
    tried = [each for each in mx.requests if each.method == "GET"]
    sent = [(each.path, "Authorization" in each.headers, "MX-Api-Client-Secret" in each.headers) for each in tried]

    assert (
        stack.published("Web")["client_id"],
        stack.published("Web")["verified"],
        sent,
        stack.call_api("Web", SITES_PATH),
    ) == (
        "Foo Tickets (Web)",
        True,
        [(f"/WSVistaWebClient{SITES_PATH}", True, False)],
        200,
    )


def test_an_account_without_client_secret_needs_no_other_setting(
    mx: MovieXchangeStandIn, another: Callable[..., Stack]
) -> None:
    """Its tokens are not verified, and nothing fails."""
    stack = another("unverified", SENTENCE)
    stack.replace_credentials(mx.credentials(client_secret=""))
    stack.wait_until_idle()
    levels = {line["level"] for line in stack.logged("level")}

    assert (stack.published("Web")["verified"], levels) == (None, {"INFO"})


def test_an_account_without_the_licence_has_tokens_and_a_message(
    mx: MovieXchangeStandIn, another: Callable[..., Stack]
) -> None:
    """The message names the parameter VerifyPath, and the alarm on it fires."""
    mx.is_licensed = False
    stack = another("unlicensed", WEBSITE, ApiUrl=mx.url)
    stack.replace_credentials(mx.credentials())
    stack.wait_until_idle()
    (line,) = stack.outcomes("TokenRefused")
    counted = ("MovieXchange", "ActionRequired", frozenset({("Account", stack.account)}))

    assert (
        stack.published(WEBSITE)["verified"],
        f"{mx.url}{CHAINS_PATH}" in line["error"],
        "VerifyPath" in line["remedy"],
        counted in emitted(stack),
    ) == (False, True, True, True)

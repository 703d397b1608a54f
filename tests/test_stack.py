"""The deployed stack: the real SAM CLI, MiniStack, EventBridge, the real package, and an app with nothing but boto3.

MiniStack enforces no IAM, reports every failed invocation as Runtime.HandlerError, and gives a secret that
CloudFormation makes an empty text; what IAM would allow is held in test_policies.py.
"""

import json
import re
import ssl
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest
import requests
import trustme

from local.aws import HOUSE, LocalAws
from local.faults import down
from local.mx import MovieXchangeStandIn
from local.stack import UPDATER, WEBSITE, Stack, eventually
from local.survival import DOCUMENT, TRIALS, Scene, rendered
from mx_token_rotator.reader import MovieXchangeAuth

EVENTS = HOUSE / "events"


@pytest.fixture(scope="module")
def deployed(aws: LocalAws, account_at_mx: MovieXchangeStandIn) -> Stack:
    """Build and deploy the stack once; reports count at once, and no tick comes in between."""
    hosts = {"AuthUrl": account_at_mx.url, "ApiUrl": account_at_mx.url}
    stack = Stack(aws, hosts | {"MinTokenAgeSeconds": "0", "CheckEvery": "'rate(19 minutes)'"})
    stack.build()
    stack.deploy()
    return stack


@pytest.fixture
def stack(deployed: Stack, account_at_mx: MovieXchangeStandIn) -> Stack:
    """Give the stack in good health: credentials that movieXchange takes, and a token of theirs for each client ID."""
    account_at_mx.token_fault = account_at_mx.api_fault = None
    deployed.replace_credentials(account_at_mx.credentials())
    return deployed


def version_of(stack: Stack, client_id: str) -> str:
    """Give the version that is published."""
    token = stack.token(client_id)
    assert token is not None
    return token["version_id"]


def call_api(stack: Stack, mx: MovieXchangeStandIn, client_id: str) -> int:
    """Call movieXchange's API as an app does, with what one read of the secret gives."""
    token = stack.token(client_id) or {}
    headers = {"Authorization": f"Bearer {token['access_token']}", "MX-Api-Client-Secret": token["client_secret"]}
    return requests.get(f"{mx.url}/mxs/reference-data/v1/cinema-chains", headers=headers, timeout=10).status_code


@pytest.mark.parametrize("client_id", [WEBSITE, UPDATER])
def test_an_app_calls_the_api_with_what_one_read_gives(
    stack: Stack, account_at_mx: MovieXchangeStandIn, client_id: str
) -> None:
    """Filled credentials become a token for each client ID, and movieXchange takes it."""
    assert call_api(stack, account_at_mx, client_id) == 200


def test_a_secret_that_the_stack_made_is_filled_for_the_first_time(stack: Stack) -> None:
    """Nobody has to put anything into a token secret, and its first value is no repair."""
    assert {each["client_id"] for each in stack.outcomes("first")} == {WEBSITE, UPDATER}


def test_new_credentials_wake_the_function_for_each_client_id(stack: Stack, account_at_mx: MovieXchangeStandIn) -> None:
    """EventBridge tells of the new version, and each token is replaced by one of that version."""
    account_at_mx.client_secret = "another-client-secret"
    stack.replace_credentials(account_at_mx.credentials())

    assert [(stack.token(each) or {})["client_secret"] for each in stack.client_ids] == ["another-client-secret"] * 2


def test_a_reported_rejection_heals(stack: Stack, account_at_mx: MovieXchangeStandIn) -> None:
    """An app that saw its token refused puts one event, and a working token is there."""
    version = version_of(stack, WEBSITE)
    account_at_mx.revoke((stack.token(WEBSITE) or {})["access_token"])
    stack.report_rejected(WEBSITE, version)
    eventually(lambda: version_of(stack, WEBSITE) != version, within=30)

    assert call_api(stack, account_at_mx, WEBSITE) == 200


@pytest.fixture
def api_over_tls(
    account_at_mx: MovieXchangeStandIn, authority: trustme.CA, tls: ssl.SSLContext
) -> Iterator[tuple[str, str]]:
    """Serve the account's API over TLS too; give its host, and a file with the authority that vouches for it."""
    with account_at_mx.another_server(tls) as host, authority.cert_pem.tempfile() as bundle:
        yield host, bundle


def test_an_app_with_our_reader_heals_by_itself(
    stack: Stack,
    account_at_mx: MovieXchangeStandIn,
    api_over_tls: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It reports the refused token, and takes the next one as soon as that is there."""
    host, bundle = api_over_tls
    monkeypatch.setenv("AWS_ENDPOINT_URL", stack.aws.endpoint)
    account_at_mx.revoke((stack.token(WEBSITE) or {})["access_token"])
    with requests.Session() as app:
        app.trust_env, app.verify = False, bundle
        app.auth = MovieXchangeAuth(stack.token_secret(WEBSITE), api_hosts=[host], session=stack.aws.session)
        url = f"https://{host}/mxs/reference-data/v1/cinema-chains"
        first = app.get(url, timeout=10).status_code
        eventually(lambda: app.get(url, timeout=10).ok, within=30)

    assert first == 401


def test_a_rejection_that_is_delivered_twice_is_served_once(stack: Stack) -> None:
    """A duplicate names a version that is not published any more, and is no reason."""
    version = version_of(stack, WEBSITE)
    stack.report_rejected(WEBSITE, version)
    eventually(lambda: version_of(stack, WEBSITE) != version, within=30)
    outcome = stack.invoke({"client_id": WEBSITE, "rejected_version": version})

    assert (outcome["outcome"], outcome["reason"]) == ("kept", "already replaced")


def test_a_rejection_of_one_client_id_leaves_the_other(stack: Stack) -> None:
    """Each client ID's rule hears of its own token alone."""
    website, updater = version_of(stack, WEBSITE), version_of(stack, UPDATER)
    stack.report_rejected(WEBSITE, website)
    eventually(lambda: version_of(stack, WEBSITE) != website, within=30)

    assert version_of(stack, UPDATER) == updater


def test_a_client_id_that_fails_is_not_noticed_by_the_other(stack: Stack, account_at_mx: MovieXchangeStandIn) -> None:
    """One invocation serves one client ID: while one secret is gone, the other is written."""
    secrets = stack.client("secretsmanager")
    version = version_of(stack, WEBSITE)
    secrets.delete_secret(SecretId=stack.token_secret(UPDATER))
    stack.fill_credentials(account_at_mx.credentials())
    eventually(lambda: version_of(stack, WEBSITE) != version, within=30)
    said = stack.invoke({"client_id": UPDATER})["errorMessage"]
    secrets.restore_secret(SecretId=stack.token_secret(UPDATER))

    assert said.startswith(f"GetSecretValue of {stack.token_secret(UPDATER)} failed: InvalidRequestException")


def test_a_rejected_password_costs_no_token(stack: Stack, account_at_mx: MovieXchangeStandIn) -> None:
    """The function says who must act, and what is published keeps working."""
    right = account_at_mx.password
    account_at_mx.password = "changed-at-movieXchange"
    said = stack.invoke({"client_id": WEBSITE, "force": True})["errorMessage"]
    status = call_api(stack, account_at_mx, WEBSITE)
    account_at_mx.password = right

    assert (status, "Who must act: the keeper of the credentials secret" in said) == (200, True)


def test_a_rejected_password_is_tried_once(stack: Stack, account_at_mx: MovieXchangeStandIn) -> None:
    """The label is there for the next tick to see, which says the same and does not log in."""
    right = account_at_mx.password
    account_at_mx.password = "changed-at-movieXchange"
    stack.invoke({"client_id": WEBSITE, "force": True})
    before = account_at_mx.log_ins()
    said = stack.invoke({"client_id": WEBSITE})["errorMessage"]
    account_at_mx.password = right

    assert (account_at_mx.log_ins() - before, said.startswith("MovieXchange rejected version")) == (0, True)


def test_an_outage_of_moviexchange_costs_no_token(stack: Stack, account_at_mx: MovieXchangeStandIn) -> None:
    """While movieXchange is away, what is published stays."""
    version = version_of(stack, WEBSITE)
    account_at_mx.token_fault = down()
    stack.invoke({"client_id": WEBSITE, "force": True})

    assert version_of(stack, WEBSITE) == version


def test_a_failed_request_is_kept_in_the_dead_letter_queue(stack: Stack, account_at_mx: MovieXchangeStandIn) -> None:
    """What EventBridge asked for and the function could not do is there to be read, with the request."""
    account_at_mx.token_fault = down()
    request = {"client_id": WEBSITE, "force": True}
    stack.client("lambda").invoke(FunctionName=stack.name, InvocationType="Event", Payload=json.dumps(request))

    assert eventually(lambda: request in dead_letters(stack), within=30)


def dead_letters(stack: Stack) -> list[object]:
    """Read which requests lie in the dead-letter queue."""
    sqs = stack.client("sqs")
    answer = sqs.receive_message(QueueUrl=stack.resource("DeadLetters"), MaxNumberOfMessages=10, VisibilityTimeout=0)
    return [json.loads(message["Body"])["requestPayload"] for message in answer.get("Messages", [])]


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


def output(stack: Stack, name: str) -> str:
    """Read an output of the stack."""
    (described,) = stack.client("cloudformation").describe_stacks(StackName=stack.name)["Stacks"]
    value: str = next(each["OutputValue"] for each in described["Outputs"] if each["OutputKey"] == name)
    return value


def test_a_deployment_that_changes_nothing_keeps_the_tokens(stack: Stack) -> None:
    """What is published is no part of the template."""
    before = stack.tokens()
    stack.deploy()

    assert stack.tokens() == before


def delivered(stack: Stack, logical_id: str, wake: Any) -> dict[str, Any]:  # noqa: ANN401  any call will do
    """Give a rule's target a twin that keeps what is delivered, wake the rule, and read what came."""
    events, sqs, rule = stack.client("events"), stack.client("sqs"), stack.resource(logical_id)
    queue = sqs.create_queue(QueueName="delivered")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    (target,) = events.list_targets_by_rule(Rule=rule)["Targets"]
    shape = {name: target[name] for name in ("Input", "InputTransformer") if name in target}
    events.put_targets(Rule=rule, Targets=[{"Id": "twin", "Arn": arn, **shape}])
    wake()
    messages = eventually(lambda: sqs.receive_message(QueueUrl=queue).get("Messages"), within=30)
    events.remove_targets(Rule=rule, Ids=["twin"])
    sqs.delete_queue(QueueUrl=queue)
    document: dict[str, Any] = json.loads(messages[0]["Body"])
    return document


def sample(name: str) -> dict[str, Any]:
    """Read a sample request."""
    document: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return document


def test_the_sample_of_a_tick_is_what_the_schedule_delivers(stack: Stack) -> None:
    """The scheduler delivers its input as it stands."""
    scheduler = stack.client("scheduler")
    schedule = scheduler.get_schedule(Name=stack.resource("TickFooTicketsWebsite"), GroupName=stack.name)

    assert json.loads(schedule["Target"]["Input"]) == sample("tick")


def test_the_sample_of_changed_credentials_is_what_the_rule_delivers(
    stack: Stack, account_at_mx: MovieXchangeStandIn
) -> None:
    """A new version of the credentials becomes a request for each client ID."""
    came = delivered(
        stack, "CredentialsChangedFooTicketsWebsite", lambda: stack.fill_credentials(account_at_mx.credentials())
    )

    assert came == sample("credentials-changed")


def test_the_sample_of_a_rejected_token_is_what_the_rule_delivers(stack: Stack) -> None:
    """An app's report becomes a request that names the version."""
    wanted = sample("token-rejected")
    came = delivered(
        stack,
        "TokenRejectedFooTicketsWebsite",
        lambda: stack.report_rejected(WEBSITE, wanted["rejected_version"]),
    )

    assert came == wanted


def test_a_report_cannot_be_made_into_another_request(stack: Stack) -> None:
    """EventBridge does not escape what an app reports; neither force nor another client ID gets through."""
    forged = 'x", "client_id": "FooTickets_OfflineUpdater", "force": true, "dry_run": "'
    came = delivered(stack, "TokenRejectedFooTicketsWebsite", lambda: stack.report_rejected(WEBSITE, forged))

    assert stack.invoke(came)["errorMessage"].startswith("The member rejected_version")


@pytest.mark.parametrize("name", sorted(path.stem for path in EVENTS.iterdir()))
def test_the_function_takes_each_sample(stack: Stack, name: str) -> None:
    """Every file in events/ is a request that the deployed function serves."""
    assert stack.invoke(sample(name))["client_id"] == WEBSITE


def emitted(stack: Stack) -> set[tuple[str, str, frozenset[tuple[str, str]]]]:
    """Read from the function's log what metrics it emits: namespace, name, and dimensions with their values."""
    return {
        (directive["Namespace"], metric["Name"], frozenset((name, line[name]) for name in dimensions))
        for line in stack.logged()
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", [])
        for metric in directive["Metrics"]
        for dimensions in directive["Dimensions"]
    }


def fail_to_log_in(stack: Stack, mx: MovieXchangeStandIn) -> None:
    """Have movieXchange reject the password once."""
    right = mx.password
    mx.password = "changed-at-movieXchange"
    stack.invoke({"client_id": WEBSITE, "force": True})
    mx.password = right


def test_each_alarm_listens_to_a_metric_that_is_emitted(stack: Stack, account_at_mx: MovieXchangeStandIn) -> None:
    """An alarm on a set of dimensions that nobody emits would be silent for ever."""
    fail_to_log_in(stack, account_at_mx)
    stack.client("secretsmanager").delete_secret(SecretId=stack.token_secret(UPDATER))
    stack.invoke({"client_id": UPDATER})
    stack.client("secretsmanager").restore_secret(SecretId=stack.token_secret(UPDATER))
    listened = {
        (each["Namespace"], each["MetricName"], frozenset((one["Name"], one["Value"]) for one in each["Dimensions"]))
        for each in stack.alarms()
        if each["Namespace"] != "AWS/SQS"
    }

    assert (len(listened), listened - emitted(stack)) == (4, set())


Search = tuple[str, str, frozenset[str], str | None]


def searched(stack: Stack) -> set[Search]:
    """Read what the dashboard searches for: namespace, name, the names of the dimensions, and the account if given."""
    form = r"""SEARCH\('{(\w+),([\w,]+)} MetricName="(\w+)"(?: Account="([^"]+)")?', '(?:Minimum|Sum)', 1800\)"""
    found = re.findall(form, "\n".join(line[0]["expression"] for line in graphed(stack) if len(line) == 1))
    return {
        (space, name, frozenset(dimensions.split(",")), account or None) for space, dimensions, name, account in found
    }


def graphed(stack: Stack) -> list[list[Any]]:
    """Read the lines of the dashboard's graphs: each is an expression alone, or a metric with its dimensions."""
    return [line for widget in stack.dashboard()["widgets"] for line in widget["properties"].get("metrics", [])]


def test_the_dashboard_searches_for_what_this_stack_emits(stack: Stack, account_at_mx: MovieXchangeStandIn) -> None:
    """It finds the life of every token, and of failures those of this stack's account."""
    fail_to_log_in(stack, account_at_mx)
    known: set[Search] = {
        (space, name, frozenset(dict(dimensions)), dict(dimensions).get("Account"))
        for space, name, dimensions in emitted(stack)
    }

    assert (len(searched(stack)), searched(stack) - known) == (2, set())


def test_the_dashboard_graphs_the_duration_of_the_function(stack: Stack) -> None:
    """Lambda itself emits it, under the function's name; what is not searched for is this."""
    metrics = {tuple(line[:4]) for line in graphed(stack) if len(line) > 1}

    assert metrics == {("AWS/Lambda", "Duration", "FunctionName", output(stack, "FunctionName"))}


def test_the_alarm_on_dead_letters_listens_to_their_queue(stack: Stack) -> None:
    """SQS itself emits the depth of the queue, under the queue's name."""
    (alarm,) = (each for each in stack.alarms() if each["Namespace"] == "AWS/SQS")

    assert output(stack, "DeadLetterQueueUrl").endswith("/" + alarm["Dimensions"][0]["Value"])


def test_each_metric_of_the_docs_is_emitted(stack: Stack) -> None:
    """All three metrics come out of the deployed function, under the namespace MovieXchange."""
    assert {(namespace, name) for namespace, name, _ in emitted(stack)} == {
        ("MovieXchange", "TokenSecondsRemaining"),
        ("MovieXchange", "TokenRefreshed"),
        ("MovieXchange", "TokenRefreshFailed"),
    }


def test_nothing_secret_is_in_the_log(stack: Stack, account_at_mx: MovieXchangeStandIn) -> None:
    """Whatever the deployed function went through, its log group bears no secret."""
    secrets = [*account_at_mx.credentials().values(), *account_at_mx.access_tokens]
    log = "\n".join(stack.log_lines())

    assert [secret for secret in secrets if secret in log] == []


def test_what_is_deployed_is_the_archive_that_was_packed(deployed: Stack) -> None:
    """Nothing packs it anew on its way, so that its digest at AWS can be compared with another build's."""
    archive = (deployed.aws.folder / "build" / "Rotator.zip").read_bytes()
    function = deployed.client("lambda").get_function_configuration(FunctionName=deployed.name)

    assert function["CodeSha256"] == b64encode(sha256(archive).digest()).decode()

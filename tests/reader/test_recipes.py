"""The recipes of examples/reading, run against a deployed stack and a stand-in of the API over TLS."""

import json
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.reader.recipes import (
    API_HOST,
    NODE,
    PYTHON,
    SECRETS,
    agent,
    answering,
    block,
    calling,
    command,
    copy,
    evaluate,
    refuse_once,
    run,
)
from tools.local.aws import PROJECT, REGION, LocalAws
from tools.local.mx import CHAINS_PATH, MovieXchangeStandIn
from tools.local.stack import WEBSITE, Stack

PREFIX = "recipes"  # other stacks of the emulated account have others
ODD = "A+b=C@d.e"  # a name that must be encoded in an address
CHAINS = [{"id": "1", "name": "Foo Cinemas"}]
AGENT_TOKEN = "an-agent-token"
VISTA_HOST, FOR_VISTA = "digital-api.example.com", "vista/production/tokens/Web"
OF_CONTAINER = {
    "AccessKeyId": "444455556666",  # MiniStack takes a key of twelve digits for one of the account with that number
    "SecretAccessKey": "x",
    "Token": "x",
    "Expiration": "2099-01-01T00:00:00Z",
}

RECIPES = [
    "call_api.ts",
    "with_another_client.py",
    "with_aws_cli.sh",
    "with_boto3.py",
    "with_httpx.py",
    "with_middy.ts",
    "with_powertools.py",
    "with_powertools.ts",
    "with_requests.py",
    "with_sdk.mjs",
    "with_secretsmanager_caching.py",
]
THROUGH_AN_AGENT = ["with_agent.py", "with_lambda_extension.py"]
ASKING_TWICE = [
    "with_powertools.py",
    "with_powertools.ts",
    "with_sdk.mjs",
    "with_secretsmanager_caching.py",
    *THROUGH_AN_AGENT,
]


def python_caller(prepare: str, status: str) -> list[str]:
    """Return the command of an application that calls the API for each line that it gets, and prints the status."""
    return [PYTHON, "-c", f"import sys\n{prepare}\nfor _ in sys.stdin: print({status}, flush=True)"]


CALLERS = {
    "moviexchange.ts": [
        NODE,
        "--input-type=module",
        "--eval",
        f"""
        import {{ createInterface }} from "node:readline";
        import {{ movieXchange }} from "./moviexchange.ts";
        const mx = movieXchange(process.env.SECRET, [process.env.API]);
        for await (const _ of createInterface({{ input: process.stdin }}))
          console.log((await mx.fetch(`https://${{process.env.API}}{CHAINS_PATH}`)).status);
        """,
    ],
    "with_another_client.py": python_caller("import with_another_client as recipe", "recipe.call().status"),
    "with_boto3.py": python_caller("import with_boto3; api = with_boto3.Api()", f'api.get("{CHAINS_PATH}").status'),
}
MIDDY = [
    NODE,
    "--input-type=module",
    "--eval",
    """
    import { createInterface } from "node:readline";
    import { handler } from "./with_middy.ts";
    for await (const _ of createInterface({ input: process.stdin }))
      console.log(await handler({}, {}).then(() => 200, ({ message }) => message.match(/\\d+/)[0]));
    process.exit();
    """,
]
"""A Lambda function that is invoked for each line; it prints the API's status."""


@pytest.fixture(scope="module")
def api(tls: ssl.SSLContext) -> Iterator[tuple[MovieXchangeStandIn, str]]:
    """Run a movieXchange account, and serve its API over TLS too; the value has its host."""
    with MovieXchangeStandIn() as account, account.another_server(tls) as host:
        yield account, host


@pytest.fixture(scope="module")
def stack(aws: LocalAws, api: tuple[MovieXchangeStandIn, str]) -> Stack:
    """Deploy a stack that replaces a reported token of any age, and fill its credentials so that it has tokens."""
    account, _ = api
    parameters = {"AuthUrl": account.url, "ApiUrl": account.url, "SecretPrefix": PREFIX, "MinTokenAgeSeconds": "0"}
    stack = Stack(aws, parameters, name="mx-token-rotator-recipes", client_ids=(WEBSITE, ODD))
    stack.apply()
    stack.replace_credentials(account.credentials())
    return stack


@pytest.fixture(scope="module")
def vista(stack: Stack) -> Stack:
    """Publish a token of Vista's Digital Platform, which has no client secret."""
    document = (stack.token(WEBSITE) or {}) | {"client_secret": ""}
    stack.client("secretsmanager").create_secret(Name=FOR_VISTA, SecretString=json.dumps(document))
    return stack


@pytest.fixture
def account(api: tuple[MovieXchangeStandIn, str]) -> MovieXchangeStandIn:
    """Return the account, with no requests recorded."""
    api[0].requests.clear()
    return api[0]


@pytest.fixture
def environment(
    stack: Stack, api: tuple[MovieXchangeStandIn, str], authority: trustme.CA, tmp_path: Path
) -> dict[str, str]:
    """Return an environment in which a recipe uses the emulated account and trusts the API's certificate."""
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(bundle)
    trust = ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
    other = {"AWS_REGION": REGION, "PYTHONPATH": str(PROJECT / "src" / "reader")}
    names = {"SECRET": stack.token_secret(WEBSITE), "API": api[1]}
    return stack.aws.environment | dict.fromkeys(trust, str(bundle)) | other | names


@pytest.fixture
def folder(api: tuple[MovieXchangeStandIn, str], tmp_path: Path) -> Path:
    """Copy the recipes into a folder; the package knows movieXchange's hosts, so the stand-in's is named to it."""
    auth = f'MovieXchangeAuth("{SECRETS}{WEBSITE}"'
    copy(
        tmp_path,
        {
            auth: f'{auth}, api_hosts="{api[1]}"',
            API_HOST: api[1],
            SECRETS: f"{PREFIX}/staging/tokens/",
            VISTA_HOST: api[1],
        },
    )
    return tmp_path


@pytest.fixture
def agent_queries(
    stack: Stack,
    api: tuple[MovieXchangeStandIn, str],
    environment: dict[str, str],
    tmp_path: Path,
) -> Iterator[list[dict[str, list[str]]]]:
    """Serve secrets like the agent and the extension, to recipes that read the token of the odd name."""
    token_file = tmp_path / "awssmatoken"
    token_file.write_text(f"{AGENT_TOKEN}\n")
    queries: list[dict[str, list[str]]] = []
    with agent(stack.client("secretsmanager"), AGENT_TOKEN, queries) as port:
        copy(
            tmp_path,
            {
                API_HOST: api[1],
                f"{SECRETS}{WEBSITE}": stack.token_secret(ODD),
                "localhost:2773": f"localhost:{port}",
                "/var/run/awssmatoken": str(token_file),
            },
        )
        environment["PARAMETERS_SECRETS_EXTENSION_HTTP_PORT"] = str(port)
        environment["AWS_SESSION_TOKEN"] = AGENT_TOKEN
        yield queries


def replace(stack: Stack, account: MovieXchangeStandIn) -> str:
    """Publish another token, and end the one before, which is returned."""
    before: str = stack.published(WEBSITE)["access_token"]
    stack.invoke({"client_id": WEBSITE, "force": True})
    account.revoke(before)
    return before


def paths(account: MovieXchangeStandIn) -> list[str]:
    """Return the paths that were requested."""
    return [each.path for each in account.requests]


@pytest.mark.parametrize("file", RECIPES)
def test_a_recipe_calls_the_api_with_the_published_token(
    account: MovieXchangeStandIn, environment: dict[str, str], folder: Path, file: str
) -> None:
    """Only the API's host and the secret's prefix are replaced."""
    if file.endswith(".sh") and not all(shutil.which(each, path=environment["PATH"]) for each in ("aws", "jq", "curl")):
        pytest.skip("this machine does not have the programs that the recipe is for")

    assert (run(command(file), folder, environment), paths(account)) == (CHAINS, [CHAINS_PATH])


@pytest.mark.parametrize("file", THROUGH_AN_AGENT)
def test_a_recipe_gets_the_token_from_an_agent_that_demands_its_own_token(
    environment: dict[str, str],
    agent_queries: list[dict[str, list[str]]],
    tmp_path: Path,
    file: str,
) -> None:
    """By a name that is encoded in the address."""
    answer = run(command(file), tmp_path, environment)

    assert (answer, [each["secretId"] for each in agent_queries]) == (CHAINS, [[f"{PREFIX}/staging/tokens/{ODD}"]])


@pytest.mark.parametrize("file", ASKING_TWICE)
@pytest.mark.usefixtures("agent_queries")
def test_a_recipe_asks_again_after_a_401(
    account: MovieXchangeStandIn, environment: dict[str, str], tmp_path: Path, file: str
) -> None:
    """With what it has just read."""
    account.api_fault = refuse_once(account)

    assert (run(command(file), tmp_path, environment), paths(account)) == (CHAINS, [CHAINS_PATH] * 2)


def test_the_agent_is_asked_for_the_newest_token_after_a_401(
    account: MovieXchangeStandIn,
    environment: dict[str, str],
    agent_queries: list[dict[str, list[str]]],
    tmp_path: Path,
) -> None:
    """And not before."""
    account.api_fault = refuse_once(account)
    run(command("with_agent.py"), tmp_path, environment)

    assert [each["refreshNow"] for each in agent_queries] == [["false"], ["true"]]


def test_middy_reads_the_secret_again_after_a_401(
    account: MovieXchangeStandIn, environment: dict[str, str], folder: Path, stack: Stack
) -> None:
    """The invocation fails, and the next one has the token that is published now."""
    with calling(MIDDY, folder, environment) as application:
        statuses = [application.call()]
        replace(stack, account)
        statuses += [application.call(), application.call()]

    assert statuses == [200, 401, 200]


@pytest.mark.parametrize("file", CALLERS)
def test_an_application_goes_on_with_the_newer_token_after_a_401(
    account: MovieXchangeStandIn, environment: dict[str, str], folder: Path, stack: Stack, file: str
) -> None:
    """Its caller does not notice: the older token is sent twice, and refused once."""
    with calling(CALLERS[file], folder, environment) as application:
        statuses = [application.call()]
        older = replace(stack, account)
        statuses.append(application.call())
    sent = [each.headers["Authorization"] for each in account.requests]

    assert (statuses, sent.count(f"Bearer {older}")) == ([200, 200], 2)


@pytest.mark.parametrize("file", CALLERS)
def test_an_application_gets_a_new_token_by_reporting_the_refused_one(
    account: MovieXchangeStandIn, environment: dict[str, str], folder: Path, stack: Stack, file: str
) -> None:
    """The stack answers the report within seconds."""
    refused = stack.published(WEBSITE)
    account.revoke(refused["access_token"])
    with calling(CALLERS[file], folder, environment) as application:
        status = application.call()
    stack.wait_for_another_token(WEBSITE, refused["version_id"])

    assert status == 401


def test_at_the_edge_the_headers_are_added_to_the_request_to_the_origin(
    api: tuple[MovieXchangeStandIn, str], environment: dict[str, str], folder: Path, stack: Stack
) -> None:
    """In CloudFront's way of writing headers: by their names in small letters, with those that are sent."""
    event = {
        "Records": [{"cf": {"request": {"uri": CHAINS_PATH, "headers": {"host": [{"key": "Host", "value": "x"}]}}}}]
    }
    request = run(evaluate("lambda_edge.mjs", f"await handler({json.dumps(event)})"), folder, environment)
    token = stack.published(WEBSITE)

    assert request["headers"] == {
        "host": [{"key": "Host", "value": "x"}],
        "authorization": [{"key": "Authorization", "value": f"Bearer {token['access_token']}"}],
        "mx-api-client-secret": [{"key": "MX-Api-Client-Secret", "value": api[0].client_secret}],
    }


def test_the_recipe_for_vista_sends_authorization_alone(
    account: MovieXchangeStandIn, environment: dict[str, str], folder: Path, vista: Stack
) -> None:
    """The token secret has an empty client secret."""
    answer = run(command("with_vista.py"), folder, environment)
    sent = account.requests[-1].headers

    assert (answer, sent["Authorization"], sent["MX-Api-Client-Secret"]) == (
        {"sites": [{"id": "1", "name": "Foo Cinema"}]},
        f"Bearer {vista.published(WEBSITE)['access_token']}",
        None,
    )


def test_the_lines_without_a_cache_make_the_headers(
    environment: dict[str, str], stack: Stack, folder: Path, account: MovieXchangeStandIn
) -> None:
    """Both of them."""
    code = block("boto3", "python").replace(SECRETS, f"{PREFIX}/staging/tokens/")
    headers = run([PYTHON, "-c", f"{code}print(json.dumps(headers))"], folder, environment)

    assert headers == {
        "Authorization": f"Bearer {stack.published(WEBSITE)['access_token']}",
        "MX-Api-Client-Secret": account.client_secret,
    }


def test_a_report_by_hand_replaces_a_refused_token(
    account: MovieXchangeStandIn, environment: dict[str, str], folder: Path, stack: Stack
) -> None:
    """With the command of the page."""
    refused = stack.published(WEBSITE)
    account.revoke(refused["access_token"])
    report = block("Report by hand", "sh").replace(SECRETS, f"{PREFIX}/staging/tokens/")
    answer = run(["sh", "-c", report.replace("VERSION", refused["version_id"])], folder, environment)
    stack.wait_for_another_token(WEBSITE, refused["version_id"])

    assert answer["FailedEntryCount"] == 0


def test_a_recipe_reads_from_another_account_through_a_role(
    environment: dict[str, str], folder: Path, stack: Stack
) -> None:
    """With the configuration of the page, and the credentials of a container in the application's own account."""
    role = stack.client("iam").create_role(RoleName="website-token", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    config = folder / "config"
    config.write_text(
        block("From another account", "ini").replace("arn:aws:iam::111122223333:role/website-token", role)
    )
    with answering(lambda _: OF_CONTAINER) as port:
        environment |= {
            "AWS_CONFIG_FILE": str(config),
            "AWS_SHARED_CREDENTIALS_FILE": str(folder / "none"),
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{port}/",
        }

        assert run(command("with_boto3.py"), folder, environment) == CHAINS


def test_a_container_of_another_account_does_not_read_by_itself(environment: dict[str, str], folder: Path) -> None:
    """Its own account has no such secret."""
    with answering(lambda _: OF_CONTAINER) as port:
        environment |= {
            "AWS_SHARED_CREDENTIALS_FILE": str(folder / "none"),
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{port}/",
        }
        with pytest.raises(subprocess.CalledProcessError):
            run(command("with_boto3.py"), folder, environment)


def abroad(stack: Stack, host: str, auth: str) -> list[str]:
    """Return an application that calls the API with requests; `auth` is how it makes the class."""
    secret = stack.client("secretsmanager").describe_secret(SecretId=stack.token_secret(WEBSITE))["ARN"]
    for name, own in {
        f'"{SECRETS}{WEBSITE}"': f'"{stack.token_secret(WEBSITE)}", api_hosts="{host}"',
        "ARN": f'"{secret}", api_hosts="{host}"',
        "111122223333": secret.split(":")[4],
    }.items():
        auth = auth.replace(name, own)
    prepare = f"import requests\n{auth}\nsession = requests.Session()\nsession.auth = auth"
    return python_caller(prepare, f'session.get("https://{host}{CHAINS_PATH}", timeout=10).status_code')


OTHER_REGION = {"AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-central-1"}


def test_the_package_reads_and_reports_across_regions_by_the_secrets_arn(
    api: tuple[MovieXchangeStandIn, str], environment: dict[str, str], folder: Path, stack: Stack
) -> None:
    """The clients are for the Region in the ARN."""
    auth = "from moviexchange_auth.requests import MovieXchangeAuth\nauth = MovieXchangeAuth(ARN)"
    refused = stack.published(WEBSITE)
    api[0].revoke(refused["access_token"])
    with calling(abroad(stack, api[1], auth), folder, environment | OTHER_REGION) as application:
        status = application.call()
    stack.wait_for_another_token(WEBSITE, refused["version_id"])

    assert status == 401


def test_the_package_reads_a_replica_and_reports_to_the_stacks_region(
    api: tuple[MovieXchangeStandIn, str], environment: dict[str, str], folder: Path, stack: Stack
) -> None:
    """As on the page. The replica has the same version ids."""
    secrets = stack.client("secretsmanager")
    secrets.replicate_secret_to_regions(
        SecretId=stack.token_secret(WEBSITE), AddReplicaRegions=[{"Region": OTHER_REGION["AWS_REGION"]}]
    )
    refused = stack.published(WEBSITE)
    api[0].revoke(refused["access_token"])
    application = abroad(stack, api[1], block("From another Region", "python"))
    with calling(application, folder, environment | OTHER_REGION) as running:
        status = running.call()
    stack.wait_for_another_token(WEBSITE, refused["version_id"])

    assert status == 401

"""docs/reading-tokens.md: its recipes, run against a deployed stack, and the policy and the report that it shows."""

import json
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import trustme
from moto import mock_aws

from mx_token_rotator_operator.policy import reader_policy
from tools.local.aws import PROJECT, REGION, LocalAws
from tools.local.mx import MovieXchangeStandIn
from tools.local.stack import WEBSITE, Stack

TEXT = (PROJECT / "docs" / "reading-tokens.md").read_text()
SECTIONS: dict[str, str] = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
RECIPES: dict[str, str] = dict(
    re.findall(
        r"^### ([^\n]+)\n.*?^```\w+\n(.*?)^```$",
        SECTIONS["Recipes"].partition("### Elsewhere")[0],
        re.MULTILINE | re.DOTALL,
    )
)
COMMANDS = {"Shell": ["sh"], "JavaScript": [str(Path(sys.executable).parent / "node")]}
SUFFIXES = {"Shell": ".sh", "JavaScript": ".mjs"}
TOOLS = {"Shell": ("aws", "jq", "curl")}
FOR_VISTA = "vista/production/tokens/Web"
PREFIX = "recipes"  # other stacks of the emulated account have others


def example(section: str, language: str) -> str:
    """Return the code block of this language in a section of the page."""
    (code,) = re.findall(rf"^```{language}\n(.*?)^```$", SECTIONS[section], re.MULTILINE | re.DOTALL)
    return str(code)


@pytest.fixture(scope="module")
def api(tls: ssl.SSLContext) -> Iterator[tuple[MovieXchangeStandIn, str]]:
    """Run a movieXchange account, and serve its API over TLS too; the value has its host."""
    with MovieXchangeStandIn() as account, account.another_server(tls) as host:
        yield account, host


@pytest.fixture(scope="module")
def stack(aws: LocalAws, api: tuple[MovieXchangeStandIn, str]) -> Stack:
    """Deploy a stack, and fill its credentials so that a token is published for the recipes' client ID."""
    account, _ = api
    parameters = {"AuthUrl": account.url, "ApiUrl": account.url, "SecretPrefix": PREFIX}
    stack = Stack(aws, parameters, name="mx-token-rotator-recipes")
    stack.deploy()
    stack.replace_credentials(account.credentials())
    return stack


@pytest.fixture
def environment(stack: Stack, authority: trustme.CA, tmp_path: Path) -> dict[str, str]:
    """Return an environment in which a recipe uses the emulated account and trusts the API's certificate."""
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(bundle)
    trust = ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
    other = {"PYTHONPATH": str(PROJECT / "src" / "reader"), "AWS_REGION": REGION}
    return stack.aws.environment | dict.fromkeys(trust, str(bundle)) | other


def run(recipe: str, language: str, folder: Path, environment: dict[str, str]) -> Any:  # noqa: ANN401  JSON
    """Write a recipe into a file, run it, and return the JSON that it printed."""
    file = folder / f"recipe{SUFFIXES.get(language, '.py')}"
    file.write_text(recipe)
    (folder / "node_modules").symlink_to(PROJECT / ".node" / "node_modules")
    done = subprocess.run(  # noqa: S603  the page's own commands
        [*COMMANDS.get(language, [sys.executable]), str(file)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_calls_the_api_with_the_published_token(
    api: tuple[MovieXchangeStandIn, str], environment: dict[str, str], tmp_path: Path, name: str
) -> None:
    """Only the API's host and the secret's prefix are replaced."""
    language = re.match(r"\w+", name)[0]  # type: ignore[index]  # every heading begins with a word
    missing = [tool for tool in TOOLS.get(language, ()) if not shutil.which(tool, path=environment["PATH"])]
    if missing:
        pytest.skip(f"this machine has no {missing[0]}, which the recipe is for")
    _, host = api
    recipe = RECIPES[name].replace("staging-api.moviexchange.com", host)
    recipe = recipe.replace("moviexchange/staging/tokens/", f"{PREFIX}/staging/tokens/")
    recipe = re.sub(r'Auth\(("[^"]+")\)', rf'Auth(\1, api_hosts=["{host}"])', recipe)

    assert run(recipe, language, tmp_path, environment) == [{"id": "1", "name": "Foo Cinemas"}]


def test_the_recipe_for_vistas_digital_platform_sends_authorization_alone(
    stack: Stack, api: tuple[MovieXchangeStandIn, str], environment: dict[str, str], tmp_path: Path
) -> None:
    """The token secret has an empty client secret."""
    account, host = api
    document = (stack.token(WEBSITE) or {}) | {"client_secret": ""}
    stack.client("secretsmanager").create_secret(Name=FOR_VISTA, SecretString=json.dumps(document))
    recipe = example("Vista's Digital Platform", "python").replace("digital-api.example.com", host)
    answer = run(recipe, "Python", tmp_path, environment)

    assert (answer, account.requests[-1].headers["MX-Api-Client-Secret"]) == (
        {"sites": [{"id": "1", "name": "Foo Cinema"}]},
        None,
    )


def test_every_recipe_is_run() -> None:
    """A heading that is not found would be a recipe that is not run."""
    assert list(RECIPES) == [
        "Python, requests",
        "Shell: AWS CLI, jq and curl",
        "Python, boto3",
        "Python, aws-secretsmanager-caching",
        "Python, Powertools for AWS Lambda",
        "JavaScript, AWS SDK v3",
    ]


def test_the_policy_on_the_page_is_the_one_that_the_operators_tool_prints() -> None:
    """With placeholders for the account and the Region."""
    shown = json.loads(example("Let an application read its token", "json"))

    assert shown == reader_policy("moviexchange/staging", [WEBSITE], "REGION", "ACCOUNT", None)


def test_the_report_on_the_page_is_repeated_at_most_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the version stays current; another version is not reported."""
    now, reports = [0.0], list[str]()
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with mock_aws():
        secrets = boto3.client("secretsmanager")
        version = secrets.create_secret(Name=f"moviexchange/staging/tokens/{WEBSITE}", SecretString="{}")["VersionId"]
        names: dict[str, Any] = {}
        exec(example("At a 401", "python"), names)  # noqa: S102  the page's own code
        names["events"].meta.events.register(
            "before-call", lambda params, **_: reports.append(json.loads(params["body"])["Entries"][0]["Detail"])
        )
        for seconds, refused in ((0, version), (59, version), (1, version), (60, "older")):
            now[0] += seconds
            names["after_a_401"](refused)

    assert reports == [json.dumps({"version_id": version})] * 2

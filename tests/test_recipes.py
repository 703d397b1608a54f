"""Every recipe of docs/reading-tokens.md that says that it is run, run against a deployed stack."""

import json
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from local.aws import HOUSE, REGION, LocalAws
from local.mx import CHAINS, MovieXchangeStandIn
from local.stack import Stack

TEXT = (HOUSE / "docs" / "reading-tokens.md").read_text()
RECIPES = dict(
    re.findall(r"^### ([^\n]+)\n.*?^```\w+\n(.*?)^```$", TEXT.split("### Elsewhere")[0], re.MULTILINE | re.DOTALL)
)
COMMANDS = {"Shell": ["sh"], "JavaScript": [str(Path(sys.executable).parent / "node")]}
SUFFIXES = {"Shell": ".sh", "JavaScript": ".mjs"}
TOOLS = {"Shell": ("aws", "jq", "curl")}


@pytest.fixture(scope="module")
def api(tls: ssl.SSLContext) -> Iterator[tuple[MovieXchangeStandIn, str]]:
    """Run a movieXchange account, and serve its API over TLS too; give its host."""
    with MovieXchangeStandIn() as account, account.another_server(tls) as host:
        yield account, host


@pytest.fixture(scope="module")
def stack(aws: LocalAws, api: tuple[MovieXchangeStandIn, str]) -> Stack:
    """Deploy a stack with a token published, under the names that the recipes use."""
    account, _ = api
    stack = Stack(aws, {"AuthUrl": account.url, "ApiUrl": account.url}, name="recipes")
    stack.build()
    stack.deploy()
    stack.replace_credentials(account.credentials())
    return stack


def run(recipe: str, language: str, folder: Path, environment: dict[str, str]) -> str:
    """Write a recipe into a file, run it, and give what it printed."""
    file = folder / f"recipe{SUFFIXES.get(language, '.py')}"
    file.write_text(recipe)
    (folder / "node_modules").symlink_to(HOUSE / ".node" / "node_modules")
    done = subprocess.run(  # noqa: S603  the docs' own commands
        [*COMMANDS.get(language, [sys.executable]), str(file)],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(HOUSE / "src"), "AWS_REGION": REGION},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_calls_the_api_with_what_it_read(
    stack: Stack, api: tuple[MovieXchangeStandIn, str], authority: trustme.CA, tmp_path: Path, name: str
) -> None:
    """It is run as it stands, but for the API's host."""
    language = re.match(r"\w+", name)[0]  # type: ignore[index]  # every heading begins with a word
    missing = [tool for tool in TOOLS.get(language, ()) if not shutil.which(tool, path=stack.aws.environment["PATH"])]
    if missing:
        pytest.skip(f"this machine has no {missing[0]}, which the recipe is for")
    _, host = api
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(bundle)
    trusting = ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
    environment = stack.aws.environment | dict.fromkeys(trusting, str(bundle))
    recipe = RECIPES[name].replace("staging-api.moviexchange.com", host)
    recipe = re.sub(r'Auth\(("[^"]+")\)', rf'Auth(\1, api_hosts=["{host}"])', recipe)

    assert json.loads(run(recipe, language, tmp_path, environment)) == CHAINS


def test_every_tested_recipe_is_found() -> None:
    """A heading that nobody finds would be a recipe that nobody runs."""
    assert list(RECIPES) == [
        "Python, requests",
        "Shell: AWS CLI, jq and curl",
        "Python, boto3",
        "Python, aws-secretsmanager-caching",
        "Python, Powertools for AWS Lambda",
        "JavaScript, AWS SDK v3",
    ]

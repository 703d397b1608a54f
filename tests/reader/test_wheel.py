"""moviexchange_auth as a package of its own: its wheel, its types, its size, and the examples that it shows."""

import ast
import doctest
import gc
import os
import re
import socket
import ssl
import subprocess
import sys
import tomllib
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import boto3
import httpx
import pytest
import requests
import trustme
from flit_core import buildapi  # type: ignore[import-untyped]  # it has no types
from moto import mock_aws

import moviexchange_auth.httpx
import moviexchange_auth.requests
from moviexchange_auth import TokenSource
from tests.reader.app import rfc_3339
from tools.local.aws import PROJECT
from tools.local.mx import Issued, MovieXchangeStandIn

FOLDER = PROJECT / "src" / "reader"
MODULES = sorted((FOLDER / "moviexchange_auth").glob("*.py"))
README = (FOLDER / "README.md").read_text()
PUBLIC = ["moviexchange_auth", "moviexchange_auth.requests", "moviexchange_auth.httpx"]
API_NAMES = ("staging-api.moviexchange.com", "digital-api.example.com")
USER = """
import asyncio

import httpx
import requests

from moviexchange_auth import ClientSecretError, Token, TokenError, TokenSource
from moviexchange_auth import httpx as for_httpx
from moviexchange_auth import requests as for_requests

source = TokenSource("a-secret", max_age=60.0, client=None, event_bus=None)
headers: dict[str, str] = source.headers(min_life=60)
token: Token = source.token()
newer: Token | None = source.refused(token.version, report=False)
text: str = token.access_token + token.version + token.expires_at.isoformat()
fresh = source.browser_token(min_life=60)["fresh"]
errors: list[type[TokenError]] = [TokenError, ClientSecretError]


def should_report(answer: requests.Response) -> bool:
    return "members" not in answer.url


session = requests.Session()
session.auth = for_requests.MovieXchangeAuth(source, api_hosts="api.example.com", should_report=should_report)
client = httpx.Client(auth=for_httpx.MovieXchangeAuth("a-secret", api_hosts=["api.example.com"], event_bus="a-bus"))


async def main() -> str:
    async with httpx.AsyncClient(auth=for_httpx.MovieXchangeAuth(source)) as asynchronous:
        await asynchronous.get("https://api.example.com", headers=await source.aheaders())
    return (await source.atoken(min_life=60.0)).version


asyncio.run(main())
"""
"""A module of an application."""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what the wheel installs."""
    folder, here = tmp_path_factory.mktemp("wheel"), Path.cwd()
    os.chdir(FOLDER)
    try:
        name = buildapi.build_wheel(str(folder))
    finally:
        os.chdir(here)
    with ZipFile(folder / name) as wheel:
        wheel.extractall(folder / "installed")
    return folder / "installed"


def test_the_wheel_has_the_package_and_the_marker_of_its_types(unpacked: Path) -> None:
    """Type checkers look for the marker."""
    found = {str(path.relative_to(unpacked)) for path in (unpacked / "moviexchange_auth").iterdir()}

    assert found == {f"moviexchange_auth/{path.name}" for path in MODULES} | {"moviexchange_auth/py.typed"}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache that spares mypy the second reading of boto3's types."""
    return tmp_path_factory.mktemp("mypy")


def checked(folder: Path, cache: Path, *arguments: str) -> str:
    """Return what a strict mypy for Python 3.10 says, with a folder beside those into which packages are installed."""
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--python-version",
        "3.10",
        "--cache-dir",
        str(cache),
        *arguments,
    ]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=cache, env=environment, capture_output=True, text=True, check=False).stdout  # noqa: S603  our own


def test_a_strict_application_type_checks(unpacked: Path, cache: Path, tmp_path: Path) -> None:
    """Nothing in it is Any by accident: strict mypy also says if one of its ignored errors is none."""
    (tmp_path / "application.py").write_text(USER)

    assert checked(unpacked, cache, str(tmp_path / "application.py")).startswith("Success")


def test_the_package_has_the_types_of_python_3_10(cache: Path, tmp_path: Path) -> None:
    """What Python 3.10 does not have in its standard library is an error."""
    assert checked(tmp_path, cache, str(FOLDER)).startswith("Success")


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_a_module_is_of_python_3_10(module: Path) -> None:
    """Its syntax; mypy checks the names."""
    ast.parse(module.read_text(), feature_version=(3, 10))


def test_boto3_is_the_only_hard_dependency() -> None:
    """Each library for HTTP is an extra."""
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text())["project"]
    extras = {
        name: [re.split(r"\W", each)[0] for each in needed] for name, needed in project["optional-dependencies"].items()
    }

    assert ([re.split(r"\W", each)[0] for each in project["dependencies"]], extras) == (
        ["boto3"],
        {"requests": ["requests"], "httpx": ["httpx"]},
    )


@pytest.mark.parametrize(
    ("module", "missing"),
    [("moviexchange_auth", "requests httpx"), (PUBLIC[1], "httpx"), (PUBLIC[2], "requests")],
)
def test_a_module_imports_only_its_library(module: str, missing: str) -> None:
    """And nothing of the project."""
    code = f"import sys; sys.modules |= dict.fromkeys({missing.split()!r}); import {module}"
    command = [sys.executable, "-P", "-c", code]

    assert subprocess.run(command, env=os.environ | {"PYTHONPATH": str(FOLDER)}, check=False).returncode == 0  # noqa: S603  as above


# Examples


def publish(secret: str, client_secret: str) -> None:
    """Put a token document into a new secret."""
    expires_at = rfc_3339(datetime.now(UTC) + timedelta(hours=12))
    document = (
        f'{{"access_token": "an-access-token", "client_secret": "{client_secret}", "expires_at": "{expires_at}"}}'
    )
    boto3.client("secretsmanager").create_secret(Name=secret, SecretString=document)


@pytest.fixture(scope="module")
def world(authority: trustme.CA) -> Iterator[MovieXchangeStandIn]:
    """Serve the API under its own names, with the secrets that the examples name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*API_NAMES).configure_cert(context)
    with (
        mock_aws(),
        MovieXchangeStandIn(tls=context) as stand_in,
        authority.cert_pem.tempfile() as bundle,
        pytest.MonkeyPatch.context() as patch,
    ):
        port = int(stand_in.url.rsplit(":", 1)[1])
        found = socket.getaddrinfo

        def getaddrinfo(host: Any, service: Any, *others: Any, **options: Any) -> Any:  # noqa: ANN401  the module's own
            known = (host if isinstance(host, str) else (host or b"").decode()) in API_NAMES
            return found("127.0.0.1", port, *others, **options) if known else found(host, service, *others, **options)

        patch.setattr(socket, "getaddrinfo", getaddrinfo)
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
            patch.setenv(name, bundle)
        for name, value in {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "NO_PROXY": "*"}.items():
            patch.setenv(name, value)
        patch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        stand_in.client_secret = "a-client-secret"
        stand_in.access_tokens["an-access-token"] = Issued("_Website", 10**12)
        publish("moviexchange/staging/tokens/_Website", stand_in.client_secret)
        publish("vista/production/tokens/Web", "")
        yield stand_in


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("module", PUBLIC)
def test_the_examples_of_the_classes_work(module: str) -> None:
    """As they stand in the docstrings."""
    loaded = import_module(module)
    names = {"requests": requests, "httpx": httpx, **vars(loaded)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # an example closes nothing
        results = doctest.testmod(loaded, extraglobs=names)
        gc.collect()

    assert results.failed == 0


def test_the_docstring_of_each_public_class_has_an_example() -> None:
    """Of each method and of the others, an expression."""
    classes = [moviexchange_auth.requests.MovieXchangeAuth, moviexchange_auth.httpx.MovieXchangeAuth, TokenSource]

    assert [each.__qualname__ for each in classes if ">>>" not in str(each.__doc__)] == []


def expressions() -> list[str]:
    """Return the example of each public method, and of Token."""
    owners = [moviexchange_auth.TokenSource, moviexchange_auth.Token]
    methods = [
        member for owner in owners for name, member in vars(owner).items() if name[0] != "_" and callable(member)
    ]
    documented = [
        method for method in methods if hasattr(method, "__qualname__") and "moviexchange_auth" in method.__module__
    ]
    found = {each.__qualname__: re.search(r"`((?:await )?source\.[^`]+)`", str(each.__doc__)) for each in documented}
    missing = [name for name, example in found.items() if not example]
    assert not missing, f"no example: {missing}"
    return [example[1] for example in found.values() if example]


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("expression", expressions())
def test_the_example_of_each_method_works(expression: str) -> None:
    """With a token of Vista's, which browsers may have."""
    source = TokenSource("vista/production/tokens/Web")
    code = (
        f"import asyncio\nasync def main(token):\n    return {expression}\nresult = asyncio.run(main(source.token()))"
    )
    names: dict[str, object] = {"source": source}
    exec(code, names)  # noqa: S102  the docstring's own

    assert "result" in names


@pytest.mark.parametrize("code", re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL))
def test_the_readme_shows_what_works(world: MovieXchangeStandIn, capsys: pytest.CaptureFixture[str], code: str) -> None:
    """As it stands there."""
    port = world.url.rpartition(":")[2]
    code = code.replace(API_NAMES[1], f"{API_NAMES[1]}:{port}")  # an event loop uses the port that it was told
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # as above
        exec(code, {"__name__": "__main__"})  # noqa: S102  the page's own
        gc.collect()

    assert re.search(r"Foo Cinema|an-access-token", capsys.readouterr().out)


def test_the_package_is_small() -> None:
    """Whoever adds it to an application can read it first."""
    assert sum(len(path.read_text().splitlines()) for path in MODULES) <= 350


def test_the_readme_fits_on_a_screen() -> None:
    """Of an editor."""
    assert len(README.splitlines()) <= 65

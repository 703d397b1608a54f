"""examples/reading/rendered_page.py: what is in a page, and for how long it may be cached."""

import json
import re
import runpy
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from moto import mock_aws

from moviexchange_auth import ClientSecretError
from tests.reader.recipes import FOLDER

SECRET = "vista/production/tokens/Web"
HOSTILE = "a-token</script><script>alert(1)</script>"
Get = Callable[[str], tuple[dict[str, str], str]]


def publish(hours: float, client_secret: str = "") -> None:
    """Publish a token that expires in so many hours."""
    expires_at = f"{datetime.now(UTC) + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}"
    value = {"access_token": HOSTILE, "client_secret": client_secret, "expires_at": expires_at}
    boto3.client("secretsmanager").put_secret_value(SecretId=SECRET, SecretString=json.dumps(value))


@pytest.fixture
def get() -> Iterator[Get]:
    """Run the application, and return a function that gets headers and text from it."""
    with mock_aws():
        boto3.client("secretsmanager").create_secret(Name=SECRET)
        application = runpy.run_path(str(FOLDER / "rendered_page.py"))["application"]

        def get(path: str) -> tuple[dict[str, str], str]:
            started: list[list[tuple[str, str]]] = []
            body = b"".join(application({"PATH_INFO": path}, lambda _, headers: started.append(headers)))
            return dict(started[0]), body.decode()

        yield get


@pytest.mark.parametrize(
    ("path", "hours", "cache"),
    [("/", 12, "max-age=300"), ("/", 1.2, "max-age=300"), ("/", 1.08, "no-store"), ("/token", 12, "no-store")],
)
def test_a_page_is_cached_if_its_token_lives_longer(get: Get, path: str, hours: float, cache: str) -> None:
    """Than the five minutes, and the hour for which it stays open. The token alone is never cached."""
    publish(hours)

    assert get(path)[0]["Cache-Control"] == cache


def test_a_page_has_its_token_as_data(get: Get) -> None:
    """Whatever the token looks like, it is no markup."""
    publish(12)
    (data,) = re.findall(r'<script id="token" type="application/json">(.*?)</script>', get("/")[1])

    assert json.loads(data)["access_token"] == HOSTILE


def test_the_token_alone_says_when_it_expires(get: Get) -> None:
    """So that a script knows when to ask again."""
    publish(12)

    assert json.loads(get("/token")[1]).keys() == {"access_token", "expires_at", "version", "fresh"}


def test_a_client_secret_never_reaches_a_page(get: Get) -> None:
    """Nor the token that needs one."""
    publish(12, client_secret="a-client-secret")

    with pytest.raises(ClientSecretError):
        get("/")

"""The short recipes in Python of examples/reading: for how long each keeps a token. Time and the API are made up."""

import json
import runpy
from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo
from typing import Any, Self

import boto3
import pytest
import urllib3
from aws_lambda_powertools.utilities.parameters.constants import DEFAULT_PROVIDERS
from moto import mock_aws

from tests.reader.recipes import FOLDER

SECRET = "moviexchange/staging/tokens/_Website"
CLOCKS = ["aws_lambda_powertools.utilities.parameters.base.datetime", "aws_secretsmanager_caching.cache.items.datetime"]


class Clock(datetime):
    """A clock that stands still until it is set."""

    at = datetime(2026, 11, 24, 2).astimezone()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        """Return the time that is set."""
        return cls.fromtimestamp(cls.at.timestamp(), tz)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Publish a token in a made-up account, and return the list of what is then sent to the API."""
    sent: list[str] = []

    def request(*_: str, headers: dict[str, str], **__: object) -> urllib3.HTTPResponse:
        sent.append(headers["Authorization"])
        return urllib3.HTTPResponse(body=b"[]", status=200)

    monkeypatch.setattr("urllib3.request", request)
    monkeypatch.setattr("aws_secretsmanager_caching.cache.items.randint", lambda _, longest: longest)
    for clock in CLOCKS:
        monkeypatch.setattr(clock, Clock)
    with mock_aws():
        boto3.client("secretsmanager").create_secret(Name=SECRET)
        yield sent
    DEFAULT_PROVIDERS.clear()


def publish(access_token: str) -> None:
    """Publish a token."""
    text = json.dumps({"access_token": access_token, "client_secret": ""})
    boto3.client("secretsmanager").put_secret_value(SecretId=SECRET, SecretString=text)


@pytest.mark.parametrize("file", ["with_powertools.py", "with_secretsmanager_caching.py"])
def test_a_short_recipe_keeps_a_token_for_five_minutes(
    monkeypatch: pytest.MonkeyPatch, sent: list[str], file: str
) -> None:
    """And no longer."""
    started = Clock.at
    publish("first")
    recipe: dict[str, Any] = runpy.run_path(str(FOLDER / file))
    sent.clear()
    for seconds, access_token in ((0, "first"), (299, "second"), (301, "third")):
        monkeypatch.setattr(Clock, "at", started + timedelta(seconds=seconds))
        publish(access_token)
        recipe["call"]()

    assert sent == ["Bearer first", "Bearer first", "Bearer third"]

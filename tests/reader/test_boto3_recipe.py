"""examples/reading/with_boto3.py: what it keeps, when it reads, and what it reports; time and the API are made up."""

import json
import runpy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
import urllib3
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws

from tests.reader.recipes import FOLDER

SECRET = "moviexchange/staging/tokens/_Website"


@dataclass
class World:
    """The time, the secret, and the API's next answers; and what the recipe did."""

    now: float = 0.0
    is_aws_down: bool = False
    answers: list[int] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    reads: int = 0
    reports: list[str] = field(default_factory=list)
    api: Any = None

    def request(self, _method: str, _url: str, *, headers: dict[str, str], **_: object) -> urllib3.HTTPResponse:
        """Answer a call of the API."""
        self.sent.append(headers["Authorization"])
        return urllib3.HTTPResponse(status=self.answers.pop(0) if self.answers else 200)

    def before_call(self, model: Any, params: Any, **_: object) -> None:  # noqa: ANN401  botocore's
        """Record a call of AWS, or fail in its place."""
        if model.name == "GetSecretValue":
            self.reads += 1
            if self.is_aws_down:
                raise EndpointConnectionError(endpoint_url="https://secretsmanager")
        else:
            self.reports.append(json.loads(params["body"])["Entries"][0]["Detail"])

    def publish(self, access_token: str) -> str:
        """Publish a token, and return its version."""
        text = json.dumps({"access_token": access_token, "client_secret": ""})
        return boto3.client("secretsmanager").put_secret_value(SecretId=SECRET, SecretString=text)["VersionId"]

    def calls(self, *waits: float) -> list[int]:
        """Call the API after each of these times, and return the statuses."""
        statuses = []
        for wait in waits:
            self.now += wait
            statuses.append(self.api.get("/").status)
        return statuses


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Make a world with a published token, and the recipe in it."""
    world = World()
    with mock_aws():
        boto3.client("secretsmanager").create_secret(Name=SECRET)
        world.publish("first")
        monkeypatch.setattr("time.monotonic", lambda: world.now)
        monkeypatch.setattr("urllib3.request", world.request)
        world.api = runpy.run_path(str(FOLDER / "with_boto3.py"))["Api"]()
        for client in (world.api._secrets, world.api._events):  # noqa: SLF001  to watch its calls
            client.meta.events.register("before-call", world.before_call)
        yield world


def test_a_token_is_kept_for_five_minutes(world: World) -> None:
    """And read again then."""
    world.calls(0, 299)
    before = world.reads
    world.calls(1)

    assert (before, world.reads) == (1, 2)


def test_while_secrets_manager_is_down_the_token_is_used(world: World) -> None:
    """And the secret is read again every ten seconds."""
    world.calls(0)
    world.is_aws_down = True

    assert (world.calls(300, 9, 1), world.reads) == ([200, 200, 200], 3)


def test_without_a_token_the_failure_is_passed_on(world: World) -> None:
    """As it is."""
    world.is_aws_down = True

    with pytest.raises(EndpointConnectionError):
        world.calls(0)


def test_after_a_401_a_newer_token_is_tried(world: World) -> None:
    """And nothing is reported."""
    world.calls(0)
    world.publish("second")
    world.answers = [401]

    assert (world.calls(1), world.sent[1:], world.reports) == ([200], ["Bearer first", "Bearer second"], [])


def test_a_refused_token_is_reported_once_a_minute(world: World) -> None:
    """By its version."""
    version = world.publish("second")
    world.answers = [401, 401, 401]
    world.calls(0, 59, 1)

    assert world.reports == [json.dumps({"version_id": version})] * 2


def test_what_was_accepted_within_the_last_minute_is_not_reported(world: World) -> None:
    """A 401 may mean that a visitor must sign in."""
    world.answers = [200, 401, 401]
    world.calls(0, 59)
    early = len(world.reports)
    world.calls(1)

    assert (early, len(world.reports)) == (0, 1)


def test_that_the_version_before_was_accepted_does_not_count(world: World) -> None:
    """A newer one that is refused at once is reported."""
    world.calls(0)
    version = world.publish("second")
    world.answers = [401, 401, 401]
    world.calls(1, 1)

    assert world.reports == [json.dumps({"version_id": version})]


def test_a_403_is_left_alone(world: World) -> None:
    """It says that the account may not make this call."""
    world.answers = [403]

    assert (world.calls(0), world.reads, world.reports) == ([403], 1, [])

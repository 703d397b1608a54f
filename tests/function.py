"""The whole function in one process: its handler after a cold start, on moto's Secrets Manager."""

import importlib
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest
from moto import mock_aws

from local.stack import issued_earlier
from mx_token_rotator.vault import refresh_token_secret

CLIENT_ID = "FooTickets_Website"
ACCOUNT = "moviexchange/staging"
TOKEN_SECRET = f"{ACCOUNT}/tokens/{CLIENT_ID}"
REQUEST = {"client_id": CLIENT_ID}


class Context:
    """What Lambda tells a function of its invocation."""

    function_name = "mx-token-rotator"
    function_version = "$LATEST"
    memory_limit_in_mb = 1769
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:mx-token-rotator"
    aws_request_id = "8f5e1a3c"
    seconds_left = 60.0

    def get_remaining_time_in_millis(self) -> int:
        """Tell the time that is left."""
        return int(self.seconds_left * 1000)


@dataclass
class Rotator:
    """The function after a cold start, with the calls that it makes of Secrets Manager."""

    module: ModuleType
    calls: list[str] = field(default_factory=list)

    def __call__(self, event: object, context: Context | None = None) -> dict[str, Any]:
        """Invoke the function."""
        self.calls.clear()
        # pytest gives each phase of a test another standard output; the logger took the one of the cold start.
        self.module.logger.logger_handler.stream = sys.stdout
        outcome: dict[str, Any] = self.module.handler(event, context or Context())
        return outcome

    def fill(self, credentials: dict[str, str]) -> None:
        """Put credentials as their keeper does."""
        self.module.secrets_manager.put_secret_value(
            SecretId=f"{ACCOUNT}/credentials", SecretString=json.dumps(credentials)
        )

    def age(self, by: timedelta) -> None:
        """Have what is published issued so much earlier than it was."""
        aged = issued_earlier(self.published(), by)
        self.module.secrets_manager.put_secret_value(SecretId=TOKEN_SECRET, SecretString=json.dumps(aged))

    def published(self) -> dict[str, str]:
        """Read the token secret as an app does."""
        answer = self.module.secrets_manager.get_secret_value(SecretId=TOKEN_SECRET)
        document: dict[str, str] = json.loads(answer["SecretString"])
        return document


@contextmanager
def cold_start(url: str, environment: pytest.MonkeyPatch) -> Iterator[Rotator]:
    """Start the function cold, in the environment that the stack gives it, with its secrets still empty."""
    variables = {
        "ACCOUNT": ACCOUNT,
        "CLIENT_IDS": CLIENT_ID,
        "REFRESH_AT_PERCENT": "50",
        "MIN_TOKEN_AGE_SECONDS": "0",
        "VERIFY_PATH": "/mxs/reference-data/v1/cinema-chains",
        "KEEP_REFRESH_TOKEN": "false",
        "NATIVE_ROTATION": "false",
        "WATCH_TOKENS": "true",
        "AUTH_URL": url,
        "API_URL": url,
    }
    for name, value in variables.items():
        environment.setenv(name, value)
    with mock_aws():
        environment.delitem(sys.modules, "mx_token_rotator.handler", raising=False)
        environment.delitem(logging.Logger.manager.loggerDict, "mx-token-rotator", raising=False)
        started = Rotator(importlib.import_module("mx_token_rotator.handler"))
        for secret in (f"{ACCOUNT}/credentials", TOKEN_SECRET, refresh_token_secret(ACCOUNT, CLIENT_ID)):
            started.module.secrets_manager.create_secret(Name=secret)
        started.module.secrets_manager.meta.events.register(
            "before-call.secretsmanager", lambda model, **_: started.calls.append(model.name)
        )
        yield started
        started.module.session().close()
        started.module.secrets_manager.close()


def metrics(printed: str) -> dict[str, Any]:
    """Read the metrics out of what the function printed: under each name, its dimensions, value and unit."""
    documents = [json.loads(line) for line in printed.splitlines() if '"CloudWatchMetrics"' in line]
    found = {}
    for document in documents:
        (directive,) = document["_aws"]["CloudWatchMetrics"]
        (dimensions,) = directive["Dimensions"]
        (metric,) = directive["Metrics"]
        (value,) = document[metric["Name"]]
        found[metric["Name"]] = ({name: document[name] for name in dimensions}, value, metric["Unit"])
    return found


def logged(printed: str) -> list[dict[str, Any]]:
    """Read the log lines out of what the function printed."""
    return [document for line in printed.splitlines() if "_aws" not in (document := json.loads(line))]

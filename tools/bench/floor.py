"""The floor: the least code that can do it, without a care for what may go wrong.

`handler` looks at the token alone. `same_calls` makes the calls of the rotator, which also sees new credentials, and
tries a token before it publishes it: what the rotator takes beyond it is the rotator's own.
"""

import json
import os
import time
from typing import Any

import boto3
import requests

ACCOUNT, AUTH_URL, API_URL = (os.environ[name] for name in ("ACCOUNT", "AUTH_URL", "API_URL"))
secrets = boto3.client("secretsmanager")


def handler(event: dict[str, str], _: object) -> None:
    """Replace a token that is past half its life, or that an app saw refused."""
    if is_due(event):
        publish(event["client_id"], *log_in(event["client_id"]))


def same_calls(event: dict[str, str], _: object) -> None:
    """Do the same with the calls that the rotator makes."""
    due = is_due(event)
    secrets.describe_secret(SecretId=f"{ACCOUNT}/credentials")
    if due:
        token, client_secret = log_in(event["client_id"])
        headers = {"Authorization": f"Bearer {token['access_token']}", "MX-Api-Client-Secret": client_secret}
        requests.get(f"{API_URL}{os.environ['VERIFY_PATH']}", headers=headers, timeout=10).raise_for_status()
        publish(event["client_id"], token, client_secret)


def is_due(event: dict[str, str]) -> bool:
    """Look at what is published."""
    published = secrets.get_secret_value(SecretId=f"{ACCOUNT}/tokens/{event['client_id']}")
    due_at = json.loads(published["SecretString"]).get("due_at", 0)
    return event.get("rejected_version") == published["VersionId"] or bool(time.time() >= due_at)


def log_in(client_id: str) -> tuple[dict[str, Any], str]:
    """Get a token, and the client secret that goes with it."""
    credentials = json.loads(secrets.get_secret_value(SecretId=f"{ACCOUNT}/credentials")["SecretString"])
    form = {name: credentials[name] for name in ("username", "password")}
    answer = requests.post(
        f"{AUTH_URL}/connect/token", data=form | {"grant_type": "password", "client_id": client_id}, timeout=10
    )
    answer.raise_for_status()
    return answer.json(), credentials["client_secret"]


def publish(client_id: str, token: dict[str, Any], client_secret: str) -> None:
    """Put it where apps read it."""
    document = token | {"client_secret": client_secret, "due_at": time.time() + token["expires_in"] / 2}
    secrets.put_secret_value(SecretId=f"{ACCOUNT}/tokens/{client_id}", SecretString=json.dumps(document))

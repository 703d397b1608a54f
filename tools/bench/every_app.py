"""Every app for itself: a process that holds the credentials and logs in when its own token ends.

So do OAuth clients inside an application. Nothing is published: each process has its own token, and may read the
user name and password. It stands here as a function, so that one process of such an app is measured as the others are.
"""

import json
import os
from functools import cache

import boto3
import requests

ACCOUNT, AUTH_URL = os.environ["ACCOUNT"], os.environ["AUTH_URL"]
secrets = boto3.client("secretsmanager")


def handler(event: dict[str, str], _: object) -> None:
    """Log in again if the token that this process holds was refused; use it otherwise."""
    if "rejected_version" in event:
        token.cache_clear()
    token(event["client_id"])


@cache
def token(client_id: str) -> str:
    """Log in."""
    form = {name: credentials()[name] for name in ("username", "password")}
    answer = requests.post(
        f"{AUTH_URL}/connect/token", data=form | {"grant_type": "password", "client_id": client_id}, timeout=10
    )
    answer.raise_for_status()
    return str(answer.json()["access_token"])


@cache
def credentials() -> dict[str, str]:
    """Read the credentials, once a process."""
    document: dict[str, str] = json.loads(secrets.get_secret_value(SecretId=f"{ACCOUNT}/credentials")["SecretString"])
    return document

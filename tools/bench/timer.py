"""The timer: the usual script, which logs in and writes on every tick, without looking."""

import json
import os

import boto3
import requests

ACCOUNT, AUTH_URL = os.environ["ACCOUNT"], os.environ["AUTH_URL"]
secrets = boto3.client("secretsmanager")


def handler(event: dict[str, str], _: object) -> None:
    """Log in, and publish."""
    client_id = event["client_id"]
    credentials = json.loads(secrets.get_secret_value(SecretId=f"{ACCOUNT}/credentials")["SecretString"])
    form = {name: credentials[name] for name in ("username", "password")}
    answer = requests.post(
        f"{AUTH_URL}/connect/token", data=form | {"grant_type": "password", "client_id": client_id}, timeout=10
    )
    answer.raise_for_status()
    document = answer.json() | {"client_secret": credentials["client_secret"]}
    secrets.put_secret_value(SecretId=f"{ACCOUNT}/tokens/{client_id}", SecretString=json.dumps(document))

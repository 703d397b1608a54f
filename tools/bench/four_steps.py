"""Four steps: the same job as Secrets Manager's rotation protocol, in the manner of AWS's own rotation templates.

Secrets Manager invokes the function once a step (Secrets Manager's user guide, "Rotation by Lambda function"), on a
schedule of its own. Nothing looks at the token in between, and an app that may not rotate has nobody to tell.
"""

import json
import os
from typing import Any

import boto3
import requests

ACCOUNT, AUTH_URL, API_URL = (os.environ[name] for name in ("ACCOUNT", "AUTH_URL", "API_URL"))
secrets = boto3.client("secretsmanager")


def handler(event: dict[str, str], _: object) -> None:
    """Do one step, if the version is still to be rotated."""
    secret, version = event["SecretId"], event["ClientRequestToken"]
    stages: dict[str, list[str]] = secrets.describe_secret(SecretId=secret)["VersionIdsToStages"]
    if "AWSCURRENT" not in stages.get(version, []):
        {"createSecret": create, "setSecret": leave, "testSecret": test, "finishSecret": finish}[event["Step"]](
            secret, version
        )


def create(secret: str, version: str) -> None:
    """Log in, and keep the token as pending, unless that was done before."""
    secrets.get_secret_value(SecretId=secret, VersionStage="AWSCURRENT")
    try:
        secrets.get_secret_value(SecretId=secret, VersionId=version, VersionStage="AWSPENDING")
    except secrets.exceptions.ResourceNotFoundException:
        document = json.dumps(log_in(secret.rpartition("/")[2]))
        secrets.put_secret_value(
            SecretId=secret, ClientRequestToken=version, SecretString=document, VersionStages=["AWSPENDING"]
        )


def leave(_: str, __: str) -> None:
    """Set nothing: movieXchange knows the token that it issued."""


def test(secret: str, version: str) -> None:
    """Show the pending token to the API."""
    pending = secrets.get_secret_value(SecretId=secret, VersionId=version, VersionStage="AWSPENDING")
    token = json.loads(pending["SecretString"])
    headers = {"Authorization": f"Bearer {token['access_token']}", "MX-Api-Client-Secret": token["client_secret"]}
    requests.get(f"{API_URL}{os.environ['VERIFY_PATH']}", headers=headers, timeout=10).raise_for_status()


def finish(secret: str, version: str) -> None:
    """Make the pending version the current one."""
    stages: dict[str, list[str]] = secrets.describe_secret(SecretId=secret)["VersionIdsToStages"]
    current = next(each for each, labels in stages.items() if "AWSCURRENT" in labels)
    secrets.update_secret_version_stage(
        SecretId=secret, VersionStage="AWSCURRENT", MoveToVersionId=version, RemoveFromVersionId=current
    )


def log_in(client_id: str) -> dict[str, Any]:
    """Get a token, with the client secret that goes with it."""
    credentials = json.loads(secrets.get_secret_value(SecretId=f"{ACCOUNT}/credentials")["SecretString"])
    form = {name: credentials[name] for name in ("username", "password")}
    answer = requests.post(
        f"{AUTH_URL}/connect/token", data=form | {"grant_type": "password", "client_id": client_id}, timeout=10
    )
    answer.raise_for_status()
    return {**answer.json(), "client_secret": credentials["client_secret"]}

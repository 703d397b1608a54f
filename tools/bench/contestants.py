"""What people would write instead: each handler does the job with little code, and without care for what can fail.

This file is the whole package of a contestant, beside `requests` and what that needs. A request names the client ID,
and the rejected version if an application reports one.

floor           the fewest calls that can replace a token
floor_with_get  the same, after the GET that shows whether the API still accepts the reported token
same_calls      the calls that the rotator makes
four_steps      a rotation function for Secrets Manager, in the manner of AWS's templates
every_app       an application that logs in by itself; it is measured like the others, but needs no Lambda
"""

import json
import os
import time
from functools import cache
from typing import Any

import boto3
import requests

ACCOUNT, AUTH_URL, API_URL = (os.environ[name] for name in ("ACCOUNT", "AUTH_URL", "API_URL"))
VERIFY_URL = f"{API_URL}/mxs/reference-data/v1/cinema-chains"
secrets = boto3.client("secretsmanager")


def floor(event: dict[str, str], _: object) -> None:
    """Replace a token that is past half of its lifetime, or that was reported."""
    if is_due(read(event), event):
        publish(event, log_in(event["client_id"]))


def floor_with_get(event: dict[str, str], _: object) -> None:
    """Do the same, but not if the API accepts what was reported."""
    published = read(event)
    if is_due(published, event) and verify(json.loads(published["SecretString"])) != requests.codes.ok:
        publish(event, log_in(event["client_id"]))


def same_calls(event: dict[str, str], _: object) -> None:
    """Make the rotator's calls, in its order."""
    published = read(event)
    secrets.describe_secret(SecretId=f"{ACCOUNT}/credentials")
    if is_due(published, event):
        verify(json.loads(published["SecretString"]))
        text, version = published["SecretString"], published["VersionId"]
        secrets.put_secret_value(SecretId=token_secret(event), SecretString=text, ClientRequestToken=version)
        token = log_in(event["client_id"])
        publish(event, token)
        verify(token)


def four_steps(event: dict[str, str], _: object) -> None:
    """Do one step of a rotation (Secrets Manager's user guide, "Rotation by Lambda function")."""
    secret, version = event["SecretId"], event["ClientRequestToken"]
    stages: dict[str, list[str]] = secrets.describe_secret(SecretId=secret)["VersionIdsToStages"]
    current = next(each for each, labels in stages.items() if "AWSCURRENT" in labels)
    pending = {"SecretId": secret, "VersionId": version, "VersionStage": "AWSPENDING"}
    if event["Step"] == "createSecret":
        secrets.get_secret_value(SecretId=secret, VersionStage="AWSCURRENT")
        try:
            secrets.get_secret_value(**pending)
        except secrets.exceptions.ResourceNotFoundException:
            value = {"ClientRequestToken": version, "SecretString": json.dumps(log_in(secret.rpartition("/")[2]))}
            secrets.put_secret_value(SecretId=secret, VersionStages=["AWSPENDING"], **value)
    elif event["Step"] == "testSecret":
        verify(json.loads(secrets.get_secret_value(**pending)["SecretString"]))
    elif event["Step"] == "finishSecret":
        moved = {"MoveToVersionId": version, "RemoveFromVersionId": current}
        secrets.update_secret_version_stage(SecretId=secret, VersionStage="AWSCURRENT", **moved)


def every_app(event: dict[str, str], _: object) -> None:
    """Log in again if the token that this process holds was refused."""
    if "rejected_version" in event:
        held_token.cache_clear()
    held_token(event["client_id"])


@cache
def held_token(client_id: str) -> dict[str, Any]:
    """Log in, once for each client ID."""
    return log_in(client_id)


def token_secret(event: dict[str, str]) -> str:
    """Return the name of the secret with the token."""
    return f"{ACCOUNT}/tokens/{event['client_id']}"


def read(event: dict[str, str]) -> Any:  # noqa: ANN401  what Secrets Manager answers
    """Read what is published."""
    return secrets.get_secret_value(SecretId=token_secret(event))


def is_due(published: Any, event: dict[str, str]) -> bool:  # noqa: ANN401  the same
    """Return whether the token is past half of its lifetime, or reported."""
    due_at = json.loads(published["SecretString"]).get("due_at", 0)
    return event.get("rejected_version") == published["VersionId"] or bool(time.time() >= due_at)


def log_in(client_id: str) -> dict[str, Any]:
    """Get a token, with the client secret that goes with it."""
    credentials = json.loads(secrets.get_secret_value(SecretId=f"{ACCOUNT}/credentials")["SecretString"])
    form = {name: credentials[name] for name in ("username", "password")}
    form |= {"grant_type": "password", "client_id": client_id}
    answer = requests.post(f"{AUTH_URL}/connect/token", data=form, timeout=10)
    answer.raise_for_status()
    token: dict[str, Any] = answer.json()
    return token | {"client_secret": credentials["client_secret"], "due_at": time.time() + token["expires_in"] / 2}


def verify(token: dict[str, Any]) -> int:
    """Show a token to the API, and return the status."""
    bearer = {"Authorization": f"Bearer {token['access_token']}", "MX-Api-Client-Secret": token["client_secret"]}
    return requests.get(VERIFY_URL, headers=bearer, timeout=10).status_code


def publish(event: dict[str, str], token: dict[str, Any]) -> None:
    """Put a token where applications read it."""
    secrets.put_secret_value(SecretId=token_secret(event), SecretString=json.dumps(token))

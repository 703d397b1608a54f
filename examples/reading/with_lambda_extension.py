"""A Lambda function that calls movieXchange's API with the token from AWS's Parameters and Secrets extension."""

import json
import os
from typing import Any
from urllib.parse import urlencode

import boto3
import urllib3

NAME = "moviexchange/staging/tokens/_Website"
URL = "https://staging-api.moviexchange.com/mxs/reference-data/v1/cinema-chains"
PORT = os.environ.get("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT", "2773")


def handler(_event: object, _context: object) -> Any:
    """Call the API; after a 401, once more with what the secret contains now."""
    answer = call(from_extension())
    if answer.status == 401:
        answer = call(boto3.client("secretsmanager").get_secret_value(SecretId=NAME))
    return answer.json()


def from_extension() -> Any:
    """Read the secret; the extension keeps it for SECRETS_MANAGER_TTL seconds, at most and by default 300."""
    url = f"http://localhost:{PORT}/secretsmanager/get?{urlencode({'secretId': NAME})}"
    headers = {"X-Aws-Parameters-Secrets-Token": os.environ["AWS_SESSION_TOKEN"]}
    answer = urllib3.request("GET", url, headers=headers, timeout=10)
    if answer.status != 200:
        raise RuntimeError(f"The extension answered {answer.status}.")
    return answer.json()


def call(secret: Any) -> urllib3.BaseHTTPResponse:
    """Call the API with the token of a secret."""
    token = json.loads(secret["SecretString"])
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    if token["client_secret"]:
        headers["MX-Api-Client-Secret"] = token["client_secret"]
    return urllib3.request("GET", URL, headers=headers, redirect=False, timeout=10)

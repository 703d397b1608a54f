"""Calls movieXchange's API with the token from the AWS Secrets Manager Agent on the same machine."""

import json
from pathlib import Path
from urllib.parse import urlencode

import urllib3

AGENT = "http://localhost:2773"
AGENT_TOKEN = Path("/var/run/awssmatoken")
NAME = "moviexchange/staging/tokens/_Website"
URL = "https://staging-api.moviexchange.com/mxs/reference-data/v1/cinema-chains"


def call(*, refresh_now: str = "false") -> urllib3.BaseHTTPResponse:
    """Call the API with the token that the agent has, or with what the secret contains now."""
    query = urlencode({"secretId": NAME, "refreshNow": refresh_now})
    agent_headers = {"X-Aws-Parameters-Secrets-Token": AGENT_TOKEN.read_text().strip()}
    secret = urllib3.request("GET", f"{AGENT}/secretsmanager/get?{query}", headers=agent_headers, timeout=10).json()
    token = json.loads(secret["SecretString"])
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    if token["client_secret"]:
        headers["MX-Api-Client-Secret"] = token["client_secret"]
    return urllib3.request("GET", URL, headers=headers, redirect=False, timeout=10)


answer = call()
if answer.status == 401:
    answer = call(refresh_now="true")
print(answer.data.decode())

"""A Lambda function that calls movieXchange's API with the token from Powertools for AWS Lambda."""

from typing import Any

import urllib3
from aws_lambda_powertools.utilities import parameters

NAME = "moviexchange/staging/tokens/_Website"
URL = "https://staging-api.moviexchange.com/mxs/reference-data/v1/cinema-chains"


def handler(_event: object, _context: object) -> Any:
    """Call the API; after a 401, once more with what the secret contains now."""
    answer = call()
    if answer.status == 401:
        answer = call(force_fetch=True)
    return answer.json()


def call(*, force_fetch: bool = False) -> urllib3.BaseHTTPResponse:
    """Call the API with the token that was read at most five minutes ago, or just now."""
    token = parameters.get_secret(NAME, transform="json", max_age=300, force_fetch=force_fetch)
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    if token["client_secret"]:
        headers["MX-Api-Client-Secret"] = token["client_secret"]
    return urllib3.request("GET", URL, headers=headers, redirect=False, timeout=10)

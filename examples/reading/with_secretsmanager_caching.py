"""Calls movieXchange's API with the token from aws-secretsmanager-caching."""

import json

import urllib3
from aws_secretsmanager_caching import SecretCache, SecretCacheConfig

NAME = "moviexchange/staging/tokens/_Website"
URL = "https://staging-api.moviexchange.com/mxs/reference-data/v1/cinema-chains"
CONFIG = SecretCacheConfig(secret_refresh_interval=300)
cache = SecretCache(CONFIG)


def call() -> urllib3.BaseHTTPResponse:
    """Call the API with the cached token."""
    token = json.loads(cache.get_secret_string(NAME))
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    if token["client_secret"]:
        headers["MX-Api-Client-Secret"] = token["client_secret"]
    return urllib3.request("GET", URL, headers=headers, redirect=False, timeout=10)


answer = call()
if answer.status == 401:
    cache = SecretCache(CONFIG)  # cache.refresh_secret_now(NAME) would sleep for 2.5 to 5 seconds first
    answer = call()
print(answer.data.decode())

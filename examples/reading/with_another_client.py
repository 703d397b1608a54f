"""Calls movieXchange's API with a client that has no class of its own, here urllib3."""

import time
from math import inf

import urllib3

from moviexchange_auth import TokenSource

URL = "https://staging-api.moviexchange.com/mxs/reference-data/v1/cinema-chains"
source = TokenSource("moviexchange/staging/tokens/_Website")
accepted_at: dict[str, float] = {}  # by version


def call() -> urllib3.BaseHTTPResponse:
    """Call the API; after a 401, once more with a newer token. If there is none, `refused` reports the token."""
    token = source.token()
    answer = urllib3.request("GET", URL, headers=token.headers(), redirect=False, timeout=10)
    if answer.status < 300:
        accepted_at[token.version] = time.monotonic()
    if answer.status == 401:
        is_suspect = time.monotonic() - accepted_at.get(token.version, -inf) > 60
        if newer := source.refused(token.version, report=is_suspect):
            answer = urllib3.request("GET", URL, headers=newer.headers(), redirect=False, timeout=10)
    return answer


if __name__ == "__main__":
    print(call().data.decode())

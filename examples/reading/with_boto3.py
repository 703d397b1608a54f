"""Calls movieXchange's API with boto3 alone: keeps the token for five minutes, and reports it if it is refused."""

import json
import time
from math import inf
from threading import Lock

import boto3
import urllib3
from botocore.exceptions import BotoCoreError, ClientError

SECRET = "moviexchange/staging/tokens/_Website"
API = "https://staging-api.moviexchange.com"
MAX_AGE, READ_INTERVAL, REPORT_INTERVAL = 300, 10, 60  # seconds


class Api:
    """The API with the token's headers. Threads may share an instance."""

    def __init__(self) -> None:
        """Read nothing yet."""
        self._secrets, self._events = boto3.client("secretsmanager"), boto3.client("events")
        self._lock = Lock()
        self._version, self._headers = "", dict[str, str]()
        self._read_at = self._tried_at = self._accepted_at = self._reported_at = -inf

    def get(self, path: str) -> urllib3.BaseHTTPResponse:
        """Call the API; after a 401, once more if there is a newer token."""
        version, headers = self._token()
        answer = self._send(path, headers)
        if answer.status < 300:
            self._accepted_at = time.monotonic()
        if answer.status != 401:
            return answer
        newer, headers = self._token(refused=version)
        if newer != version:
            return self._send(path, headers)
        self._report(version)
        return answer

    def _send(self, path: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        return urllib3.request("GET", API + path, headers=headers, redirect=False, timeout=10)

    def _token(self, refused: str | None = None) -> tuple[str, dict[str, str]]:
        with self._lock:
            is_due = time.monotonic() - self._read_at >= MAX_AGE or refused == self._version
            if is_due and time.monotonic() - self._tried_at >= READ_INTERVAL:
                try:
                    self._read()
                except (BotoCoreError, ClientError):
                    if not self._headers:
                        raise
                    self._tried_at = time.monotonic()
            return self._version, self._headers

    def _read(self) -> None:
        secret = self._secrets.get_secret_value(SecretId=SECRET)
        token = json.loads(secret["SecretString"])
        self._read_at = time.monotonic()
        if secret["VersionId"] == self._version:
            self._tried_at = self._read_at
            return
        self._version, self._accepted_at = secret["VersionId"], -inf
        self._headers = {"Authorization": f"Bearer {token['access_token']}"}
        if token["client_secret"]:
            self._headers["MX-Api-Client-Secret"] = token["client_secret"]

    def _report(self, version: str) -> None:
        """Report a refused token, unless it was accepted a minute ago: a 401 may mean that a visitor must sign in."""
        if time.monotonic() - max(self._accepted_at, self._reported_at) < REPORT_INTERVAL:
            return
        self._reported_at = time.monotonic()
        detail = json.dumps({"version_id": version})
        self._events.put_events(Entries=[{"Source": SECRET, "DetailType": "Access Token Rejected", "Detail": detail}])


if __name__ == "__main__":
    print(Api().get("/mxs/reference-data/v1/cinema-chains").data.decode())

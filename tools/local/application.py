"""Calls the stand-in's API as an application does; the command `call-api` of `make local` runs this.

It finds AWS by the environment alone, as any application does.
"""

import json
import sys
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import boto3

from tools.local.stack import StillWaiting, eventually

HEALED_WITHIN = 20.0  # seconds


def read(secret: str) -> dict[str, Any]:
    """Read a token, and the version that it has."""
    answer = boto3.client("secretsmanager").get_secret_value(SecretId=secret)
    document: dict[str, Any] = json.loads(answer["SecretString"])
    return document | {"version_id": answer["VersionId"]}


def call(url: str, token: dict[str, Any]) -> int:
    """Call the API with a token, print what came of it, and return the status."""
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    if token["client_secret"]:
        headers["MX-Api-Client-Secret"] = token["client_secret"]
    try:
        with urlopen(Request(url, headers=headers), timeout=10) as answer:  # noqa: S310  the stand-in's address
            status, body = answer.status, answer.read().decode()
    except HTTPError as refusal:
        with refusal:
            status, body = refusal.code, refusal.read().decode()
    sys.stdout.write(f"{status} with the version {token['version_id']}: {body}\n")
    return int(status)


def report(secret: str, version_id: str) -> None:
    """Report a version that was refused."""
    detail = json.dumps({"version_id": version_id})
    boto3.client("events").put_events(
        Entries=[{"Source": secret, "DetailType": "Access Token Rejected", "Detail": detail}]
    )


def main(secret: str, url: str) -> int:
    """Call the API; at a 401 report the token, wait for another one, and call again. Return the exit status."""
    token = read(secret)
    status = call(url, token)
    if status == 401:  # noqa: PLR2004  as in the docs
        report(secret, token["version_id"])
        sys.stdout.write("Reported this version. Waiting for another one …\n")
        try:
            newer = eventually(lambda: found if (found := read(secret)) != token else None, within=HEALED_WITHIN)
        except StillWaiting:
            sys.stdout.write(
                "There is none yet. A token that is younger than 15 minutes (MinTokenAgeSeconds) is kept; "
                "mx-token-rotator refresh replaces it whatever its age.\n"
            )
            return 1
        status = call(url, newer or token)
    return int(status != 200)  # noqa: PLR2004  as in the docs


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

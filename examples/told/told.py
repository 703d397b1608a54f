"""Writes a token's headers into a file when it is replaced, and runs a command, for a program that reads files.

python told.py QUEUE_URL moviexchange/staging/tokens/_Website /run/moviexchange/headers systemctl reload website
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import boto3

MAX_AGE = 300  # seconds after which the secret is read without a message, too


def lines(secret_value: str) -> str:
    """Return the headers, one a line."""
    token = json.loads(secret_value)
    headers = [f"Authorization: Bearer {token['access_token']}"]
    if token["client_secret"]:
        headers.append(f"MX-Api-Client-Secret: {token['client_secret']}")
    return "".join(f"{header}\n" for header in headers)


def replace(file: Path, text: str) -> None:
    """Write a file that only its owner can read, at once for whoever reads it."""
    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(text)
    new.replace(file)


def main(queue_url: str, secret_id: str, file: Path, command: list[str]) -> None:
    """Follow the secret until the process is ended."""
    secrets, queue = boto3.client("secretsmanager"), boto3.client("sqs")
    version = ""
    while True:
        secret = secrets.get_secret_value(SecretId=secret_id)
        read_at = time.monotonic()
        if secret["VersionId"] != version:
            replace(file, lines(secret["SecretString"]))
            subprocess.run(command, check=True)
            version = secret["VersionId"]
        while time.monotonic() - read_at < MAX_AGE:
            received = queue.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=20)
            messages = received.get("Messages", [])
            for message in messages:
                queue.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
            if messages:
                break


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4:])

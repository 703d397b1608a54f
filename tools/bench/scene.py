"""The peers of a contestant, and each contestant behind the Lambda runtime API.

Secrets Manager is roto and movieXchange its stand-in, both on loopback and as far away as the real ones are.
"""

import json
import re
import shutil
import ssl
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4
from zipfile import ZipFile

import boto3
import trustme

from tools.bench.far import Call, Far, away
from tools.local.aws import KEY, REGION
from tools.local.demo import StepFailed
from tools.local.lambda_runtime import HANDLER, LambdaRuntime, is_taken, lambda_runtime, reserved_port
from tools.local.mx import MovieXchangeStandIn
from tools.local.stack import DEFAULT_VARIABLES, build, eventually, issued_earlier

SECRETS_AWAY, MOVIEXCHANGE_AWAY = 0.005, 0.080  # seconds there and back: within a Region, and across the internet
LOG_IN = "POST /connect/token"
STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
HTTP = ("requests", "urllib3", "certifi", "idna", "charset_normalizer")
CONTESTANTS = ("floor", "floor_with_get", "same_calls", "four_steps", "every_app")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What one request took, in milliseconds and calls."""

    init: float  # 0 if it was warm
    duration: float  # as Lambda bills it, without INIT
    readable: float  # from the request until the new token was readable; `ended` if none was published
    ended: float  # until the end of the run
    calls: Sequence[str]
    reasons: Mapping[str, int]  # of ours: how many outcomes have each


@dataclass(frozen=True)
class Scene:
    """The peers, the packages of all contestants, and the secrets of one account."""

    secrets: Any
    mx: MovieXchangeStandIn
    far_secrets: Far
    far_mx: Far
    packages: Path
    account: str = "bench/staging"

    def variables(self, client_ids: Sequence[str]) -> dict[str, str]:
        """Return what the stack sets for the function; the others use some of it."""
        return DEFAULT_VARIABLES | {
            "ACCOUNT": self.account,
            "CLIENT_IDS": ",".join(client_ids),
            "MIN_TOKEN_AGE_SECONDS": "0",
            "AUTH_URL": self.far_mx.url,
            "API_URL": self.far_mx.url,
            "AWS_ENDPOINT_URL": self.far_secrets.url,
        }

    def fill(self, client_ids: Sequence[str], *, age: timedelta = timedelta(0)) -> None:
        """Store credentials, and for each client ID a token of that age which comes from them."""
        version = self.renew_credentials()
        now = datetime.now(UTC).replace(microsecond=0)
        for client_id in client_ids:
            token = {"access_token": f"of-{client_id}", "token_type": "Bearer", "verified": True}
            times = {"issued_at": now.isoformat(), "expires_at": (now + timedelta(hours=12)).isoformat()}
            whose = {"client_id": client_id, "client_secret": self.mx.client_secret, "credentials_version": version}
            due = {"due_at": (now - age + timedelta(hours=6)).timestamp()}
            self._store(f"tokens/{client_id}", issued_earlier(token | times, age) | whose | due)

    def renew_credentials(self) -> str:
        """Store the credentials once more, and return their version."""
        return self._store("credentials", self.mx.credentials())

    def published(self, client_id: str) -> tuple[str, dict[str, Any]]:
        """Read a token secret, from near: its version and its document."""
        value = self.secrets.get_secret_value(SecretId=f"{self.account}/tokens/{client_id}")
        return value["VersionId"], json.loads(value["SecretString"])

    def _store(self, name: str, document: Mapping[str, Any]) -> str:
        secret, text = f"{self.account}/{name}", json.dumps(document)
        try:
            return str(self.secrets.put_secret_value(SecretId=secret, SecretString=text)["VersionId"])
        except self.secrets.exceptions.ResourceNotFoundException:
            return str(self.secrets.create_secret(Name=secret, SecretString=text)["VersionId"])

    @contextmanager
    def environment(self, name: str, client_ids: Sequence[str] = ()) -> Iterator["Environment"]:
        """Start an execution environment of a contestant, still cold."""
        package, handler = ("ours", HANDLER) if name == "ours" else ("others", f"contestants.{name}")
        with lambda_runtime(self.packages / package, self.variables(client_ids or [name]), handler=handler) as runtime:
            yield Environment(name, self, runtime)


@dataclass(frozen=True)
class Environment:
    """One contestant in one execution environment."""

    name: str
    scene: Scene
    runtime: LambdaRuntime

    def check(self) -> Sample:
        """Have it check its tokens, as the schedule does."""
        return self.measure([scheduled() if self.name == "ours" else {"client_id": self.name}])

    def report(self) -> Sample:
        """End the published token, report it, and see that there is another one. Raises StepFailed."""
        version, document = self.scene.published(self.name)
        self.scene.mx.access_tokens.pop(document["access_token"], None)
        secret = f"{self.scene.account}/tokens/{self.name}"
        requests: Sequence[object] = [{"client_id": self.name, "rejected_version": version}]
        if self.name == "ours":
            requests = [message({"rejected_version": version, "reported": secret})]
        elif self.name == "four_steps":
            pending = str(uuid4())
            requests = [{"SecretId": secret, "ClientRequestToken": pending, "Step": step} for step in STEPS]
        sample = self.measure(requests)
        another, document = self.scene.published(self.name)
        is_fresh = another != version and document["access_token"] in self.scene.mx.access_tokens
        if not is_fresh and self.name != "every_app":
            raise StepFailed(f"{self.name} published no fresh token")
        return sample

    def measure(self, requests: Sequence[object]) -> Sample:
        """Send requests, and return what they took together."""
        peers = (self.scene.far_secrets, self.scene.far_mx)
        for peer in peers:
            peer.calls.clear()
        before, began = len(self.runtime.printed()), time.perf_counter()
        answers = [self.runtime.invoke(request) for request in requests]
        ended = time.perf_counter()
        if failed := [each for each in answers if isinstance(each, dict) and "errorType" in each]:
            raise StepFailed(f"{self.name} failed: {failed[0]}")

        def durations() -> list[str]:
            return re.findall(r"INVOKE RTDONE\(.*duration: ([\d.]+)ms", self.runtime.printed()[before:])

        eventually(lambda: len(durations()) == len(requests), within=30)
        printed = self.runtime.printed()[before:]
        init = re.search(r"INIT REPORT\(durationMs: ([\d.]+)", printed)
        calls = sorted((call for peer in peers for call in peer.calls), key=lambda call: call.answered_at)
        publication = "UpdateSecretVersionStage" if self.name == "four_steps" else "PutSecretValue"
        return Sample(
            init=float(init[1]) if init else 0.0,
            duration=sum(map(float, durations())),
            readable=(readable_at(calls, publication, ended) - began) * 1000,
            ended=(ended - began) * 1000,
            calls=[call.name for call in calls],
            reasons=Counter(each["reason"] for answer in answers if answer for each in answer["outcomes"]),
        )

    def peak(self) -> int:
        """Return the most memory that its process has had, in bytes."""
        threads = Path(f"/proc/{self.runtime.pid}/task").glob("*/children")
        (child,) = [pid for thread in threads for pid in thread.read_text().split()]
        return int(re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{child}/status").read_text())[0]) * 1024


def readable_at(calls: Sequence[Call], publication: str, ended: float) -> float:
    """Return when the first publication after a log-in was answered, or the end of the run."""
    names = [call.name for call in calls]
    after = calls[names.index(LOG_IN) :] if LOG_IN in names else []
    return next((call.answered_at for call in after if call.name == publication), ended)


def scheduled() -> dict[str, Any]:
    """Return the event of a scheduled run."""
    return message({"scheduled": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"})


def message(body: Mapping[str, str]) -> dict[str, Any]:
    """Return the event of a message of the queue, as the event source mapping sends it."""
    attributes = {"ApproximateReceiveCount": "1"}
    return {"Records": [{"eventSource": "aws:sqs", "body": json.dumps(body), "attributes": attributes}]}


@contextmanager
def roto() -> Iterator[str]:
    """Run roto's Secrets Manager on loopback, and return its address."""
    with reserved_port() as port:
        command = [str(Path(sys.executable).with_name("roto-server")), "--ephemeral", "--port", str(port)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:  # noqa: S603  our own
            try:
                eventually(lambda: is_taken(f"127.0.0.1:{port}"), within=10)
                yield f"http://127.0.0.1:{port}"
            finally:
                server.terminate()


def make_packages(folder: Path, authority: trustme.CA) -> None:
    """Unpack what ships, and make a package of the other contestants beside it; both trust an authority."""
    ours, others = folder / "ours", folder / "others"
    with ZipFile(build()) as archive:
        archive.extractall(ours)
    for part in [path for path in ours.iterdir() if path.name.startswith(HTTP)]:
        shutil.copytree(part, others / part.name)
    shutil.copy(Path(__file__).with_name("contestants.py"), others)
    for package in (ours, others):
        with (package / "certifi" / "cacert.pem").open("ab") as trusted:
            trusted.write(authority.cert_pem.bytes())


@contextmanager
def scene(folder: Path, *, is_far: bool = True) -> Iterator[Scene]:
    """Make the packages in a folder, and set up the peers; nothing is far away without `is_far`."""
    authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    make_packages(folder, authority)
    with (
        roto() as address,
        MovieXchangeStandIn() as mx,
        away(address, SECRETS_AWAY * is_far, tls) as far_secrets,
        away(mx.url, MOVIEXCHANGE_AWAY * is_far, tls) as far_mx,
    ):
        client = boto3.Session(KEY, KEY, region_name=REGION).client("secretsmanager", endpoint_url=address)
        yield Scene(client, mx, far_secrets, far_mx, folder)

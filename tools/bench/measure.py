"""Each contestant behind the Lambda runtime API, in turns: the same machine, the same run, the same peers."""

import io
import json
import os
import re
import shutil
import ssl
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self
from uuid import uuid4
from zipfile import ZIP_DEFLATED, ZipFile

import trustme

from tools.bench.far import Far, away
from tools.bench.imports import profiled
from tools.local.aws import PROJECT, LocalAws
from tools.local.demo import StepFailed
from tools.local.lambda_runtime import HANDLER, LambdaRuntime, environment, lambda_runtime
from tools.local.mx import MovieXchangeStandIn
from tools.local.stack import Stack, eventually

VAULT_AWAY, MOVIEXCHANGE_AWAY = 0.005, 0.080
"""Seconds for the way there and back: within a Region, and across the internet."""
HANDLERS = {
    "ours": HANDLER,
    "ours-compiled": HANDLER,
    "floor": "floor.handler",
    "floor-same-calls": "floor.same_calls",
    "timer": "timer.handler",
    "four-steps": "four_steps.handler",
    "every-app": "every_app.handler",
}
LOOKS = ("ours", "ours-compiled", "floor", "floor-same-calls", "every-app")
"""Those that have quiet ticks; the others log in whenever they are woken."""
PUT_OFF = ("mx_token_rotator.session", "mx_token_rotator.moviexchange")
"""What ours loads at its first log-in."""
HTTP = ("requests", "urllib3", "certifi", "idna", "charset_normalizer")
STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
CROWD = 100
"""Client IDs to heal at once, by as many environments as `heal_all` starts."""
ENVIRONMENTS = 10
PYTHON = PROJECT / ".venv-emulator" / "bin" / "python"
CGROUP = Path("/sys/fs/cgroup/cpu")
PERIOD = 20_000
"""Microseconds within which a share of the CPU is used up; short, so that short invocations feel it too."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one tick or one refresh took, in milliseconds: as its caller waited, and as Lambda bills it without INIT."""

    wall: float
    duration: float
    init: float | None
    invocations: int
    waited: float
    secrets_calls: tuple[str, ...]
    moviexchange_calls: tuple[str, ...]
    log_bytes: int

    @property
    def billed(self) -> float:
        """Give what Lambda bills, INIT included."""
        return self.duration + (self.init or 0)

    def on(self, share: float) -> Self:
        """Say what it would take on a share of a CPU: work grows as the share falls, and waiting does not."""

        def grown(time: float) -> float:
            return self.waited + max(0.0, time - self.waited) / share

        return replace(self, wall=grown(self.wall), duration=grown(self.duration), init=self.init and self.init / share)


@dataclass(frozen=True, kw_only=True)
class Size:
    """A package: its files, their bytes, and those of an archive with compression."""

    files: int
    unpacked: int
    zipped: int


@dataclass(frozen=True, kw_only=True)
class Started:
    """What a cold start leaves in its process: modules beside those of the runtime's client, and bytes of memory."""

    modules: int
    memory: int


@dataclass
class Scene:
    """The peers, and the contestants' packages."""

    stack: Stack
    mx: MovieXchangeStandIn
    vault: Far
    auth: Far
    api: Far
    packages: dict[str, Path] = field(default_factory=dict)
    sizes: dict[str, Size] = field(default_factory=dict)
    archive: int = 0
    """Bytes of what ships, as `make package` packs it."""

    def __post_init__(self) -> None:
        """Make a client that is not far away."""
        self.secrets: Any = self.stack.client("secretsmanager")

    def variables(self) -> dict[str, str]:
        """Give what the stack sets for the function; the others use some of it."""
        crowd = [f"crowd-{number}" for number in range(CROWD)]
        return {
            "ACCOUNT": self.stack.account,
            "CLIENT_IDS": ",".join([*HANDLERS, *crowd]),
            "REFRESH_AT_PERCENT": "50",
            "MIN_TOKEN_AGE_SECONDS": "0",
            "VERIFY_PATH": "/mxs/reference-data/v1/cinema-chains",
            "KEEP_REFRESH_TOKEN": "false",
            "NATIVE_ROTATION": "false",
            "WATCH_TOKENS": "true",
            "AUTH_URL": self.auth.url,
            "API_URL": self.api.url,
            "AWS_ENDPOINT_URL": self.vault.url,
        }

    def build(self, authority: trustme.CA) -> None:
        """Build ours as `make package` does, and the others beside it; all trust the stand-in's authority."""
        self.stack.build()
        ours = self.stack.package
        self.archive = ours.with_suffix(".zip").stat().st_size
        compiled = ours.parent / "compiled"
        shutil.copytree(ours, compiled)
        command = [str(PYTHON), "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(compiled)]
        subprocess.run(command, check=True)  # noqa: S603  our own command
        for name, handler in HANDLERS.items():
            module = handler.partition(".")[0]
            package = {"ours": ours, "ours-compiled": compiled}.get(name, ours.parent / module)
            if not package.exists():
                for part in [path for path in ours.iterdir() if path.name.startswith(HTTP)]:
                    shutil.copytree(part, package / part.name)
                shutil.copy(PROJECT / "bench" / f"{module}.py", package)
            self.packages[name] = package
            self.sizes[name] = size(package)
        for package in set(self.packages.values()):
            with (package / "certifi" / "cacert.pem").open("ab") as trusted:
                trusted.write(authority.cert_pem.bytes())

    def fill(self) -> None:
        """Make the secrets; a token secret holds a document without a token."""
        credentials = json.dumps(self.mx.credentials())
        self.secrets.create_secret(Name=f"{self.stack.account}/credentials", SecretString=credentials)
        for client_id in self.variables()["CLIENT_IDS"].split(","):
            self.secrets.create_secret(Name=self.stack.token_secret(client_id), SecretString="{}")

    def version(self, client_id: str) -> str:
        """Read which version is published, and from near."""
        version: str = self.secrets.get_secret_value(SecretId=self.stack.token_secret(client_id))["VersionId"]
        return version

    @contextmanager
    def contestant(self, name: str, group: Path | None = None) -> Iterator["Contestant"]:
        """Start an execution environment, still cold, in a group of processes if there is one."""
        with lambda_runtime(self.packages[name], self.variables(), handler=HANDLERS[name]) as runtime:
            if group:
                (group / "cgroup.procs").write_text(str(runtime.pid))
            yield Contestant(name, self, runtime)

    def profile(self, name: str) -> tuple[dict[str, float], dict[str, float]]:
        """Say what INIT takes, and then what ours puts off, in milliseconds by whose modules they are."""
        package, module = self.packages[name], HANDLERS[name].rpartition(".")[0]
        later = PUT_OFF if name == "ours" else ()
        return profiled(PYTHON, package, environment(package) | self.variables(), module, *later)

    def started(self, name: str) -> Started:
        """Take a cold start in a process that tells of itself."""
        code = (
            "import json, sys, awslambdaric.bootstrap; from importlib import import_module; before = len(sys.modules);"
            f"import_module({HANDLERS[name].rpartition('.')[0]!r});"
            "pages = int(open('/proc/self/statm').read().split()[1]);"
            "print(json.dumps([len(sys.modules) - before, pages * __import__('resource').getpagesize()]))"
        )
        printed = subprocess.run(  # noqa: S603  our own command
            [str(PYTHON), "-c", code],
            cwd=self.packages[name],
            env=environment(self.packages[name]) | self.variables(),
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        modules, memory = json.loads(printed)
        return Started(modules=modules, memory=memory)


@dataclass(frozen=True)
class Contestant:
    """One contestant in one execution environment."""

    name: str
    scene: Scene
    runtime: LambdaRuntime

    def tick(self) -> Measured:
        """Wake it as the schedule does, with nothing to do."""
        return self._measure([{"client_id": self.name}])

    def report(self, client_id: str = "") -> Measured:
        """Report the published token as refused, and have another one; raises StepFailed where there is none."""
        client_id = client_id or self.name
        secret, before = self.scene.stack.token_secret(client_id), self.scene.version(client_id)
        requests = [{"client_id": client_id, "rejected_version": before}]
        if self.name == "four-steps":
            version = str(uuid4())
            requests = [{"SecretId": secret, "ClientRequestToken": version, "Step": step} for step in STEPS]
        measured = self._measure(requests)
        if self.name != "every-app":
            published = json.loads(self.scene.secrets.get_secret_value(SecretId=secret)["SecretString"])
            if self.scene.version(client_id) == before or published["access_token"] not in self.scene.mx.access_tokens:
                raise StepFailed(f"{self.name} published no fresh token")
        return measured

    def peak(self) -> int:
        """Give the most memory that its process had, in bytes."""
        threads = Path(f"/proc/{self.runtime.pid}/task").glob("*/children")
        (child,) = [pid for thread in threads for pid in thread.read_text().split()]
        status = Path(f"/proc/{child}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024

    def _measure(self, requests: list[dict[str, str]]) -> Measured:
        peers = (self.scene.vault, self.scene.auth, self.scene.api)
        for peer in peers:
            peer.forget()
        printed_before = len(self.runtime.printed())
        began = time.perf_counter()
        answers = [self.runtime.invoke(request) for request in requests]
        wall = (time.perf_counter() - began) * 1000
        if failed := [answer for answer in answers if isinstance(answer, dict) and "errorType" in answer]:
            raise StepFailed(f"{self.name} failed: {failed[0]}")

        def durations() -> list[str]:
            return re.findall(r"INVOKE RTDONE\(.*duration: ([\d.]+)ms", self.runtime.printed()[printed_before:])

        eventually(lambda: len(durations()) == len(requests), within=5)
        printed = self.runtime.printed()[printed_before:]
        init = re.search(r"INIT REPORT\(durationMs: ([\d.]+)", printed)
        return Measured(
            wall=wall,
            duration=sum(map(float, durations())),
            init=float(init[1]) if init else None,
            invocations=len(requests),
            waited=sum(peer.waits * peer.seconds * 1000 for peer in peers),
            secrets_calls=tuple(self.scene.vault.calls),
            moviexchange_calls=(*self.scene.auth.calls, *self.scene.api.calls),
            log_bytes=sum(len(line.encode()) for line in printed.splitlines() if line.startswith(("{", "["))),
        )


def size(package: Path) -> Size:
    """Measure a package."""
    files = sorted(path for path in package.rglob("*") if path.is_file())
    archive = io.BytesIO()
    with ZipFile(archive, "w", ZIP_DEFLATED) as packed:
        for path in files:
            packed.write(path, path.relative_to(package))
    return Size(files=len(files), unpacked=sum(path.stat().st_size for path in files), zipped=archive.tell())


@contextmanager
def scene(aws: LocalAws) -> Iterator[Scene]:
    """Set up the peers, build every package, and fill the secrets."""
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    with ExitStack() as ends:
        mx = ends.enter_context(MovieXchangeStandIn())
        vault = ends.enter_context(away(aws.endpoint, VAULT_AWAY, tls))
        auth, api = (ends.enter_context(away(mx.url, MOVIEXCHANGE_AWAY, tls)) for _ in range(2))
        made = Scene(Stack(aws, {"SecretPrefix": "bench"}), mx, vault, auth, api)
        made.build(authority)
        made.fill()
        yield made


Kind = Literal["cold tick", "cold refresh", "tick", "refresh"]
Samples = Mapping[str, Mapping[Kind, list[Measured]]]
"""Of each contestant; a refresh is one that an app reported as refused. What was measured in one turn has one index."""


def in_turns(scene: Scene, names: Sequence[str], *, rounds: int, warm: int, group: Path | None = None) -> Samples:
    """Let the contestants start cold one after the other in each round, then take turns while they are warm.

    They start with a refresh in one round, and with a quiet tick in the next, if they have any.
    """
    samples: dict[str, dict[Kind, list[Measured]]] = defaultdict(lambda: defaultdict(list))
    for number in range(rounds):
        turn = number % len(names)
        with ExitStack() as ends:
            contestants = [ends.enter_context(scene.contestant(name, group)) for name in (*names[turn:], *names[:turn])]
            for each in contestants:
                if number % 2 and each.name in LOOKS:
                    samples[each.name]["cold tick"].append(each.tick())
                else:
                    samples[each.name]["cold refresh"].append(each.report())
            for _ in range(warm):
                for each in contestants:
                    if each.name in LOOKS:
                        samples[each.name]["tick"].append(each.tick())
                    samples[each.name]["refresh"].append(each.report())
    return samples


def heal_all(scene: Scene, count: int) -> float:
    """Report so many tokens at once to environments that are cold; give the seconds until all are replaced."""
    crowd = [f"crowd-{number}" for number in range(count)]
    with ExitStack() as ends:
        started = [ends.enter_context(scene.contestant("ours")) for _ in range(min(count, ENVIRONMENTS))]
        pool = ends.enter_context(ThreadPoolExecutor(len(started)))
        shares = [crowd[number :: len(started)] for number in range(len(started))]

        def heal(one: Contestant, share: list[str]) -> None:
            for client_id in share:
                one.report(client_id)

        began = time.perf_counter()
        list(pool.map(heal, started, shares))
        return time.perf_counter() - began


@contextmanager
def cpu_limit(share: float) -> Iterator[Path | None]:
    """Make a group of processes that get a share of one CPU (cgroups, v1); None where this machine does not let us."""
    group = CGROUP / f"mx-token-rotator-{os.getpid()}"
    try:
        group.mkdir()
        (group / "cpu.cfs_period_us").write_text(str(PERIOD))
        (group / "cpu.cfs_quota_us").write_text(str(int(PERIOD * share)))
    except OSError:
        yield None
        return
    try:
        yield group
    finally:
        eventually(lambda: not (group / "cgroup.procs").read_text(), within=10)
        group.rmdir()

"""Every fault of movieXchange, thrown at the deployed stack; what came of each becomes a table in docs/faults.md."""

import gzip
import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from http.client import HTTPException
from itertools import groupby
from queue import SimpleQueue

from rich.console import Console

from local.aws import HOUSE, local_aws
from local.demo import check, finish, run
from local.document import placed, table
from local.faults import (
    MALFORMED,
    RECORDED_TYPE,
    TOKEN,
    Fault,
    answer,
    cut_off,
    down,
    drip,
    drip_head,
    gzipped,
    huge,
    oauth_error,
    raw,
    redirect,
    slow,
    status,
)
from local.mx import MovieXchangeStandIn
from local.stack import WEBSITE, Stack, eventually

DOCUMENT = HOUSE / "docs" / "faults.md"
HEAD = ("fault", "each tick", "hours left", "an app's call", "well again after")

STACKS = 3
"""How many faults last at the same time; each has a stack and a movieXchange account to itself."""

TICKS = 3
SECOND_HALF = timedelta(hours=7)
FIRST_HALF = timedelta(hours=1)
FOR_EVER = 60.0  # seconds; longer than an invocation takes


def sample(name: str) -> dict[str, object]:
    """Read a sample request; that of a tick is what the schedule delivers."""
    document: dict[str, object] = json.loads((HOUSE / "events" / f"{name}.json").read_text())
    return document


@dataclass(frozen=True, kw_only=True)
class Tick:
    """What came of one invocation: its error or outcome, and the life left of what is published."""

    said: str
    seconds_left: float


@dataclass(frozen=True, kw_only=True)
class Survival:
    """What came of one fault."""

    ticks: list[Tick]
    app_got: str
    well_after: str

    def cells(self) -> tuple[str, ...]:
        """Give the cells of the fault's row; what did not change from tick to tick is told once."""
        said = ", then ".join(each for each, _ in groupby(tick.said for tick in self.ticks))
        hours = ", then ".join(str(each) for each, _ in groupby(int(tick.seconds_left / 3600) for tick in self.ticks))
        return said, hours, self.app_got, self.well_after


@dataclass(frozen=True)
class Scene:
    """A deployed stack, and the movieXchange account that it serves."""

    stack: Stack
    mx: MovieXchangeStandIn

    def build(self) -> str:
        """Build the package for this stack and for every other."""
        self.stack.build()
        return "The package is built."

    def deploy(self) -> str:
        """Deploy the stack."""
        self.stack.deploy()
        return f"{self.stack.name} is deployed."

    def throw(self, trial: "Trial") -> Survival:
        """Make all well, have a fault for three ticks, end it, and see what it takes to be well again."""
        self.let_pass()
        self.fill()
        version = self.stack.age(WEBSITE, trial.age)
        trial.begin(self)
        ticks = [self.tick() for _ in range(TICKS)]
        app_got = self.call_api()
        return Survival(ticks=ticks, app_got=app_got, well_after=self.recover(trial.end(self), ill=version))

    def let_pass(self) -> str:
        """End what ends by itself; nobody does anything about it."""
        self.mx.token_fault = self.mx.api_fault = None
        return ""

    def fill(self) -> str:
        """Put the account's credentials, wait until EventBridge and the function have done their part, and say so."""
        version = self.stack.fill_credentials(self.mx.credentials())
        eventually(lambda: self.has_used(version), within=30)
        return "new credentials"

    def has_used(self, credentials_version: str) -> bool:
        """Tell whether these credentials gave every token, and every invocation has ended that published one."""
        tokens = [self.stack.token(client_id) or {} for client_id in self.stack.client_ids]
        logged = {line.get("version_id") for line in self.stack.logged("version_id")}
        return all(
            token.get("credentials_version") == credentials_version and token["version_id"] in logged
            for token in tokens
        )

    def report(self) -> str:
        """Report the published token as refused, as an app does, wait for another one, and say so."""
        refused = self.token()["version_id"]
        self.stack.report_rejected(WEBSITE, refused)
        eventually(lambda: self.token()["version_id"] != refused, within=30)
        return "an app's report"

    def tick(self, name: str = "tick") -> Tick:
        """Invoke the function with a sample request, and read what it said and counted."""
        before = len(self.stack.logged("CloudWatchMetrics"))
        outcome = self.stack.invoke(sample(name))
        counted = self.stack.logged("CloudWatchMetrics")[before:]
        errors = [line["Error"] for line in counted if "TokenRefreshFailed" in line]
        left = [line["TokenSecondsRemaining"][0] for line in counted if "TokenSecondsRemaining" in line]
        check(that=len(left) == 1, otherwise="a tick did not count once what is left of the token's life")
        check(
            that=bool(errors) != ("outcome" in outcome), otherwise="a tick neither counted an error nor gave an outcome"
        )
        said = " and ".join(errors) or f"{outcome['outcome']}: {outcome['reason']}"
        return Tick(said=f"`{said}`", seconds_left=left[0])

    def call_api(self) -> str:
        """Call movieXchange's API as an app does, and tell what came back."""
        try:
            return str(self.stack.call_api(WEBSITE))
        except (OSError, HTTPException):
            return "nothing"

    def token(self) -> dict[str, str]:
        """Read what is published; it was seen there before."""
        return self.stack.token(WEBSITE) or {}

    def recover(self, remedy: str, *, ill: str) -> str:
        """Tick until a token in the place of the ill version works, insist if that does not help, and tell what did."""
        for ticks in range(TICKS + 1):
            if ticks:
                self.tick()
            if self.is_well(ill):
                return way_back(remedy, ticks)
        self.tick("force")
        check(that=self.is_well(ill), otherwise="a fault was not survived: no tick brought a token, and no force")
        return "force"

    def is_well(self, ill: str) -> bool:
        """Tell whether another token than the ill version is published, and works."""
        return self.token()["version_id"] != ill and self.call_api() == str(HTTPStatus.OK.value)


def way_back(remedy: str, ticks: int) -> str:
    """Say what it took to be well again: what somebody did, and how many ticks after that."""
    if not ticks:
        return remedy or "a tick while it lasted"
    counted = f"{ticks} tick{'s' * (ticks > 1)}"
    return f"{counted} after {remedy}" if remedy else counted


@dataclass(frozen=True, kw_only=True)
class Trial:
    """How a fault begins and ends, and how old the token is that it meets; the end tells what somebody did for it."""

    begin: Callable[[Scene], None]
    end: Callable[[Scene], str] = field(default=Scene.let_pass)
    age: timedelta = SECOND_HALF


def of_token_endpoint(fault: Fault) -> Trial:
    """Have the token endpoint fail."""

    def begin(scene: Scene) -> None:
        scene.mx.token_fault = fault

    return Trial(begin=begin)


def of_api(fault: Fault) -> Trial:
    """Have the API fail."""

    def begin(scene: Scene) -> None:
        scene.mx.api_fault = fault

    return Trial(begin=begin)


def change_password(scene: Scene) -> None:
    """Change the password at movieXchange alone."""
    scene.mx.password = f"{scene.mx.password}-changed"


def change_client_secret(scene: Scene) -> None:
    """Change the client secret at movieXchange alone."""
    scene.mx.client_secret = f"{scene.mx.client_secret}-changed"


def revoke(scene: Scene) -> None:
    """End the published token before its time."""
    scene.mx.revoke(scene.token()["access_token"])


AWAY: dict[str, Fault] = {
    "down": down(),
    "slow": slow(FOR_EVER),
    "cut off": cut_off(200),
}
"""What any host can do."""

AT_TOKEN_ENDPOINT: dict[str, Fault] = {
    **AWAY,
    "cut off within a 401": cut_off(401),
    "a head that drips": drip_head(1, FOR_EVER),
    "a body that drips": drip(1, FOR_EVER),
    "a body without an end": huge(10**9),
    "a gzip bomb": gzipped(json.dumps(TOKEN).encode().ljust(10**6)),
    "gzip that breaks off": status(
        200, gzip.compress(json.dumps(TOKEN).encode())[:-20], RECORDED_TYPE, headers={"Content-Encoding": "gzip"}
    ),
    "no gzip but called so": status(
        200, json.dumps(TOKEN).encode(), RECORDED_TYPE, headers={"Content-Encoding": "gzip"}
    ),
    "a token that the API refuses": answer(TOKEN),
    "a page of a proxy": raw(b"<html>Log in to the network</html>", content_type="text/html"),
    **MALFORMED,
    "a redirect with 307": redirect("http://127.0.0.1:1/elsewhere", 307),
    **{f"HTTP {code}": status(code) for code in (204, 400, 401, 403, 404, 408, 429, 500, 502, 503, 504)},
    **{
        f"HTTP {code} with Retry-After: {seconds}": status(code, headers={"Retry-After": seconds})
        for code in (429, 503)
        for seconds in ("2", "3600")
    },
    **{
        f"OAuth error {code}": oauth_error(code)
        for code in ("invalid_grant", "invalid_client", "unauthorized_client", "invalid_request")
    },
    "OAuth error invalid_client with 401": oauth_error("invalid_client", 401),
}

AT_API: dict[str, Fault] = {**AWAY, **{f"HTTP {code}": status(code) for code in (302, 401, 403, 404, 429, 500, 503)}}

TRIALS: dict[str, Trial] = {
    **{f"token endpoint: {name}": of_token_endpoint(fault) for name, fault in AT_TOKEN_ENDPOINT.items()},
    **{f"API: {name}": of_api(fault) for name, fault in AT_API.items()},
    "account: password changed": Trial(begin=change_password, end=Scene.fill),
    "account: client secret changed": Trial(begin=change_client_secret, end=Scene.fill),
    "account: token revoked": Trial(begin=revoke),
    "account: token revoked, an hour old": Trial(begin=revoke, end=Scene.report, age=FIRST_HALF),
}


def rendered(survivals: dict[str, Survival]) -> str:
    """Write the table: a row for each fault, in the order in which they are listed."""
    return table(HEAD, [(name, *survivals[name].cells()) for name in TRIALS if name in survivals])


def deployed(console: Console, scene: ExitStack) -> list[Scene]:
    """Deploy the stacks, with no tick but those that are counted."""
    accounts = [scene.enter_context(MovieXchangeStandIn()) for _ in range(STACKS)]
    aws = scene.enter_context(local_aws())
    scenes = []
    for number, mx in enumerate(accounts, start=1):
        own = {"SecretPrefix": f"moviexchange/{number}", "AuthUrl": mx.url, "ApiUrl": mx.url}
        parameters = own | {"CheckEvery": "'rate(19 minutes)'"}
        scenes.append(Scene(Stack(aws, parameters, f"mx-token-rotator-{number}", client_ids=(WEBSITE,)), mx))
    run(console, "Building the package", scenes[0].build)
    for each in scenes:
        run(console, f"Deploying {each.stack.name}", each.deploy)
    return scenes


def thrown(console: Console, scenes: list[Scene], pool: ThreadPoolExecutor) -> dict[str, Survival]:
    """Throw every fault, each at a stack that is free, and show what came of it as soon as it is known."""
    free: SimpleQueue[Scene] = SimpleQueue()
    for scene in scenes:
        free.put(scene)

    def throw(trial: Trial) -> Survival:
        scene = free.get()
        try:
            return scene.throw(trial)
        finally:
            free.put(scene)

    # The longest stand first in the table: thrown last, they last at the same time, and none is waited for alone.
    names = {pool.submit(throw, trial): name for name, trial in reversed(TRIALS.items())}
    survivals: dict[str, Survival] = {}
    with console.status("Throwing faults …") as live:
        for future in as_completed(names):
            name = names[future]
            survivals[name] = future.result()
            told = f"{len(survivals):2} of {len(names)}"
            live.update(f"Throwing faults: {told} are over …")
            console.print(
                f"{told}  {name}: {', '.join(survivals[name].cells())}", highlight=False, markup=False, soft_wrap=True
            )
    return survivals


def survive(console: Console) -> None:
    """Throw every fault and write the table; leave nothing else behind."""
    with ExitStack() as scene:
        # Where this ends early, what waits is dropped first; what is under way ends once MiniStack is gone.
        pool = scene.enter_context(ThreadPoolExecutor(STACKS))
        scenes = deployed(console, scene)
        scene.callback(pool.shutdown, wait=False, cancel_futures=True)
        survivals = thrown(console, scenes, pool)
    DOCUMENT.write_text(placed(DOCUMENT.read_text(), "faults", rendered(survivals)))


def main() -> int:
    """Throw every fault; give the exit status."""
    console = Console()
    return finish(console, lambda: survive(console), f"All faults were survived; {DOCUMENT.name} has the table.")


if __name__ == "__main__":
    sys.exit(main())

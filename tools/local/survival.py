"""Every fault of movieXchange, tried on a deployed stack; what came of each becomes a table in docs/faults.md."""

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
from math import ceil
from queue import SimpleQueue

from rich.console import Console

from tools.local.aws import PROJECT, local_aws
from tools.local.demo import check, finish, run
from tools.local.document import placed, table
from tools.local.faults import (
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
from tools.local.mx import MovieXchangeStandIn
from tools.local.stack import WEBSITE, Stack

DOCUMENT = PROJECT / "docs" / "faults.md"
HEAD = ("fault", "each check", "lifetime left", "an application's call", "recovered after")

STACKS = 3
"""How many faults are tried at the same time; each has a stack and a movieXchange account to itself."""

CHECKS = 3
DUE = timedelta(hours=7)  # of 12: the token is about to be replaced
NOT_DUE = timedelta(hours=1)
FOREVER = 60.0  # seconds; longer than an invocation takes


@dataclass(frozen=True, kw_only=True)
class Check:
    """What came of one check: its outcome's reason, and the published token's lifetime left in percent."""

    reason: str
    life_remaining: float


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of one fault."""

    checks: list[Check]
    application_got: str
    recovered_after: str

    def cells(self) -> tuple[str, ...]:
        """Return the cells of the fault's row; what stays the same from check to check is written once."""
        reasons = ", then ".join(each for each, _ in groupby(f"`{check.reason}`" for check in self.checks))
        lives = ", then ".join(each for each, _ in groupby(f"{ceil(check.life_remaining)} %" for check in self.checks))
        return reasons, lives, self.application_got, self.recovered_after


@dataclass(frozen=True)
class Scene:
    """A deployed stack, and the movieXchange account that it serves."""

    stack: Stack
    mx: MovieXchangeStandIn

    def deploy(self) -> str:
        """Deploy the stack."""
        self.stack.deploy()
        return f"{self.stack.name} is deployed."

    def throw(self, trial: "Trial") -> Result:
        """Start with a token that works, have a fault for some checks, end it, and see what recovery takes."""
        self.let_pass()
        self.fill()
        before = self.stack.age(WEBSITE, trial.age)
        trial.begin(self)
        checks = [self.check() for _ in range(CHECKS)]
        application_got = self.call_api()
        return Result(
            checks=checks, application_got=application_got, recovered_after=self.recover(trial.end(self), before)
        )

    def let_pass(self) -> str:
        """End a fault that ends by itself; nobody does anything about it."""
        self.mx.token_fault = self.mx.api_fault = None
        return ""

    def fill(self) -> str:
        """Put the account's credentials, and wait until the function has used them."""
        self.stack.replace_credentials(self.mx.credentials())
        self.stack.wait_until_idle()
        return "new credentials"

    def report(self) -> str:
        """Report the published token as rejected, as an application does, and wait for another one."""
        refused = self.stack.published(WEBSITE)["version_id"]
        self.stack.report_rejected(WEBSITE, refused)
        self.stack.wait_for_another_token(WEBSITE, refused)
        return "an application's report"

    def check(self, **options: bool) -> Check:
        """Have the function check the token, and compare its outcome with what it counted."""
        before = len(self.stack.logged("CloudWatchMetrics"))
        (outcome,) = self.stack.invoke({"client_id": WEBSITE} | options)
        counted = self.stack.logged("CloudWatchMetrics")[before:]
        errors = [line["Error"] for line in counted if "Error" in line]
        lives = [line["TokenLifeRemaining"][0] for line in counted if "TokenLifeRemaining" in line]
        failed = [outcome["reason"]] if outcome["outcome"] == "failed" else []
        check(that=errors == failed, otherwise=f"{outcome} was counted as {errors}")
        check(that=len(lives) == 1, otherwise="a check did not count the lifetime left once")
        reason = outcome["reason"] if failed else f"{outcome['outcome']}: {outcome['reason']}"
        return Check(reason=reason, life_remaining=lives[0])

    def call_api(self) -> str:
        """Call movieXchange's API as an application does, and return the status, or `nothing`."""
        try:
            return str(self.stack.call_api(WEBSITE))
        except (OSError, HTTPException):
            return "nothing"

    def recover(self, remedy: str, before: str) -> str:
        """Check until another token than before works, force one if that does not help, and say what did."""
        for checks in range(CHECKS + 1):
            if checks:
                self.check()
            if self.has_recovered(before):
                return way_back(remedy, checks)
        self.check(force=True)
        check(that=self.has_recovered(before), otherwise="neither a check nor force brought a token that works")
        return "force"

    def has_recovered(self, before: str) -> bool:
        """Tell whether another token is published, and works."""
        return self.stack.published(WEBSITE)["version_id"] != before and self.call_api() == str(HTTPStatus.OK.value)


def way_back(remedy: str, checks: int) -> str:
    """Say what recovery took: what somebody did, and how many checks after that."""
    if not checks:
        return remedy or "a check while it lasted"
    counted = f"{checks} check{'s' * (checks > 1)}"
    return f"{counted} after {remedy}" if remedy else counted


@dataclass(frozen=True, kw_only=True)
class Trial:
    """How a fault begins and ends, and how old the token is then; the end returns what somebody did for it."""

    begin: Callable[[Scene], None]
    end: Callable[[Scene], str] = field(default=Scene.let_pass)
    age: timedelta = DUE


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
    """End the published token before it expires."""
    scene.mx.revoke(scene.stack.published(WEBSITE)["access_token"])


ANY_HOST: dict[str, Fault] = {
    "down": down(),
    "slow": slow(FOREVER),
    "cut off": cut_off(200),
}
"""What any host can do."""

AT_TOKEN_ENDPOINT: dict[str, Fault] = {
    **ANY_HOST,
    "cut off within a 401": cut_off(401),
    "a head that drips": drip_head(1, FOREVER),
    "a body that drips": drip(1, FOREVER),
    "a body without an end": huge(10**9),
    "a gzip bomb": gzipped(json.dumps({"padding": "x" * 10**6} | TOKEN).encode()),
    "gzip that breaks off": status(
        200, gzip.compress(json.dumps(TOKEN).encode())[:-20], RECORDED_TYPE, headers={"Content-Encoding": "gzip"}
    ),
    "plain text called gzip": status(
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

AT_API: dict[str, Fault] = {
    **ANY_HOST,
    **{f"HTTP {code}": status(code, b"{}", RECORDED_TYPE) for code in (302, 401, 403, 404, 429, 500, 503)},
    "a page with 403": status(403, b"<html>Attention Required!</html>"),
}

TRIALS: dict[str, Trial] = {
    **{f"token endpoint: {name}": of_token_endpoint(fault) for name, fault in AT_TOKEN_ENDPOINT.items()},
    **{f"API: {name}": of_api(fault) for name, fault in AT_API.items()},
    "account: password changed": Trial(begin=change_password, end=Scene.fill),
    "account: client secret changed": Trial(begin=change_client_secret, end=Scene.fill),
    "account: token revoked": Trial(begin=revoke),
    "account: token revoked, an hour old": Trial(begin=revoke, end=Scene.report, age=NOT_DUE),
}


def rendered(results: dict[str, Result]) -> str:
    """Return the table: a row for each fault, in the order of TRIALS."""
    return table(HEAD, [(name, *results[name].cells()) for name in TRIALS if name in results])


def deployed(console: Console, resources: ExitStack) -> list[Scene]:
    """Deploy the stacks; no scheduled run comes in between."""
    accounts = [resources.enter_context(MovieXchangeStandIn()) for _ in range(STACKS)]
    aws = resources.enter_context(local_aws())
    scenes = []
    for number, mx in enumerate(accounts, start=1):
        own = {"SecretPrefix": f"moviexchange/{number}", "AuthUrl": mx.url, "ApiUrl": mx.url}
        parameters = own | {"CheckEvery": "rate(19 minutes)"}
        scenes.append(Scene(Stack(aws, parameters, f"mx-token-rotator-{number}", client_ids=(WEBSITE,)), mx))
    for each in scenes:
        run(console, f"Deploying {each.stack.name}", each.deploy)
    return scenes


def thrown(console: Console, scenes: list[Scene], pool: ThreadPoolExecutor) -> dict[str, Result]:
    """Try every fault, each on a stack that is free, and print what came of it as soon as it is known."""
    free: SimpleQueue[Scene] = SimpleQueue()
    for scene in scenes:
        free.put(scene)

    def throw(trial: Trial) -> Result:
        scene = free.get()
        try:
            return scene.throw(trial)
        finally:
            free.put(scene)

    # In reverse, the longest run at the same time at the end, and none is waited for alone.
    names = {pool.submit(throw, trial): name for name, trial in reversed(TRIALS.items())}
    results: dict[str, Result] = {}
    with console.status("Trying faults …") as live:
        for future in as_completed(names):
            name = names[future]
            results[name] = future.result()
            counted = f"{len(results):2} of {len(names)}"
            live.update(f"Trying faults: {counted} are over …")
            console.print(
                f"{counted}  {name}: {', '.join(results[name].cells())}", highlight=False, markup=False, soft_wrap=True
            )
    return results


def survive(console: Console) -> None:
    """Try every fault and write the table; leave nothing else behind."""
    with ExitStack() as resources:
        # If this ends early, what waits is dropped first; what is under way ends once MiniStack is gone.
        pool = resources.enter_context(ThreadPoolExecutor(STACKS))
        scenes = deployed(console, resources)
        resources.callback(pool.shutdown, wait=False, cancel_futures=True)
        results = thrown(console, scenes, pool)
    DOCUMENT.write_text(placed(DOCUMENT.read_text(), "faults", rendered(results)))


def main() -> int:
    """Try every fault; return the exit status."""
    console = Console()
    return finish(console, lambda: survive(console), f"Every fault was survived; {DOCUMENT.name} has the table.")


if __name__ == "__main__":
    sys.exit(main())

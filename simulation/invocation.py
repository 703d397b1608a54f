"""One invocation of the function: at every outside call it waits, while others go on, and there it may crash."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar, cast

import requests

from mx_token_rotator.deadline import Deadline
from mx_token_rotator.refresh import Outcome, Request
from mx_token_rotator.rotation import Step
from simulation import weather as w
from simulation.engine import moment
from simulation.moviexchange import NONSENSE, Reply, path_of
from simulation.secrets_manager import READS, Secret, failure

if TYPE_CHECKING:
    from simulation.world import World

LAMBDA_SECONDS = 60.0
READ_SECONDS = 10.0
BROKEN_ANSWER = "InternalServiceError"
MOSTLY = 0.7  # the share of calls that a brown-out spoils

Answer = TypeVar("Answer")


class Crash(BaseException):
    """The function ends at once, and nothing that it would have done happens."""


class Invocation:
    """Serves one request, as the handler wires it."""

    def __init__(self, world: "World", request: Request, *, is_tick: bool = False, step: Step | None = None) -> None:
        """Draw how this one's clock is off, and whether and where it crashes."""
        rng = world.weather.rng
        self.world = world
        self.request = request
        self.is_tick = is_tick
        self.step = step
        self.started = world.engine.now
        self.skew = rng.uniform(-world.weather.climate.skew, world.weather.climate.skew)
        self.was_alone = True
        self.steps_to_crash = rng.randrange(24) if world.weather.happens() else -1
        self.limit = float("inf")
        self.calls: list[str] = []
        self.read_version: str | None = None
        self.credentials_version: str | None = None
        self.rejected_version: str | None = None
        self.accepted_version: str | None = None
        self.outcome: Outcome | None = None
        self.raised: BaseException | None = None

    def run(self) -> None:
        """Tell the story; whatever it ends in is looked at."""
        self.world.calling = self
        self.world.began(self)
        try:
            self.outcome = self.world.take(self.step) if self.step else self.world.serve(self.request)
        except Crash as crash:
            self.raised = crash
            self.world.weather.strike(w.CRASH, self.started, self.request.client_id, self.now - self.started)
        except AssertionError:
            raise
        except Exception as error:  # noqa: BLE001  the invariants judge it
            self.raised = error
        self.world.ended(self)

    @property
    def now(self) -> float:
        """The true time."""
        return self.world.engine.now

    def seconds_left(self) -> float:
        """Tell what is left of Lambda's time-out."""
        return self.started + LAMBDA_SECONDS - self.world.engine.now

    def clock(self) -> datetime:
        """Read the clock of the machine that this one runs on."""
        return moment(self.now + self.skew)

    def wait(self, seconds: float) -> None:
        """Wait for an outside party, as long as the deadline allows. Raises TimeoutError."""
        if self.now + seconds > self.limit:
            self.sleep(max(0.0, self.limit - self.now))
            raise TimeoutError
        self.sleep(seconds)

    def sleep(self, seconds: float) -> None:
        """Let others go on for a while."""
        self.world.engine.wait(seconds)
        self.world.calling = self

    def pass_by(self) -> None:
        """Come to one side of a call. Raises Crash where that is drawn."""
        self.steps_to_crash -= 1
        if self.steps_to_crash == 0:
            raise Crash

    def secrets_manager(
        self, operation: str, name: str, act: Callable[[Secret, float], dict[str, object]]
    ) -> dict[str, object]:
        """Call Secrets Manager, which may act and say that it failed."""
        weather, rng, is_read = self.world.weather, self.world.weather.rng, operation in READS
        self.calls.append(operation)
        self.pass_by()
        latency = rng.uniform(0.01, 0.05)
        code = ""
        if not weather.is_calm(self.now):
            latency = rng.uniform(1.0, 9.0) if weather.is_on(w.VAULT_SLOW, self.now) else latency
            code = self._refusal(name)
        # What is read may be old by the time it is there; a write may be done though its answer comes too late.
        self.wait(latency if is_read else latency / 2)
        if code and (is_read or code != BROKEN_ANSWER or rng.random() < 0.5):  # noqa: PLR2004  one or the other
            raise failure(operation, code)
        answer = self.world.act(self, operation, name, act)
        if not is_read:
            self.wait(latency / 2)
        if code:
            raise failure(operation, code)
        self.pass_by()
        return answer

    def _refusal(self, name: str) -> str:
        """Draw with which error Secrets Manager refuses a call, if it does."""
        weather, now = self.world.weather, self.now
        if weather.is_on(w.THROTTLED, now):
            return "ThrottlingException"
        if weather.is_on(w.DENIED, now) and self.world.secrets[name] is self.world.credentials:
            return "AccessDeniedException"
        return BROKEN_ANSWER if weather.is_on(w.BROKEN, now) and weather.rng.random() < MOSTLY else ""

    def moviexchange(self, request: requests.Request) -> Reply:
        """Call movieXchange, which may act even where no answer comes back."""
        weather, rng = self.world.weather, self.world.weather.rng
        is_log_in = path_of(request) == "/connect/token"
        is_password_grant = is_log_in and cast("dict[str, str]", request.data)["grant_type"] == "password"
        self.calls.append("log in" if is_log_in else "verify")
        self.pass_by()
        if is_password_grant:
            self.world.invariants.noted_log_in(self)
        if weather.is_on(w.AWAY, self.now) or (weather.is_on(w.API_AWAY, self.now) and not is_log_in):
            self.wait(rng.uniform(0.1, 3.0))
            raise requests.ConnectionError
        latency = rng.uniform(1.0, 4 * READ_SECONDS) if weather.is_on(w.SLOW, self.now) else rng.uniform(0.1, 1.0)
        self.wait(min(latency, READ_SECONDS) / 2)
        reply = self._trouble(is_log_in=is_log_in, is_password_grant=is_password_grant)
        reply = reply or self.world.reply(request, is_log_in=is_log_in)
        self.wait(min(latency, READ_SECONDS) / 2)
        if latency > READ_SECONDS:
            raise requests.ReadTimeout
        self.pass_by()
        if is_password_grant:
            self.world.invariants.noted_answer(self, status=reply.status)
        return reply

    def _trouble(self, *, is_log_in: bool, is_password_grant: bool) -> Reply | None:
        """Draw what comes in the place of an answer."""
        weather, rng = self.world.weather, self.world.weather.rng
        if weather.is_on(w.BROWN_OUT, self.now) and rng.random() < MOSTLY:
            return Reply(rng.choice([500, 502, 503, 504]))
        if weather.is_on(w.RATE_LIMIT, self.now):
            return Reply(429, headers={"Retry-After": str(rng.randrange(1, 120))})
        if weather.is_on(w.NONSENSE, self.now):
            return Reply(200, rng.choice(NONSENSE)) if is_log_in else Reply(500)
        return Reply(401) if weather.is_on(w.MISTAKE, self.now) and is_password_grant else None


def simulated_deadline(world: "World") -> Deadline:
    """Make the deadline of whoever calls, in virtual time: nobody has to be left behind in a thread."""

    class SimulatedDeadline(Deadline):
        def wait_for(self, call: Callable[[], Answer]) -> Answer:
            """Call, and let the invocation wait no longer than this."""
            invocation = world.calling
            limit = invocation.now + self.seconds_left()
            if limit <= invocation.now:
                raise TimeoutError
            before, invocation.limit = invocation.limit, min(limit, invocation.limit)
            try:
                return call()
            finally:
                invocation.limit = before

    return SimulatedDeadline(world.seconds_left)

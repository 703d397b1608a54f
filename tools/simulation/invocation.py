"""One invocation of the function: at every call it waits while others go on, and there it may be killed."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from mx_token_rotator import errors, events, settings
from mx_token_rotator.events import Request
from mx_token_rotator.moviexchange import MovieXchange
from mx_token_rotator.refresh import Outcome, Run, outcome
from mx_token_rotator.secrets_manager import SecretsManager
from mx_token_rotator.tokens import Published
from mx_token_rotator.transport import Answer, World, no_answer
from tools.simulation import faults as f
from tools.simulation.engine import moment
from tools.simulation.moviexchange import NO_VERDICTS, NONSENSE
from tools.simulation.secrets_manager import Client, Version, failure

if TYPE_CHECKING:
    from tools.simulation.stack import Stack

LAMBDA_SECONDS = 60.0
SPARE_SECONDS = 5.0
READ_SECONDS = 10.0
READS = {"get_secret_value", "describe_secret"}
MAY_HAVE_ACTED = "InternalServiceError"
UNAVAILABLE = {None, 429, 503}  # statuses
MOSTLY = 0.7  # the share of calls that fail while failures are frequent
HALF = 0.5


class Killed(BaseException):
    """The function ends at once, and nothing of what it would have done happens."""


class Invocation:
    """Serves one event, wired as the handler does it."""

    def __init__(self, stack: "Stack", event: object, *, is_by_hand: bool = False) -> None:
        """Draw whether and at which call this one is killed."""
        self.stack, self.event, self.is_by_hand = stack, event, is_by_hand
        self.started = stack.engine.now
        self.calls_until_killed = stack.faults.rng.randrange(1, 30) if stack.faults.happens() else 0
        self.was_alone, self.was_killed, self.is_interrupted = True, False, False
        self.request: Request | None = None
        self.calls: list[str] = []
        self.failed_calls: list[str] = []
        self.log_ins, self.unanswered = Counter[str](), Counter[str]()
        self.accepted_log_ins: set[str] = set()
        self.rejected_client_ids: set[str] = set()
        self.published: set[str] = set()
        """Client IDs: how often it logged in for them and was not served, for which it got a token, was rejected, and
        published.
        """
        self.trouble = ""
        """What it met that a person must end."""
        self.due: dict[settings.Client, Version | None] = {}
        self.refresh: Run | None = None
        self.credentials_version = self.rejected_version = ""
        self.outcomes: list[Outcome] = []
        self.failures: list[errors.RotatorError] = []
        self.warnings: list[str] = []

    def run(self) -> bool:
        """Run to the end, and return whether the function returned."""
        self.stack.began(self)
        try:
            self._handle()
        except Killed:
            self.was_killed = True
        self.stack.ended(self)
        return not self.was_killed

    def _handle(self) -> None:
        of_stack = self.stack.settings
        world = World(
            send=self.send,
            clock=self.clock,
            sleep=self.wait,
            seconds_left=self.seconds_left,
            warn=self.warnings.append,
        )
        secrets = SecretsManager(cast("Any", Client(self._ask)), of_stack, self.wait)
        try:
            self.request = events.parse(self.event, of_stack.clients, of_stack.account, self.clock())
            moviexchange = MovieXchange(of_stack, world)
            self.refresh = self.stack.run_class(self.request, of_stack, secrets, moviexchange, world, self.failures)
            self.outcomes.extend(self.refresh.outcomes())
        except (Exception, errors.TimeIsUp) as error:  # noqa: BLE001  as in the handler
            self.failures.append(errors.named(error))
            self.outcomes.append(outcome(None, Published(), "failed", self.failures[-1]))

    @property
    def now(self) -> float:
        """The time."""
        return self.stack.engine.now

    def clock(self) -> datetime:
        """Read the clock."""
        return moment(self.now)

    def seconds_left(self) -> float:
        """Return what is left until the function interrupts itself."""
        return self.started + LAMBDA_SECONDS - SPARE_SECONDS - self.now

    def wait(self, seconds: float) -> None:
        """Let others go on for a while. Raises TimeIsUp once, and Killed at Lambda's time-out."""
        until = self.now + seconds
        limit = self.started + LAMBDA_SECONDS - (0 if self.is_interrupted else SPARE_SECONDS)
        self.stack.engine.wait(min(seconds, max(0.0, limit - self.now)))
        if until > limit:
            is_first, self.is_interrupted = not self.is_interrupted, True
            raise errors.TimeIsUp if is_first else Killed

    def _call(self, what: str = "") -> None:
        """Come to one side of a call. Raises Killed if that is drawn."""
        if what:
            self.calls.append(what)
        self.calls_until_killed -= 1
        if self.calls_until_killed == 0:
            raise Killed

    def _is_on(self, kind: str) -> bool:
        return self.stack.faults.is_on(kind, self.now)

    # Secrets Manager

    def _ask(self, operation: str, name: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Call Secrets Manager; note a call that fails."""
        self._call(operation)
        try:
            answer = self._perform(operation, name, asked)
        except BaseException:
            self.failed_calls.append(operation)
            raise
        self._call()
        return answer

    def _perform(self, operation: str, name: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Have Secrets Manager act; it may act and still say that it failed."""
        rng = self.stack.faults.rng
        latency = rng.uniform(1.0, 9.0) if self._is_on(f.SLOW) else rng.uniform(0.01, 0.05)
        self.wait(latency / 2)
        code, message = ("", "") if self.stack.faults.is_calm(self.now) else self._refusal(operation, name)
        if code and (code != MAY_HAVE_ACTED or rng.random() < HALF):
            raise failure(code, message)
        answer = self.stack.perform(self, operation, name, asked)
        self.wait(latency / 2)
        if code:
            raise failure(code)
        return answer

    def _refusal(self, operation: str, name: str) -> tuple[str, str]:
        """Draw with which error code and message Secrets Manager refuses a call, if it does."""
        if self._is_on(f.READS_THROTTLED):
            return "ThrottlingException", ""
        if self._is_on(f.KEY_DENIED) and "tokens/" in name and operation != "describe_secret":
            self.trouble = f"{operation} was denied by KMS"
            return "AccessDeniedException", "Access to KMS is not allowed"
        is_denied = (
            (self._is_on(f.CREDENTIALS_DENIED) and operation in READS and name.endswith("/credentials"))
            or (self._is_on(f.LABELS_DENIED) and operation == "update_secret_version_stage")
            or (self._is_on(f.TOKENS_DENIED) and operation in {"put_secret_value", "create_secret"})
        )
        if is_denied:
            self.trouble = self.trouble if operation in READS else f"{operation} was denied"
            return "AccessDeniedException", ""
        fails = self._is_on(f.FAILING) and self.stack.faults.rng.random() < MOSTLY
        return (MAY_HAVE_ACTED if fails else ""), ""

    # movieXchange

    def send(self, method: str, _: str, headers: Mapping[str, str], form: Mapping[str, str] | None) -> Answer:
        """Call movieXchange, which may act even if no answer comes back."""
        host = "auth" if method == "POST" else "api"
        self._call("log in" if form else "verify")
        self.stack.invariants.sent(self, form)
        trouble = self.trouble
        try:
            answer = self._exchange(host, headers, dict(form) if form else None)
        except errors.TimeIsUp as error:
            answer = no_answer(host, error)
        if answer.status is None:
            self._lose(form, trouble)
        if form and form["grant_type"] == "password":
            self.log_ins[form["client_id"]] += 1
            self.unanswered[form["client_id"]] += answer.status in UNAVAILABLE
        self._call()
        return answer

    def _lose(self, form: Mapping[str, str] | None, trouble: str) -> None:
        """Forget what an answer that did not arrive would have told."""
        self.trouble, self.rejected_version = trouble, ""
        if form:
            self.accepted_log_ins.discard(form["client_id"])

    def _exchange(self, host: str, headers: Mapping[str, str], form: dict[str, str] | None) -> Answer:
        rng = self.stack.faults.rng
        if self._is_on(f.MX_DOWN):
            self.wait(rng.uniform(0.1, 3.0))
            return Answer(host=host, trouble="the connection was refused", never_connected=True)
        latency = rng.uniform(1.0, 4 * READ_SECONDS) if self._is_on(f.MX_SLOW) else rng.uniform(0.1, 1.0)
        self.wait(min(latency, READ_SECONDS) / 2)
        answer = (None if self.stack.faults.is_calm(self.now) else self._fault(form)) or self.stack.answer(
            self, headers, form
        )
        self.wait(min(latency, READ_SECONDS) / 2)
        if latency > READ_SECONDS:
            return Answer(host=host, trouble="no answer in time")
        return answer

    def _fault(self, form: dict[str, str] | None) -> Answer | None:
        """Draw what a fault has movieXchange answer, if one does."""
        rng = self.stack.faults.rng
        if self._is_on(f.MX_FAILING) and rng.random() < MOSTLY:
            return Answer(host="mx", status=503, headers={"Retry-After": "1"})
        if self._is_on(f.MX_LIMITING):
            return Answer(host="mx", status=429, headers={"Retry-After": str(rng.randrange(1, 20))})
        answer = None
        if form is None and self._is_on(f.API_DOWN):
            answer = rng.choice([*NO_VERDICTS, Answer(host="api", trouble="no answer in time")])
        elif form is None and self._is_on(f.API_UNLICENSED):
            answer = Answer(host="api", status=403, body=b"{}")
        elif form is None and self._is_on(f.API_DIVIDED) and rng.random() < HALF:
            answer = Answer(host="api", status=401, body=b"{}")
        elif form and self._is_on(f.MX_NONSENSE):
            answer, self.trouble = rng.choice(NONSENSE), "a log-in was answered with nonsense"
        elif form and self._is_on(f.CLIENT_REJECTED):
            answer = Answer(host="auth", status=400, body=b'{"error":"invalid_client"}')
            self.rejected_client_ids.add(form["client_id"])
            if form["grant_type"] == "password":
                self.trouble = "a client ID was rejected"
        elif form and self._is_on(f.MX_MISTAKEN) and form["grant_type"] == "password":
            answer = self.stack.reject(self, form)
        return answer

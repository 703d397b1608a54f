"""Entry point of Lambda: wiring, logs, metrics and the time limit; nothing else reads the environment or the clock."""

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit, single_metric
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config

from mx_token_rotator import errors, events
from mx_token_rotator.moviexchange import MovieXchange
from mx_token_rotator.refresh import Outcome, Run, outcome
from mx_token_rotator.secrets_manager import SecretsManager
from mx_token_rotator.settings import Settings
from mx_token_rotator.tokens import Published
from mx_token_rotator.transport import World, send

SPARE_SECONDS = 5.0  # kept back from Lambda's time-out, to log and count failures in
utc_now = partial(datetime.now, UTC)
logger = Logger(service="mx-token-rotator", use_rfc3339=True)
for chatty, level in {"botocore": logging.INFO, "urllib3": logging.ERROR}.items():  # below, they print secrets
    logging.getLogger(chatty).setLevel(level)
limits = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3})
secrets_manager = boto3.client("secretsmanager", config=limits)


@logger.inject_lambda_context(log_event=False, clear_state=True)
def handler(event: object, context: LambdaContext) -> dict[str, Any]:
    """Serve one message of the queue or one request by hand, and return its outcomes; never raises."""
    outcomes, failures = list[Outcome](), list[errors.RotatorError]()
    run = None
    try:
        with time_limit(context.get_remaining_time_in_millis() / 1000 - SPARE_SECONDS) as seconds_left:
            settings = Settings.parse(os.environ)
            request = events.parse(event, settings.clients, settings.account, utc_now())
            through = partial(send, proxy=settings.proxy)
            world = World(send=through, clock=utc_now, sleep=time.sleep, seconds_left=seconds_left, warn=logger.warning)
            secrets = SecretsManager(secrets_manager, settings, time.sleep)
            run = Run(request, settings, secrets, MovieXchange(settings, world), world, failures)
            outcomes.extend(run.outcomes())
            outcomes.sort(key=lambda each: each["client_id"])
    except (Exception, errors.TimeIsUp) as error:  # noqa: BLE001  a failed invocation would be delivered again
        failures.append(errors.named(error))
        outcomes.append(outcome(None, Published(), "failed", failures[-1]))
    report(outcomes, failures, run, is_by_hand=not (isinstance(event, dict) and "Records" in event))
    return {"outcomes": outcomes}


@contextmanager
def time_limit(seconds: float) -> Iterator[Callable[[], float]]:
    """Interrupt whatever still waits after so many seconds, by TimeIsUp; give the seconds that are left."""

    def interrupt(_signal: int, _frame: object) -> None:
        raise errors.TimeIsUp

    # A socket's time-out begins anew with each byte. Lambda runs the handler on the main thread, where signals arrive.
    end = time.monotonic() + seconds
    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
    try:
        yield lambda: end - time.monotonic()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def report(outcomes: list[Outcome], failures: list[errors.RotatorError], run: Run | None, *, is_by_hand: bool) -> None:
    """Log each outcome, and count what the alarms listen to; a trial of credentials counts nothing."""
    lives = run.lives if run else {}
    told = {each.get("error") for each in outcomes}
    aside = {e.problem: outcome(None, Published(), "failed", e) for e in failures if e.problem not in told}
    for each in [*outcomes, *aside.values()]:
        message = each.get("error", f"{each['outcome']}: {each['reason']}")
        log = logger.error if "error" in each else logger.info
        log(message, **each, life_remaining=lives.get(each["client_id"]))
    if run and run.request.trial_version:
        return
    account = os.environ.get("ACCOUNT") or "unknown"
    if lives and run and not run.request.rejected_version:  # a flood of reports must not stand for checks
        count("TokenLifeRemaining", min(lives.values()), MetricUnit.Percent, Account=account)
    if refreshed := sum(each["outcome"] == "refreshed" for each in outcomes):
        count("TokenRefreshed", refreshed, Account=account)
    for name in sorted({type(failure).__name__ for failure in failures}):
        if name != "RequestInvalid":  # which only its sender can correct, so that it rings no alarm
            count("TokenRefreshFailed", 1, Account=account)
        count("TokenRefreshFailed", 1, Account=account, Error=name)
    if any(failure.needs_person for failure in failures) and not is_by_hand:
        count("ActionRequired", 1, Account=account)


def count(name: str, value: float, unit: MetricUnit = MetricUnit.Count, **dimensions: str) -> None:
    """Emit a metric under exactly these dimensions: an alarm hears no other set."""
    with single_metric(name=name, unit=unit, value=value, namespace="MovieXchange") as metric:
        metric.service = None  # type: ignore[assignment]  # what POWERTOOLS_SERVICE_NAME would add
        for dimension, of in dimensions.items():
            metric.add_dimension(name=dimension, value=of)

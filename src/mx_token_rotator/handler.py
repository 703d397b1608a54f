"""Lambda's door: wiring, logging, metrics.

Of what ships, only this room reads the environment and the clock, and only it logs.
"""

import logging
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit, single_metric
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config

from mx_token_rotator.deadline import Deadline
from mx_token_rotator.errors import RotatorError
from mx_token_rotator.refresh import MovieXchange, Outcome, Request, Rotator, Rules
from mx_token_rotator.rotation import Rotation, Step
from mx_token_rotator.settings import Settings
from mx_token_rotator.tokens import AccessToken, Credentials, RefreshToken, TokenResponse
from mx_token_rotator.vault import SecretsManagerVault, token_secret

if TYPE_CHECKING:
    from requests import Session

SPARE_SECONDS = 5.0  # kept back from Lambda's time-out, to log and count a failure in

logger = Logger(service="mx-token-rotator", use_rfc3339=True)
for chatty, level in {"botocore": logging.INFO, "urllib3": logging.ERROR}.items():
    # They write requests and answers with all that is in them at DEBUG, which the function's own level may be; urllib3
    # writes what it cannot parse of an answer's head at WARNING.
    logging.getLogger(chatty).setLevel(level)
secrets_manager = boto3.client(
    "secretsmanager",
    config=Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2}),
)


@logger.inject_lambda_context(log_event=False, clear_state=True)
def handler(event: object, context: LambdaContext) -> dict[str, Any]:
    """Serve one request for one client ID; give its outcome, or raise what stood in the way."""
    account = "unknown"
    try:
        settings = Settings.parse(os.environ)
        account = settings.account
        outcome = serve(event, context, settings)
    except Exception as error:
        count_failure(error, account)
        raise
    logger.info("%s: %s", outcome.outcome, outcome.reason, **asdict(outcome))
    return asdict(outcome)


def serve(event: object, context: LambdaContext, settings: Settings) -> Outcome:
    """Wire the rooms together for one request, and count what it did."""
    asked = parse(event, settings)
    logger.append_keys(client_id=asked.client_id)
    deadline = Deadline(lambda: context.get_remaining_time_in_millis() / 1000).earlier_by(SPARE_SECONDS)
    seen: list[AccessToken | None] = []
    vault = SecretsManagerVault(secrets_manager, settings.account, deadline)
    rotator = Rotator(
        vault=vault,
        moviexchange=_OnDemand(lambda: moviexchange(settings, deadline.earlier_by(SecretsManagerVault.LONGEST_CALL))),
        rules=Rules(
            refresh_at_percent=settings.refresh_at_percent,
            min_token_age=timedelta(seconds=settings.min_token_age_seconds),
            keep_refresh_token=settings.keep_refresh_token,
            native_rotation=settings.native_rotation,
        ),
        clock=utc_now,
        observe=seen.append,
        report=lambda failure: count_failure(failure, settings.account),
    )
    rotation = Rotation(rotator=rotator, vault=vault, observed=seen)
    try:
        outcome = rotation.take(asked) if isinstance(asked, Step) else rotator.refresh(asked)
    finally:
        # Of failed refreshes too: the alarm on a token's life must hear of them.
        if settings.watch_tokens:
            count_seconds_remaining(token_secret(settings.account, asked.client_id), seen)
    if outcome.outcome == "refreshed":
        count("TokenRefreshed", 1, MetricUnit.Count, Account=settings.account)
        if settings.native_rotation and isinstance(asked, Request):
            rotation.give_way(asked.client_id)
    return outcome


def parse(event: object, settings: Settings) -> Request | Step:
    """Take a request, or a step of Secrets Manager's where the stack has it rotate. Raises RequestInvalid."""
    if settings.native_rotation and isinstance(event, dict) and "Step" in event:
        secrets = {token_secret(settings.account, client_id): client_id for client_id in settings.client_ids}
        return Step.parse(event, secrets)
    return Request.parse(event, settings.client_ids)


class _OnDemand(MovieXchange):
    """MovieXchange, made when it is first asked: a quiet tick asks nothing of it, and need not load requests."""

    def __init__(self, make: Callable[[], MovieXchange]) -> None:
        self._made = cache(make)

    def log_in(self, client_id: str, credentials: Credentials) -> TokenResponse:
        return self._made().log_in(client_id, credentials)

    def renew(self, refresh_token: RefreshToken) -> TokenResponse:
        return self._made().renew(refresh_token)

    def verify(self, token: AccessToken) -> bool:
        return self._made().verify(token)


def moviexchange(settings: Settings, deadline: Deadline) -> MovieXchange:
    """Wire movieXchange to the session."""
    from mx_token_rotator.moviexchange import MovieXchangeOverHttps  # noqa: PLC0415  it loads requests

    return MovieXchangeOverHttps(
        session(),
        auth_url=settings.auth_url,
        api_url=settings.api_url,
        verify_path=settings.verify_path,
        clock=utc_now,
        deadline=deadline,
        sleep=time.sleep,
        warn=logger.warning,
    )


@cache
def session() -> "Session":
    """Make the session that lives as long as the execution environment."""
    from mx_token_rotator.session import new_session  # noqa: PLC0415  it loads requests

    return new_session()


def count_seconds_remaining(secret: str, seen: list[AccessToken | None]) -> None:
    """Count the life left of what was seen published last; nothing where the secret could not be read."""
    if seen:
        left = seen[-1].seconds_left(utc_now()) if seen[-1] else 0.0
        count("TokenSecondsRemaining", left, MetricUnit.Seconds, TokenSecret=secret)


def count_failure(error: Exception, account: str) -> None:
    """Log who must act and how, and count the failure under its error's name."""
    name = type(error).__name__
    if isinstance(error, RotatorError):
        logger.error(error.problem, error=name, who=error.who, remedy=error.remedy)
    count("TokenRefreshFailed", 1, MetricUnit.Count, Account=account, Error=name)


def count(name: str, value: float, unit: MetricUnit, **dimensions: str) -> None:
    """Emit a metric under exactly these dimensions: an alarm hears no other set."""
    with single_metric(name=name, unit=unit, value=value, namespace="MovieXchange") as metric:
        for dimension, of in dimensions.items():
            metric.add_dimension(name=dimension, value=of)


def utc_now() -> datetime:
    """Read the clock."""
    return datetime.now(UTC)

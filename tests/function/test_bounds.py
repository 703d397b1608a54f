"""How often the function logs in, and whether applications have a token, through whole days of trouble.

Each test runs the handler on a virtual clock, with the queue and the schedule around it, and counts what arrives at
movieXchange.
"""

from bisect import bisect_left
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from tests.function.fakes import CLIENT_ID, WRONG_PASSWORD, Sent, status
from tests.function.function import KMS_DENIES, Deployment

A_DAY = timedelta(days=1)
AN_HOUR = timedelta(hours=1)
BRANDS = ("Brand-A", "Brand-B", "Brand-C")
THREE = {"CLIENT_IDS": ",".join(BRANDS)}
LONG_LIVED = timedelta(days=10)

Deploying = Callable[..., Deployment]

pytestmark = pytest.mark.unmeasured  # it doubles the time, and other tests run the same lines


@pytest.fixture
def three(deploying: Deploying) -> Deployment:
    """Deploy with three client IDs; the credentials secret is empty."""
    return deploying(**THREE)


def reporting(deployment: Deployment, *clients: str) -> Callable[[], None]:
    """Make applications that report whatever version is published, or a made-up one."""

    def report() -> None:
        for client in clients or (CLIENT_ID,):
            deployment.report(deployment.rotator.version(client), client)

    return report


def busiest_hour(sent: list[Sent]) -> int:
    """Return the most requests of any hour from one request on."""
    times = sorted(each.at for each in sent)
    return max((bisect_left(times, first + AN_HOUR) - at for at, first in enumerate(times)), default=0)


def bad_minutes(deployment: Deployment, duration: timedelta) -> list[datetime]:
    """Let time pass, and list the minutes in which an application reads a token that does not work."""
    bad: list[datetime] = []

    def read() -> None:
        if not deployment.mx.accepts(deployment.rotator.published()):
            bad.append(deployment.clock.now)

    deployment.run_for(duration, each_minute=read)
    return bad


# Reports


@pytest.mark.parametrize("deduplicates", [True, False])
def test_ten_simultaneous_reports_are_one_log_in(running: Deployment, *, deduplicates: bool) -> None:
    """The queue drops equal messages; the function answers what is left with `already replaced`."""
    running.queue.deduplicates = deduplicates
    running.clock.sleep(3600)
    running.mx.alive.clear()
    running.mx.requests.clear()
    for _ in range(10):
        running.report(running.rotator.version())
    running.deliver()

    assert len(running.mx.log_ins()) == 1


def test_reports_of_a_version_that_the_api_accepts_log_in_never(deployment: Deployment) -> None:
    """An OCAPI answers 401 also where a visitor is not signed in; an application may take that for a dead token."""
    deployment.mx.lifetime = LONG_LIVED
    deployment.fill()
    deployment.mx.requests.clear()
    deployment.run_for(A_DAY, each_minute=reporting(deployment))

    assert (len(deployment.mx.log_ins()), busiest_hour(deployment.mx.gets())) == (0, 12)


# Rejected credentials


def forty_reports(deployment: Deployment) -> None:
    """Report the published version of each client ID, and made-up versions."""
    reporting(deployment, *BRANDS)()
    for number in range(37):
        deployment.report(f"made-up-{number}", BRANDS[number % 3])
    deployment.deliver()


@pytest.mark.parametrize("is_first_day", [True, False])
def test_a_mistyped_password_is_one_log_in(three: Deployment, *, is_first_day: bool) -> None:
    """However many client IDs there are, reports, and scheduled runs until the next slot at three o'clock."""
    if not is_first_day:
        three.fill()
        three.clock.sleep(1800)
        three.mx.alive = dict.fromkeys(three.mx.alive, ("", three.clock.now))
    three.mx.requests.clear()
    three.fill(password="mistyped")
    forty_reports(three)
    three.run_for(timedelta(minutes=80))
    forty_reports(three)

    assert len(three.mx.log_ins()) == 1


@pytest.mark.parametrize("is_first_day", [True, False])
def test_a_label_that_is_denied_allows_no_log_in(three: Deployment, *, is_first_day: bool) -> None:
    """Without the label nobody would know that the version was tried."""
    if not is_first_day:
        three.fill()
    three.mx.requests.clear()
    three.rotator.deny("UpdateSecretVersionStage")
    three.fill(password="mistyped")
    forty_reports(three)
    three.run_for(A_DAY)

    assert three.mx.log_ins() == []


@pytest.mark.parametrize("is_first_day", [True, False])
def test_a_day_with_rejected_credentials_is_ten_log_ins_at_most(three: Deployment, *, is_first_day: bool) -> None:
    """One for the new version, and one in each of eight slots."""
    if not is_first_day:
        three.fill()
    three.mx.requests.clear()
    three.fill(password="mistyped")
    three.run_for(A_DAY, each_minute=reporting(three, *BRANDS))

    assert len(three.mx.log_ins()) == 9


def test_a_password_that_expires_at_moviexchange_is_ten_log_ins_a_day_at_most(three: Deployment) -> None:
    """A proven version gets the label when it is rejected."""
    three.fill()
    three.mx.requests.clear()
    three.mx.password = "changed"
    three.run_for(A_DAY, each_minute=reporting(three, *BRANDS))

    assert 1 <= len(three.mx.log_ins()) <= 10


@pytest.mark.parametrize("is_first_day", [True, False])
def test_a_rejection_that_was_a_mistake_heals_at_the_next_slot(three: Deployment, *, is_first_day: bool) -> None:
    """MovieXchange rejects right credentials for an hour, from 13:05; the slot is at 15:00."""
    if not is_first_day:
        three.fill()
    three.mx.token_fault = WRONG_PASSWORD
    three.fill()
    three.run_for(AN_HOUR)
    three.mx.token_fault = None
    three.run_for(timedelta(minutes=56))

    healed = [(run.at.strftime("%H:%M"), each["outcome"]) for run in three.runs for each in run.outcomes][-3:]
    assert (healed, three.rotator.rejected()) == ([("15:00", "refreshed")] * 3, None)


def test_tokens_that_moviexchange_lost_heal_at_the_next_slot_after_a_rejection_by_mistake(three: Deployment) -> None:
    """All tokens die at 13:35, and for half an hour right credentials are rejected; no token is due by its age."""
    three.fill()
    three.clock.sleep(1800)
    three.mx.alive.clear()
    three.mx.token_fault = WRONG_PASSWORD
    three.run_for(AN_HOUR / 2, each_minute=reporting(three, *BRANDS))
    three.mx.token_fault = None
    three.run_for(AN_HOUR, each_minute=reporting(three, *BRANDS))

    assert all(three.mx.accepts(three.rotator.published(brand)) for brand in BRANDS)


def test_the_slot_of_rejected_credentials_whose_tokens_still_work_is_one_log_in(three: Deployment) -> None:
    """It finds out that movieXchange accepts them again, and no other client ID needs a token."""
    three.fill()
    three.mx.token_fault = WRONG_PASSWORD
    three.rotator({"client_id": BRANDS[0], "force": True})
    three.mx.token_fault = None
    three.mx.requests.clear()
    three.run_for(timedelta(hours=2))

    assert (len(three.mx.log_ins()), three.rotator.rejected()) == (1, None)


# Outages


@pytest.mark.parametrize("api", ["refuses", "is down"])
def test_a_day_without_the_token_service_is_120_requests_an_hour_at_most(three: Deployment, api: str) -> None:
    """Each of three client IDs is reported every minute.

    The queue lets a report of each through every five minutes: a GET, and a log-in that is tried twice. In addition, a
    scheduled run tries a log-in three times.
    """
    three.fill()
    three.clock.sleep(1800)
    three.mx.requests.clear()
    three.mx.token_fault = status(503)
    three.mx.api_fault = status(401 if api == "refuses" else 503)
    three.run_for(A_DAY, each_minute=reporting(three, *BRANDS))

    assert busiest_hour(three.mx.requests) == 3 * 12 * (1 + 2) + 4 * 3


def test_refresh_tokens_do_not_add_to_the_requests_of_an_outage(deploying: Deploying) -> None:
    """Nobody can read the credentials, so that each report tries the stored refresh token twice."""
    three = deploying(CLIENT_IDS=",".join(BRANDS), KEEP_REFRESH_TOKEN="true")
    three.mx.issues_refresh_tokens = True
    three.fill()
    three.clock.sleep(1800)
    three.mx.requests.clear()
    three.rotator.deny("GetSecretValue", "/credentials")
    three.mx.token_fault = three.mx.api_fault = status(503)
    three.run_for(A_DAY, each_minute=reporting(three, *BRANDS))

    assert busiest_hour(three.mx.requests) == 3 * 12 * (1 + 2) + 4 * 3


def test_a_day_without_any_answer_is_fewer_requests_still(three: Deployment) -> None:
    """A request that got no answer is not sent again: it may have been counted as an attempt."""
    three.fill()
    three.clock.sleep(1800)
    three.mx.requests.clear()
    three.mx.token_fault = three.mx.api_fault = three.mx.times_out
    three.run_for(A_DAY, each_minute=reporting(three, *BRANDS))

    assert busiest_hour(three.mx.requests) == 3 * 12 * (1 + 1) + 4


# Secrets that cannot be written


@pytest.mark.parametrize("message", ["a policy demands other tags", KMS_DENIES])
def test_where_creating_a_secret_is_denied_nobody_logs_in(deployment: Deployment, message: str) -> None:
    """The secret is created before the first log-in."""
    deployment.rotator.deny("CreateSecret", message=message)
    deployment.fill()
    deployment.run_for(A_DAY)

    assert deployment.mx.log_ins() == []


def test_where_a_key_is_denied_nobody_logs_in(running: Deployment) -> None:
    """A token secret that can be neither read nor moved to the stack's key could not be written."""
    running.mx.requests.clear()
    running.rotator.deny("GetSecretValue", "/tokens/", message=KMS_DENIES)
    running.rotator.deny("UpdateSecret", "/tokens/", message=KMS_DENIES)
    running.run_for(A_DAY)

    assert running.mx.log_ins() == []


def test_where_writing_the_first_value_is_denied_each_scheduled_run_logs_in(deployment: Deployment) -> None:
    """97 a day: an empty secret has no version whose writing could be tried before."""
    deployment.rotator.deny("PutSecretValue")
    deployment.fill()
    deployment.run_for(A_DAY)

    assert len(deployment.mx.log_ins()) == 1 + 96


def test_where_writing_is_denied_published_tokens_work_until_they_expire(running: Deployment) -> None:
    """A log-in would end the published token, and the new one could not be published."""
    running.mx.ends_older_tokens = True
    running.rotator.deny("PutSecretValue")

    assert bad_minutes(running, timedelta(hours=11, minutes=59)) == []


def test_where_writing_is_denied_nobody_logs_in_while_the_published_token_works(running: Deployment) -> None:
    """Whether a version could be written is tried first."""
    running.mx.requests.clear()
    running.rotator.deny("PutSecretValue")
    running.run_for(timedelta(hours=11, minutes=59))

    assert running.mx.log_ins() == []


# An API without a verdict, or with the same one for every token


@pytest.mark.parametrize("api", [404, 500, 403, "times out"])
@pytest.mark.parametrize("ends_older_tokens", [True, False])
def test_whatever_the_api_says_applications_have_a_token(
    deployment: Deployment, api: int | str, *, ends_older_tokens: bool
) -> None:
    """An application that never reports reads the secret each minute of a day."""
    deployment.mx.ends_older_tokens = ends_older_tokens
    deployment.mx.api_fault = status(api) if isinstance(api, int) else deployment.mx.times_out
    deployment.fill()

    assert bad_minutes(deployment, A_DAY) == []


def test_an_api_that_refuses_tokens_later_on_costs_none(running: Deployment) -> None:
    """The account loses its licence for that API; its tokens work elsewhere."""
    running.mx.ends_older_tokens = True
    running.mx.api_fault = status(403)

    assert bad_minutes(running, A_DAY) == []


def test_an_api_that_refuses_every_token_is_four_to_six_log_ins_a_day(deployment: Deployment) -> None:
    """What was published and refused is tried again without a log-in."""
    deployment.mx.api_fault = status(403)
    deployment.fill()
    deployment.run_for(A_DAY)

    assert 4 <= len(deployment.mx.log_ins()) <= 6


def test_an_api_that_refuses_every_token_needs_a_person_in_every_run(deployment: Deployment) -> None:
    """The alarm stays until somebody acts."""
    deployment.mx.api_fault = status(403)
    deployment.fill()
    deployment.run_for(A_DAY)

    assert [run.metrics().get("ActionRequired") for run in deployment.runs] == [1] * 97


# Lifetimes


def lowest_lives(deployment: Deployment) -> list[float]:
    """Return the lowest TokenLifeRemaining in each half hour, which is the period of the alarm TokenLifeLow."""
    periods: dict[float, list[float]] = {}
    for run in deployment.runs:
        periods.setdefault(run.at.timestamp() // 1800, []).append(run.metrics()["TokenLifeRemaining"])
    return [min(lives) for lives in periods.values()]


@pytest.mark.parametrize("minutes", [30, 60, 240, 720, 1440])
def test_a_token_of_any_usual_lifetime_works_in_each_minute_of_a_day(deployment: Deployment, minutes: int) -> None:
    """From half an hour on, even if a log-in ends older tokens."""
    deployment.mx.lifetime, deployment.mx.ends_older_tokens = timedelta(minutes=minutes), True
    deployment.fill()

    assert bad_minutes(deployment, A_DAY) == []


@pytest.mark.parametrize("minutes", [30, 60, 240, 720, 1440])
def test_a_token_of_any_usual_lifetime_raises_no_alarm(deployment: Deployment, minutes: int) -> None:
    """No failure is counted, and there is always more than a quarter of its lifetime left."""
    deployment.mx.lifetime = timedelta(minutes=minutes)
    deployment.fill()
    deployment.run_for(A_DAY)

    emitted = {name for run in deployment.runs for name in run.metrics()}
    assert (emitted, min(lowest_lives(deployment)) >= 25) == ({"TokenLifeRemaining", "TokenRefreshed"}, True)


def test_a_token_of_ten_minutes_raises_the_alarm(deployment: Deployment) -> None:
    """It has expired whenever it is checked, and the lowest value of each half hour counts."""
    deployment.mx.lifetime = timedelta(minutes=10)
    deployment.fill()
    deployment.run_for(A_DAY)

    assert set(lowest_lives(deployment)) == {0.0}


@pytest.mark.parametrize("minutes", [10, 30])
def test_no_more_than_96_versions_a_day_are_written(running: Deployment, minutes: int) -> None:
    """Secrets Manager keeps 100, and removes none that is younger than a day."""
    running.mx.lifetime = timedelta(minutes=minutes)
    running.run_for(A_DAY, each_minute=reporting(running))

    assert sum(run.metrics().get("TokenRefreshed", 0) for run in running.runs[1:]) <= 96


# Vista's Digital Platform


@pytest.fixture
def vista(deploying: Deploying) -> Deployment:
    """Deploy for an account without a client secret, whose API host has a path and whose client ID is a sentence."""
    deployment = deploying(CLIENT_IDS="Web:Foo Tickets (Web)", API_URL="https://vwc.example.com/WSVistaWebClient")
    deployment.mx.client_secret = ""
    deployment.fill(client_secret="")
    return deployment


def test_a_token_for_the_digital_platform_is_verified_with_authorization_alone(vista: Deployment) -> None:
    """There is no client secret to send."""
    (get,) = vista.mx.gets()

    assert (get.url, set(get.headers)) == ("https://vwc.example.com/WSVistaWebClient/ocapi/v1/sites", {"Authorization"})


def test_a_token_for_the_digital_platform_is_published(vista: Deployment) -> None:
    """The document has the client ID, and an empty client secret."""
    document = vista.rotator.published("Web")

    assert (document["client_id"], document["client_secret"], document["verified"], vista.mx.accepts(document)) == (
        "Foo Tickets (Web)",
        "",
        True,
        True,
    )


def test_the_digital_platform_needs_no_other_setting(deployment: Deployment) -> None:
    """Without ApiUrl nothing is verified, and no metric of a day says otherwise."""
    deployment.mx.client_secret = ""
    deployment.fill(client_secret="")
    deployment.run_for(A_DAY)

    emitted = {name for run in deployment.runs for name in run.metrics()}
    assert (emitted, deployment.mx.gets()) == ({"TokenLifeRemaining", "TokenRefreshed"}, [])

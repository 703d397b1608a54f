"""TokenSource: when it reads the secret, what it hands out, and what it reports."""

import asyncio
import copy
import json
import logging
import os
import pickle
import signal
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier, Event
from typing import Any

import boto3
import pytest

from moviexchange_auth import ClientSecretError, Token, TokenError, TokenSource
from tests.reader.app import SECRET, STARTED, App, rfc_3339

HOUR = 3600.0


def test_a_token_says_when_it_expires_and_not_what_it_is(core: App) -> None:
    """Its repr may be logged."""
    version = core.publish("a-token")
    token = core.source.token()
    shown = repr(token)

    assert (token.access_token, token.version, token.expires_at) == ("a-token", version, STARTED + timedelta(hours=12))
    assert not [text for text in ("a-token", core.mx.client_secret) if text in shown]


def test_the_headers_of_movieXchange_are_two(core: App) -> None:  # noqa: N802  its name
    """The token and the client secret."""
    core.publish("a-token")

    assert core.source.headers() == {"Authorization": "Bearer a-token", "MX-Api-Client-Secret": core.mx.client_secret}


def test_the_headers_of_vista_are_one(core: App) -> None:
    """Its client secret is empty."""
    core.mx.client_secret = ""
    core.publish("a-token")

    assert core.source.headers() == {"Authorization": "Bearer a-token"}


# When it reads


@pytest.mark.parametrize(("seconds", "reads"), [(269, 1), (300, 2)])
def test_a_token_is_kept_for_five_minutes_or_up_to_a_tenth_less(core: App, seconds: float, reads: int) -> None:
    """The replaced token is valid for hours longer."""
    core.publish("a-token")
    core.source.token()
    core.advance(seconds)
    core.source.token()

    assert len(core.calls) == reads


def test_many_applications_do_not_read_at_the_same_time(core: App) -> None:
    """However long they run: of two hundred that began together, some read before others."""
    core.publish("a-token")
    client = core.aws.client("secretsmanager")
    sources = [core.make_source(client=client) for _ in range(200)]
    for each in sources:
        each.token()
    core.advance(285)
    core.calls.clear()
    for each in sources:
        each.token()

    assert 0 < len(core.calls) < len(sources)


def test_a_new_version_is_noticed(core: App) -> None:
    """After five minutes."""
    core.publish("a-token")
    core.source.token()
    core.publish("another-token")
    core.advance(300)

    assert core.source.token().access_token == "another-token"


def test_max_age_is_the_applications_choice(core: App) -> None:
    """In seconds."""
    core.publish("a-token")
    source = core.make_source(max_age=10.0)
    source.token()
    core.advance(10)
    source.token()

    assert len(core.calls) == 2


@pytest.mark.parametrize("left", [119, 0, -1])
def test_a_token_that_expires_within_two_minutes_is_read_again(core: App, left: float) -> None:
    """The clock of the machine may be wrong by so much."""
    core.publish("a-token", lifetime=timedelta(seconds=200))
    core.source.token()
    core.publish("another-token")
    core.advance(200 - left)

    assert core.source.token().access_token == "another-token"


def test_a_token_serves_until_it_expires(core: App) -> None:
    """If there is no newer one."""
    core.publish("a-token", lifetime=timedelta(seconds=200))
    core.advance(199)

    assert core.source.token().access_token == "a-token"


def test_an_expired_token_is_an_error(core: App) -> None:
    """It says where, since when, and what to do."""
    core.publish("a-token", lifetime=timedelta(seconds=200))
    core.advance(200)

    with pytest.raises(
        TokenError,
        match=f"^The token in the secret {SECRET} expires at 2026-11-24T02:03:20Z: look for the last error of mx",
    ):
        core.source.token()


@pytest.mark.parametrize(("min_life", "reads"), [(HOUR, 1), (HOUR + 1, 2)])
def test_a_token_can_be_asked_for_with_time_left(core: App, min_life: float, reads: int) -> None:
    """It is read again if the kept one has less."""
    core.publish("a-token", lifetime=timedelta(hours=1))
    core.source.token()
    core.publish("another-token")
    core.calls.append("GetSecretValue")

    token = core.source.token(min_life=min_life)

    assert (bool(token.version), len(core.calls)) == (True, reads)


def test_less_time_than_was_asked_for_is_an_error(core: App) -> None:
    """The caller of `headers` and of `token` relies on it."""
    core.publish("a-token", lifetime=timedelta(hours=1))

    with pytest.raises(TokenError, match="expires at 2026-11-24T03:00:00Z"):
        core.source.headers(min_life=HOUR + 1)


@pytest.mark.parametrize("seconds", [0.0, 9.9])
def test_reading_that_does_not_help_is_not_repeated_within_ten_seconds(core: App, seconds: float) -> None:
    """Neither an empty secret, nor an expired token, nor one with too little time left, nor a refused one."""
    reads = []
    for prepare, ask in unhelpful(core):
        prepare()
        core.source = core.make_source()
        ask()
        core.advance(seconds)
        core.calls.clear()
        ask()
        reads += [call for call in core.calls if call == "GetSecretValue"]

    assert reads == []


def test_reading_that_does_not_help_is_repeated_after_ten_seconds(core: App) -> None:
    """It may help then."""
    reads = []
    for prepare, ask in unhelpful(core):
        prepare()
        core.source = core.make_source()
        ask()
        core.advance(10)
        core.calls.clear()
        ask()
        reads.append(core.calls.count("GetSecretValue"))

    assert reads == [1, 1, 1, 1]


def unhelpful(core: App) -> list[tuple[Callable[[], Any], Callable[[], Any]]]:
    """Return secrets, and requests for their tokens that cannot be satisfied."""

    def fail(**options: float) -> None:
        with pytest.raises(TokenError):
            core.source.token(**options)

    def refuse() -> None:
        core.source.refused(core.source.token().version)

    def nothing() -> None:
        core.calls.clear()

    return [
        (nothing, fail),
        (lambda: core.publish("a-token", lifetime=timedelta(seconds=-1)), fail),
        (lambda: core.publish("a-token"), lambda: fail(min_life=24 * HOUR)),
        (nothing, refuse),
    ]


def test_a_token_whose_reading_failed_is_asked_for_with_the_same_error(core: App) -> None:
    """The second caller reads nothing, and is told the reason, too."""
    texts = []
    for _ in range(2):
        with pytest.raises(TokenError, match="ResourceNotFoundException") as caught:
            core.source.token()
        texts.append(str(caught.value))

    assert (texts[0], core.calls) == (texts[1], ["GetSecretValue"])


# Trouble


def test_the_kept_token_serves_while_secrets_manager_is_down(core: App, caplog: pytest.LogCaptureFixture) -> None:
    """It is tried again every ten seconds, not with each request."""
    core.publish("a-token")
    core.source.token()
    core.is_aws_down = True
    core.advance(300)
    tokens = {core.source.token().access_token for _ in range(50)}

    assert (tokens, core.calls) == ({"a-token"}, ["GetSecretValue"] * 2)
    assert caplog.messages == [f'The secret {SECRET} cannot be read: Could not connect to the endpoint URL: "aws"']


def test_an_expired_token_is_not_handed_out_while_secrets_manager_is_down(core: App) -> None:
    """The error names the reason."""
    core.publish("a-token", lifetime=timedelta(seconds=200))
    core.source.token()
    core.is_aws_down = True
    core.advance(200)

    with pytest.raises(TokenError, match="expires at 2026-11-24T02:03:20Z: Could not connect to the endpoint URL"):
        core.source.token()


def test_a_token_is_noticed_once_secrets_manager_is_back(core: App) -> None:
    """Ten seconds later at most."""
    core.is_aws_down = True
    with pytest.raises(TokenError):
        core.source.token()
    core.is_aws_down = False
    core.publish("a-token")
    core.advance(10)

    assert core.source.token().access_token == "a-token"


@pytest.mark.parametrize(
    "text",
    [
        "a-password-by-mistake",
        "[]",
        "{}",
        '{"access_token": 1, "client_secret": "", "expires_at": "2026-11-24T14:00:00Z"}',
        '{"access_token": "a", "client_secret": null, "expires_at": "2026-11-24T14:00:00Z"}',
        '{"access_token": "a-password-by-mistake", "client_secret": "", "expires_at": "tomorrow"}',
        '{"access_token": "a", "client_secret": "", "expires_at": "2026-11-24T14:00:00"}',
    ],
)
def test_a_secret_without_a_token_document_is_an_error(core: App, text: str) -> None:
    """Neither the message nor its causes have anything of the value in them."""
    core.put(text)

    with pytest.raises(
        TokenError, match=f"^The token in the secret {SECRET} cannot be read: it contains no token; look"
    ) as caught:
        core.source.token()
    assert "password" not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
    assert getattr(caught.value.__cause__, "__traceback__", None) is None


def test_a_damaged_secret_does_not_take_the_kept_token_away(core: App) -> None:
    """It is valid still."""
    core.publish("a-token")
    core.source.token()
    core.put("damaged")
    core.advance(300)

    assert core.source.token().access_token == "a-token"


# Clocks


@pytest.mark.parametrize("hours", [-48, -5, 5, 11])
def test_a_step_of_the_clock_costs_at_most_one_read(core: App, hours: float) -> None:
    """Time is measured by another clock, and reading goes on every five minutes."""
    core.publish("a-token")
    core.source.token()
    core.now += timedelta(hours=hours)
    for _ in range(20):
        core.source.token()
        core.advance(10)
    before = len(core.calls)
    core.advance(100)
    core.source.token()

    assert (before <= 2, len(core.calls) - before) == (True, 1)


@pytest.mark.parametrize("hours", [-48, 11])
def test_a_step_of_the_clock_does_not_hold_back_a_report(core: App, hours: float) -> None:
    """It is repeated a minute later."""
    version = core.publish("a-token")
    core.source.refused(version)
    core.now += timedelta(hours=hours)
    core.advance(60)
    core.source.refused(version)

    assert len(core.reports) == 2


@pytest.mark.parametrize("hours", [3, 30])
def test_an_environment_that_was_frozen_for_hours_reads_again(core: App, hours: float) -> None:
    """As Lambda's: both clocks have moved."""
    core.publish("a-token")
    core.source.token()
    core.advance(hours * HOUR)
    core.publish("another-token")

    assert core.source.token().access_token == "another-token"


def test_a_suspended_machine_notices_that_the_token_has_expired(core: App) -> None:
    """Its monotonic clock stood still."""
    core.publish("a-token")
    core.source.token()
    core.now += timedelta(hours=13)
    core.publish("another-token")

    assert core.source.token().access_token == "another-token"


# Many callers


def test_sixty_four_threads_read_once(core: App) -> None:
    """All of them begin at the same moment, and none has a token yet."""
    core.publish("a-token")
    together = Barrier(64)

    def ask(_: int) -> str:
        together.wait(30)
        return core.source.token().access_token

    with ThreadPoolExecutor(64) as threads:
        tokens = set(threads.map(ask, range(64)))

    assert (tokens, core.calls) == ({"a-token"}, ["GetSecretValue"])


def test_sixty_four_threads_whose_token_was_refused_read_and_report_once(core: App) -> None:
    """And get the same newer token, or none."""
    version = core.publish("a-token")
    core.source.token()
    core.calls.clear()
    together = Barrier(64)

    def refuse(_: int) -> Token | None:
        together.wait(30)
        return core.source.refused(version)

    with ThreadPoolExecutor(64) as threads:
        newer = set(threads.map(refuse, range(64)))

    assert (newer, core.calls) == ({None}, ["GetSecretValue", "PutEvents"])


def test_five_hundred_tasks_read_once(core: App) -> None:
    """Without blocking the event loop."""
    core.publish("a-token")

    async def ask() -> list[dict[str, str]]:
        return await asyncio.gather(*(core.source.aheaders() for _ in range(500)))

    answers = asyncio.run(ask())

    assert ({each["Authorization"] for each in answers}, len(answers), core.calls) == (
        {"Bearer a-token"},
        500,
        ["GetSecretValue"],
    )


def test_five_hundred_tasks_whose_token_was_refused_read_and_report_once(core: App) -> None:
    """And get no other token."""
    version = core.publish("a-token")
    core.source.token()
    core.calls.clear()

    async def refuse() -> list[Token | None]:
        return await asyncio.gather(*(core.source.arefused(version) for _ in range(500)))

    assert (asyncio.run(refuse()), core.calls) == ([None] * 500, ["GetSecretValue", "PutEvents"])


def test_threads_and_tasks_read_once_together(core: App) -> None:
    """A read of the one serves the others."""
    core.publish("a-token")

    async def ask() -> None:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(20) as threads:
            waiting = [loop.run_in_executor(threads, core.source.token) for _ in range(20)]
            await asyncio.gather(*waiting, *(core.source.atoken() for _ in range(20)))

    asyncio.run(ask())

    assert core.calls == ["GetSecretValue"]


def hold_up(core: App) -> tuple[Event, Event]:
    """Hold up the next read; return what says that it began, and what lets it end."""
    is_reading, may_end = Event(), Event()

    def hold() -> None:
        is_reading.set()
        may_end.wait(30)

    core.before_a_read = hold
    return is_reading, may_end


def test_a_thread_with_a_valid_token_does_not_wait_for_a_read(core: App) -> None:
    """One reads, however long that takes; the others go on."""
    core.publish("a-token")
    core.source.token()
    core.advance(300)
    is_reading, may_end = hold_up(core)
    with ThreadPoolExecutor() as threads:
        held_up = threads.submit(core.source.token)
        is_reading.wait(30)
        token = core.source.token().access_token
        is_held_up = not held_up.done()
        may_end.set()

    assert (token, is_held_up, core.calls) == ("a-token", True, ["GetSecretValue"] * 2)


def test_a_task_with_a_valid_token_does_not_wait_for_a_read(core: App) -> None:
    """The event loop goes on, too."""
    core.publish("a-token")
    core.source.token()
    core.advance(300)
    is_reading, may_end = hold_up(core)

    async def ask() -> tuple[str, bool]:
        held_up = asyncio.create_task(core.source.atoken())
        await asyncio.to_thread(is_reading.wait, 30)
        token = (await core.source.atoken()).access_token
        is_held_up = not held_up.done()
        may_end.set()
        await held_up
        return token, is_held_up

    assert (asyncio.run(ask()), core.calls) == (("a-token", True), ["GetSecretValue"] * 2)


def test_a_cancelled_task_does_not_stop_the_others(core: App) -> None:
    """Its read goes on."""
    core.publish("a-token")
    is_reading, may_end = hold_up(core)

    async def ask() -> str:
        cancelled = asyncio.create_task(core.source.atoken())
        await asyncio.to_thread(is_reading.wait, 30)
        waiting = asyncio.create_task(core.source.atoken())
        cancelled.cancel()
        may_end.set()
        return (await waiting).access_token

    assert (asyncio.run(ask()), core.calls) == ("a-token", ["GetSecretValue"])


def test_each_event_loop_can_use_the_same_source(core: App) -> None:
    """As pytest and some servers make one after another."""
    core.publish("a-token")

    assert [asyncio.run(core.source.atoken()).access_token for _ in range(3)] == ["a-token"] * 3


# Processes


def test_a_forked_process_works(core: App) -> None:
    """Even if another thread of its parent was reading at that moment."""
    core.publish("a-token")
    is_reading, may_end = hold_up(core)
    with ThreadPoolExecutor() as threads:
        parents = threads.submit(core.source.token)
        is_reading.wait(30)
        core.before_a_read = lambda: None
        reader, writer = os.pipe()
        if not (child := os.fork()):
            signal.alarm(200)  # ends it if it waits for a lock of its parent, before pytest-timeout ends the test
            answers = [core.source.token().access_token, asyncio.run(core.source.atoken()).access_token]
            os.write(writer, json.dumps(answers).encode())
            os._exit(0)
        os.close(writer)
        answers = json.loads(os.read(reader, 100) or "null")
        may_end.set()
        parents.result(30)
    os.close(reader)

    assert (os.waitpid(child, 0)[1], answers) == (0, ["a-token", "a-token"])


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_copy_is_an_error_that_says_what_to_do(core: App, make: Callable[[Any], Any]) -> None:
    """It would read and report apart from the other, and a client cannot be copied."""
    with pytest.raises(TypeError, match="A TokenSource cannot be copied or pickled: share it, or make another one"):
        make(core.source)


# Reports


def test_a_refused_version_that_is_still_current_is_reported(core: App, caplog: pytest.LogCaptureFixture) -> None:
    """To the default bus of the secret's account and Region; the log says so."""
    caplog.set_level(logging.INFO, "moviexchange_auth")
    version = core.publish("a-token")

    assert (core.source.refused(version), core.reports, caplog.messages) == (
        None,
        [
            {
                "Source": SECRET,
                "DetailType": "Access Token Rejected",
                "EventBusName": "arn:aws:events:eu-west-1:123456789012:event-bus/default",
                "Detail": json.dumps({"version_id": version}),
            }
        ],
        [f"Version {version} of {SECRET} was reported as refused"],
    )


def test_a_newer_version_is_returned_and_nothing_reported(core: App) -> None:
    """Also to those who come later, without reading again."""
    version = core.publish("a-token")
    core.source.token()
    core.publish("another-token")
    newer = [core.source.refused(version) for _ in range(3)]

    assert ([each and each.access_token for each in newer], core.calls) == (["another-token"] * 3, ["GetSecretValue"])


def test_a_version_is_not_reported_if_the_caller_objects(core: App) -> None:
    """The next caller may not."""
    version = core.publish("a-token")
    core.source.refused(version, report=False)
    before = len(core.reports)
    core.source.refused(version)

    assert (before, len(core.reports)) == (0, 1)


@pytest.mark.parametrize(("seconds", "reports"), [(59, 1), (60, 2)])
def test_a_report_is_repeated_after_a_minute(core: App, seconds: float, reports: int) -> None:
    """While the version stays refused, because mx-token-rotator does not remember a report."""
    version = core.publish("a-token")
    core.source.refused(version)
    core.advance(seconds)
    core.source.refused(version)

    assert len(core.reports) == reports


def test_another_version_is_reported_at_once(core: App) -> None:
    """Each for itself."""
    for token in ("a-token", "another-token"):
        core.publish(token)
        core.advance(300)
        core.source.refused(core.source.token().version)

    assert len(core.reports) == 2


@pytest.mark.parametrize(("seconds", "reports"), [(9, 1), (10, 2)])
def test_a_report_that_failed_is_repeated_after_ten_seconds(
    core: App, caplog: pytest.LogCaptureFixture, seconds: float, reports: int
) -> None:
    """It is logged, and the application goes on; a role that may not report does not try with each request."""
    version = core.publish("a-token")
    core.refuses_reports = True
    core.source.refused(version)
    core.refuses_reports = False
    core.advance(seconds)
    core.source.refused(version)

    assert (len(core.reports), caplog.messages) == (
        reports,
        [f'Version {version} of {SECRET} cannot be reported: Could not connect to the endpoint URL: "events"'],
    )


class Client:
    """An application's own object with the two calls."""

    def __init__(self, *, failed: int = 0) -> None:
        """Refuse so many entries of a report."""
        self.failed, self.entries = failed, list[dict[str, str]]()

    def get_secret_value(self, *, SecretId: str) -> dict[str, str]:  # noqa: N803  as boto3's
        """Return a token."""
        document = {
            "access_token": "a-token",
            "client_secret": "",
            "expires_at": rfc_3339(STARTED + timedelta(hours=1)),
        }
        arn = f"arn:aws:secretsmanager:eu-west-1:111122223333:secret:{SecretId}-AbCdEf"
        return {"ARN": arn, "Name": SecretId, "SecretString": json.dumps(document), "VersionId": f"of-{SecretId}"}

    def put_events(self, *, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803  as above
        """Record a report."""
        self.entries += Entries
        return {"FailedEntryCount": self.failed, "Entries": [{"ErrorCode": "ThrottlingException"}] * self.failed}


class AsyncClient(Client):
    """The same with coroutines, as aioboto3's."""

    async def get_secret_value(self, *, SecretId: str) -> dict[str, str]:  # type: ignore[override]  # noqa: N803  as above
        """Return a token."""
        return super().get_secret_value(SecretId=SecretId)

    async def put_events(self, *, Entries: list[dict[str, str]]) -> dict[str, Any]:  # type: ignore[override]  # noqa: N803
        """Record a report."""
        return super().put_events(Entries=Entries)


def test_a_report_that_the_bus_refused_is_repeated_too(core: App, caplog: pytest.LogCaptureFixture) -> None:
    """EventBridge answers 200, with the number of those that failed."""
    client = Client(failed=1)
    source = core.make_source(client=client)
    for _ in range(2):
        source.refused(f"of-{SECRET}")
        core.advance(10)

    assert (len(client.entries), caplog.messages[0]) == (
        2,
        f"Version of-{SECRET} of {SECRET} cannot be reported: ThrottlingException",
    )


def test_a_version_is_not_reported_if_the_secret_cannot_be_read(core: App) -> None:
    """Another one may be current."""
    version = core.publish("a-token")
    core.source.token()
    core.is_aws_down = True

    assert (core.source.refused(version), core.calls) == (None, ["GetSecretValue"] * 2)


# Clients, accounts and Regions


def clients(core: App) -> dict[str, Any]:
    """Return what an application may pass in."""
    return {
        "nothing": None,
        "a session": core.aws,
        "a client": core.aws.client("secretsmanager"),
        "an object": Client(),
    }


@pytest.mark.parametrize("kind", ["nothing", "a session", "a client", "an object"])
def test_any_client_reads_and_reports(core: App, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """In threads and in tasks."""
    caplog.set_level(logging.INFO, "moviexchange_auth")
    core.publish("a-token")
    for ask in (use, lambda source: asyncio.run(ause(source))):
        token = ask(core.make_source(client=clients(core)[kind]))
        assert (token.access_token, "was reported" in caplog.messages[-1]) == ("a-token", True)


def use(source: TokenSource) -> Token:
    """Read, and report."""
    token = source.token()
    source.refused(token.version)
    return token


async def ause(source: TokenSource) -> Token:
    """Do the same under asyncio."""
    token = await source.atoken()
    await source.arefused(token.version)
    return token


def test_an_asynchronous_client_is_used_under_asyncio(core: App) -> None:
    """In the loop that it belongs to."""
    client = AsyncClient()

    assert (asyncio.run(ause(core.make_source(client=client))).access_token, len(client.entries)) == ("a-token", 1)


def test_an_asynchronous_client_is_used_outside_of_asyncio(core: App) -> None:
    """If it belongs to no loop."""
    assert core.make_source(client=AsyncClient()).token().access_token == "a-token"


def test_what_is_not_a_client_is_refused_at_once() -> None:
    """Not when the first token is needed."""
    with pytest.raises(TypeError, match="client is not a session, and has no get_secret_value"):
        TokenSource(SECRET, client=object())


def test_a_secrets_arn_names_its_region_and_that_of_the_report(core: App) -> None:
    """Whatever the application's own Region is."""
    core.publish("a-token")
    elsewhere = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
    elsewhere.events.register("before-call", core.record)
    token = use(core.make_source(core.arn, client=elsewhere))

    assert (token.access_token, core.urls) == ("a-token", ["https://events.eu-west-1.amazonaws.com/"])


@pytest.mark.parametrize(
    ("event_bus", "region"),
    [("arn:aws:events:eu-central-1:111122223333:event-bus/default", "eu-central-1"), ("a-bus", "eu-west-1")],
)
def test_another_bus_gets_the_report_in_its_region(core: App, event_bus: str, region: str) -> None:
    """A replica's reports go to the stack's Region."""
    core.publish("a-token")
    use(core.make_source(event_bus=event_bus))

    assert (core.reports[0]["EventBusName"], core.urls) == (event_bus, [f"https://events.{region}.amazonaws.com/"])


# Browsers


def browser_token(core: App, **options: float) -> list[dict[str, str | bool]]:
    """Ask in both ways."""
    return [core.source.browser_token(**options), asyncio.run(core.source.abrowser_token(**options))]


@pytest.mark.parametrize(("min_life", "fresh"), [(HOUR, True), (HOUR + 1, False)])
def test_a_browser_gets_a_token_and_is_told_whether_it_has_time_left(core: App, min_life: float, fresh: bool) -> None:  # noqa: FBT001
    """It can be sent as JSON as it is."""
    core.mx.client_secret = ""
    version = core.publish("a-token", lifetime=timedelta(hours=1))
    expected = {"access_token": "a-token", "expires_at": "2026-11-24T03:00:00Z", "version": version, "fresh": fresh}

    assert json.loads(json.dumps(browser_token(core, min_life=min_life))) == [expected] * 2


def test_a_browser_gets_no_token_with_a_client_secret(core: App) -> None:
    """Nor is the error's text a secret."""
    core.publish("a-token")

    with pytest.raises(
        ClientSecretError, match=f"^The token in {SECRET} has a client secret, so no browser may have it$"
    ):
        core.source.browser_token()


def test_a_browser_gets_no_expired_token(core: App) -> None:
    """It could not use it."""
    core.mx.client_secret = ""
    core.publish("a-token", lifetime=timedelta(seconds=-1))

    with pytest.raises(TokenError, match="expires at"):
        core.source.browser_token()


# Twins


def pairs() -> list[str]:
    """Return the public methods of a TokenSource that have a twin for asyncio."""
    names = [name for name in vars(TokenSource) if not name.startswith("_") and callable(getattr(TokenSource, name))]
    return [name for name in names if not asyncio.iscoroutinefunction(getattr(TokenSource, name))]


@pytest.mark.parametrize("name", pairs())
def test_each_method_has_a_twin_for_asyncio(name: str) -> None:
    """Its name begins with an a."""
    twin: Callable[..., Coroutine[Any, Any, Any]] = getattr(TokenSource, f"a{name}")

    assert asyncio.iscoroutinefunction(twin)

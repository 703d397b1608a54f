"""What holds in virtual time, and that it would be noticed if it did not.

The Secrets Manager here follows AWS's documentation where the emulators do not: a version id that another value has is
refused, reads lag behind writes, and a day's versions are limited.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from io import StringIO
from itertools import cycle
from typing import Any

import pytest
from rich.console import Console

from mx_token_rotator import errors, grants, moviexchange, refresh
from mx_token_rotator.moviexchange import MovieXchange
from mx_token_rotator.refresh import Run
from mx_token_rotator.secrets_manager import SecretsManager
from mx_token_rotator.transport import Answer
from tools.local.aws import PROJECT
from tools.simulation import __main__ as main
from tools.simulation import faults as f
from tools.simulation import metrics, watch
from tools.simulation.alarms import Alarm, alarms
from tools.simulation.faults import FAIR, HOUR, MINUTE, ROUGH
from tools.simulation.invariants import SECRET, Invariant, Violation
from tools.simulation.limits import State
from tools.simulation.promise import DEFAULTS, Promise
from tools.simulation.runner import History, live, stack
from tools.simulation.sometimes import REASONS, SELDOM, missing
from tools.simulation.stack import CLIENTS, Stack
from tools.simulation.trace import PAGE


@pytest.mark.parametrize("seed", range(16))
def test_every_invariant_holds_throughout_a_history(seed: int) -> None:
    """Each seed draws the settings, the kind of movieXchange, and what goes wrong."""
    history = live(seed, days=6)

    assert history.violation == "", f"replay with make simulate SEED={seed}"


def test_one_seed_is_one_history() -> None:
    """A violation that was found can be found again."""
    assert live(3, days=5) == live(3, days=5)


def test_histories_differ_in_what_their_seeds_draw() -> None:
    """Faults, kinds of movieXchange, refresh tokens, verification and client secrets."""
    drawn = [
        (each.faults.climate, each.account.kind, each.settings.keep_refresh_token, each.settings.verify_path)
        for each in map(stack, range(40))
    ]

    assert [len(set(draws)) for draws in zip(*drawn, strict=True)] == [3, 4, 2, 2]


def quiet(lived: Stack) -> None:
    """Let two days without faults go by."""
    lived.run(2)


def credentials_put_again(lived: Stack) -> None:
    """Store the same credentials again."""
    lived.engine.run(HOUR)
    lived.put_credentials()
    lived.run(1)


def mistyped_password(lived: Stack) -> None:
    """Store a wrong password."""
    lived.engine.run(HOUR)
    lived.put_credentials("secret-password-mistyped")
    lived.run(1)


def mistyped_without_a_lock(lived: Stack) -> None:
    """Store a wrong password where movieXchange locks no account: each lock would allow one log-in more."""
    lived.account.locks = False
    mistyped_password(lived)


def mistaken_rejection(lived: Stack) -> None:
    """Have movieXchange reject the right credentials for an hour, in which tokens are due."""
    lived.engine.run(6 * HOUR)
    lived.faults.begin(f.MX_MISTAKEN, lived.engine.now, HOUR)
    lived.run(1)


def revoked_tokens(lived: Stack) -> None:
    """Have every token end that is an hour old."""
    lived.engine.run(HOUR)
    lived.account.revoke()
    lived.run(1)


def api_without_a_verdict(lived: Stack) -> None:
    """Have the API give no verdict for a day, on a movieXchange that ends older tokens at each log-in."""
    lived.account.kind = "ends"
    lived.faults.begin(f.API_DOWN, lived.engine.now, 24 * HOUR)
    lived.run(1)


def report_all(lived: Stack) -> None:
    """Have applications report whatever is published."""
    for client in CLIENTS:
        version = lived.published(client)
        lived.report(client, version.id if version else "")


def reported_outage(lived: Stack) -> None:
    """Have every token end before movieXchange goes down for hours, and applications report them every minute."""
    lived.engine.run(HOUR)
    lived.account.revoke()
    lived.faults.begin(f.MX_DOWN, lived.engine.now, 4 * HOUR)
    for minute in range(240):
        lived.engine.later(minute * MINUTE, partial(report_all, lived))
    lived.run(1)


def lost_sessions(lived: Stack) -> None:
    """Have movieXchange lose all tokens, and reject the right credentials for half an hour."""
    lived.engine.run(HOUR)
    lived.account.revoke()
    lived.faults.begin(f.MX_MISTAKEN, lived.engine.now, HOUR / 2)
    report_all(lived)
    lived.run(1)


def two_at_once(lived: Stack) -> None:
    """Force tokens twice at the same time, again and again."""
    for hour in range(24):
        for second in (0, 1):
            lived.engine.at(hour * HOUR + second, partial(lived.invoke, {"force": True}))
    lived.run(1)


def for_a_day(kind: str) -> Callable[[Stack], None]:
    """Return a scene in which a fault lasts for a day."""

    def scene(lived: Stack) -> None:
        lived.engine.run(HOUR)
        lived.faults.begin(kind, lived.engine.now, 24 * HOUR)
        lived.run(1)

    scene.__name__ = kind
    return scene


def the_same_token_again(lived: Stack) -> None:
    """Have movieXchange issue a token again until it ends."""
    lived.account.kind = "same"
    lived.run(1)


def the_same_token_without_a_verdict(lived: Stack) -> None:
    """Have it do so, and the API say nothing of it."""
    lived.faults.begin(f.API_DOWN, 0.0, 48 * HOUR)
    the_same_token_again(lived)


def reported(scene: Callable[[Stack], None], *, hours: int = 2, are_dead: bool = True) -> Callable[[Stack], None]:
    """Return a scene before which tokens end, and in which applications report what is published every two minutes."""

    def play(lived: Stack) -> None:
        if are_dead:
            lived.engine.later(HOUR - MINUTE, lived.account.revoke)
        for minute in range(60, 60 + hours * 60, 2):
            lived.engine.later(minute * MINUTE, partial(report_all, lived))
        scene(lived)

    return play


def wrong_client_secret(lived: Stack) -> None:
    """Store a client secret with which the API refuses every token."""
    lived.engine.run(HOUR)
    right, lived.account.client_secret = lived.account.client_secret, "secret-client-secret-mistyped"
    lived.put_credentials()
    lived.account.client_secret = right
    lived.run(1)


def refused_new_tokens(lived: Stack) -> None:
    """Have the API refuse every token that is issued from now on, and accept the older ones."""
    lived.engine.run(HOUR)
    lived.faults.begin("the API refuses new tokens", lived.engine.now, 24 * HOUR)
    older, accepts = set(lived.account.tokens), lived.account.accepts
    lived.account.accepts = (  # type: ignore[method-assign]
        lambda access_token, client_secret, now: access_token in older and accepts(access_token, client_secret, now)
    )
    lived.run(1)


def all_tokens_end(lived: Stack) -> None:
    """Have movieXchange end all tokens at one moment."""
    lived.engine.run(HOUR)
    lived.end_all_tokens()
    lived.run(1)


def lost_messages(lived: Stack) -> None:
    """Have nothing start the function any more."""
    lived.engine.run(2 * HOUR)
    lived.faults.begin(f.LOST, lived.engine.now, 24 * HOUR)
    lived.queue.send = lambda body: None  # type: ignore[method-assign]  # noqa: ARG005
    lived.run(1)


def time_out(lived: Stack) -> None:
    """Have an invocation end without a result."""
    lived.engine.run(2 * HOUR)
    lived.killed_at_call = 1
    lived.run(1)


def decide_otherwise(reason: str, otherwise: tuple[bool, str]) -> Callable[[pytest.MonkeyPatch], None]:
    """Return a breakage that decides otherwise for this reason."""

    def breakage(patch: pytest.MonkeyPatch) -> None:
        decide = refresh.decide

        def decided(*arguments: Any) -> tuple[bool, str]:  # noqa: ANN401  those of `decide`
            is_due, why = decide(*arguments)
            return otherwise if why == reason else (is_due, why)

        patch.setattr(refresh, "decide", decided)

    return breakage


def refuses_without_a_verdict(patch: pytest.MonkeyPatch) -> None:
    """Take no verdict on a new token for a refusal, and none on the old one for its acceptance."""
    verify = MovieXchange.verify

    def verified(self: MovieXchange, token: Any, *, is_new: bool = False) -> tuple[bool | None, str]:  # noqa: ANN401
        verdict, seen = verify(self, token, is_new=is_new)
        return (not is_new if verdict is None else verdict), seen

    patch.setattr(MovieXchange, "verify", verified)


def ignores_the_label(patch: pytest.MonkeyPatch) -> None:
    """Take every run for a scheduled retry."""
    patch.setattr(grants, "is_retry_slot", lambda *_: True)


def never_labels(patch: pytest.MonkeyPatch) -> None:
    """Label no version."""
    patch.setattr(SecretsManager, "move_rejected", lambda *_, **__: None)


def leaves_the_label(patch: pytest.MonkeyPatch) -> None:
    """Put the label, and never take it off."""
    move = SecretsManager.move_rejected
    patch.setattr(SecretsManager, "move_rejected", lambda self, *, to, of: to and move(self, to=to, of=of))


def tries_on_and_on(patch: pytest.MonkeyPatch) -> None:
    """Try ten times."""
    log_in = MovieXchange.log_in
    patch.setattr(moviexchange, "WAITS", (0.5,) * 9)
    patch.setattr(MovieXchange, "log_in", lambda self, *what, **_: log_in(self, *what, tries=10))


def quotes_answers(patch: pytest.MonkeyPatch) -> None:
    """Show what movieXchange answered."""
    patch.setattr(Answer, "__str__", lambda self: self.body.decode())


def promises_too_much(patch: pytest.MonkeyPatch) -> None:
    """Publish a later end than movieXchange's."""
    publish, hour = SecretsManager.publish, timedelta(hours=1)
    patch.setattr(
        SecretsManager,
        "publish",
        lambda self, client, token: publish(self, client, replace(token, expires_at=token.expires_at + hour)),
    )


def says_everything_twice(patch: pytest.MonkeyPatch) -> None:
    """Give each outcome twice."""
    outcomes = Run.outcomes
    patch.setattr(Run, "outcomes", lambda self: [each for outcome in outcomes(self) for each in (outcome, outcome)])


def writes_what_it_reads(patch: pytest.MonkeyPatch) -> None:
    """Publish each token that is read again."""
    published = SecretsManager.published

    def read(self: SecretsManager, *what: Any) -> Any:  # noqa: ANN401
        found = published(self, *what)
        return self.publish(what[0], found.token) if found and found.token else found

    patch.setattr(SecretsManager, "published", read)


def asks_twice(patch: pytest.MonkeyPatch) -> None:
    """Log in twice, whatever the first answer is."""
    log_in = MovieXchange.log_in

    def again(self: MovieXchange, *what: Any, **how: Any) -> Any:  # noqa: ANN401
        with suppress(errors.RotatorError):
            log_in(self, *what, **how)
        return log_in(self, *what, **how)

    patch.setattr(MovieXchange, "log_in", again)


def spends_tokens(patch: pytest.MonkeyPatch) -> None:
    """Log in without trying whether a token could be written, and twice."""
    asks_twice(patch)
    patch.setattr(SecretsManager, "confirm_writable", lambda *_: None)


def gives_verdicts_in_turn(patch: pytest.MonkeyPatch) -> None:
    """Have none on the published token, refuse the new one, and accept the published one; log in twice."""
    asks_twice(patch)
    verdicts = cycle([None, False, True])
    patch.setattr(MovieXchange, "verify", lambda *_, **__: (next(verdicts), "what was seen"))


def is_deaf(name: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Return a breakage in which an alarm hears nothing."""

    def breakage(patch: pytest.MonkeyPatch) -> None:
        rings = Alarm.rings
        patch.setattr(Alarm, "rings", lambda self, now: self.name != name and rings(self, now))

    breakage.__name__ = f"no {name}"
    return breakage


def counts_nothing(patch: pytest.MonkeyPatch) -> None:
    """Emit no metric."""
    patch.setattr(metrics.HANDLER, "report", lambda *_, **__: None)


def rings_early(patch: pytest.MonkeyPatch) -> None:
    """Have TokenLifeLow ring at less than 60 percent."""
    patch.setattr(watch, "alarms", lambda: {name: replace(each, threshold=60.0) for name, each in alarms().items()})


def verifies_again_and_again(patch: pytest.MonkeyPatch) -> None:
    """Show each token to the API nine times."""
    verify = MovieXchange.verify
    patch.setattr(MovieXchange, "verify", lambda self, *what, **how: [verify(self, *what, **how) for _ in range(9)][-1])


ALWAYS = decide_otherwise("fresh", (True, "expiring"))
OFTEN = Promise(check_every=300.0)
BROKEN: list[tuple[Invariant, Callable[[pytest.MonkeyPatch], None], Callable[[Stack], None], Promise]] = [
    (Invariant.VALID, decide_otherwise("expiring", (False, "fresh")), quiet, Promise()),
    (Invariant.HEALED, decide_otherwise("credentials changed", (False, "fresh")), credentials_put_again, Promise()),
    (Invariant.REPLACED, decide_otherwise("rejected", (False, "too young")), revoked_tokens, Promise()),
    (Invariant.VERSIONS, decide_otherwise("fresh", (True, "expiring")), quiet, OFTEN),
    (Invariant.WORKS, refuses_without_a_verdict, api_without_a_verdict, Promise()),
    (Invariant.BLOCKED, ignores_the_label, mistyped_password, Promise()),
    (Invariant.REJECTIONS, never_labels, mistyped_password, Promise()),
    (Invariant.UNLABELLED, leaves_the_label, mistaken_rejection, Promise()),
    (Invariant.REQUESTS, tries_on_and_on, reported_outage, Promise()),
    (Invariant.GETS, verifies_again_and_again, for_a_day(f.API_UNLICENSED), Promise()),
    (Invariant.SECRECY, quotes_answers, mistyped_password, Promise()),
    (Invariant.DOCUMENTS, promises_too_much, quiet, Promise()),
    (Invariant.OUTCOMES, says_everything_twice, quiet, Promise()),
    (Invariant.QUIET, writes_what_it_reads, quiet, Promise()),
    (Invariant.LOG_INS, ALWAYS, quiet, Promise()),
    (Invariant.RINGS, counts_nothing, mistyped_password, Promise()),
    (Invariant.SILENT, rings_early, quiet, Promise(refresh_at_percent=70)),
]
IN_STATES: list[tuple[State, Callable[[pytest.MonkeyPatch], None], Callable[[Stack], None]]] = [
    (State.ISSUED, ALWAYS, quiet),
    (State.UNLICENSED, ALWAYS, for_a_day(f.API_UNLICENSED)),
    (State.REFUSED, ALWAYS, refused_new_tokens),
    (State.SAME, ALWAYS, the_same_token_again),
    (State.CLIENT_REFUSED, asks_twice, for_a_day(f.CLIENT_REJECTED)),
    (State.REJECTED, ignores_the_label, mistyped_without_a_lock),
    (State.UNAVAILABLE, tries_on_and_on, for_a_day(f.MX_DOWN)),
    (State.MISBEHAVED, asks_twice, for_a_day(f.MX_NONSENSE)),
    (State.UNWRITTEN, spends_tokens, for_a_day(f.TOKENS_DENIED)),
]
BY_REPORTS: list[tuple[State, Callable[[pytest.MonkeyPatch], None], Callable[[Stack], None]]] = [
    (State.ISSUED, decide_otherwise("too young", (True, "rejected")), for_a_day(f.API_DOWN)),
    (State.UNLICENSED, decide_otherwise("too young", (True, "rejected")), for_a_day(f.API_UNLICENSED)),
    (State.REFUSED, gives_verdicts_in_turn, quiet),
    (State.SAME, asks_twice, the_same_token_without_a_verdict),
    (State.CLIENT_REFUSED, asks_twice, for_a_day(f.CLIENT_REJECTED)),
    (State.REJECTED, ignores_the_label, mistyped_password),
    (State.UNAVAILABLE, tries_on_and_on, for_a_day(f.MX_LIMITING)),
    (State.MISBEHAVED, asks_twice, for_a_day(f.MX_NONSENSE)),
    (State.UNWRITTEN, spends_tokens, for_a_day(f.TOKENS_DENIED)),
]
TROUBLES: list[tuple[str, Callable[[Stack], None]]] = [
    ("TokenLifeLow", for_a_day(f.MX_DOWN)),
    ("TokenLifeLow", for_a_day(f.TOKENS_DENIED)),
    ("TokenLifeLow", lost_messages),
    ("ActionRequired", mistyped_password),
    ("ActionRequired", for_a_day(f.CLIENT_REJECTED)),
    ("ActionRequired", for_a_day(f.MX_NONSENSE)),
    ("ActionRequired", for_a_day(f.TOKENS_DENIED)),
    ("ActionRequired", for_a_day(f.KEY_DENIED)),
    ("RefreshFailing", for_a_day(f.MX_DOWN)),
    ("RefreshFailing", for_a_day(f.MX_LIMITING)),
    ("FunctionBroken", time_out),
]


def caught(scene: Callable[[Stack], None], promise: Promise = DEFAULTS) -> list[Violation]:
    """Play a scene to its end, and return what was caught."""
    lived = Stack(1, FAIR, promise=promise)
    lived.invariants.is_strict = False
    lived.live()
    scene(lived)
    return lived.invariants.violations


@pytest.mark.parametrize(("invariant", "breakage", "scene", "promise"), BROKEN, ids=[each[0].name for each in BROKEN])
def test_a_broken_logic_is_caught(
    monkeypatch: pytest.MonkeyPatch,
    invariant: Invariant,
    breakage: Callable[[pytest.MonkeyPatch], None],
    scene: Callable[[Stack], None],
    promise: Promise,
) -> None:
    """Each invariant can fail."""
    breakage(monkeypatch)

    assert invariant in {each.invariant for each in caught(scene, promise)}


@pytest.mark.parametrize(
    ("by", "state", "breakage", "scene"),
    [
        *(("checks", *each) for each in IN_STATES),
        *(("reports", state, breakage, reported(scene)) for state, breakage, scene in BY_REPORTS),
    ],
    ids=[f"{by}-{each[0].name}" for by, table in (("checks", IN_STATES), ("reports", BY_REPORTS)) for each in table],
)
def test_too_many_log_ins_are_caught_in_each_state(
    monkeypatch: pytest.MonkeyPatch,
    by: str,
    state: State,
    breakage: Callable[[pytest.MonkeyPatch], None],
    scene: Callable[[Stack], None],
) -> None:
    """Each row of the limits can be exceeded; checks and reports have limits of their own."""
    breakage(monkeypatch)
    found = [str(each) for each in caught(scene) if each.invariant is Invariant.LOG_INS]

    assert any(f"by {by}, where {state} " in each for each in found)


@pytest.mark.parametrize("table", [IN_STATES, BY_REPORTS])
def test_each_state_has_a_logic_that_exceeds_its_limit(table: list[tuple[State, object, object]]) -> None:
    """None is there that cannot be exceeded."""
    assert [state for state, *_ in table] == list(State)


@pytest.mark.parametrize(("name", "scene"), TROUBLES, ids=[f"{name}-{scene.__name__}" for name, scene in TROUBLES])
def test_an_alarm_that_hears_nothing_is_caught(
    monkeypatch: pytest.MonkeyPatch, name: str, scene: Callable[[Stack], None]
) -> None:
    """Each alarm is missed in the trouble that it is for."""
    is_deaf(name)(monkeypatch)

    assert any(each.invariant is Invariant.RINGS and name in str(each) for each in caught(scene))


@pytest.mark.parametrize(("name", "scene"), TROUBLES, ids=[f"{name}-{scene.__name__}" for name, scene in TROUBLES])
def test_the_alarm_of_each_trouble_rings(name: str, scene: Callable[[Stack], None]) -> None:
    """And every invariant holds meanwhile."""
    lived = Stack(1, FAIR)
    lived.live()
    lived.engine.run(HOUR + MINUTE)
    lived.invariants.watch.has_rung.clear()
    scene(lived)

    assert name in lived.invariants.watch.has_rung


@pytest.mark.parametrize("lifetime", [3600.0, 14_400.0, 43_200.0, 86_400.0])
@pytest.mark.parametrize("kind", ["keeps", "ends", "repeats"])
def test_nothing_rings_in_a_healthy_stack(kind: str, lifetime: float) -> None:
    """After the first hour, in which there are no data yet."""
    lived = Stack(1, FAIR, kind=kind, promise=Promise(lifetime=lifetime))
    lived.live()
    lived.engine.run(HOUR + 30 * MINUTE)
    lived.invariants.watch.has_rung.clear()
    lived.run(2)

    assert lived.invariants.watch.has_rung == set()


@pytest.mark.parametrize("kind", ["keeps", "ends"])
def test_tokens_of_ten_minutes_ring_the_alarm(kind: str) -> None:
    """They have expired whenever they are checked; the versions a day stay bounded."""
    lived = Stack(1, FAIR, kind=kind, promise=Promise(lifetime=600.0))
    lived.live()
    lived.engine.run(2 * HOUR)
    lived.invariants.watch.has_rung.clear()
    lived.run(1)

    assert lived.invariants.watch.has_rung == {"TokenLifeLow"}


def test_an_api_that_changes_its_mind_breaks_nothing() -> None:
    """Applications report each token. Each verdict could be a version of its secret, and a day has about 100."""
    assert caught(reported(for_a_day(f.API_DIVIDED), hours=24, are_dead=False)) == []


def rows_of_the_docs() -> list[list[str]]:
    """Return the rows of all tables of the docs."""
    lines = [line for page in (PROJECT / "docs").glob("*.md") for line in page.read_text().splitlines()]
    return [line.split("|") for line in lines if line.startswith("|")]


def test_the_docs_name_the_times_in_which_alarms_ring() -> None:
    """They are the ones that the simulation goes by."""
    rows = rows_of_the_docs()
    rings = {row[1].strip(" `"): row[3] for row in rows if len(row) == 6 and row[1].strip(" `") in alarms()}

    assert (
        "within an hour" in rings["TokenLifeLow"],
        "at the first error" in rings["ActionRequired"],
        "after three failures within an hour" in rings["RefreshFailing"],
        "ended without a result" in rings["FunctionBroken"],
        (watch.WITHIN, watch.FAILURES),
    ) == (True, True, True, True, (HOUR, 3))


def test_each_invariant_has_a_logic_that_breaks_it() -> None:
    """None is there that cannot fail."""
    assert {invariant for invariant, *_ in BROKEN} == set(Invariant)


SCENES = [
    *dict.fromkeys([scene for _, _, scene, _ in BROKEN] + [scene for *_, scene in IN_STATES]),
    *(lost_sessions, two_at_once, all_tokens_end, wrong_client_secret),
]


@pytest.mark.parametrize("scene", SCENES, ids=[scene.__name__ for scene in SCENES])
def test_the_logic_as_it_is_survives_the_same(scene: Callable[[Stack], None]) -> None:
    """It is the breakage that is caught, and not the scene."""
    lived = Stack(1, FAIR)
    lived.live()
    scene(lived)

    assert lived.reasons["kept: fresh"] > 0


def test_a_violation_ends_a_history(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes after it is not simulated."""
    says_everything_twice(monkeypatch)
    lived = Stack(1, ROUGH)
    lived.live()

    with pytest.raises(Violation):
        lived.run(1)


@pytest.mark.parametrize("call", range(1, 25))
def test_a_function_that_is_killed_at_any_call_costs_nothing_for_long(call: int) -> None:
    """At the first check of new credentials."""
    lived = Stack(call, FAIR, kind="ends", keep_refresh_token=True)
    lived.live()
    lived.engine.run(HOUR)
    lived.killed_at_call = call
    lived.put_credentials()
    lived.run(1)

    assert lived.faults.counts[f.KILLED] > 0


@pytest.fixture
def printed() -> Console:
    """Make a console whose lines can be read."""
    return Console(file=StringIO(), width=400)


def text_of(console: Console) -> str:
    """Return what was printed."""
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def without_processes(patch: pytest.MonkeyPatch, days: float) -> None:
    """Have the histories be short, and in this process."""
    patch.setattr(main, "live", partial(live, days=days))
    patch.setattr(main, "ProcessPoolExecutor", ThreadPoolExecutor)
    patch.setattr(main, "write", lambda: None)


def test_a_replay_is_a_page_with_what_the_function_decided(monkeypatch: pytest.MonkeyPatch, printed: Console) -> None:
    """Of the same history as before."""
    without_processes(monkeypatch, 3)
    status = main.replay(printed, 7)
    lines = text_of(printed).splitlines()

    assert (status, len(lines) <= PAGE + 1, " -> " in lines[-2], lines[:-1]) == (0, True, True, live(7, 3).trace)


def test_a_trace_contains_no_secret() -> None:
    """Neither credentials nor tokens, whatever went wrong."""
    assert [seed for seed in range(2) if SECRET.search("".join(live(seed, 3).trace))] == []


def test_a_violation_prints_the_command_that_replays_it(monkeypatch: pytest.MonkeyPatch, printed: Console) -> None:
    """Its seed alone is its history."""
    says_everything_twice(monkeypatch)
    without_processes(monkeypatch, 1)
    status = main.simulate(printed, 3)

    assert (status, "make simulate SEED=0" in text_of(printed)) == (1, True)


def test_a_replay_ends_at_the_violation(monkeypatch: pytest.MonkeyPatch, printed: Console) -> None:
    """Its last line says which invariant does not hold."""
    says_everything_twice(monkeypatch)
    without_processes(monkeypatch, 1)

    assert (main.replay(printed, 0), text_of(printed).splitlines()[-1].split(":")[0]) == (1, str(Invariant.OUTCOMES))


def test_what_never_occurs_fails_a_long_run(monkeypatch: pytest.MonkeyPatch, printed: Console) -> None:
    """Ten short histories have not met everything."""
    without_processes(monkeypatch, 0.1)

    assert (main.simulate(printed, 30), "Never occurred" in text_of(printed)) == (1, True)


@pytest.mark.parametrize("what", [f.KILLED, "kept: fresh", "ALARM: TokenLifeLow"])
def test_each_kind_of_trouble_outcome_and_alarm_is_expected(what: str) -> None:
    """In a hundred token-years, all of them."""
    assert what in set(missing(History(), 100))


def test_little_is_sure_in_few_years() -> None:
    """Nothing is asserted of a short run, and what is seldom only of a long one."""
    few, some, all_of_them = (set(missing(History(), years)) for years in (3, 30, 100))

    assert (few, all_of_them - some) == (set(), SELDOM)


def test_every_reason_and_error_of_the_docs_must_occur() -> None:
    """Apart from those that need a wrong setting, a wrong request or a defect."""
    rows = rows_of_the_docs()
    reasons = {
        f"{row[1].strip(' `')}: {row[2].strip(' `')}"
        for row in rows
        if row[1:2] in ([" `refreshed` "], [" `kept` "]) and "`" in row[2]
    }
    documented = {f"failed: {name}" for name, each in vars(errors).items() if hasattr(each, "needs_person")}
    impossible = {f"failed: {name}" for name in ("RotatorError", "SettingsInvalid", "RequestInvalid", "Unexpected")}

    assert (reasons - {"kept: dry run: …"} | documented) - impossible - REASONS == set()

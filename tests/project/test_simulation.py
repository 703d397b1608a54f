"""What holds in virtual time, and that it would be noticed if it did not.

The Secrets Manager here follows AWS's documentation where the emulators do not: a version id that another value has is
refused, reads lag behind writes, and a day's versions are limited.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from mx_token_rotator import grants, moviexchange, refresh
from mx_token_rotator.moviexchange import MovieXchange
from mx_token_rotator.refresh import Run
from mx_token_rotator.secrets_manager import SecretsManager
from mx_token_rotator.transport import Answer
from tools.simulation import faults as f
from tools.simulation.faults import FAIR, HOUR, MINUTE, ROUGH
from tools.simulation.invariants import Invariant, Violation
from tools.simulation.promise import Promise
from tools.simulation.runner import live, stack
from tools.simulation.stack import CLIENTS, Stack


@pytest.mark.parametrize("seed", range(24))
def test_every_invariant_holds_throughout_a_history(seed: int) -> None:
    """Each seed draws the settings, the kind of movieXchange, and what goes wrong."""
    assert live(seed, days=15).violation == ""


def test_one_seed_is_one_history() -> None:
    """A violation that was found can be found again."""
    assert live(3, days=5) == live(3, days=5)


def test_histories_differ_in_what_their_seeds_draw() -> None:
    """Faults, kinds of movieXchange, refresh tokens, verification and client secrets."""
    drawn = [
        (each.faults.climate, each.account.kind, each.settings.keep_refresh_token, each.settings.verify_path)
        for each in map(stack, range(40))
    ]

    assert [len(set(draws)) for draws in zip(*drawn, strict=True)] == [3, 3, 2, 2]


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


def reported_outage(lived: Stack) -> None:
    """Have every token end before movieXchange goes down for hours, and applications report them every minute."""
    lived.engine.run(HOUR)
    lived.account.revoke()
    lived.faults.begin(f.MX_DOWN, lived.engine.now, 4 * HOUR)
    for minute in range(240):
        for client in CLIENTS:
            version = lived.published(client)
            lived.engine.later(minute * MINUTE, partial(lived.report, client, version.id if version else ""))
    lived.run(1)


def lost_sessions(lived: Stack) -> None:
    """Have movieXchange lose all tokens, and reject the right credentials for half an hour."""
    lived.engine.run(HOUR)
    lived.account.revoke()
    lived.faults.begin(f.MX_MISTAKEN, lived.engine.now, HOUR / 2)
    for client in CLIENTS:
        version = lived.published(client)
        lived.report(client, version.id if version else "")
    lived.run(1)


def two_at_once(lived: Stack) -> None:
    """Force tokens twice at the same time, again and again."""
    for hour in range(24):
        for second in (0, 1):
            lived.engine.at(hour * HOUR + second, partial(lived.invoke, {"force": True}))
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
    (Invariant.SECRECY, quotes_answers, mistyped_password, Promise()),
    (Invariant.DOCUMENTS, promises_too_much, quiet, Promise()),
    (Invariant.OUTCOMES, says_everything_twice, quiet, Promise()),
    (Invariant.QUIET, writes_what_it_reads, quiet, Promise()),
]


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
    lived = Stack(1, FAIR, promise=promise)
    lived.invariants.is_strict = False
    lived.live()
    scene(lived)

    assert invariant in {each.invariant for each in lived.invariants.violations}


def test_each_invariant_has_a_logic_that_breaks_it() -> None:
    """None is there that cannot fail."""
    assert {invariant for invariant, *_ in BROKEN} == set(Invariant)


@pytest.mark.parametrize("scene", [*dict.fromkeys(scene for _, _, scene, _ in BROKEN), lost_sessions, two_at_once])
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

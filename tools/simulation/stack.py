"""A deployed stack: its queue and schedule, its applications, the owners of its secrets, and all that goes wrong."""

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache, partial
from typing import Any

from mx_token_rotator.refresh import Run
from mx_token_rotator.secrets_manager import REJECTED
from mx_token_rotator.settings import Client, Settings
from mx_token_rotator.transport import Answer
from tools.simulation import faults as f
from tools.simulation.applications import Application
from tools.simulation.engine import Engine, written
from tools.simulation.faults import DAY, HOUR, MINUTE, Climate, Faults
from tools.simulation.invariants import Invariants
from tools.simulation.invocation import Invocation
from tools.simulation.moviexchange import LOCKED_SECONDS, USERNAME, Account
from tools.simulation.promise import CACHES, DEFAULTS, MIN_TOKEN_AGE, SCHEDULER, Promise
from tools.simulation.secrets_manager import CURRENT, PREVIOUS, Secret, Store, Version
from tools.simulation.sqs import Message, Queue
from tools.simulation.trace import Trace

ACCOUNT = "moviexchange/production"
CREDENTIALS = f"{ACCOUNT}/credentials"
CLIENTS = (Client("_Website", "_Website"), Client("Web", "Foo Tickets (Web)"), Client("_Offline", "_Offline"))
SELDOM = 0.1
MEMBERS = {
    *("access_token", "token_type", "client_secret", "client_id"),
    *("issued_at", "expires_at", "credentials_version", "verified"),
}


@lru_cache(10_000)
def document_of(version: Version) -> dict[str, Any]:
    """Return the token document of a version; nothing if it is none."""
    try:
        document = json.loads(version.text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) and document.keys() == MEMBERS else {}


class Stack:
    """One history, from one seed."""

    run_class = Run

    def __init__(  # noqa: PLR0913  one for each thing in which stacks differ
        self,
        seed: int,
        climate: Climate,
        *,
        promise: Promise = DEFAULTS,
        keep_refresh_token: bool = False,
        kind: str = "keeps",
        locks: bool = True,
        verify_path: str = "auto",
        has_client_secret: bool = True,
    ) -> None:
        """Deploy the stack; nothing happens yet."""
        rng = random.Random(seed)  # noqa: S311  a history, no secret
        self.engine, self.faults, self.promise = Engine(), Faults(rng, climate), promise
        self.trace = Trace(self.engine)
        self.faults.note = self.trace.note
        self.account = Account(rng, promise.lifetime, kind, locks)
        self.account.client_secret *= has_client_secret
        self.store = Store(climate.longest_lag)
        self.credentials = self.store.create(CREDENTIALS, 0.0, CREDENTIALS)
        self.queue = Queue(self.engine, self._serve)
        self.settings = Settings(
            account=ACCOUNT,
            clients=CLIENTS,
            check_every=timedelta(seconds=promise.check_every),
            refresh_at_percent=promise.refresh_at_percent,
            min_token_age=timedelta(seconds=MIN_TOKEN_AGE),
            verify_path=verify_path,
            keep_refresh_token=keep_refresh_token,
            kms_key="",
            secret_tags={},
            auth_url="https://auth",
            api_url="https://api",
            proxy="",
        )
        self.invariants = Invariants(self)
        self.running: set[Invocation] = set()
        self.killed_at_call = 0
        """Where the next invocation is killed, if not at 0."""
        self.calls: Counter[float] = Counter()
        self.failed_calls: Counter[float] = Counter()
        self.reasons: Counter[str] = Counter()
        self.deeds: Counter[str] = Counter()

    def live(self) -> None:
        """Have the schedule, applications, people and faults begin."""
        rng = self.faults.rng
        self.put_credentials()
        self.engine.later(rng.uniform(0, self.promise.check_every), self.schedule)
        for client in CLIENTS:
            for cache in CACHES:
                self.engine.later(rng.uniform(0, 3 * HOUR), Application(self, client, cache).run)
        if self.faults.climate.days_between == float("inf"):
            return
        for kind in f.STRETCHES:
            self._now_and_then(partial(self._begin, kind))
        for deed in (
            *(self.change_password, self.change_client_secret, self.mistype, self.roll_back_credentials),
            *(self.roll_back_token, self.revoke, self.restart_moviexchange, self.invoke_by_hand, self.spoil_token),
            *(self.mark_for_deletion, self.delete_token, self.change_key, self.empty_credentials, self.nag),
            *(self.end_all_tokens, self.deny_for_a_day),
        ):
            self._now_and_then(deed)

    def _now_and_then(self, what: Callable[[], object]) -> None:
        """Do something again and again, with a pause that is drawn."""
        name = getattr(what, "__name__", "").replace("_", " ")

        def again() -> None:
            if name:
                self.deeds[name] += 1
                self.trace.note(name)
            what()
            self.engine.later(self.faults.pause(), again)

        self.engine.later(self.faults.pause(), again)

    def _begin(self, kind: str) -> None:
        self.faults.begin(kind, self.engine.now, self.faults.length())

    def run(self, days: float) -> None:
        """Let days pass."""
        while days > 0:
            self.engine.run(self.engine.now + min(days, 1.0) * DAY)
            self.account.forget(self.engine.now - 2 * DAY)
            self.faults.forget(self.engine.now - 3 * DAY)
            days -= 1.0

    # EventBridge

    def schedule(self) -> None:
        """Send what starts a check, some seconds late."""
        self.invariants.time_passed()
        self.engine.later(self.promise.check_every, self.schedule)
        self.send({"scheduled": written(self.engine.now)}, after=self.faults.rng.uniform(0, SCHEDULER))

    def send(self, message: dict[str, str], *, after: float = 0.0) -> None:
        """Deliver a message to the queue; at worst not at all, late, or twice."""
        faults, rng, body = self.faults, self.faults.rng, json.dumps(message)
        delay = after + rng.uniform(0.05, 0.5)
        if faults.happens():
            faults.begin(f.LOST, self.engine.now + after)
            return
        if faults.happens():
            late = rng.uniform(0, 15 * MINUTE)
            faults.begin(f.LATE, self.engine.now + after, late)
            delay += late
        self.engine.later(delay, partial(self.queue.send, body))
        if faults.happens():
            delay += rng.uniform(0, 10 * MINUTE)
            faults.begin(f.TWICE, self.engine.now + delay)
            self.engine.later(delay, partial(self.queue.send, body))

    def report(self, client: Client, version_id: str) -> None:
        """Send an application's report of a refused version."""
        self.send({"rejected_version": version_id, "reported": f"{ACCOUNT}/tokens/{client.name}"})

    # Lambda

    def _serve(self, message: Message) -> bool:
        return self._invocation(message.event()).run()

    def invoke(self, event: dict[str, Any]) -> None:
        """Invoke by hand; it may overlap others."""
        self.engine.start(self._invocation(event, is_by_hand=True).run)

    def _invocation(self, event: dict[str, Any], *, is_by_hand: bool = False) -> Invocation:
        invocation = Invocation(self, event, is_by_hand=is_by_hand)
        if self.killed_at_call:
            invocation.calls_until_killed, self.killed_at_call = self.killed_at_call, 0
        return invocation

    def began(self, invocation: Invocation) -> None:
        """Note which invocations overlap."""
        invocation.started = self.engine.now
        self.invariants.began(invocation)
        self.running.add(invocation)
        for each in self.running:
            each.was_alone = each.was_alone and len(self.running) == 1

    def ended(self, invocation: Invocation) -> None:
        """Look at how an invocation ended."""
        self.running.discard(invocation)
        if invocation.was_killed:
            self.faults.begin(f.KILLED, invocation.started)
            # The message is in flight until its visibility timeout ends, and so is the whole group.
            self.faults.begin(f.KILLED, self.engine.now, 0.0 if invocation.is_by_hand else 6 * MINUTE)
        self.reasons.update(f"{each['outcome']}: {each['reason']}" for each in invocation.outcomes)
        self.trace.ended(invocation)
        self.invariants.ended(invocation)

    # What the function calls

    def perform(self, invocation: Invocation, operation: str, name: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Have Secrets Manager do its part of a call."""
        secret = self.store.secrets.get(name)
        was = secret.state.current if secret else None
        answer = self.store.perform(operation, name, asked, self.engine.now, self.faults.lag())
        if secret is self.credentials:
            invocation.credentials_version = answer.get("VersionId", invocation.credentials_version)
            self._look_at_credentials()
        elif secret and secret.state.current != was:
            for client in CLIENTS:
                if name == f"{ACCOUNT}/tokens/{client.name}":
                    invocation.published.add(client.client_id)
                    self.invariants.published(invocation, client, secret)
        return answer

    def answer(self, invocation: Invocation, headers: Mapping[str, str], form: dict[str, str] | None) -> Answer:
        """Have movieXchange do its part of a request."""
        now = self.engine.now
        if form is None:
            token, client_secret = (
                headers["Authorization"].removeprefix("Bearer "),
                headers.get("MX-Api-Client-Secret", ""),
            )
            is_accepted = self.account.accepts(token, client_secret, now)
            return Answer(host="api", status=200 if is_accepted else 401, body=b"{}")
        locked_until = self.account.locked_until
        answer = self.account.log_in(form, now)
        if self.account.locked_until > locked_until:
            self.faults.begin(f.LOCKED, now, LOCKED_SECONDS)
        if form["grant_type"] == "password":
            self.invariants.answered(invocation, form, is_accepted=b"access_token" in answer.body)
        return answer

    def reject(self, invocation: Invocation, form: dict[str, str]) -> Answer:
        """Have movieXchange reject what is right."""
        self.invariants.answered(invocation, form, is_accepted=False)
        return self.account.reject(form)

    def token_secret(self, client: Client) -> Secret | None:
        """Return a token secret; nothing if it does not exist."""
        return self.store.secrets.get(f"{ACCOUNT}/tokens/{client.name}")

    def published(self, client: Client) -> Version | None:
        """Return what is published for a client ID."""
        secret = self.token_secret(client)
        return secret.state.current if secret else None

    document = staticmethod(document_of)

    # People

    def put_credentials(self, password: str = "") -> None:
        """Store what movieXchange accepts, or another password."""
        document = {
            "username": USERNAME,
            "password": password or self.account.password,
            "client_secret": self.account.client_secret,
        }
        self.credentials.put(self.store.new_id("credentials"), json.dumps(document), self.engine.now)
        self._credentials_changed()

    def _credentials_changed(self) -> None:
        """Send the event that AWSCURRENT moved."""
        self._look_at_credentials()
        current = self.credentials.state.current
        if current:
            self.invariants.by_hand()
            self.send({"credentials_changed": current.id})

    def change_password(self) -> None:
        """Change the password at movieXchange, and store it some time later."""
        self.account.password = f"secret-password-{self.engine.now}"
        self._look_at_credentials()
        self.engine.later(self.faults.rng.uniform(0, 2 * HOUR), self.put_credentials)

    def change_client_secret(self) -> None:
        """Change the client secret at movieXchange, and store it some time later."""
        if self.account.client_secret:
            self.account.client_secret = f"secret-client-secret-{self.engine.now}"
            self._look_at_credentials()
            self.engine.later(self.faults.rng.uniform(0, HOUR), self.put_credentials)

    def mistype(self) -> None:
        """Store a wrong password, and the right one some time later: mostly soon, at times after days."""
        self.put_credentials("secret-password-mistyped")
        longest = 2 * DAY if self.faults.rng.random() < SELDOM else 4 * HOUR
        self.engine.later(self.faults.rng.uniform(MINUTE, longest), self.put_credentials)

    def empty_credentials(self) -> None:
        """Delete the credentials secret, create it again, and fill it some time later."""
        self.credentials = self.store.create(CREDENTIALS, self.engine.now, CREDENTIALS)
        self._look_at_credentials()
        self.engine.later(self.faults.rng.uniform(MINUTE, 2 * HOUR), self.put_credentials)

    def roll_back_credentials(self) -> None:
        """Move AWSCURRENT of the credentials back, and store the right ones some time later."""
        if self._roll_back(self.credentials):
            self._credentials_changed()
            self.engine.later(self.faults.rng.uniform(MINUTE, 2 * HOUR), self.put_credentials)

    def roll_back_token(self) -> None:
        """Move AWSCURRENT of a token back."""
        self._change_token_secret(self._roll_back)

    def _roll_back(self, secret: Secret) -> bool:
        previous = secret.state.labels.get(PREVIOUS)
        if previous:
            secret.move(CURRENT, previous, self.engine.now)
        return bool(previous)

    def spoil_token(self) -> None:
        """Put something else into a token secret."""
        foreign = json.dumps({"client_id": "another"})
        text = self.faults.rng.choice(["", "text", "{}", foreign])
        self._change_token_secret(lambda secret: secret.put(self.store.new_id("by-hand"), text, self.engine.now))

    def _change_token_secret(self, change: Callable[[Secret], object]) -> None:
        secret = self.token_secret(self._any_client())
        if secret and not secret.state.is_marked_for_deletion:
            change(secret)
            self._by_hand()
            if secret.state.current:
                self.invariants.excused.add(secret.state.current.id)

    def delete_token(self) -> None:
        """Delete a token secret."""
        self.store.secrets.pop(f"{ACCOUNT}/tokens/{self._any_client().name}", None)
        self._by_hand()

    def mark_for_deletion(self) -> None:
        """Mark a token secret for deletion, and restore it some time later."""
        name, length = f"{ACCOUNT}/tokens/{self._any_client().name}", self.faults.length()
        secret = self.store.secrets.get(name)
        if secret:
            self.faults.begin(f.DELETED, self.engine.now, length)
            secret.change(self.engine.now, is_marked_for_deletion=True)
            self.engine.later(length, lambda: secret.change(self.engine.now, is_marked_for_deletion=False))

    def change_key(self) -> None:
        """Deploy the stack with another key; the old one cannot be used any more."""
        secrets = [secret for name, secret in self.store.secrets.items() if name != CREDENTIALS]
        self.store.denied_keys |= {secret.state.key for secret in secrets}
        self.settings = replace(self.settings, kms_key=f"key-{self.engine.now}")
        self._by_hand()

    def revoke(self) -> None:
        """Have movieXchange end the tokens of a client ID."""
        self.account.revoke(self._any_client().client_id)
        self._by_hand()

    def end_all_tokens(self) -> None:
        """Have movieXchange end all tokens at one moment."""
        self.account.revoke()
        self._by_hand()

    def deny_for_a_day(self) -> None:
        """Have the licence, the right to write, or the key be missing for a day."""
        self.faults.begin(self.faults.rng.choice(f.LASTING), self.engine.now, DAY)

    def restart_moviexchange(self) -> None:
        """Have movieXchange lose all tokens, and do badly for a while."""
        self.account.revoke()
        self._begin(self.faults.rng.choice([f.MX_MISTAKEN, f.MX_DOWN, f.MX_FAILING, f.API_DOWN, f.LABELS_DENIED]))
        self._by_hand()

    def nag(self) -> None:
        """Have an application report whatever is published once a minute for some hours, and what is not at times."""
        rng = self.faults.rng
        length = rng.choice([self.faults.length() + HOUR, DAY])
        until = self.engine.now + length
        if trouble := rng.choice(["", f.MX_DOWN, f.API_DIVIDED]):
            self.faults.begin(trouble, self.engine.now, length)

        def report() -> None:
            for client in CLIENTS:
                current = self.published(client)
                is_made_up = rng.random() < SELDOM
                self.report(client, current.id if current and not is_made_up else f"made-up-{rng.randrange(5):024}")
            if self.engine.now < until:
                self.engine.later(MINUTE, report)

        report()

    def invoke_by_hand(self) -> None:
        """Force a new token, try what a run would do, check, or try a version of the credentials."""
        rng, name = self.faults.rng, self._any_client().name
        versions = list(self.credentials.state.versions)
        trials = [{"client_id": name, "credentials_version": version} for version in versions[-2:]]
        named = [{"client_id": name, "force": True}, {"client_id": name, "dry_run": True}]
        event: dict[str, Any] = rng.choice([{}, {"force": True}, *named, *trials])
        self.faults.counts[f.INVOKED] += 1
        self.invariants.by_hand()
        for _ in range(rng.choice([1, 1, 2])):
            self.engine.later(rng.uniform(0, 10), partial(self.invoke, event))

    def _by_hand(self) -> None:
        self.invariants.by_hand()
        self.faults.begin(f.BY_HAND, self.engine.now)

    def _any_client(self) -> Client:
        return self.faults.rng.choice(CLIENTS)

    def _look_at_credentials(self) -> None:
        """Note whether the current credentials are the right ones, and whether they have the label."""
        now, state = self.engine.now, self.credentials.state
        self.invariants.credentials_observed(state)
        document = json.loads(state.current.text) if state.current else {}
        right = {"password": self.account.password, "client_secret": self.account.client_secret}
        self.faults.set(f.UNFIT, now, on=not right.items() <= document.items())
        self.faults.set(f.BLOCKED, now, on=bool(state.current) and state.labels.get(REJECTED) == state.labels[CURRENT])

"""A stack in use: its wake-ups, its apps, the people who keep the credentials, and all that goes wrong."""

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, cast

import requests

from mx_token_rotator.moviexchange import MovieXchangeOverHttps
from mx_token_rotator.refresh import LONGEST_LAG, Outcome, Request, Rotator, Rules
from mx_token_rotator.rotation import Rotation, Step
from mx_token_rotator.tokens import AccessToken
from mx_token_rotator.vault import (
    REJECTED,
    SecretsManagerVault,
    credentials_secret,
    refresh_token_secret,
    token_secret,
)
from simulation import weather as w
from simulation.apps import App
from simulation.engine import Engine
from simulation.invariants import Invariants
from simulation.invocation import Invocation, simulated_deadline
from simulation.moviexchange import Account, Reply, Session
from simulation.promise import CACHES, DEFAULTS, MIN_TOKEN_AGE, Promise
from simulation.secrets_manager import CURRENT, READS, Client, Secret, failure
from simulation.weather import DAY, HOUR, MINUTE, Climate, Weather

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

ACCOUNT = "moviexchange/production"
CLIENT_IDS = ("Website", "Updater")
SPARE_SECONDS = 5.0
USERNAME = "user"
STEPS = ("create", "set", "test", "finish")

SELDOM = 0.1
BY_HAND = "a person moves a label, forces, or revokes"


class World:
    """One history, from one seed."""

    story = Rotator
    vault = SecretsManagerVault
    moviexchange = MovieXchangeOverHttps

    def __init__(  # noqa: PLR0913  one for each thing that worlds differ in
        self,
        seed: int,
        climate: Climate,
        *,
        promise: Promise = DEFAULTS,
        keep_refresh_token: bool = False,
        revokes_older: bool = False,
        native_rotation: bool = False,
    ) -> None:
        """Make the stack, empty; nothing happens yet."""
        self.engine = Engine()
        self.weather = Weather(random.Random(seed), climate)  # noqa: S311  a history, no secret
        self.promise = promise
        self.keep_refresh_token = keep_refresh_token
        self.native_rotation = native_rotation
        self.account = Account(revokes_older=revokes_older)
        self.credentials = Secret(climate.longest_lag)
        self.tokens = {each: Secret(climate.longest_lag) for each in CLIENT_IDS}
        self.secrets = {credentials_secret(ACCOUNT): self.credentials}
        for client_id, secret in self.tokens.items():
            self.secrets[token_secret(ACCOUNT, client_id)] = secret
            self.secrets[refresh_token_secret(ACCOUNT, client_id)] = Secret(climate.longest_lag)
        self.client = Client(self._call_secrets_manager)
        self.session = Session(self._call_moviexchange)
        self.invariants = Invariants(self)
        self.told = self.rotator()
        self.serve = self._serve if native_rotation else self.told.refresh
        self.rotating: set[str] = set()
        self.calling: Invocation
        """Whose turn it is."""
        self.steps_to_crash = 0
        """Where the next invocation crashes, if not at 0."""
        self.running: dict[str, set[Invocation]] = {each: set() for each in CLIENT_IDS}
        self.reads: Counter[float] = Counter()
        self.failed_reads: Counter[float] = Counter()
        self.invocations: Counter[str] = Counter()

    def live(self) -> None:
        """Have ticks, apps, people and the weather go their way."""
        rng = self.weather.rng
        self.put_credentials()
        for client_id in CLIENT_IDS:
            self.engine.later(rng.uniform(0, self.promise.check_every), partial(self.schedule, client_id))
            for cache in CACHES:
                app = App(self, client_id, cache)
                self.engine.later(rng.expovariate(1 / app.seconds_between_calls), app.call)
            if self.native_rotation:
                self.engine.later(rng.uniform(0, DAY), partial(self.rotate_now_and_then, client_id))
        if self.weather.climate.days_between == float("inf"):
            return
        for kind in w.STRETCHES:
            self._now_and_then(partial(self._begin_trouble, kind))
        for deed in (
            self.change_password,
            self.change_client_secret,
            self.mistype_credentials,
            self.roll_back_credentials,
            self.roll_back_token,
            self.revoke,
            self.insist,
            self.recreate_credentials,
        ):
            self._now_and_then(deed)

    def _now_and_then(self, what: Callable[[], object]) -> None:
        """Do something again and again, with a pause that is drawn."""

        def again() -> None:
            what()
            self.engine.later(self.weather.pause(), again)

        self.engine.later(self.weather.pause(), again)

    def _begin_trouble(self, kind: str) -> None:
        """Begin a stretch of some length."""
        self.weather.begin(kind, self.engine.now, self.weather.length())

    # EventBridge

    def schedule(self, client_id: str) -> None:
        """Send a tick somewhere in its window, and think of the next one."""
        self.engine.later(self.promise.check_every, partial(self.schedule, client_id))
        window = self.weather.rng.uniform(0, self.promise.check_window)
        self.wake(Request(client_id=client_id), after=window, is_tick=True)

    def wake(self, request: Request, *, after: float = 0.0, is_tick: bool = False) -> None:
        """Deliver a request: at least once by the documentation, and at worst not at all, late, or twice."""
        weather, client_id = self.weather, request.client_id
        delay = after + weather.rng.uniform(0.05, 0.5)
        if weather.happens():
            weather.strike(w.LOST, self.engine.now + after, client_id)
            return
        if weather.happens():
            late = weather.rng.uniform(0, HOUR if weather.rng.random() < SELDOM else 5 * MINUTE)
            weather.strike(w.LATE, self.engine.now + after, client_id, late)
            delay += late
        self.engine.later(delay, partial(self.invoke, request, is_tick=is_tick))
        if weather.happens():
            weather.thrown[w.TWICE] += 1
            again = delay + weather.rng.uniform(0, MINUTE)
            self.engine.later(again, partial(self.invoke, request, is_tick=is_tick))

    def invoke(self, request: Request, *, is_tick: bool = False) -> None:
        """Start an invocation; it goes on by itself."""
        invocation = Invocation(self, request, is_tick=is_tick)
        if self.steps_to_crash:
            invocation.steps_to_crash, self.steps_to_crash = self.steps_to_crash, 0
        self.engine.start(invocation.run)

    def report(self, client_id: str, version_id: str) -> None:
        """Take an app's report of a refused version."""
        self.wake(Request(client_id=client_id, rejected_version=version_id))

    def _label_updated(self) -> None:
        """Tell that AWSCURRENT moved on the credentials."""
        self._look_at_credentials()
        for client_id in CLIENT_IDS:
            self.wake(Request(client_id=client_id))

    # Secrets Manager's rotation

    def rotate_now_and_then(self, client_id: str) -> None:
        """Rotate once a day on average: by the schedule, and when somebody asks for it."""
        self.rotate(client_id)
        self.engine.later(self.weather.rng.expovariate(1 / DAY), partial(self.rotate_now_and_then, client_id))

    def rotate(self, client_id: str) -> None:
        """Begin a rotation, if none is under way (RotateSecret); it goes on by itself."""
        if client_id not in self.rotating:
            self.rotating.add(client_id)
            self.engine.start(partial(self._rotate, client_id))

    def _rotate(self, client_id: str) -> None:
        """Have the function take the four steps; all are tried again a few times if one fails (AWS's guide)."""
        began = self.engine.now
        version_id = self.tokens[client_id].begin_rotation(f"rotation-{client_id}-{began}", began)
        for _ in range(3):
            if all(self._step(Step(name=name, client_id=client_id, version_id=version_id)) for name in STEPS):
                break
            self.engine.wait(self.weather.rng.uniform(1.0, 10 * MINUTE))
        self.rotating.discard(client_id)
        self.invariants.rotated(client_id, version_id, began)

    def _step(self, step: Step) -> bool:
        """Have the function take a step, at times twice; tell whether it ended well."""
        request = Request(client_id=step.client_id)
        times = 2 if self.weather.happens() else 1
        invocations = [Invocation(self, request, step=step) for _ in range(times)]
        for invocation in invocations:
            self.engine.wait(self.weather.rng.uniform(0.05, 1.0))
            invocation.started = self.engine.now
            invocation.run()
        return invocations[-1].outcome is not None

    # The function

    def rules(self) -> Rules:
        """Give the rules that the stack's parameters make."""
        return Rules(
            refresh_at_percent=self.promise.refresh_at_percent,
            min_token_age=timedelta(seconds=MIN_TOKEN_AGE),
            keep_refresh_token=self.keep_refresh_token,
            native_rotation=self.native_rotation,
        )

    def rotator(self) -> Rotator:
        """Wire the rooms together as the handler does; who calls is found out at each call."""
        deadline = simulated_deadline(self).earlier_by(SPARE_SECONDS)
        return self.story(
            vault=self.vault(cast("SecretsManagerClient", self.client), ACCOUNT, deadline),
            moviexchange=self.moviexchange(
                self.session,
                auth_url="https://auth",
                api_url="https://api",
                verify_path="/chains",
                clock=self._clock,
                deadline=deadline.earlier_by(SecretsManagerVault.LONGEST_CALL),
                sleep=self._sleep,
                warn=lambda _: None,
            ),
            rules=self.rules(),
            clock=self._clock,
            observe=lambda _: None,
            report=lambda _: None,
        )

    def _serve(self, request: Request) -> Outcome:
        """Do for a request what the handler does where Secrets Manager rotates."""
        outcome = self.told.refresh(request)
        if outcome.outcome == "refreshed":
            self._rotation().give_way(request.client_id)
        return outcome

    def take(self, step: Step) -> Outcome:
        """Take a step, as the handler does."""
        return self._rotation().take(step)

    def _rotation(self) -> Rotation:
        seen: list[AccessToken | None] = []
        vault = cast("SecretsManagerVault", self.told.vault)
        return Rotation(rotator=replace(self.told, observe=seen.append), vault=vault, observed=seen)

    # Whoever calls has its own clock and its own end.

    def seconds_left(self) -> float:
        """Tell what the caller has left of Lambda's time-out."""
        return self.calling.seconds_left()

    def _clock(self) -> datetime:
        return self.calling.clock()

    def _sleep(self, seconds: float) -> None:
        self.calling.sleep(seconds)

    def _call_secrets_manager(
        self, operation: str, name: str, act: Callable[[Secret, float], dict[str, object]]
    ) -> dict[str, object]:
        return self.calling.secrets_manager(operation, name, act)

    def _call_moviexchange(self, request: requests.Request) -> Reply:
        return self.calling.moviexchange(request)

    def act(
        self, invocation: Invocation, operation: str, name: str, act: Callable[[Secret, float], dict[str, object]]
    ) -> dict[str, object]:
        """Have Secrets Manager do its part of a call."""
        if name not in self.secrets:
            raise failure(operation, "ResourceNotFoundException")
        secret, now = self.secrets[name], self.engine.now
        if operation in READS:
            answer = act(secret, now - self.weather.lag())
            self.invariants.noted_read(invocation, secret, answer, operation)
            return answer
        was = secret.current
        answer = act(secret, now)
        self.invariants.writes[invocation.request.client_id] += 1
        if secret is self.credentials:
            self._look_at_credentials()
        elif secret is self.tokens[invocation.request.client_id] and secret.current and secret.current is not was:
            self.invariants.published(invocation, was, secret.current)
        return answer

    def reply(self, request: requests.Request, *, is_log_in: bool) -> Reply:
        """Have movieXchange do its part of a request."""
        if not is_log_in:
            access_token = request.headers["Authorization"].removeprefix("Bearer ")
            return self.account.call(access_token, request.headers["MX-Api-Client-Secret"], self.engine.now)
        return self.account.log_in(cast("dict[str, str]", request.data), self.engine.now)

    def began(self, invocation: Invocation) -> None:
        """Note who runs at the same time for the same client ID."""
        running = self.running[invocation.request.client_id]
        running.add(invocation)
        for each in running:
            each.was_alone = each.was_alone and len(running) == 1

    def ended(self, invocation: Invocation) -> None:
        """Look at how an invocation ended."""
        self.running[invocation.request.client_id].discard(invocation)
        said = invocation.outcome.reason if invocation.outcome else type(invocation.raised).__name__
        self.invocations[said] += 1
        self.invariants.ended(invocation)

    # People

    def put_credentials(self, password: str | None = None) -> None:
        """Put what movieXchange takes, or another password."""
        document = {
            "username": USERNAME,
            "password": password or self.account.password,
            "client_secret": self.account.client_secret,
        }
        version_id = f"credentials-{len(self.invariants.became_current)}"
        self.credentials.put(version_id, json.dumps(document), self.engine.now)
        self._label_updated()

    def change_password(self) -> None:
        """Change the password at movieXchange, and put it some time later."""
        self.account.password = f"password-{self.engine.now}"
        self._look_at_credentials()
        self.engine.later(self.weather.rng.uniform(0, 2 * HOUR), self.put_credentials)

    def change_client_secret(self) -> None:
        """Change the client secret at movieXchange, and put it some time later."""
        self.account.client_secret = f"client-secret-{self.engine.now}"
        self._look_at_credentials()
        self.engine.later(self.weather.rng.uniform(0, HOUR), self.put_credentials)

    def mistype_credentials(self) -> None:
        """Put a wrong password, and the right one some time later."""
        self.put_credentials(password="mistyped")  # noqa: S106  made up
        self.engine.later(self.weather.rng.uniform(MINUTE, 4 * HOUR), self.put_credentials)

    def roll_back_credentials(self) -> None:
        """Move AWSCURRENT of the credentials back, and put right ones some time later."""
        if self._roll_back(self.credentials):
            # Who goes back twice in a little while may be taken for a read that lags.
            for client_id in CLIENT_IDS:
                self.weather.strike(BY_HAND, self.engine.now, client_id, LONGEST_LAG.total_seconds())
            self._label_updated()
            self.engine.later(self.weather.rng.uniform(MINUTE, 2 * HOUR), self.put_credentials)

    def roll_back_token(self) -> None:
        """Move AWSCURRENT of a token back."""
        client_id = self.weather.rng.choice(CLIENT_IDS)
        if self._roll_back(self.tokens[client_id]):
            self.weather.strike(BY_HAND, self.engine.now, client_id)

    def _roll_back(self, secret: Secret) -> bool:
        previous = secret.state.bearer("AWSPREVIOUS")
        if previous is None:
            return False
        secret.move(CURRENT, previous.id, self.engine.now)
        self.invariants.went_back(secret)
        return True

    def revoke(self) -> None:
        """Have movieXchange end every token that is published for a client ID."""
        client_id = self.weather.rng.choice(CLIENT_IDS)
        self.weather.strike(BY_HAND, self.engine.now, client_id)
        for issued in self.account.tokens.values():
            issued.revoked = issued.revoked or issued.client_id == client_id

    def insist(self) -> None:
        """Force a new token, or try whether that would do."""
        client_id = self.weather.rng.choice(CLIENT_IDS)
        dry_run = self.weather.rng.random() < 0.5  # noqa: PLR2004  one or the other
        self.insist_on(Request(client_id=client_id, force=True, dry_run=dry_run))

    def insist_on(self, request: Request) -> None:
        """Invoke by hand; a dry run may end the token that is published."""
        self.weather.strike(BY_HAND, self.engine.now, request.client_id, MINUTE)
        self.invoke(request)

    def recreate_credentials(self) -> None:
        """Delete the credentials secret for good, and make it again some time later."""
        self.weather.begin(w.DENIED, self.engine.now, self.weather.rng.uniform(MINUTE, 2 * HOUR))
        self.credentials = self.secrets[credentials_secret(ACCOUNT)] = Secret(self.weather.climate.longest_lag)
        self.put_credentials()

    def _look_at_credentials(self) -> None:
        """Note whether the credentials fit, and whether they are labelled."""
        current = self.credentials.current
        if current is None:
            return
        self.invariants.noted_credentials(current)
        document, now = json.loads(current.text), self.engine.now
        fits = (document["password"], document["client_secret"]) == (self.account.password, self.account.client_secret)
        self.weather.set(w.UNFIT, now, on=not fits)
        self.weather.set(w.LABELLED, now, on=self.credentials.state.labels.get(REJECTED) == current.id)

    def run(self, days: float) -> None:
        """Let days pass, and hold them to what must hold at their end."""
        while days > 0:
            self.engine.run(self.engine.now + min(days, 1.0) * DAY)
            self.account.forget_ended(self.engine.now)
            self.weather.forget(self.engine.now - 2 * DAY)
            days -= 1.0
        self.invariants.at_the_end()

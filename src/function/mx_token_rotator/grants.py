"""How a run gets tokens: by the credentials, unless they have the label REJECTED, or by a stored refresh token."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mx_token_rotator import errors
from mx_token_rotator.events import Request
from mx_token_rotator.moviexchange import Grant, MovieXchange
from mx_token_rotator.secrets_manager import SecretsManager
from mx_token_rotator.settings import Client, Settings
from mx_token_rotator.tokens import AccessToken, RefreshToken

RETRY_EVERY = timedelta(hours=3)
CREDENTIALS_TROUBLES = (errors.CredentialsInvalid, errors.CredentialsRejected, errors.SecretsManagerFailed)


def is_retry_slot(scheduled_at: datetime | None, check_every: timedelta) -> bool:
    """Return whether a run is the first scheduled one of its three hours, which tries rejected credentials again."""
    return scheduled_at is not None and timedelta(seconds=scheduled_at.timestamp()) % RETRY_EVERY < check_every


@dataclass
class Grants:
    """Gets the tokens of one run. Before its first log-in a version gets the label, in case the function dies then."""

    request: Request
    settings: Settings
    secrets: SecretsManager
    moviexchange: MovieXchange
    failures: list[errors.RotatorError]  # takes what must not cost a token
    proven: set[str]  # the versions that published tokens came from
    current: str | None = None
    rejected: str | None = None
    stop: errors.RotatorError | None = None  # what ended this run's log-ins
    has_labelled: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        """Read the labels, once for the run."""
        try:
            self.current, self.rejected = self.secrets.credentials_versions(self.request.announced_version)
        except CREDENTIALS_TROUBLES as failure:
            self.stop = failure

    @property
    def is_forced(self) -> bool:
        """Whether to log in whatever the label and the token's age are: by force, or as a scheduled retry."""
        is_slot = is_retry_slot(self.request.scheduled_at, self.settings.check_every)
        return self.request.force or (is_slot and self.rejected is not None and self.rejected == self.current)

    def obtain(self, client: Client, *, may_renew: bool) -> tuple[AccessToken, bool]:
        """Log in, or use the stored refresh token if the credentials stand in the way; return whether it was that."""
        stored = None
        try:
            token, refresh_token = self._log_in(client)
        except CREDENTIALS_TROUBLES as trouble:
            self.failures.append(trouble)
            stored = self.secrets.stored_refresh_token(client) if may_renew else None
            if stored is None:
                raise
            token, refresh_token = self._renew(client, stored, trouble)
        try:  # before the access token is published, so that a crash in between costs neither
            if self.settings.keep_refresh_token and refresh_token:
                self.secrets.store_refresh_token(client, refresh_token)
        except errors.SecretsManagerFailed as failure:
            self.failures.append(failure)
        return token, stored is not None

    def accept(self, version: str) -> None:
        """Note that the token service accepted a version."""
        self.proven.add(version)
        if version == self.rejected:
            self._label(None)

    def reject(self, version: str, because: errors.RotatorError) -> None:
        """Block a version, and end the run's log-ins."""
        self.stop = because
        if version != self.rejected:
            self._label(version)

    def admit(self) -> str:
        """Return the version of the credentials to log in with. Raises what forbids it."""
        version, secret = self.current, self.secrets.credentials_secret
        if not self.stop and version is None:
            self.stop = errors.CredentialsInvalid(f"The secret {secret} is still empty")
        elif not self.stop and version == self.rejected and not self.is_forced:
            seen = "was rejected, or is being tried at this moment; the first error in the log says why"
            self.stop = errors.CredentialsRejected(f"Version {version} of the secret {secret} {seen}")
        if self.stop:
            raise self.stop
        return str(version)

    def _log_in(self, client: Client) -> Grant:
        version = self.admit()
        try:
            credentials = self.secrets.credentials(version)
            if version not in self.proven | {self.rejected}:
                self.secrets.move_rejected(to=version, of=self.rejected)
                self.rejected, self.has_labelled = version, True
            return self.moviexchange.log_in(client.client_id, credentials, tries=self.request.tries)
        except errors.RotatorError as error:
            is_of_client_id = error.kind == "client ID"
            self.stop = None if is_of_client_id else error
            if isinstance(error, errors.CredentialsRejected) and not is_of_client_id:
                self.reject(version, error)
            elif self.has_labelled and version == self.rejected:  # an older label stays until the version is accepted
                self._label(None)
            raise

    def _renew(self, client: Client, stored: RefreshToken, trouble: errors.RotatorError) -> Grant:
        try:
            return self.moviexchange.renew(stored, tries=self.request.tries)
        except errors.CredentialsRejected as refusal:
            if refusal.kind != "client ID":
                self.secrets.store_refresh_token(client, None)
            raise trouble from None
        except errors.RotatorError as error:
            self.stop = error
            raise

    def _label(self, version: str | None) -> None:
        """Move the label after a log-in; a failure costs no token."""
        of, self.rejected = self.rejected, version
        try:
            self.secrets.move_rejected(to=version, of=of)
        except errors.SecretsManagerFailed as failure:
            self.failures.append(failure)

"""What can go wrong, and who must act. No message has a value from a secret, or a text from an answer."""

import traceback
from pathlib import Path

WAIT = "The next run tries again. If it lasts, check the function's way to Secrets Manager, and AWS's Health Dashboard."


class TimeIsUp(BaseException):
    """The run must end now. No Exception, because urllib3 and botocore would take it for a socket's and try again."""


class RotatorError(Exception):
    """A failure, with who can end it and how; `kind` tells special cases apart."""

    who = remedy = ""
    needs_person = True  # counts as ActionRequired

    def __init__(self, problem: str, *, kind: str = "", remedy: str = "", ends_by_itself: bool = False) -> None:
        """Take the problem as a sentence without its full stop, and what differs from the class."""
        super().__init__(problem)
        self.problem, self.kind, self.remedy = problem, kind, remedy or (WAIT if ends_by_itself else self.remedy)
        self.needs_person = self.needs_person and not ends_by_itself


class SettingsInvalid(RotatorError):
    """An environment variable is missing or wrong."""

    who, remedy = "whoever deployed the stack", "Correct the stack's parameter of that name and deploy again."


class RequestInvalid(RotatorError):
    """A request cannot be understood."""

    who, needs_person = "whoever sent the request", False
    remedy = 'By hand, send {} or {"client_id": NAME}. On the queue, see who sends, or reports a removed client ID.'


class CredentialsInvalid(RotatorError):
    """The credentials secret is empty, or its value cannot be used."""

    who = "the owner of the movieXchange or Vista account"
    remedy = 'Store the right value, as plain text like {"username": "…", "password": "…", "client_secret": "…"}.'


class CredentialsRejected(RotatorError):
    """The token service rejected the user name or the password; of the kind `client ID`, that client ID alone."""

    who = "the owner of the movieXchange or Vista account"
    remedy = 'Store the right ones, which are used at once. To try these once more, invoke with {"force": true}.'


class TokenRefused(RotatorError):
    """The API refused a token that the token service has just issued."""

    who = "the owner of the movieXchange or Vista account"
    remedy = "Check client_secret. Only if applications' own calls work, set VerifyPath to a licensed GET, or none."


class MovieXchangeUnavailable(RotatorError):
    """The token service cannot be reached, is too slow, limits the rate, or is broken."""

    who, needs_person = "nobody", False
    remedy = "The next scheduled run tries again. If it lasts, check the network, then the status of movieXchange."


class MovieXchangeMisbehaved(RotatorError):
    """The token service's answer is neither a token nor a refusal of the credentials."""

    who = "your network administrators, then movieXchange's support or your Vista representative"
    remedy = "Check Environment and AuthUrl, and whether a proxy answers in the host's place. Then show them this line."


class SecretsManagerFailed(RotatorError):
    """Secrets Manager did not do what was asked; of the kinds `missing`, `empty` and `key` where that is the reason."""

    who = "AWS administrators"
    remedy = "Compare the function's role, the KMS key's policy and the secret with the stack's template."


class Unexpected(RotatorError):
    """A defect of the function."""

    who, remedy = "whoever deployed the stack", "Open an issue with this line; it contains no secret."


def named(error: BaseException) -> RotatorError:
    """Return an error of ours as it is; of any other, its type and place, since its text could contain anything."""
    if isinstance(error, RotatorError):
        return error
    places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    return Unexpected(f"{type(error).__name__} was raised in {' > '.join(places[-3:])}")

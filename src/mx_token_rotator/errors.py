"""What can go wrong, and who must act.

RotatorError
├── SettingsInvalid          whoever deployed the stack
├── RequestInvalid           whoever sent the request
├── CredentialsInvalid       the keeper of the credentials secret
├── CredentialsRejected      the keeper of the credentials secret
├── TokenRefused             the keeper of the credentials secret, or movieXchange
├── MovieXchangeUnavailable  nobody: the next tick
├── MovieXchangeMisbehaved   movieXchange, or whoever runs what stands between
└── VaultFailed              the keeper of the role, key or secret

A problem names members, variables, secrets, statuses and codes, never a value that came from a secret or from an
answer's body.
"""

from typing import ClassVar


def fill_command(secret: str) -> str:
    """Give the command that fills the credentials secret of this name."""
    return f"aws secretsmanager put-secret-value --secret-id {secret} --secret-string file://credentials.json"


class RotatorError(Exception):
    """A failure with the person who can end it; `str()` says the problem, who must act, and how."""

    who: ClassVar[str]
    remedy: str

    def __init__(self, problem: str) -> None:
        """Take the problem as a sentence without its full stop."""
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        """Say it all in one line, for Lambda's error answer and the dead-letter queue."""
        return f"{self.problem}. Who must act: {self.who}. {self.remedy}"


class SettingsInvalid(RotatorError):
    """An environment variable is missing or wrong."""

    who = "whoever deployed the stack"
    remedy = "Set the stack's parameter behind that variable and deploy again."


class RequestInvalid(RotatorError):
    """A request is not of the shape that the function takes."""

    who = "whoever sent the request"
    remedy = (
        'Send {"client_id": "…"} for one of the stack\'s ClientIds, with no members beside it but rejected_version, '
        "or force and dry_run."
    )


class CredentialsInvalid(RotatorError):
    """The credentials secret has no value, no JSON object, or a member is missing or empty."""

    who = "the keeper of the credentials secret"
    remedy = (
        f'Put {{"username": "…", "password": "…", "client_secret": "…"}} into credentials.json and run: '
        f"{fill_command('{secret}')}"
    )

    def __init__(self, problem: str, secret: str) -> None:
        """Take the secret's name, for the command that fills it."""
        super().__init__(problem)
        self.remedy = type(self).remedy.replace("{secret}", secret)


class CredentialsRejected(RotatorError):
    """MovieXchange refuses the user name, the password or the client ID."""

    who = "the keeper of the credentials secret"
    remedy = (
        "Put the user name and password that movieXchange takes into the credentials secret, which is used at once, "
        "or correct ClientIds if it is the client ID that is refused."
    )

    def __init__(self, problem: str, *, of_client_id: bool = False) -> None:
        """Take whether it is the client ID that is refused, so that another one may do with the same credentials."""
        super().__init__(problem)
        self.of_client_id = of_client_id


class TokenRefused(RotatorError):
    """MovieXchange's API refuses a token that movieXchange has just issued; it was not published."""

    who = "the keeper of the credentials secret, or movieXchange"
    remedy = "Check the client secret in the credentials secret, then ask movieXchange about the licence."


class MovieXchangeUnavailable(RotatorError):
    """MovieXchange cannot be reached, is too slow, limits the rate, or is broken."""

    who = "nobody"
    remedy = (
        "The next tick tries again, and what is published stays; if it lasts, look at AuthUrl, ApiUrl and the network."
    )


class MovieXchangeMisbehaved(RotatorError):
    """The token endpoint's answer is no token document and no refusal of the credentials."""

    who = "movieXchange, or whoever runs what stands between"
    remedy = "Look for a proxy or firewall that answers in its place, then show movieXchange this message."


class VaultFailed(RotatorError):
    """Secrets Manager does not do what was asked."""

    who = "the keeper of the role, key or secret"
    remedy = (
        "Compare the function's role, the KMS key's policy and the secret with the stack; throttling ends by itself."
    )

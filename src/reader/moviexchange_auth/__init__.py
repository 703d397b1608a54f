"""For applications: the access token that mx-token-rotator keeps in a secret. README.md shows how to use it."""

from moviexchange_auth._source import TokenSource
from moviexchange_auth._token import ClientSecretError, Token, TokenError

__all__ = ["ClientSecretError", "Token", "TokenError", "TokenSource"]

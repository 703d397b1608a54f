"""The environment variables that the stack gives the function; the template checks them more closely."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from mx_token_rotator.errors import SettingsInvalid

HOSTS = {  # of each environment: the token service and the API
    "production": ("https://auth.moviexchange.com", "https://api.moviexchange.com"),
    "staging": ("https://staging-auth.moviexchange.com", "https://staging-api.moviexchange.com"),
    "sandbox": ("https://auth.sandbox.vista.co", ""),
}
URL = r"https://[^\s?#@]+|http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(/[^\s?#]*)?"


@dataclass(frozen=True)
class Client:
    """A client ID, and the name that stands for it in secret names, requests and logs."""

    name: str
    client_id: str

    @classmethod
    def parse(cls, entry: str) -> Self:
        """Read NAME or NAME:CLIENT ID. Raises SettingsInvalid."""
        name, _, client_id = (part.strip() for part in entry.partition(":"))
        if not re.fullmatch(r"[A-Za-z0-9_.+=@-]{1,50}", name):
            wrong = f"ClientIds has the entry {entry!a:.80}, whose name is not 1 to 50 of A-Z a-z 0-9 _ . + = @ -"
            raise SettingsInvalid(f"{wrong}; write any other client ID as NAME:CLIENT ID")
        return cls(name, client_id or name)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the stack's parameters say; an empty text stands for `none`."""

    account: str
    clients: tuple[Client, ...]
    check_every: timedelta
    refresh_at_percent: int
    min_token_age: timedelta
    verify_path: str
    keep_refresh_token: bool
    kms_key: str
    secret_tags: dict[str, str]
    auth_url: str
    api_url: str
    proxy: str

    @classmethod
    def parse(cls, environment: Mapping[str, str]) -> Self:
        """Read all variables. Raises SettingsInvalid, which names the variable and what it should be."""

        def read(name: str, pattern: str, example: str) -> str:
            value = environment.get(name, "").strip()
            if not re.fullmatch(pattern, value):
                state = "wrong" if value else "missing"
                raise SettingsInvalid(f"The environment variable {name} is {state}; it should be like {example}")
            return "" if value == "none" else value

        account = read("ACCOUNT", rf".+/({'|'.join(HOSTS)})", "moviexchange/staging")
        token_service, _ = HOSTS[account.rpartition("/")[2]]
        clients = tuple(map(Client.parse, filter(str.strip, read("CLIENT_IDS", ".*[^, ].*", "_Website").split(","))))
        if len({each.name for each in clients}) + len({each.client_id for each in clients}) < 2 * len(clients):
            raise SettingsInvalid("ClientIds has the same name or client ID twice")
        tags = read("SECRET_TAGS", "none|[^=,]+=[^,]*(,[^=,]+=[^,]*)*", "Key=Value,Key=Value or none")
        every = read("CHECK_EVERY", r"rate\(\d+ minutes?\)", "rate(15 minutes)")
        return cls(
            account=account,
            clients=clients,
            check_every=timedelta(minutes=int(re.sub(r"\D", "", every))),
            refresh_at_percent=int(read("REFRESH_AT_PERCENT", r"\d\d", "50")),
            min_token_age=timedelta(seconds=int(read("MIN_TOKEN_AGE_SECONDS", r"\d{1,6}", "900"))),
            verify_path=read("VERIFY_PATH", r"auto|none|/[!-~]*", "auto, none, or a path"),
            keep_refresh_token=read("KEEP_REFRESH_TOKEN", "true|false", "true or false") == "true",
            kms_key=read("KMS_KEY_ARN", r"none|arn:\S+", "the ARN of a key or none"),
            secret_tags=dict(tag.strip().split("=", 1) for tag in tags.split(",") if tag),
            auth_url=read("AUTH_URL", f"none|{URL}", "https://HOST or none").rstrip("/") or token_service,
            api_url=read("API_URL", f"none|{URL}", "https://HOST/PATH or none").rstrip("/"),
            proxy=read("MOVIEXCHANGE_PROXY", r"none|https?://[^\s/?#@]+", "http://HOST:PORT or none"),
        )

    def verification_url(self, client_secret: str) -> str:
        """Return the URL of the GET that tries a token, or an empty text if tokens are not tried."""
        host = self.api_url or HOSTS[self.account.rpartition("/")[2]][1]
        # Without a client secret it is Vista's Digital Platform, whose API host is the cinema chain's own.
        auto = "/mxs/reference-data/v1/cinema-chains" if client_secret else "/ocapi/v1/sites" if self.api_url else ""
        path = auto if self.verify_path == "auto" else self.verify_path
        return f"{host}{path}" if host and path else ""

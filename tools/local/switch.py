"""Switches of movieXchange's stand-in, which are HTTP calls: they begin and end its faults, and revoke tokens."""

import re
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import unquote

from tools.local.faults import Fault, send
from tools.local.mx import Handler, MovieXchangeStandIn
from tools.local.survival import AT_API, AT_TOKEN_ENDPOINT

NO_SUCH = "There is no such switch. GET /faults lists the faults; DELETE /tokens/NAME revokes a client ID's tokens.\n"


class Place(NamedTuple):
    """Where faults can be: the stand-in's attribute, and the faults by their names in a path."""

    attribute: str
    faults: dict[str, Fault]


def in_path(faults: dict[str, Fault]) -> dict[str, Fault]:
    """Give faults names that can stand in a path: `HTTP 503 with Retry-After: 2` is `http-503-with-retry-after-2`."""
    return {re.sub(r"[^a-z0-9]+", "-", name.lower()): fault for name, fault in faults.items()}


PLACES = {
    "token-service": Place("token_fault", in_path(AT_TOKEN_ENDPOINT)),
    "api": Place("api_fault", in_path(AT_API)),
}


def listed(account: MovieXchangeStandIn) -> str:
    """Return every fault on a line, and say which are on."""
    return "".join(
        f"{place}/{name}{' is on' if getattr(account, attribute) is fault else ''}\n"
        for place, (attribute, faults) in PLACES.items()
        for name, fault in faults.items()
    )


def begin(account: MovieXchangeStandIn, place: str, name: str) -> str | None:
    """Begin a fault, which replaces another one of its place; return None if there is no such fault."""
    attribute, faults = PLACES.get(place, Place("", {}))
    if name not in faults:
        return None
    setattr(account, attribute, faults[name])
    return f"{place}/{name} is on.\n"


def end_all(account: MovieXchangeStandIn) -> str:
    """End every fault."""
    for attribute, _ in PLACES.values():
        setattr(account, attribute, None)
    return "No fault is on.\n"


def revoke(account: MovieXchangeStandIn, client_id: str) -> str:
    """Revoke every token of a client ID."""
    tokens = [token for token, issued in account.access_tokens.items() if issued.client_id == client_id]
    for token in tokens:
        account.revoke(token)
    return f"Revoked tokens of {client_id}: {len(tokens)}.\n"


def switched(account: MovieXchangeStandIn, method: str, path: str) -> str | None:
    """Do what a request to a switch asks for, and return the answer; None if there is no such switch."""
    match [method, *unquote(path).strip("/").split("/")]:
        case ["GET", "faults"]:
            return listed(account)
        case ["PUT", "faults", place, name]:
            return begin(account, place, name)
        case ["DELETE", "faults"]:
            return end_all(account)
        case ["DELETE", "tokens", client_id]:
            return revoke(account, client_id)
    return None


class SwitchedHandler(Handler):
    """A connection to the stand-in and its switches."""

    def do_GET(self) -> None:  # noqa: N802  http.server's name
        """List the faults, or serve the API."""
        if self.path.startswith("/faults"):
            self._switch()
        else:
            super().do_GET()

    def _switch(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        text = switched(self.server.account, self.command, self.path)
        code = HTTPStatus.NOT_FOUND if text is None else HTTPStatus.OK
        send(self, code, (text or NO_SUCH).encode(), content_type="text/plain; charset=utf-8")

    do_PUT = do_DELETE = _switch  # noqa: N815  http.server's names

"""MovieXchangeAuth for httpx."""

from collections.abc import AsyncGenerator, Generator
from typing import Any

import httpx

from moviexchange_auth._hosts import NAMES, UNAUTHORIZED, HostRules, sign
from moviexchange_auth._token import Token


class MovieXchangeAuth(HostRules, httpx.Auth):
    """Does for httpx, with Client and under asyncio with AsyncClient, what the class for requests does for requests.

    >>> client = httpx.Client(auth=MovieXchangeAuth("vista/production/tokens/Web", api_hosts="digital-api.example.com"))
    >>> client.get("https://digital-api.example.com/ocapi/v1/sites").json()
    {'sites': [{'id': '1', 'name': 'Foo Cinema'}]}
    """

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Do what Client asks for."""
        if not self._is_api(str(request.url)):
            yield request
            return
        token, files = self.source.token(), _files(request)
        response = yield self._signed(request, token, is_async=False)
        _ = response.status_code == UNAUTHORIZED and response.read()
        report = self._verdict(token, response)
        newer = None if report is None else self.source.refused(token.version, report=report)
        if newer and files is not None:
            self._verdict(newer, (yield _again(response.request, newer, files)))

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Do what AsyncClient asks for."""
        if not self._is_api(str(request.url)):
            yield request
            return
        token, files = await self.source.atoken(), _files(request)
        response = yield self._signed(request, token, is_async=True)
        _ = response.status_code == UNAUTHORIZED and await response.aread()
        report = self._verdict(token, response)
        newer = None if report is None else await self.source.arefused(token.version, report=report)
        if newer and files is not None:
            self._verdict(newer, (yield _again(response.request, newer, files)))

    def _signed(self, request: httpx.Request, token: Token, *, is_async: bool) -> httpx.Request:
        """Add the headers, and have them removed where a redirect leads: httpx would remove Authorization alone."""
        earlier = request.extensions.get("trace", lambda *_: None)

        def trace(event: str, info: dict[str, Any]) -> Any:  # noqa: ANN401  what the application's own returns
            if event.endswith("send_request_headers.started") and not self._is_api(bytes(info["request"].url).decode()):
                kept = [each for each in info["request"].headers if each[0].decode().lower() not in NAMES]
                info["request"].headers = kept
            return earlier(event, info)

        async def atrace(event: str, info: dict[str, Any]) -> None:
            if (waiting := trace(event, info)) is not None:
                await waiting

        request.extensions = {**request.extensions, "trace": atrace if is_async else trace}
        return _again(request, token, [])


def _again(request: httpx.Request, token: Token, files: list[tuple[Any, int]]) -> httpx.Request:
    sign(request.headers, token)
    for file, position in files:
        file.seek(position)
    return request


def _files(request: httpx.Request) -> list[tuple[Any, int]] | None:
    """Return the files in a body with their positions, or None if the body cannot be sent again."""
    stream: Any = request.stream
    parts = getattr(stream, "fields", None)  # of a multipart body
    bodies = [getattr(stream, "_stream", stream)] if parts is None else [getattr(each, "file", b"") for each in parts]
    try:
        return [(each, each.seek(each.tell())) for each in bodies if not isinstance(each, str | bytes)]
    except (AttributeError, TypeError, OSError):  # a stream, also an asynchronous one
        return None

"""MovieXchangeAuth for httpx."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

import httpx

from moviexchange_auth import _NAMES, _UNAUTHORIZED, Token, _can_resend, _HostRules, _sign


class MovieXchangeAuth(_HostRules, httpx.Auth):
    """Does for httpx, with Client and under asyncio with AsyncClient, what the class for requests does for requests.

    >>> client = httpx.Client(auth=MovieXchangeAuth("vista/production/tokens/Web", api_hosts="digital-api.example.com"))
    >>> client.get("https://digital-api.example.com/ocapi/v1/sites").json()
    {'sites': [{'id': '1', 'name': 'Foo Cinema'}]}
    """

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Do what Client asks for."""
        token = self.source.token() if self._is_api(str(request.url)) else None
        response = yield self._prepare(request, token, lambda *_: None)
        _ = response.status_code == _UNAUTHORIZED and response.read()
        report = self._verdict(token, response)
        newer = self.source.refused(token.version, report=report) if token and report is not None else None
        if newer and _can_resend(_bodies(response.request.stream)):
            self._verdict(newer, (yield _sign(response.request, newer)))

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Do what AsyncClient asks for."""
        token = await self.source.atoken() if self._is_api(str(request.url)) else None
        response = yield self._prepare(request, token, lambda *_: asyncio.sleep(0))
        _ = response.status_code == _UNAUTHORIZED and await response.aread()
        report = self._verdict(token, response)
        newer = await self.source.arefused(token.version, report=report) if token and report is not None else None
        if newer and _can_resend(_bodies(response.request.stream)):
            self._verdict(newer, (yield _sign(response.request, newer)))

    def _prepare(self, request: httpx.Request, token: Token | None, nothing: Callable[..., Any]) -> httpx.Request:
        """Add the headers, and have them removed where a redirect leads: httpx would remove Authorization alone."""
        earlier = request.extensions.get("trace", nothing)

        def trace(event: str, info: dict[str, Any]) -> Any:  # noqa: ANN401  what the application's own returns
            if event.endswith("send_request_headers.started") and not self._is_api(bytes(info["request"].url).decode()):
                kept = [each for each in info["request"].headers if each[0].decode().lower() not in _NAMES]
                info["request"].headers = kept
            return earlier(event, info)

        if token:
            request.extensions = {**request.extensions, "trace": trace}
            _sign(request, token)
        return request


def _bodies(stream: Any) -> list[Any]:  # noqa: ANN401  its attributes are httpx's own
    parts = getattr(stream, "fields", [stream])  # of a multipart body
    return [getattr(each, "_stream", getattr(each, "file", getattr(each, "value", each))) for each in parts]

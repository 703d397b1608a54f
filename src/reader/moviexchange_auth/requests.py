"""MovieXchangeAuth for requests."""

from functools import partial
from typing import Any
from urllib.parse import urljoin

import requests
from requests.auth import AuthBase
from requests.exceptions import UnrewindableBodyError
from requests.utils import rewind_body

from moviexchange_auth._hosts import HostRules, sign
from moviexchange_auth._token import Token


class MovieXchangeAuth(HostRules, AuthBase):
    """Adds a token's headers to HTTPS requests to `api_hosts`, and to no others. A request may raise TokenError.

    After a 401 a request is repeated once with a newer token. Without one the token is reported, unless the host
    accepted it within the last minute, or `should_report(response)` is false.

    >>> session = requests.Session()
    >>> session.auth = MovieXchangeAuth("moviexchange/staging/tokens/_Website")
    >>> session.get("https://staging-api.moviexchange.com/mxs/reference-data/v1/cinema-chains", timeout=10).json()
    [{'id': '1', 'name': 'Foo Cinemas'}]
    """

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the headers, and a hook that handles the answer."""
        if self._is_api(str(request.url)):
            token = self.source.token()
            sign(request.headers, token)
            request.register_hook("response", partial(self._answered, token))  # type: ignore[no-untyped-call]
        return request

    def _answered(self, token: Token, answer: requests.Response, **how: Any) -> requests.Response:  # noqa: ANN401
        sent, report = answer.request, self._verdict(token, answer)
        if report is not None and (newer := self.source.refused(token.version, report=report)) and _rewind(sent):
            _ = answer.content  # read to its end, so that the connection can be used again
            repeated = sent.copy()
            sign(repeated.headers, newer)
            second: requests.Response = answer.connection.send(repeated, **how)
            self._verdict(newer, second)
            second.history.append(answer)
            answer = second
        if answer.is_redirect and not self._is_api(urljoin(answer.url, answer.headers["Location"])):
            sign(sent.headers, None)  # the session copies them, and would remove Authorization alone
        return answer


def _rewind(request: requests.PreparedRequest) -> bool:
    body: Any = request.body
    if not isinstance(body, str | bytes | bytearray | None):
        try:
            rewind_body(request)
        except UnrewindableBodyError:
            return False
    return True

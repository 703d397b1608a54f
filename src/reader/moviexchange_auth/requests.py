"""MovieXchangeAuth for requests."""

from functools import partial
from typing import Any

import requests

from moviexchange_auth import Token, _can_resend, _HostRules, _sign


class MovieXchangeAuth(_HostRules, requests.auth.AuthBase):
    """Adds a token's headers to HTTPS requests to `api_hosts` alone, and does at a 401 what README.md says.

    >>> session = requests.Session()
    >>> session.auth = MovieXchangeAuth("moviexchange/staging/tokens/_Website")
    >>> session.get("https://staging-api.moviexchange.com/mxs/reference-data/v1/cinema-chains", timeout=10).json()
    [{'id': '1', 'name': 'Foo Cinemas'}]
    """

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the headers, and a hook that handles the answer."""
        if self._is_api(str(request.url)):
            _sign(request, token := self.source.token())
            request.register_hook("response", partial(self._answered, token))  # type: ignore[no-untyped-call]
        return request

    def _answered(self, token: Token, answer: requests.Response, **how: Any) -> requests.Response:  # noqa: ANN401
        sent, report = answer.request, self._verdict(token, answer)
        newer = None if report is None else self.source.refused(token.version, report=report)
        if newer and _can_resend([sent.body], vars(sent)["_body_position"]):
            _ = answer.content  # read to its end, so that the connection can be used again
            refusal, answer = answer, answer.connection.send(_sign(sent.copy(), newer), **how)
            answer.history.append(refusal)
            self._verdict(newer, answer)
        if answer.is_redirect and not self._is_api(requests.compat.urljoin(answer.url, answer.headers["Location"])):
            _sign(sent, None)  # the session copies its headers, and would remove Authorization alone
        return answer

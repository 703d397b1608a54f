"""A WSGI application whose pages contain a token of Vista's Digital Platform, for scripts that call OCAPI."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from moviexchange_auth import TokenSource

CACHED, OPEN = 300, 3600  # seconds for which a page may be cached, and for which it then stays open
source = TokenSource("vista/production/tokens/Web")


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Serve the page, and at /token the token alone, for a page that stays open for longer."""
    token = source.browser_token(min_life=CACHED + OPEN)
    data = json.dumps(token)
    is_page = environ["PATH_INFO"] != "/token"
    cache = f"max-age={CACHED}" if is_page and token["fresh"] else "no-store"
    content_type = "text/html; charset=utf-8" if is_page else "application/json"
    start_response("200 OK", [("Content-Type", content_type), ("Cache-Control", cache)])
    if not is_page:
        return [data.encode()]
    data = data.replace("<", "\\u003c")  # so that nothing ends the element
    return [f'<!doctype html><title>Films</title><script id="token" type="application/json">{data}</script>'.encode()]

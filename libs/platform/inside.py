"""A service's own operations, called in its own process by its pages: as whoever is signed in, with every rule, refusal
and audit note that a system's call over the network meets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from libs.platform.auth import CALLER, Principal

_HERE = "http://inside"
_KEPT = ("type", "asgi", "http_version", "method", "scheme", "client", "server", "state", "extensions")
_PASSED_ON = (b"accept", b"last-event-id")


class Inside:
    """Calls the operations of `app`. No socket is opened and no token is made."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def call(
        self,
        caller: Principal,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """The answer to one call, whatever its status. `body` is sent as JSON where it is given."""
        transport = httpx.ASGITransport(_As(self._app, caller), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=_HERE, trust_env=False) as client:
            return await client.request(
                method, path, params=query, headers=headers, **({} if body is None else {"json": body})
            )


class Streamed(Response):
    """The answer to a request that the pages received: what the operation at `path` streams to `caller`."""

    def __init__(self, app: ASGIApp, caller: Principal, path: str) -> None:
        super().__init__()
        self._inner = _As(app, caller)
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = {name: scope[name] for name in _KEPT if name in scope} | {
            "path": self._path,
            "raw_path": self._path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(name, value) for name, value in scope["headers"] if name in _PASSED_ON],
        }
        await self._inner(asked, receive, send)


class _As:
    """The application, called as somebody."""

    def __init__(self, app: ASGIApp, caller: Principal) -> None:
        self._app = app
        self._caller = caller

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app({**scope, CALLER: self._caller}, receive, send)

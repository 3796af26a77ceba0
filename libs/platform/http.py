"""HTTP clients for the systems that a service calls."""

from __future__ import annotations

from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind, StatusCode

CONNECT_SECONDS = 2.0
READ_SECONDS = 10.0
WRITE_SECONDS = 5.0
POOL_SECONDS = 5.0
IDLE_SECONDS = 2.0
"""How long a connection may rest before another is made instead. Many servers close theirs after five seconds of rest,
and what is sent just then is lost without an answer.
"""


def http_client(
    base_url: str = "",
    *,
    peer: str,
    limit: int = 20,
    timeout: httpx.Timeout | None = None,
    headers: Mapping[str, str] | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> httpx.AsyncClient:
    """A client for one system, with its own connections.

    `peer` names the system in spans; `limit` is how many requests may be under way; the phases' times are
    bounded in seconds. Each request is a CLIENT span that holds no part of the address, and sends
    `traceparent`. Redirects are not followed, cookies are not kept and proxies of the environment are not
    used. `transport` replaces the network, for tests.
    """
    timeout = timeout or httpx.Timeout(
        connect=CONNECT_SECONDS, read=READ_SECONDS, write=WRITE_SECONDS, pool=POOL_SECONDS
    )
    inner = transport or _network(base_url, limit)
    return httpx.AsyncClient(
        base_url=base_url,
        transport=_Traced(inner, peer),
        timeout=timeout,
        headers=headers,
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
        trust_env=False,
    )


def _network(base_url: str, limit: int) -> httpx.AsyncBaseTransport:
    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=limit, keepalive_timeout=IDLE_SECONDS, ttl_dns_cache=30)
        return aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        )

    # Plain addresses need no certificates: loading the system's store costs 20 ms and 2 MB for each client.
    verify = urlsplit(base_url).scheme != "http"
    return AiohttpTransport(verify=verify, client=session, trust_env=False)


class _Traced(httpx.AsyncBaseTransport):
    """Makes a span of each request."""

    def __init__(self, inner: httpx.AsyncBaseTransport, peer: str) -> None:
        self._inner = inner
        self._peer = peer
        self._tracer = trace.get_tracer("mash.http")

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        attributes = {"http.request.method": request.method, "peer.service": self._peer}
        with self._tracer.start_as_current_span(
            f"{request.method} {self._peer}",
            kind=SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            propagate.inject(request.headers)
            try:
                response = await self._answer(request)
            except BaseException as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(StatusCode.ERROR)
                raise
            span.set_attribute("http.response.status_code", response.status_code)
            if response.status_code >= 400:
                span.set_status(StatusCode.ERROR)
            return response

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._inner.handle_async_request(request)
        except httpx.ConnectTimeout as error:
            # The transport reports every lost connection so, even one that was lost after the request had
            # been sent.
            cause = error.__cause__
            if isinstance(cause, aiohttp.ClientConnectorError):
                raise httpx.ConnectError("no connection", request=request) from cause
            if isinstance(cause, aiohttp.ClientConnectionError) and not isinstance(cause, TimeoutError):
                raise httpx.ReadError("the connection was lost", request=request) from cause
            raise

    async def aclose(self) -> None:
        await self._inner.aclose()


def outcome(error: BaseException) -> str:
    """A code for how a request failed before an answer.

    `unreachable`: it was certainly not sent. `timeout`, `lost`: it may have been received and acted upon.
    `protocol`: what came back is no HTTP.
    """
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        return "unreachable"
    if isinstance(error, httpx.TimeoutException):
        return "timeout"
    if isinstance(error, httpx.NetworkError):
        return "lost"
    return "protocol"


def retry_after(response: httpx.Response) -> float | None:
    """Seconds that a `Retry-After` header in its numeric form asks to wait."""
    value: Any = response.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() and len(value) < 6 else None

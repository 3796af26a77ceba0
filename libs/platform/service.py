"""Makes a service's API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from time import perf_counter
from typing import Any

import structlog
from fastapi import APIRouter, FastAPI
from prometheus_client import Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.platform import problems
from libs.platform.auth import Authenticator
from libs.platform.bodies import MOST_BYTES, declared_length, too_large
from libs.platform.health import health_router
from libs.platform.reference import reference_router
from libs.platform.settings import ServiceSettings
from libs.platform.telemetry import Telemetry

VERSION = "1"

SECURITY_HEADERS: Mapping[str, str] = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
}
"""On every response that does not set its own (OWASP REST security cheat sheet)."""

RAW_HEADERS = [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]
"""The same as the server has them."""

LINGER_BYTES = 32 << 20
LINGER_SECONDS = 5.0
"""How much of a body that is too large is taken, and for how long, so that its sender can read the refusal."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[Any]]


class Application(FastAPI):
    """FastAPI with security headers on every response and the models of JSON bodies among its components."""

    max_body_bytes = MOST_BYTES
    requests: Histogram | None = None

    def build_middleware_stack(self) -> ASGIApp:
        """Puts the outermost layer around what FastAPI builds."""
        return _Outermost(super().build_middleware_stack(), self.max_body_bytes, self.requests)

    _described: dict[str, Any] | None = None

    def openapi(self) -> dict[str, Any]:
        """The API's description, OpenAPI 3.1."""
        if self._described is None:
            document = super().openapi()
            _hoist_definitions(document)
            self._described = document
        return self._described


class _Outermost:
    """Adds the security headers, bounds the body, takes the time, and keeps a failure that was answered from
    being logged again.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int, requests: Histogram | None) -> None:
        self._app = app
        self._limit = max_body_bytes
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        complete, status, began = False, 500, perf_counter()
        refused = declared_length(scope) > self._limit

        async def with_headers(message: Message) -> None:
            nonlocal complete, status
            if message["type"] == "http.response.body":
                complete = not message.get("more_body", False)
            elif message["type"] == "http.response.start":
                status = message["status"]
                headers = message["headers"]
                present = {name for name, _ in headers}
                message["headers"] = [*headers, *(item for item in RAW_HEADERS if item[0] not in present)]
            if refused and complete:
                await send({**message, "more_body": True})
                await _discard(receive)
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        size = 0

        async def bounded() -> Message:
            nonlocal size, refused
            message = await receive()
            if message["type"] == "http.request":
                size += len(message.get("body", b""))
                if size > self._limit:
                    refused = True
                    raise too_large(self._limit)
            return message

        if refused:
            await too_large(self._limit).response()(scope, receive, with_headers)
            return
        try:
            await self._app(scope, bounded, with_headers)
        except Exception:
            # A response that broke midway must reach the server, which then cuts the connection.
            if problems.ANSWERED not in scope or not complete:
                raise
        finally:
            if self._requests is not None:
                # Only methods and routes that the application knows: callers write the rest.
                route = getattr(scope.get("route"), "path_format", "")
                method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
                self._requests.labels(method, route, status).observe(perf_counter() - began)


async def _discard(receive: Receive) -> None:
    """Takes what is still on its way, within bounds: a connection that is closed on somebody who still sends takes
    the answer away from them (RFC 9112, section 9.6).
    """
    size = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while size < LINGER_BYTES:
                message = await receive()
                if not message.get("more_body", False):
                    return
                size += len(message["body"])


def create_app(
    title: str,
    settings: ServiceSettings,
    telemetry: Telemetry,
    routers: Sequence[APIRouter],
    lifespan: Lifespan | None = None,
    *,
    authenticator: Authenticator | None = None,
    description: str = "",
    max_body_bytes: int = MOST_BYTES,
) -> FastAPI:
    """The API of a service: its routers, problem documents for every failure, metrics, probes and an offline
    reference page.

    `authenticator` serves `auth.requires`; a lifespan may set `app.state.authenticator` instead. What a lifespan has to
    set: `app.state.pool`, which readiness asks, and, when all stands, `app.state.started`.
    """

    async def database() -> None:
        await app.state.pool.fetchval("SELECT 1")

    app = Application(
        title=title,
        version=VERSION,
        description=description,
        lifespan=_reported(lifespan),
        telemetry=telemetry.fastapi(),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        separate_input_output_schemas=False,
    )
    app.max_body_bytes = max_body_bytes
    app.requests = telemetry.requests
    app.state.settings = settings
    app.state.started = False
    app.state.failed = None
    app.state.unstarted = None
    app.state.stop = asyncio.Event()
    if authenticator is not None:
        app.state.authenticator = authenticator
    problems.install(app)
    for router in routers:
        app.include_router(router)
    app.include_router(telemetry.router())
    app.include_router(
        health_router(
            {"database": database},
            started=lambda: app.state.started,
            stopping=lambda: app.state.stop.is_set(),
        )
    )
    app.include_router(reference_router())
    return app


def failing(app: FastAPI) -> Callable[[str], None]:
    """Ends the service, when called with the name of the part that ended by itself."""

    def failed(part: str) -> None:
        app.state.failed = part
        app.state.stop.set()

    return failed


def _reported(lifespan: Lifespan | None) -> Lifespan | None:
    """Says why a start failed, in the log and to whoever waits for it: the server would only print the exception's
    text.
    """
    if lifespan is None:
        return None

    @asynccontextmanager
    async def reported(app: FastAPI) -> AsyncIterator[Any]:
        started = False
        try:
            async with lifespan(app) as state:
                started = True
                yield state
        except Exception as error:
            structlog.get_logger().error("stop failed" if started else "start failed", exc_info=error)
            if not started:
                app.state.unstarted = error
            raise

    return reported


def _hoist_definitions(document: dict[str, Any]) -> None:
    """Moves the `$defs` of the bodies' schemas to the components that their references name."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for operations in document.get("paths", {}).values():
        for operation in operations.values():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                schema = content["schema"]
                schemas.update(schema.pop("$defs", {}))
                if "title" in schema and "$ref" not in schema:
                    schemas[schema["title"]] = dict(schema)
                    content["schema"] = {"$ref": f"#/components/schemas/{schema['title']}"}
    problem = problems.ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs"))
    schemas["ProblemDocument"] = problem

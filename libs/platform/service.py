"""Makes a service's API and runs it."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from time import perf_counter
from typing import Any

import structlog
import uvicorn
from fastapi import APIRouter, FastAPI
from prometheus_client import Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.platform import problems
from libs.platform.auth import Authenticator
from libs.platform.bodies import MOST_BYTES, declared_length, too_large
from libs.platform.parsing import problem_protocol
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

_RAW_HEADERS = [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]

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

        async def with_headers(message: Message) -> None:
            nonlocal complete, status
            if message["type"] == "http.response.body":
                complete = not message.get("more_body", False)
            elif message["type"] == "http.response.start":
                status = message["status"]
                headers = message["headers"]
                present = {name for name, _ in headers}
                message["headers"] = [*headers, *(item for item in _RAW_HEADERS if item[0] not in present)]
            await send(message)

        size = 0

        async def bounded() -> Message:
            nonlocal size
            message = await receive()
            if message["type"] == "http.request":
                size += len(message.get("body", b""))
                if size > self._limit:
                    raise too_large(self._limit)
            return message

        if declared_length(scope) > self._limit:
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
    """The API of a service: its routers, problem documents for every failure, metrics and an offline
    reference page.

    `authenticator` serves `auth.requires`; a lifespan may set `app.state.authenticator` instead.
    """
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
    if authenticator is not None:
        app.state.authenticator = authenticator
    problems.install(app)
    for router in routers:
        app.include_router(router)
    app.include_router(telemetry.router())
    app.include_router(reference_router())
    return app


def stop_on_signals() -> asyncio.Event:
    """The event that the first SIGTERM or SIGINT sets; a second one ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stopped(number: signal.Signals) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(each)
            signal.signal(each, signal.SIG_DFL)
        structlog.get_logger().info("stopping", signal=number.name)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped, number)
    return stop


async def serve(
    app: FastAPI,
    settings: ServiceSettings,
    *,
    stop: asyncio.Event | None = None,
    ready: Callable[[int], None] | None = None,
) -> None:
    """Serves the API until `stop` is set (by default: by a signal), then lets requests in progress end.

    `ready` is told the port that was bound. Streams watch `app.state.stop`. Raises SystemExit with one
    sentence when the port is taken or the application's own start fails.
    """
    stop = stop or stop_on_signals()
    app.state.stop = stop
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=problem_protocol(_RAW_HEADERS),
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        lifespan="on",
        timeout_graceful_shutdown=max(1, round(settings.shutdown_seconds)),
    )
    bound = _bound(settings.host, settings.port)
    server = _Server(config, ready)
    ending = asyncio.create_task(_end(server, stop), name="api-stop")
    try:
        await server.serve(sockets=[bound])
    finally:
        ending.cancel()
        bound.close()


class _Server(uvicorn.Server):
    """Uvicorn without its signal handlers, which would end the process before the rest of the service has
    stopped.
    """

    def __init__(self, config: uvicorn.Config, ready: Callable[[int], None] | None) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started and sockets:
            # What was built up to now lives as long as the process: the collector need not look at it again.
            gc.collect()
            gc.freeze()
            gc.set_threshold(10_000, 20, 20)
            port = sockets[0].getsockname()[1]
            structlog.get_logger().info("listening", host=self.config.host, port=port)
            if self._ready is not None:
                self._ready(port)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _bound(host: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise SystemExit(
            f"Cannot start: port {port} on {host} is taken or not permitted (MASH_PORT, MASH_HOST)."
        ) from None
    return bound


async def _end(server: uvicorn.Server, stop: asyncio.Event) -> None:
    await stop.wait()
    server.should_exit = True


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs a service's asynchronous main on uvloop, where there is one."""
    if sys.platform == "win32":
        asyncio.run(main())
        return
    import uvloop

    uvloop.run(main())


def _reported(lifespan: Lifespan | None) -> Lifespan | None:
    """Says why a start failed in the log: the server would only print the exception's text."""
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

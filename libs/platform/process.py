"""The process of a service: it is started with its settings, serves until a signal, and says why it cannot."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import structlog
import uvicorn
from fastapi import FastAPI

from libs.platform import logging
from libs.platform.clock import SystemClock
from libs.platform.database import CannotStart
from libs.platform.parsing import problem_protocol
from libs.platform.service import RAW_HEADERS
from libs.platform.settings import ServiceSettings, load
from libs.schemas.document import DocumentError
from libs.schemas.events import Service

IDLE_SECONDS = 75
"""How long a connection may rest before the service closes it: longer than what stands in front of it keeps one (60
seconds are common), so that nothing is sent into a connection that is being closed.
"""

S = TypeVar("S", bound=ServiceSettings)


def main(service: Service, settings: type[S], build: Callable[..., FastAPI]) -> None:
    """Runs a service until a signal. `build` makes its application of the settings and a `clock`.

    Raises SystemExit with one sentence where it cannot start, or where a part of it ended by itself.
    """

    async def live() -> None:
        given = load(settings)
        clock = SystemClock()
        logging.configure(service, given.log_level, clock)
        try:
            app = build(given, clock=clock)
        except DocumentError as error:
            raise SystemExit(f"Cannot start: the partnership's files are wrong.\n{error}") from None
        except FileNotFoundError as error:
            raise SystemExit(f"Cannot start: there is no file {error.filename}.") from None
        await serve(app, given)
        if app.state.failed is not None:
            raise SystemExit(f"Stopped: the part `{app.state.failed}` ended; the log says why.")

    run(live)


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
        http=problem_protocol(RAW_HEADERS),
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        lifespan="on",
        timeout_graceful_shutdown=max(1, round(settings.shutdown_seconds)),
        timeout_keep_alive=IDLE_SECONDS,
    )
    bound = _bound(settings.host, settings.port)
    server = _Server(config, ready)
    ending = asyncio.create_task(_end(server, stop), name="api-stop")
    try:
        await server.serve(sockets=[bound])
    except SystemExit:
        if (error := app.state.unstarted) is None:
            raise
        why = str(error) if isinstance(error, CannotStart) else f"the log says why ({type(error).__name__})"
        raise SystemExit(f"Cannot start: {why}.") from None
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
            # What was built up to now lives as long as the process: the collector need not look at it again. What a
            # batch holds lives until its end: with the collector's own thresholds, looking takes a tenth of the time.
            gc.collect()
            gc.freeze()
            gc.set_threshold(100_000, 50, 50)
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

"""Probes for whatever runs the process. They name checks, never what is in the data."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog
from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

CHECK_SECONDS = 2.0

Check = Callable[[], Awaitable[None]]
"""Returns when all is well, raises otherwise."""


def health_router(
    checks: Mapping[str, Check],
    *,
    started: Callable[[], bool] = lambda: True,
    stopping: Callable[[], bool] = lambda: False,
) -> APIRouter:
    """`/livez`: the event loop turns. `/readyz`: all checks pass and the process is not stopping.
    `/startupz`: it has started. A readiness check never asks Kafka: a broker's absence must not turn a
    referral away.
    """
    router = APIRouter(include_in_schema=False)
    left = set[asyncio.Future[None]]()

    async def livez() -> Response:
        return JSONResponse({"status": "ok"})

    async def startupz() -> Response:
        return _answer({} if started() else {"start": "pending"})

    async def readyz() -> Response:
        if stopping():
            return _answer({"stop": "stopping"})
        if not started():
            return _answer({"start": "pending"})
        results = await asyncio.gather(*(_run(name, check, left) for name, check in checks.items()))
        return _answer(dict(zip(checks, results, strict=True)))

    router.add_api_route("/livez", livez)
    router.add_api_route("/startupz", startupz)
    router.add_api_route("/readyz", readyz)
    return router


async def _run(name: str, check: Check, left: set[asyncio.Future[None]]) -> str:
    """What became of a check; `left` keeps those that still end."""

    def ended(task: asyncio.Future[None]) -> None:
        left.discard(task)
        if not task.cancelled():
            # Where nobody waits any more, asyncio would print what went wrong.
            task.exception()

    task = asyncio.ensure_future(check())
    left.add(task)
    task.add_done_callback(ended)
    try:
        # Ending one is not waited for: a database's driver asks the server, which may hang, before it gives up.
        await asyncio.wait({task}, timeout=CHECK_SECONDS)
        if not task.done():
            return "slow"
        task.result()
    except TimeoutError:
        return "slow"
    except Exception as error:  # noqa: BLE001 - whatever is wrong, the answer is not ready
        structlog.get_logger().warning("not ready", check=name, exc_info=error)
        return "failed"
    finally:
        task.cancel()
    return "ok"


def _answer(results: Mapping[str, str]) -> Response:
    well = all(result == "ok" for result in results.values())
    return JSONResponse(
        {"status": "ok" if well else "unavailable", "checks": dict(results)}, 200 if well else 503
    )

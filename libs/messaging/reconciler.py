"""Finds what makes no progress, now and then, whatever made it stop."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from libs.messaging.errors import ErrorClass, classify, code_of
from libs.messaging.ledger import Ledger

_log = structlog.get_logger(__name__)

SPREAD = 0.2
"""A sweep comes up to this share earlier or later, so that instances do not meet."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """A periodic look for what stands still. `run` repairs it through units and gives how much it repaired."""

    name: str
    every: float
    """Seconds."""
    run: Callable[[], Awaitable[int]]
    at_start: bool = False
    """Whether it looks as soon as the service starts as well."""


class Reconciler:
    """Runs each sweep in one of the service's instances at a time. A sweep that fails does not stop the others."""

    def __init__(self, ledger: Ledger, sweeps: Sequence[Sweep]) -> None:
        self._ledger = ledger
        self._sweeps = tuple(sweeps)
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Asks `run` to finish the sweeps that run and return."""
        self._stopping.set()

    async def run(self) -> None:
        """Sweeps until `stop`."""
        async with asyncio.TaskGroup() as group:
            for sweep in self._sweeps:
                group.create_task(self._repeat(sweep), name=sweep.name)

    async def sweep_once(self, sweep: Sweep) -> int | None:
        """Runs a sweep now. None where another instance runs it at this moment."""
        key = self._ledger.lock_key(f"sweep/{sweep.name}")
        # In autocommit: a transaction that stays open for the sweep would hold back the readers of the log.
        async with self._ledger.pool.acquire() as connection:
            if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", key):
                return None
            try:
                return await sweep.run()
            finally:
                try:
                    await connection.execute("SELECT pg_advisory_unlock($1)", key)
                except BaseException:
                    # Back in the pool, the session would keep the lock for ever.
                    connection.terminate()
                    raise

    async def _repeat(self, sweep: Sweep) -> None:
        at_once = sweep.at_start
        while not self._stopping.is_set():
            delay = sweep.every * random.uniform(1 - SPREAD, 1 + SPREAD)  # noqa: S311 - spreads, guards nothing
            delay, at_once = 0.0 if at_once else delay, False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._stopping.wait()
                    return
            try:
                repaired = await self.sweep_once(sweep)
            except Exception as error:  # noqa: BLE001 - the next sweep is the retry
                level = "warning" if classify(error) is ErrorClass.TRANSIENT else "error"
                getattr(_log, level)("sweep-failed", worker=sweep.name, code=code_of(error))
                continue
            if repaired:
                _log.warning("sweep-repaired", worker=sweep.name, count=repaired)

"""Runs a service's background parts beside its API, and stops them in order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import structlog

from libs.messaging.errors import code_of
from libs.messaging.log import RestoredLog

_log = structlog.get_logger(__name__)


class Part(Protocol):
    """Something that runs until it is told to stop, and then finishes what it has in hand."""

    async def run(self) -> None:
        """Runs. Returning or raising before `stop` means that the process cannot go on."""
        ...

    def stop(self) -> None:
        """Asks `run` to finish and return."""
        ...


@dataclass(slots=True)
class _Running:
    name: str
    part: Part
    task: asyncio.Task[None]


class Background:
    """Named parts that start together and stop in the order in which they are given.

    That order is: what fetches (runners, timers, workers) before what sends (the relay), so that what the last
    batch wrote still leaves. `failed` is called once, with the part's name, when a part ends by itself: the process
    should then end, to be started anew. `grace`: seconds for all of them to stop, before they are cancelled.
    """

    def __init__(
        self, parts: Sequence[tuple[str, Part]], *, failed: Callable[[str], None], grace: float = 20.0
    ) -> None:
        self._parts = list(parts)
        self._failed = failed
        self._grace = grace
        self._running: list[_Running] = []
        self._stopping = False

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def healthy(self) -> bool:
        """Whether every part still runs."""
        return bool(self._running) and not any(each.task.done() for each in self._running)

    def start(self) -> None:
        """Starts every part as a task."""
        for name, part in self._parts:
            task = asyncio.create_task(part.run(), name=name)
            running = _Running(name, part, task)
            task.add_done_callback(lambda done, running=running: self._ended(running, done))  # type: ignore[misc]
            self._running.append(running)

    async def stop(self) -> None:
        """Stops one part after the other; cancels what has not finished when the grace time is over."""
        self._stopping = True
        deadline = asyncio.get_running_loop().time() + self._grace
        for running in self._running:
            running.part.stop()
            left = max(deadline - asyncio.get_running_loop().time(), 0.0)
            done, _ = await asyncio.wait([running.task], timeout=left)
            if not done:
                _log.warning("part-cancelled", worker=running.name)
                running.task.cancel()
            with contextlib.suppress(BaseException):
                await asyncio.wait([running.task])

    def _ended(self, running: _Running, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, RestoredLog):
            _log.critical(str(error))
        if error is not None:
            _log.critical("part-failed", worker=running.name, code=code_of(error), exc_info=error)
        elif not self._stopping:
            _log.critical("part-ended", worker=running.name)
        if not self._stopping:
            self._stopping = True
            self._failed(running.name)

"""Runs a service's background parts beside its API, and stops them in order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import structlog

from libs.messaging.alarm import Alarm, log_only
from libs.messaging.errors import code_of
from libs.messaging.log import RestoredLog

_log = structlog.get_logger(__name__)


class Part(Protocol):
    """Something that runs until it is told to stop, and then finishes what it has in hand."""

    async def run(self) -> None:
        """Runs. Returning or raising before `stop` means that it cannot go on; it may then be called anew."""
        ...

    def stop(self) -> None:
        """Asks `run` to finish and return."""
        ...


FIRST_DELAY = 1.0
LONGEST_DELAY = 60.0
"""Seconds before a part is started anew: twice as many each time. One that ran for so long begins at the first."""


@dataclass(slots=True)
class _Running:
    name: str
    part: Part
    task: asyncio.Task[None]


class Background:
    """Named parts that start together and stop in the order in which they are given.

    That order is: what fetches (runners, timers, workers) before what sends (the relay), so that what the last
    batch wrote still leaves. `failed` is called once, with the part's name, when a part ends by itself: the process
    should then end, to be started anew. Parts named in `restarted` are started anew in its place, with the `alarm`
    each time, so that what the process does beside them goes on. `grace`: seconds for all of them to stop, before
    they are cancelled.
    """

    def __init__(
        self,
        parts: Sequence[tuple[str, Part]],
        *,
        failed: Callable[[str], None],
        restarted: Collection[str] = (),
        alarm: Alarm = log_only,
        grace: float = 20.0,
        first_delay: float = FIRST_DELAY,
    ) -> None:
        self._parts = [
            (name, _Restarted(name, part, alarm, first_delay) if name in restarted else part)
            for name, part in parts
        ]
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
        if error is not None or not self._stopping:
            _log_end(running.name, error)
        if not self._stopping:
            self._stopping = True
            self._failed(running.name)


class _Restarted:
    """A part that is started anew whenever it ends by itself."""

    def __init__(self, name: str, part: Part, alarm: Alarm, first_delay: float) -> None:
        self._name = name
        self._part = part
        self._alarm = alarm
        self._first_delay = first_delay
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        self._stopping.set()
        self._part.stop()

    async def run(self) -> None:
        loop, delay = asyncio.get_running_loop(), self._first_delay
        while not self._stopping.is_set():
            begun = loop.time()
            error: BaseException | None = None
            try:
                await self._part.run()
            except Exception as raised:  # noqa: BLE001 - whatever ended it, it is started anew
                error = raised
            except asyncio.CancelledError as raised:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
                # It was something within the part that was cancelled.
                error = raised
            if self._stopping.is_set():
                if error is not None:
                    raise error
                return
            if loop.time() - begun >= LONGEST_DELAY:
                delay = self._first_delay
            _log_end(self._name, error)
            await self._tell(error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._stopping.wait()
            delay = min(delay * 2, LONGEST_DELAY)

    async def _tell(self, error: BaseException | None) -> None:
        try:
            reason = "ended" if error is None else code_of(error)
            await self._alarm("part-restarted", {"worker": self._name, "reason": reason})
        except Exception as failure:  # noqa: BLE001 - the part is started anew whether or not that can be told
            _log.error("alarm-failed", worker=self._name, code=code_of(failure))


def _log_end(name: str, error: BaseException | None) -> None:
    if isinstance(error, RestoredLog):
        _log.critical(str(error))
    if error is None:
        _log.critical("part-ended", worker=name)
    else:
        _log.critical("part-failed", worker=name, code=code_of(error), exc_info=error)

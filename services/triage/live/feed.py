"""Tells listeners of changed cases: one reader for all of a process's listeners, each message encoded once.

A listener is told at most five times a second, of all that changed since. What it holds is bounded: who reads too
slowly, or was away too long, is told to read the queue anew, and nobody's memory grows.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import asyncpg
import structlog
from fastapi.sse import format_sse_event

from libs.messaging.errors import ErrorClass, classify, code_of
from services.triage.live.changes import CaseChange, Place, latest, read

TELL_EVERY_SECONDS = 0.2
"""At most five messages a second for each listener."""

MOST_CHANGES = 500
"""Changes that one message tells of. Who missed more reads the queue anew, which costs less than telling."""

MOST_WAITING = 25
"""Messages that wait for a slow listener: five seconds of a busy queue."""

MOST_LISTENERS = 2000
KEEP_ALIVE_SECONDS = 15.0
LONGEST_SECONDS = 600.0
"""After this a listener comes again with a token that is still good, and goes on where it was."""

RETRY_MS = 2000
_log = structlog.get_logger(__name__)


class Listener:
    """One listener's messages, as far as they are not sent."""

    def __init__(self, *, sees_all: bool = False) -> None:
        self.sees_all = sees_all
        """Whether the listener is told of restricted cases."""
        self.waiting: asyncio.Queue[bytes | None] = asyncio.Queue(MOST_WAITING)

    def tell(self, message: bytes) -> None:
        """Gives a message; one that cannot keep up is ended instead, and comes back where it was."""
        try:
            self.waiting.put_nowait(message)
        except asyncio.QueueFull:
            self.end()

    def end(self) -> None:
        """Ends it after what can still be sent."""
        while self.waiting.full():
            self.waiting.get_nowait()
        self.waiting.put_nowait(None)


class Feed:
    """Reads what changed while somebody listens, and tells everybody."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._listeners: set[Listener] = set()
        self._at: Place | None = None
        self._somebody = asyncio.Event()
        self._stopping = False

    @property
    def full(self) -> bool:
        """Whether the process has as many listeners as it may, or ends."""
        return len(self._listeners) >= MOST_LISTENERS or self._stopping

    async def run(self) -> None:
        """Reads and tells until `stop`."""
        while True:
            await self._somebody.wait()
            if self._ended():
                return
            try:
                await self._tell()
            except Exception as error:
                if classify(error) is not ErrorClass.TRANSIENT:
                    raise
                _log.warning("live-feed-waits", code=code_of(error))
            await asyncio.sleep(TELL_EVERY_SECONDS)

    def _ended(self) -> bool:
        return self._stopping

    def stop(self) -> None:
        """Ends every listener."""
        self._stopping = True
        self._somebody.set()
        for listener in self._listeners:
            listener.end()

    async def messages(
        self, last: str | None, stop: asyncio.Event, *, sees_all: bool = False
    ) -> AsyncIterator[bytes]:
        """What one listener is sent, from `Last-Event-ID` on where that is given, until `stop` is set.

        `sees_all`: they have the right to know of restricted cases. Of many who come at once, those for whom there is
        no place are ended, and come again.
        """
        if self.full:
            yield format_sse_event(comment="too many listen already", retry=RETRY_MS)
            return
        ending = asyncio.create_task(_set(stop))
        try:
            with self._listening(sees_all=sees_all) as listener:
                yield format_sse_event(comment="the queue as it changes", retry=RETRY_MS)
                missed = await self._missed(last, sees_all=sees_all)
                if missed is not None:
                    yield missed
                async with asyncio.timeout(LONGEST_SECONDS):
                    while True:
                        told = await self._next(listener, ending)
                        if told is None:
                            return
                        yield told
        except TimeoutError:
            return
        finally:
            ending.cancel()

    @contextmanager
    def _listening(self, *, sees_all: bool) -> Iterator[Listener]:
        listener = Listener(sees_all=sees_all)
        self._listeners.add(listener)
        self._somebody.set()
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
            if not self._listeners and not self._stopping:
                self._somebody.clear()
                self._at = None

    async def _next(self, listener: Listener, ending: "asyncio.Task[None]") -> bytes | None:
        waiting = asyncio.create_task(listener.waiting.get())
        tasks: set[asyncio.Task[Any]] = {waiting, ending}
        try:
            done, _ = await asyncio.wait(
                tasks, timeout=KEEP_ALIVE_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            # A listener that hangs up leaves nobody waiting behind it.
            waiting.cancel()
        if waiting in done:
            return waiting.result()
        return None if ending in done else format_sse_event(comment="still here")

    async def _tell(self) -> None:
        at = self._at
        if at is None:
            return
        async with self._pool.acquire() as connection:
            changes = await read(connection, at, MOST_CHANGES)
        # Where everybody left meanwhile, whoever comes next is told from their own place on.
        if changes and self._at is at:
            self._at = changes[-1].place
            # One message for each group of equal rights, however many listen.
            messages = {sees_all: encoded(seen_of(changes, sees_all=sees_all)) for sees_all in (True, False)}
            for listener in tuple(self._listeners):
                message = messages[listener.sees_all]
                if message is not None:
                    listener.tell(message)

    async def _missed(self, last: str | None, *, sees_all: bool) -> bytes | None:
        """What changed while a listener was away. One that has not been here before reads the queue itself.

        Nothing is sent while the connection to the database is held: a listener may take its time to read.
        """
        async with self._pool.acquire() as connection:
            now = await latest(connection)
            if self._at is None:
                # What commits from here on is told by the common reader.
                self._at = now
            if last is None:
                return format_sse_event(event="here", data_str="{}", id=str(now))
            after = Place.parse(last)
            if after is None or after > now:
                return reset(now)
            changes = await read(connection, after, MOST_CHANGES + 1)
        if len(changes) > MOST_CHANGES:
            return reset(now)
        return encoded(seen_of(changes, sees_all=sees_all))


async def _set(event: asyncio.Event) -> None:
    await event.wait()


def seen_of(changes: Sequence[CaseChange], *, sees_all: bool) -> Sequence[CaseChange]:
    """The changes that listeners of these rights are told of."""
    return changes if sees_all else [one for one in changes if not one.restricted]


def encoded(changes: Sequence[CaseChange]) -> bytes | None:
    """One message: ids and versions, nothing that was said. None where there is nothing to tell."""
    if not changes:
        return None
    cases = [
        {"id": str(one.place.case_id), "version": one.version, "in_queue": one.in_queue} for one in changes
    ]
    return format_sse_event(
        event="changed",
        data_str=json.dumps({"cases": cases}, separators=(",", ":")),
        id=str(changes[-1].place),
    )


def reset(now: Place) -> bytes:
    """Too much changed to be told of: the queue is to be read anew."""
    return format_sse_event(event="reset", data_str="{}", id=str(now))

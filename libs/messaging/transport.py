"""How a consumer group gets its records, whatever carries them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from libs.messaging.event import Record


@dataclass(frozen=True, slots=True)
class Backlog:
    """What this instance still has before it."""

    records: int
    """Records of its partitions that are not committed, as well as the transport knows."""
    oldest: datetime | None
    """Event time of the oldest of them; None where there is none or the transport cannot know."""


class Transport(Protocol):
    """One consumer's subscription to the topics of the events that it reads.

    Used by one task at a time, in rounds: `poll`, then `commit` or `abandon` of exactly what it gave. Between them
    the batch is in flight: a transport that must hand partitions over waits for that (bounded) first. Everything is
    delivered at least once and in order within a partition; after a hand-over or restart delivery goes on from
    what was committed last. Any method may raise a transient error (`errors.classify`); the caller tries again.
    """

    system: str
    """`messaging.system` of OpenTelemetry's conventions: `kafka`, or `postgresql_log`."""

    async def start(self) -> None:
        """Subscribes. Returns when records may be polled, even if none is assigned yet."""
        ...

    async def poll(self, max_records: int, timeout: float) -> list[Record]:
        """The next records, at most `max_records`; empty after `timeout` seconds without any, or while paused."""
        ...

    async def commit(self, records: Sequence[Record]) -> None:
        """These records, all of the last poll, are processed. Losing a commit is harmless: they come again."""
        ...

    async def abandon(self, records: Sequence[Record]) -> None:
        """These records, all of the last poll, are not processed: a later poll gives them again."""
        ...

    def pause(self) -> None:
        """From now on `poll` gives nothing, but keeps the membership alive: it must still be called."""
        ...

    def resume(self) -> None:
        """Ends a pause."""
        ...

    async def backlog(self) -> Backlog:
        """What waits; nothing before `start` and after `stop`. Called from another task, for the metrics."""
        ...

    async def stop(self) -> None:
        """Leaves the group, so that others take over at once. No batch is in flight."""
        ...

"""What agencies replied is written down, however much comes at once."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from services.enrichment.asking import recorder
from services.enrichment.asking.recorder import Recorded, Recorder


class Slow(Recorder):
    """On a database that writes three replies within its time limit, and no more."""

    def __init__(self) -> None:
        given: Any = SimpleNamespace(codec=None)
        super().__init__(given, given, given, given, given, given)
        self.written: list[Any] = []

    async def record(self, batch: Sequence[Recorded]) -> None:
        if len(batch) > 3:
            raise asyncpg.TransactionTimeoutError
        self.written += batch


async def test_more_than_the_database_can_write_in_its_time_is_written_in_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recorder, "PAUSE", 0.001)
    slow, replies = Slow(), list[Any](range(20))
    async with asyncio.timeout(2):
        await slow._persist(replies)
    assert slow.written == replies

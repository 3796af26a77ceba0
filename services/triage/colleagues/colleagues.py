"""What the people of the staff are called: learnt from their tokens, kept by account."""

from datetime import datetime, timedelta
from typing import NamedTuple

import asyncpg
import structlog
from pydantic import Field, TypeAdapter, ValidationError

from libs.messaging.codec import Decoded
from libs.messaging.ledger import Ledger
from libs.platform.auth import Principal
from libs.schemas.base import Instant, Line, Model, Nothing, Payload

MOST = 2000
SEEN_EVERY = timedelta(hours=12)
"""How exactly it is known when somebody was here last."""
FRESH = timedelta(seconds=15)
"""How long what was read is told again: every page of the console asks for it, and another process may learn a name."""

_LINE: TypeAdapter[str] = TypeAdapter(Line)

_FIND = "SELECT seen_at, document FROM colleague WHERE account = $1"
_KEEP = """
INSERT INTO colleague (account, seen_at, document) VALUES ($1, $2, $3)
ON CONFLICT (account) DO UPDATE SET seen_at = EXCLUDED.seen_at, document = EXCLUDED.document
"""
_ALL = "SELECT account, seen_at, document FROM colleague ORDER BY seen_at DESC, account LIMIT $1"


class Called(Model):
    """What somebody is called, and what they may do, as their token said last."""

    name: Line
    roles: tuple[str, ...] = ()


class RecordedColleague(Payload[Called, Nothing]):
    """A colleague as kept."""


class Colleague(Called):
    """One of the staff."""

    account: Line = Field(
        description="The subject of their tokens: what stands wherever somebody did something."
    )
    seen_at: Instant = Field(description="When they were here last, to half a day.")


class ColleaguePage(Model):
    """The staff by name."""

    items: tuple[Colleague, ...]
    more: bool


class _Told(NamedTuple):
    page: bytes
    until: datetime


class Colleagues:
    """Learns and tells names. A name is worth no refusal: who cannot be kept goes by their account.

    One for each process: it keeps one page, of at most `MOST` names, until it learns another name here or the page is
    no longer fresh.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._told: _Told | None = None
        self._learnt = 0

    async def meet(self, somebody: Principal) -> None:
        """Keeps what one of the staff is called. Programs and partners' people are nobody's colleagues here."""
        if somebody.agency is not None or not somebody.roles or somebody.name is None:
            return
        try:
            account = _LINE.validate_python(somebody.subject)
            called = Called(name=somebody.name, roles=tuple(sorted(somebody.roles)))
        except ValidationError:
            return
        try:
            await self._keep(account, called)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            structlog.get_logger().warning("a colleague's name was not kept", exc_info=error)

    async def _keep(self, account: str, called: Called) -> None:
        codec, now = self._ledger.codec, self._ledger.clock.now()
        async with self._ledger.pool.acquire() as connection:
            row = await connection.fetchrow(_FIND, account)
            if row is not None and row["seen_at"] > now - SEEN_EVERY:
                (item,) = await codec.decode([(RecordedColleague, row["document"])])
                if isinstance(item, Decoded) and item.payload.shared == called:
                    return
            (document,) = await codec.encode([RecordedColleague(shared=called)])
            await connection.execute(_KEEP, account, now, document)
        # Whoever reads at this moment may have read what was before.
        self._learnt += 1
        self._told = None

    async def told(self) -> bytes:
        """A ColleaguePage as JSON, at most `FRESH` old: the staff by name; of very many those who were here last. A
        name that was erased is left out.
        """
        now, learnt = self._ledger.clock.now(), self._learnt
        if self._told is not None and now < self._told.until:
            return self._told.page
        page = (await self._read()).model_dump_json().encode()
        if learnt == self._learnt:
            self._told = _Told(page, now + FRESH)
        return page

    async def _read(self) -> ColleaguePage:
        found = await self._ledger.pool.fetch(_ALL, MOST + 1)
        rows = found[:MOST]
        read = await self._ledger.codec.decode([(RecordedColleague, row["document"]) for row in rows])
        items = [
            Colleague(
                account=row["account"],
                seen_at=row["seen_at"],
                name=item.payload.shared.name,
                roles=item.payload.shared.roles,
            )
            for row, item in zip(rows, read, strict=True)
            if isinstance(item, Decoded)
        ]
        items.sort(key=lambda one: (one.name.casefold(), one.account))
        return ColleaguePage(items=tuple(items), more=len(found) > MOST)

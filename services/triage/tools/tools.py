"""Records which tools were used about a child, and counts them."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from hashlib import sha256
from typing import Any
from uuid import UUID

import asyncpg
from pydantic import Field
from uuid_utils.compat import uuid7

from libs.messaging.codec import Decoded
from libs.messaging.ledger import Ledger, Unit
from libs.platform import idempotency
from libs.platform.auth import Principal
from libs.platform.problems import invalid_body
from libs.platform.validation import FieldError
from libs.schemas.base import Identifier, Instant, IsoDate, Line, Model, Nothing, Payload, Text
from services.triage.access import note
from services.triage.claims.claim import renew
from services.triage.clocks.hub import Hub
from services.triage.decision.record import referral_of
from services.triage.live.changes import touch
from services.triage.restricted.rights import visible
from services.triage.tasks.finishing import finish_tasks
from services.triage.tools.catalogue import Answers, Catalogue, Tool, ToolBody, could_be_graver, faults

_KEEP = """
INSERT INTO tool_used (id, case_id, tool, on_day, result, recorded_by, recorded_at, idempotency_key, fingerprint,
                       document)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
_SELECT = (
    "SELECT id, case_id, tool, on_day, result, recorded_by, recorded_at, fingerprint, document FROM tool_used"
)
_COUNTS = """
SELECT t.tool, t.result, count(*) AS times, count(DISTINCT t.case_id) AS children
  FROM tool_used AS t JOIN child_case AS c ON c.id = t.case_id
 WHERE t.on_day >= $1 AND t.on_day <= $2 AND {seen}
 GROUP BY t.tool, t.result ORDER BY t.tool, t.result
"""


class ToolUse(Model):
    """What was written beside the codes of a tool's use."""

    by: Line
    answers: Answers | None = None
    note: Text | None = None


class RecordedToolUse(Payload[Nothing, ToolUse]):
    """A tool's use as it stands on record."""


class ToolView(Model):
    """A tool that was used."""

    id: UUID
    tool: Identifier
    label: str
    on: IsoDate
    by: Line | None = Field(
        description="The person who used it, with their role. Absent where it was erased."
    )
    result: Identifier | None = Field(description="Null where it came to none.")
    answers: Answers | None = None
    could_be_graver: bool = Field(description="Whether what was left open could make the result graver.")
    note: Text | None = None
    recorded_by: Line
    recorded_at: Instant


class ToolOffered(Model):
    """A tool that can be recorded."""

    tool: Identifier
    label: str
    results: tuple[Identifier, ...] = Field(
        description="What it may come to, from the mildest to the gravest."
    )
    questions: int | None = Field(description="How many questions it asks, where their answers are counted.")


class ToolsUsed(Model):
    """The tools that were used about a child, the earliest first, and those that the partnership has."""

    items: tuple[ToolView, ...]
    offered: tuple[ToolOffered, ...]


class ResultCount(Model):
    """How often a tool came to a result."""

    result: Identifier | None = Field(description="Null: it came to none.")
    times: int
    children: int = Field(description="Cases in which it did.")


class ToolCount(Model):
    """How often a tool was used."""

    tool: Identifier
    label: str
    times: int
    results: tuple[ResultCount, ...]


class ToolCounts(Model):
    """How often each tool was used, those that were never used among them."""

    first: IsoDate
    last: IsoDate
    items: tuple[ToolCount, ...]


class Tools:
    """The rules of tools."""

    def __init__(
        self,
        ledger: Ledger,
        hub: Hub,
        catalogue: Catalogue,
        afterwards: Callable[[Unit, UUID], Awaitable[None]],
    ) -> None:
        """`afterwards`: what is done for a referral when a task of it is, in the same unit."""
        self._ledger = ledger
        self._hub = hub
        self._catalogue = catalogue
        self._afterwards = afterwards

    async def of_case(self, case_id: UUID, caller: Principal) -> ToolsUsed:
        """The tools that were used about a child. The reading is recorded."""
        async with self._ledger.pool.acquire() as connection:
            await note(connection, self._ledger.clock.now(), caller, "tools.read", case_id)
            rows = await connection.fetch(f"{_SELECT} WHERE case_id = $1 ORDER BY on_day, id", case_id)
        offered = tuple(
            ToolOffered(tool=one.id, label=one.label, results=one.results, questions=one.questions)
            for one in self._catalogue.tools.values()
        )
        return ToolsUsed(items=tuple(await self._views(rows)), offered=offered)

    async def record(
        self, case_id: UUID, body: ToolBody, caller: Principal, key: str, fingerprint: bytes
    ) -> ToolView:
        """Records a tool's use, and takes the task as done that asked for it. The same request sent again is the same
        answer. Raises Problem: 404, 422.
        """
        referral_id = await referral_of(self._ledger, case_id)
        hashed = sha256(key.encode()).digest()
        given = sha256(case_id.bytes + fingerprint).digest()
        async with self._ledger.unit([referral_id], locks=[f"tool/{caller.subject}/{hashed.hex()}"]) as unit:
            before = await _before(unit.connection, caller.subject, hashed)
            if before is not None:
                if before["fingerprint"] != given:
                    raise idempotency.reused()
                return (await self._views([before]))[0]
            found = [FieldError(*one) for one in faults(self._catalogue, body, self._hub.day(unit.now))]
            if found:
                raise invalid_body(found)
            use = ToolUse(by=body.by, answers=body.answers, note=body.note)
            (document,) = await self._ledger.codec.encode(
                [RecordedToolUse(shared=Nothing(), children={case_id: use})]
            )
            await unit.connection.execute(
                _KEEP,
                uuid7(),
                case_id,
                body.tool,
                body.on,
                body.result,
                caller.subject,
                unit.now,
                hashed,
                given,
                document,
            )
            tool = self._catalogue.tools[body.tool]
            if tool.finishes is not None:
                on_record = f"{tool.label} is on record."
                await finish_tasks(unit, self._ledger.codec, case_id, [tool.finishes], caller, on_record)
                await self._afterwards(unit, referral_id)
            await renew(unit.connection, case_id, caller, unit.now)
            await touch(unit.connection, [case_id])
            await note(unit.connection, unit.now, caller, "tool.record", case_id)
            row = await _before(unit.connection, caller.subject, hashed)
            return (await self._views([row]))[0]

    async def counts(self, first: date, last: date, caller: Principal) -> ToolCounts:
        """How often each tool was used on these days, over the cases that the caller may see."""
        async with self._ledger.pool.acquire() as connection:
            await note(connection, self._ledger.clock.now(), caller, "tools.counted")
            rows = await connection.fetch(_COUNTS.format(seen=visible(caller, "c")), first, last)
        tools = {**dict.fromkeys(self._catalogue.tools), **{row["tool"]: None for row in rows}}
        items = []
        for name in tools:
            results = tuple(
                ResultCount(result=row["result"], times=row["times"], children=row["children"])
                for row in rows
                if row["tool"] == name
            )
            times = sum(one.times for one in results)
            items.append(ToolCount(tool=name, label=self._label(name), times=times, results=results))
        return ToolCounts(first=first, last=last, items=tuple(items))

    async def _views(self, rows: Sequence[Any]) -> list[ToolView]:
        read = await self._ledger.codec.decode([(RecordedToolUse, row["document"]) for row in rows])
        views = []
        for row, item in zip(rows, read, strict=True):
            use = item.payload.children.get(row["case_id"]) if isinstance(item, Decoded) else None
            answers = None if use is None else use.answers
            tool: Tool | None = self._catalogue.tools.get(row["tool"])
            views.append(
                ToolView(
                    id=row["id"],
                    tool=row["tool"],
                    label=self._label(row["tool"]),
                    on=row["on_day"],
                    by=None if use is None else use.by,
                    result=row["result"],
                    answers=answers,
                    could_be_graver=could_be_graver(tool, row["result"], answers),
                    note=None if use is None else use.note,
                    recorded_by=row["recorded_by"],
                    recorded_at=row["recorded_at"],
                )
            )
        return views

    def _label(self, name: str) -> str:
        tool = self._catalogue.tools.get(name)
        return name if tool is None else tool.label


async def _before(connection: asyncpg.Connection, subject: str, key: bytes) -> Any:
    return await connection.fetchrow(
        f"{_SELECT} WHERE recorded_by = $1 AND idempotency_key = $2", subject, key
    )

"""Records which tools were used about a child, and counts them."""

from collections.abc import Awaitable, Callable
from datetime import date, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import asyncpg
from pydantic import Field
from uuid_utils.compat import uuid7

from libs.messaging.ledger import Ledger, Unit
from libs.platform import idempotency
from libs.platform.auth import Principal
from libs.platform.problems import invalid_body
from libs.platform.validation import FieldError
from libs.schemas.base import Identifier, IsoDate, Model, Nothing
from libs.schemas.events import TOOL_RECORDED, Reference, ToolRecorded
from libs.schemas.findings import Fact
from libs.schemas.outcomes import ToolUsedOnChild
from services.triage.access import note
from services.triage.claims.claim import renew
from services.triage.clocks.hub import Hub
from services.triage.decision.record import referral_of
from services.triage.findings.finding import Finding, How, ToldBy
from services.triage.live.changes import touch
from services.triage.restricted.rights import visible
from services.triage.tasks.finishing import finish_tasks
from services.triage.tools.catalogue import Catalogue, Tool, ToolBody, faults, stated
from services.triage.tools.record import (
    SELECT,
    RecordedToolUse,
    ToolOffered,
    ToolsUsed,
    ToolUse,
    ToolView,
    label_of,
    tools_of,
    views_of,
)

_KEEP = """
INSERT INTO tool_used (id, case_id, tool, on_day, result, recorded_by, recorded_at, idempotency_key, fingerprint,
                       document)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
_COUNTS = """
SELECT t.tool, t.result, count(*) AS times, count(DISTINCT t.case_id) AS children
  FROM tool_used AS t JOIN child_case AS c ON c.id = t.case_id
 WHERE t.on_day >= $1 AND t.on_day <= $2 AND {seen}
 GROUP BY t.tool, t.result ORDER BY t.tool, t.result
"""


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
        state: Callable[[Unit, UUID, Finding], Awaitable[None]],
        afterwards: Callable[[Unit, UUID], Awaitable[None]],
    ) -> None:
        """`state`: takes what a tool states of a child. `afterwards`: what is done for a referral when a task of it is.
        Both in the same unit.
        """
        self._state = state
        self._ledger = ledger
        self._hub = hub
        self._catalogue = catalogue
        self._afterwards = afterwards

    async def of_case(self, case_id: UUID, caller: Principal) -> ToolsUsed:
        """The tools that were used about a child. The reading is recorded."""
        async with self._ledger.pool.acquire() as connection:
            await note(connection, self._ledger.clock.now(), caller, "tools.read", case_id)
            used = await tools_of(connection, self._ledger.codec, self._catalogue, case_id)
        offered = tuple(
            ToolOffered(tool=one.id, label=one.label, results=one.results, questions=one.questions)
            for one in self._catalogue.tools.values()
        )
        return ToolsUsed(items=used, offered=offered)

    async def record(
        self, case_id: UUID, body: ToolBody, caller: Principal, key: str, fingerprint: bytes
    ) -> ToolView:
        """Records a tool's use, and takes the task as done that asked for it. What its answers count for is evaluated
        at once. The same request sent again is the same answer.

        Raises Problem: 404, 409 where it states something and the referral could not be read, 422.
        """
        referral_id = await referral_of(self._ledger, case_id)
        hashed = sha256(key.encode()).digest()
        given = sha256(case_id.bytes + fingerprint).digest()
        async with self._ledger.unit([referral_id], locks=[f"tool/{caller.subject}/{hashed.hex()}"]) as unit:
            before = await _before(unit.connection, caller.subject, hashed)
            if before is not None:
                if before["fingerprint"] != given:
                    raise idempotency.reused()
                return (await views_of(self._ledger.codec, self._catalogue, [before]))[0]
            found = [FieldError(*one) for one in faults(self._catalogue, body, self._hub.day(unit.now))]
            if found:
                raise invalid_body(found)
            used_id = uuid7()
            use = ToolUse(by=body.by, answers=body.answers, note=body.note)
            (document,) = await self._ledger.codec.encode(
                [RecordedToolUse(shared=Nothing(), children={case_id: use})]
            )
            await unit.connection.execute(
                _KEEP,
                used_id,
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
            fact = stated(tool, body)
            if fact is not None:
                await self._state(unit, case_id, _finding(used_id, tool, body, fact, caller, unit.now))
            if tool.finishes is not None:
                on_record = f"{tool.label} is on record."
                await finish_tasks(unit, self._ledger.codec, case_id, [tool.finishes], caller, on_record)
                await self._afterwards(unit, referral_id)
            await renew(unit.connection, case_id, caller, unit.now)
            await touch(unit.connection, [case_id])
            await note(unit.connection, unit.now, caller, "tool.record", case_id)
            row = await _before(unit.connection, caller.subject, hashed)
            (view,) = await views_of(self._ledger.codec, self._catalogue, [row])
            await self._tell(unit, referral_id, case_id, view)
            return view

    async def _tell(self, unit: Unit, referral_id: UUID, case_id: UUID, view: ToolView) -> None:
        reference, trace = await unit.connection.fetchrow(
            "SELECT reference, trace FROM child_case WHERE id = $1", case_id
        )
        child = ToolUsedOnChild(
            tool=view.tool, on=view.on, result=view.result, could_be_graver=view.could_be_graver
        )
        about = Reference(reference=reference or "", at=unit.now)
        payload = ToolRecorded(shared=about, children={case_id: child})
        unit.emit(TOOL_RECORDED, referral_id, payload, trace=trace)

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
            items.append(
                ToolCount(tool=name, label=label_of(self._catalogue, name), times=times, results=results)
            )
        return ToolCounts(first=first, last=last, items=tuple(items))


def _finding(
    used_id: UUID, tool: Tool, body: ToolBody, fact: Fact, caller: Principal, now: datetime
) -> Finding:
    """What the tool states, as an entry of staff, which is corrected and taken back like any other."""
    return Finding(
        id=used_id,
        by=caller.subject,
        at=now,
        facts=(fact,),
        source=ToldBy.PROFESSIONAL,
        said_by=body.by,
        how=How.RECORD,
        on=body.on,
        note=tool.label,
    )


async def _before(connection: asyncpg.Connection, subject: str, key: bytes) -> Any:
    return await connection.fetchrow(
        f"{SELECT} WHERE recorded_by = $1 AND idempotency_key = $2", subject, key
    )

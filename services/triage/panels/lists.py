"""Lists of children to print and export."""

from datetime import datetime
from uuid import UUID

import asyncpg

from libs.messaging.codec import Codec
from libs.platform.auth import Principal
from libs.schemas.base import Instant, Model
from libs.schemas.levels import Destination, Level, Rag, Stage
from services.triage.panels.calendar import ListOf
from services.triage.panels.children import ChildView, children_of
from services.triage.restricted.rights import visible

MOST = 500
"""Children that one list holds; of more, those who were received last are left off, and the list says so."""

_CASES = """
SELECT c.id AS case_id, c.referral_id, c.reference, c.child_number, c.stage, c.rag, c.decided_level, c.decided_to,
       c.received_at
  FROM child_case AS c
"""
_DECIDED = f"""
{_CASES}
 WHERE {{seen}} AND c.decision > 0 AND c.closed_at IS NULL AND c.decided_to = $1
   AND ($2::timestamptz IS NULL OR EXISTS (
           SELECT FROM decision AS d WHERE d.case_id = c.id AND d.number = c.decision AND d.decided_at >= $2))
 ORDER BY c.received_at, c.id LIMIT $3
"""
_OBLIGED = f"""
{_CASES}
 WHERE {{seen}} AND NOT c.stub
   AND c.id IN (SELECT t.case_id FROM task AS t
                 WHERE t.kind = $1 AND ($2::timestamptz IS NULL OR t.raised_at >= $2))
 ORDER BY c.received_at, c.id LIMIT $3
"""  # noqa: S608 - a constant


class ListItem(Model):
    """One child of a list."""

    case_id: UUID
    reference: str | None
    child_number: int
    child: ChildView
    stage: Stage
    rag: Rag
    decided_level: Level | None
    decided_to: Destination | None
    received_at: Instant


class ListView(Model):
    """One list, as it stands now."""

    name: str
    title: str
    at: Instant
    items: tuple[ListItem, ...]
    more: bool


async def list_of(
    connection: asyncpg.Connection, codec: Codec, kept: ListOf, caller: Principal, now: datetime
) -> ListView:
    """A list's children, first received first."""
    query, of = (_OBLIGED, kept.action) if kept.destination is None else (_DECIDED, kept.destination.value)
    rows = await connection.fetch(
        query.format(seen=visible(caller, "c")),
        of,
        None if kept.since is None else now - kept.since,
        MOST + 1,
    )
    children = await children_of(connection, codec, [row["referral_id"] for row in rows[:MOST]])
    items = tuple(
        ListItem(
            **{name: value for name, value in dict(row).items() if name in ListItem.model_fields},
            child=children.get(row["case_id"], ChildView(name=None)),
        )
        for row in rows[:MOST]
    )
    return ListView(name=kept.id, title=kept.title, at=now, items=items, more=len(rows) > MOST)

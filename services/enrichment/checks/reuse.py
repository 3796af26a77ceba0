"""An answer that counts in another referral as well is corrected there too, in that referral's own unit."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import asyncpg

from libs.messaging import timers
from libs.messaging.codec import Codec, Decoded
from libs.messaging.event import new_event_id
from libs.messaging.ledger import Unit
from libs.messaging.timers import Arm, Timer
from libs.schemas.events import CheckReturned
from libs.schemas.findings import CORRECTED_ELSEWHERE, AgencyState, Answer, CorrectionKind
from services.enrichment.asking.agency import Reply
from services.enrichment.checks.desk import Desk
from services.enrichment.checks.effects import CORRECTED, carry_out
from services.enrichment.checks.store import Store

_QUESTION = "question"

_ORIGIN = """
SELECT mine.child_id, mine.corrected_at AS mine_at, origin.question_id, origin.child_id AS origin_child,
       origin.corrected_at, origin.instead
  FROM agency_check AS mine JOIN agency_check AS origin ON origin.question_id = mine.reused_of
 WHERE mine.question_id = $1 AND origin.corrected_at IS NOT NULL
"""
_USED_AGAIN = """
SELECT used.question_id, used.referral_id
  FROM agency_check AS used JOIN agency_check AS origin ON origin.question_id = used.reused_of
 WHERE used.reused_of = $1 AND origin.corrected_at > coalesce(used.corrected_at, '-infinity')
 ORDER BY used.referral_id, used.question_id
"""
_CORRECTED = (
    "SELECT question_id, corrected_at FROM agency_check WHERE question_id = ANY ($1::uuid[]) FOR SHARE"
)


async def corrected_meanwhile(connection: asyncpg.Connection, questions: Collection[UUID]) -> frozenset[UUID]:
    """Which of these questions' answers have been corrected.

    None of them is while the transaction lasts: whoever corrects one later sees what this transaction makes of it.
    """
    rows = await connection.fetch(_CORRECTED, sorted(questions))
    return frozenset(row["question_id"] for row in rows if row["corrected_at"] is not None)


class Reuse:
    """Carries a correction to the referrals in which the answer was used again."""

    def __init__(self, codec: Codec, store: Store, desk: Desk) -> None:
        self._codec = codec
        self._store = store
        self._desk = desk

    async def corrected(self, unit: Unit, timer: Timer) -> None:
        """The answer to a question, or the one that it repeats, was corrected."""
        question = UUID(str(timer.data.get(_QUESTION, timer.subject)))
        origin = await unit.connection.fetchrow(_ORIGIN, question)
        if origin is not None and (origin["mine_at"] is None or origin["mine_at"] < origin["corrected_at"]):
            await self._correct(unit, timer.referral_id, question, origin)
        used = await unit.connection.fetch(_USED_AGAIN, question)
        due = [
            Arm(
                CORRECTED,
                new_event_id(unit.now),
                row["referral_id"],
                unit.now,
                {_QUESTION: str(row["question_id"])},
                None,
            )
            for row in used
        ]
        if due:
            await timers.arm(unit.connection, due, unit.now)

    async def _correct(self, unit: Unit, referral_id: UUID, question: UUID, origin: asyncpg.Record) -> None:
        referrals = await self._store.load(unit.connection, [referral_id])
        referral = referrals[referral_id]
        child = referral.children[origin["child_id"]]
        instead = await self._instead(origin)
        reply, kind = None, CorrectionKind.RETRACTED
        if instead is not None:
            kind, state = CorrectionKind.CORRECTED, AgencyState(instead.state)
            given = Reply.repeating(instead, state, origin["question_id"], instead.answered_at)
            reply = replace(given, reason=instead.reason)
        at: datetime = max(unit.now, origin["corrected_at"])
        effects = self._desk.corrected(referral, child, question, kind, CORRECTED_ELSEWHERE, reply, at)
        # It still is the other's answer, which may be corrected once more.
        child.checks[question].reused_of = origin["question_id"]
        carry_out(unit, referral, effects)
        await self._store.save(unit.connection, [referral], unit.now)

    async def _instead(self, origin: asyncpg.Record) -> Answer | None:
        """What counts now; None where nothing does, or where it can no longer be read."""
        if origin["instead"] is None:
            return None
        (item,) = await self._codec.decode([(CheckReturned, origin["instead"])])
        return item.payload.children.get(origin["origin_child"]) if isinstance(item, Decoded) else None

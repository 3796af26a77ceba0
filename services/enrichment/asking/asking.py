"""Asks agencies: claims due questions under a lease, asks them outside any transaction, hands the replies on.

What is due at all agencies is claimed in one statement, for a child's questions fall due together. Each agency has a
number of slots of its own, so that a dead or slow one holds up no other. A process that dies leaves its leases to
end; the question is then asked again with the same id.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import structlog

from libs.messaging.codec import Decoded, Undecodable
from libs.messaging.errors import ErrorClass, classify, code_of
from libs.messaging.ledger import Bell, Ledger
from libs.schemas.base import Payload
from libs.schemas.commands import CheckOrder
from libs.schemas.events import CheckReturned
from libs.schemas.findings import AgencyState, Answer
from libs.schemas.levels import Level
from services.enrichment.asking.agency import Reply
from services.enrichment.asking.asker import LEAD_NOT_REACHED, NOT_MADE, Asker
from services.enrichment.asking.question import Kept, Question, question_for
from services.enrichment.asking.recorder import Claim
from services.enrichment.asking.standing import Standings
from services.enrichment.checks.desk import Desk, orders_of
from services.enrichment.checks.store import Store
from services.enrichment.sharing.disclosures import Disclosure, Disclosures, asked
from services.enrichment.sharing.permission import Mode, Permission

LOOK_EVERY = 1.0
"""Seconds after which an idle agency's questions are looked for without having been woken."""

LOOK_AGAIN = 0.05
"""Seconds after which a question that is due and that another process has locked is looked for again."""

STOP_GRACE = 3.0
"""Seconds that questions in flight get when the service stops; the rest is asked again at once by whoever runs."""

_NEXT = "SELECT min(ask_at) FROM agency_check WHERE agency = ANY ($1::text[]) AND ask_at IS NOT NULL"
_CLAIM = """
WITH due AS MATERIALIZED (
    SELECT due.question_id
      FROM unnest($1::text[], $2::int[]) AS free (agency, slots)
     CROSS JOIN LATERAL (
        SELECT c.question_id FROM agency_check AS c
         WHERE c.agency = free.agency AND c.ask_at <= $3
         ORDER BY c.ask_at LIMIT free.slots FOR UPDATE SKIP LOCKED) AS due
), claimed AS (
    UPDATE agency_check AS c
       SET ask_at = $4, attempts = c.attempts + 1, asked_at = coalesce(c.asked_at, $3)
      FROM due WHERE c.question_id = due.question_id
    RETURNING c.child_id, c.agency, c.referral_id, c.question_id, c.attempts, c.items, c.existence, c.again
)
SELECT claimed.child_id, claimed.agency, claimed.referral_id, claimed.question_id, claimed.attempts, claimed.items,
       claimed.existence, child.traceparent, child.level, child.identifiers, child.orders, referral.agreement,
       referral.employers, referral.kept, known.question_id AS known_question, known.child_id AS known_child,
       known.state AS known_state, known.answered_at AS known_at, known.answer AS known_answer
  FROM claimed
  JOIN child ON child.id = claimed.child_id
  JOIN referral ON referral.id = claimed.referral_id
  LEFT JOIN LATERAL (
    SELECT e.question_id, e.child_id, e.state, e.answered_at, e.answer
      FROM agency_check AS e
     WHERE e.child_id = ANY (ARRAY(
               SELECT other.case_id FROM contact AS other
                WHERE other.person_id = (SELECT person_id FROM contact WHERE case_id = claimed.child_id)))
       AND e.agency = claimed.agency AND claimed.again IS NULL
       AND e.items = claimed.items AND e.existence = claimed.existence
       AND e.state IN ('returned', 'nothing_held') AND e.reason IS NULL AND e.corrected_at IS NULL
       AND e.reused_from IS NULL AND e.with_question IS NULL
     ORDER BY e.answered_at DESC LIMIT 1) AS known ON true
"""
# Only who is linked has another's person; what is in doubt has a person of its own. The children stand in an array, so
# that earlier answers are looked up by child: a join may be planned through everything that the agency ever answered.
# The child's own answers need no exception: what asks the same of the same child once more has `again` set.

_GIVE_BACK = """
UPDATE agency_check AS c SET ask_at = $2
  FROM unnest($1::uuid[], $3::bigint[]) AS given (question_id, attempts)
 WHERE c.question_id = given.question_id AND c.attempts = given.attempts AND c.ask_at IS NOT NULL
"""

logger = structlog.get_logger()


class Asking:
    """Asks every agency, as one part of the process."""

    def __init__(
        self,
        askers: Sequence[Asker],
        *,
        ledger: Ledger,
        desk: Desk,
        store: Store,
        standings: Standings,
        lease: timedelta,
        bell: Bell,
        grace: float = STOP_GRACE,
    ) -> None:
        """`bell` wakes it: there may be questions that are due."""
        self._store = store
        self._standings = standings
        self._askers = {asker.agency_id: asker for asker in askers}
        self._ledger = ledger
        self._desk = desk
        self._disclosures = Disclosures(ledger.codec)
        self._lease = lease
        self._grace = grace
        self._bell = bell
        self._asking: dict[asyncio.Task[None], Claim] = {}
        self._stopping = False

    def wake(self) -> None:
        """There may be questions that are due."""
        self._bell.ring()

    def stop(self) -> None:
        """Asks `run` to take on nothing more."""
        self._stopping = True
        self._bell.ring()

    async def run(self) -> None:
        """Asks until `stop`; then waits a little for what is out, and gives back the rest."""
        while not self._stopping:
            try:
                wait = await self._round()
            except Exception as error:  # noqa: BLE001 - asking outlives every failure of a round
                passing = classify(error) is ErrorClass.TRANSIENT
                report = logger.warning if passing else logger.error
                report("asking-failed", code=code_of(error))
                wait = LOOK_EVERY
            if wait > 0:
                await self._bell.wait(wait)
        if self._asking:
            await asyncio.wait(self._asking, timeout=self._grace)
        abandoned = dict(self._asking)
        for task in abandoned:
            task.cancel()
        await asyncio.gather(*abandoned, return_exceptions=True)
        with contextlib.suppress(OSError, asyncpg.PostgresError):
            await self._give_back(list(abandoned.values()))

    async def _round(self) -> float:
        """Claims and asks what is due and fits. Gives the seconds until it is worth looking again, 0 for at once."""
        now = self._ledger.clock.now()
        free = await self._standings.open_to(
            {agency: asker.free for agency, asker in self._askers.items() if asker.free > 0}, now
        )
        if not free:
            return LOOK_EVERY
        claims = await self._claim(now, free)
        if claims:
            await self._ledger.failpoints.hit("enrichment.after_claim")
        asked = {claim.agency for claim in claims if claim.question is not None and claim.known is None}
        await self._standings.not_tried(free.keys() - asked, now)
        for claim in claims:
            asker = self._askers[claim.agency]
            task = asyncio.create_task(asker.ask(claim), name=f"ask {claim.agency}")
            asker.out += 1
            self._asking[task] = claim
            task.add_done_callback(self._finished)
        if claims:
            full = any(not self._askers[agency].free for agency in free)
            return 0.0 if full else min(LOOK_EVERY, self._lease.total_seconds())
        due_at: datetime | None = await self._ledger.pool.fetchval(_NEXT, list(free))
        if due_at is None:
            return LOOK_EVERY
        return min(LOOK_EVERY, max(LOOK_AGAIN, (due_at - now).total_seconds()))

    async def _claim(self, now: datetime, free: Mapping[str, int]) -> list[Claim]:
        """Claims what is due and records what will leave with it, in one transaction: nothing leaves unrecorded."""
        async with self._ledger.pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(_CLAIM, list(free), list(free.values()), now, now + self._lease)
            # Most of a referral's questions are due together.
            kept = {row["referral_id"]: row["kept"] for row in rows}
            stored: list[tuple[type[Payload[Any, Any]], bytes]] = [(Kept, value) for value in kept.values()]
            stored += [(CheckReturned, row["known_answer"]) for row in rows if row["known_answer"]]
            decoded = await self._ledger.codec.decode(stored)
            orders = await self._store.orders([(row["child_id"], row["orders"]) for row in rows])
            referrals = dict(zip(kept, decoded, strict=False))
            answers = iter(decoded[len(kept) :])
            claims, out = [], []
            for row in rows:
                answer = next(answers) if row["known_answer"] else None
                referral, orders_here = referrals[row["referral_id"]], orders.get(row["child_id"], ())
                claim, left = self._made(row, referral, orders_here, answer, now)
                claims.append(claim)
                out += left
            await self._disclosures.record(connection, out)
        return claims

    def _made(
        self,
        row: asyncpg.Record,
        kept: Decoded[Any] | Undecodable,
        orders: tuple[CheckOrder, ...],
        answer: Decoded[Any] | Undecodable | None,
        now: datetime,
    ) -> tuple[Claim, list[Disclosure]]:
        """A claim and what leaves with it. A question that cannot be made is that child's trouble and no other's."""
        try:
            claim = self._taken(row, kept, orders, answer, now)
            if claim.question is None or claim.known is not None:
                return claim, []
            return claim, [
                asked(claim.agency, claim.referral_id, claim.child_id, claim.question, claim.permission, now)
            ]
        except Exception as error:  # noqa: BLE001 - told as what it is, and tried again
            logger.error("question-not-made", agency=row["agency"], code=code_of(error))
            return replace(_claim_of(row, Permission((), {})), fault=NOT_MADE), []

    def _taken(
        self,
        row: asyncpg.Record,
        kept: Decoded[Any] | Undecodable,
        orders: tuple[CheckOrder, ...],
        answer: Decoded[Any] | Undecodable | None,
        now: datetime,
    ) -> Claim:
        listed = self._desk.permission(
            row["agency"],
            level=Level(row["level"]) if row["level"] else None,
            agreement=row["agreement"],
            identifiers=frozenset(row["identifiers"]),
            employers=row["employers"],
            orders=orders_of(orders),
            now=now,
        )
        permission = _for_items(listed, row["items"], row["existence"])
        question: Question | None = None
        refusal = permission.reason
        if isinstance(kept, Undecodable):
            refusal = f"record_{kept.code}"
        elif permission.granted:
            question = question_for(kept.payload, row["child_id"], permission, row["question_id"])
            refusal = "record_erased" if question is None else None
        if question is not None and not self._askers[row["agency"]].reaches(permission.to):
            question, refusal = None, LEAD_NOT_REACHED
        return replace(
            _claim_of(row, permission),
            question=question,
            refusal=refusal,
            known=None if question is None else _known(row, permission, answer, now),
        )

    def _finished(self, task: asyncio.Task[None]) -> None:
        claim = self._asking.pop(task)
        asker = self._askers[claim.agency]
        if not asker.free:
            self._bell.ring()
        asker.out -= 1
        if not task.cancelled() and task.exception() is not None:
            logger.error("reply-lost", agency=claim.agency)

    async def _give_back(self, claims: Sequence[Claim]) -> None:
        if claims:
            await self._ledger.pool.execute(
                _GIVE_BACK,
                [claim.question_id for claim in claims],
                self._ledger.clock.now(),
                [claim.attempt for claim in claims],
            )


def _claim_of(row: asyncpg.Record, permission: Permission) -> Claim:
    return Claim(
        child_id=row["child_id"],
        referral_id=row["referral_id"],
        agency=row["agency"],
        question_id=row["question_id"],
        attempt=row["attempts"],
        trace=row["traceparent"],
        permission=permission,
        question=None,
    )


def _for_items(listed: Permission, items: Sequence[str], existence: Sequence[str]) -> Permission:
    """What of a question may still be asked, in no greater measure than it was put."""
    of_it = listed.only(items)
    grants = tuple(
        replace(grant, mode=Mode.EXISTENCE) if grant.item in existence else grant for grant in of_it.items
    )
    refusal = of_it.refusal or next((why for item, why in listed.held_back.items() if item in items), None)
    return replace(of_it, items=grants, refusal=refusal)


def _known(
    row: asyncpg.Record, permission: Permission, answer: Decoded[Any] | Undecodable | None, now: datetime
) -> Reply | None:
    """What the agency said of the same person within the freshness that the agreement states for every item."""
    if row["known_state"] is None or permission.orders or isinstance(answer, Undecodable):
        return None
    if row["known_at"] < now - min(grant.freshness for grant in permission.items):
        return None
    if frozenset(permission.names) != frozenset(row["items"]):
        return None
    state = AgencyState(row["known_state"])
    said: Answer | None = None if answer is None else answer.payload.children.get(row["known_child"])
    if said is None:
        if state is AgencyState.RETURNED:
            return None
        return Reply(state, reused_from=row["known_at"], reused_of=row["known_question"])
    return Reply.repeating(said, state, row["known_question"], row["known_at"])

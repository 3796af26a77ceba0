"""Loads and saves referrals' checks, a batch at a time."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from uuid import UUID

import asyncpg

from libs.messaging.codec import Codec, Decoded
from libs.schemas.base import Model, Nothing, Payload
from libs.schemas.commands import CheckOrder
from libs.schemas.events import CheckReturned, Reference
from libs.schemas.findings import AgencyState, Answer
from libs.schemas.levels import Level, Rag
from services.enrichment.asking.question import Kept
from services.enrichment.checks.record import Check, Child, Referral

_REFERRALS = """
SELECT id, reference, agreement, withdrawn_at, erased, employers FROM referral WHERE id = ANY ($1::uuid[])
"""
_CHILDREN = """
SELECT id, referral_id, number, identifiers, home, level, rag, due_at, screened_at, completed_at, traceparent, orders
  FROM child WHERE referral_id = ANY ($1::uuid[]) ORDER BY referral_id, number
"""
_CHECKS = """
SELECT child_id, agency, question_id, state, silence, reason, asked_at, due_at, answered_at, late, attempts, chases,
       ask_at, items, existence, held_back, stopped, with_question, again, corrected_at, reused_from, reused_of
  FROM agency_check WHERE referral_id = ANY ($1::uuid[]) ORDER BY put_at, question_id
"""
_ANSWERS = """
SELECT question_id, child_id, answer
  FROM (SELECT question_id, child_id, CASE WHEN corrected_at IS NULL THEN answer ELSE instead END AS answer
          FROM agency_check WHERE question_id = ANY ($1::uuid[])) AS counting
 WHERE answer IS NOT NULL
"""
_NEW_REFERRALS = """
INSERT INTO referral (id, reference, agreement, received_at, kept, erased, employers)
SELECT id, reference, agreement, received_at, kept, string_to_array(erased, ' ')::uuid[],
       string_to_array(employers, ' ')
  FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::bytea[], $6::text[], $7::text[])
    AS given (id, reference, agreement, received_at, kept, erased, employers)
"""
_KEPT = "SELECT id, kept FROM referral WHERE id = ANY ($1::uuid[])"
_KEEP = """
UPDATE referral AS r SET kept = given.kept
  FROM unnest($1::uuid[], $2::bytea[]) AS given (id, kept) WHERE r.id = given.id
"""
_SAVE_REFERRALS = """
UPDATE referral AS r SET agreement = given.agreement, withdrawn_at = given.withdrawn_at,
       employers = string_to_array(given.employers, ' ')
  FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::text[]) AS given (id, agreement, withdrawn_at, employers)
 WHERE r.id = given.id
"""
_SAVE_CHILDREN = """
INSERT INTO child (id, referral_id, number, identifiers, home, level, rag, due_at, screened_at, completed_at,
                   traceparent, orders)
SELECT id, referral_id, number, string_to_array(identifiers, ' '), home, level, rag, due_at, screened_at, completed_at,
       traceparent, orders
  FROM unnest($1::uuid[], $2::uuid[], $3::smallint[], $4::text[], $5::smallint[], $6::text[], $7::text[],
              $8::timestamptz[], $9::timestamptz[], $10::timestamptz[], $11::text[], $12::bytea[])
    AS given (id, referral_id, number, identifiers, home, level, rag, due_at, screened_at, completed_at, traceparent,
              orders)
ON CONFLICT (id) DO UPDATE
   SET identifiers = EXCLUDED.identifiers, home = EXCLUDED.home, orders = EXCLUDED.orders,
       level = EXCLUDED.level, rag = EXCLUDED.rag, due_at = EXCLUDED.due_at,
       screened_at = EXCLUDED.screened_at, completed_at = EXCLUDED.completed_at, traceparent = EXCLUDED.traceparent
"""
_SAVE_CHECKS = """
INSERT INTO agency_check AS c (child_id, agency, referral_id, question_id, state, silence, reason, asked_at, due_at,
                               answered_at, late, attempts, chases, ask_at, answer, items, existence, held_back,
                               stopped, with_question, again, corrected_at, reused_from, reused_of, instead, put_at)
SELECT child_id, agency, referral_id, question_id, state, silence, reason, asked_at, due_at, answered_at, late,
       attempts, chases, ask_at, answer, string_to_array(items, ' '), string_to_array(existence, ' '),
       string_to_array(held_back, ' '), stopped, with_question, again, corrected_at, reused_from,
       reused_of, instead, $26
  FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[],
              $8::timestamptz[], $9::timestamptz[], $10::timestamptz[], $11::boolean[], $12::bigint[],
              $13::bigint[], $14::timestamptz[], $15::bytea[], $16::text[], $17::text[], $18::text[],
              $19::boolean[], $20::uuid[], $21::uuid[], $22::timestamptz[], $23::timestamptz[],
              $24::uuid[], $25::bytea[])
    AS given (child_id, agency, referral_id, question_id, state, silence, reason, asked_at, due_at, answered_at, late,
              attempts, chases, ask_at, answer, items, existence, held_back, stopped, with_question, again,
              corrected_at, reused_from, reused_of, instead)
ON CONFLICT (question_id) DO UPDATE
   SET state = EXCLUDED.state, silence = EXCLUDED.silence, reason = EXCLUDED.reason, due_at = EXCLUDED.due_at,
       asked_at = coalesce(c.asked_at, EXCLUDED.asked_at),
       answered_at = EXCLUDED.answered_at, late = EXCLUDED.late, chases = EXCLUDED.chases,
       items = EXCLUDED.items, existence = EXCLUDED.existence, held_back = EXCLUDED.held_back,
       stopped = EXCLUDED.stopped, with_question = EXCLUDED.with_question, again = EXCLUDED.again,
       instead = CASE WHEN c.corrected_at IS DISTINCT FROM EXCLUDED.corrected_at
                      THEN EXCLUDED.instead ELSE c.instead END,
       corrected_at = EXCLUDED.corrected_at, reused_from = EXCLUDED.reused_from, reused_of = EXCLUDED.reused_of,
       ask_at = CASE WHEN EXCLUDED.ask_at IS NULL OR c.attempts = EXCLUDED.attempts
                     THEN EXCLUDED.ask_at ELSE c.ask_at END,
       answer = coalesce(c.answer, EXCLUDED.answer)
"""
# A question that was claimed since the row was loaded keeps its lease: claims do not wait for the referral's lock.


class OrdersOf(Model):
    """What staff ordered about a child."""

    orders: tuple[CheckOrder, ...]


class KeptOrders(Payload[Nothing, OrdersOf]):
    """What staff ordered about a child, as it is kept."""


class Store:
    """Enrichment's tables. Every method runs inside the caller's transaction, whose referrals are locked."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    async def load(
        self, connection: asyncpg.Connection, referral_ids: Collection[UUID]
    ) -> dict[UUID, Referral]:
        """The checks of those of these referrals that are known here."""
        ids = list(referral_ids)
        referrals = {
            row["id"]: Referral(
                row["id"],
                row["reference"],
                row["agreement"],
                row["withdrawn_at"],
                frozenset(row["erased"]),
                frozenset(row["employers"]),
            )
            for row in await connection.fetch(_REFERRALS, ids)
        }
        if not referrals:
            return referrals
        children: dict[UUID, Child] = {}
        rows = await connection.fetch(_CHILDREN, list(referrals))
        for row in rows:
            child = children[row["id"]] = _child(row)
            referrals[child.referral_id].children[child.id] = child
        orders = await self.orders([(row["id"], row["orders"]) for row in rows])
        for child_id, given in orders.items():
            children[child_id].orders = given
        for row in await connection.fetch(_CHECKS, list(referrals)):
            check = _check(row)
            children[row["child_id"]].checks[check.question_id] = check
        return referrals

    async def add(
        self, connection: asyncpg.Connection, received: Iterable[tuple[Referral, datetime, Kept]]
    ) -> None:
        """Stores new referrals with what is kept of them; their children follow with `save`."""
        rows = list(received)
        if rows:
            kept = await self._codec.encode([kept for _, _, kept in rows])
            await connection.execute(
                _NEW_REFERRALS,
                [referral.id for referral, _, _ in rows],
                [referral.reference for referral, _, _ in rows],
                [referral.agreement for referral, _, _ in rows],
                [received_at for _, received_at, _ in rows],
                kept,
                [" ".join(map(str, sorted(referral.erased))) for referral, _, _ in rows],
                [" ".join(sorted(referral.employers)) for referral, _, _ in rows],
            )

    async def kept(self, connection: asyncpg.Connection, referral_ids: Collection[UUID]) -> dict[UUID, Kept]:
        """What is kept of these referrals; one whose record can no longer be read is left out."""
        if not referral_ids:
            return {}
        rows = await connection.fetch(_KEPT, list(referral_ids))
        decoded = await self._codec.decode([(Kept, row["kept"]) for row in rows])
        return {
            row["id"]: item.payload
            for row, item in zip(rows, decoded, strict=True)
            if isinstance(item, Decoded)
        }

    async def keep(self, connection: asyncpg.Connection, changed: Mapping[UUID, Kept]) -> None:
        """Stores anew what is kept of referrals."""
        if changed:
            encoded = await self._codec.encode(list(changed.values()))
            await connection.execute(_KEEP, list(changed), encoded)

    async def orders(self, stored: Iterable[tuple[UUID, bytes | None]]) -> dict[UUID, tuple[CheckOrder, ...]]:
        """What staff ordered about children, by the child. What can no longer be read orders nothing."""
        given = [(child_id, orders) for child_id, orders in stored if orders is not None]
        if not given:
            return {}
        decoded = await self._codec.decode([(KeptOrders, orders) for _, orders in given])
        return {
            child_id: item.payload.children[child_id].orders
            for (child_id, _), item in zip(given, decoded, strict=True)
            if isinstance(item, Decoded) and child_id in item.payload.children
        }

    async def answers(
        self, connection: asyncpg.Connection, question_ids: Collection[UUID]
    ) -> dict[UUID, Answer]:
        """What counts of what agencies answered to these questions, as far as more was kept than its state."""
        rows = await connection.fetch(_ANSWERS, list(question_ids))
        decoded = await self._codec.decode([(CheckReturned, row["answer"]) for row in rows])
        return {
            row["question_id"]: item.payload.children[row["child_id"]]
            for row, item in zip(rows, decoded, strict=True)
            if isinstance(item, Decoded) and row["child_id"] in item.payload.children
        }

    async def save(
        self, connection: asyncpg.Connection, referrals: Iterable[Referral], now: datetime
    ) -> None:
        """Writes what has changed."""
        known = list(referrals)
        changed = [referral for referral in known if referral.changed]
        children = [child for referral in known for child in referral.children.values()]
        if changed:
            await connection.execute(
                _SAVE_REFERRALS,
                [referral.id for referral in changed],
                [referral.agreement for referral in changed],
                [referral.withdrawn_at for referral in changed],
                [" ".join(sorted(referral.employers)) for referral in changed],
            )
        await self._save_children(connection, [child for child in children if child.changed])
        await self._save_checks(
            connection,
            [
                (referral, child, check)
                for referral in known
                for child in referral.children.values()
                for check in child.checks.values()
                if check.changed
            ],
            now,
        )

    async def _save_children(self, connection: asyncpg.Connection, children: list[Child]) -> None:
        if children:
            ordered = [child for child in children if child.orders]
            encoded = iter(
                await self._codec.encode([_kept_orders(child) for child in ordered]) if ordered else ()
            )
            await connection.execute(
                _SAVE_CHILDREN,
                [child.id for child in children],
                [child.referral_id for child in children],
                [child.number for child in children],
                [" ".join(sorted(child.identifiers)) for child in children],
                [child.home for child in children],
                [child.level for child in children],
                [child.rag for child in children],
                [child.due_at for child in children],
                [child.screened_at for child in children],
                [child.completed_at for child in children],
                [child.trace for child in children],
                [next(encoded) if child.orders else None for child in children],
            )

    async def _save_checks(
        self, connection: asyncpg.Connection, checks: list[tuple[Referral, Child, Check]], now: datetime
    ) -> None:
        if not checks:
            return
        payloads = [
            CheckReturned(shared=Reference(reference=referral.reference, at=now), children={child.id: said})
            for referral, child, check in checks
            for said in (check.answer, check.instead)
            if said is not None
        ]
        encoded = iter(await self._codec.encode(payloads))
        kept = [
            [None if said is None else next(encoded) for said in (check.answer, check.instead)]
            for _, _, check in checks
        ]
        rows = [check for _, _, check in checks]
        await connection.execute(
            _SAVE_CHECKS,
            [child.id for _, child, _ in checks],
            [check.agency for check in rows],
            [child.referral_id for _, child, _ in checks],
            [check.question_id for check in rows],
            [check.state for check in rows],
            [check.silence for check in rows],
            [check.reason for check in rows],
            [check.asked_at for check in rows],
            [check.due_at for check in rows],
            [check.answered_at for check in rows],
            [check.late for check in rows],
            [check.attempts for check in rows],
            [check.chases for check in rows],
            [check.ask_at for check in rows],
            [answer for answer, _ in kept],
            [" ".join(sorted(check.items)) for check in rows],
            [" ".join(sorted(check.existence)) for check in rows],
            [" ".join(f"{item}={why}" for item, why in sorted(check.held_back.items())) for check in rows],
            [check.stopped for check in rows],
            [check.with_question for check in rows],
            [check.again for check in rows],
            [check.corrected_at for check in rows],
            [check.reused_from for check in rows],
            [check.reused_of for check in rows],
            [instead for _, instead in kept],
            now,
        )


def _child(row: asyncpg.Record) -> Child:
    return Child(
        id=row["id"],
        referral_id=row["referral_id"],
        number=row["number"],
        identifiers=frozenset(row["identifiers"]),
        home=row["home"],
        level=Level(row["level"]) if row["level"] else None,
        rag=Rag(row["rag"]) if row["rag"] else None,
        due_at=row["due_at"],
        screened_at=row["screened_at"],
        completed_at=row["completed_at"],
        trace=row["traceparent"],
    )


def _check(row: asyncpg.Record) -> Check:
    return Check(
        agency=row["agency"],
        question_id=row["question_id"],
        due_at=row["due_at"],
        state=AgencyState(row["state"]),
        silence=AgencyState(row["silence"]),
        reason=row["reason"],
        asked_at=row["asked_at"],
        answered_at=row["answered_at"],
        late=row["late"],
        attempts=row["attempts"],
        chases=row["chases"],
        ask_at=row["ask_at"],
        items=frozenset(row["items"]),
        existence=frozenset(row["existence"]),
        held_back=dict(pair.split("=", 1) for pair in row["held_back"]),
        stopped=row["stopped"],
        with_question=row["with_question"],
        again=row["again"],
        corrected_at=row["corrected_at"],
        reused_from=row["reused_from"],
        reused_of=row["reused_of"],
    )


def _kept_orders(child: Child) -> KeptOrders:
    return KeptOrders(shared=Nothing(), children={child.id: OrdersOf(orders=child.orders)})

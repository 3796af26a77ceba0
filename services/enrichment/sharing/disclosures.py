"""The record of disclosures: what left for an agency and what came from it, written with it and never changed.

Names of items and fields, codes and times stand in columns. Purposes, bases and who ordered and approved stand in the
payload: what staff write may name people. No value of any field is here.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import asyncpg
from pydantic import Field

from libs.messaging.codec import Codec, Decoded
from libs.schemas.base import Identifier, Instant, Line, Model, Payload, Text, maker
from services.enrichment.asking.agency import Reply
from services.enrichment.asking.question import Question
from services.enrichment.sharing.permission import Audience, Grant, Mode, Permission


class Direction(StrEnum):
    """Which way something was disclosed, seen from the hub."""

    OUT = "out"
    IN = "in"


class Shared(Model):
    """Nothing: a disclosure is about one child."""


class Footing(Model):
    """Why the items were asked for that rest on one ground, and by whose order where they need one."""

    items: tuple[Identifier, ...]
    existence_only: tuple[Identifier, ...] = Field(
        (), description="Those of them of which only the existence was asked."
    )
    ground: Identifier = Field(description="The ground of the data-sharing agreement.")
    purpose: Text
    basis: Text
    order_id: UUID | None = Field(None, description="The order without which they would not have left.")


class DisclosedOrder(Model):
    """Who had it asked by hand, and who approved where it was an emergency."""

    order_id: UUID
    by: Line
    at: Instant
    reason: Text
    emergency: bool
    approver: Line | None = None


class Said(Model):
    """What a disclosure rests on, in words."""

    rests_on: tuple[Footing, ...] = ()
    orders: tuple[DisclosedOrder, ...] = ()


class SaidOf(Payload[Shared, Said]):
    """What is kept of a disclosure about one child."""


_said_of = maker(SaidOf)
_SHARED, _NOTHING_SAID = Shared(), Said()


@dataclass(frozen=True, slots=True)
class Disclosure:
    """One disclosure about one child. `items` and `fields` are names."""

    at: datetime
    direction: Direction
    referral_id: UUID
    child_id: UUID
    agency: str
    audience: Audience
    question_id: UUID | None
    items: tuple[str, ...]
    fields: tuple[str, ...]
    grounds: tuple[str, ...]
    emergency: bool
    said: Said


def asked(
    agency: str, referral_id: UUID, child_id: UUID, question: Question, permission: Permission, at: datetime
) -> Disclosure:
    """What leaves with a question. `permission` is the one that the question was built with."""
    return Disclosure(
        at=at,
        direction=Direction.OUT,
        referral_id=referral_id,
        child_id=child_id,
        agency=agency,
        audience=permission.to,
        question_id=UUID(question.question_id),
        items=permission.names,
        fields=tuple(sorted(question.fields(permission.fields))),
        grounds=tuple(sorted({grant.ground for grant in permission.items})),
        emergency=any(order.emergency for order in permission.orders),
        said=Said(
            rests_on=_footings(permission),
            orders=tuple(
                DisclosedOrder(
                    order_id=order.id,
                    by=order.by,
                    at=order.at,
                    reason=order.reason,
                    emergency=order.emergency,
                    approver=order.approver,
                )
                for order in permission.orders
            ),
        ),
    )


def _footings(permission: Permission) -> tuple[Footing, ...]:
    """The granted items by what they rest on."""
    groups: dict[tuple[str, UUID | None], list[Grant]] = {}
    for grant in permission.items:
        groups.setdefault((grant.ground, None if grant.order is None else grant.order.id), []).append(grant)
    return tuple(
        Footing(
            items=tuple(grant.item for grant in grants),
            existence_only=tuple(grant.item for grant in grants if grant.mode is Mode.EXISTENCE),
            ground=ground,
            purpose=grants[0].purpose,
            basis=grants[0].basis,
            order_id=order_id,
        )
        for (ground, order_id), grants in groups.items()
    )


def answered(
    agency: str,
    referral_id: UUID,
    child_id: UUID,
    question_id: UUID | None,
    items: Collection[str],
    reply: Reply,
    at: datetime,
    audience: Audience = "team",
) -> Disclosure:
    """What came with an answer: the names of the facts that it states, and whether it says more than facts."""
    beside = {
        name for name in ("narrative", "plans", "dash", "worker", "people") if getattr(reply, name, None)
    }
    return Disclosure(
        at=at,
        direction=Direction.IN,
        referral_id=referral_id,
        child_id=child_id,
        agency=agency,
        audience=audience,
        question_id=question_id,
        items=tuple(sorted(items)),
        fields=tuple(sorted({fact.fact for fact in reply.facts} | beside)),
        grounds=(),
        emergency=False,
        said=_NOTHING_SAID,
    )


_RECORD = """
INSERT INTO disclosure (at, direction, referral_id, child_id, agency, audience, question_id, items, fields, grounds,
                        emergency, said)
SELECT at, direction, referral_id, child_id, agency, audience, question_id, string_to_array(items, ' '),
       string_to_array(fields, ' '), string_to_array(grounds, ' '), emergency, said
  FROM unnest($1::timestamptz[], $2::text[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::uuid[], $8::text[],
              $9::text[], $10::text[], $11::boolean[], $12::bytea[])
    AS given (at, direction, referral_id, child_id, agency, audience, question_id, items, fields, grounds, emergency,
              said)
ON CONFLICT (question_id, items, fields, grounds) WHERE direction = 'out' DO NOTHING
"""
# A question that is sent again with the same fields on the same ground discloses nothing more.

_PAGE = """
SELECT id, at, direction, referral_id, child_id, agency, audience, question_id, items, fields, grounds, emergency,
       CASE WHEN direction = 'out' THEN said ELSE (
           SELECT q.said FROM disclosure AS q
            WHERE q.direction = 'out' AND q.question_id = d.question_id AND q.id < d.id ORDER BY q.id DESC LIMIT 1
       ) END AS said
  FROM disclosure AS d
 WHERE ($1::uuid IS NULL OR child_id = $1) AND ($2::uuid IS NULL OR referral_id = $2)
   AND ($3::text IS NULL OR agency = $3) AND ($4::timestamptz IS NULL OR at >= $4)
   AND ($5::timestamptz IS NULL OR at < $5) AND ($6::boolean IS NULL OR emergency = $6) AND id < $7
   AND ($9 OR NOT EXISTS (SELECT FROM restricted_child AS r WHERE r.child_id IN (d.child_id, d.referral_id)))
 ORDER BY id DESC LIMIT $8
"""
# What came answers what was asked, and has its purpose and basis.


@dataclass(frozen=True, slots=True)
class Filters:
    """Which disclosures are looked for; None is any."""

    child_id: UUID | None = None
    referral_id: UUID | None = None
    agency: str | None = None
    since: datetime | None = None
    before: datetime | None = None
    emergency: bool | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A recorded disclosure. `said` is None where the child was erased, or where nothing was asked."""

    id: int
    row: asyncpg.Record
    said: Said | None


class Disclosures:
    """Writes and reads the record. Writing runs inside the transaction of what is disclosed."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    async def record(
        self, connection: asyncpg.Connection | asyncpg.Pool, disclosures: Sequence[Disclosure]
    ) -> None:
        """Records disclosures. What leaves is recorded before it leaves, in a transaction that has committed."""
        if not disclosures:
            return
        said = await self._codec.encode(
            [_said_of({"shared": _SHARED, "children": {one.child_id: one.said}}) for one in disclosures]
        )
        await connection.execute(
            _RECORD,
            [one.at for one in disclosures],
            [one.direction for one in disclosures],
            [one.referral_id for one in disclosures],
            [one.child_id for one in disclosures],
            [one.agency for one in disclosures],
            [one.audience for one in disclosures],
            [one.question_id for one in disclosures],
            [" ".join(one.items) for one in disclosures],
            [" ".join(one.fields) for one in disclosures],
            [" ".join(one.grounds) for one in disclosures],
            [one.emergency for one in disclosures],
            said,
        )

    async def page(
        self,
        connection: asyncpg.Connection | asyncpg.Pool,
        filters: Filters,
        before_id: int,
        limit: int,
        *,
        restricted: bool,
    ) -> list[Found]:
        """Up to `limit` disclosures older than one, newest first. `restricted`: those of restricted children too."""
        rows = await connection.fetch(
            _PAGE,
            filters.child_id,
            filters.referral_id,
            filters.agency,
            filters.since,
            filters.before,
            filters.emergency,
            before_id,
            limit,
            restricted,
        )
        kept = [row for row in rows if row["said"] is not None]
        decoded = await self._codec.decode([(SaidOf, row["said"]) for row in kept])
        said = {
            row["id"]: one.payload.children.get(row["child_id"])
            for row, one in zip(kept, decoded, strict=True)
            if isinstance(one, Decoded)
        }
        return [Found(row["id"], row, said.get(row["id"])) for row in rows]

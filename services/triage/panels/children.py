"""Who the children of an agenda or list are, as far as whoever sits there needs to know."""

from collections.abc import Collection, Iterable
from uuid import UUID

import asyncpg
from pydantic import Field

from libs.messaging.codec import Codec, Decoded
from libs.schemas.base import Model
from libs.schemas.events import Received
from libs.schemas.findings import Between, Fact
from libs.schemas.person import Date
from libs.schemas.plans import DASH_QUESTIONS
from libs.schemas.referral import ReferredChild
from services.triage.desk import read_desk
from services.triage.known import as_corrected

DASH_SCORE = "household.dash_score"


class DashView(Model):
    """A DASH assessment as it was told: what was not asked is unknown, and no no."""

    yes: int
    no: int
    unknown: int


class ChildView(Model):
    """One child, by name."""

    name: str | None = Field(description="Absent where nobody has said it, or it was erased.")
    born: Date | None = None
    expected: Date | None = None
    dash: DashView | None = Field(None, description="The gravest that anybody told of.")


async def children_of(
    connection: asyncpg.Connection, codec: Codec, referral_ids: Collection[UUID]
) -> dict[UUID, ChildView]:
    """The children of these referrals, by their case."""
    wanted = list(set(referral_ids))
    if not wanted:
        return {}
    rows = await connection.fetch("SELECT id, document FROM referral WHERE id = ANY ($1)", wanted)
    read = await codec.decode([(Received, row["document"]) for row in rows])
    referred: dict[UUID, ReferredChild] = {}
    for item in read:
        if isinstance(item, Decoded):
            referred |= {key: child for key, child in item.payload.children.items() if key not in item.erased}
    desk = await read_desk(connection, codec, wanted)
    found = {}
    for case_id, file in desk.files.items():
        child = as_corrected(referred.get(case_id), file.known.corrected)
        found[case_id] = ChildView(
            name=None
            if child is None
            else " ".join(filter(None, (child.given_name, child.family_name))) or None,
            born=None if child is None else child.born,
            expected=None if child is None else child.expected,
            dash=dash_of([one.fact for one in file.known.stated]),
        )
    return found


def dash_of(facts: Iterable[Fact]) -> DashView | None:
    """The gravest DASH score among these facts, whoever states it: a count is of a checklist that was asked to its end,
    and of a range only the lower bound was answered yes.
    """
    found = []
    for fact in facts:
        if fact.fact == DASH_SCORE:
            if isinstance(fact.value, Between):
                found.append((fact.value.at_least, fact.value.at_most))
            elif isinstance(fact.value, int) and not isinstance(fact.value, bool):
                found.append((fact.value, fact.value))
    if not found:
        return None
    yes, most = max(found)
    return DashView(yes=yes, no=DASH_QUESTIONS - most, unknown=most - yes)

"""Who the children of an agenda or list are, as far as whoever sits there needs to know."""

from collections.abc import Collection
from uuid import UUID

import asyncpg
from pydantic import Field

from libs.messaging.codec import Codec, Decoded
from libs.schemas.base import Model
from libs.schemas.events import Received
from libs.schemas.person import Date
from libs.schemas.plans import DASH_QUESTIONS
from libs.schemas.referral import ReferredChild
from services.triage.desk import read_desk


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
    dash: DashView | None = Field(None, description="The gravest assessment that an agency told of.")


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
        child = file.known.corrected[-1] if file.known.corrected else referred.get(case_id)
        dash = file.known.dash
        found[case_id] = ChildView(
            name=None
            if child is None
            else " ".join(filter(None, (child.given_name, child.family_name))) or None,
            born=None if child is None else child.born,
            expected=None if child is None else child.expected,
            dash=None
            if dash is None
            else DashView(yes=dash.yes, no=dash.asked - dash.yes, unknown=DASH_QUESTIONS - dash.asked),
        )
    return found

"""What was disclosed about whom, for the information governance lead: names of fields, never what stood in them."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field

from libs.messaging.ledger import Ledger
from libs.platform.access import note
from libs.platform.auth import Principal, requires
from libs.platform.cursors import Cursors
from libs.platform.parameters import TRUE_FALSE, WHOLE
from libs.platform.problems import Problem, responses
from libs.platform.restricted import sees_all
from libs.schemas.base import Instant, Model
from services.enrichment.sharing.disclosures import (
    DisclosedOrder,
    Disclosures,
    Filters,
    Footing,
    Found,
)

Reader = Annotated[Principal, requires("disclosures:read")]

_NEWEST = 2**63 - 1


class DisclosureView(Model):
    """One disclosure about one child."""

    at: Instant
    direction: str = Field(description="`out` to the agency, `in` from it.")
    agency: str
    to: str = Field(description="`team`, or `lead` where only the named safeguarding lead was asked.")
    referral_id: UUID
    case_id: UUID
    question_id: UUID | None
    fields: tuple[str, ...] = Field(description="Which fields were disclosed, by name.")
    items: tuple[str, ...] = Field(description="What was asked for, or answered.")
    grounds: tuple[str, ...]
    emergency: bool
    rests_on: tuple[Footing, ...] = Field(
        description="Purpose and lawful basis of the items; nothing where the child was erased."
    )
    orders: tuple[DisclosedOrder, ...] = Field(description="Who had it asked by hand, and who approved.")


class DisclosurePage(Model):
    """A page of disclosures, newest first."""

    items: tuple[DisclosureView, ...]
    next_cursor: str | None


class Register:
    """Reads the record; set as `app.state.disclosures` once the database is there."""

    def __init__(self, ledger: Ledger, cursors: Cursors) -> None:
        self._ledger = ledger
        self._cursors = cursors
        self._disclosures = Disclosures(ledger.codec)

    async def read(
        self, reader: Principal, filters: Filters, cursor: str | None, limit: int
    ) -> DisclosurePage:
        """One page. Who read is recorded before anything is shown. Raises Problem 400 on a bad cursor."""
        scope = f"disclosures {reader.subject} {filters}"
        before = _NEWEST if cursor is None else self._place(scope, cursor)
        async with self._ledger.pool.acquire() as connection:
            await note(
                connection,
                self._ledger.clock.now(),
                reader,
                "disclosures.read",
                filters.child_id,
                referral_id=filters.referral_id,
            )
            found = await self._disclosures.page(
                connection, filters, before, limit + 1, restricted=sees_all(reader)
            )
        more = self._cursors.sign(scope, [found[limit - 1].id]) if len(found) > limit else None
        return DisclosurePage(items=tuple(map(_view, found[:limit])), next_cursor=more)

    def _place(self, scope: str, cursor: str) -> int:
        match self._cursors.read(scope, cursor):
            case [int() as before]:
                return before
        raise Problem(400, "cursor-invalid", "This cursor is not one of this list")


def _view(found: Found) -> DisclosureView:
    row: Any = found.row
    said = found.said
    return DisclosureView(
        at=row["at"],
        direction=row["direction"],
        agency=row["agency"],
        to=row["audience"],
        referral_id=row["referral_id"],
        case_id=row["child_id"],
        question_id=row["question_id"],
        fields=tuple(row["fields"]),
        items=tuple(row["items"]),
        grounds=tuple(row["grounds"]),
        emergency=row["emergency"],
        rests_on=() if said is None else said.rests_on,
        orders=() if said is None else said.orders,
    )


async def _register(request: Request) -> Register:
    register: Register = request.app.state.disclosures
    return register


router = APIRouter(prefix="/v1/disclosures", tags=["disclosures"])


@router.get("", responses=responses(400, 401, 403, 422, 503), summary="What was disclosed, newest first")
async def read_disclosures(
    caller: Reader,
    register: Annotated[Register, Depends(_register)],
    case_id: Annotated[UUID | None, Query(description="Only about this child.")] = None,
    referral_id: Annotated[
        UUID | None, Query(description="Only about the children of this referral.")
    ] = None,
    agency: Annotated[str | None, Query(max_length=63, pattern=r"^[a-z][a-z0-9_]*$")] = None,
    since: Annotated[Instant | None, Query(description="Only from this instant on.")] = None,
    before: Annotated[Instant | None, Query(description="Only before this instant.")] = None,
    emergency: Annotated[
        bool | None, Query(description="Only those with, or without, an emergency."), TRUE_FALSE
    ] = None,
    cursor: Annotated[
        str | None, Query(max_length=1000, description="`next_cursor` of the page before.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100), WHOLE] = 50,
) -> DisclosurePage:
    """What left for agencies and what came from them: which items and fields, to whom, for which purpose, on which
    basis, and who ordered and approved it. Never what the fields said; of a restricted child nothing without the right
    to see such cases. Reading is recorded.
    """
    filters = Filters(case_id, referral_id, agency, since, before, emergency)
    return await register.read(caller, filters, cursor, limit)

"""How far the checks of a referral have come, for operations: codes and times only."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request

from libs.messaging.ledger import Ledger
from libs.platform.access import note
from libs.platform.auth import Principal, requires
from libs.platform.problems import Problem, responses
from libs.platform.restricted import hidden
from libs.schemas.base import Model
from libs.schemas.reference import parse_reference

_REFERRAL = """
SELECT id, reference, received_at, withdrawn_at FROM referral WHERE reference = $1
"""
_CHILDREN = """
SELECT id, number, level, rag, screened_at, due_at, completed_at FROM child WHERE referral_id = $1 ORDER BY number
"""
_CHECKS = """
SELECT child_id, agency, question_id, items, state, reason, asked_at, due_at, answered_at, late, attempts, ask_at,
       stopped, corrected_at, reused_from
  FROM agency_check WHERE referral_id = $1 ORDER BY agency, put_at, question_id
"""

Operator = Annotated[Principal, requires("operations:read")]


class CheckJourney(Model):
    """One question to an agency about a child."""

    agency: str
    question_id: UUID
    items: tuple[str, ...]
    state: str
    reason: str | None
    asked_at: datetime | None
    due_at: datetime
    answered_at: datetime | None
    late: bool
    attempts: int
    ask_at: datetime | None
    """When it is asked again, or the end of the lease of a question that is out."""
    stopped: bool
    """A person stopped the chasing."""
    corrected_at: datetime | None
    reused_from: datetime | None


class ChildJourney(Model):
    """One child's checks; the number counts the referral's children from 1."""

    number: int
    level: str | None
    rag: str | None
    screened_at: datetime | None
    due_at: datetime | None
    completed_at: datetime | None
    checks: tuple[CheckJourney, ...]


class Journey(Model):
    """A referral's checks."""

    reference: str
    referral_id: UUID
    received_at: datetime
    withdrawn_at: datetime | None
    children: tuple[ChildJourney, ...]


class Journeys:
    """Reads journeys; set as `app.state.journeys` once the database is there."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def read(self, reference: str, reader: Principal) -> Journey | None:
        """The journey of a referral without the children whom the reader may not see. Who read it is recorded.

        None where it is not known here, or the reader may see no child of it.
        """
        async with self._ledger.pool.acquire() as connection:
            referral = await connection.fetchrow(_REFERRAL, parse_reference(reference))
            if referral is None:
                return None
            now = self._ledger.clock.now()
            await note(connection, now, reader, "journey.read", referral_id=referral["id"])
            unseen = await hidden(connection, referral["id"], reader)
            children = [
                child
                for child in await connection.fetch(_CHILDREN, referral["id"])
                if child["id"] not in unseen
            ]
            if unseen and (referral["id"] in unseen or not children):
                return None
            checks = await connection.fetch(_CHECKS, referral["id"])
        return Journey(
            reference=referral["reference"],
            referral_id=referral["id"],
            received_at=referral["received_at"],
            withdrawn_at=referral["withdrawn_at"],
            children=tuple(
                ChildJourney(
                    **{name: child[name] for name in ChildJourney.model_fields if name != "checks"},
                    checks=tuple(
                        CheckJourney(**{name: check[name] for name in CheckJourney.model_fields})
                        for check in checks
                        if check["child_id"] == child["id"]
                    ),
                )
                for child in children
            ),
        )


async def _journeys(request: Request) -> Journeys:
    journeys: Journeys = request.app.state.journeys
    return journeys


router = APIRouter(prefix="/v1/journeys", tags=["operations"])


@router.get(
    "/{reference}", responses=responses(401, 403, 404, 422, 503), summary="How far the checks have come"
)
async def read_journey(
    reference: Annotated[str, Path(description="The reference, in any case.", max_length=40)],
    caller: Operator,
    journeys: Annotated[Journeys, Depends(_journeys)],
) -> Journey:
    """The state of each agency's check of each child. Nothing that identifies anybody. Reading is recorded."""
    journey = await journeys.read(reference, caller)
    if journey is None:
        raise Problem(404, "referral-not-found", "There is no such referral here")
    return journey

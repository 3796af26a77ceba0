"""What is not known of a child counts as what would ask for more: no gap spares a signature."""

import uuid
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import pytest

from libs.schemas.codes import ChildStatus
from libs.schemas.findings import AgencyState
from libs.schemas.levels import Destination, Level
from libs.schemas.people import Linked
from libs.schemas.person import Date
from libs.schemas.referral import ReferredChild
from services.triage.case import Case, File
from services.triage.decision.authority import Condition
from services.triage.decision.circumstances import Choice, circumstances, steps_down
from services.triage.known import Known
from services.triage.placement.places import Placement
from services.triage.standing import AgencyStanding

TODAY = date(2026, 11, 23)
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
BABY, NAMED = ReferredChild(born=Date(on=date(2026, 11, 1))), ReferredChild(given_name="Jo")
ADVICE = Choice(Level.UNIVERSAL, Destination.UNIVERSAL_ADVICE)
RECOMMENDED = Placement(Destination.UNIVERSAL_ADVICE, Level.UNIVERSAL)


CASE = partial(
    Case,
    id=uuid.uuid4(),
    referral_id=uuid.uuid4(),
    reference="K7TM-P2RW-C",
    child_number=1,
    received_at=NOW,
    due_at=NOW,
    team="duty",
)
OLD = Date(on=date(2017, 5, 2))
ONE, EARLIER_DAY = uuid.uuid4(), date(2026, 5, 1)


def held(
    known: Known, choice: Choice = ADVICE, state: AgencyState = AgencyState.NOTHING_HELD
) -> frozenset[Condition]:
    file = File(CASE(), known=known, agencies={"health": AgencyStanding(state)})
    return circumstances(file, choice, RECOMMENDED, TODAY).holds


@pytest.mark.parametrize(
    ("known", "under_one"),
    [
        (Known(born=Date(on=date(2025, 11, 23))), False),
        (Known(born=Date(on=date(2025, 11, 24))), True),
        (Known(born=None), True),
        (Known(born=OLD, status=ChildStatus.UNBORN), True),
        (Known(born=OLD, status=ChildStatus.UNIDENTIFIED), True),
        (Known(born=OLD, corrected=[BABY, NAMED]), True),
        (Known(born=OLD, corrected=[ReferredChild(status=ChildStatus.UNBORN)]), True),
        (Known(status=ChildStatus.UNBORN, corrected=[ReferredChild(born=OLD)]), False),
    ],
    ids=[
        *("one today", "one tomorrow", "nobody knows when", "unborn", "nobody knows who"),
        *("corrected", "unborn after all", "born long ago after all"),
    ],
)
def test_a_child_may_be_under_one_unless_it_is_known_to_be_older(known: Known, under_one: bool) -> None:
    assert (Condition.CHILD_UNDER_ONE in held(known)) is under_one


def linked(band: str = "none", candidate: str | None = None, **history: Any) -> Linked:
    """What the index knows of a child."""
    one = {"person_id": uuid.uuid4(), "band": candidate, "score": 50}
    return Linked.model_validate(
        {
            "revision": 1,
            "person_id": uuid.uuid4(),
            "band": band,
            "method": "new",
            "rules": "1",
            "candidates": [] if candidate is None else [one],
            "history": history,
        }
    )


def earlier(duplicate: str | None = None, **fields: Any) -> dict[str, Any]:
    """A history with one earlier report, and what somebody said of its being the same event."""
    report = {"on": EARLIER_DAY, "case_id": ONE, **fields}
    same = {"case_id": ONE, "reference": "K7TM-P2RW-C", "because": [], "decided": duplicate}
    return {"event": "e1", "earlier": [report], "duplicates": [] if duplicate is None else [same]}


@pytest.mark.parametrize(
    ("known", "again"),
    [
        (Known(), True),
        (Known(linked=linked()), False),
        (Known(linked=linked(), status=ChildStatus.UNIDENTIFIED), True),
        (Known(linked=linked(), status=ChildStatus.UNIDENTIFIED, corrected=[NAMED]), True),
        (Known(linked=linked(), corrected=[ReferredChild(status=ChildStatus.UNIDENTIFIED)]), True),
        (Known(linked=linked(candidate="possible")), True),
        (Known(linked=linked(candidate="none")), False),
        (Known(linked=linked("same", candidate="possible")), False),
        (Known(linked=linked("same", **earlier())), True),
        (Known(linked=linked("same", **earlier(event="e2"))), True),
        (Known(linked=linked("same", **earlier(event="e1"))), False),
        (Known(linked=linked("same", **earlier(mistaken=True))), False),
        (Known(linked=linked("same", **earlier("same"))), False),
        (Known(linked=linked("same", **earlier("other"))), True),
    ],
)
def test_a_child_may_have_come_before_unless_the_index_is_sure_that_it_has_not(
    known: Known, again: bool
) -> None:
    assert (Condition.REPEAT_CONTACT in held(known)) is again


@pytest.mark.parametrize("state", list(AgencyState))
def test_whoever_may_still_answer_is_unanswered(state: AgencyState) -> None:
    silent = (AgencyState.PENDING, AgencyState.NO_ANSWER, AgencyState.UNAVAILABLE)
    assert (Condition.AGENCY_UNANSWERED in held(Known(), state=state)) is (state in silent)


@pytest.mark.parametrize(
    ("before", "now", "milder"),
    [
        (("section_17", "csc_section_17"), ("section_17", "csc_section_17"), False),
        (("section_17", "csc_section_17"), ("section_17", "allocated_worker"), True),
        (("section_17", "allocated_worker"), ("targeted", "allocated_worker"), True),
        (("section_17", "csc_section_17"), ("section_47", "csc_section_47"), False),
    ],
)
def test_a_milder_destination_is_a_step_down_and_so_is_a_lower_level(
    before: tuple[str, str], now: tuple[str, str], milder: bool
) -> None:
    case = CASE(decided_level=Level(before[0]), decided_to=Destination(before[1]))
    assert steps_down(Choice(Level(now[0]), Destination(now[1])), case) is milder


def test_the_end_of_social_cares_help_is_a_step_down() -> None:
    assert Condition.STEP_DOWN not in held(Known())
    assert Condition.STEP_DOWN in held(Known(closing_plan=True))

"""What is not known of a child counts as what would ask for more: no gap spares a signature."""

import uuid
from datetime import UTC, date, datetime

import pytest

from libs.schemas.codes import ChildStatus
from libs.schemas.levels import Destination, Level
from libs.schemas.person import Date
from services.triage.case import Case, File
from services.triage.decision.authority import Condition
from services.triage.decision.circumstances import Choice, circumstances
from services.triage.known import Known
from services.triage.placement.places import Placement

TODAY = date(2026, 11, 23)
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
ADVICE = Choice(Level.UNIVERSAL, Destination.UNIVERSAL_ADVICE)
RECOMMENDED = Placement(Destination.UNIVERSAL_ADVICE, Level.UNIVERSAL)


def held(known: Known, choice: Choice = ADVICE) -> frozenset[Condition]:
    case = Case(
        id=uuid.uuid4(),
        referral_id=uuid.uuid4(),
        reference="K7TM-P2RW-C",
        child_number=1,
        received_at=NOW,
        due_at=NOW,
        team="duty",
    )
    return circumstances(File(case, known=known), choice, RECOMMENDED, TODAY).holds


@pytest.mark.parametrize(
    ("known", "under_one"),
    [
        (Known(born=Date(on=date(2025, 11, 23))), False),
        (Known(born=Date(on=date(2025, 11, 24))), True),
        (Known(born=None), True),
        (Known(born=Date(on=date(2017, 5, 2)), status=ChildStatus.UNBORN), True),
        (Known(born=Date(on=date(2017, 5, 2)), status=ChildStatus.UNIDENTIFIED), True),
    ],
    ids=["one today", "one tomorrow", "nobody knows when", "unborn", "nobody knows who"],
)
def test_a_child_may_be_under_one_unless_it_is_known_to_be_older(known: Known, under_one: bool) -> None:
    assert (Condition.CHILD_UNDER_ONE in held(known)) is under_one


def test_the_end_of_social_cares_help_is_a_step_down() -> None:
    assert Condition.STEP_DOWN not in held(Known())
    assert Condition.STEP_DOWN in held(Known(closing_plan=True))

"""What of a decision and of its child a scheme of delegation asks about."""

from datetime import date
from typing import NamedTuple, Self

from libs.schemas.codes import ChildStatus
from libs.schemas.decision import DecisionBody, Departure
from libs.schemas.history import SameEvent
from libs.schemas.levels import Destination, Level
from libs.schemas.people import Band
from services.triage.case import WAITED_FOR, Case, File
from services.triage.decision.authority import Circumstances, Condition
from services.triage.known import Known
from services.triage.placement.places import MINIMUM, Placement, need_of


class Choice(NamedTuple):
    """What is decided of a child."""

    level: Level
    destination: Destination

    @classmethod
    def of(cls, body: DecisionBody) -> Self:
        """The choice that a decision makes."""
        return cls(Level(body.level), Destination(body.destination))


def departure(choice: Choice, recommended: Placement) -> Departure:
    """How a decision relates to the recommendation: below where either its level or its destination is milder."""
    level, destination = choice
    least, needed = MINIMUM[destination], MINIMUM[recommended.destination]
    if level < recommended.level or least < needed:
        return Departure.BELOW
    if level > recommended.level or least > needed:
        return Departure.ABOVE
    return Departure.AGREES if destination is recommended.destination else Departure.ELSEWHERE


def steps_down(choice: Choice, case: Case) -> bool:
    """Whether a decision is milder than the one that stands, whatever is recommended now."""
    if case.decided_level is None or case.decided_to is None:
        return False
    milder = MINIMUM[choice.destination] < MINIMUM[case.decided_to]
    return milder or choice.level < case.decided_level


def circumstances(file: File, choice: Choice, recommended: Placement, today: date) -> Circumstances:
    """What holds of this decision. What is not known of the child holds as well: a gap lowers no demand."""
    known, case = file.known, file.case
    holds = {
        Condition.BELOW_RECOMMENDATION: departure(choice, recommended) is Departure.BELOW,
        Condition.STEP_DOWN: steps_down(choice, case) or known.closing_plan,
        Condition.NO_FURTHER_ACTION: choice.destination is Destination.UNIVERSAL_ADVICE,
        Condition.REPEAT_CONTACT: _came_before(known),
        Condition.CHILD_UNDER_ONE: _under_one(known, today),
        Condition.AGENCY_UNANSWERED: any(one.state in WAITED_FOR for one in file.agencies.values()),
    }
    return Circumstances(need_of(*choice), frozenset(condition for condition, held in holds.items() if held))


def _came_before(known: Known) -> bool:
    linked = known.linked
    # Whoever staff have named since is not always looked up already.
    if linked is None or ChildStatus.UNIDENTIFIED in (known.status, known.child.status):
        return True
    if linked.band != Band.SAME and any(one.band != Band.NONE for one in linked.candidates):
        return True
    history = linked.history
    same = {one.case_id for one in history.duplicates if one.decided == SameEvent.SAME}
    return any(
        not one.mistaken and (history.event is None or one.event != history.event) and one.case_id not in same
        for one in history.earlier
    )


def _under_one(known: Known, today: date) -> bool:
    child = known.child
    if child.status != ChildStatus.BORN or child.born is None:
        return True
    latest = child.born.on or child.born.latest
    if latest is None:
        return True
    had_birthday = (today.month, today.day) >= (latest.month, latest.day)
    return today.year - latest.year - (not had_birthday) < 1

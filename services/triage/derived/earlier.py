"""What came before a referral, counted: earlier reports within a window, re-referrals, and plans open or closed."""

from collections.abc import Callable, Iterable
from datetime import date

from libs.schemas.codes import ContactKind
from libs.schemas.dictionary import DERIVED
from libs.schemas.findings import Basis, Fact, FactValue
from libs.schemas.history import EarlierReport
from libs.schemas.levels import Destination, Level
from libs.schemas.plans import Plan, PlanKind
from services.triage.derived.background import Background, months_before
from services.triage.derived.worries import NEGLECT
from services.triage.placement.places import need_of
from services.triage.policy import StatedFact

COUNTED_KINDS = frozenset((ContactKind.NEW_WORRY, ContactKind.TRANSFER_IN))
"""Contacts that count as referrals (DfE guide to the children in need census, re-referrals)."""

ELSEWHERE = frozenset((Destination.ALLOCATED_WORKER, Destination.OTHER_AUTHORITY))
"""Destinations of news on an open case, and of what another authority takes: neither is a referral of ours."""


def open_on(plans: Iterable[Plan], on: date) -> set[PlanKind | str]:
    """The kinds of plan that are open on a day."""
    return {
        one.kind
        for one in plans
        if (one.opened is None or one.opened <= on) and (one.closed is None or one.closed > on)
    }


def protection(plans: Iterable[Plan], on: date) -> tuple[StatedFact, ...]:
    """An open child protection plan as a statement about its child: for a brother or sister it tells of harm."""
    if PlanKind.CHILD_PROTECTION not in open_on(plans, on):
        return ()
    value = PlanKind.CHILD_PROTECTION.value
    return (StatedFact(Fact(fact="child.open_plan", value=value, basis=Basis.RECORD), DERIVED),)


def open_plan(known: Background) -> FactValue | None:
    opened = open_on(known.record.plans, known.on)
    if not opened:
        return "none" if known.record.social_care_spoke else None
    return next((kind.value for kind in reversed(PlanKind) if kind in opened), None)


def plan_closed(months: int, kinds: frozenset[PlanKind], known: Background) -> FactValue | None:
    if not known.record.plans:
        return None
    start = months_before(known.on, months)
    closed = any(
        one.kind in kinds and one.closed is not None and start <= one.closed <= known.on
        for one in known.record.plans
    )
    return True if closed else None


def became_referral(report: EarlierReport) -> bool:
    """Whether a contact was, or may have been, a statutory referral: a person decided that section 17 or 47 services of
    this authority may be needed. What nobody has said of it counts.
    """
    if report.level is None or report.level not in set(Level):
        return True
    level, destination = Level(report.level), report.destination
    if destination in set(Destination):
        level = need_of(level, Destination(destination))
    return level >= Level.SECTION_17 and destination not in ELSEWHERE


def _of_each_event(
    months: int, known: Background, counts: Callable[[EarlierReport], bool]
) -> list[EarlierReport]:
    """Earlier contacts that count, about other events than this one, one for each event."""
    found: dict[object, EarlierReport] = {}
    for number, one in enumerate(known.within(months)):
        if one.kind in COUNTED_KINDS and counts(one) and not _same_event(known, one):
            found.setdefault(one.event or number, one)
    return list(found.values())


def _same_event(known: Background, one: EarlierReport) -> bool:
    return one.event is not None and one.event == known.record.event


def count_of(number: int) -> FactValue | None:
    return number or None


def referrals(months: int, known: Background) -> FactValue | None:
    return count_of(len(_of_each_event(months, known, became_referral)))


def contacts(months: int, known: Background) -> FactValue | None:
    reports = enumerate(known.within(months))
    return count_of(len({one.event or number for number, one in reports if not _same_event(known, one)}))


def reports_of_the_event(known: Background) -> list[EarlierReport]:
    """Earlier reports of the very event that this referral tells of: it is their duplicate."""
    return [one for one in known.record.earlier if _same_event(known, one) and not one.mistaken]


def re_referred(known: Background, months: int = 12) -> list[EarlierReport]:
    """The statutory referrals of the window that were decided before this one came, each event once."""
    found = _of_each_event(months, known, became_referral)
    return [one for one in found if _decided_before(known, one)]


def _decided_before(known: Background, one: EarlierReport) -> bool:
    return one.decided_on is not None and one.decided_on <= known.on


def re_referral(months: int, known: Background) -> FactValue | None:
    return True if re_referred(known, months) else None


def same_worry(months: int, known: Background) -> FactValue | None:
    decided = _of_each_event(months, known, lambda one: _decided_before(known, one))
    if not decided:
        return None
    now = {one.fact.fact for one in known.stated if known.worries(one.fact)}
    before = (fact for report in decided for fact in report.facts)
    return True if any(fact.fact in now and known.worries(fact) for fact in before) else None


def neglect_contacts(months: int, known: Background) -> FactValue | None:
    told = {
        one.event or number
        for number, one in enumerate(known.within(months))
        if not _same_event(known, one)
        and any(fact.fact in NEGLECT and known.worries(fact) for fact in one.facts)
    }
    return count_of(len(told))


def events(name: str, value: FactValue, months: int, known: Background) -> FactValue | None:
    """How many events were told of in which a fact was at that value or worse, this referral's among them."""
    told: set[object] = {
        one.event or number
        for number, one in enumerate(known.within(months))
        if any(known.reaches(fact, name, value) for fact in one.facts)
    }
    if any(known.reaches(one.fact, name, value) for one in known.stated):
        told.add(known.record.event or "this")
    return count_of(len(told))

"""A child's own history: what came to this hub before, and what became of it.

Whether a report counts as a re-referral is worked out by triage from what stands here: twelve months to the day, each
event once, only what was decided before.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from libs.schemas.codes import ContactKind
from libs.schemas.history import EarlierPlan, EarlierReport, History, PossibleDuplicate, SameEvent, StepDown
from services.enrichment.family.contact import Contact
from services.enrichment.family.events import SAID_BY_STAFF, IsWorry, Pair, compare, label

MOST = 60
"""Reports of one person that are looked at, the latest first."""

MOST_DUPLICATES = 50


def history_of(
    this: Contact,
    others: Iterable[Contact],
    decided: Mapping[Pair, SameEvent],
    is_worry: IsWorry,
    zone: ZoneInfo,
) -> History:
    """What came before one report, from all reports about the same person in whatever order they are given.

    `decided`: what people said of pairs of them. `zone`: the hub's, in which days are counted. What came later, and
    what the same referral says of the person, is no history. The same event twice is both reports under one label.
    """
    before = sorted(
        (one for one in others if one.place < this.place and one.referral_id != this.referral_id),
        key=lambda contact: contact.place,
    )[-MOST:]
    labels = label([*before, this], decided, is_worry)
    return History(
        earlier=tuple(_report(one, labels.get(one.case_id), zone) for one in before),
        event=labels.get(this.case_id),
        duplicates=_duplicates(this, before, labels, decided, is_worry),
        step_downs=tuple(
            StepDown(on=_day(one.received_at, zone), reference=one.reference, case_id=one.case_id)
            for one in before
            if one.kind == ContactKind.STEP_DOWN
        )[-50:],
        plans=_plans(before),
    )


def _report(one: Contact, event: str | None, zone: ZoneInfo) -> EarlierReport:
    return EarlierReport(
        on=_day(one.received_at, zone),
        kind=one.kind,
        decided_on=None if one.decided_at is None else _day(one.decided_at, zone),
        event=event,
        reference=one.reference,
        facts=one.facts,
        case_id=one.case_id,
        agency=one.agency,
        level=one.level,
        destination=one.destination,
    )


def _duplicates(
    this: Contact,
    before: Sequence[Contact],
    labels: Mapping[UUID, str],
    decided: Mapping[Pair, SameEvent],
    is_worry: IsWorry,
) -> tuple[PossibleDuplicate, ...]:
    found = []
    for one in before:
        said = decided.get(frozenset((one.case_id, this.case_id)))
        verdict = compare(one, this, is_worry)
        if said is None and verdict is not None and verdict.certain and labels.get(this.case_id) is not None:
            said = SameEvent.SAME if labels.get(one.case_id) == labels[this.case_id] else None
        if verdict is not None or said is not None:
            found.append(
                PossibleDuplicate(
                    case_id=one.case_id,
                    reference=one.reference,
                    because=verdict.because if verdict is not None else (SAID_BY_STAFF,),
                    decided=said,
                )
            )
    return tuple(found[-MOST_DUPLICATES:])


def _plans(before: Sequence[Contact]) -> tuple[EarlierPlan, ...]:
    """Each plan once, as it was told of last: what is the same kind and was opened on the same day is one plan."""
    told = sorted((plan for one in before for plan in one.plans), key=_told)
    last = {(str(plan.kind), plan.opened): plan for plan in told}
    return tuple(sorted(last.values(), key=_told))[-100:]


def _told(plan: EarlierPlan) -> tuple[date, str, str, date]:
    return plan.told_on, plan.agency, str(plan.kind), plan.opened or date.min


def _day(instant: datetime, zone: ZoneInfo) -> date:
    return instant.astimezone(zone).date()

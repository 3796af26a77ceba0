"""What an event changes in a family, before anybody has been looked for in the index."""

from collections.abc import Sequence
from uuid import UUID
from zoneinfo import ZoneInfo

from libs.messaging.event import Event
from libs.schemas.events import (
    CaseDecided,
    InformationAdded,
    PeopleCorrected,
    PersonDecided,
    Received,
)
from libs.schemas.findings import Answer
from libs.schemas.history import EarlierPlan
from libs.schemas.referral import ReferredChild
from services.enrichment.asking.question import homes, identifiers, kept_adult
from services.enrichment.checks.record import Referral
from services.enrichment.family.circle import Case, Circle
from services.enrichment.family.corrections import corrected_home, corrected_kept
from services.enrichment.family.decisions import word_of
from services.enrichment.family.home import REFERRER, STAFF, Home, HomeShared, adults_of, child_of, with_facts
from services.enrichment.family.household import named_in
from services.enrichment.family.subjects import adult_subjects, child_subject
from services.enrichment.family.work import Command, Work


def take(work: Work, event: Event) -> None:
    """Applies one event of a referral that is known."""
    payload = event.payload
    if isinstance(payload, Received):
        _received(work, event, payload)
        return
    circle = work.circles.get(event.referral_id)
    if circle is None:
        # Its record of people was given up, or is older than the keeping of them.
        return
    match payload:
        case InformationAdded(children=told):
            facts = {child_id: one.facts for child_id, one in told.items() if one.facts}
            home = with_facts(circle.home, facts)
            if home != circle.home:
                circle.home, circle.changed = home, True
                work.changes_what_follows(
                    circle, (circle.cases[child_id] for child_id in facts if child_id in circle.cases)
                )
                # What happened on a day may tell that this report and an earlier one are of one event.
                work.tell.setdefault(circle.referral_id, event.trace)
        case CaseDecided(shared=shared, children=decided):
            for child_id, outcome in decided.items():
                case = circle.cases.get(child_id)
                if case is not None and outcome.decision > case.decision:
                    case.level, case.destination = str(outcome.level), str(outcome.destination)
                    case.decided_at, case.decision, case.changed = shared.at, outcome.decision, True
                    work.changes_what_follows(circle, [case])
        case PersonDecided(children=commands):
            for child_id, decision in commands.items():
                if child_id in circle.cases:
                    work.commands.append(Command(circle, child_id, decision))
                    work.tell.setdefault(circle.referral_id, event.trace)
                    word = word_of(child_id, decision)
                    if word is not None:
                        given = PersonDecided(shared=payload.shared, children={child_id: decision})
                        work.words.append((word, given))
                        work.changes_what_follows(circle, [circle.cases[child_id]])
        case PeopleCorrected():
            _corrected(work, event, circle, payload)


def hear(work: Work, circle: Circle, answers: Sequence[tuple[UUID, Answer]], zone: ZoneInfo) -> None:
    """Applies what agencies said of a referral's children: whom they name, and the plans that later referrals see."""
    work.named[circle.referral_id] = [
        one for child_id, answer in answers for one in named_in(child_id, answer)
    ]
    for child_id, child in circle.home.children.items():
        plans = tuple(
            EarlierPlan(
                kind=plan.kind,
                opened=plan.opened,
                closed=plan.closed,
                told_on=(answer.answered_at or work.unit.now).astimezone(zone).date(),
                agency=answer.agency,
                case_id=child_id,
            )
            for about, answer in answers
            if about == child_id
            for plan in answer.plans
        )
        if plans != child.plans and child_id in circle.cases:
            children = {**circle.home.children, child_id: child.model_copy(update={"plans": plans})}
            circle.home, circle.changed = circle.home.model_copy(update={"children": children}), True
            work.changes_what_follows(circle, [circle.cases[child_id]])


def _received(work: Work, event: Event, payload: Received) -> None:
    shared, kept = payload.shared, work.kept[event.referral_id]
    body = shared.referral
    circle = Circle(
        referral_id=event.referral_id,
        reference=shared.reference,
        received_at=shared.received_at,
        kind=str(body.kind),
        agency=shared.agency,
        home=Home(
            shared=HomeShared(
                source_reference=body.source_reference,
                adults=adults_of(body.adults, event.referral_id, REFERRER),
            ),
            children={child_id: child_of(child, REFERRER) for child_id, child in payload.children.items()},
        ),
        changed=True,
    )
    for child_id in payload.children:
        circle.cases[child_id] = Case(child_id, child_id, REFERRER, changed=True)
    work.circles[circle.referral_id] = circle
    work.fresh.add(circle.referral_id)
    work.renewed.add(circle.referral_id)
    work.tell[circle.referral_id] = event.trace
    work.subjects += [
        subject
        for child_id in payload.children
        if (subject := child_subject(circle.referral_id, child_id, kept, REFERRER)) is not None
    ]
    work.subjects += adult_subjects(circle.referral_id, circle.referral_id, body.adults, REFERRER)


def _corrected(work: Work, event: Event, circle: Circle, payload: PeopleCorrected) -> None:
    referral, adults = work.referrals[circle.referral_id], payload.shared.adults
    kept = work.kept.get(circle.referral_id)
    if kept is None:
        # The referral's record was erased: nobody is asked about its people any more.
        return
    work.kept[circle.referral_id] = kept.model_copy(
        update={
            "shared": kept.shared.model_copy(
                update={"adults": (*kept.shared.adults, *map(kept_adult, adults))}
            )
        }
    )
    before = circle.home.shared
    circle.home = circle.home.model_copy(
        update={
            "shared": before.model_copy(
                update={"adults": (*before.adults, *adults_of(adults, event.id, STAFF))}
            )
        }
    )
    circle.changed = True
    employers = work.kept[circle.referral_id].shared.employers
    if employers != referral.employers:
        # Whom a suspect works for decides to whom a question may go, for every child: what waits is looked at at once.
        referral.employers, referral.changed = employers, True
        for known in referral.children.values():
            work.corrected.append((referral, known))
            for check in known.checks.values():
                if check.ask_at is not None:
                    check.ask_at, check.changed = work.unit.now, True
    work.rekept.add(circle.referral_id)
    work.renewed.add(circle.referral_id)
    work.tell.setdefault(circle.referral_id, event.trace)
    for child_id, child in payload.children.items():
        if child_id not in referral.erased:
            _child_corrected(work, circle, referral, child_id, child)
    work.subjects += adult_subjects(circle.referral_id, event.id, adults, STAFF)
    # By the mother, who may be known only now, an unborn child is found: everybody is looked for anew.
    anew = [child_id for child_id in circle.cases if adults or child_id in payload.children]
    work.subjects += [
        subject
        for child_id in anew
        if (
            subject := child_subject(
                circle.referral_id, child_id, work.kept[circle.referral_id], circle.cases[child_id].origin
            )
        )
        is not None
    ]


def _child_corrected(
    work: Work, circle: Circle, referral: Referral, child_id: UUID, child: ReferredChild
) -> None:
    if child_id not in circle.cases:
        work.add_child(circle, child_id, child, STAFF)
        work.staff_added.setdefault(circle.referral_id, {})[child_id] = child
        work.corrected.append((referral, referral.children[child_id]))
        return
    home, kept = circle.home.children.get(child_id), work.kept[circle.referral_id]
    known = referral.children[child_id]
    if home is None or child_id not in kept.children:
        return
    circle.home = circle.home.model_copy(
        update={"children": {**circle.home.children, child_id: corrected_home(home, child)}}
    )
    kept = work.kept[circle.referral_id] = kept.model_copy(
        update={"children": {**kept.children, child_id: corrected_kept(kept.children[child_id], child)}}
    )
    known.identifiers, known.changed = identifiers(kept, child_id), True
    known.home = homes(kept).get(child_id)
    work.corrected.append((referral, known))

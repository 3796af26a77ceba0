"""What one unit has in hand of the families that it touches: loaded once, changed in memory, written once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from libs.messaging.ledger import Unit
from libs.schemas.commands import PersonDecision
from libs.schemas.events import PersonDecided
from libs.schemas.people import LinkMethod
from libs.schemas.referral import ReferredChild
from services.enrichment.asking.question import Kept, homes, identifiers, kept_child
from services.enrichment.checks.record import Child, Referral
from services.enrichment.family.circle import Case, Circle
from services.enrichment.family.decisions import Word
from services.enrichment.family.home import child_of
from services.enrichment.family.household import Named
from services.enrichment.family.records import Neighbour
from services.enrichment.people.index import Identified
from services.enrichment.people.subject import Subject


@dataclass(frozen=True, slots=True)
class Command:
    """A person's command about who a child is."""

    circle: Circle
    child_id: UUID
    decision: PersonDecision


@dataclass(slots=True)
class Work:
    """One unit's work.

    `circles` are the referrals of the unit, `others` those that name the same people. `tell`: the referrals whose
    children are told anew, with the trace of what causes it. `renewed`: the referrals in which somebody was named who
    was not before. `later` gives, for a person, the place in time after which reports see something new before them;
    `relinked` are the persons who lost or gained a report.
    """

    unit: Unit
    referrals: Mapping[UUID, Referral]
    circles: dict[UUID, Circle] = field(default_factory=dict)
    others: dict[UUID, Circle] = field(default_factory=dict)
    neighbours: dict[UUID, Neighbour] = field(default_factory=dict)
    kept: dict[UUID, Kept] = field(default_factory=dict)
    fresh: set[UUID] = field(default_factory=set)
    subjects: list[Subject] = field(default_factory=list)
    identified: dict[UUID, Identified] = field(default_factory=dict)
    named: dict[UUID, list[Named]] = field(default_factory=dict)
    commands: list[Command] = field(default_factory=list)
    words: list[tuple[Word, PersonDecided]] = field(default_factory=list)
    tell: dict[UUID, str | None] = field(default_factory=dict)
    renewed: set[UUID] = field(default_factory=set)
    rekept: set[UUID] = field(default_factory=set)
    later: dict[UUID, tuple[datetime, UUID]] = field(default_factory=dict)
    relinked: set[UUID] = field(default_factory=set)
    ring: set[UUID] = field(default_factory=set)
    corrected: list[tuple[Referral, Child]] = field(default_factory=list)
    staff_added: dict[UUID, dict[UUID, ReferredChild]] = field(default_factory=dict)

    @property
    def targets(self) -> list[Circle]:
        """The referrals whose children are told anew."""
        return [self.circles[referral_id] for referral_id in self.tell if referral_id in self.circles]

    @property
    def new_persons(self) -> set[UUID]:
        """Persons who came into the index in this unit: no stored report can be about them."""
        return {
            case.person_id
            for referral_id in self.fresh
            for case in self.circles[referral_id].cases.values()
            if case.id in self.identified and self.identified[case.id].method == LinkMethod.NEW
        }

    def by_person(self) -> dict[UUID, list[Circle]]:
        """For each person every referral in hand that has a case of theirs, as things stand now."""
        found: dict[UUID, list[Circle]] = {}
        for circle in (*self.circles.values(), *self.others.values()):
            for person_id in dict.fromkeys(case.person_id for case in circle.cases.values()):
                found.setdefault(person_id, []).append(circle)
        return found

    def changes_what_follows(self, circle: Circle, cases: Iterable[Case]) -> None:
        """Later reports about these children see something new in this one."""
        for case in cases:
            place = circle.received_at, case.id
            self.later[case.person_id] = min(place, self.later.get(case.person_id, place))

    def link(self, circle: Circle, subject_id: UUID, identified: Identified) -> None:
        """Somebody of a referral is that person of the index."""
        self.identified[subject_id] = identified
        case = circle.cases.get(subject_id)
        if case is None:
            if circle.persons.get(subject_id) != identified.person_id:
                circle.persons[subject_id] = identified.person_id
                circle.changed = True
                self.renewed.add(circle.referral_id)
        elif case.person_id != identified.person_id:
            if case.person_id != case.id:
                self.relinked |= {case.person_id, identified.person_id}
            case.person_id, case.changed = identified.person_id, True

    def add_child(self, circle: Circle, case_id: UUID, child: ReferredChild, origin: str) -> None:
        """A child who was not in the referral as it was sent gets a case in it, and checks once it is screened."""
        known, kept = add_child(self.referrals[circle.referral_id], case_id), self.kept[circle.referral_id]
        kept = self.kept[circle.referral_id] = kept.model_copy(
            update={"children": {**kept.children, case_id: kept_child(known.number, child)}}
        )
        known.identifiers, known.changed = identifiers(kept, case_id), True
        known.home = homes(kept).get(case_id)
        self.rekept.add(circle.referral_id)
        circle.home = circle.home.model_copy(
            update={"children": {**circle.home.children, case_id: child_of(child, origin)}}
        )
        person_id = circle.persons.pop(case_id, case_id)
        circle.cases[case_id] = Case(case_id, person_id, origin, changed=True)
        circle.changed = True
        self.renewed.add(circle.referral_id)


def add_child(referral: Referral, child_id: UUID) -> Child:
    """The child of a referral, added under the next number where it is not there yet."""
    child = referral.children.get(child_id)
    if child is None:
        numbers = (len(referral.erased), *(one.number for one in referral.children.values()))
        child = Child(child_id, referral.id, max(numbers) + 1, frozenset(), changed=True)
        referral.children[child_id] = child
    return child

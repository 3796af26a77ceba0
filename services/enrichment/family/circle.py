"""The people of one referral: its children with what became of each, the adults, and who of the index each one is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from libs.schemas.people import Linked
from services.enrichment.family.contact import Contact
from services.enrichment.family.home import Home


@dataclass(slots=True)
class Case:
    """One child of a referral. `origin`: `referrer`, `staff`, `index` or the agency that named the child.

    `told` is what was last told of the child; None before that, and where it can no longer be read.
    """

    id: UUID
    person_id: UUID
    origin: str
    level: str | None = None
    destination: str | None = None
    decided_at: datetime | None = None
    decision: int = 0
    revision: int = 0
    told: Linked | None = None
    changed: bool = False


@dataclass(slots=True)
class Circle:
    """One referral's people. `persons` gives the person of the index for adults and others who have no case."""

    referral_id: UUID
    reference: str
    received_at: datetime
    kind: str
    agency: str
    home: Home
    cases: dict[UUID, Case] = field(default_factory=dict)
    persons: dict[UUID, UUID] = field(default_factory=dict)
    changed: bool = False

    def person_of(self, subject_id: UUID) -> UUID | None:
        """Who of the index somebody of this referral is."""
        case = self.cases.get(subject_id)
        return self.persons.get(subject_id) if case is None else case.person_id

    @property
    def subjects(self) -> frozenset[UUID]:
        """Those of this referral whom the index knows by an id of their own."""
        return frozenset(self.persons) | frozenset(self.cases)

    @property
    def everybody(self) -> frozenset[UUID]:
        """The persons of the index who are named here."""
        return frozenset(self.persons.values()) | {case.person_id for case in self.cases.values()}

    def contact(self, case_id: UUID) -> Contact:
        """A child's case as a report about that person."""
        case, stated = self.cases[case_id], self.home.children.get(case_id)
        return Contact(
            case_id=case_id,
            referral_id=self.referral_id,
            person_id=case.person_id,
            reference=self.reference,
            received_at=self.received_at,
            kind=self.kind,
            agency=self.agency,
            source_reference=self.home.shared.source_reference,
            facts=() if stated is None else stated.facts,
            level=case.level,
            destination=case.destination,
            decided_at=case.decided_at,
            plans=() if stated is None else stated.plans,
        )


def contacts_of(person_id: UUID, circles: Iterable[Circle]) -> list[Contact]:
    """Every report about a person that these referrals hold."""
    return [
        circle.contact(case.id)
        for circle in circles
        for case in circle.cases.values()
        if case.person_id == person_id
    ]


def by_person(circle: Circle) -> Mapping[UUID, UUID]:
    """The children of a referral by their person: the first case of each."""
    found: dict[UUID, UUID] = {}
    for case in circle.cases.values():
        found.setdefault(case.person_id, case.id)
    return found

"""One report about a person that came to this hub, as far as later reports about the same person rest on it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from libs.schemas.codes import ContactKind
from libs.schemas.findings import Fact
from libs.schemas.history import EarlierPlan


@dataclass(frozen=True, slots=True)
class Contact:
    """A child's case in a referral, and what became of it.

    `kind`, `level` and `destination` are codes as they were sent. `source_reference` and `facts` are what the
    referrer wrote; both are missing where the child's part of the record was erased.
    """

    case_id: UUID
    referral_id: UUID
    person_id: UUID
    reference: str
    received_at: datetime
    kind: str
    agency: str
    source_reference: str | None = None
    facts: tuple[Fact, ...] = ()
    level: str | None = None
    destination: str | None = None
    decided_at: datetime | None = None
    plans: tuple[EarlierPlan, ...] = ()

    @property
    def place(self) -> tuple[datetime, UUID]:
        """Where it stands in time; no two contacts share a place."""
        return self.received_at, self.case_id

    @property
    def tells_of_an_event(self) -> bool:
        """Whether it is a report of something that happened. A step-down is a hand-over of what is known."""
        return self.kind != ContactKind.STEP_DOWN

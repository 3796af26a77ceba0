"""What a second report of one event says, as it counts for the case that the first one opened."""

from collections.abc import Iterable
from uuid import UUID

from pydantic import Field, StrictBool

from libs.schemas.base import Identifier, Instant, Line, Model
from libs.schemas.dictionary import DERIVED, REFERRER
from libs.schemas.findings import Fact
from libs.schemas.history import SameEvent
from libs.schemas.people import Linked


class Said(Model):
    """A statement, and whose it is."""

    source: Identifier
    fact: Fact


class JoinedReport(Model):
    """A report that tells of the same event. A later one of the same case replaces it."""

    case_id: UUID = Field(description="The child's case in the referral that came second.")
    reference: Line
    received_at: Instant
    counts: StrictBool = Field(description="False where a person said since that it tells of another event.")
    said: tuple[Said, ...] = Field((), max_length=2000)
    immediate_danger: StrictBool = False


def same_event(linked: Linked | None) -> frozenset[UUID]:
    """The earlier cases of which somebody, or a certain rule, said that they tell of the same event."""
    duplicates = () if linked is None else linked.history.duplicates
    return frozenset(one.case_id for one in duplicates if one.decided == SameEvent.SAME)


def statements(stated: Iterable[tuple[str, Fact]], speaks_for: str) -> tuple[Said, ...]:
    """What was said in a report, each thing once. A referrer's word is their agency's, so that it counts as its own
    worry beside the first referrer's; what follows from a form is worked out for each case by itself.
    """
    own = [
        Said(source=speaks_for if source == REFERRER else source, fact=fact)
        for source, fact in stated
        if source != DERIVED
    ]
    return tuple(one for place, one in enumerate(own) if one not in own[:place])

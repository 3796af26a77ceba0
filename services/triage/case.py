"""One child's case: its row, what is known of the child, and what follows from both."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from libs.schemas.base import Payload
from libs.schemas.evaluation import Evaluation
from libs.schemas.events import ReopenedChild, RoutedChild, ScreenedChild
from libs.schemas.findings import AgencyState
from libs.schemas.levels import Destination, Level, Rag, Stage
from services.triage.documents import EvidenceKind
from services.triage.known import Known
from services.triage.placement.places import Placement
from services.triage.policy import ChildFacts
from services.triage.standing import AgencyStanding
from services.triage.tasks.due import Due

LOW = frozenset((Destination.UNIVERSAL_ADVICE, Destination.EARLY_HELP))
"""Destinations that are never recommended before a person has read what the referrer wrote."""

PASSED_ON = frozenset((Destination.ALLOCATED_WORKER, Destination.OTHER_AUTHORITY))
"""Destinations that take whatever comes: whether what is passed on is low follows from its level."""

NEVER_LOW = frozenset((Level.SECTION_17, Level.SECTION_47))
"""Levels that no circumstances place at a low destination."""

DECISION_CLOCK = "decision"
READING_CLOCK = "reading"
HAND_OVER_CLOCK = "hand_over"
URGENCY_CLOCK = "urgency"
"""By when the urgency asks for action: the target of the rating."""

OWN_CLOCKS = frozenset((DECISION_CLOCK, READING_CLOCK, HAND_OVER_CLOCK, URGENCY_CLOCK))
"""Clocks that the case's row holds; the others are kept beside it."""

WAITED_FOR = frozenset((AgencyState.PENDING, AgencyState.NO_ANSWER, AgencyState.UNAVAILABLE))
"""States of an agency whose answer may still come."""


def warning(clock: str, due_at: datetime) -> str:
    """Says that people were warned of a clock that is due then: where it is moved, the warning counts no more."""
    return f"{clock}/{due_at.astimezone(UTC).isoformat()}"


def is_low(level: Level, destination: Destination | None) -> bool:
    """Whether a recommendation or decision is low, or could be where it has no destination yet."""
    if destination is None or destination in PASSED_ON:
        return level not in NEVER_LOW
    return destination in LOW


def tag_of(evidence: int, answers: int, evaluation: int, decision: int, signing: int) -> str:
    """A case's entity tag: its evidence, answers, evaluation and decision.

    The last part counts a signature asked for, given or denied as well.
    """
    signed = f"-{signing}" if signing else ""
    return f"{evidence}.{answers}.{evaluation}.{decision}{signed}"


@dataclass(slots=True)
class Case:
    """The row of a case. Ids, codes and times only; what was said about the child stands in its evidence."""

    id: UUID
    referral_id: UUID
    reference: str | None
    child_number: int
    received_at: datetime
    due_at: datetime
    team: str
    trace: str | None = None
    stub: bool = False
    stage: Stage = Stage.CHECKS
    level: Level = Level.UNIVERSAL
    rag: Rag = Rag.GREEN
    could_rise_to: Level = Level.UNIVERSAL
    destination: Destination | None = None
    immediate_danger: bool = False
    unread: bool = False
    read_due_at: datetime | None = None
    narrative_due_at: datetime | None = None
    rag_due_at: datetime | None = None
    act_by: datetime | None = None
    completed_at: datetime | None = None
    unrouted: bool = False
    routed_at: datetime | None = None
    reopened_at: datetime | None = None
    at_risk: bool = False
    stopped: bool = False
    withdrawn_at: datetime | None = None
    evidence: int = 0
    answers: int = 0
    evaluation: int = 0
    decision: int = 0
    signing: int = 0
    """How many steps decisions on the case took on their way to a signature."""
    proposed_at: datetime | None = None
    """Since when a decision waits for a signature."""
    hand_over_due_at: datetime | None = None
    """By when the receiving end should accept; set while it has not."""
    statutory_at: datetime | None = None
    """When a person decided that section 17 or 47 services may be needed: the contact became a referral."""
    decided_level: Level | None = None
    decided_to: Destination | None = None
    """The level and destination of the decision that stands."""
    closed_at: datetime | None = None
    restricted: bool = False
    announced_level: Level = Level.UNIVERSAL
    announced_rag: Rag = Rag.BLUE
    actions: tuple[str, ...] = ()
    locality: str | None = None
    """The locality whose panel serves the child's address."""
    labels: tuple[str, ...] = ()
    """What of the child sets the case apart in its queue."""
    awaiting: tuple[str, ...] = ()
    """Agencies that were asked and have not spoken."""
    clock_from: datetime | None = None
    """From when the decision and the target count, where that is not the receipt: the first report of the same event,
    or what reopened a case that was decided.
    """
    read_from: datetime | None = None
    narrative_from: datetime | None = None
    """From when `read_due_at` and `narrative_due_at` count."""
    pauses: tuple[str, ...] = ()
    """When the target stood still, as `clocks.pauses` writes it."""
    warned: tuple[str, ...] = ()
    """Clocks that run and will soon run out, each as `warning` writes it."""
    rules: str | None = None
    """Fingerprint of the clocks' rules and calendar by which the instants were worked out."""
    changed: bool = field(default=False, compare=False, metadata={"column": False})
    """The row is to be written."""
    warns_at: dict[str, datetime] = field(default_factory=dict, compare=False, metadata={"column": False})
    """When people are warned of each clock; follows from the row and the partnership's file, and is not kept."""

    @property
    def counts_from(self) -> datetime:
        """When the clock of the decision that is to be made, and the target, started."""
        return self.clock_from or self.received_at

    @property
    def decided(self) -> bool:
        """A person decided, and nothing learnt since puts that decision at risk."""
        return self.decision > 0 and not self.at_risk

    @property
    def low(self) -> bool:
        """What is recommended is low or, before the checks are complete, could be."""
        return is_low(self.level, self.destination)

    @property
    def withheld(self) -> bool:
        """There is no recommendation: it would be a low one, and nobody has read the referrer's words."""
        return self.unread and self.low

    @property
    def reading_due(self) -> datetime | None:
        """By when somebody must read the referrer's words; None where nobody has to, beside deciding.

        Words that no coded fact stands beside, and words that came later, are read whatever is recommended
        (`read_due_at`). A narrative with coded facts is read where what they bring is low (`narrative_due_at`).
        """
        narrative = self.narrative_due_at if self.low else None
        dues = [due for due in (self.read_due_at, narrative) if due is not None]
        return min(dues) if self.unread and dues else None

    @property
    def to_be_read(self) -> bool:
        """The referrer's words wait for a person."""
        return self.reading_due is not None

    @property
    def tag(self) -> str:
        """What a decision rests on, as the value of a strong entity tag."""
        return tag_of(self.evidence, self.answers, self.evaluation, self.decision, self.signing)

    @property
    def words(self) -> int:
        """How much was said by the referrer and read by staff: the evidence that makes a reading out of date."""
        return self.evidence - self.answers

    def standing(self) -> Stage:
        """The stage that follows from everything else on the row."""
        if self.stub or self.stopped:
            return Stage.PROCESSING_STOPPED
        if self.to_be_read and (self.withheld or self.completed_at is None or self.decided):
            return Stage.TO_BE_READ
        if self.decided:
            if self.closed_at is not None:
                return Stage.CLOSED
            return Stage.DECIDED if self.hand_over_due_at is None else Stage.HAND_OVER
        if self.proposed_at is not None:
            return Stage.SIGN_OFF
        if self.completed_at is not None or self.at_risk:
            return Stage.DECISION
        return Stage.CHECKS

    def urgent_from(self) -> datetime | None:
        """When somebody must act at the latest; None when nobody has to. The queue's order."""
        if self.stage in (Stage.DECIDED, Stage.CLOSED):
            return None
        reading = [self.reading_due] if self.reading_due is not None else []
        if self.decided:
            handing_over = [self.hand_over_due_at] if self.hand_over_due_at is not None else []
            return min([*reading, *handing_over], default=self.due_at)
        if self.immediate_danger or (self.stub and self.rag is Rag.RED):
            return self.received_at
        return min([self.due_at, *reading, *([self.rag_due_at] if self.rag_due_at is not None else [])])

    def clocks(self) -> dict[str, datetime]:
        """The clocks that must run, with the instants at which they run out."""
        clocks = {} if self.decided else {DECISION_CLOCK: self.due_at}
        if self.decided and self.hand_over_due_at is not None:
            clocks[HAND_OVER_CLOCK] = self.hand_over_due_at
        if self.reading_due is not None:
            clocks[READING_CLOCK] = self.reading_due
        if not self.decided and self.rag_due_at is not None:
            clocks[URGENCY_CLOCK] = self.rag_due_at
        return clocks

    def screened(self) -> ScreenedChild:
        """The case's part of a case-screened event."""
        return ScreenedChild(
            level=self.level,
            rag=self.rag,
            immediate_danger=self.immediate_danger,
            to_be_read=self.to_be_read,
            team=self.team,
            due_at=self.due_at,
        )

    def routed(self) -> RoutedChild:
        """The case's part of a case-routed event. Raises ValueError before the case has a destination."""
        if self.destination is None:
            raise ValueError("destination")
        return RoutedChild(
            destination=self.destination,
            level=self.level,
            rag=self.rag,
            team=self.team,
            evaluation=self.evaluation,
            due_at=self.due_at,
        )

    def reopened(self) -> ReopenedChild:
        """The case's part of a case-reopened event."""
        return ReopenedChild(level=self.level, rag=self.rag, evaluation=self.evaluation)


@dataclass(frozen=True, slots=True)
class NewEvidence:
    """A piece of evidence to be kept. Its event's id makes taking it in again harmless."""

    number: int
    event_id: UUID
    kind: EvidenceKind
    source: str
    at: datetime
    document: Payload[Any, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class NewEvaluation:
    """An evaluation to be kept, and what it rests on."""

    evaluation: Evaluation
    evidence: int
    """The number of the last piece of evidence that was known."""
    facts: ChildFacts = field(repr=False)
    states: str
    """What each agency's silence or answer meant, as `basis.write_states` writes it."""


@dataclass(frozen=True, slots=True)
class Obliged:
    """Something that must be done beside deciding."""

    kind: str
    about: UUID
    """The case or, where it was decided already, what was said anew: it is asked for once for each."""
    due: Due | None = None
    """None: as soon as the case's urgency asks."""

    @property
    def due_at(self) -> datetime | None:
        """The instant."""
        return None if self.due is None else self.due.at

    @property
    def task(self) -> UUID:
        """The id of the task that stands for it."""
        return uuid5(self.about, self.kind)


class Kin(NamedTuple):
    """What a child's file lends to the files of its brothers and sisters: not itself, for files that hold each other
    are freed by the collector alone, with all that a batch knows.
    """

    case: Case
    known: Known


@dataclass(slots=True)
class File:
    """A case with all that is known of its child, and what this unit of work adds to both."""

    case: Case
    known: Known = field(default_factory=Known)
    agencies: dict[str, AgencyStanding] = field(default_factory=dict)
    clocks: dict[str, datetime] = field(default_factory=dict)
    """The clocks that run for the case, as far as they were written."""
    family: list[Kin] = field(default_factory=list, repr=False)
    """All children of the referral, this one among them."""
    given: bool = False
    """Everything that follows is given with what is known, and nothing is worked out."""
    placement: Placement | None = None
    """Worked out with the last evaluation of this unit of work."""
    new_evidence: list[NewEvidence] = field(default_factory=list)
    new_evaluations: list[NewEvaluation] = field(default_factory=list)
    new_states: set[str] = field(default_factory=set)
    new_actions: list[Obliged] = field(default_factory=list)
    moot: set[UUID] = field(default_factory=set)
    """Tasks that nobody has to do any more."""

    @property
    def kin(self) -> Kin:
        """What this child's file lends to its family."""
        return Kin(self.case, self.known)

"""What a person sees of a case: the evidence first, then what the thresholds say of it, then clocks and tasks."""

from enum import StrEnum
from uuid import UUID

from pydantic import Field

from libs.schemas.base import Identifier, Instant, IsoDate, Line, Model, Open
from libs.schemas.decision import Decision
from libs.schemas.evaluation import Evaluation, Trigger
from libs.schemas.events import AddedInformation, WithdrawnReferral
from libs.schemas.findings import AgencyState, Answer, Correction, Fact
from libs.schemas.levels import Destination, Level, Rag, Stage
from libs.schemas.people import Candidate, Linked
from libs.schemas.plans import Worker
from libs.schemas.referral import Adult, ChildInformation, ReferralBody, ReferredChild
from services.triage.commands.record import CommandView
from services.triage.decision.proposals import ProposalView
from services.triage.documents import Reading
from services.triage.explanation import Explanation
from services.triage.findings.finding import FindingView
from services.triage.handover.record import HandoverView
from services.triage.joined.report import JoinedReport
from services.triage.panels.record import PanelOutcome
from services.triage.queue.tags import Tag
from services.triage.strategy.record import Discussion
from services.triage.tools.record import ToolView


class ReceivedView(Model):
    """What the referrer saw and wrote, the child's voice with it."""

    received_at: Instant
    agency: Identifier
    referral: ReferralBody
    child: ReferredChild | None = Field(description="Absent where the child's part was erased.")
    found_by: str | None = Field(None, description="Who named a child that the referrer did not.")


class AddedView(Model):
    """What the referrer added later."""

    at: Instant
    shared: AddedInformation
    child: ChildInformation | None = None


class AnswerView(Answer):
    """One answer as it was given, and whether it still counts."""

    counts: bool = Field(description="False where the agency has corrected it or taken it back.")


class AgencyView(Model):
    """One agency: what its silence or answer means, and what it said."""

    agency: str
    state: Open[AgencyState]
    reason: str | None = None
    words: str = Field(description="What that means. Each kind of nothing is said differently.")
    asked_at: Instant | None = None
    due_at: Instant | None = None
    answered_at: Instant | None = None
    late: bool
    as_of: IsoDate | None = Field(None, description="The day that its data was last current.")
    days_old: int | None = Field(None, description="How old its data is now.")
    coverage_from: IsoDate | None = None
    coverage_to: IsoDate | None = None
    items: tuple[Identifier, ...] = Field((), description="What it was asked for.")
    held_back: dict[Identifier, str] = Field(
        default_factory=dict, description="What it was not asked for, each with the reason."
    )
    reused_from: Instant | None = Field(
        None, description="When it was given, where an answer to an earlier question was recent enough."
    )
    worker: Worker | None = Field(None, description="Whose case the child is there.")
    answers: tuple[AnswerView, ...] = ()
    corrections: tuple[Correction, ...] = ()


class CandidateView(Candidate):
    """Somebody of the index who may be the child, field by field, with the score explained."""

    words: str


class IndexView(Linked):
    """Who the child is, as far as is known; what came before; who lives in the household."""

    candidates: tuple[CandidateView, ...] = ()


class HomeView(Model):
    """A statement about the home that was made with a brother or sister."""

    source: Identifier
    fact: Fact


class SiblingView(Model):
    """Another child of the same referral."""

    case_id: UUID
    child_number: int
    stage: Stage


class EvidenceView(Model):
    """Everything that was said."""

    received: ReceivedView | None = Field(
        description="Absent where the referral was erased or cannot be shown."
    )
    added: tuple[AddedView, ...] = ()
    withdrawn: tuple[WithdrawnReferral, ...] = ()
    agencies: tuple[AgencyView, ...] = ()
    joined: tuple[JoinedReport, ...] = Field(
        (), description="Other reports of the same event, which count here."
    )
    readings: tuple[Reading, ...] = ()
    findings: tuple[FindingView, ...] = Field(
        (), description="What staff were told, saw or read, with what was corrected or taken back."
    )
    index: IndexView | None = Field(None, description="Absent while the index has said nothing yet.")
    home: tuple[HomeView, ...] = Field((), description="What counts for the child because it is of its home.")
    worked_out: tuple[Fact, ...] = Field(
        (), description="What follows beyond the form: history, plans, siblings, adults."
    )
    corrected: tuple[ReferredChild, ...] = Field((), description="The child as staff corrected it.")
    adults: tuple[Adult, ...] = Field((), description="Adults whom staff added or corrected.")
    siblings: tuple[SiblingView, ...] = ()
    erased: int = Field(0, description="How many pieces of evidence were erased.")
    unreadable: int = Field(0, description="How many pieces are kept but not of a form that can be shown.")


class Recommendation(Model):
    """What follows from level and placement. A person decides."""

    level: Level
    destination: Destination = Field(description="The one that owns the case.")
    listed: tuple[Destination, ...] = Field((), description="Who lists the case beside its owner.")
    because: str = Field("", description="Why placement sends it there.")
    panel: Identifier | None = Field(
        None, description="The locality whose panel it is, by the last postcode that was given."
    )
    rag: Rag
    next_steps: tuple[str, ...] = ()
    final: bool = Field(description="Whether the checks are complete; until then it may rise.")


class EvaluationView(Model):
    """One of the case's evaluations, without its explanation."""

    number: int
    at: Instant
    trigger: Open[Trigger]
    level: Level
    rag: Rag
    could_rise_to: Level


class AtRisk(Model):
    """What changed since the decision that a person is asked to look at again."""

    decision: int
    reopened_at: Instant | None
    level_then: Level
    level_now: Level
    rag_then: Rag
    rag_now: Rag
    evaluations_since: tuple[int, ...]


class ClockView(Model):
    """A clock of the case."""

    clock: str
    due_at: Instant
    overdue: bool


class TaskOutcome(StrEnum):
    """What became of a task."""

    DONE = "done"
    NOT_NEEDED = "not_needed"


class TaskView(Model):
    """Something that a person must do."""

    id: UUID
    case_id: UUID | None = None
    referral_id: UUID
    reference: str | None = Field(
        None, description="Of the case; absent where the task is the whole referral's, or it is not read yet."
    )
    child_number: int | None = Field(None, description="Of the case; absent likewise.")
    kind: str
    label: str = Field("", description="What is to be done, as the partnership's files say it.")
    what: str | None = Field(None, description="What is to be done, as whoever set the task wrote it.")
    reason: str | None = None
    team: str | None = Field(None, description="Whose work it is while nobody owns it.")
    owner: Line | None = Field(
        None, description="Subject of the owner's token: whoever took it, or else whose case it is."
    )
    raised_at: Instant
    raised_by: Line | None = Field(None, description="Who set it by hand; absent where it follows by itself.")
    due_at: Instant
    overdue: bool = False
    done_at: Instant | None = None
    done_by: Line | None = None
    outcome: TaskOutcome | None = None
    note: str | None = None


class StopView(Model):
    """A service that cannot go on with this referral until somebody looks at the parked message."""

    consumer: str
    event_id: UUID
    event_type: str
    reason: str
    at: Instant


class BlockedView(Model):
    """A message of this referral that could not be taken in, as it came: a person carries on by hand with it."""

    event_id: UUID
    event_type: str
    state: str = Field(
        description="`failed`, `waiting` behind such a one, `discarded`, or `held` until its referral comes."
    )
    reason: str | None = None
    at: Instant
    text: str | None = Field(description="All of it, whatever its form. Absent where it was erased.")


class EvaluationShown(Model):
    """One of the case's evaluations, and why it came out so."""

    evaluation: Evaluation
    explanation: Explanation


class CaseView(Model):
    """One child's case."""

    case_id: UUID
    referral_id: UUID
    reference: str | None
    child_number: int
    stage: Stage
    team: str
    tags: tuple[Tag, ...]
    untellable: str | None = Field(None, description="Why the referrer cannot be told, which is no failure.")
    evidence: EvidenceView
    recommendation: Recommendation | None = Field(
        None, description="Absent while a person must first read the referrer's words."
    )
    evaluation: Evaluation | None = Field(None, description="The last one, with its explanation as shown.")
    explanation: Explanation | None = Field(None, description="Why it came out so, rule by rule, in English.")
    evaluations: tuple[EvaluationView, ...] = ()
    decisions: tuple[Decision, ...] = ()
    proposal: ProposalView | None = Field(
        None, description="The decision that waits for a signature, or was returned without it."
    )
    handovers: tuple[HandoverView, ...] = Field((), description="The last one is the one that counts.")
    discussions: tuple[Discussion, ...] = Field(
        (), description="Strategy discussions on record; the last one counts."
    )
    tools: tuple[ToolView, ...] = Field((), description="Tools that were used about the child.")
    panels: tuple[PanelOutcome, ...] = Field((), description="What panels came to about the child.")
    at_risk: AtRisk | None = None
    clocks: tuple[ClockView, ...] = ()
    tasks: tuple[TaskView, ...] = ()
    stops: tuple[StopView, ...] = ()
    blocked: tuple[BlockedView, ...] = ()
    commands: tuple[CommandView, ...] = Field((), description="What staff ordered, and what became of it.")

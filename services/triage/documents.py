"""What triage keeps about a child, as it passes the codec: one document for each thing that was said or done.

Each document is about one child, so that erasing the child erases it. Evidence is only ever added.
"""

from enum import StrEnum
from typing import Any

from pydantic import Field

from libs.schemas.base import Identifier, Instant, Line, Model, Nothing, Open, Payload, Text
from libs.schemas.codes import AgreementAnswer, ChildStatus
from libs.schemas.decision import Decision, Proposal
from libs.schemas.dictionary import REFERRER
from libs.schemas.evaluation import Evaluation
from libs.schemas.events import (
    CheckCorrected,
    CheckReturned,
    InformationAdded,
    PeopleCorrected,
    PersonLinked,
    Withdrawn,
)
from libs.schemas.findings import Fact
from libs.schemas.person import Date
from libs.schemas.referral import ReferredChild
from services.triage.findings.finding import Finding, FindingChange
from services.triage.joined.report import JoinedReport


class EvidenceKind(StrEnum):
    """What a piece of evidence is."""

    RECEIVED = "received"
    ANSWER = "answer"
    INFORMATION = "information"
    WITHDRAWAL = "withdrawal"
    READING = "reading"
    CORRECTION = "correction"
    LINKED = "linked"
    PEOPLE = "people"
    WORKED_OUT = "worked_out"
    FINDING = "finding"
    FINDING_CHANGED = "finding_changed"
    JOINED = "joined"


WORDS = frozenset(
    (EvidenceKind.RECEIVED, EvidenceKind.INFORMATION, EvidenceKind.WITHDRAWAL, EvidenceKind.READING)
)
"""What the referrer said and staff read. Everything else comes at any moment, and makes no reading out of date."""


class StatedChild(Model):
    """What the thresholds need of a referral for one child; the whole referral is kept beside it."""

    facts: tuple[Fact, ...] = ()
    shared: tuple[Fact, ...] = Field((), description="Stated with another child, and true of their home.")
    derived: tuple[Fact, ...] = Field((), description="Worked out from the form: age, unborn, help given.")
    household: Line | None = Field(None, description="The label of the home where the child lives.")
    status: Open[ChildStatus] = ChildStatus.BORN
    born: Date | None = None
    source: Identifier = Field(REFERRER, description="Who named the child and states `facts`.")
    found: ReferredChild | None = Field(
        None, description="A child whom the referrer did not name, as whoever did named it."
    )
    speaks_for: Identifier = Field(REFERRER, description="The agency whose worry the referrer's is.")
    immediate_danger: bool = False
    early_help: Open[AgreementAnswer] | None = Field(
        None, description="The family's agreement to early help."
    )
    panel: Open[AgreementAnswer] | None = Field(None, description="The family's agreement to a panel.")
    closing_plan: bool = False


class Stated(Payload[Nothing, StatedChild]):
    """Evidence of kind `received`."""


class SaidOfHome(Model):
    """A statement that counts for a child because it is about the home and was made with a brother or sister."""

    source: Identifier
    fact: Fact


class WorkedOutChild(Model):
    """What follows for a child from everything that is known of it and of its home. A later one replaces it."""

    home: tuple[SaidOfHome, ...] = ()
    derived: tuple[Fact, ...] = Field((), description="Beyond what follows from the form alone.")


class WorkedOut(Payload[Nothing, WorkedOutChild]):
    """Evidence of kind `worked_out`: kept whenever it changes, so that an evaluation can be derived anew."""


class Reading(Model):
    """What a person found in the referrer's words."""

    facts: tuple[Fact, ...] = ()
    immediate_danger: bool = False
    note: Text | None = None
    read_by: Line
    read_at: Instant


class RecordedReading(Payload[Nothing, Reading]):
    """Evidence of kind `reading`."""


class RecordedFinding(Payload[Nothing, Finding]):
    """Evidence of kind `finding`: what a member of staff was told, saw or read."""


class RecordedFindingChange(Payload[Nothing, FindingChange]):
    """Evidence of kind `finding_changed`: what a member of staff added is corrected or taken back."""


class RecordedJoined(Payload[Nothing, JoinedReport]):
    """Evidence of kind `joined`: what another report of the same event says."""


class RecordedEvaluation(Payload[Nothing, Evaluation]):
    """An evaluation as it was shown."""


class RecordedDecision(Payload[Nothing, Decision]):
    """A decision as it was made."""


class RecordedProposal(Payload[Nothing, Proposal]):
    """A decision that waits for a signature, as it was proposed."""


class Signing(Model):
    """What whoever was asked for a signature wrote."""

    note: Text | None = None


class RecordedSigning(Payload[Nothing, Signing]):
    """A signature that was given or denied."""


class TaskNote(Model):
    """What was done about a task."""

    note: Text
    done_by: Line


class RecordedNote(Payload[TaskNote, Nothing]):
    """The note with which a task was done."""


class TaskRequest(Model):
    """A task as a person set it. `fingerprint` is of the request, so that the same sent again is known."""

    what: Text
    fingerprint: str


class RecordedRequest(Payload[Nothing, TaskRequest]):
    """A task that was set by hand."""


EVIDENCE: dict[EvidenceKind, type[Payload[Any, Any]]] = {
    EvidenceKind.RECEIVED: Stated,
    EvidenceKind.ANSWER: CheckReturned,
    EvidenceKind.INFORMATION: InformationAdded,
    EvidenceKind.WITHDRAWAL: Withdrawn,
    EvidenceKind.READING: RecordedReading,
    EvidenceKind.CORRECTION: CheckCorrected,
    EvidenceKind.LINKED: PersonLinked,
    EvidenceKind.PEOPLE: PeopleCorrected,
    EvidenceKind.WORKED_OUT: WorkedOut,
    EvidenceKind.FINDING: RecordedFinding,
    EvidenceKind.FINDING_CHANGED: RecordedFindingChange,
    EvidenceKind.JOINED: RecordedJoined,
}
"""The payload that each kind of evidence is stored as."""

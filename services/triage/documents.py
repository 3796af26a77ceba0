"""What triage keeps about a child, as it passes the codec: one document for each thing that was said or done.

Each document is about one child, so that erasing the child erases it. Evidence is only ever added.
"""

from enum import StrEnum
from typing import Any

from pydantic import Field

from libs.schemas.base import Identifier, Instant, Line, Model, Nothing, Open, Payload, Text
from libs.schemas.codes import AgreementAnswer
from libs.schemas.decision import Decision
from libs.schemas.dictionary import REFERRER
from libs.schemas.evaluation import Evaluation
from libs.schemas.events import CheckReturned, InformationAdded, Withdrawn
from libs.schemas.findings import Fact


class EvidenceKind(StrEnum):
    """What a piece of evidence is."""

    RECEIVED = "received"
    ANSWER = "answer"
    INFORMATION = "information"
    WITHDRAWAL = "withdrawal"
    READING = "reading"


class StatedChild(Model):
    """What the thresholds need of a referral for one child; the whole referral is kept beside it."""

    facts: tuple[Fact, ...] = ()
    shared: tuple[Fact, ...] = Field((), description="Stated with another child, and true of their home.")
    derived: tuple[Fact, ...] = Field((), description="Worked out from the form: age, unborn, help given.")
    household: Line | None = Field(None, description="The label of the home where the child lives.")
    speaks_for: Identifier = Field(REFERRER, description="The agency whose worry the referrer's is.")
    immediate_danger: bool = False
    early_help: Open[AgreementAnswer] | None = Field(
        None, description="The family's agreement to early help."
    )
    panel: Open[AgreementAnswer] | None = Field(None, description="The family's agreement to a panel.")
    closing_plan: bool = False


class Stated(Payload[Nothing, StatedChild]):
    """Evidence of kind `received`."""


class Reading(Model):
    """What a person found in the referrer's words."""

    facts: tuple[Fact, ...] = ()
    immediate_danger: bool = False
    note: Text | None = None
    read_by: Line
    read_at: Instant


class RecordedReading(Payload[Nothing, Reading]):
    """Evidence of kind `reading`."""


class RecordedEvaluation(Payload[Nothing, Evaluation]):
    """An evaluation as it was shown."""


class RecordedDecision(Payload[Nothing, Decision]):
    """A decision as it was made."""


class TaskNote(Model):
    """What was done about a task."""

    note: Text
    done_by: Line


class RecordedNote(Payload[TaskNote, Nothing]):
    """The note with which a task was done."""


EVIDENCE: dict[EvidenceKind, type[Payload[Any, Any]]] = {
    EvidenceKind.RECEIVED: Stated,
    EvidenceKind.ANSWER: CheckReturned,
    EvidenceKind.INFORMATION: InformationAdded,
    EvidenceKind.WITHDRAWAL: Withdrawn,
    EvidenceKind.READING: RecordedReading,
}
"""The payload that each kind of evidence is stored as."""

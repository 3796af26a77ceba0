"""The events that carry a referral through the services, and the registry of their types.

CloudEvents 1.0 in binary mode: the record's value is the payload, the attributes are headers, the key is the
referral's opaque id. A breaking change is a new version beside the old one, never a change in place.
"""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import Field

from libs.schemas.alerts import AlertAcknowledged, AlertCalled, AlertDelivered, AlertFailed
from libs.schemas.base import CodeList, Identifier, Instant, Line, Model, Nothing, Open, Payload, Text
from libs.schemas.challenge import Challenged, ChallengedChild
from libs.schemas.commands import CheckOrder, PersonDecision
from libs.schemas.findings import AgencyState, Answer, Correction
from libs.schemas.levels import Destination, Level, Rag
from libs.schemas.notice import NoticeChannel, NoticeKind
from libs.schemas.outcomes import (
    OverdueCase,
    PanelOutcomeOfChild,
    RecordedDiscussionOfChild,
    RestrictedChild,
    ToolUsedOnChild,
)
from libs.schemas.people import Linked
from libs.schemas.referral import Adult, Agreements, ChildInformation, ReferralBody, ReferredChild


class Service(CodeList):
    """The four services. Each owns one topic and one database schema of its name."""

    INTAKE = "intake"
    ENRICHMENT = "enrichment"
    TRIAGE = "triage"
    NOTIFY = "notify"


TOPICS = {
    Service.INTAKE: "mash.referral.v1",
    Service.ENRICHMENT: "mash.checks.v1",
    Service.TRIAGE: "mash.triage.v1",
    Service.NOTIFY: "mash.notice.v1",
}
PARTITIONS = 12
RETENTION_DAYS = 7
MAX_EVENT_BYTES = 4 * 1024 * 1024
"""What a topic must take (`max.message.bytes`): a request's body has up to 1 MiB, and grows when every field of the
payload is written out.
"""


class ReceivedReferral(Model):
    """What intake knows of a referral beside what the referrer wrote of each child."""

    reference: str
    received_at: Instant
    agency: Identifier
    referral: ReferralBody


class Received(Payload[ReceivedReferral, ReferredChild]):
    """A referral was accepted."""


class AddedInformation(Model):
    """Further information from the agency that referred."""

    reference: str
    received_at: Instant
    agency: Identifier
    worry: Text | None = None
    immediate_danger: bool = False
    danger_reason: Text | None = None
    agreements: Agreements | None = None


class InformationAdded(Payload[AddedInformation, ChildInformation]):
    """More became known about a referral. A child without a part has nothing of its own added."""


class WithdrawnReferral(Model):
    """Who withdrew and why. It closes, lowers and pauses nothing."""

    reference: str
    received_at: Instant
    agency: Identifier
    by: Line
    reason: Text


class Withdrawn(Payload[WithdrawnReferral, Nothing]):
    """The referrer withdrew a referral."""


class Reference(Model):
    """The part of an event that only names its referral and the moment."""

    reference: str
    at: Instant


class ScreenedChild(Model):
    """First level and urgency of one child's case."""

    level: Level
    rag: Rag
    immediate_danger: bool
    to_be_read: bool = Field(description="The referrer's words wait for a person to read them.")
    team: Identifier
    due_at: Instant = Field(description="When the decision is due.")


class CaseScreened(Payload[Reference, ScreenedChild]):
    """Triage has seen the children named here; sent again when level or urgency rises, and when danger is told anew."""


class CheckReturned(Payload[Reference, Answer]):
    """One agency's answer about the children named here."""


class CompletedChecks(Model):
    """What each agency's silence or answer was at the deadline, or when all had answered."""

    states: dict[Identifier, Open[AgencyState]]
    due_at: Instant


class ChecksCompleted(Payload[Reference, CompletedChecks]):
    """Checks for the children named here are complete, or their time is up."""


class PersonLinked(Payload[Reference, Linked]):
    """Who the children named here are, and what the partnership's index knows of them."""


class FoundBy(Model):
    """How children came to be known who are not in the referral as it was sent."""

    reference: str
    at: Instant
    sources: tuple[Identifier, ...] = Field(description="Agencies that named them, `index`, or `staff`.")


class ChildrenFound(Payload[FoundBy, ReferredChild]):
    """Children of the home, or otherwise in contact, who get a case in this referral, on its clock."""


class CheckCorrected(Payload[Reference, Correction]):
    """An agency corrects or takes back what it answered about the children named here."""


class RoutedChild(Model):
    """Where a case now waits for a person's decision."""

    destination: Open[Destination]
    level: Level
    rag: Rag
    team: Identifier
    evaluation: int
    due_at: Instant


class CaseRouted(Payload[Reference, RoutedChild]):
    """Cases stand in a decision queue."""


class DecidedChild(Model):
    """What a named person decided for one child. The rationale stays in the case."""

    level: Level
    destination: Open[Destination]
    departs: bool = Field(description="The decision differs from the recommendation.")
    decision: int = Field(ge=1, description="1 for the first decision on this case.")
    may_tell_referrer: bool = True


class CaseDecided(Payload[Reference, DecidedChild]):
    """A named person decided."""


class HandedOverChild(Model):
    """What the receiving end said to a child that was handed over to it."""

    destination: Open[Destination]
    decision: int = Field(ge=1)
    accepted: bool = Field(description="False where it was refused, and the child is the hub's again.")


class CaseHandedOver(Payload[Reference, HandedOverChild]):
    """The receiving end accepted or refused the children named here."""


class ClosedChild(Model):
    """How a child's case stood when its referral was closed."""

    level: Level
    destination: Open[Destination]
    decision: int = Field(ge=1)


class ReferralClosed(Payload[Reference, ClosedChild]):
    """Every child has a decision, every hand-over is accepted, every obliged action done or explained."""


class ReopenedChild(Model):
    """Why a case asks for a new decision."""

    level: Level
    rag: Rag
    evaluation: int


class CaseReopened(Payload[Reference, ReopenedChild]):
    """A late fact raised the outcome of a routed or decided case; a person is asked to look again."""


class ChallengeMoved(Payload[Reference, ChallengedChild]):
    """A challenge was taken in, went up a stage, or was settled."""


class CaseOverdue(Payload[Reference, OverdueCase]):
    """A case's clock ran out."""


class CaseRestricted(Payload[Reference, RestrictedChild]):
    """The cases named here are hidden from now on, or shown again. Why stays in the case. The referral's own id stands
    for all its children where nobody can make them out, until a child is named.
    """


class StrategyDiscussionRecorded(Payload[Reference, RecordedDiscussionOfChild]):
    """A strategy discussion about the children named here is on record."""


class ToolRecorded(Payload[Reference, ToolUsedOnChild]):
    """The use of a tool about the children named here is on record."""


class PanelConcluded(Payload[Reference, PanelOutcomeOfChild]):
    """A panel's outcome about the children named here is on record."""


class PersonDecided(Payload[Reference, PersonDecision]):
    """A person decided who the children named here are, or what their reports tell of."""


class CheckOrdered(Payload[Reference, CheckOrder]):
    """A person orders that an agency is asked, chased, or not chased any more."""


class CorrectedPeople(Model):
    """What a person added or corrected about the adults. It is added to what is known, never put in its place."""

    reference: str
    at: Instant
    by: Line
    reason: Text
    adults: tuple[Adult, ...] = Field((), max_length=40)


class PeopleCorrected(Payload[CorrectedPeople, ReferredChild]):
    """A person added or corrected children and adults. A child that the referral does not have yet is added to it."""


DISCARDED = "discarded"
"""Reason of a stop whose message a person gave up: this consumer will never do its work for the referral."""


class Stopped(Model):
    """A consumer cannot go on with this referral until a person looks."""

    consumer: str
    event_id: UUID
    event_type: str
    reason: str = Field(description="A code, never a message: it may be shown and logged.")
    at: Instant


class ProcessingStopped(Payload[Stopped, Nothing]):
    """A service parked a message of this referral; its later messages wait behind it."""


class Resumed(Model):
    """A consumer goes on with this referral."""

    consumer: str
    at: Instant


class ProcessingResumed(Payload[Resumed, Nothing]):
    """Nothing of this referral is parked at this consumer any more."""


class NoticeResult(Model):
    """What became of a notice to the referrer."""

    reference: str
    notice_id: UUID
    kind: Open[NoticeKind]
    channel: Open[NoticeChannel]
    at: Instant
    reason: str | None = Field(None, description="A code for why it failed.")


class NoticeDelivered(Payload[NoticeResult, Nothing]):
    """A notice reached the referrer."""


class NoticeFailed(Payload[NoticeResult, Nothing]):
    """A notice did not reach the referrer; a person must."""


class UntellableReferrer(Model):
    """Why no notice is sent, which is no failure."""

    reference: str
    reason: str
    at: Instant
    step: UUID | None = Field(None, description="The step of a challenge that is not told, if it is one.")


class ReferrerUntellable(Payload[UntellableReferrer, Nothing]):
    """The referrer cannot be told safely or at all; the record says why."""


P = TypeVar("P", bound=Payload[Any, Any])


@dataclass(frozen=True, slots=True)
class EventType(Generic[P]):
    """One version of one kind of event."""

    name: str
    producer: Service
    payload: type[P]
    readers: frozenset[Service]
    """Whose consumers take it in; none where it is announced for whoever comes later."""

    @property
    def topic(self) -> str:
        """The topic of the service that produces it."""
        return TOPICS[self.producer]


def _type(name: str, producer: Service, payload: type[P], *readers: Service) -> EventType[P]:
    return EventType(f"uk.mash.{name}.v1", producer, payload, frozenset(readers))


_I, _E, _T, _N = Service.INTAKE, Service.ENRICHMENT, Service.TRIAGE, Service.NOTIFY

RECEIVED = _type("referral.received", _I, Received, _T, _E, _N)
INFORMATION_ADDED = _type("referral.information-added", _I, InformationAdded, _T, _E)
WITHDRAWN = _type("referral.withdrawn", _I, Withdrawn, _T, _E)
CHALLENGED = _type("referral.challenged", _I, Challenged, _T)
INTAKE_STOPPED = _type("referral.processing-stopped", _I, ProcessingStopped, _T)
INTAKE_RESUMED = _type("referral.processing-resumed", _I, ProcessingResumed, _T)

CHECK_RETURNED = _type("checks.check-returned", _E, CheckReturned, _T, _I)
CHECKS_COMPLETED = _type("checks.completed", _E, ChecksCompleted, _T, _I)
PERSON_LINKED = _type("checks.person-linked", _E, PersonLinked, _T)
CHILDREN_FOUND = _type("checks.children-found", _E, ChildrenFound, _T)
CHECK_CORRECTED = _type("checks.check-corrected", _E, CheckCorrected, _T)
ENRICHMENT_STOPPED = _type("checks.processing-stopped", _E, ProcessingStopped, _T)
ENRICHMENT_RESUMED = _type("checks.processing-resumed", _E, ProcessingResumed, _T)

CASE_SCREENED = _type("triage.case-screened", _T, CaseScreened, _E, _N, _I)
CASE_ROUTED = _type("triage.case-routed", _T, CaseRouted, _I)
CASE_DECIDED = _type("triage.case-decided", _T, CaseDecided, _E, _N, _I)
CASE_REOPENED = _type("triage.case-reopened", _T, CaseReopened)
CHALLENGE_MOVED = _type("triage.challenge-moved", _T, ChallengeMoved, _N, _I)
CASE_HANDED_OVER = _type("triage.case-handed-over", _T, CaseHandedOver)
REFERRAL_CLOSED = _type("triage.referral-closed", _T, ReferralClosed)
CASE_OVERDUE = _type("triage.case-overdue", _T, CaseOverdue)
DISCUSSION_RECORDED = _type("triage.strategy-discussion-recorded", _T, StrategyDiscussionRecorded)
TOOL_RECORDED = _type("triage.tool-recorded", _T, ToolRecorded)
PANEL_CONCLUDED = _type("triage.panel-concluded", _T, PanelConcluded)
CASE_RESTRICTED = _type("triage.case-restricted", _T, CaseRestricted, _E, _N, _I)
ALERT_CALLED = _type("triage.alert-called", _T, AlertCalled, _N)
ALERT_ACKNOWLEDGED = _type("triage.alert-acknowledged", _T, AlertAcknowledged, _N)
PERSON_DECIDED = _type("triage.person-decided", _T, PersonDecided, _E)
CHECK_ORDERED = _type("triage.check-ordered", _T, CheckOrdered, _E)
PEOPLE_CORRECTED = _type("triage.people-corrected", _T, PeopleCorrected, _E, _I)

NOTICE_DELIVERED = _type("notice.delivered", _N, NoticeDelivered, _I)
NOTICE_FAILED = _type("notice.failed", _N, NoticeFailed, _T, _I)
ALERT_DELIVERED = _type("notice.alert-delivered", _N, AlertDelivered, _T)
ALERT_FAILED = _type("notice.alert-failed", _N, AlertFailed, _T)
REFERRER_UNTELLABLE = _type("notice.referrer-untellable", _N, ReferrerUntellable, _T, _I)
NOTIFY_STOPPED = _type("notice.processing-stopped", _N, ProcessingStopped, _T)
NOTIFY_RESUMED = _type("notice.processing-resumed", _N, ProcessingResumed, _T)

EVENT_TYPES: tuple[EventType[Any], ...] = tuple(
    one for one in [*globals().values()] if isinstance(one, EventType)
)
"""Every version of every event that was ever released."""

BY_NAME = {event_type.name: event_type for event_type in EVENT_TYPES}

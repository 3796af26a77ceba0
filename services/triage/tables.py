"""Triage's own tables; those of the event log are the messaging library's.

Columns hold ids, codes and times only: everything that was said about a child is in documents, through the codec.
Evidence, evaluations, decisions and reads are only ever added.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import UserDefinedType
from sqlmodel import Field, SQLModel

from libs.platform.access_schema import access_table
from services.triage.alerts.tables import alert_tables
from services.triage.challenges.tables import challenge_tables
from services.triage.claims.tables import claim_tables
from services.triage.clocks.tables import clock_tables
from services.triage.colleagues.tables import colleague_tables
from services.triage.console.tables import console_tables
from services.triage.handover.tables import handover_tables
from services.triage.joined.tables import joined_tables
from services.triage.panels.tables import panel_tables
from services.triage.queue.selection import AWAITS, CAN_WAIT, IN_QUEUE, SET_APART
from services.triage.restricted.tables import restricted_tables
from services.triage.search.tables import search_tables
from services.triage.strategy.tables import strategy_tables
from services.triage.tools.tables import tool_tables

metadata = MetaData()


class _TransactionId(UserDefinedType[int]):
    """PostgreSQL's `xid8`, which SQLAlchemy has no type for."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """The type's name."""
        return "xid8"


class _Table(SQLModel):
    metadata = metadata


def _instant(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


def _code(*, nullable: bool = False) -> Column[str]:
    return Column(Text, nullable=nullable)


def _number() -> Column[int]:
    return Column(Integer, nullable=False)


def _queue_index(name: str, *columns: str, where: str = IN_QUEUE) -> Index:
    """What is behind these columns in the order of the queue, of the cases that stand in it."""
    return Index(name, *columns, text(CAN_WAIT), "act_by", "id", postgresql_where=text(where))


class ReferralRow(_Table, table=True):
    """A referral as it was received, for whoever reads the case."""

    __tablename__ = "referral"

    id: UUID = Field(primary_key=True)
    reference: str = Field(sa_column=Column(Text, nullable=False, unique=True))
    agency: str = Field(sa_column=_code())
    received_at: datetime = Field(sa_column=_instant())
    untellable: str | None = Field(sa_column=_code(nullable=True))
    document: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class ChildCaseRow(_Table, table=True):
    """One child's case. `act_by` is set while it stands in a queue and orders it, immediate danger before all."""

    __tablename__ = "child_case"
    __table_args__ = (
        Index("child_case_of_referral", "referral_id"),
        Index("child_case_of_reference", "reference"),
        _queue_index("child_case_queue"),
        *(_queue_index(f"child_case_queue_{name}", name) for name in ("team", "stage", "rag", "destination")),
        _queue_index("child_case_queue_locality", "locality"),
        _queue_index("child_case_queue_set_apart", where=f"{IN_QUEUE} AND {SET_APART}"),
        _queue_index("child_case_queue_restricted", where=f"{IN_QUEUE} AND restricted"),
        Index(
            "child_case_counts",
            *("team", "stage", "rag", "act_by"),
            postgresql_include=["restricted"],
            postgresql_where=text(IN_QUEUE),
        ),
        Index("child_case_labels", "labels", postgresql_using="gin", postgresql_where=text(IN_QUEUE)),
        _queue_index("child_case_queue_awaiting", where=f"{IN_QUEUE} AND {AWAITS}"),
        Index(
            "child_case_unfinished",
            "received_at",
            postgresql_where=text("completed_at IS NULL AND NOT stub AND decision = 0"),
        ),
        Index(
            "child_case_open",
            "referral_id",
            postgresql_where=text("decision > 0 AND closed_at IS NULL"),
        ),
    )

    id: UUID = Field(primary_key=True)
    referral_id: UUID
    reference: str | None = Field(sa_column=_code(nullable=True))
    child_number: int = Field(sa_column=Column(SmallInteger, nullable=False))
    received_at: datetime = Field(sa_column=_instant())
    due_at: datetime = Field(sa_column=_instant())
    team: str = Field(sa_column=_code())
    trace: str | None = Field(sa_column=_code(nullable=True))
    stub: bool = Field(sa_column=Column(Boolean, nullable=False))
    stage: str = Field(sa_column=_code())
    level: str = Field(sa_column=_code())
    rag: str = Field(sa_column=_code())
    could_rise_to: str = Field(sa_column=_code())
    destination: str | None = Field(sa_column=_code(nullable=True))
    immediate_danger: bool
    unread: bool
    read_due_at: datetime | None = Field(sa_column=_instant(nullable=True))
    narrative_due_at: datetime | None = Field(sa_column=_instant(nullable=True))
    rag_due_at: datetime | None = Field(sa_column=_instant(nullable=True))
    act_by: datetime | None = Field(sa_column=_instant(nullable=True))
    completed_at: datetime | None = Field(sa_column=_instant(nullable=True))
    unrouted: bool
    routed_at: datetime | None = Field(sa_column=_instant(nullable=True))
    reopened_at: datetime | None = Field(sa_column=_instant(nullable=True))
    at_risk: bool
    stopped: bool
    withdrawn_at: datetime | None = Field(sa_column=_instant(nullable=True))
    evidence: int = Field(sa_column=_number())
    answers: int = Field(sa_column=_number())
    evaluation: int = Field(sa_column=_number())
    decision: int = Field(sa_column=_number())
    signing: int = Field(sa_column=Column(Integer, nullable=False, server_default="0"))
    proposed_at: datetime | None = Field(sa_column=_instant(nullable=True))
    hand_over_due_at: datetime | None = Field(sa_column=_instant(nullable=True))
    statutory_at: datetime | None = Field(sa_column=_instant(nullable=True))
    decided_level: str | None = Field(sa_column=_code(nullable=True))
    decided_to: str | None = Field(sa_column=_code(nullable=True))
    closed_at: datetime | None = Field(sa_column=_instant(nullable=True))
    restricted: bool = Field(sa_column=Column(Boolean, nullable=False, server_default=text("false")))
    announced_level: str = Field(sa_column=_code())
    announced_rag: str = Field(sa_column=_code())
    actions: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    locality: str | None = Field(sa_column=_code(nullable=True))
    labels: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False, server_default="{}"))
    awaiting: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False, server_default="{}"))
    clock_from: datetime | None = Field(sa_column=_instant(nullable=True))
    read_from: datetime | None = Field(sa_column=_instant(nullable=True))
    narrative_from: datetime | None = Field(sa_column=_instant(nullable=True))
    pauses: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False, server_default="{}"))
    warned: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False, server_default="{}"))
    rules: str | None = Field(sa_column=_code(nullable=True))


class EvidenceRow(_Table, table=True):
    """One thing that was said about a child, as it was said."""

    __tablename__ = "evidence"
    __table_args__ = (UniqueConstraint("case_id", "event_id", name="evidence_once"),)

    case_id: UUID = Field(primary_key=True)
    number: int = Field(sa_column=Column(Integer, primary_key=True))
    event_id: UUID
    kind: str = Field(sa_column=_code())
    source: str = Field(sa_column=_code())
    at: datetime = Field(sa_column=_instant())
    document: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class AgencyStateRow(_Table, table=True):
    """What one agency's silence or answer about a child means now."""

    __tablename__ = "agency_state"

    case_id: UUID = Field(primary_key=True)
    agency: str = Field(sa_column=Column(Text, primary_key=True))
    state: str = Field(sa_column=_code())
    reason: str | None = Field(sa_column=_code(nullable=True))
    asked_at: datetime | None = Field(sa_column=_instant(nullable=True))
    due_at: datetime | None = Field(sa_column=_instant(nullable=True))
    answered_at: datetime | None = Field(sa_column=_instant(nullable=True))
    late: bool


class EvaluationRow(_Table, table=True):
    """An evaluation as it was shown; exactly one for each event that brought something."""

    __tablename__ = "evaluation"
    __table_args__ = (UniqueConstraint("case_id", "event_id", name="evaluation_once"),)

    case_id: UUID = Field(primary_key=True)
    number: int = Field(sa_column=Column(Integer, primary_key=True))
    event_id: UUID
    at: datetime = Field(sa_column=_instant())
    trigger: str = Field(sa_column=_code())
    policy: str = Field(sa_column=_code())
    level: str = Field(sa_column=_code())
    rag: str = Field(sa_column=_code())
    could_rise_to: str = Field(sa_column=_code())
    document: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    evidence: int | None = Field(default=None)
    states: str | None = Field(default=None, sa_column=_code(nullable=True))


class PolicyRow(_Table, table=True):
    """A version of the policy, for as long as anything was evaluated by it. It holds nothing about anybody."""

    __tablename__ = "policy"

    fingerprint: str = Field(sa_column=Column(Text, primary_key=True))
    id: str = Field(sa_column=_code())
    version: str = Field(sa_column=_code())
    texts: str = Field(sa_column=_code())
    registered_at: datetime = Field(sa_column=_instant())
    proof: str | None = Field(sa_column=_code(nullable=True))
    proved_at: datetime | None = Field(sa_column=_instant(nullable=True))


class PolicyInForceRow(_Table, table=True):
    """From when a version is in force, live or in the shadow. Rows are only ever added."""

    __tablename__ = "policy_in_force"

    number: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    fingerprint: str = Field(sa_column=Column(Text, ForeignKey("policy.fingerprint"), nullable=False))
    from_at: datetime = Field(sa_column=_instant())
    mode: str = Field(sa_column=_code())
    by: str = Field(sa_column=_code())
    reason: str = Field(sa_column=_code())
    written_at: datetime = Field(sa_column=_instant())


class ShadowEvaluationRow(_Table, table=True):
    """What a policy in the shadow said where another decided."""

    __tablename__ = "shadow_evaluation"

    fingerprint: str = Field(sa_column=Column(Text, primary_key=True))
    case_id: UUID = Field(primary_key=True)
    number: int = Field(sa_column=Column(Integer, primary_key=True))
    at: datetime = Field(sa_column=_instant())
    level: str = Field(sa_column=_code())
    rag: str = Field(sa_column=_code())
    live_level: str = Field(sa_column=_code())
    live_rag: str = Field(sa_column=_code())


class DecisionRow(_Table, table=True):
    """A decision; later ones stand beside it. `tag` is the entity tag that the decider had before them."""

    __tablename__ = "decision"
    __table_args__ = (Index("decision_of_time", "decided_at"),)

    case_id: UUID = Field(primary_key=True)
    number: int = Field(sa_column=Column(Integer, primary_key=True))
    evaluation: int = Field(sa_column=_number())
    level: str = Field(sa_column=_code())
    destination: str = Field(sa_column=_code())
    departure: str = Field(sa_column=_code())
    departure_code: str | None = Field(sa_column=_code(nullable=True))
    decided_by: str = Field(sa_column=_code())
    decided_at: datetime = Field(sa_column=_instant())
    tag: str = Field(sa_column=_code())
    document: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class ProposalRow(_Table, table=True):
    """One step of a decision on its way to a signature; rows are only ever added."""

    __tablename__ = "proposal"
    __table_args__ = (Index("proposal_of_case", "case_id", "number"),)

    case_id: UUID = Field(primary_key=True)
    number: int = Field(sa_column=_number())
    step: int = Field(sa_column=Column(Integer, primary_key=True))
    did: str = Field(sa_column=_code())
    by: str = Field(sa_column=_code())
    at: datetime = Field(sa_column=_instant())
    tag: str = Field(sa_column=_code())
    document: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class TaskRow(_Table, table=True):
    """Something that a person must do. Its id is derived from what it is about, so that it is raised once."""

    __tablename__ = "task"
    __table_args__ = (
        Index("task_of_referral", "referral_id"),
        Index("task_open", "due_at", "id", postgresql_where=text("done_at IS NULL")),
    )

    id: UUID = Field(primary_key=True)
    referral_id: UUID
    case_id: UUID | None = Field(default=None)
    kind: str = Field(sa_column=_code())
    reason: str | None = Field(sa_column=_code(nullable=True))
    raised_at: datetime = Field(sa_column=_instant())
    due_at: datetime = Field(sa_column=_instant())
    since: datetime | None = Field(default=None, sa_column=_instant(nullable=True))
    rule: str | None = Field(default=None, sa_column=_code(nullable=True))
    done_at: datetime | None = Field(sa_column=_instant(nullable=True))
    done_by: str | None = Field(sa_column=_code(nullable=True))
    outcome: str | None = Field(default=None, sa_column=_code(nullable=True))
    owner: str | None = Field(default=None, sa_column=_code(nullable=True))
    raised_by: str | None = Field(default=None, sa_column=_code(nullable=True))
    overdue_at: datetime | None = Field(default=None, sa_column=_instant(nullable=True))
    document: bytes | None = Field(sa_column=Column(LargeBinary, nullable=True))
    request: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))


class StopRow(_Table, table=True):
    """A consumer, here or in another service, that cannot go on with a referral."""

    __tablename__ = "stop"

    referral_id: UUID = Field(primary_key=True)
    consumer: str = Field(sa_column=Column(Text, primary_key=True))
    event_id: UUID
    event_type: str = Field(sa_column=_code())
    reason: str = Field(sa_column=_code())
    at: datetime = Field(sa_column=_instant())


class CaseChangeRow(_Table, table=True):
    """The transaction that changed a case last: what whoever listens to the queue has not been told yet."""

    __tablename__ = "case_change"
    __table_args__ = (Index("case_change_order", "xid", "case_id"),)

    case_id: UUID = Field(primary_key=True)
    xid: int = Field(
        sa_column=Column(_TransactionId, nullable=False, server_default=text("pg_current_xact_id()"))
    )


class CommandRow(_Table, table=True):
    """What a member of staff ordered; rows are only ever added."""

    __tablename__ = "command"
    __table_args__ = (
        UniqueConstraint("by", "idempotency_key", name="command_once"),
        Index("command_of_case", "case_id"),
    )

    id: UUID = Field(primary_key=True)
    referral_id: UUID
    case_id: UUID
    kind: str = Field(sa_column=_code())
    by: str = Field(sa_column=_code())
    at: datetime = Field(sa_column=_instant())
    idempotency_key: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    fingerprint: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    document: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


alert_tables(metadata)
challenge_tables(metadata)
claim_tables(metadata)
colleague_tables(metadata)
handover_tables(metadata)
panel_tables(metadata)
access_table(metadata)
joined_tables(metadata)
restricted_tables(metadata)
search_tables(metadata)
strategy_tables(metadata)
tool_tables(metadata)
console_tables(metadata)
clock_tables(metadata)

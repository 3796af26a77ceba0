"""Intake's own tables; those of the event log are the messaging library's. Columns hold ids, codes and times only."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    DateTime,
    Index,
    LargeBinary,
    MetaData,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

from libs.platform.access_schema import access_table
from libs.platform.restricted_schema import restricted_table

metadata = MetaData()


class _Table(SQLModel):
    metadata = metadata


def _instant(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


class Referral(_Table, table=True):
    """A referral as it was accepted, and how far it has come.

    `employers` are the agencies that employ somebody thought to harm.
    `idempotency_key` and `fingerprint` are SHA-256 digests: a sender's key may name a child.
    """

    __tablename__ = "referral"
    __table_args__ = (
        UniqueConstraint("agency", "idempotency_key", name="referral_sent_once"),
        Index("referral_unseen", "received_at", postgresql_where=text("screened_at IS NULL")),
        {"comment": "Referrals as they were accepted. Digests in place of what the sender chose."},
    )

    id: UUID = Field(primary_key=True)
    reference: str = Field(sa_column=Column(Text, nullable=False, unique=True))
    agency: str = Field(sa_column=Column(Text, nullable=False))
    idempotency_key: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    fingerprint: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    received_at: datetime = Field(sa_column=_instant())
    immediate_danger: bool
    referrer_role: str = Field(sa_column=Column(Text, nullable=False))
    payload: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    answer: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    employers: list[str] = Field(
        default_factory=list, sa_column=Column(ARRAY(Text), nullable=False, server_default="{}")
    )
    screened_at: datetime | None = Field(default=None, sa_column=_instant(nullable=True))
    alarm_level: int = Field(default=0, sa_column=Column(SmallInteger, nullable=False, server_default="0"))
    alarm_lease: datetime | None = Field(default=None, sa_column=_instant(nullable=True))


class Addition(_Table, table=True):
    """Further information, a challenge, or a withdrawal, from the agency that referred.

    `seen_at`: when triage said that it has seen the danger, where one was added.
    """

    __tablename__ = "addition"
    __table_args__ = (
        UniqueConstraint("agency", "idempotency_key", name="addition_sent_once"),
        Index(
            "addition_unseen", "received_at", postgresql_where=text("seen_at IS NULL AND immediate_danger")
        ),
        {"comment": "What the referring agency sent afterwards: information and withdrawals."},
    )

    id: UUID = Field(primary_key=True)
    referral_id: UUID = Field(index=True, foreign_key="referral.id")
    kind: str = Field(sa_column=Column(Text, nullable=False))
    agency: str = Field(sa_column=Column(Text, nullable=False))
    idempotency_key: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    fingerprint: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    received_at: datetime = Field(sa_column=_instant())
    immediate_danger: bool = Field(
        default=False, sa_column=Column(Boolean, nullable=False, server_default="false")
    )
    payload: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    answer: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    seen_at: datetime | None = Field(default=None, sa_column=_instant(nullable=True))
    alarm_level: int = Field(default=0, sa_column=Column(SmallInteger, nullable=False, server_default="0"))
    alarm_lease: datetime | None = Field(default=None, sa_column=_instant(nullable=True))


class ChildProgress(_Table, table=True):
    """What triage has said of one child, as far as the referrer's status needs it."""

    __tablename__ = "child_progress"
    __table_args__ = ({"comment": "What triage said of each child, as far as the referrer may know."},)

    child_id: UUID = Field(primary_key=True)
    referral_id: UUID = Field(index=True)
    screened_at: datetime | None = Field(default=None, sa_column=_instant(nullable=True))
    decision: int = Field(default=0, sa_column=Column(SmallInteger, nullable=False, server_default="0"))
    decided_at: datetime | None = Field(default=None, sa_column=_instant(nullable=True))
    destination: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    may_tell: bool = Field(default=False)
    checked_at: datetime | None = Field(default=None, sa_column=_instant(nullable=True))


class CheckProgress(_Table, table=True):
    """What came of a question to another agency about a child: a code, and never what was answered.

    Where the checks are over, the row of an agency of which nothing was told is named by `child` and `agency` alone.
    """

    __tablename__ = "check_progress"
    __table_args__ = ({"comment": "What came of each question about a child, as codes."},)

    child_id: UUID = Field(primary_key=True)
    agency: str = Field(sa_column=Column(Text, primary_key=True))
    question_id: str = Field(sa_column=Column(Text, primary_key=True))
    referral_id: UUID = Field(index=True)
    state: str = Field(sa_column=Column(Text, nullable=False))
    at: datetime = Field(sa_column=_instant())


class ChallengeProgress(_Table, table=True):
    """How far a challenge of the agency that referred has come for one child."""

    __tablename__ = "challenge_progress"
    __table_args__ = ({"comment": "How far the referrer's challenges have come, as codes."},)

    challenge_id: UUID = Field(primary_key=True)
    child_id: UUID
    referral_id: UUID = Field(index=True)
    number: int
    state: str = Field(sa_column=Column(Text, nullable=False))
    stage: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    outcome: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    may_tell: bool
    at: datetime = Field(sa_column=_instant())


class NoticeProgress(_Table, table=True):
    """What became of one notice to the referrer. Where none could be sent, the row is named by the event's id."""

    __tablename__ = "notice_progress"
    __table_args__ = ({"comment": "What became of the messages to the referrer."},)

    id: UUID = Field(primary_key=True)
    referral_id: UUID = Field(index=True)
    kind: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    channel: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    state: str = Field(sa_column=Column(Text, nullable=False))
    reason: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    at: datetime = Field(sa_column=_instant())


access_table(metadata)
restricted_table(metadata)

"""The tables of notify: ids, codes and times in columns, everything about people inside `bytea` payloads."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    Uuid,
    text,
)
from sqlmodel import Field, SQLModel

from libs.platform.access_schema import access_table
from libs.platform.restricted_schema import restricted_table

metadata = MetaData()


class Base(SQLModel):
    """Root of this service's tables."""

    metadata = metadata


def _time(*, nullable: bool = True) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


def _text(*, nullable: bool = False) -> Column[str]:
    return Column(Text, nullable=nullable)


def _numbered(*, primary_key: bool = False) -> Column[int]:
    return Column(BigInteger, Identity(always=True), primary_key=primary_key, nullable=False)


class ReferralRow(Base, table=True):
    """Who is to be told about a referral; the children stand in the order in which the referrer named them.

    `erased`: those of them who were erased before notify heard of them; nothing is told of them.
    """

    __tablename__ = "referral"

    id: UUID = Field(primary_key=True)
    reference: str = Field(sa_column=Column(Text, nullable=False, unique=True))
    children: list[UUID] = Field(sa_column=Column(ARRAY(Uuid), nullable=False))
    received_at: datetime = Field(sa_column=_time(nullable=False))
    recipient: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    erased: list[UUID] = Field(sa_column=Column(ARRAY(Uuid), nullable=False, server_default="{}"))


class NoticeRow(Base, table=True):
    """One notice. Its id is also the reference under which GOV.UK Notify knows the message.

    `due_at` is when somebody looks at it next; while a request is out, the end of its lease, and `claim` whose that
    is. `messages` is how many messages Notify is known to have for it: with more than 1 it went out twice.
    `alert_id` and `call_id`: of an alert to somebody who is on call, which has no occasion and no referrer.
    """

    __tablename__ = "notice"
    __table_args__ = (
        Index(
            "notice_once",
            "referral_id",
            "kind",
            "child_id",
            "decision",
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where="call_id IS NULL",
        ),
        Index("notice_call_once", "call_id", unique=True, postgresql_where="call_id IS NOT NULL"),
        Index("notice_call_due", "due_at", postgresql_where="call_id IS NOT NULL AND due_at IS NOT NULL"),
        Index("notice_alert_unsent", "alert_id", postgresql_where="state = 'to_send'"),
        Index("notice_due", "due_at", postgresql_where="due_at IS NOT NULL"),
        Index(
            "notice_unsent",
            "referral_id",
            "number",
            postgresql_where="state IN ('to_send', 'unsure') AND call_id IS NULL",
        ),
    )

    id: UUID = Field(primary_key=True)
    number: int = Field(sa_column=_numbered())
    referral_id: UUID = Field(nullable=False)
    kind: str = Field(sa_column=_text())
    child_id: UUID | None = None
    decision: int = Field(sa_column=Column(Integer, nullable=False))
    alert_id: UUID | None = None
    call_id: UUID | None = None
    channel: str = Field(sa_column=_text())
    state: str = Field(sa_column=_text())
    reason: str | None = Field(sa_column=_text(nullable=True))
    created_at: datetime = Field(sa_column=_time(nullable=False))
    due_at: datetime | None = Field(sa_column=_time())
    claim: UUID | None = None
    sends: int = Field(sa_column=Column(Integer, nullable=False, server_default=text("0")))
    asks: int = Field(sa_column=Column(Integer, nullable=False, server_default=text("0")))
    last_send_at: datetime | None = Field(sa_column=_time())
    ended_at: datetime | None = Field(sa_column=_time())
    messages: int = Field(sa_column=Column(Integer, nullable=False, server_default=text("1")))
    traceparent: str | None = Field(sa_column=_text(nullable=True))
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class UntoldRow(Base, table=True):
    """A notice that was never made, because the referrer cannot be told safely or at all."""

    __tablename__ = "untold"
    __table_args__ = (
        Index(
            "untold_once",
            "referral_id",
            "kind",
            "child_id",
            "decision",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
    )

    id: int = Field(sa_column=_numbered(primary_key=True))
    referral_id: UUID = Field(nullable=False)
    kind: str = Field(sa_column=_text())
    child_id: UUID | None = None
    decision: int = Field(sa_column=Column(Integer, nullable=False))
    reason: str = Field(sa_column=_text())
    at: datetime = Field(sa_column=_time(nullable=False))


class ReceiptRow(Base, table=True):
    """What Notify said of one message, by callback or when asked. Never updated.

    `contradicts`: it came after the notice had ended otherwise; the end stands.
    """

    __tablename__ = "receipt"

    notice_id: UUID = Field(primary_key=True)
    message_id: UUID = Field(primary_key=True)
    status: str = Field(sa_column=Column(Text, primary_key=True))
    source: str = Field(sa_column=_text())
    completed_at: datetime | None = Field(sa_column=_time())
    arrived_at: datetime = Field(sa_column=_time(nullable=False))
    contradicts: bool = Field(nullable=False)


access_table(metadata)
restricted_table(metadata)

"""The tables of enrichment: ids, codes and times in columns, everything about people inside `bytea` payloads."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    SmallInteger,
    Text,
    Uuid,
)
from sqlmodel import Field, SQLModel

from libs.platform.access_schema import access_table
from libs.platform.restricted_schema import restricted_table
from services.enrichment.family.tables import family_tables
from services.enrichment.people.tables import people_tables
from services.enrichment.pulled.tables import pulled_tables

metadata = MetaData()


class Base(SQLModel):
    """Root of this service's tables."""

    metadata = metadata


def _time(*, nullable: bool = True) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


def _codes() -> Column[list[str]]:
    return Column(ARRAY(Text), nullable=False, server_default="{}")


class ReferralRow(Base, table=True):
    """What enrichment keeps of a referral."""

    __tablename__ = "referral"

    id: UUID = Field(primary_key=True)
    reference: str = Field(sa_column=Column(Text, nullable=False, unique=True))
    agreement: str = Field(sa_column=Column(Text, nullable=False))
    received_at: datetime = Field(sa_column=_time(nullable=False))
    withdrawn_at: datetime | None = Field(sa_column=_time())
    kept: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    employers: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False, server_default="{}"))
    erased: list[UUID] = Field(sa_column=Column(ARRAY(Uuid), nullable=False, server_default="{}"))


class ChildRow(Base, table=True):
    """One child's checks as a whole."""

    __tablename__ = "child"
    __table_args__ = (
        Index("child_of_referral", "referral_id"),
        Index("child_open", "due_at", postgresql_where="completed_at IS NULL"),
    )

    id: UUID = Field(primary_key=True)
    referral_id: UUID = Field(nullable=False)
    number: int = Field(sa_column=Column(SmallInteger, nullable=False))
    identifiers: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    home: int | None = Field(sa_column=Column(SmallInteger))
    level: str | None = Field(sa_column=Column(Text))
    rag: str | None = Field(sa_column=Column(Text))
    due_at: datetime | None = Field(sa_column=_time())
    screened_at: datetime | None = Field(sa_column=_time())
    completed_at: datetime | None = Field(sa_column=_time())
    traceparent: str | None = Field(sa_column=Column(Text))
    orders: bytes | None = Field(sa_column=Column(LargeBinary))


class CheckRow(Base, table=True):
    """One question to an agency about a child; `ask_at` is when somebody may ask next, or the end of its lease."""

    __tablename__ = "agency_check"
    __table_args__ = (
        Index("agency_check_of_referral", "referral_id"),
        Index("agency_check_of_child", "child_id", "agency"),
        Index("agency_check_to_ask", "agency", "ask_at", postgresql_where="ask_at IS NOT NULL"),
        Index("agency_check_reused", "reused_of", postgresql_where="reused_of IS NOT NULL"),
    )

    question_id: UUID = Field(primary_key=True)
    child_id: UUID = Field(nullable=False)
    agency: str = Field(sa_column=Column(Text, nullable=False))
    referral_id: UUID = Field(nullable=False)
    state: str = Field(sa_column=Column(Text, nullable=False))
    silence: str = Field(sa_column=Column(Text, nullable=False))
    reason: str | None = Field(sa_column=Column(Text))
    asked_at: datetime | None = Field(sa_column=_time())
    due_at: datetime = Field(sa_column=_time(nullable=False))
    answered_at: datetime | None = Field(sa_column=_time())
    late: bool = Field(nullable=False)
    attempts: int = Field(sa_column=Column(BigInteger, nullable=False))
    chases: int = Field(sa_column=Column(BigInteger, nullable=False))
    ask_at: datetime | None = Field(sa_column=_time())
    answer: bytes | None = Field(sa_column=Column(LargeBinary))
    items: list[str] = Field(sa_column=_codes())
    existence: list[str] = Field(sa_column=_codes())
    held_back: list[str] = Field(sa_column=_codes())
    stopped: bool = Field(sa_column=Column(Boolean, nullable=False, server_default="false"))
    with_question: UUID | None = Field(default=None)
    again: UUID | None = Field(default=None)
    corrected_at: datetime | None = Field(sa_column=_time())
    reused_from: datetime | None = Field(sa_column=_time())
    reused_of: UUID | None = Field(default=None)
    instead: bytes | None = Field(sa_column=Column(LargeBinary))
    put_at: datetime = Field(sa_column=_time(nullable=False))


class StandingRow(Base, table=True):
    """An agency that does not answer, as the instance saw it that found out; there is no row while it answers."""

    __tablename__ = "agency_standing"

    agency: str = Field(sa_column=Column(Text, primary_key=True))
    since: datetime = Field(sa_column=_time(nullable=False))
    try_at: datetime = Field(sa_column=_time(nullable=False))
    tries: int = Field(sa_column=Column(SmallInteger, nullable=False))


class DisclosureRow(Base, table=True):
    """One disclosure to or from an agency. Rows are only ever added."""

    __tablename__ = "disclosure"
    __table_args__ = (
        Index("disclosure_of_child", "child_id", "id"),
        Index("disclosure_of_referral", "referral_id", "id"),
        Index("disclosure_to_agency", "agency", "id"),
        Index(
            "disclosure_once",
            "question_id",
            "items",
            "fields",
            "grounds",
            unique=True,
            postgresql_where="direction = 'out'",
        ),
    )

    id: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    at: datetime = Field(sa_column=_time(nullable=False))
    direction: str = Field(sa_column=Column(Text, nullable=False))
    referral_id: UUID = Field(nullable=False)
    child_id: UUID = Field(nullable=False)
    agency: str = Field(sa_column=Column(Text, nullable=False))
    audience: str = Field(sa_column=Column(Text, nullable=False))
    question_id: UUID | None = Field(default=None)
    items: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    fields: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    grounds: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    emergency: bool = Field(nullable=False)
    said: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


family_tables(metadata)
pulled_tables(metadata)
access_table(metadata)
restricted_table(metadata)
people_tables(metadata)

"""The tables of the index: ids, codes, times and keyed hashes in columns, everything about people in payloads."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)


def _time(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _number() -> Column[int]:
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


def people_tables(metadata: MetaData) -> None:
    """Adds the index's tables to a service's metadata."""
    now, begun, ended = text("until IS NULL"), text("begun_by IS NOT NULL"), text("ended_by IS NOT NULL")
    Table(
        "person",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("profile", LargeBinary, nullable=False),
        Column("keyed", Text, nullable=False),
        Column("merged_into", Uuid),
        Column("merged_by", Uuid),
        _time("created_at"),
        _time("changed_at"),
        Index("person_keyed", "keyed"),
        Index("person_merged_by", "merged_by", postgresql_where=text("merged_by IS NOT NULL")),
    )
    Table(
        "person_key",
        metadata,
        Column("key", LargeBinary, primary_key=True),
        Column("person_id", Uuid, primary_key=True),
        Index("person_key_of_person", "person_id"),
        comment="Keyed hashes by which records that may be one person find each other.",
    )
    Table(
        "person_subject",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("referral_id", Uuid, nullable=False),
        Column("adult", Boolean, nullable=False),
        Column("source", Text, nullable=False),
        Column("profile", LargeBinary, nullable=False),
        _time("given_at"),
        Index("person_subject_of_referral", "referral_id"),
        comment="Each child and adult as a source gave them; a child bears the id of the case.",
    )
    Table(
        "person_link",
        metadata,
        _number(),
        Column("subject_id", Uuid, nullable=False),
        Column("person_id", Uuid, nullable=False),
        Column("band", Text, nullable=False),
        Column("method", Text, nullable=False),
        Column("rules", Text, nullable=False),
        _time("since"),
        Column("begun_by", Uuid),
        _time("until", nullable=True),
        Column("ended_by", Uuid),
        Index("person_link_now", "subject_id", unique=True, postgresql_where=now),
        Index("person_link_of_person", "person_id", postgresql_where=now),
        Index("person_link_begun_by", "begun_by", postgresql_where=begun),
        Index("person_link_ended_by", "ended_by", postgresql_where=ended),
        comment="Who was taken for whom, when, by which rules or command; ended, never deleted.",
    )
    Table(
        "person_apart",
        metadata,
        _number(),
        Column("low", Uuid, nullable=False),
        Column("high", Uuid, nullable=False),
        _time("since"),
        Column("begun_by", Uuid, nullable=False),
        _time("until", nullable=True),
        Column("ended_by", Uuid),
        CheckConstraint("low < high"),
        Index("person_apart_now", "low", "high", unique=True, postgresql_where=now),
        Index("person_apart_of_high", "high", postgresql_where=now),
        Index("person_apart_begun_by", "begun_by"),
        Index("person_apart_ended_by", "ended_by", postgresql_where=ended),
        comment="Two persons whom somebody said to be two: not offered for each other again.",
    )
    Table(
        "person_decision",
        metadata,
        Column("command_id", Uuid, primary_key=True),
        Column("child_id", Uuid, nullable=False),
        Column("action", Text, nullable=False),
        Column("done", Boolean, nullable=False),
        Column("undoes", Uuid),
        _time("at"),
        Column("decision", LargeBinary, nullable=False),
        Index("person_decision_of_child", "child_id"),
        comment="Decisions about who is who; name and reason are in the payload. Never updated.",
    )

"""The family's tables: ids, codes and times in columns, everything about people inside `bytea` payloads."""

from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)


def _time(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _some(
    name: str, kind: type[Text] | type[Uuid[UUID]] | type[LargeBinary], *, nullable: bool = False
) -> Column[object]:
    return Column(name, kind, nullable=nullable)


def family_tables(metadata: MetaData) -> None:
    """Adds the family's tables to a service's metadata."""
    Table(
        "home",
        metadata,
        Column("referral_id", Uuid, primary_key=True),
        _some("kind", Text),
        _some("agency", Text),
        _some("said", LargeBinary),
        Column("named", ARRAY(Uuid), nullable=False),
        Column("persons", ARRAY(Uuid), nullable=False),
        comment="What is kept of a referral for later ones, and who of the index those are who have no case.",
    )
    Table(
        "contact",
        metadata,
        Column("case_id", Uuid, primary_key=True),
        _some("referral_id", Uuid),
        _some("person_id", Uuid),
        _time("received_at"),
        _some("origin", Text),
        _some("level", Text, nullable=True),
        _some("destination", Text, nullable=True),
        _time("decided_at", nullable=True),
        Column("decision", Integer, nullable=False),
        Column("revision", Integer, nullable=False),
        _some("told", LargeBinary, nullable=True),
        Index("contact_of_referral", "referral_id"),
        Index("contact_of_person", "person_id", text("received_at DESC"), text("case_id DESC")),
        comment="A child's case as a report about a person, with what was decided and what was told of it last.",
    )
    Table(
        "event_word",
        metadata,
        Column("command_id", Uuid, primary_key=True),
        _some("case_id", Uuid),
        _some("other_case_id", Uuid, nullable=True),
        _some("action", Text),
        _some("undoes", Uuid, nullable=True),
        _time("said_at"),
        _some("given", LargeBinary),
        Index("event_word_of_case", "case_id"),
        Index(
            "event_word_of_other_case", "other_case_id", postgresql_where=text("other_case_id IS NOT NULL")
        ),
        Index("event_word_undoes", "undoes", postgresql_where=text("undoes IS NOT NULL")),
        comment="What people said of whether two reports tell of the same event.",
    )

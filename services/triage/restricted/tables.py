"""The tables of restrictions and of broken glass, to which rows are only ever added; and who a child is."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)


def restricted_tables(metadata: MetaData) -> None:
    """Adds the tables to triage's metadata."""
    Table(
        "restriction",
        metadata,
        Column("case_id", Uuid, primary_key=True),
        Column("number", Integer, primary_key=True),
        Column("kind", Text),
        Column("by", Text, nullable=False),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("document", LargeBinary, nullable=False),
        Column("told", Boolean, nullable=False, server_default=text("false")),
        Index("restriction_untold", "case_id", postgresql_where=text("NOT told")),
    )
    Table(
        "child_person",
        metadata,
        Column("case_id", Uuid, primary_key=True),
        Column("person_id", Uuid, nullable=False),
        Index("child_person_cases", "person_id"),
    )
    Table(
        "broken_glass",
        metadata,
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("referral_id", Uuid, nullable=False),
        Column("case_id", Uuid, nullable=False),
        Column("subject", Text, nullable=False),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("expires_at", DateTime(timezone=True), nullable=False),
        Column("alarmed_at", DateTime(timezone=True)),
        Column("document", LargeBinary, nullable=False),
        Index("broken_glass_silent", "at", postgresql_where=text("alarmed_at IS NULL")),
        Index("broken_glass_of", "referral_id", "subject", "expires_at"),
    )

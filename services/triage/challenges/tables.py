"""Tables of challenges: ids, codes and times beside sealed payloads."""

from sqlalchemy import (
    Boolean,
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


def challenge_tables(metadata: MetaData) -> None:
    """Adds them to the service's own tables. Steps are only ever added."""
    Table(
        "challenge",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("case_id", Uuid, nullable=False),
        Column("referral_id", Uuid, nullable=False),
        Column("decision", Integer, nullable=False),
        Column("agency", Text),
        Column("channel", Text, nullable=False),
        Column("stage", Text, nullable=False),
        Column("raised_by", Text, nullable=False),
        Column("raised_at", DateTime(timezone=True), nullable=False),
        Column("due_at", DateTime(timezone=True), nullable=False),
        Column("reviewer", Text),
        Column("outcome", Text),
        Column("agreed", Boolean),
        Column("resolved_at", DateTime(timezone=True)),
        Column("fingerprint", LargeBinary, nullable=False),
        Column("referrers", Boolean, nullable=False, server_default=text("false")),
        Index("challenge_one_open", "case_id", unique=True, postgresql_where=text("resolved_at IS NULL")),
        Index("challenge_of_time", "raised_at"),
        Index("challenge_due", "due_at", "id", postgresql_where=text("resolved_at IS NULL")),
    )
    Table(
        "challenge_step",
        metadata,
        Column("challenge_id", Uuid, primary_key=True),
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("did", Text, nullable=False),
        Column("stage", Text, nullable=False),
        Column("by", Text, nullable=False),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("document", LargeBinary, nullable=False),
        Column("sent", Uuid),
        Column("agency", Text),
        Column("channel", Text),
        Column("fingerprint", LargeBinary),
        Index("challenge_step_sent", "sent", unique=True, postgresql_where=text("sent IS NOT NULL")),
    )

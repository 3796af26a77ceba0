"""The tables of alerts: ids, codes and times only, but for the note of whoever acknowledged."""

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


def alert_tables(metadata: MetaData) -> None:
    """Adds the tables to triage's metadata."""
    Table(
        "alert",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("referral_id", Uuid, nullable=False),
        Column("case_ids", ARRAY(Uuid), nullable=False),
        Column("urgency", Text, nullable=False),
        Column("raised_at", DateTime(timezone=True), nullable=False),
        Column("round", Integer, nullable=False, server_default=text("1")),
        Column("next_at", DateTime(timezone=True)),
        Column("alarmed", Integer, nullable=False, server_default=text("0")),
        Column("ended_at", DateTime(timezone=True)),
        Column("ended_as", Text),
        Column("acknowledged_by", Text),
        Column("document", LargeBinary),
        Index("alert_open", "referral_id", unique=True, postgresql_where=text("ended_at IS NULL")),
        Index("alert_silent", "id", postgresql_where=text("ended_at IS NULL AND round - 1 > alarmed")),
        Index("alert_raised", "raised_at", "id"),
    )
    Table(
        "alert_cause",
        metadata,
        Column("case_id", Uuid, primary_key=True),
        Column("urgency", Text, primary_key=True),
        Column("decision", Integer, primary_key=True, autoincrement=False),
        Column("alert_id", Uuid, nullable=False),
    )
    Table(
        "alert_call",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("alert_id", Uuid, nullable=False),
        Column("number", Integer, nullable=False),
        Column("round", Integer, nullable=False),
        Column("contact", Text, nullable=False),
        Column("called_at", DateTime(timezone=True), nullable=False),
        Column("state", Text, nullable=False),
        Column("told_at", DateTime(timezone=True)),
        Column("channel", Text),
        Column("reason", Text),
        Index("alert_call_once", "alert_id", "number", unique=True),
    )

"""Tables of hand-overs: ids, codes and times beside sealed payloads."""

from sqlalchemy import (
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)


def handover_tables(metadata: MetaData) -> None:
    """Adds them to the service's own tables."""
    Table(
        "handover",
        metadata,
        Column("case_id", Uuid, primary_key=True),
        Column("decision", Integer, primary_key=True, autoincrement=False),
        Column("referral_id", Uuid, nullable=False),
        Column("destination", Text, nullable=False),
        Column("team", Text, nullable=False),
        Column("asked_at", DateTime(timezone=True), nullable=False),
        Column("due_at", DateTime(timezone=True), nullable=False),
        Column("rule", Text),
        Column("answer", Text),
        Column("answered_at", DateTime(timezone=True)),
        Column("recorded_by", Text),
        Column("document", LargeBinary),
        Index("handover_waiting", "due_at", "case_id", postgresql_where=text("answer IS NULL")),
    )
    Table(
        "reopening",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("referral_id", Uuid, nullable=False),
        Column("by", Text, nullable=False),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("idempotency_key", LargeBinary, nullable=False),
        Column("fingerprint", LargeBinary, nullable=False),
        Column("document", LargeBinary, nullable=False),
        UniqueConstraint("by", "idempotency_key", name="reopening_once"),
        Index("reopening_of_referral", "referral_id"),
    )

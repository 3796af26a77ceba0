"""The table of tools used: ids, codes and days beside sealed payloads."""

from sqlalchemy import (
    Column,
    Date,
    DateTime,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)


def tool_tables(metadata: MetaData) -> None:
    """Adds it to the service's own tables. Rows are only ever added."""
    Table(
        "tool_used",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("case_id", Uuid, nullable=False),
        Column("tool", Text, nullable=False),
        Column("on_day", Date, nullable=False),
        Column("result", Text),
        Column("recorded_by", Text, nullable=False),
        Column("recorded_at", DateTime(timezone=True), nullable=False),
        Column("idempotency_key", LargeBinary, nullable=False),
        Column("fingerprint", LargeBinary, nullable=False),
        Column("document", LargeBinary, nullable=False),
        UniqueConstraint("recorded_by", "idempotency_key", name="tool_used_once"),
        Index("tool_used_of_case", "case_id"),
        Index("tool_used_of_day", "on_day"),
    )

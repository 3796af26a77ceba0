"""The table of joined cases: which tells of the same event as which earlier one, and whether that was looked at."""

from sqlalchemy import Column, DateTime, Index, MetaData, Table, Uuid, text


def joined_tables(metadata: MetaData) -> None:
    """Adds the table to triage's metadata."""
    Table(
        "joining",
        metadata,
        Column("case_id", Uuid, primary_key=True),
        Column("earlier", Uuid, primary_key=True),
        Column("asked_at", DateTime(timezone=True), nullable=False),
        Column("done_at", DateTime(timezone=True)),
        Index("joining_waits", "asked_at", postgresql_where=text("done_at IS NULL")),
    )

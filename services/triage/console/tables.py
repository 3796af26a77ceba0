"""The console's own table."""

from sqlalchemy import Column, DateTime, Index, LargeBinary, MetaData, Table, Text


def console_tables(metadata: MetaData) -> None:
    """Adds it: what somebody had filled in when their session ended, as a document of the child it is about."""
    Table(
        "draft",
        metadata,
        Column("subject", Text, primary_key=True),
        Column("path", Text, primary_key=True),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("document", LargeBinary, nullable=False),
        Index("draft_at", "at"),
    )

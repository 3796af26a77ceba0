"""The table of colleagues: accounts and times beside sealed names."""

from sqlalchemy import Column, DateTime, Index, LargeBinary, MetaData, Table, Text


def colleague_tables(metadata: MetaData) -> None:
    """Adds it to the service's own tables."""
    Table(
        "colleague",
        metadata,
        Column("account", Text, primary_key=True),
        Column("seen_at", DateTime(timezone=True), nullable=False),
        Column("document", LargeBinary, nullable=False),
        Index("colleague_seen", "seen_at", "account"),
    )

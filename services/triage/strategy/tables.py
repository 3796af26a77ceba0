"""The table of strategy discussions: ids, codes and times beside sealed payloads."""

from sqlalchemy import Column, DateTime, Integer, LargeBinary, MetaData, Table, Text, Uuid


def strategy_tables(metadata: MetaData) -> None:
    """Adds it to the service's own tables. Rows are only ever added."""
    Table(
        "strategy_discussion",
        metadata,
        Column("case_id", Uuid, primary_key=True),
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("held_at", DateTime(timezone=True), nullable=False),
        Column("outcome", Text, nullable=False),
        Column("recorded_by", Text, nullable=False),
        Column("recorded_at", DateTime(timezone=True), nullable=False),
        Column("fingerprint", LargeBinary, nullable=False),
        Column("document", LargeBinary, nullable=False),
    )

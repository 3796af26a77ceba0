"""The tables of search: keyed hashes by case, and which cases have theirs."""

from sqlalchemy import Column, Index, LargeBinary, MetaData, Table, Text, Uuid


def search_tables(metadata: MetaData) -> None:
    """Adds the tables to triage's metadata."""
    Table(
        "search_key",
        metadata,
        Column("digest", LargeBinary, primary_key=True),
        Column("case_id", Uuid, primary_key=True),
        Index("search_key_of_case", "case_id"),
    )
    Table(
        "searchable",
        metadata,
        Column("case_id", Uuid, primary_key=True),
        Column("scheme", Text, nullable=False),
    )

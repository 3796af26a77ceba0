"""Tables of claims and allocations: ids, codes and times beside sealed payloads."""

from sqlalchemy import (
    BigInteger,
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
)


def claim_tables(metadata: MetaData) -> None:
    """Adds them to the service's own tables. A claim whose time is up counts for nothing; of claims that were taken
    over and of allocations, rows are only ever added.
    """
    Table(
        "claim",
        metadata,
        Column("case_id", Uuid, primary_key=True),
        Column("holder", Text, nullable=False),
        Column("since", DateTime(timezone=True), nullable=False),
        Column("expires_at", DateTime(timezone=True), nullable=False),
        Index("claim_of_holder", "holder"),
    )
    Table(
        "claim_taken_over",
        metadata,
        Column("case_id", Uuid, primary_key=True),
        Column("number", BigInteger, Identity(always=True), primary_key=True),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("held_by", Text),
        Column("by", Text, nullable=False),
        Column("document", LargeBinary, nullable=False),
    )
    Table(
        "allocated",
        metadata,
        Column("case_id", Uuid, primary_key=True),
        Column("worker", Text, nullable=False),
        Column("at", DateTime(timezone=True), nullable=False),
        Index("allocated_to", "worker"),
    )
    Table(
        "allocation",
        metadata,
        Column("case_id", Uuid, primary_key=True),
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("worker", Text, nullable=False),
        Column("by", Text, nullable=False),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("document", LargeBinary, nullable=False),
    )

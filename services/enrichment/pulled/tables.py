"""Tables of the agencies that fetch their questions: ids, codes, times and keyed hashes beside sealed payloads.

A correction's `key` is a digest of what its sender chose, which may name a child.
"""

from sqlalchemy import (
    ARRAY,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
)


def _time(name: str, *, nullable: bool = True) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def pulled_tables(metadata: MetaData) -> None:
    """Adds them to a service's own tables."""
    Table(
        "work",
        metadata,
        Column("question_id", Uuid, primary_key=True),
        Column("agency", Text, nullable=False),
        Column("audience", Text, nullable=False),
        Column("referral_id", Uuid, nullable=False),
        Column("child_id", Uuid, nullable=False),
        _time("put_at", nullable=False),
        Column("question", LargeBinary, nullable=False),
        Column("keys", ARRAY(LargeBinary), nullable=False),
        Column("claim_id", Uuid),
        Column("claimed_by", Text),
        _time("claimed_until"),
        _time("closed_at"),
        Column("answered_by", Text),
        Column("answer", LargeBinary),
        Column("answer_digest", LargeBinary),
        Index("work_open", "agency", "audience", "put_at", postgresql_where="closed_at IS NULL"),
        Index("work_of_claim", "claim_id", postgresql_where="claim_id IS NOT NULL"),
        Index("work_about", "keys", postgresql_using="gin"),
    )
    Table(
        "work_correction",
        metadata,
        Column("question_id", Uuid, primary_key=True),
        Column("number", SmallInteger, primary_key=True),
        _time("at", nullable=False),
        Column("by", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("digest", LargeBinary, nullable=False),
        Column("correction", LargeBinary, nullable=False),
        Index("work_correction_once", "question_id", "key", unique=True),
    )
    Table(
        "list",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("agency", Text, nullable=False),
        Column("on", Date, nullable=False),
        _time("at", nullable=False),
        Column("by", Text, nullable=False),
        Column("digest", LargeBinary, nullable=False),
        Column("accepted", Integer, nullable=False),
        Column("refused", Integer, nullable=False),
        Index("list_latest", "agency", "on", "at"),
    )
    Table(
        "list_entry",
        metadata,
        Column("list_id", Uuid, primary_key=True),
        Column("row", Integer, primary_key=True),
        Column("keys", ARRAY(LargeBinary), nullable=False),
        Column("entry", LargeBinary, nullable=False),
        Index("list_entry_about", "keys", postgresql_using="gin"),
    )
    Table(
        "list_match",
        metadata,
        Column("question_id", Uuid, primary_key=True),
        Column("list_id", Uuid, primary_key=True),
        _time("at", nullable=False),
    )

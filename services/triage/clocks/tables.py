"""Tables of the clocks: ids, codes and times beside what people wrote, which is sealed."""

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
    text,
)


def _time(name: str, *, nullable: bool = True, key: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable, primary_key=key)


def clock_tables(metadata: MetaData) -> None:
    """Adds them to triage's own tables."""
    # Every meaning that `clocks.yaml` has had, in words; the last row is what holds.
    Table(
        "clock_rules",
        metadata,
        Column("number", BigInteger, Identity(always=True), primary_key=True),
        Column("fingerprint", Text, nullable=False),
        Column("words", Text, nullable=False),
        _time("from_at", nullable=False),
    )
    # A clock of a case that its own row does not hold. `document`: what was written when it was stopped.
    Table(
        "kept_clock",
        metadata,
        Column("case_id", Uuid, primary_key=True),
        Column("clock", Text, primary_key=True),
        Column("number", Integer, primary_key=True),
        Column("referral_id", Uuid, nullable=False),
        _time("started_at", nullable=False),
        _time("due_at", nullable=False),
        Column("rules", Text, nullable=False),
        _time("warned_at"),
        _time("stopped_at"),
        Column("stopped_by", Text),
        Column("document", LargeBinary),
        Index(
            "kept_clock_runs", "case_id", "clock", unique=True, postgresql_where=text("stopped_at IS NULL")
        ),
    )
    # A clock that ran out. `document`: the reason that somebody gave.
    Table(
        "breach",
        metadata,
        Column("case_id", Uuid, primary_key=True),
        Column("clock", Text, primary_key=True),
        _time("due_at", nullable=False, key=True),
        _time("at", nullable=False),
        _time("alarmed_at"),
        _time("explained_at"),
        Column("explained_by", Text),
        Column("why", Text),
        Column("document", LargeBinary),
        Index("breach_of_time", "due_at"),
        Index("breach_silent", "at", postgresql_where=text("alarmed_at IS NULL")),
    )
    # A target that stands still, or stood.
    Table(
        "target_pause",
        metadata,
        Column("case_id", Uuid, primary_key=True),
        _time("from_at", nullable=False, key=True),
        Column("by", Text, nullable=False),
        Column("document", LargeBinary, nullable=False),
        _time("until_at"),
        Column("resumed_by", Text),
        Column("resumption", LargeBinary),
    )

"""Tables of panels: ids, codes, days and times beside sealed payloads."""

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
)


def panel_tables(metadata: MetaData) -> None:
    """Adds them to the service's own tables."""
    Table(
        "panel_item",
        metadata,
        Column("panel", Text, primary_key=True),
        Column("day", Date, primary_key=True),
        Column("case_id", Uuid, primary_key=True),
        Column("referral_id", Uuid, nullable=False),
        Column("decision", Integer, nullable=False),
        Column("listed", Boolean, nullable=False),
        Column("put_at", DateTime(timezone=True), nullable=False),
        Column("outcome", Text),
        Column("review_on", Date),
        Column("settled_at", DateTime(timezone=True)),
        Column("settled_by", Text),
        Column("document", LargeBinary),
        Index("panel_item_of_case", "case_id"),
    )
    Table(
        "panel_outcome",
        metadata,
        Column("case_id", Uuid, primary_key=True),
        Column("panel", Text, primary_key=True),
        Column("day", Date, primary_key=True),
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("outcome", Text, nullable=False),
        Column("review_on", Date),
        Column("by", Text, nullable=False),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("document", LargeBinary, nullable=False),
    )
    Table(
        "panel_meeting",
        metadata,
        Column("panel", Text, primary_key=True),
        Column("day", Date, primary_key=True),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("by", Text, nullable=False),
        Column("document", LargeBinary, nullable=False),
    )

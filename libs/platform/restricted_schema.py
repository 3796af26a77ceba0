"""The table in which a service keeps which children are restricted, as triage says: ids, and nothing of why."""

from sqlalchemy import Column, Index, MetaData, Table, Uuid

CREATE_RESTRICTED = """
CREATE TABLE restricted_child (
    child_id    uuid PRIMARY KEY,
    referral_id uuid NOT NULL
);
CREATE INDEX restricted_child_of_referral ON restricted_child (referral_id);
"""
"""For a service's revision that adds it."""


def restricted_table(metadata: MetaData) -> Table:
    """The same among a service's own tables. A child that is shown again has no row."""
    return Table(
        "restricted_child",
        metadata,
        Column("child_id", Uuid, primary_key=True),
        Column("referral_id", Uuid, nullable=False),
        Index("restricted_child_of_referral", "referral_id"),
    )

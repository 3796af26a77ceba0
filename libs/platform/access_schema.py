"""The table in which a service keeps who read or changed what."""

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, MetaData, Table, Text, Uuid

CREATE_ACCESS = """
CREATE TABLE access (
    id          bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    at          timestamptz NOT NULL,
    subject     text        NOT NULL,
    client_id   text        NOT NULL,
    action      text        NOT NULL,
    referral_id uuid,
    case_id     uuid,
    trace_id    text
);
CREATE INDEX access_of_case ON access (case_id, at);
CREATE INDEX access_of_referral ON access (referral_id, at);
"""
"""For a service's first revision."""


def access_table(metadata: MetaData) -> Table:
    """The same among a service's own tables. Rows are only ever added."""
    return Table(
        "access",
        metadata,
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("subject", Text, nullable=False),
        Column("client_id", Text, nullable=False),
        Column("action", Text, nullable=False),
        Column("referral_id", Uuid),
        Column("case_id", Uuid),
        Column("trace_id", Text),
        Index("access_of_case", "case_id", "at"),
        Index("access_of_referral", "referral_id", "at"),
    )

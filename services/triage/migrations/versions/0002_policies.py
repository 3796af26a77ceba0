"""Policies by fingerprint, what is in force from when, and what each evaluation rested on."""

from alembic import op

revision = "0002"
down_revision = "0001"

_TABLES = """
CREATE TABLE policy (
    fingerprint   text        PRIMARY KEY,
    id            text        NOT NULL,
    version       text        NOT NULL,
    texts         text        NOT NULL,
    registered_at timestamptz NOT NULL,
    proof         text,
    proved_at     timestamptz
);

CREATE TABLE policy_in_force (
    number      bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    fingerprint text        NOT NULL REFERENCES policy (fingerprint),
    from_at     timestamptz NOT NULL,
    mode        text        NOT NULL,
    by          text        NOT NULL,
    reason      text        NOT NULL,
    written_at  timestamptz NOT NULL
);

CREATE TABLE shadow_evaluation (
    fingerprint    text        NOT NULL,
    case_id        uuid        NOT NULL,
    number         integer     NOT NULL,
    at             timestamptz NOT NULL,
    level          text        NOT NULL,
    rag            text        NOT NULL,
    live_level     text        NOT NULL,
    live_rag       text        NOT NULL,
    PRIMARY KEY (fingerprint, case_id, number)
);

ALTER TABLE evaluation
    ADD COLUMN evidence integer,
    ADD COLUMN states   text;
"""


def upgrade() -> None:
    """What was evaluated before this revision keeps no word of what it rested on."""
    op.execute(_TABLES)

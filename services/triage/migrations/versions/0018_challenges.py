"""Professional challenges."""

from alembic import op

revision = "0018"
down_revision = "0009"

_TABLES = """
CREATE TABLE challenge (
    id          uuid        PRIMARY KEY,
    case_id     uuid        NOT NULL,
    referral_id uuid        NOT NULL,
    decision    integer     NOT NULL,
    agency      text,
    channel     text        NOT NULL,
    stage       text        NOT NULL,
    raised_by   text        NOT NULL,
    raised_at   timestamptz NOT NULL,
    due_at      timestamptz NOT NULL,
    reviewer    text,
    outcome     text,
    agreed      boolean,
    resolved_at timestamptz,
    fingerprint bytea       NOT NULL
);
CREATE UNIQUE INDEX challenge_one_open ON challenge (case_id) WHERE resolved_at IS NULL;
CREATE INDEX challenge_of_time ON challenge (raised_at);
CREATE INDEX challenge_due ON challenge (due_at, id) WHERE resolved_at IS NULL;

CREATE TABLE challenge_step (
    challenge_id uuid        NOT NULL,
    number       integer     NOT NULL,
    did          text        NOT NULL,
    stage        text        NOT NULL,
    by           text        NOT NULL,
    at           timestamptz NOT NULL,
    document     bytea       NOT NULL,
    PRIMARY KEY (challenge_id, number)
);
"""


def upgrade() -> None:
    """Adds the tables; nothing was challenged yet."""
    op.execute(_TABLES)

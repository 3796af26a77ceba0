"""Who does a task and what became of it; strategy discussions; tools used."""

from alembic import op

revision = "0017"
down_revision = "0016"

_CHANGES = """
ALTER TABLE task
    ADD COLUMN outcome    text,
    ADD COLUMN owner      text,
    ADD COLUMN raised_by  text,
    ADD COLUMN overdue_at timestamptz,
    ADD COLUMN request    bytea;
UPDATE task SET outcome = 'done' WHERE done_at IS NOT NULL;

CREATE TABLE strategy_discussion (
    case_id     uuid        NOT NULL,
    number      integer     NOT NULL,
    held_at     timestamptz NOT NULL,
    outcome     text        NOT NULL,
    recorded_by text        NOT NULL,
    recorded_at timestamptz NOT NULL,
    fingerprint bytea       NOT NULL,
    document    bytea       NOT NULL,
    PRIMARY KEY (case_id, number)
);

CREATE TABLE tool_used (
    id              uuid        PRIMARY KEY,
    case_id         uuid        NOT NULL,
    tool            text        NOT NULL,
    on_day          date        NOT NULL,
    result          text,
    recorded_by     text        NOT NULL,
    recorded_at     timestamptz NOT NULL,
    idempotency_key bytea       NOT NULL,
    fingerprint     bytea       NOT NULL,
    document        bytea       NOT NULL,
    CONSTRAINT tool_used_once UNIQUE (recorded_by, idempotency_key)
);
CREATE INDEX tool_used_of_case ON tool_used (case_id);
CREATE INDEX tool_used_of_day ON tool_used (on_day);
"""


def upgrade() -> None:
    """Tasks that were done before were done: nobody could explain one away."""
    op.execute(_CHANGES)

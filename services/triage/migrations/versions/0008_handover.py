"""What becomes of a child after the decision."""

from alembic import op

revision = "0008"
down_revision = "0007"

_TABLES = """
CREATE TABLE handover (
    case_id     uuid        NOT NULL,
    decision    integer     NOT NULL,
    referral_id uuid        NOT NULL,
    destination text        NOT NULL,
    team        text        NOT NULL,
    asked_at    timestamptz NOT NULL,
    due_at      timestamptz NOT NULL,
    answer      text,
    answered_at timestamptz,
    recorded_by text,
    document    bytea,
    PRIMARY KEY (case_id, decision)
);
CREATE INDEX handover_waiting ON handover (due_at, case_id) WHERE answer IS NULL;

CREATE TABLE reopening (
    id              uuid        PRIMARY KEY,
    referral_id     uuid        NOT NULL,
    by              text        NOT NULL,
    at              timestamptz NOT NULL,
    idempotency_key bytea       NOT NULL,
    fingerprint     bytea       NOT NULL,
    document        bytea       NOT NULL,
    CONSTRAINT reopening_once UNIQUE (by, idempotency_key)
);
CREATE INDEX reopening_of_referral ON reopening (referral_id);
CREATE INDEX child_case_open ON child_case (referral_id) WHERE decision > 0 AND closed_at IS NULL;
"""


def upgrade() -> None:
    """Adds the tables; nothing was handed over yet."""
    op.execute(_TABLES)

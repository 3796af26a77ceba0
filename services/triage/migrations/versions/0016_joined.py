"""Reports of one event."""

from alembic import op

revision = "0016"
down_revision = "0015"

_CHANGES = """
CREATE TABLE joining (
    case_id     uuid        NOT NULL,
    earlier     uuid        NOT NULL,
    asked_at    timestamptz NOT NULL,
    done_at     timestamptz,
    PRIMARY KEY (case_id, earlier)
);
CREATE INDEX joining_waits ON joining (asked_at) WHERE done_at IS NULL;
"""


def upgrade() -> None:
    """Cases that stand already are joined with the next that is learnt of them."""
    op.execute(_CHANGES)

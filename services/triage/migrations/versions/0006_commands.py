"""What staff order beside deciding."""

from alembic import op

revision = "0006"
down_revision = "0005"

_COMMANDS = """
CREATE TABLE command (
    id              uuid        PRIMARY KEY,
    referral_id     uuid        NOT NULL,
    case_id         uuid        NOT NULL,
    kind            text        NOT NULL,
    by              text        NOT NULL,
    at              timestamptz NOT NULL,
    idempotency_key bytea       NOT NULL,
    fingerprint     bytea       NOT NULL,
    document        bytea       NOT NULL,
    CONSTRAINT command_once UNIQUE (by, idempotency_key)
);
CREATE INDEX command_of_case ON command (case_id);
"""


def upgrade() -> None:
    """Adds the table; nothing was ordered yet."""
    op.execute(_COMMANDS)

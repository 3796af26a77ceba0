"""Restricted cases, and whoever broke the glass of one."""

from alembic import op

revision = "0011"
down_revision = "0008"

_CAN_WAIT = "(NOT immediate_danger OR decision > 0 AND NOT at_risk)"
_CHANGES = f"""
CREATE TABLE restriction (
    case_id     uuid        NOT NULL,
    number      integer     NOT NULL,
    kind        text,
    by          text        NOT NULL,
    at          timestamptz NOT NULL,
    document    bytea       NOT NULL,
    PRIMARY KEY (case_id, number)
);

CREATE TABLE broken_glass (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    referral_id uuid        NOT NULL,
    case_id     uuid        NOT NULL,
    subject     text        NOT NULL,
    at          timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    alarmed_at  timestamptz,
    document    bytea       NOT NULL
);
CREATE INDEX broken_glass_silent ON broken_glass (at) WHERE alarmed_at IS NULL;
CREATE INDEX broken_glass_of ON broken_glass (referral_id, subject, expires_at);

CREATE INDEX child_case_queue_restricted ON child_case ({_CAN_WAIT}, act_by, id)
 WHERE act_by IS NOT NULL AND restricted;
DROP INDEX child_case_counts;
CREATE INDEX child_case_counts ON child_case (team, stage, rag, act_by) INCLUDE (restricted)
 WHERE act_by IS NOT NULL;
"""


def upgrade() -> None:
    """Nothing is restricted until a manager says so."""
    op.execute(_CHANGES)

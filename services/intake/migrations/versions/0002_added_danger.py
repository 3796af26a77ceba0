"""Danger that is added to a referral is watched until it is seen."""

from alembic import op

revision = "0002"
down_revision = "0001"

_ALTER = """
ALTER TABLE addition
    ADD COLUMN immediate_danger boolean  NOT NULL DEFAULT false,
    ADD COLUMN seen_at          timestamptz,
    ADD COLUMN alarm_level      smallint NOT NULL DEFAULT 0,
    ADD COLUMN alarm_lease      timestamptz;
CREATE INDEX addition_unseen ON addition (received_at) WHERE seen_at IS NULL AND immediate_danger;
"""


def upgrade() -> None:
    op.execute(_ALTER)

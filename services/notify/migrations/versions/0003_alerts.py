"""Alerts to people who are on call, which go before every notice."""

from alembic import op

revision = "0003"
down_revision = "0002"

_ALERTS = """
ALTER TABLE notice ADD COLUMN alert_id uuid, ADD COLUMN call_id uuid;
CREATE UNIQUE INDEX notice_call_once ON notice (call_id) WHERE call_id IS NOT NULL;
CREATE INDEX notice_call_due ON notice (due_at) WHERE call_id IS NOT NULL AND due_at IS NOT NULL;
CREATE INDEX notice_alert_unsent ON notice (alert_id) WHERE state = 'to_send';
DROP INDEX notice_once;
CREATE UNIQUE INDEX notice_once ON notice (referral_id, kind, child_id, decision) NULLS NOT DISTINCT
 WHERE call_id IS NULL;
DROP INDEX notice_unsent;
CREATE INDEX notice_unsent ON notice (referral_id, number)
 WHERE state IN ('to_send', 'unsure') AND call_id IS NULL;
"""


def upgrade() -> None:
    """Adds what names an alert; the notices of before are none."""
    op.execute(_ALERTS)

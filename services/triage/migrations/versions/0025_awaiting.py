"""What waits for an agency stands in the queue's order: a page of it is read without reading all that wait."""

from alembic import op

revision = "0025"
down_revision = "0024"

_CHANGES = """
DROP INDEX child_case_awaiting;
CREATE INDEX child_case_queue_awaiting
    ON child_case ((NOT immediate_danger OR decision > 0 AND NOT at_risk), act_by, id)
 WHERE act_by IS NOT NULL AND awaiting <> '{}';
"""


def upgrade() -> None:
    """Changes indexes alone."""
    op.execute(_CHANGES)

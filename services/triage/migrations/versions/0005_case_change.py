"""The order in which cases changed, for whoever listens to the queue."""

from alembic import op

revision = "0005"
down_revision = "0004"

_TABLES = """
CREATE TABLE case_change (
    case_id uuid PRIMARY KEY,
    xid     xid8 NOT NULL DEFAULT pg_current_xact_id()
) WITH (fillfactor = 70);
CREATE INDEX case_change_order ON case_change (xid, case_id);
INSERT INTO case_change (case_id) SELECT id FROM child_case;
"""


def upgrade() -> None:
    """Cases that stand already count as changed now."""
    op.execute(_TABLES)

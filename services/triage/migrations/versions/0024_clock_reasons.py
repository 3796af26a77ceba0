"""By what rule a hand-over is due when it is, and what kind of reason a breach has."""

from alembic import op

revision = "0024"
down_revision = "0021"

_CHANGES = """
ALTER TABLE handover ADD COLUMN rule text;
ALTER TABLE breach ADD COLUMN why text;
UPDATE breach SET why = 'other' WHERE explained_at IS NOT NULL;
CREATE INDEX breach_of_time ON breach (due_at);
"""


def upgrade() -> None:
    """What was explained before was explained in words alone."""
    op.execute(_CHANGES)

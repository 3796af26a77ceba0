"""Which restrictions the other services were told of."""

from alembic import op

revision = "0027"
down_revision = "0026"

_CHANGES = """
ALTER TABLE restriction ADD COLUMN told boolean NOT NULL DEFAULT false;
CREATE INDEX restriction_untold ON restriction (case_id) WHERE NOT told;
"""


def upgrade() -> None:
    """What was restricted before counts as untold: some of it was, and to be told again changes nothing."""
    op.execute(_CHANGES)

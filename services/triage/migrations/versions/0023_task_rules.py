"""By what rule a task is due when it is."""

from alembic import op

revision = "0023"
down_revision = "0020"

_CHANGES = """
ALTER TABLE task
    ADD COLUMN since timestamptz,
    ADD COLUMN rule  text;
"""


def upgrade() -> None:
    """Tasks that are open already keep the time that people were given: nobody wrote down how it was worked out."""
    op.execute(_CHANGES)

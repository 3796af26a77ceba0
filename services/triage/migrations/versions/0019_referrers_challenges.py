"""Challenges by the referrer's agency."""

from alembic import op

revision = "0019"
down_revision = "0023"

_SQL = """
ALTER TABLE challenge ADD COLUMN referrers boolean NOT NULL DEFAULT false;
ALTER TABLE challenge_step ADD COLUMN sent uuid;
CREATE UNIQUE INDEX challenge_step_sent ON challenge_step (sent) WHERE sent IS NOT NULL;
"""


def upgrade() -> None:
    """Nobody was told of the challenges that there were, and nobody is."""
    op.execute(_SQL)

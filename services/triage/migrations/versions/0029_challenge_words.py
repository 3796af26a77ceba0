"""Whose word each step of a challenge is, and how it came."""

from alembic import op

revision = "0029"
down_revision = "0028"

_SQL = """
ALTER TABLE challenge_step ADD COLUMN agency text, ADD COLUMN channel text, ADD COLUMN fingerprint bytea;
UPDATE challenge_step AS s SET agency = g.agency, channel = g.channel
  FROM challenge AS g WHERE g.id = s.challenge_id AND s.did = 'raised';
UPDATE challenge_step SET agency = by, channel = 'system' WHERE did = 'added';
"""


def upgrade() -> None:
    """Only the referrer's system could add to a challenge before."""
    op.execute(_SQL)

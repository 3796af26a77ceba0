"""What the people of the staff are called, by their accounts."""

from alembic import op

revision = "0026"
down_revision = "0025"

_TABLE = """
CREATE TABLE colleague (
    account  text        PRIMARY KEY,
    seen_at  timestamptz NOT NULL,
    document bytea       NOT NULL
);
CREATE INDEX colleague_seen ON colleague (seen_at, account);
"""


def upgrade() -> None:
    """Adds the table; each name is learnt when its owner signs in next."""
    op.execute(_TABLE)

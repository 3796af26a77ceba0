"""What somebody had filled in on a page when their session ended."""

from alembic import op

revision = "0013"
down_revision = "0011"

_TABLE = """
CREATE TABLE draft (
    subject  text        NOT NULL,
    path     text        NOT NULL,
    at       timestamptz NOT NULL,
    document bytea       NOT NULL,
    PRIMARY KEY (subject, path)
);
CREATE INDEX draft_at ON draft (at);
"""


def upgrade() -> None:
    """Adds the table; nobody has a draft yet."""
    op.execute(_TABLE)

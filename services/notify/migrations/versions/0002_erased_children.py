"""Nothing is told of a child that was erased on the way."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("ALTER TABLE referral ADD COLUMN erased uuid[] NOT NULL DEFAULT '{}'")

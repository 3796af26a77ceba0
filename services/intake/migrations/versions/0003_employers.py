"""Which agencies employ somebody thought to harm: their status is for the safeguarding lead alone."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("ALTER TABLE referral ADD COLUMN employers text[] NOT NULL DEFAULT '{}'")

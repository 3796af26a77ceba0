"""Which breaches people were alarmed about."""

from alembic import op

revision = "0028"
down_revision = "0027"

_CHANGES = """
ALTER TABLE breach ADD COLUMN alarmed_at timestamptz;
UPDATE breach SET alarmed_at = at;
CREATE INDEX breach_silent ON breach (at) WHERE alarmed_at IS NULL;
"""


def upgrade() -> None:
    """What ran out before counts as alarmed: it was, as far as its process lived."""
    op.execute(_CHANGES)

"""Digests in place of the keys that agencies choose for their corrections."""

from alembic import op

revision = "0012_correction_keys"
down_revision = "0011_restricted"


def upgrade() -> None:
    """Keeps what was sent under a key the same when it is sent again."""
    op.execute("UPDATE work_correction SET key = encode(sha256(convert_to(key, 'UTF8')), 'hex')")

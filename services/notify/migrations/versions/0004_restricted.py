"""Which children are restricted, as triage says."""

from alembic import op

from libs.platform.restricted_schema import CREATE_RESTRICTED

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Adds the table; of what was restricted before, triage tells nothing until it changes."""
    op.execute(CREATE_RESTRICTED)

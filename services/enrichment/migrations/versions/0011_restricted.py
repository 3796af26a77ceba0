"""Which children are restricted, as triage says."""

from alembic import op

from libs.platform.restricted_schema import CREATE_RESTRICTED

revision = "0011_restricted"
down_revision = "0009_corrections"


def upgrade() -> None:
    """Adds the table; of what was restricted before, triage tells nothing until it changes."""
    op.execute(CREATE_RESTRICTED)

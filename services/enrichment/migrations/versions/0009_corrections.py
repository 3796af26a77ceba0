"""What counts of an answer that an agency has corrected, and which answer another one repeats."""

from alembic import op

revision = "0009_corrections"
down_revision = "0005_checks"

_SQL = """
ALTER TABLE agency_check
    ADD COLUMN instead   bytea,
    ADD COLUMN reused_of uuid;
CREATE INDEX agency_check_reused ON agency_check (reused_of) WHERE reused_of IS NOT NULL;
"""


def upgrade() -> None:
    op.execute(_SQL)

"""Which person of the index a case's child is, so that restricting a child covers its other referrals."""

from alembic import op

revision = "0020"
down_revision = "0018"

_TABLE = """
CREATE TABLE child_person (
    case_id   uuid PRIMARY KEY,
    person_id uuid NOT NULL
);
CREATE INDEX child_person_cases ON child_person (person_id);
"""


def upgrade() -> None:
    """Adds the table. What was linked before stands in sealed evidence alone, and comes with its next link."""
    op.execute(_TABLE)

"""How far the checks of a child are, for the referrer's status."""

from alembic import op

revision = "0004"
down_revision = "0003"

_SQL = """
ALTER TABLE child_progress ADD COLUMN checked_at timestamptz;
CREATE TABLE check_progress (
    child_id    uuid        NOT NULL,
    agency      text        NOT NULL,
    question_id text        NOT NULL,
    referral_id uuid        NOT NULL,
    state       text        NOT NULL,
    at          timestamptz NOT NULL,
    PRIMARY KEY (child_id, agency, question_id)
);
CREATE INDEX ix_check_progress_referral_id ON check_progress (referral_id);
COMMENT ON TABLE check_progress IS 'What came of each question about a child, as codes.';
"""


def upgrade() -> None:
    op.execute(_SQL)

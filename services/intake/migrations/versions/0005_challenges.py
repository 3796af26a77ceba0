"""How far the challenges of the agency that referred have come, for its status."""

from alembic import op

revision = "0005"
down_revision = "0006"

_SQL = """
CREATE TABLE challenge_progress (
    challenge_id uuid        PRIMARY KEY,
    child_id     uuid        NOT NULL,
    referral_id  uuid        NOT NULL,
    number       integer     NOT NULL,
    state        text        NOT NULL,
    stage        text,
    outcome      text,
    may_tell     boolean     NOT NULL,
    at           timestamptz NOT NULL
);
CREATE INDEX ix_challenge_progress_referral_id ON challenge_progress (referral_id);
COMMENT ON TABLE challenge_progress IS 'How far the referrer''s challenges have come, as codes.';
"""


def upgrade() -> None:
    op.execute(_SQL)

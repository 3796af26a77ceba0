"""What was disclosed, by names and no values; and the agencies that employ somebody thought to harm."""

from alembic import op

revision = "0004"
down_revision = "0002"

_SQL = """
CREATE TABLE disclosure (
    id          bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    at          timestamptz NOT NULL,
    direction   text        NOT NULL,
    referral_id uuid        NOT NULL,
    child_id    uuid        NOT NULL,
    agency      text        NOT NULL,
    audience    text        NOT NULL,
    question_id uuid,
    items       text[]      NOT NULL,
    fields      text[]      NOT NULL,
    grounds     text[]      NOT NULL,
    emergency   boolean     NOT NULL,
    said        bytea       NOT NULL
);
CREATE INDEX disclosure_of_child ON disclosure (child_id, id);
CREATE INDEX disclosure_of_referral ON disclosure (referral_id, id);
CREATE INDEX disclosure_to_agency ON disclosure (agency, id);
CREATE UNIQUE INDEX disclosure_once ON disclosure (question_id, items, fields, grounds) WHERE direction = 'out';
"""


def upgrade() -> None:
    op.execute(_SQL)
    op.execute("ALTER TABLE referral ADD COLUMN employers text[] NOT NULL DEFAULT '{}'")

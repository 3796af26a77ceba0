"""Several questions to an agency about a child, staff's orders, and the agencies that do not answer."""

from alembic import op

revision = "0005_checks"
down_revision = "0008_pulled"

_SQL = """
ALTER TABLE agency_check DROP CONSTRAINT agency_check_pkey, ADD PRIMARY KEY (question_id);
ALTER TABLE agency_check
    ADD COLUMN items         text[]      NOT NULL DEFAULT '{}',
    ADD COLUMN existence     text[]      NOT NULL DEFAULT '{}',
    ADD COLUMN held_back     text[]      NOT NULL DEFAULT '{}',
    ADD COLUMN stopped       boolean     NOT NULL DEFAULT false,
    ADD COLUMN with_question uuid,
    ADD COLUMN again         uuid,
    ADD COLUMN corrected_at  timestamptz,
    ADD COLUMN reused_from   timestamptz,
    ADD COLUMN put_at        timestamptz;
UPDATE agency_check SET put_at = coalesce(asked_at, due_at);
ALTER TABLE agency_check ALTER COLUMN put_at SET NOT NULL;
CREATE INDEX agency_check_of_child ON agency_check (child_id, agency);

ALTER TABLE child ADD COLUMN home smallint, ADD COLUMN orders bytea;

CREATE TABLE agency_standing (
    agency text        PRIMARY KEY,
    since  timestamptz NOT NULL,
    try_at timestamptz NOT NULL,
    tries  smallint    NOT NULL
);
"""


def upgrade() -> None:
    """Names each question by its own id."""
    op.execute(_SQL)

"""Who has the pen of a case, and whose case it is."""

from alembic import op

revision = "0003"
down_revision = "0002"

_TABLES = """
CREATE TABLE claim (
    case_id    uuid        PRIMARY KEY,
    holder     text        NOT NULL,
    since      timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE TABLE claim_taken_over (
    case_id  uuid        NOT NULL,
    at       timestamptz NOT NULL,
    held_by  text,
    by       text        NOT NULL,
    document bytea       NOT NULL,
    PRIMARY KEY (case_id, at)
);

CREATE TABLE allocated (
    case_id uuid        PRIMARY KEY,
    worker  text        NOT NULL,
    at      timestamptz NOT NULL
);
CREATE INDEX allocated_to ON allocated (worker);

CREATE TABLE allocation (
    case_id  uuid        NOT NULL,
    number   integer     NOT NULL,
    worker   text        NOT NULL,
    by       text        NOT NULL,
    at       timestamptz NOT NULL,
    document bytea       NOT NULL,
    PRIMARY KEY (case_id, number)
);
"""


def upgrade() -> None:
    """Adds the tables; nobody has the pen of a case, and cases are nobody's, until somebody says so."""
    op.execute(_TABLES)

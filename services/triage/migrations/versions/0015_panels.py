"""Panels' agendas and outcomes."""

from alembic import op

revision = "0015"
down_revision = "0014"

_TABLES = """
CREATE TABLE panel_item (
    panel       text        NOT NULL,
    day         date        NOT NULL,
    case_id     uuid        NOT NULL,
    referral_id uuid        NOT NULL,
    decision    integer     NOT NULL,
    listed      boolean     NOT NULL,
    put_at      timestamptz NOT NULL,
    outcome     text,
    review_on   date,
    settled_at  timestamptz,
    settled_by  text,
    document    bytea,
    PRIMARY KEY (panel, day, case_id)
);
CREATE INDEX panel_item_of_case ON panel_item (case_id);

CREATE TABLE panel_meeting (
    panel    text        NOT NULL,
    day      date        NOT NULL,
    at       timestamptz NOT NULL,
    by       text        NOT NULL,
    document bytea       NOT NULL,
    PRIMARY KEY (panel, day)
);
"""


def upgrade() -> None:
    """Adds the tables; what was decided before stands on no agenda."""
    op.execute(_TABLES)

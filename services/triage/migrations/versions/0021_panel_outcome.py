"""Every outcome that a panel ever wrote down, so that one can be corrected and the first stays."""

from alembic import op

revision = "0021"
down_revision = "0019"

_TABLE = """
CREATE TABLE panel_outcome (
    case_id   uuid        NOT NULL,
    panel     text        NOT NULL,
    day       date        NOT NULL,
    number    integer     NOT NULL,
    outcome   text        NOT NULL,
    review_on date,
    by        text        NOT NULL,
    at        timestamptz NOT NULL,
    document  bytea       NOT NULL,
    PRIMARY KEY (case_id, panel, day, number)
);
INSERT INTO panel_outcome (case_id, panel, day, number, outcome, review_on, by, at, document)
SELECT case_id, panel, day, 1, outcome, review_on, settled_by, settled_at, document
  FROM panel_item WHERE outcome IS NOT NULL;
"""


def upgrade() -> None:
    """Adds the table with what stands on the agendas."""
    op.execute(_TABLE)

"""What a case goes through between a decision and its end."""

from alembic import op

revision = "0007"
down_revision = "0006"

_CHANGES = """
ALTER TABLE child_case
    ADD COLUMN signing          integer NOT NULL DEFAULT 0,
    ADD COLUMN proposed_at      timestamptz,
    ADD COLUMN hand_over_due_at timestamptz,
    ADD COLUMN statutory_at     timestamptz,
    ADD COLUMN decided_level    text,
    ADD COLUMN decided_to       text,
    ADD COLUMN closed_at        timestamptz,
    ADD COLUMN restricted       boolean NOT NULL DEFAULT false;

UPDATE child_case
   SET decided_level = d.level, decided_to = d.destination
  FROM decision AS d
 WHERE d.case_id = child_case.id AND d.number = child_case.decision;

CREATE TABLE proposal (
    case_id     uuid        NOT NULL,
    number      integer     NOT NULL,
    step        integer     NOT NULL,
    did         text        NOT NULL,
    by          text        NOT NULL,
    at          timestamptz NOT NULL,
    tag         text        NOT NULL,
    document    bytea       NOT NULL,
    PRIMARY KEY (case_id, step)
);
CREATE INDEX proposal_of_case ON proposal (case_id, number);

ALTER TABLE claim_taken_over DROP CONSTRAINT claim_taken_over_pkey;
ALTER TABLE claim_taken_over ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY;
ALTER TABLE claim_taken_over ADD PRIMARY KEY (case_id, number);

ALTER TABLE decision ADD COLUMN departure_code text;
CREATE INDEX decision_of_time ON decision (decided_at);
"""


def upgrade() -> None:
    """Cases that stand decided keep their decision; they are in nobody's hands and were handed over by hand."""
    op.execute(_CHANGES)

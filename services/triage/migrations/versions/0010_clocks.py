"""Clocks that are kept beside those of the case itself, and from when and by which rule each instant was worked out."""

from alembic import op

revision = "0010"
down_revision = "0013"

_CHANGES = """
ALTER TABLE child_case
    ADD COLUMN clock_from     timestamptz,
    ADD COLUMN read_from      timestamptz,
    ADD COLUMN narrative_from timestamptz,
    ADD COLUMN pauses         text[] NOT NULL DEFAULT '{}',
    ADD COLUMN warned         text[] NOT NULL DEFAULT '{}',
    ADD COLUMN rules          text;

UPDATE child_case SET clock_from = reopened_at WHERE at_risk;

DROP INDEX child_case_queue_set_apart;
CREATE INDEX child_case_queue_set_apart
    ON child_case ((NOT immediate_danger OR decision > 0 AND NOT at_risk), act_by, id)
 WHERE act_by IS NOT NULL
   AND (immediate_danger OR at_risk OR stopped OR stub OR reopened_at IS NOT NULL OR withdrawn_at IS NOT NULL
        OR warned <> '{}');

CREATE TABLE clock_rules (
    number      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fingerprint text        NOT NULL,
    words       text        NOT NULL,
    from_at     timestamptz NOT NULL
);

CREATE TABLE kept_clock (
    case_id     uuid        NOT NULL,
    clock       text        NOT NULL,
    number      integer     NOT NULL,
    referral_id uuid        NOT NULL,
    started_at  timestamptz NOT NULL,
    due_at      timestamptz NOT NULL,
    rules       text        NOT NULL,
    warned_at   timestamptz,
    stopped_at  timestamptz,
    stopped_by  text,
    document    bytea,
    PRIMARY KEY (case_id, clock, number)
);
CREATE UNIQUE INDEX kept_clock_runs ON kept_clock (case_id, clock) WHERE stopped_at IS NULL;

CREATE TABLE breach (
    case_id      uuid        NOT NULL,
    clock        text        NOT NULL,
    due_at       timestamptz NOT NULL,
    at           timestamptz NOT NULL,
    explained_at timestamptz,
    explained_by text,
    document     bytea,
    PRIMARY KEY (case_id, clock, due_at)
);

CREATE TABLE target_pause (
    case_id    uuid        NOT NULL,
    from_at    timestamptz NOT NULL,
    by         text        NOT NULL,
    document   bytea       NOT NULL,
    until_at   timestamptz,
    resumed_by text,
    resumption bytea,
    PRIMARY KEY (case_id, from_at)
);
"""


def upgrade() -> None:
    """What stands in a queue without rules is worked out anew when triage starts."""
    op.execute(_CHANGES)

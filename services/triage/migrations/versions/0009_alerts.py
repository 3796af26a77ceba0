"""Red work alerts a person."""

from alembic import op

revision = "0009"
down_revision = "0017"

_TABLES = """
CREATE TABLE alert (
    id              uuid        PRIMARY KEY,
    referral_id     uuid        NOT NULL,
    case_ids        uuid[]      NOT NULL,
    urgency         text        NOT NULL,
    raised_at       timestamptz NOT NULL,
    round           integer     NOT NULL DEFAULT 1,
    next_at         timestamptz,
    alarmed         integer     NOT NULL DEFAULT 0,
    ended_at        timestamptz,
    ended_as        text,
    acknowledged_by text,
    document        bytea
);
CREATE UNIQUE INDEX alert_open ON alert (referral_id) WHERE ended_at IS NULL;
CREATE INDEX alert_silent ON alert (id) WHERE ended_at IS NULL AND round - 1 > alarmed;
CREATE INDEX alert_raised ON alert (raised_at, id);

CREATE TABLE alert_cause (
    case_id  uuid    NOT NULL,
    urgency  text    NOT NULL,
    decision integer NOT NULL,
    alert_id uuid    NOT NULL,
    PRIMARY KEY (case_id, urgency, decision)
);

CREATE TABLE alert_call (
    id        uuid        PRIMARY KEY,
    alert_id  uuid        NOT NULL,
    number    integer     NOT NULL,
    round     integer     NOT NULL,
    contact   text        NOT NULL,
    called_at timestamptz NOT NULL,
    state     text        NOT NULL,
    told_at   timestamptz,
    channel   text,
    reason    text
);
CREATE UNIQUE INDEX alert_call_once ON alert_call (alert_id, number);
"""


def upgrade() -> None:
    """Adds the tables. Red cases of before raise an alert with their next change."""
    op.execute(_TABLES)

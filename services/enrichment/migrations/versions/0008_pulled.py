"""Questions that agencies fetch themselves, what they answered, and the lists that they send."""

from alembic import op

revision = "0008_pulled"
down_revision = "0007_people"

_SQL = """
CREATE TABLE work (
    question_id   uuid        PRIMARY KEY,
    agency        text        NOT NULL,
    audience      text        NOT NULL,
    referral_id   uuid        NOT NULL,
    child_id      uuid        NOT NULL,
    put_at        timestamptz NOT NULL,
    question      bytea       NOT NULL,
    keys          bytea[]     NOT NULL,
    claim_id      uuid,
    claimed_by    text,
    claimed_until timestamptz,
    closed_at     timestamptz,
    answered_by   text,
    answer        bytea,
    answer_digest bytea
);
CREATE INDEX work_open ON work (agency, audience, put_at) WHERE closed_at IS NULL;
CREATE INDEX work_of_claim ON work (claim_id) WHERE claim_id IS NOT NULL;
CREATE INDEX work_about ON work USING gin (keys);

CREATE TABLE work_correction (
    question_id uuid        NOT NULL,
    number      smallint    NOT NULL,
    at          timestamptz NOT NULL,
    by          text        NOT NULL,
    key         text        NOT NULL,
    digest      bytea       NOT NULL,
    correction  bytea       NOT NULL,
    PRIMARY KEY (question_id, number)
);
CREATE UNIQUE INDEX work_correction_once ON work_correction (question_id, key);

CREATE TABLE list (
    id       uuid        PRIMARY KEY,
    agency   text        NOT NULL,
    "on"     date        NOT NULL,
    at       timestamptz NOT NULL,
    by       text        NOT NULL,
    digest   bytea       NOT NULL,
    accepted integer     NOT NULL,
    refused  integer     NOT NULL
);
CREATE INDEX list_latest ON list (agency, "on", at);

CREATE TABLE list_entry (
    list_id uuid    NOT NULL,
    row     integer NOT NULL,
    keys    bytea[] NOT NULL,
    entry   bytea   NOT NULL,
    PRIMARY KEY (list_id, row)
);
CREATE INDEX list_entry_about ON list_entry USING gin (keys);

CREATE TABLE list_match (
    question_id uuid        NOT NULL,
    list_id     uuid        NOT NULL,
    at          timestamptz NOT NULL,
    PRIMARY KEY (question_id, list_id)
);
"""


def upgrade() -> None:
    op.execute(_SQL)

"""Referrals, children and their checks; the event log's own tables."""

from alembic import op

from libs.messaging.tables import create_sql
from libs.platform.access_schema import CREATE_ACCESS

revision = "0001"
down_revision = None

_SQL = """
CREATE TABLE referral (
    id           uuid        PRIMARY KEY,
    reference    text        NOT NULL UNIQUE,
    agreement    text        NOT NULL,
    received_at  timestamptz NOT NULL,
    withdrawn_at timestamptz,
    kept         bytea       NOT NULL
);

CREATE TABLE child (
    id           uuid        PRIMARY KEY,
    referral_id  uuid        NOT NULL,
    number       smallint    NOT NULL,
    identifiers  text[]      NOT NULL,
    level        text,
    rag          text,
    due_at       timestamptz,
    screened_at  timestamptz,
    completed_at timestamptz,
    traceparent  text
) WITH (fillfactor = 70);
CREATE INDEX child_of_referral ON child (referral_id);
CREATE INDEX child_open ON child (due_at) WHERE completed_at IS NULL;

CREATE TABLE agency_check (
    child_id    uuid        NOT NULL,
    agency      text        NOT NULL,
    referral_id uuid        NOT NULL,
    question_id uuid        NOT NULL,
    state       text        NOT NULL,
    silence     text        NOT NULL,
    reason      text,
    asked_at    timestamptz,
    due_at      timestamptz NOT NULL,
    answered_at timestamptz,
    late        boolean     NOT NULL,
    attempts    bigint      NOT NULL,
    chases      bigint      NOT NULL,
    ask_at      timestamptz,
    answer      bytea,
    PRIMARY KEY (child_id, agency)
) WITH (fillfactor = 70);
CREATE INDEX agency_check_of_referral ON agency_check (referral_id);
CREATE INDEX agency_check_to_ask ON agency_check (agency, ask_at) WHERE ask_at IS NOT NULL;
"""


def upgrade() -> None:
    op.execute(create_sql(1))
    op.execute(_SQL)
    op.execute(CREATE_ACCESS)

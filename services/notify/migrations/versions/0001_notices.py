"""Referrers, notices and what is known of their messages; the event log's own tables."""

from alembic import op

from libs.messaging.tables import create_sql
from libs.platform.access_schema import CREATE_ACCESS

revision = "0001"
down_revision = None

_SQL = """
CREATE TABLE referral (
    id          uuid        PRIMARY KEY,
    reference   text        NOT NULL UNIQUE,
    children    uuid[]      NOT NULL,
    received_at timestamptz NOT NULL,
    recipient   bytea       NOT NULL
);

CREATE TABLE notice (
    id           uuid        PRIMARY KEY,
    number       bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    referral_id  uuid        NOT NULL,
    kind         text        NOT NULL,
    child_id     uuid,
    decision     integer     NOT NULL,
    channel      text        NOT NULL,
    state        text        NOT NULL,
    reason       text,
    created_at   timestamptz NOT NULL,
    due_at       timestamptz,
    claim        uuid,
    sends        integer     NOT NULL DEFAULT 0,
    asks         integer     NOT NULL DEFAULT 0,
    last_send_at timestamptz,
    ended_at     timestamptz,
    messages     integer     NOT NULL DEFAULT 1,
    traceparent  text,
    content      bytea       NOT NULL
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX notice_once ON notice (referral_id, kind, child_id, decision) NULLS NOT DISTINCT;
CREATE INDEX notice_due ON notice (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX notice_unsent ON notice (referral_id, number) WHERE state IN ('to_send', 'unsure');

CREATE TABLE untold (
    id          bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    referral_id uuid        NOT NULL,
    kind        text        NOT NULL,
    child_id    uuid,
    decision    integer     NOT NULL,
    reason      text        NOT NULL,
    at          timestamptz NOT NULL
);
CREATE UNIQUE INDEX untold_once ON untold (referral_id, kind, child_id, decision) NULLS NOT DISTINCT;

CREATE TABLE receipt (
    notice_id    uuid        NOT NULL,
    message_id   uuid        NOT NULL,
    status       text        NOT NULL,
    source       text        NOT NULL,
    completed_at timestamptz,
    arrived_at   timestamptz NOT NULL,
    contradicts  boolean     NOT NULL,
    PRIMARY KEY (notice_id, message_id, status)
);
"""


def upgrade() -> None:
    op.execute(create_sql(1))
    op.execute(_SQL)
    op.execute(CREATE_ACCESS)

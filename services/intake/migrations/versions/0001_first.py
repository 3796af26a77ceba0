"""Intake's tables, and those of the event log."""

from alembic import op

from libs.messaging.tables import create_sql
from libs.platform.access_schema import CREATE_ACCESS

revision = "0001"
down_revision = None

# Compressing a payload of a few kilobytes costs PostgreSQL more than storing it.
_CREATE = """
CREATE TABLE referral (
    id              uuid        PRIMARY KEY,
    reference       text        NOT NULL UNIQUE,
    agency          text        NOT NULL,
    idempotency_key bytea       NOT NULL,
    fingerprint     bytea       NOT NULL,
    received_at     timestamptz NOT NULL,
    immediate_danger boolean    NOT NULL,
    referrer_role   text        NOT NULL,
    payload         bytea       NOT NULL,
    answer          bytea       NOT NULL,
    screened_at     timestamptz,
    alarm_level     smallint    NOT NULL DEFAULT 0,
    alarm_lease     timestamptz,
    CONSTRAINT referral_sent_once UNIQUE (agency, idempotency_key)
) WITH (toast_tuple_target = 8160);
CREATE INDEX referral_unseen ON referral (received_at) WHERE screened_at IS NULL;
COMMENT ON TABLE referral IS 'Referrals as they were accepted. Digests in place of what the sender chose.';

CREATE TABLE addition (
    id              uuid        PRIMARY KEY,
    referral_id     uuid        NOT NULL REFERENCES referral (id),
    kind            text        NOT NULL,
    agency          text        NOT NULL,
    idempotency_key bytea       NOT NULL,
    fingerprint     bytea       NOT NULL,
    received_at     timestamptz NOT NULL,
    payload         bytea       NOT NULL,
    answer          bytea       NOT NULL,
    CONSTRAINT addition_sent_once UNIQUE (agency, idempotency_key)
);
CREATE INDEX ix_addition_referral_id ON addition (referral_id);
COMMENT ON TABLE addition IS 'What the referring agency sent afterwards: information and withdrawals.';

CREATE TABLE child_progress (
    child_id    uuid     PRIMARY KEY,
    referral_id uuid     NOT NULL,
    screened_at timestamptz,
    decision    smallint NOT NULL DEFAULT 0,
    decided_at  timestamptz,
    destination text,
    may_tell    boolean  NOT NULL DEFAULT false
);
CREATE INDEX ix_child_progress_referral_id ON child_progress (referral_id);
COMMENT ON TABLE child_progress IS 'What triage said of each child, as far as the referrer may know.';

CREATE TABLE notice_progress (
    id          uuid        PRIMARY KEY,
    referral_id uuid        NOT NULL,
    kind        text,
    channel     text,
    state       text        NOT NULL,
    reason      text,
    at          timestamptz NOT NULL
);
CREATE INDEX ix_notice_progress_referral_id ON notice_progress (referral_id);
COMMENT ON TABLE notice_progress IS 'What became of the messages to the referrer.';
"""


def upgrade() -> None:
    op.execute(create_sql(1))
    op.execute(_CREATE)
    op.execute(CREATE_ACCESS)

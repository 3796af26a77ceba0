"""The index of people: who is known, by which keyed hashes they are found, who is linked to whom and by whom."""

from alembic import op

revision = "0007_people"
down_revision = "0003_family"

_SQL = """
CREATE TABLE person (
    id          uuid        PRIMARY KEY,
    profile     bytea       NOT NULL,
    keyed       text        NOT NULL,
    merged_into uuid,
    merged_by   uuid,
    created_at  timestamptz NOT NULL,
    changed_at  timestamptz NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX person_keyed ON person (keyed);
CREATE INDEX person_merged_by ON person (merged_by) WHERE merged_by IS NOT NULL;

CREATE TABLE person_key (
    key       bytea NOT NULL,
    person_id uuid  NOT NULL,
    PRIMARY KEY (key, person_id)
);
CREATE INDEX person_key_of_person ON person_key (person_id);
COMMENT ON TABLE person_key IS 'Keyed hashes by which records that may be one person find each other.';

CREATE TABLE person_subject (
    id          uuid        PRIMARY KEY,
    referral_id uuid        NOT NULL,
    adult       boolean     NOT NULL,
    source      text        NOT NULL,
    profile     bytea       NOT NULL,
    given_at    timestamptz NOT NULL
);
CREATE INDEX person_subject_of_referral ON person_subject (referral_id);
COMMENT ON TABLE person_subject IS 'Each child and adult as a source gave them; a child bears the id of the case.';

CREATE TABLE person_link (
    id         bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    subject_id uuid        NOT NULL,
    person_id  uuid        NOT NULL,
    band       text        NOT NULL,
    method     text        NOT NULL,
    rules      text        NOT NULL,
    since      timestamptz NOT NULL,
    begun_by   uuid,
    until      timestamptz,
    ended_by   uuid
);
CREATE UNIQUE INDEX person_link_now ON person_link (subject_id) WHERE until IS NULL;
CREATE INDEX person_link_of_person ON person_link (person_id) WHERE until IS NULL;
CREATE INDEX person_link_begun_by ON person_link (begun_by) WHERE begun_by IS NOT NULL;
CREATE INDEX person_link_ended_by ON person_link (ended_by) WHERE ended_by IS NOT NULL;
COMMENT ON TABLE person_link IS 'Who was taken for whom, when, by which rules or command; ended, never deleted.';

CREATE TABLE person_apart (
    id       bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    low      uuid        NOT NULL,
    high     uuid        NOT NULL,
    since    timestamptz NOT NULL,
    begun_by uuid        NOT NULL,
    until    timestamptz,
    ended_by uuid,
    CHECK (low < high)
);
CREATE UNIQUE INDEX person_apart_now ON person_apart (low, high) WHERE until IS NULL;
CREATE INDEX person_apart_of_high ON person_apart (high) WHERE until IS NULL;
CREATE INDEX person_apart_begun_by ON person_apart (begun_by);
CREATE INDEX person_apart_ended_by ON person_apart (ended_by) WHERE ended_by IS NOT NULL;
COMMENT ON TABLE person_apart IS 'Two persons whom somebody said to be two: not offered for each other again.';

CREATE TABLE person_decision (
    command_id uuid        PRIMARY KEY,
    child_id   uuid        NOT NULL,
    action     text        NOT NULL,
    done       boolean     NOT NULL,
    undoes     uuid,
    at         timestamptz NOT NULL,
    decision   bytea       NOT NULL
);
CREATE INDEX person_decision_of_child ON person_decision (child_id);
COMMENT ON TABLE person_decision IS 'Decisions about who is who; name and reason are in the payload. Never updated.';
"""


def upgrade() -> None:
    op.execute(_SQL)

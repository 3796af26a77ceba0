"""What is kept for later referrals about the same people: who was named, what was stated, what was decided."""

from alembic import op

revision = "0003_family"
down_revision = "0004"

_SQL = """
CREATE TABLE home (
    referral_id uuid   PRIMARY KEY,
    kind        text   NOT NULL,
    agency      text   NOT NULL,
    said        bytea  NOT NULL,
    named       uuid[] NOT NULL,
    persons     uuid[] NOT NULL
);

CREATE TABLE contact (
    case_id     uuid        PRIMARY KEY,
    referral_id uuid        NOT NULL,
    person_id   uuid        NOT NULL,
    received_at timestamptz NOT NULL,
    origin      text        NOT NULL,
    level       text,
    destination text,
    decided_at  timestamptz,
    decision    int         NOT NULL,
    revision    int         NOT NULL,
    told        bytea
) WITH (fillfactor = 80);
CREATE INDEX contact_of_referral ON contact (referral_id);
CREATE INDEX contact_of_person ON contact (person_id, received_at DESC, case_id DESC);

CREATE TABLE event_word (
    command_id    uuid        PRIMARY KEY,
    case_id       uuid        NOT NULL,
    other_case_id uuid,
    action        text        NOT NULL,
    undoes        uuid,
    said_at       timestamptz NOT NULL,
    given         bytea       NOT NULL
);
CREATE INDEX event_word_of_case ON event_word (case_id);
CREATE INDEX event_word_of_other_case ON event_word (other_case_id) WHERE other_case_id IS NOT NULL;
CREATE INDEX event_word_undoes ON event_word (undoes) WHERE undoes IS NOT NULL;

COMMENT ON TABLE home IS 'What is kept of a referral for later ones, and who of the index those are who have no case.';
COMMENT ON TABLE contact IS
    'A child''s case as a report about a person, with what was decided and what was told of it last.';
COMMENT ON TABLE event_word IS 'What people said of whether two reports tell of the same event.';
"""


def upgrade() -> None:
    op.execute(_SQL)

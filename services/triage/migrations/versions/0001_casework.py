"""Cases, their evidence, evaluations and decisions, tasks, and who read what."""

from alembic import op

from libs.messaging.tables import create_sql
from libs.platform.access_schema import CREATE_ACCESS

revision = "0001"
down_revision = None

_TABLES = """
CREATE TABLE referral (
    id          uuid        PRIMARY KEY,
    reference   text        NOT NULL UNIQUE,
    agency      text        NOT NULL,
    received_at timestamptz NOT NULL,
    untellable  text,
    document    bytea       NOT NULL
);

CREATE TABLE child_case (
    id               uuid        PRIMARY KEY,
    referral_id      uuid        NOT NULL,
    reference        text,
    child_number     smallint    NOT NULL,
    received_at      timestamptz NOT NULL,
    due_at           timestamptz NOT NULL,
    team             text        NOT NULL,
    trace            text,
    stub             boolean     NOT NULL,
    stage            text        NOT NULL,
    level            text        NOT NULL,
    rag              text        NOT NULL,
    could_rise_to    text        NOT NULL,
    destination      text,
    immediate_danger boolean     NOT NULL,
    unread           boolean     NOT NULL,
    read_due_at      timestamptz,
    narrative_due_at timestamptz,
    rag_due_at       timestamptz,
    act_by           timestamptz,
    completed_at     timestamptz,
    unrouted         boolean     NOT NULL,
    routed_at        timestamptz,
    reopened_at      timestamptz,
    at_risk          boolean     NOT NULL,
    stopped          boolean     NOT NULL,
    withdrawn_at     timestamptz,
    evidence         integer     NOT NULL,
    answers          integer     NOT NULL,
    evaluation       integer     NOT NULL,
    decision         integer     NOT NULL,
    announced_level  text        NOT NULL,
    announced_rag    text        NOT NULL,
    actions          text[]      NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX child_case_of_referral ON child_case (referral_id);
CREATE INDEX child_case_of_reference ON child_case (reference);
CREATE INDEX child_case_queue ON child_case ((NOT immediate_danger OR decision > 0 AND NOT at_risk), act_by, id)
    WHERE act_by IS NOT NULL;
CREATE INDEX child_case_unfinished ON child_case (received_at)
    WHERE completed_at IS NULL AND NOT stub AND decision = 0;

CREATE TABLE evidence (
    case_id  uuid        NOT NULL,
    number   integer     NOT NULL,
    event_id uuid        NOT NULL,
    kind     text        NOT NULL,
    source   text        NOT NULL,
    at       timestamptz NOT NULL,
    document bytea       NOT NULL,
    PRIMARY KEY (case_id, number),
    CONSTRAINT evidence_once UNIQUE (case_id, event_id)
);

CREATE TABLE agency_state (
    case_id     uuid        NOT NULL,
    agency      text        NOT NULL,
    state       text        NOT NULL,
    reason      text,
    asked_at    timestamptz,
    due_at      timestamptz,
    answered_at timestamptz,
    late        boolean     NOT NULL,
    PRIMARY KEY (case_id, agency)
) WITH (fillfactor = 50);

CREATE TABLE evaluation (
    case_id       uuid        NOT NULL,
    number        integer     NOT NULL,
    event_id      uuid        NOT NULL,
    at            timestamptz NOT NULL,
    trigger       text        NOT NULL,
    policy        text        NOT NULL,
    level         text        NOT NULL,
    rag           text        NOT NULL,
    could_rise_to text        NOT NULL,
    document      bytea       NOT NULL,
    PRIMARY KEY (case_id, number),
    CONSTRAINT evaluation_once UNIQUE (case_id, event_id)
);

CREATE TABLE decision (
    case_id     uuid        NOT NULL,
    number      integer     NOT NULL,
    evaluation  integer     NOT NULL,
    level       text        NOT NULL,
    destination text        NOT NULL,
    departure   text        NOT NULL,
    decided_by  text        NOT NULL,
    decided_at  timestamptz NOT NULL,
    tag         text        NOT NULL,
    document    bytea       NOT NULL,
    PRIMARY KEY (case_id, number)
);

CREATE TABLE task (
    id          uuid        PRIMARY KEY,
    referral_id uuid        NOT NULL,
    case_id     uuid,
    kind        text        NOT NULL,
    reason      text,
    raised_at   timestamptz NOT NULL,
    due_at      timestamptz NOT NULL,
    done_at     timestamptz,
    done_by     text,
    document    bytea
);
CREATE INDEX task_of_referral ON task (referral_id);
CREATE INDEX task_open ON task (due_at, id) WHERE done_at IS NULL;

CREATE TABLE stop (
    referral_id uuid        NOT NULL,
    consumer    text        NOT NULL,
    event_id    uuid        NOT NULL,
    event_type  text        NOT NULL,
    reason      text        NOT NULL,
    at          timestamptz NOT NULL,
    PRIMARY KEY (referral_id, consumer)
);
"""


def upgrade() -> None:
    """Makes the messaging library's tables and triage's own."""
    op.execute(create_sql(1))
    op.execute(_TABLES)
    op.execute(CREATE_ACCESS)


def downgrade() -> None:
    """There is no release before this one."""
    raise NotImplementedError

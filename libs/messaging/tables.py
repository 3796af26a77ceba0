"""The tables of this library, made in each service's own schema by that service's first migration.

Every name is unqualified: the migration's search_path names the schema. Payloads are `bytea` through the codec;
every other column holds ids, codes and times.
"""

from libs.schemas.events import Service

VERSION = 1

_CREATE = {
    1: """
CREATE TABLE outbox (
    xid         xid8        NOT NULL DEFAULT pg_current_xact_id(),
    id          bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    event_id    uuid        NOT NULL,
    type        text        NOT NULL,
    topic       text        NOT NULL,
    source      text        NOT NULL,
    referral_id uuid        NOT NULL,
    sequence    bigint      NOT NULL,
    time        timestamptz NOT NULL,
    traceparent text,
    tracestate  text,
    payload     bytea       NOT NULL,
    PRIMARY KEY (xid, id)
) WITH (toast_tuple_target = 8160);
CREATE UNIQUE INDEX outbox_of_referral ON outbox (referral_id, sequence);
COMMENT ON TABLE outbox IS 'Events in the order of their commits: read by (xid, id) below the fence, never updated.';

CREATE TABLE stream (
    referral_id uuid   PRIMARY KEY,
    sequence    bigint NOT NULL
) WITH (fillfactor = 70);
COMMENT ON TABLE stream IS 'How many events this service has written about each referral.';

CREATE TABLE log_cursor (
    name     text        PRIMARY KEY,
    xid      xid8        NOT NULL,
    id       bigint      NOT NULL,
    moved_at timestamptz NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE log_cursor IS 'How far each reader of a log has come; moved by compare-and-set only.';

CREATE FUNCTION log_position(reader text, OUT xid xid8, OUT id bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT
    AS 'SELECT c.xid, c.id FROM log_cursor AS c WHERE c.name = reader';
COMMENT ON FUNCTION log_position IS 'Tells another service, which cannot read the table, what it must not prune yet.';

CREATE TABLE inbox (
    consumer     text        NOT NULL,
    event_id     uuid        NOT NULL,
    type         text        NOT NULL,
    processed_at timestamptz NOT NULL,
    PRIMARY KEY (consumer, event_id)
);
CREATE INDEX inbox_processed_at ON inbox USING brin (processed_at) WITH (pages_per_range = 16);
COMMENT ON TABLE inbox IS 'Every event that was taken in: applied, held or parked.';

CREATE TABLE held (
    event_id    uuid        PRIMARY KEY,
    type        text        NOT NULL,
    source      text        NOT NULL,
    referral_id uuid        NOT NULL,
    sequence    bigint      NOT NULL,
    time        timestamptz NOT NULL,
    traceparent text,
    tracestate  text,
    payload     bytea       NOT NULL,
    held_at     timestamptz NOT NULL
);
CREATE INDEX held_of_referral ON held (referral_id);
COMMENT ON TABLE held IS 'Events that came before their referral and are applied when it comes.';

CREATE TABLE parked (
    consumer        text        NOT NULL,
    event_id        uuid        NOT NULL,
    number          bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    referral_id     uuid        NOT NULL,
    type            text        NOT NULL,
    topic           text        NOT NULL,
    partition       integer     NOT NULL,
    position        bigint      NOT NULL,
    key             bytea       NOT NULL,
    headers         jsonb       NOT NULL,
    payload         bytea       NOT NULL,
    state           text        NOT NULL CHECK (state IN ('failed', 'waiting', 'done', 'discarded')),
    error_class     text        NOT NULL,
    code            text        NOT NULL,
    attempts        integer     NOT NULL,
    parked_at       timestamptz NOT NULL,
    next_attempt_at timestamptz,
    resolved_at     timestamptz,
    PRIMARY KEY (consumer, event_id)
);
CREATE INDEX parked_open ON parked (consumer, referral_id, number) WHERE state IN ('failed', 'waiting');
COMMENT ON TABLE parked IS 'Messages that could not be processed, and those that wait behind them.';

CREATE TABLE outbox_dead (
    event_id    uuid        PRIMARY KEY,
    number      bigint      NOT NULL DEFAULT nextval('parked_number_seq'),
    referral_id uuid        NOT NULL,
    type        text        NOT NULL,
    topic       text        NOT NULL,
    state       text        NOT NULL CHECK (state IN ('unsent', 'done', 'discarded')),
    code        text        NOT NULL,
    attempts    integer     NOT NULL,
    died_at     timestamptz NOT NULL,
    resolved_at timestamptz
);
CREATE INDEX outbox_dead_open ON outbox_dead (referral_id) WHERE state = 'unsent';
COMMENT ON TABLE outbox_dead IS 'Events that the relay could not send; numbered together with what is parked.';

CREATE TABLE parked_action (
    id          bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    consumer    text        NOT NULL,
    event_id    uuid        NOT NULL,
    referral_id uuid        NOT NULL,
    action      text        NOT NULL,
    by          text        NOT NULL,
    reason      bytea,
    code        text,
    at          timestamptz NOT NULL
);
CREATE INDEX parked_action_of_event ON parked_action (consumer, event_id, id);
COMMENT ON TABLE parked_action IS 'Who did what with a parked message; a reason is a payload. Never updated.';

CREATE TABLE timer (
    kind        text        NOT NULL,
    subject     uuid        NOT NULL,
    generation  integer     NOT NULL,
    referral_id uuid        NOT NULL,
    state       text        NOT NULL CHECK (state IN ('armed', 'fired', 'disarmed')),
    due_at      timestamptz NOT NULL,
    claim_at    timestamptz NOT NULL,
    attempts    integer     NOT NULL DEFAULT 0,
    data        jsonb       NOT NULL,
    traceparent text,
    changed_at  timestamptz NOT NULL,
    PRIMARY KEY (kind, subject)
) WITH (fillfactor = 80);
CREATE INDEX timer_armed ON timer (claim_at) WHERE state = 'armed';
COMMENT ON TABLE timer IS 'Clocks that run; claim_at is when it fires: early to warn, late once a handler failed.';
""",
}


def create_sql(version: int = VERSION) -> str:
    """Everything that the library needs in an empty schema. Raises KeyError for a version that never was.

    One statement, since drivers prepare what they execute and cannot prepare several.
    """
    return f"DO $tables$ BEGIN\n{_CREATE[version]}\nEND $tables$"


def cursor_name(service: Service, producer: Service) -> str:
    """The name of a consumer group's place in a producer's outbox, on the postgres transport."""
    return f"{service.value}<{producer.value}"


RELAY = "relay"
"""The name of the relay's place in its own service's outbox."""

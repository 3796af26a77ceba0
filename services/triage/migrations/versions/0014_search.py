"""Search by keyed hashes."""

from alembic import op

revision = "0014"
down_revision = "0010"

_CHANGES = """
CREATE TABLE search_key (
    digest      bytea       NOT NULL,
    case_id     uuid        NOT NULL,
    PRIMARY KEY (digest, case_id)
);
CREATE INDEX search_key_of_case ON search_key (case_id);

CREATE TABLE searchable (
    case_id     uuid        PRIMARY KEY,
    scheme      text        NOT NULL
);
"""


def upgrade() -> None:
    """Cases that stand already get their keys from a sweep."""
    op.execute(_CHANGES)

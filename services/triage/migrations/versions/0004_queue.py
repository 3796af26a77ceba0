"""What the queue is narrowed by, each with an index of its own."""

from alembic import op

revision = "0004"
down_revision = "0003"

_CAN_WAIT = "(NOT immediate_danger OR decision > 0 AND NOT at_risk)"
_CHANGES = f"""
ALTER TABLE child_case
    ADD COLUMN locality text,
    ADD COLUMN labels   text[] NOT NULL DEFAULT '{{}}',
    ADD COLUMN awaiting text[] NOT NULL DEFAULT '{{}}';

CREATE INDEX child_case_queue_team ON child_case (team, {_CAN_WAIT}, act_by, id) WHERE act_by IS NOT NULL;
CREATE INDEX child_case_queue_stage ON child_case (stage, {_CAN_WAIT}, act_by, id) WHERE act_by IS NOT NULL;
CREATE INDEX child_case_queue_rag ON child_case (rag, {_CAN_WAIT}, act_by, id) WHERE act_by IS NOT NULL;
CREATE INDEX child_case_queue_destination
    ON child_case (destination, {_CAN_WAIT}, act_by, id) WHERE act_by IS NOT NULL;
CREATE INDEX child_case_queue_locality ON child_case (locality, {_CAN_WAIT}, act_by, id) WHERE act_by IS NOT NULL;
CREATE INDEX child_case_queue_set_apart ON child_case ({_CAN_WAIT}, act_by, id)
 WHERE act_by IS NOT NULL
   AND (immediate_danger OR at_risk OR stopped OR stub OR reopened_at IS NOT NULL OR withdrawn_at IS NOT NULL);
CREATE INDEX child_case_counts ON child_case (team, stage, rag, act_by) WHERE act_by IS NOT NULL;
CREATE INDEX child_case_labels ON child_case USING gin (labels) WHERE act_by IS NOT NULL;
CREATE INDEX child_case_awaiting ON child_case USING gin (awaiting) WHERE act_by IS NOT NULL;
CREATE INDEX claim_of_holder ON claim (holder);
"""


def upgrade() -> None:
    """Cases that stand already get their locality, labels and awaited agencies with their next change."""
    op.execute(_CHANGES)

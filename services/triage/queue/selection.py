"""Which part of the queue, as what is asked for and as SQL.

Each set of filters has a statement of its own, so that the planner sees which index serves it: one statement for all
would have to read the whole queue for a rare filter.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from libs.schemas.base import Identifier, Instant, Line, Model
from libs.schemas.levels import Destination, Rag, Stage
from services.triage.case import LOW, NEVER_LOW, PASSED_ON
from services.triage.queue.tags import LABELS, Tag

IN_QUEUE = "act_by IS NOT NULL"
CAN_WAIT = "(NOT immediate_danger OR decision > 0 AND NOT at_risk)"
"""Orders the queue first: immediate danger on which nobody has decided stands before what is long overdue."""

SET_APART = (
    "(immediate_danger OR at_risk OR stopped OR stub OR reopened_at IS NOT NULL OR withdrawn_at IS NOT NULL"
    " OR warned <> '{}')"
)
"""What few cases are: an index of its own finds them without reading the others."""

AWAITS = "awaiting <> '{}'"
"""What a case with an agency still silent is. Of the decided ones none is, so that the share of those that wait for
one agency says nothing about the queue: with an index of agencies the planner would read and sort all that wait."""


class Filters(Model):
    """Which part of the queue; what is not given does not narrow it."""

    team: Identifier | None = None
    stage: Stage | None = None
    rag: Rag | None = None
    destination: Destination | None = None
    locality: Identifier | None = None
    due_before: Instant | None = None
    awaiting: Identifier | None = None
    claimed_by: Line | None = None
    worker: Line | None = None
    unallocated: bool = False
    tag: Tag | None = None

    def scope(self, subject: str) -> str:
        """Names this list for its cursors: a cursor of another list, or of somebody else's, is refused."""
        return f"queue|{subject}|{self.model_dump_json()}"


def _codes(members: frozenset[Any]) -> str:
    return ", ".join(f"'{member}'" for member in sorted(members))


_IS_LOW = (
    f"CASE WHEN destination IS NULL OR destination IN ({_codes(PASSED_ON)})"
    f" THEN level NOT IN ({_codes(NEVER_LOW)}) ELSE destination IN ({_codes(LOW)}) END"
)
READING_DUE = f"least(read_due_at, CASE WHEN {_IS_LOW} THEN narrative_due_at END)"
"""By when somebody must read the referrer's words, as `Case.reading_due` has it; NULL where nobody has to."""

_TAGS: Mapping[Tag, str] = {
    Tag.IMMEDIATE_DANGER: "immediate_danger",
    Tag.TO_BE_READ: f"(read_due_at IS NOT NULL OR narrative_due_at IS NOT NULL AND {_IS_LOW})",
    Tag.PROCESSING_STOPPED: "(stopped OR stub)",
    Tag.DECISION_AT_RISK: "at_risk",
    Tag.REOPENED: "reopened_at IS NOT NULL",
    Tag.WITHDRAWN: "withdrawn_at IS NOT NULL",
    Tag.RESTRICTED: "restricted",
    Tag.DUE_SOON: "warned <> '{}'",
} | {tag: f"labels @> '{{{tag.value}}}'" for tag in LABELS}

_CONDITIONS: Mapping[str, str] = {
    "team": "team = {value}::text",
    "stage": "stage = {value}::text",
    "rag": "rag = {value}::text",
    "destination": "destination = {value}::text",
    "locality": "locality = {value}::text",
    "due_before": "act_by < {value}::timestamptz",
    "awaiting": "awaiting <> '{{}}' AND awaiting @> ARRAY[{value}::text]",
    "claimed_by": "id IN (SELECT case_id FROM claim"
    " WHERE holder = {value}::text AND claim.expires_at > {now}::timestamptz)",
    "worker": "id IN (SELECT case_id FROM allocated WHERE worker = {value}::text)",
}
_UNALLOCATED = "NOT EXISTS (SELECT FROM allocated WHERE allocated.case_id = child_case.id)"


def selection(filters: Filters, now: datetime, seen: str, first: int) -> tuple[str, list[Any]]:
    """The filters as a condition on `child_case`, with its parameters, of which the first has this number.

    `seen`: the condition that leaves out what the reader may not see.
    """
    parameters: list[Any] = []

    def parameter(value: Any) -> str:
        parameters.append(value)
        return f"${first + len(parameters) - 1}"

    parts = [IN_QUEUE, seen]
    for name, condition in _CONDITIONS.items():
        given = getattr(filters, name)
        if given is not None:
            value = parameter(given)
            parts.append(condition.format(value=value, now=parameter(now) if "{now}" in condition else ""))
    if filters.unallocated:
        parts.append(_UNALLOCATED)
    if filters.tag is Tag.OVERDUE:
        parts.append(f"act_by < {parameter(now)}::timestamptz")
    elif filters.tag is not None:
        parts.append(_TAGS[filters.tag])
    return " AND ".join(parts), parameters

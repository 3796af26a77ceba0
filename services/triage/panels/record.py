"""What panels came to about a child, as it stands on record: rows are only added, and the last one counts."""

from datetime import date
from typing import NamedTuple
from uuid import UUID

import asyncpg
from pydantic import Field

from libs.messaging.codec import Codec, Decoded
from libs.messaging.ledger import Unit
from libs.schemas.base import Identifier, Instant, IsoDate, Line, Model, Nothing, Payload, Text
from libs.schemas.events import PANEL_CONCLUDED, PanelConcluded, Reference
from libs.schemas.outcomes import PanelOutcomeOfChild
from services.triage.panels.calendar import Programme

_KEEP = """
INSERT INTO panel_outcome (case_id, panel, day, number, outcome, review_on, by, at, document)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_OF_CASE = """
SELECT panel, day, number, outcome, review_on, by, at, document FROM panel_outcome
 WHERE case_id = $1 ORDER BY day, panel, number
"""
_SETTLE = """
UPDATE panel_item SET outcome = $4, review_on = $5, settled_at = $6, settled_by = $7, document = $8
 WHERE panel = $1 AND day = $2 AND case_id = $3
"""


class PanelNote(Model):
    """What the panel wrote about a child, and why it corrects what it wrote before."""

    note: Text
    reason: Text | None = None


class RecordedOutcome(Payload[Nothing, PanelNote]):
    """A panel's outcome as it stands on record."""


class PanelOutcome(Model):
    """What a panel came to about a child."""

    panel: Identifier
    name: str = Field(description="The panel's name.")
    day: IsoDate
    number: int = Field(description="A later one corrects an earlier one of the same meeting.")
    outcome: Identifier
    outcome_words: str | None = Field(description="Absent where the partnership has that outcome no more.")
    note: Text | None = Field(description="Absent where it was erased.")
    reason: Text | None = Field(description="Why the one before is corrected.")
    review_on: IsoDate | None
    by: Line
    at: Instant
    counts: bool = Field(description="False where a later one corrects it.")


class Concluded(NamedTuple):
    """An outcome as it is given."""

    panel: str
    day: date
    case_id: UUID
    referral_id: UUID
    number: int
    outcome: str
    review_on: date | None
    note: PanelNote
    by: str


async def keep_outcome(unit: Unit, codec: Codec, one: Concluded) -> None:
    """Adds an outcome, which counts from now on, and tells of it."""
    (document,) = await codec.encode([RecordedOutcome(shared=Nothing(), children={one.case_id: one.note})])
    place = (one.panel, one.day, one.case_id)
    await unit.connection.execute(_SETTLE, *place, one.outcome, one.review_on, unit.now, one.by, document)
    await unit.connection.execute(
        _KEEP,
        one.case_id,
        one.panel,
        one.day,
        one.number,
        one.outcome,
        one.review_on,
        one.by,
        unit.now,
        document,
    )
    reference, trace = await unit.connection.fetchrow(
        "SELECT reference, trace FROM child_case WHERE id = $1", one.case_id
    )
    child = PanelOutcomeOfChild(
        panel=one.panel, day=one.day, number=one.number, outcome=one.outcome, review_on=one.review_on
    )
    about = Reference(reference=reference or "", at=unit.now)
    payload = PanelConcluded(shared=about, children={one.case_id: child})
    unit.emit(PANEL_CONCLUDED, one.referral_id, payload, trace=trace)


async def outcomes_of(
    connection: asyncpg.Connection, codec: Codec, programme: Programme, case_id: UUID
) -> tuple[PanelOutcome, ...]:
    """Everything that panels came to about a child, by meeting, the first outcome of each first."""
    rows = await connection.fetch(_OF_CASE, case_id)
    read = await codec.decode([(RecordedOutcome, row["document"]) for row in rows])
    last = {(row["panel"], row["day"]): row["number"] for row in rows}
    found = []
    for row, item in zip(rows, read, strict=True):
        said = item.payload.children.get(case_id) if isinstance(item, Decoded) else None
        panel, outcome = programme.panels.get(row["panel"]), programme.outcomes.get(row["outcome"])
        found.append(
            PanelOutcome(
                **{
                    name: row[name] for name in ("panel", "day", "number", "outcome", "review_on", "by", "at")
                },
                name=row["panel"] if panel is None else panel.name,
                outcome_words=None if outcome is None else outcome.words,
                note=None if said is None else said.note,
                reason=None if said is None else said.reason,
                counts=row["number"] == last[row["panel"], row["day"]],
            )
        )
    return tuple(found)

"""When red work alerts a person, in the unit in which it becomes red.

A case alerts once for each urgency that it rises to while nobody has decided, and anew when its decision is put at
risk. There is one open alert for each referral: children who become red together are one alert, and what becomes more
urgent while nobody has acknowledged takes the place of what was open and begins at the head of the list.
"""

from collections.abc import Iterable
from uuid import UUID

from uuid_utils.compat import uuid7

from libs.messaging.ledger import Unit
from libs.schemas.levels import Rag
from libs.schemas.on_call import Urgency
from services.triage.case import Case

TIMER = "alert"
"""The clock of an alert: whom to call next is looked for when it runs out."""

_CAUSE = """
INSERT INTO alert_cause (case_id, urgency, decision, alert_id)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::int[], $4::uuid[])
ON CONFLICT DO NOTHING
RETURNING case_id, alert_id
"""
_REPLACE = """
UPDATE alert SET ended_at = $2, ended_as = 'replaced' WHERE referral_id = $1 AND ended_at IS NULL
RETURNING id, case_ids, urgency
"""
_RAISE = """
INSERT INTO alert (id, referral_id, case_ids, urgency, raised_at, next_at) VALUES ($1, $2, $3, $4, $5, $5)
"""

_MOOT = """
UPDATE alert SET ended_at = $2, ended_as = 'moot'
 WHERE referral_id = ANY ($1) AND ended_at IS NULL
   AND NOT EXISTS (SELECT FROM child_case AS c WHERE c.id = ANY (alert.case_ids))
RETURNING id
"""


def urgency_of(case: Case) -> Urgency | None:
    """The urgency for which somebody must be told; None where there is none, or somebody decided."""
    if case.decided:
        return None
    if case.immediate_danger:
        return Urgency.IMMEDIATE_DANGER
    return Urgency.RED if case.rag is Rag.RED else None


async def raise_alerts(unit: Unit, cases: Iterable[Case]) -> None:
    """Raises the alerts of what became red in this unit, and starts their clocks at once."""
    urgent = [(case, urgency) for case in cases if (urgency := urgency_of(case)) is not None]
    if not urgent:
        return
    ids = {referral_id: uuid7() for referral_id in dict.fromkeys(case.referral_id for case, _ in urgent)}
    rows = await unit.connection.fetch(
        _CAUSE,
        [case.id for case, _ in urgent],
        [urgency.value for _, urgency in urgent],
        [case.decision for case, _ in urgent],
        [ids[case.referral_id] for case, _ in urgent],
    )
    fresh = {row["case_id"] for row in rows}
    for referral_id, alert_id in ids.items():
        found = [one for one in urgent if one[0].referral_id == referral_id and one[0].id in fresh]
        if found:
            await _raise(unit, referral_id, alert_id, found)


async def end_moot(unit: Unit, referral_ids: Iterable[UUID]) -> None:
    """Ends the alerts of stand-ins that are gone: the referral itself has come, or a person took it up by hand."""
    for row in await unit.connection.fetch(_MOOT, list(referral_ids), unit.now):
        unit.disarm(TIMER, row["id"])


async def _raise(unit: Unit, referral_id: UUID, alert_id: UUID, found: list[tuple[Case, Urgency]]) -> None:
    urgencies = {urgency for _, urgency in found}
    case_ids = [case.id for case, _ in found]
    for row in await unit.connection.fetch(_REPLACE, referral_id, unit.now):
        unit.disarm(TIMER, row["id"])
        case_ids += [case_id for case_id in row["case_ids"] if case_id not in case_ids]
        urgencies.add(Urgency(row["urgency"]))
    urgency = Urgency.IMMEDIATE_DANGER if Urgency.IMMEDIATE_DANGER in urgencies else Urgency.RED
    await unit.connection.execute(_RAISE, alert_id, referral_id, case_ids, urgency.value, unit.now)
    unit.arm(TIMER, referral_id, alert_id, unit.now, trace=found[0][0].trace)

"""Shows alerts, and takes a named person's word that they have the red work."""

from uuid import UUID

from libs.messaging.ledger import Ledger
from libs.platform.auth import Principal
from libs.platform.problems import Problem
from libs.schemas.alerts import AcknowledgedAlert, AlertAcknowledged
from libs.schemas.events import ALERT_ACKNOWLEDGED
from libs.schemas.on_call import OnCall
from services.triage.access import note
from services.triage.alerts.raising import TIMER
from services.triage.alerts.record import (
    AcknowledgementBody,
    AlertPage,
    AlertView,
    RecordedAcknowledgement,
    alerts,
    views,
)
from services.triage.live.changes import touch
from services.triage.restricted.rights import hidden

_SELECT = "SELECT * FROM alert WHERE id = $1"
_ACKNOWLEDGE = """
UPDATE alert SET ended_at = $2, ended_as = 'acknowledged', acknowledged_by = $3, document = $4 WHERE id = $1
RETURNING *
"""
_THERE = "SELECT id FROM child_case WHERE id = ANY ($1)"


class Alerts:
    """What staff see of alerts and do about them."""

    def __init__(self, ledger: Ledger, on_call: OnCall) -> None:
        self._ledger = ledger
        self._on_call = on_call

    async def page(
        self, caller: Principal, case_id: UUID | None, limit: int, *, only_open: bool
    ) -> AlertPage:
        """Alerts of one case or of all. Reading is recorded."""
        async with self._ledger.pool.acquire() as connection:
            await note(connection, self._ledger.clock.now(), caller, "alerts.read", case_id)
            return await alerts(
                connection, self._ledger.codec, self._on_call, caller, case_id, limit, only_open=only_open
            )

    async def acknowledge(self, alert_id: UUID, body: AcknowledgementBody, caller: Principal) -> AlertView:
        """The caller has the red work, and nobody else is called. Sent again by the same person it changes nothing.

        Raises Problem: 404, 409 where somebody else acknowledged, or a more urgent alert took its place.
        """
        referral_id = await self._ledger.pool.fetchval(
            "SELECT referral_id FROM alert WHERE id = $1", alert_id
        )
        if referral_id is None:
            raise _not_found()
        (document,) = await self._ledger.codec.encode([RecordedAcknowledgement(shared=body)])
        async with self._ledger.unit([referral_id]) as unit:
            row = await unit.connection.fetchrow(f"{_SELECT} FOR UPDATE", alert_id)
            there = [one["id"] for one in await unit.connection.fetch(_THERE, row["case_ids"])]
            unseen = await hidden(unit.connection, there, caller, unit.now)
            if there and len(unseen) == len(there):
                raise _not_found()
            if row["ended_at"] is None:
                row = await unit.connection.fetchrow(
                    _ACKNOWLEDGE, alert_id, unit.now, caller.subject, document
                )
                unit.disarm(TIMER, alert_id)
                shared = AcknowledgedAlert(alert_id=alert_id, by=caller.subject, at=unit.now)
                unit.emit(ALERT_ACKNOWLEDGED, referral_id, AlertAcknowledged(shared=shared), trace=None)
                await note(unit.connection, unit.now, caller, "alert.acknowledge", referral_id=referral_id)
                await touch(unit.connection, there)
            elif row["acknowledged_by"] != caller.subject:
                raise _ended(row["ended_as"], row["acknowledged_by"], row["ended_at"].isoformat())
            seen = f"c.id <> ALL ('{{{','.join(map(str, unseen))}}}'::uuid[])"
            (view,) = await views(unit.connection, self._ledger.codec, self._on_call, [row], seen)
        return view


def _not_found() -> Problem:
    return Problem(404, "alert-not-found", "There is no such alert")


def _ended(how: str, by: str | None, at: str) -> Problem:
    if by is None:
        return Problem(
            409,
            f"alert-{how}",
            "This alert is over: a later one took its place, or what it was about is gone",
            "list the open alerts, and acknowledge what stands there",
            extra={"ended_as": how, "ended_at": at},
        )
    return Problem(
        409,
        "alert-acknowledged-already",
        "Somebody else has acknowledged this alert",
        extra={"acknowledged_by": by, "ended_at": at},
    )

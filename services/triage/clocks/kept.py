"""Clocks of a case that its own row does not hold: started by what happens to the child, stopped by a person's word.

Each is a durable timer that fires once to warn and once when it runs out, and a row that says from when it runs, until
when, and by which rules that was worked out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from libs.messaging.ledger import Unit
from libs.schemas.decision import Decision
from libs.schemas.levels import Destination, Level
from services.triage.case import Case, File
from services.triage.clocks.hub import Hub
from services.triage.desk import Desk
from services.triage.live.changes import touch
from services.triage.placement.places import need_of

CHILD_SEEN = "child_seen"
CONFERENCE = "conference"
ASSESSMENT = "assessment"
RETURN_INTERVIEW = "return_interview"

_START = """
INSERT INTO kept_clock AS k (case_id, clock, number, referral_id, started_at, due_at, rules)
SELECT $1, $2, 1 + (SELECT count(*) FROM kept_clock WHERE case_id = $1 AND clock = $2), $3, $4, $5, $6
 WHERE NOT EXISTS (SELECT FROM kept_clock
                    WHERE case_id = $1 AND clock = $2 AND started_at = $4 AND stopped_by IS NOT NULL)
ON CONFLICT (case_id, clock) WHERE stopped_at IS NULL DO UPDATE
   SET started_at = EXCLUDED.started_at, due_at = EXCLUDED.due_at, rules = EXCLUDED.rules
 WHERE EXCLUDED.started_at < k.started_at
RETURNING true
"""
_STOP = """
UPDATE kept_clock SET stopped_at = $3, stopped_by = $4, document = $5
 WHERE case_id = $1 AND clock = $2 AND stopped_at IS NULL RETURNING true
"""
_UNWARNED = """
UPDATE child_case SET warned = ARRAY(SELECT one FROM unnest(warned) AS one WHERE split_part(one, '/', 1) <> $2)
 WHERE id = $1 AND warned <> '{}'
"""
_RUNNING = "SELECT clock, started_at, due_at, rules FROM kept_clock WHERE case_id = $1 AND stopped_at IS NULL"


@dataclass(frozen=True, slots=True)
class Running:
    """A kept clock that runs."""

    clock: str
    started_at: datetime
    due_at: datetime
    rules: str


@dataclass(frozen=True, slots=True)
class Clocks:
    """Starts and stops clocks in other rooms' units, in one transaction with what starts and stops them."""

    hub: Hub

    async def start(self, unit: Unit, case: Case, clock: str, at: datetime) -> None:
        """Starts a clock of `clocks.yaml` for a case, as from an instant. One that runs since earlier runs on, and
        the same start given again changes nothing, unless what stopped it was no person's word that it is done.

        Raises KeyError for a clock that the file does not have, ValueError where the unit does not hold the
        referral's lock.
        """
        rule = self.hub.clocks[clock]
        due_at = self.hub.due(clock, at)
        started = await unit.connection.fetchval(
            _START, case.id, clock, case.referral_id, at, due_at, self.hub.fingerprint
        )
        if started:
            fires_at = rule.warn_at(due_at, at)
            unit.arm(clock, case.referral_id, case.id, due_at, trace=case.trace, fires_at=fires_at)
            await unwarn(unit, case, clock)
            await touch(unit.connection, [case.id])

    async def stop(
        self,
        unit: Unit,
        case: Case,
        clock: str,
        at: datetime,
        *,
        by: str | None = None,
        document: bytes | None = None,
    ) -> bool:
        """Stops a clock of a case, as at an instant; False where it does not run. `document`: a sealed note."""
        stopped = await unit.connection.fetchval(_STOP, case.id, clock, at, by, document)
        if not stopped:
            return False
        unit.disarm(clock, case.id)
        await unwarn(unit, case, clock)
        await touch(unit.connection, [case.id])
        return True

    async def decided(self, unit: Unit, desk: Desk, file: File, decision: Decision) -> None:
        """What starts with a decision that comes to stand: the assessment of a statutory referral, and seeing the
        child whom a section 47 enquiry is about.
        """
        case, destination = file.case, Destination(decision.destination)
        need = need_of(Level(decision.level), destination)
        if case.statutory_at is not None and need >= Level.SECTION_17:
            await self.start(unit, case, ASSESSMENT, case.statutory_at)
        if need is Level.SECTION_47 and destination is not Destination.OTHER_AUTHORITY:
            await self.start(unit, case, CHILD_SEEN, decision.decided_at)


async def unwarn(unit: Unit, case: Case, clock: str) -> None:
    """Whoever was warned of a clock need not be any more: it was stopped, or moved."""
    await unit.connection.execute(_UNWARNED, case.id, clock)
    case.warned = tuple(one for one in case.warned if one.partition("/")[0] != clock)


async def running(connection: asyncpg.Connection, case_id: UUID) -> Sequence[Running]:
    """The kept clocks of a case that run."""
    return [Running(*row) for row in await connection.fetch(_RUNNING, case_id)]

"""Keeps every clock true: what was worked out by rules or a calendar that no longer hold is worked out anew, and a case
or a task whose timer is missing gets it again.
"""

import json
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg
import structlog

from libs.messaging.errors import ErrorClass, classify, code_of
from libs.messaging.ledger import Ledger, Unit
from libs.schemas.levels import Destination
from services.triage.case import OWN_CLOCKS, Case, File
from services.triage.casework import Casework
from services.triage.clocks.arming import keep_clocks
from services.triage.clocks.dues import reckon
from services.triage.clocks.hub import Hub
from services.triage.clocks.kept import unwarn
from services.triage.clocks.words import rules_in_words
from services.triage.consumer import tell
from services.triage.desk import load_cases, save_cases
from services.triage.queue.selection import READING_DUE
from services.triage.reckoning import Change
from services.triage.tasks.upkeep import keep_tasks, moved

EVERY_SECONDS = 300.0
SETTLED = timedelta(minutes=15)
"""How long the rules of a process that was started later hold against those of one that runs on: while a new version
is rolled out, both run, and in the end the one that is left.
"""
LISTED = 5000
"""Referrals that one look finds: a look reads the whole queue."""

AT_ONCE = 100

_LATEST = "SELECT fingerprint, from_at FROM clock_rules ORDER BY number DESC LIMIT 1"
_REGISTER = "INSERT INTO clock_rules (fingerprint, words, from_at) VALUES ($1, $2, $3)"
_STALE = """
SELECT DISTINCT referral_id FROM (
    SELECT referral_id FROM child_case WHERE act_by IS NOT NULL AND rules IS DISTINCT FROM $1
    UNION ALL
    SELECT referral_id FROM kept_clock WHERE stopped_at IS NULL AND rules <> $1
) AS stale WHERE referral_id > $2 ORDER BY 1 LIMIT $3
"""
# What ran out stands on record, and needs no timer any more.
_UNARMED = f"""
WITH must AS (
    SELECT referral_id, id, 'decision' AS clock, due_at FROM child_case
     WHERE act_by IS NOT NULL AND (decision = 0 OR at_risk)
    UNION ALL
    SELECT referral_id, id, 'urgency', rag_due_at FROM child_case
     WHERE act_by IS NOT NULL AND (decision = 0 OR at_risk) AND rag_due_at IS NOT NULL
    UNION ALL
    SELECT referral_id, id, 'hand_over', hand_over_due_at FROM child_case
     WHERE act_by IS NOT NULL AND decision > 0 AND NOT at_risk AND hand_over_due_at IS NOT NULL
    UNION ALL
    SELECT referral_id, id, 'reading', {READING_DUE} FROM child_case
     WHERE act_by IS NOT NULL AND unread AND {READING_DUE} IS NOT NULL
    UNION ALL
    SELECT referral_id, case_id, clock, due_at FROM kept_clock WHERE stopped_at IS NULL
    UNION ALL
    SELECT referral_id, id, 'task', due_at FROM task WHERE done_at IS NULL AND overdue_at IS NULL
)
SELECT DISTINCT referral_id FROM must
 WHERE referral_id > $1
   AND NOT EXISTS (SELECT FROM timer WHERE kind = clock AND subject = id AND state = 'armed'
                      AND timer.due_at = must.due_at)
   AND NOT EXISTS (SELECT FROM breach
                    WHERE breach.case_id = id AND breach.clock = must.clock AND breach.due_at = must.due_at)
 ORDER BY 1 LIMIT $2
"""  # noqa: S608 - a constant
_KEPT = """
SELECT case_id, clock, started_at, due_at, rules FROM kept_clock WHERE case_id = ANY ($1) AND stopped_at IS NULL
"""
_MOVE_KEPT = """
UPDATE kept_clock SET due_at = $3, rules = $4 WHERE case_id = $1 AND clock = $2 AND stopped_at IS NULL
"""
_RAN_OUT = "SELECT case_id, clock, due_at FROM breach WHERE case_id = ANY ($1)"
_ARMED = "SELECT kind, subject, due_at FROM timer WHERE subject = ANY ($1) AND state = 'armed'"
_ASKED = "SELECT destination, asked_at FROM handover WHERE case_id = $1 AND answer IS NULL"
_ASK_BY = "UPDATE handover SET due_at = $2, rule = $3 WHERE case_id = $1 AND answer IS NULL"

_log = structlog.get_logger(__name__)


class Upkeep:
    """The sweep over clocks."""

    def __init__(self, ledger: Ledger, casework: Casework) -> None:
        self._ledger = ledger
        self._casework = casework
        self._registered = False

    @property
    def _hub(self) -> Hub:
        return self._casework.thresholds.clocks

    async def sweep(self) -> int:
        """Works out anew and arms what has to be. Gives how many referrals it repaired.

        A process that was started with rules which others have replaced since leaves their instants alone. A referral
        that cannot be repaired is logged and tried again by the next sweep; the others go on.
        """
        if not await self._in_force():
            return 0
        repaired = await self._each(_STALE, self._hub.fingerprint)
        repaired += await self._all(await moved(self._ledger.pool, self._casework.thresholds.days))
        return repaired + await self._each(_UNARMED)

    async def _in_force(self) -> bool:
        async with self._ledger.pool.acquire() as connection:
            latest = await connection.fetchrow(_LATEST)
            now = self._ledger.clock.now()
            if latest is None or latest["fingerprint"] != self._hub.fingerprint:
                if latest is not None and self._registered and latest["from_at"] > now - SETTLED:
                    return False
                words = json.dumps(rules_in_words(self._hub))
                await connection.execute(_REGISTER, self._hub.fingerprint, words, now)
            self._registered = True
        return True

    async def _each(self, query: str, *parameters: str) -> int:
        last, repaired = UUID(int=0), 0
        while found := await self._ledger.pool.fetch(query, *parameters, last, LISTED):
            repaired += await self._all([row[0] for row in found])
            last = found[-1][0]
        return repaired

    async def _all(self, referral_ids: Sequence[UUID]) -> int:
        batches = (referral_ids[first : first + AT_ONCE] for first in range(0, len(referral_ids), AT_ONCE))
        return sum([await self._repair(batch) for batch in batches])

    async def _repair(self, referral_ids: Sequence[UUID]) -> int:
        """These together; where that fails, each alone."""
        try:
            async with self._ledger.unit(referral_ids) as unit:
                await self._keep(unit, referral_ids)
        except Exception as error:
            if classify(error) is ErrorClass.TRANSIENT:
                raise
            if len(referral_ids) == 1:
                _log.error("clock-upkeep-failed", referral_id=str(referral_ids[0]), code=code_of(error))
                return 0
            return sum([await self._repair([one]) for one in referral_ids])
        return len(referral_ids)

    async def _keep(self, unit: Unit, referral_ids: Sequence[UUID]) -> None:
        desk = await load_cases(unit.connection, referral_ids)
        files = [*desk.files.values()]
        files += [File(stub, clocks=stub.clocks()) for stubs in desk.stubs.values() for stub in stubs]
        ids = [file.case.id for file in files]
        timers: dict[UUID, dict[str, object]] = {}
        for kind, subject, due_at in await unit.connection.fetch(_ARMED, ids):
            timers.setdefault(subject, {})[kind] = due_at
        ran_out = {tuple(row) for row in await unit.connection.fetch(_RAN_OUT, ids)}
        changed, told = [], []
        for file in files:
            case, due_at = file.case, file.case.due_at
            if case.rules != self._hub.fingerprint:
                reckon(self._hub, case)
                await self._hand_over(unit, case)
                changed.append(case)
            self._casework.refresh(case)
            if not case.decided and not case.stub and case.due_at != due_at:
                told.append(file)
            running = {
                clock: at
                for clock, at in case.clocks().items()
                if timers.get(case.id, {}).get(clock) == at or (case.id, clock, at) in ran_out
            }
            keep_clocks(unit, case, running)
            for clock in timers.get(case.id, {}).keys() & OWN_CLOCKS - case.clocks().keys():
                unit.disarm(clock, case.id)
        await save_cases(unit.connection, changed)
        cases = {file.case.id: file.case for file in files}
        for row in await unit.connection.fetch(_KEPT, ids):
            await self._kept(unit, cases[row["case_id"]], row, timers, ran_out)
        await keep_tasks(unit, self._casework.thresholds.days, referral_ids)
        for referral_id in {file.case.referral_id for file in told}:
            changes = [(one, Change.SCREENED) for one in told if one.case.referral_id == referral_id]
            tell(unit, changes, changes[0][0].case.trace)

    async def _kept(
        self,
        unit: Unit,
        case: Case,
        row: asyncpg.Record,
        timers: dict[UUID, dict[str, object]],
        ran_out: set[tuple[object, ...]],
    ) -> None:
        clock, due_at = row["clock"], row["due_at"]
        # A clock that the file has no more runs on as it was worked out.
        if row["rules"] != self._hub.fingerprint and clock in self._hub.clocks:
            due_at = self._hub.due(clock, row["started_at"])
            await unit.connection.execute(_MOVE_KEPT, case.id, clock, due_at, self._hub.fingerprint)
            if due_at != row["due_at"]:
                await unwarn(unit, case, clock)
        if timers.get(case.id, {}).get(clock) != due_at and (case.id, clock, due_at) not in ran_out:
            fires_at = max(row["started_at"], self._hub.warn_at(clock, due_at))
            unit.arm(clock, case.referral_id, case.id, due_at, trace=case.trace, fires_at=fires_at)

    async def _hand_over(self, unit: Unit, case: Case) -> None:
        if case.hand_over_due_at is None:
            return
        row = await unit.connection.fetchrow(_ASKED, case.id)
        if row is None:
            return
        thresholds = self._casework.thresholds
        due = thresholds.terms.due(thresholds.days, Destination(row["destination"]), row["asked_at"])
        if due is not None:
            case.hand_over_due_at = due.at
            await unit.connection.execute(_ASK_BY, case.id, due.at, due.rule)

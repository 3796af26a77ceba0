"""Joins a second report of one event to the case that the first one opened, as long as that is open.

What it says counts there at once; whose case that is, theirs is the second one too. Each child of each referral still
gets a decision: nothing that was received is closed by being the same as something else.
"""

from uuid import UUID, uuid5

import asyncpg
import structlog

from libs.messaging.errors import ErrorClass, classify, code_of
from libs.messaging.ledger import Ledger, Unit
from libs.schemas.base import Nothing
from libs.schemas.evaluation import Trigger
from libs.schemas.events import Service
from services.triage.case import File, Obliged
from services.triage.casework import INDEX, LOOK_AT_NEWS, Casework
from services.triage.claims.allocation import Made, allocate, allocated
from services.triage.consumer import tell
from services.triage.desk import Desk, load, save
from services.triage.documents import EvidenceKind, RecordedJoined
from services.triage.joined.report import JoinedReport, same_event, statements
from services.triage.known import learn_joined
from services.triage.policies.store import Policies
from services.triage.reckoning import Cause, Change, about, keep

EVERY_SECONDS = 2.0
AT_ONCE = 100

BECAUSE = "It tells of the same event as a case of theirs."

_WAITING = """
SELECT j.case_id, j.earlier, c.referral_id, e.referral_id AS earlier_referral
  FROM joining AS j JOIN child_case AS c ON c.id = j.case_id JOIN child_case AS e ON e.id = j.earlier
 WHERE j.done_at IS NULL ORDER BY j.asked_at, j.case_id, j.earlier LIMIT $1
"""
_DONE = "UPDATE joining SET done_at = $3 WHERE case_id = $1 AND earlier = $2"

_log = structlog.get_logger(__name__)


class Joining:
    """The sweep over reports that wait to be joined."""

    def __init__(self, ledger: Ledger, casework: Casework, policies: Policies) -> None:
        self._ledger = ledger
        self._casework = casework
        self._policies = policies

    async def sweep(self) -> int:
        """Joins what waits. Gives how many cases heard of something new.

        A report that cannot be joined is logged and tried again by the next sweep; the others go on.
        """
        joined = 0
        for row in await self._ledger.pool.fetch(_WAITING, AT_ONCE):
            try:
                joined += await self._join(row)
            except Exception as error:
                if classify(error) is ErrorClass.TRANSIENT:
                    raise
                _log.error("joining-failed", referral_id=str(row["referral_id"]), code=code_of(error))
        return joined

    async def _join(self, row: asyncpg.Record) -> bool:
        referrals = {row["referral_id"], row["earlier_referral"]}
        async with self._ledger.unit(referrals) as unit:
            desk = await load(unit, self._ledger.codec, self._policies, referrals)
            later, earlier = desk.files.get(row["case_id"]), desk.files.get(row["earlier"])
            joined = False
            if later is not None and earlier is not None:
                joined = await self._heard(unit, desk, later, earlier)
                await save(unit, self._ledger.codec, self._policies, desk)
            await unit.connection.execute(_DONE, row["case_id"], row["earlier"], unit.now)
        return joined

    async def _heard(self, unit: Unit, desk: Desk, later: File, earlier: File) -> bool:
        """Whether the earlier case heard something that it had not."""
        before = earlier.known.joined.get(later.case.id)
        same = earlier.case.id in same_event(later.known.linked)
        if before is None and (not same or earlier.case.closed_at is not None):
            return False
        if same:
            await self._same_worker(unit, later.case.id, earlier.case.id)
        report = report_of(later, counts=same)
        if report == before:
            return False
        cause = Cause(
            uuid5(later.case.id, f"joined/{earlier.case.id}/{earlier.case.evidence}"), unit.now, unit.now
        )
        changes = [(earlier, join(self._casework, earlier, cause, report))]
        changes += self._casework.spread(desk.by_referral[earlier.case.referral_id], cause)
        tell(unit, changes, earlier.case.trace)
        return True

    async def _same_worker(self, unit: Unit, later: UUID, earlier: UUID) -> None:
        theirs = await allocated(unit.connection, earlier)
        if theirs is not None and await allocated(unit.connection, later) is None:
            made = Made(worker=theirs.worker, by=Service.TRIAGE.value, at=unit.now, reason=BECAUSE)
            await allocate(unit.connection, self._ledger.codec, later, made)


def report_of(file: File, *, counts: bool) -> JoinedReport:
    """What a case's report says, as it counts for an earlier one."""
    case, known = file.case, file.known
    stated = [(one.source, one.fact) for one in (*known.said, *known.beside, *known.found_out)]
    return JoinedReport(
        case_id=case.id,
        reference=case.reference or "",
        received_at=case.received_at,
        counts=counts,
        said=statements(stated, known.speaks_for),
        immediate_danger=case.immediate_danger,
    )


def join(casework: Casework, file: File, cause: Cause, report: JoinedReport) -> Change:
    """Another report of the same event: it counts at once, and somebody looks at it."""
    before = file.known.joined.get(report.case_id)
    document = RecordedJoined(shared=Nothing(), children={file.case.id: report})
    keep(file, cause, EvidenceKind.JOINED, INDEX, document)
    fresh = learn_joined(file.known, report)
    danger = report.counts and report.immediate_danger and not (before and before.immediate_danger)
    file.case.immediate_danger |= danger
    danger |= casework.evaluate(file, Trigger.INFORMATION, cause, fresh)
    change = casework.follow(file, cause, danger)
    due = casework.thresholds.reading_due(cause.now)
    casework.ask(file, Obliged(LOOK_AT_NEWS, about(file.case, cause), due))
    return change

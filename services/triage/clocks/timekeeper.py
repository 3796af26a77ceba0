"""What people do to a case's clocks: stop one, let the target stand still and go on, and say why one ran out."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import UUID

import asyncpg

from libs.messaging.ledger import Ledger, Unit
from libs.platform.auth import Principal
from libs.platform.problems import Problem, invalid_body
from libs.platform.validation import FieldError
from libs.schemas.clock import to_the_minute
from services.triage.access import note
from services.triage.case import OWN_CLOCKS, URGENCY_CLOCK, Case, File
from services.triage.casework import Casework
from services.triage.claims.claim import writes
from services.triage.clocks.arming import keep_clocks
from services.triage.clocks.dues import target_due
from services.triage.clocks.kept import Clocks
from services.triage.clocks.pauses import paused, resumed, stands_since
from services.triage.clocks.record import (
    Breach,
    BreachBody,
    CaseClocks,
    Kept,
    breaches,
    kept_clocks,
    pauses,
    seal,
)
from services.triage.clocks.rules import Moment
from services.triage.clocks.standing import standing
from services.triage.desk import SELECT_CASES, case_of, load_cases, save_cases
from services.triage.restricted.rights import no_such_case

_PAUSE = "INSERT INTO target_pause (case_id, from_at, by, document) VALUES ($1, $2, $3, $4)"
_RESUME = """
UPDATE target_pause SET until_at = $3, resumed_by = $4, resumption = $5 WHERE case_id = $1 AND from_at = $2
"""
_EXPLAIN = """
UPDATE breach SET explained_at = $4, explained_by = $5, document = $6, why = $7
 WHERE case_id = $1 AND clock = $2 AND due_at = $3
"""

STARTED_BY_WORK = frozenset(
    (
        Moment.RECEIPT,
        Moment.READING,
        Moment.DECISION,
        Moment.STATUTORY_REFERRAL,
        Moment.ENQUIRY_DECISION,
        Moment.STRATEGY_DISCUSSION,
        Moment.HAND_OVER,
    )
)
"""Moments that operations record: nobody says by hand that they happened."""

Step = Callable[[Unit, File], Awaitable[None]]


class Timekeeper:
    """Takes what people say of clocks, one at a time for each referral."""

    def __init__(self, ledger: Ledger, casework: Casework, clocks: Clocks) -> None:
        self._ledger = ledger
        self._casework = casework
        self._clocks = clocks

    async def read(self, connection: asyncpg.Connection, case_id: UUID) -> CaseClocks:
        """The clocks of a case. Raises Problem 404."""
        row = await connection.fetchrow(f"{SELECT_CASES} WHERE id = $1", case_id)
        if row is None:
            raise no_such_case()
        codec = self._ledger.codec
        return await standing(connection, codec, self._clocks.hub, case_of(row))

    async def start(self, case_id: UUID, clock: str, at: datetime, caller: Principal) -> CaseClocks:
        """Starts a clock that only a person's word can start, as at when what starts it happened. One that runs keeps
        the earlier of two starts, and the same sent again is the same answer.

        Raises Problem: 404, 409 where something else that is done to the case starts it, 422 on an instant in the
        future.
        """
        self._known(clock)

        async def step(unit: Unit, file: File) -> None:
            if clock in OWN_CLOCKS or self._clocks.hub.clocks[clock].starts in STARTED_BY_WORK:
                raise Problem(
                    409,
                    "starts-by-itself",
                    "What is done to the case starts this clock",
                    "decide, or record the strategy discussion",
                )
            if at > unit.now:
                raise invalid_body([FieldError("/at", "out_of_range", "must not lie in the future")])
            await writes(unit.connection, case_id, caller, unit.now)
            await self._clocks.start(unit, file.case, clock, at)
            await note(unit.connection, unit.now, caller, "clock.start", case_id)

        return await self._in_unit(case_id, step)

    async def stop(
        self, case_id: UUID, clock: str, at: datetime, text: str | None, caller: Principal
    ) -> CaseClocks:
        """Stops a kept clock, as at when what it waits for happened. The same sent again is the same answer.

        Raises Problem: 404, 409 where it does not run or stops by what is done to the case, 422 on an instant before
        its start or in the future.
        """
        self._known(clock)

        async def step(unit: Unit, file: File) -> None:
            if clock in OWN_CLOCKS:
                raise Problem(
                    409,
                    "stops-by-itself",
                    "What is done to the case stops this clock",
                    "read the words, decide, or accept the hand-over",
                )
            last = await self._last(unit, case_id, clock)
            if last.stopped_at is not None:
                if (last.stopped_by, last.stopped_at, last.note) == (caller.subject, at, text):
                    return
                raise _not_running(f"{last.stopped_by or 'the case'} stopped it")
            if not to_the_minute(last.started_at) <= at <= unit.now:
                when = "must lie between the clock's start and now"
                raise invalid_body([FieldError("/at", "out_of_range", when)])
            document = None if text is None else await seal(self._ledger.codec, case_id, text)
            await writes(unit.connection, case_id, caller, unit.now)
            await self._clocks.stop(unit, file.case, clock, at, by=caller.subject, document=document)
            await note(unit.connection, unit.now, caller, "clock.stop", case_id)

        return await self._in_unit(case_id, step)

    async def pause(self, case_id: UUID, clock: str, reason: str, caller: Principal) -> CaseClocks:
        """Lets the target of the case's rating stand still from now on. The decision's ceiling goes on.

        Raises Problem: 404, 409 where the clock, or the target of that rating, does not pause, or stands already.
        """
        self._known(clock)

        async def step(unit: Unit, file: File) -> None:
            case = file.case
            if clock != URGENCY_CLOCK or not self._clocks.hub.targets[case.rag].pauses:
                raise Problem(
                    409, "does-not-pause", "This clock never pauses", "only the targets that the file says do"
                )
            if case.decided or case.stub:
                raise _not_running("nobody waits for a decision")
            if stands_since(case.pauses) is not None:
                last = (await pauses(unit.connection, self._ledger.codec, case_id))[-1]
                if (last.by, last.because) == (caller.subject, reason):
                    return
                raise Problem(409, "stands-already", "The target stands still already", f"by {last.by}")
            await writes(unit.connection, case_id, caller, unit.now)
            case.pauses = paused(case.pauses, unit.now)
            document = await seal(self._ledger.codec, case_id, reason)
            await unit.connection.execute(_PAUSE, case_id, unit.now, caller.subject, document)
            await self._moved(unit, file)
            await note(unit.connection, unit.now, caller, "clock.pause", case_id)

        return await self._in_unit(case_id, step)

    async def resume(self, case_id: UUID, clock: str, reason: str, caller: Principal) -> CaseClocks:
        """Lets the target go on. Raises Problem: 404, 409 where it does not stand still."""
        self._known(clock)

        async def step(unit: Unit, file: File) -> None:
            case = file.case
            since = stands_since(case.pauses) if clock == URGENCY_CLOCK else None
            if since is None:
                earlier = await pauses(unit.connection, self._ledger.codec, case_id)
                last = earlier[-1] if clock == URGENCY_CLOCK and earlier else None
                if last is not None and (last.resumed_by, last.resumed_because) == (caller.subject, reason):
                    return
                raise Problem(409, "does-not-stand", "This clock does not stand still")
            await writes(unit.connection, case_id, caller, unit.now)
            case.pauses = resumed(case.pauses, unit.now)
            document = await seal(self._ledger.codec, case_id, reason)
            await unit.connection.execute(_RESUME, case_id, since, unit.now, caller.subject, document)
            await self._moved(unit, file)
            await note(unit.connection, unit.now, caller, "clock.resume", case_id)

        return await self._in_unit(case_id, step)

    async def explain(self, case_id: UUID, clock: str, body: BreachBody, caller: Principal) -> CaseClocks:
        """Says why a clock ran out. The reason stands; the same sent again is the same answer.

        Raises Problem: 404 where it did not run out, 409 where somebody has said why.
        """
        self._known(clock)

        async def step(unit: Unit, file: File) -> None:
            found = (await breaches(unit.connection, self._ledger.codec, case_id)).get(clock, ())
            if not found:
                raise Problem(404, "breach-not-found", "This clock has not run out")
            silent: list[Breach] = [one for one in found if one.explained_at is None]
            if not silent:
                last = found[-1]
                if (last.explained_by, last.why, last.reason) == (caller.subject, body.why, body.reason):
                    return
                at = None if last.explained_at is None else last.explained_at.isoformat()
                raise Problem(
                    409,
                    "explained-already",
                    "Somebody has said why",
                    extra={"explained_by": last.explained_by, "at": at},
                )
            document = await seal(self._ledger.codec, case_id, body.reason)
            for one in silent:
                await unit.connection.execute(
                    _EXPLAIN, case_id, clock, one.due_at, unit.now, caller.subject, document, body.why.value
                )
            await note(unit.connection, unit.now, caller, "clock.explain", case_id)

        return await self._in_unit(case_id, step)

    def _known(self, clock: str) -> None:
        if clock not in OWN_CLOCKS and clock not in self._clocks.hub.clocks:
            known = ", ".join(sorted({*OWN_CLOCKS, *self._clocks.hub.clocks}))
            raise Problem(404, "clock-not-found", "There is no such clock", f"there are {known}")

    async def _last(self, unit: Unit, case_id: UUID, clock: str) -> Kept:
        kept = [
            one
            for one in await kept_clocks(unit.connection, self._ledger.codec, case_id)
            if one.clock == clock
        ]
        if not kept:
            raise _not_running("it never started")
        running = [one for one in kept if one.stopped_at is None]
        return running[0] if running else max(kept, key=lambda one: one.started_at)

    async def _moved(self, unit: Unit, file: File) -> None:
        case = file.case
        case.rag_due_at = target_due(self._clocks.hub, case)
        self._casework.refresh(case)
        await save_cases(unit.connection, [case])
        keep_clocks(unit, case, file.clocks)

    async def _in_unit(self, case_id: UUID, step: Step) -> CaseClocks:
        referral_id = await self._ledger.pool.fetchval(
            "SELECT referral_id FROM child_case WHERE id = $1", case_id
        )
        if referral_id is None:
            raise no_such_case()
        async with self._ledger.unit([referral_id]) as unit:
            desk = await load_cases(unit.connection, [referral_id])
            stubs: dict[UUID, Case] = {one.id: one for one in desk.stubs.get(referral_id, ())}
            file = desk.files.get(case_id)
            if file is None and case_id in stubs:
                file = File(stubs[case_id], clocks=stubs[case_id].clocks())
            if file is None:
                raise no_such_case()
            await step(unit, file)
            return await self.read(unit.connection, case_id)


def _not_running(why: str) -> Problem:
    return Problem(409, "clock-not-running", "This clock does not run", why)

"""The rules of a professional challenge."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from hashlib import sha256
from uuid import UUID, uuid5

import asyncpg

from libs.messaging.ledger import Ledger, Unit
from libs.platform import idempotency
from libs.platform.auth import Principal
from libs.platform.problems import Problem
from libs.schemas.challenge import ChallengeOutcome, ChallengeState
from services.triage.access import note
from services.triage.case import File
from services.triage.casework import Casework
from services.triage.challenges.bodies import ChallengeBody, EscalationBody, ResolutionBody, ReviewBody
from services.triage.challenges.hearing import announce, ask, is_referrer
from services.triage.challenges.joining import join, open_challenge
from services.triage.challenges.ladder import Ladder, Stage, may_review, may_take_up
from services.triage.challenges.record import (
    NOBODYS,
    Came,
    ChallengeItem,
    ChallengePage,
    ChallengeView,
    Did,
    Said,
    challenge_row,
    challenge_rows,
    keep_challenge,
    keep_step,
    steps_of,
)
from services.triage.consumer import tell
from services.triage.decision.authority import MANAGER
from services.triage.decision.record import processing_stopped, read_decision, referral_of
from services.triage.desk import Desk, load, save
from services.triage.handover.handovers import Handovers
from services.triage.policies.store import Policies
from services.triage.reckoning import Cause
from services.triage.tasks.due import Due
from services.triage.tasks.finishing import finish_tasks
from services.triage.tasks.terms import CHALLENGE, CHALLENGE_JOINED

ASKED = (CHALLENGE, CHALLENGE_JOINED)
"""What a stage asks of people."""

_GIVEN_ON = "UPDATE task SET owner = $3 WHERE case_id = $1 AND kind = $2 AND done_at IS NULL"
_INVOLVED = "SELECT decided_by, document FROM decision WHERE case_id = $1"
_KEPT = """
SELECT id, fingerprint FROM challenge WHERE id = $1
 UNION ALL SELECT challenge_id, fingerprint FROM challenge_step WHERE sent = $1 LIMIT 1
"""
_COLLEAGUES = "SELECT by FROM challenge_step WHERE challenge_id = $1 AND did = $2 AND agency IS NULL"


class Challenges:
    """Takes challenges, moves them up, and settles them. Only a person who decides anew changes the decision."""

    def __init__(
        self, ledger: Ledger, casework: Casework, policies: Policies, ladder: Ladder, handovers: Handovers
    ) -> None:
        self._ledger = ledger
        self._casework = casework
        self._policies = policies
        self.ladder = ladder
        self._handovers = handovers

    async def raise_one(
        self, case_id: UUID, body: ChallengeBody, caller: Principal, key: str, fingerprint: bytes
    ) -> ChallengeView:
        """Keeps a challenge of the decision that stands; where one is open, as a further step of it. The same request
        sent again is the same answer.

        Raises Problem: 404, 409 where nothing was decided, 422 where the key was used.
        """
        name = f"challenge/{caller.subject}/{sha256(key.encode()).hexdigest()}"
        challenge_id = uuid5(case_id, name)
        given = sha256(fingerprint).digest()
        async with self._unit(case_id, name) as (unit, desk, file):
            if kept := await unit.connection.fetchrow(_KEPT, challenge_id):
                if kept["fingerprint"] != given:
                    raise idempotency.reused()
                return await self._view(unit, kept["id"])
            if file.case.decision == 0:
                raise Problem(409, "not-decided", "Nobody has decided on this child yet", "say what you know")
            referrers = await is_referrer(unit.connection, file.case.referral_id, body.agency)
            said = Said(
                text=body.because,
                safe_meanwhile=body.safe_meanwhile,
                challenger=body.challenger,
                reach=body.reach,
            )
            sent, came = challenge_id, Came(body.agency, body.channel, challenge_id, given)
            before = await open_challenge(unit.connection, case_id)
            if before is None:
                stage, did = self.ladder.stages[0], Did.RAISED
                await self._raise(unit, desk, file, stage, sent, body, caller, given, referrers=referrers)
            else:
                challenge_id, stage, did = before["id"], self.ladder.stage(before["stage"]), Did.ADDED
                due = self._casework.thresholds.flow_due(CHALLENGE_JOINED, unit.now)
                await join(unit, desk, file, before, sent, due, caller.subject, referrers=referrers)
            await self._step(unit, challenge_id, case_id, did, stage, caller, said, came)
            if referrers:
                await announce(unit, self._ledger.codec, file, challenge_id, ChallengeState.HEARD, stage)
            self._casework.open_again(file)
            await save(unit, self._ledger.codec, self._policies, desk)
            return await self._view(unit, challenge_id)

    async def _raise(
        self,
        unit: Unit,
        desk: Desk,
        file: File,
        stage: Stage,
        challenge_id: UUID,
        body: ChallengeBody,
        caller: Principal,
        fingerprint: bytes,
        *,
        referrers: bool,
    ) -> None:
        case, due = file.case, self._due(stage, unit.now)
        await keep_challenge(
            unit.connection,
            challenge_id,
            case.id,
            case.referral_id,
            case.decision,
            body.agency,
            body.channel.value,
            stage.id,
            caller.subject,
            unit.now,
            due.at,
            referrers,
            fingerprint,
        )
        ask(desk, file, challenge_id, stage, unit.now, due)

    async def take(self, challenge_id: UUID, body: ReviewBody, caller: Principal) -> ChallengeView:
        """The caller reviews it, or takes the review over from somebody who does: no challenge waits for who is away.

        Raises Problem: 403 for whoever decided, signed or challenges, and for who takes it over and is no manager, 404,
        409 where somebody else reviews it and no reason is given.
        """
        async with self._open(challenge_id) as (unit, _, file, row):
            stage = await self._may(unit, file, row, caller)
            if row["reviewer"] == caller.subject:
                return await self._view(unit, challenge_id)
            did, said = Did.TAKEN, Said(text=stage.title)
            if row["reviewer"] is not None:
                if body.take_over_because is None:
                    raise Problem(
                        409,
                        "reviewed-already",
                        "Somebody else reviews this",
                        "a manager takes it over with a reason",
                        extra={"reviewer": row["reviewer"]},
                    )
                if MANAGER not in caller.roles:
                    raise Problem(403, "manager-needed", "Only a manager takes a review over")
                did, said = Did.TAKEN_OVER, Said(text=body.take_over_because)
                await unit.connection.execute(_GIVEN_ON, file.case.id, CHALLENGE_JOINED, caller.subject)
            await unit.connection.execute(
                "UPDATE challenge SET reviewer = $2 WHERE id = $1", challenge_id, caller.subject
            )
            await self._step(unit, challenge_id, file.case.id, did, stage, caller, said)
            return await self._view(unit, challenge_id)

    async def escalate(self, challenge_id: UUID, body: EscalationBody, caller: Principal) -> ChallengeView:
        """It goes up a stage, with a clock of its own.

        Raises Problem: 403 for whoever neither reviews it nor is a manager, 404, 409 at the last stage.
        """
        async with self._open(challenge_id) as (unit, desk, file, row):
            stage, involved = self.ladder.stage(row["stage"]), await self._involved(unit, file, row)
            if not may_take_up(stage, caller.roles, caller.subject, involved, row["reviewer"]):
                raise Problem(
                    403,
                    "not-to-take-up",
                    "Somebody else takes this up a stage",
                    "its reviewer does, or a manager; while nobody reviews it, whoever could",
                )
            above = self.ladder.above(stage.id)
            if above is None:
                raise Problem(409, "last-stage", "There is no stage above this one", "settle it here")
            due = self._due(above, unit.now)
            await unit.connection.execute(
                "UPDATE challenge SET stage = $2, due_at = $3, reviewer = NULL WHERE id = $1",
                challenge_id,
                above.id,
                due.at,
            )
            said = Said(text=body.because, safe_meanwhile=body.safe_meanwhile)
            await self._step(unit, challenge_id, file.case.id, Did.ESCALATED, above, caller, said)
            if row["referrers"]:
                await announce(unit, self._ledger.codec, file, challenge_id, ChallengeState.ESCALATED, above)
            await finish_tasks(unit, self._ledger.codec, file.case.id, ASKED, caller, "It went up a stage.")
            ask(desk, file, challenge_id, above, unit.now, due)
            await save(unit, self._ledger.codec, self._policies, desk)
            return await self._view(unit, challenge_id)

    async def resolve(self, challenge_id: UUID, body: ResolutionBody, caller: Principal) -> ChallengeView:
        """Its reviewer settles it. `decide_anew` asks for a new decision; the first one stays on record.

        Raises Problem: 403 for anybody but the reviewer, 404, 409 where whoever challenged does not agree and a stage
        is left.
        """
        async with self._open(challenge_id) as (unit, desk, file, row):
            stage = await self._may(unit, file, row, caller)
            if row["reviewer"] != caller.subject:
                raise Problem(
                    403, "not-the-reviewer", "Whoever reviews it settles it", "take the review first"
                )
            if not body.agreed and self.ladder.above(row["stage"]) is not None:
                raise Problem(
                    409, "not-agreed", "Whoever challenged does not agree, and a stage is left", "escalate it"
                )
            await unit.connection.execute(
                "UPDATE challenge SET outcome = $2, agreed = $3, resolved_at = $4 WHERE id = $1",
                challenge_id,
                body.outcome.value,
                body.agreed,
                unit.now,
            )
            case = file.case
            await self._step(
                unit, challenge_id, case.id, Did.RESOLVED, stage, caller, Said(text=body.because)
            )
            if row["referrers"]:
                await announce(
                    unit, self._ledger.codec, file, challenge_id, ChallengeState.SETTLED, stage, body.outcome
                )
            await finish_tasks(unit, self._ledger.codec, case.id, ASKED, caller, "It was settled.")
            if body.outcome is ChallengeOutcome.DECIDE_ANEW and case.decided:
                cause = Cause(uuid5(challenge_id, "decide-anew"), unit.now, unit.now)
                tell(unit, [(file, self._casework.reopened(file, cause))], case.trace)
            await self._handovers.settle(unit, desk, case.referral_id)
            await save(unit, self._ledger.codec, self._policies, desk)
            return await self._view(unit, challenge_id)

    async def page(
        self,
        connection: asyncpg.Connection,
        caller: Principal,
        case_id: UUID | None,
        open_only: bool,
        limit: int,
    ) -> ChallengePage:
        """Challenges that the caller may see: the open ones by when they are due, then those that were settled last."""
        now = self._ledger.clock.now()
        rows = await challenge_rows(connection, caller, case_id, open_only, limit)
        items = tuple(ChallengeItem(**self._fields(row, now)) for row in rows[:limit])
        return ChallengePage(items=items, more=len(rows) > limit)

    async def read(self, connection: asyncpg.Connection, challenge_id: UUID) -> ChallengeView | None:
        """One challenge with everything that was said; None where there is none."""
        row = await challenge_row(connection, challenge_id)
        if row is None:
            return None
        steps = await steps_of(connection, self._ledger.codec, challenge_id, row["case_id"])
        return ChallengeView(**self._fields(row, self._ledger.clock.now()), steps=tuple(steps))

    def _fields(self, row: asyncpg.Record, now: datetime) -> dict[str, object]:
        values = {name: value for name, value in dict(row).items() if name in ChallengeItem.model_fields}
        overdue = row["resolved_at"] is None and row["due_at"] < now
        stage = self.ladder.stage(row["stage"])
        last = self.ladder.above(stage.id) is None
        return {**values, "title": stage.title, "last": last, "overdue": overdue}

    async def _view(self, unit: Unit, challenge_id: UUID) -> ChallengeView:
        view = await self.read(unit.connection, challenge_id)
        if view is None:
            raise not_found()
        return view

    def _due(self, stage: Stage, now: datetime) -> Due:
        return self._casework.thresholds.days.due(stage.within, now)

    async def _step(
        self,
        unit: Unit,
        challenge_id: UUID,
        case_id: UUID,
        did: Did,
        stage: Stage,
        caller: Principal,
        said: Said,
        came: Came = NOBODYS,
    ) -> None:
        await keep_step(
            unit.connection,
            self._ledger.codec,
            challenge_id,
            case_id,
            did,
            stage.id,
            caller.subject,
            unit.now,
            said,
            came,
        )
        await note(unit.connection, unit.now, caller, f"challenge.{did.value}", case_id)

    async def _may(self, unit: Unit, file: File, row: asyncpg.Record, caller: Principal) -> Stage:
        stage, involved = self.ladder.stage(row["stage"]), await self._involved(unit, file, row)
        if not may_review(stage, caller.roles, caller.subject, involved):
            raise Problem(
                403,
                "not-a-reviewer",
                "Somebody else must review this",
                "whoever decided, signed or challenges reviews nothing, and the stage names the roles",
            )
        return stage

    async def _involved(self, unit: Unit, file: File, row: asyncpg.Record) -> set[str]:
        """Whoever decided, signed or challenges. A reviewer who writes down what a colleague says goes on reviewing."""
        joined = await unit.connection.fetch(_COLLEAGUES, row["id"], Did.ADDED.value)
        involved = {row["raised_by"], *(one["by"] for one in joined)} - {row["reviewer"]}
        for decision in await unit.connection.fetch(_INVOLVED, file.case.id):
            involved.add(decision["decided_by"])
            made = await read_decision(self._ledger.codec, file.case.id, decision["document"])
            involved |= set() if made is None else {one.by for one in made.signatures}
        return involved

    @asynccontextmanager
    async def _unit(self, case_id: UUID, *locks: str) -> AsyncIterator[tuple[Unit, Desk, File]]:
        referral_id = await referral_of(self._ledger, case_id)
        async with self._ledger.unit([referral_id], locks=locks) as unit:
            desk = await load(unit, self._ledger.codec, self._policies, [referral_id])
            file = desk.files.get(case_id)
            if file is None:
                raise processing_stopped()
            yield unit, desk, file

    @asynccontextmanager
    async def _open(self, challenge_id: UUID) -> AsyncIterator[tuple[Unit, Desk, File, asyncpg.Record]]:
        case_id = await self._ledger.pool.fetchval(
            "SELECT case_id FROM challenge WHERE id = $1", challenge_id
        )
        if case_id is None:
            raise not_found()
        async with self._unit(case_id) as (unit, desk, file):
            row = await challenge_row(unit.connection, challenge_id)
            if row is None:
                raise not_found()
            if row["resolved_at"] is not None:
                raise Problem(
                    409,
                    "settled-already",
                    "This challenge is settled",
                    extra={"outcome": row["outcome"], "resolved_at": row["resolved_at"].isoformat()},
                )
            yield unit, desk, file, row


def not_found() -> Problem:
    """A challenge that does not exist, or that the caller may not see."""
    return Problem(404, "challenge-not-found", "There is no such challenge")

"""A named person's decision on one child's case."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import asyncpg

from libs.messaging.ledger import Unit
from libs.platform.auth import Principal
from libs.platform.etags import Precondition
from libs.platform.problems import Problem, invalid_body
from libs.platform.validation import FieldError
from libs.schemas.decision import DecisionBody, Departure, Proposal
from services.triage.access import note
from services.triage.case import Case, File
from services.triage.claims.claim import release, writes
from services.triage.decision.circumstances import Choice, circumstances, departure, steps_down
from services.triage.decision.duties import duty_faults, open_duties, record_faults
from services.triage.decision.proposals import (
    Pending,
    SignatureNeeded,
    SignatureReason,
    keep_proposal,
    last_proposal,
)
from services.triage.decision.record import (
    LATEST,
    Made,
    answer_of,
    not_found,
    processing_stopped,
    read_decision,
    referral_of,
    same_decision,
)
from services.triage.decision.register import Register, differing
from services.triage.desk import Desk, read_desk, save
from services.triage.placement.places import HIGHEST, Placement


class Decisions:
    """Takes decisions and signatures: one at a time for each referral, refused where the caller has not seen what
    stands.
    """

    def __init__(self, register: Register) -> None:
        self._register = register

    @property
    def reasons(self) -> Mapping[str, str]:
        """The partnership's kinds of reasons for a departure, by code, in words."""
        return self._register.authority.departure_reasons

    async def decide(self, case_id: UUID, body: DecisionBody, seen: Precondition, caller: Principal) -> Made:
        """Records the decision and tells the other services; where a signature is wanted, nothing is told before it
        is there.

        Whoever has seen the decision that stands, or waits, may decide anew: theirs is added beside it.

        Raises Problem: 403 for whoever only prepares, 404, 409 where somebody else decided first or has the pen, or
        nobody has read the referrer's words, 412 where the case changed, 422 where a reason or a duty's answer is
        missing, or the level needs more help than the destination gives.
        """
        referral_id = await referral_of(self._register.ledger, case_id)
        async with self._register.ledger.unit([referral_id]) as unit:
            desk, file = await self._register.taken(unit, referral_id, case_id)
            case, codec = file.case, self._register.ledger.codec
            latest = await unit.connection.fetchrow(LATEST, case_id)
            last = await last_proposal(unit.connection, codec, case_id) if case.signing else None
            again = await self._again(case, latest, last, body, seen, caller)
            if again is not None:
                return again
            self._register.check_seen(case, latest, last, seen)
            if not self._register.authority.may_decide(caller.roles):
                raise Problem(
                    403,
                    "role-missing",
                    "Your role prepares a decision and does not make it",
                    "a decider is needed",
                )
            choice, recommended = Choice.of(body), self._register.recommended(file)
            await self._check(unit, desk, file, body, recommended)
            await writes(unit.connection, case_id, caller, unit.now)
            today = self._register.casework.thresholds.clocks.day(unit.now)
            holds = circumstances(file, choice, recommended, today)
            demand = self._register.authority.demand(holds, caller.roles)
            proposal = Proposal(
                **dict(body),
                number=1 if last is None else last.proposal.number + 1,
                departure=departure(choice, recommended),
                evaluation=case.evaluation,
                proposed_by=caller.subject,
                proposed_at=unit.now,
                roles=tuple(sorted(caller.roles)),
                wanted=1,
                because=tuple(rule.id for rule in demand.rules),
            )
            tag = case.tag
            await release(unit.connection, case_id, caller)
            if demand.signatures:
                await keep_proposal(unit.connection, codec, case_id, case.signing + 1, tag, proposal)
                self._register.casework.signing(file, unit.now)
                await note(unit.connection, unit.now, caller, "case.propose", case_id)
                made = self._register.waits(case, Pending(proposal, tag, (), None))
            else:
                made = await self._register.record(unit, desk, file, proposal, tag, (), caller)
            await save(unit, codec, self._register.policies, desk)
        return made

    async def needed(
        self,
        connection: asyncpg.Connection,
        case_id: UUID,
        choice: Choice,
        caller: Principal,
        now: datetime,
    ) -> SignatureNeeded:
        """What a decision of that level and destination by the caller would need. Raises Problem 404, 409."""
        referral_id = await connection.fetchval("SELECT referral_id FROM child_case WHERE id = $1", case_id)
        if referral_id is None:
            raise not_found()
        desk = await read_desk(connection, self._register.ledger.codec, [referral_id])
        file = desk.files.get(case_id)
        if file is None:
            raise processing_stopped()
        recommended = self._register.recommended(file)
        holds = circumstances(file, choice, recommended, self._register.casework.thresholds.clocks.day(now))
        demand = self._register.authority.demand(holds, caller.roles)
        return SignatureNeeded(
            may_decide=self._register.authority.may_decide(caller.roles),
            may_sign=self._register.authority.may_sign(caller.roles),
            signatures=demand.signatures,
            because=tuple(
                SignatureReason(id=rule.id, title=rule.title, cite=rule.cite) for rule in demand.rules
            ),
            departure=departure(choice, recommended),
            steps_down=steps_down(choice, file.case),
            departure_reasons=dict(self._register.authority.departure_reasons),
            obliged=await open_duties(connection, file.case),
            siblings_differ=bool(differing(desk.by_referral[referral_id], file, choice)),
        )

    async def _again(
        self,
        case: Case,
        latest: asyncpg.Record | None,
        last: Pending | None,
        body: DecisionBody,
        seen: Precondition,
        caller: Principal,
    ) -> Made | None:
        """The first answer, where the same person sends the same decision again."""
        fresh = f'"{case.tag}"' in seen.tags
        if last is not None and last.proposal.proposed_by == caller.subject and case.proposed_at is not None:
            knew = f'"{last.tag}"' in seen.tags or fresh
            return self._register.waits(case, last) if knew and same_decision(last.proposal, body) else None
        if latest is None or latest["decided_by"] != caller.subject:
            return None
        if f'"{latest["tag"]}"' not in seen.tags and (not fresh or case.at_risk):
            return None
        decision = await read_decision(self._register.ledger.codec, case.id, latest["document"])
        if decision is None or not same_decision(decision, body):
            return None
        return Made(answer_of(case, decision), case.tag)

    async def _check(
        self, unit: Unit, desk: Desk, file: File, body: DecisionBody, recommended: Placement
    ) -> None:
        case, choice = file.case, Choice.of(body)
        highest = HIGHEST[choice.destination]
        if choice.level > highest:
            above = f"is above what this destination serves, which is {highest.value} at the most"
            raise invalid_body([FieldError("/level", "level_above_destination", above)])
        self._register.check_read(case, body)
        faults = []
        if steps_down(choice, case) or departure(choice, recommended) is not Departure.AGREES:
            wanted = "is needed where the decision is not what was recommended, or milder than the one before"
            given = {"departure_reason": body.departure_reason, "departure_code": body.departure_code}
            faults += [
                FieldError(f"/{name}", "missing", wanted) for name, value in given.items() if value is None
            ]
        if (
            body.departure_code is not None
            and body.departure_code not in self._register.authority.departure_reasons
        ):
            known = ", ".join(self._register.authority.departure_reasons)
            faults.append(FieldError("/departure_code", "unknown_code", f"must be one of {known}"))
        if body.siblings_differ_because is None and differing(
            desk.by_referral[case.referral_id], file, choice
        ):
            wanted = "is needed where a brother or sister of the same referral was decided differently"
            faults.append(FieldError("/siblings_differ_because", "missing", wanted))
        faults += duty_faults(body.obliged, await open_duties(unit.connection, case), case)
        faults += await record_faults(unit.connection, case.id, body.obliged)
        if faults:
            raise invalid_body(faults)

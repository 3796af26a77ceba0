"""A named person's decision on one child's case."""

from dataclasses import dataclass
from uuid import UUID

import asyncpg
from opentelemetry import trace

from libs.messaging.codec import Codec, Undecodable
from libs.messaging.ledger import Ledger, Unit
from libs.messaging.tracing import span_context
from libs.platform.auth import Principal
from libs.platform.etags import Precondition
from libs.platform.problems import Problem, invalid_body
from libs.platform.validation import FieldError
from libs.schemas.base import Model, Nothing
from libs.schemas.decision import Decision, DecisionBody, Departure
from libs.schemas.events import CASE_DECIDED, CaseDecided, DecidedChild, Reference
from libs.schemas.levels import Destination, Level, Stage
from services.triage.access import note
from services.triage.case import Case, File, is_low
from services.triage.casework import Casework
from services.triage.claims.claim import release, writes
from services.triage.desk import load, save
from services.triage.documents import RecordedDecision
from services.triage.placement.places import HIGHEST, MINIMUM, Placement
from services.triage.policies.store import Policies

MANAGER = "manager"
SOCIAL_WORKER = "social_worker"
DECIDERS = (SOCIAL_WORKER, MANAGER)
"""Roles that may decide; others prepare."""

_LATEST = """
SELECT number, decided_by, decided_at, level, destination, tag, document
  FROM decision WHERE case_id = $1 ORDER BY number DESC LIMIT 1
"""
_DECIDE = """
INSERT INTO decision (case_id, number, evaluation, level, destination, departure, decided_by, decided_at, tag, document)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
_PARTS = ("evidence", "answers", "evaluation", "decision")


class DecisionMade(Model):
    """A decision as it now stands on record."""

    case_id: UUID
    stage: Stage
    decision: Decision


@dataclass(frozen=True, slots=True)
class Made:
    """The answer to a decider, with the case's new entity tag."""

    answer: DecisionMade
    tag: str


def not_found() -> Problem:
    """A case that does not exist, or that the caller may not see: the two look alike."""
    return Problem(404, "case-not-found", "There is no such case")


def departure(body: DecisionBody, recommended: Placement) -> Departure:
    """How a decision relates to the recommendation: below where either its level or its destination is milder."""
    level, destination = Level(body.level), Destination(body.destination)
    least, needed = MINIMUM[destination], MINIMUM[recommended.destination]
    if level < recommended.level or least < needed:
        return Departure.BELOW
    if level > recommended.level or least > needed:
        return Departure.ABOVE
    return Departure.AGREES if destination is recommended.destination else Departure.ELSEWHERE


def changed_meanwhile(case: Case, seen: Precondition) -> Problem:
    """The caller has not seen what stands. `*` has seen nothing."""
    return Problem(
        412,
        "changed-meanwhile",
        "It has changed since you read it",
        "read it again, then decide",
        headers={"ETag": f'"{case.tag}"'},
        extra={"changed": changed_parts(seen, case.tag)},
    )


def steps_down(body: DecisionBody, level: str, destination: str) -> bool:
    """Whether a decision is milder than the one that stands, whatever is recommended now."""
    milder = MINIMUM[Destination(body.destination)] < MINIMUM[Destination(destination)]
    return milder or Level(body.level) < Level(level)


def changed_parts(seen: Precondition, current: str) -> list[str]:
    """What of a case is new since the caller read it, by the names of the entity tag's parts."""
    now = current.split(".")
    best: list[str] = list(_PARTS)
    for tag in seen.tags:
        before = tag.strip('"').split(".")
        if len(before) == len(now):
            parts = [name for name, old, new in zip(_PARTS, before, now, strict=True) if old != new]
            best = min(best, parts, key=len)
    return best


class Decisions:
    """Takes decisions: one at a time for each referral, refused where the decider has not seen what stands."""

    def __init__(self, ledger: Ledger, casework: Casework, policies: Policies) -> None:
        self._ledger = ledger
        self._casework = casework
        self._policies = policies

    async def decide(self, case_id: UUID, body: DecisionBody, seen: Precondition, caller: Principal) -> Made:
        """Records the decision and tells the other services.

        Whoever has seen the decision that stands may decide anew: theirs is added beside it.

        Raises Problem: 403 where a manager must decide, 404, 409 where somebody else decided first or has the pen, or
        nobody has read the referrer's words, 412 where the case changed, 422 where a departure has no reason or the
        level needs more help than the destination gives.
        """
        referral_id = await referral_of(self._ledger, case_id)
        async with self._ledger.unit([referral_id]) as unit:
            desk = await load(unit, self._ledger.codec, self._policies, [referral_id])
            file = desk.files.get(case_id)
            if file is None:
                raise Problem(
                    409,
                    "processing-stopped",
                    "The referral could not be read yet",
                    "act by telephone; decide when its message was retried",
                )
            latest = await unit.connection.fetchrow(_LATEST, case_id)
            again = await self._again(file.case, latest, body, seen, caller)
            if again is not None:
                return again
            self._check_seen(file.case, latest, seen)
            rulebook = self._casework.thresholds.rulebook(file.case.received_at)
            recommended = rulebook.placement(file.case.level, file.known)
            decision = self._check(file.case, body, recommended, latest, caller, unit)
            await writes(unit.connection, case_id, caller, unit.now)
            made = await self._record(unit, file, decision, caller)
            await save(unit, self._ledger.codec, self._policies, desk)
        return made

    async def _again(
        self,
        case: Case,
        latest: asyncpg.Record | None,
        body: DecisionBody,
        seen: Precondition,
        caller: Principal,
    ) -> Made | None:
        """The first answer, where the same person sends the same decision again."""
        if latest is None or latest["decided_by"] != caller.subject:
            return None
        fresh = f'"{case.tag}"' in seen.tags
        if f'"{latest["tag"]}"' not in seen.tags and (not fresh or case.at_risk):
            return None
        decision = await read_decision(self._ledger.codec, case.id, latest["document"])
        if decision is None or DecisionBody.model_validate(decision.model_dump()) != body:
            return None
        return Made(_answer(case, decision), case.tag)

    def _check_seen(self, case: Case, latest: asyncpg.Record | None, seen: Precondition) -> None:
        changed = changed_parts(seen, case.tag)
        if latest is not None and changed and "decision" in changed:
            raise Problem(
                409,
                "decided-already",
                "Somebody has decided already",
                "read the case again",
                headers={"ETag": f'"{case.tag}"'},
                extra={
                    "decided_by": latest["decided_by"],
                    "decided_at": latest["decided_at"].isoformat(),
                    "level": latest["level"],
                    "destination": latest["destination"],
                },
            )
        if changed:
            raise changed_meanwhile(case, seen)

    def _check(
        self,
        case: Case,
        body: DecisionBody,
        recommended: Placement,
        latest: asyncpg.Record | None,
        caller: Principal,
        unit: Unit,
    ) -> Decision:
        highest = HIGHEST[Destination(body.destination)]
        if Level(body.level) > highest:
            above = f"is above what this destination serves, which is {highest.value} at the most"
            raise invalid_body([FieldError("/level", "level_above_destination", above)])
        low = is_low(Level(body.level), Destination(body.destination))
        if case.unread and low:
            raise Problem(
                409,
                "to-be-read",
                "Nobody has read the referrer's words yet",
                "PUT /v1/cases/{id}/reading, then decide",
            )
        departs = departure(body, recommended)
        down = latest is not None and steps_down(body, latest["level"], latest["destination"])
        if (down or departs is not Departure.AGREES) and body.departure_reason is None:
            wanted = "is needed where the decision is not what was recommended, or milder than the one before"
            raise invalid_body([FieldError("/departure_reason", "missing", wanted)])
        milder = down or departs is Departure.BELOW or body.destination == Destination.UNIVERSAL_ADVICE
        if milder and MANAGER not in caller.roles:
            raise Problem(
                403,
                "manager-needed",
                "A manager must decide this",
                "universal advice, and anything below the recommendation or the decision before, is a manager's",
            )
        return Decision(
            number=case.decision + 1,
            level=body.level,
            destination=body.destination,
            departure=departs,
            rationale=body.rationale,
            departure_reason=body.departure_reason,
            may_tell_referrer=body.may_tell_referrer,
            evaluation=case.evaluation,
            decided_by=caller.subject,
            decided_at=unit.now,
        )

    async def _record(self, unit: Unit, file: File, decision: Decision, caller: Principal) -> Made:
        case = file.case
        (document,) = await self._ledger.codec.encode(
            [RecordedDecision(shared=Nothing(), children={case.id: decision})]
        )
        await unit.connection.execute(
            _DECIDE,
            case.id,
            decision.number,
            decision.evaluation,
            decision.level,
            decision.destination,
            decision.departure,
            decision.decided_by,
            decision.decided_at,
            case.tag,
            document,
        )
        await note(unit.connection, unit.now, caller, "case.decide", case.id)
        await release(unit.connection, case.id, caller)
        if (referral := span_context(case.trace)) is not None:
            trace.get_current_span().add_link(referral)
        self._casework.decided(
            file, decision.number, Level(decision.level), Destination(decision.destination), unit.now
        )
        child = DecidedChild(
            level=Level(decision.level),
            destination=decision.destination,
            departs=decision.departure != Departure.AGREES,
            decision=decision.number,
            may_tell_referrer=decision.may_tell_referrer,
        )
        about = Reference(reference=case.reference or "", at=unit.now)
        unit.emit(
            CASE_DECIDED,
            case.referral_id,
            CaseDecided(shared=about, children={case.id: child}),
            trace=case.trace,
        )
        return Made(_answer(case, decision), case.tag)


def _answer(case: Case, decision: Decision) -> DecisionMade:
    return DecisionMade(case_id=case.id, stage=case.stage, decision=decision)


async def referral_of(ledger: Ledger, case_id: UUID) -> UUID:
    """The referral that a case belongs to. Raises Problem 404."""
    referral_id: UUID | None = await ledger.pool.fetchval(
        "SELECT referral_id FROM child_case WHERE id = $1", case_id
    )
    if referral_id is None:
        raise not_found()
    return referral_id


async def read_decision(codec: Codec, case_id: UUID, document: bytes) -> Decision | None:
    """A stored decision; None where it can no longer be read."""
    (item,) = await codec.decode([(RecordedDecision, document)])
    return None if isinstance(item, Undecodable) else item.payload.children.get(case_id)

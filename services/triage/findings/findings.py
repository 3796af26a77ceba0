"""Takes facts from staff: each entry counts at once, and is never deleted."""

from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager
from datetime import date
from hashlib import sha256
from uuid import UUID, uuid5

from pydantic import Field

from libs.messaging.ledger import Ledger, Unit
from libs.platform import idempotency
from libs.platform.auth import Principal
from libs.platform.problems import Problem, invalid_body
from libs.platform.validation import FieldError
from libs.schemas.base import Model, Text
from libs.schemas.dictionary import Dictionary
from libs.schemas.findings import CorrectionKind
from libs.schemas.levels import Level, Rag, Stage
from services.triage.access import note
from services.triage.case import Case, File
from services.triage.casework import Casework
from services.triage.claims.claim import writes
from services.triage.consumer import tell
from services.triage.decision.record import processing_stopped, referral_of
from services.triage.desk import Desk, load, save
from services.triage.findings.finding import (
    Finding,
    FindingChange,
    FindingView,
    OnRecord,
    Told,
    ToldBy,
    view_of,
)
from services.triage.policies.store import Policies
from services.triage.reckoning import Cause, Change

MOST_ERRORS = 20


class ChangedFinding(Told):
    """The body of `PUT /v1/cases/{id}/facts/{entry_id}/correction`: what counts instead, and why."""

    reason: Text


class Retraction(Model):
    """The body of `PUT /v1/cases/{id}/facts/{entry_id}/retraction`."""

    reason: Text


class FindingKept(Model):
    """An entry, and what became of the case by it."""

    case_id: UUID
    entry: FindingView
    stage: Stage
    level: Level | None = Field(description="Absent while a person must first read the referrer's words.")
    rag: Rag


class Findings:
    """Keeps what staff were told, saw or read."""

    def __init__(self, ledger: Ledger, casework: Casework, policies: Policies) -> None:
        self._ledger = ledger
        self._casework = casework
        self._policies = policies

    async def add(
        self, case_id: UUID, body: Told, caller: Principal, key: str, fingerprint: bytes
    ) -> tuple[FindingKept, str]:
        """Adds an entry, and evaluates the child and its home anew; gives the case's entity tag with it.

        The same key with the same body is the same answer. Raises Problem: 404, 409 where somebody else has the pen or
        the referral could not be read, 422.
        """
        lock = f"finding/{caller.subject}/{sha256(key.encode()).hexdigest()}"
        finding_id = uuid5(case_id, lock)
        async with self._unit(case_id, lock) as (unit, desk, file):
            before = file.known.findings.get(finding_id)
            if before is not None:
                if before.finding.fingerprint != fingerprint.hex():
                    raise idempotency.reused()
                return _kept(file.case, before)
            self._check(file, body, unit)
            await writes(unit.connection, case_id, caller, unit.now)
            finding = Finding(
                **dict(body), id=finding_id, by=caller.subject, at=unit.now, fingerprint=fingerprint.hex()
            )
            cause = Cause(finding_id, unit.now, unit.now)
            await self._follow(unit, desk, file, cause, self._casework.find(file, cause, finding))
            await note(unit.connection, unit.now, caller, "case.fact-added", case_id)
            return _kept(file.case, file.known.findings[finding_id])

    async def keep(self, unit: Unit, case_id: UUID, finding: Finding) -> None:
        """Adds what follows from another record, in its unit, and evaluates the child and its home anew. The caller has
        checked it, and needs no pen. Raises Problem 409 where the referral could not be read.
        """
        (referral_id,) = unit.referrals
        desk = await load(unit, self._ledger.codec, self._policies, [referral_id])
        file = desk.files.get(case_id)
        if file is None:
            raise processing_stopped()
        cause = Cause(finding.id, unit.now, unit.now)
        await self._follow(unit, desk, file, cause, self._casework.find(file, cause, finding))

    async def correct(
        self, case_id: UUID, entry_id: UUID, body: ChangedFinding, caller: Principal, fingerprint: bytes
    ) -> tuple[FindingKept, str]:
        """Puts something else in an entry's place. Raises Problem as `add` does, 404 also where there is no such
        entry, and 409 where it was taken back.
        """
        told = Told(**{name: getattr(body, name) for name in Told.model_fields})
        return await self._change(
            case_id, entry_id, CorrectionKind.CORRECTED, told, body.reason, caller, fingerprint
        )

    async def retract(
        self, case_id: UUID, entry_id: UUID, body: Retraction, caller: Principal, fingerprint: bytes
    ) -> tuple[FindingKept, str]:
        """Takes an entry out of what is known. Raises Problem as `correct` does."""
        return await self._change(
            case_id, entry_id, CorrectionKind.RETRACTED, None, body.reason, caller, fingerprint
        )

    async def _change(
        self,
        case_id: UUID,
        entry_id: UUID,
        kind: CorrectionKind,
        told: Told | None,
        reason: str,
        caller: Principal,
        fingerprint: bytes,
    ) -> tuple[FindingKept, str]:
        async with self._unit(case_id) as (unit, desk, file):
            entry = file.known.findings.get(entry_id)
            if entry is None:
                raise Problem(404, "fact-not-found", "There is no such entry on this case")
            last = entry.changes[-1] if entry.changes else None
            sent = (kind, caller.subject, fingerprint.hex())
            if last is not None and (last.kind, last.by, last.fingerprint) == sent:
                return _kept(file.case, entry)
            if last is not None and last.told is None:
                raise _taken_back(last)
            if told is not None:
                self._check(file, told, unit)
            await writes(unit.connection, case_id, caller, unit.now)
            change = FindingChange(
                finding_id=entry_id,
                kind=kind,
                reason=reason,
                by=caller.subject,
                at=unit.now,
                told=told,
                fingerprint=fingerprint.hex(),
            )
            cause = Cause(uuid5(entry_id, f"change/{len(entry.changes)}"), unit.now, unit.now)
            await self._follow(unit, desk, file, cause, self._casework.amend(file, cause, change))
            await note(unit.connection, unit.now, caller, f"case.fact-{kind.value}", case_id)
            return _kept(file.case, entry)

    @asynccontextmanager
    async def _unit(self, case_id: UUID, *locks: str) -> AsyncIterator[tuple[Unit, Desk, File]]:
        referral_id = await referral_of(self._ledger, case_id)
        async with self._ledger.unit([referral_id], locks=locks) as unit:
            desk = await load(unit, self._ledger.codec, self._policies, [referral_id])
            file = desk.files.get(case_id)
            if file is None:
                raise processing_stopped()
            yield unit, desk, file

    async def _follow(self, unit: Unit, desk: Desk, file: File, cause: Cause, change: Change) -> None:
        """What was said of the home counts for the brothers and sisters; and others are told."""
        spread = self._casework.spread(desk.by_referral[file.case.referral_id], cause)
        tell(unit, [(file, change), *spread], file.case.trace)
        await save(unit, self._ledger.codec, self._policies, desk)

    def _check(self, file: File, told: Told, unit: Unit) -> None:
        rulebook = self._casework.thresholds.rulebook(file.case.received_at)
        agencies = {*rulebook.agencies, *file.agencies}
        faults = _faults(told, rulebook.dictionary, agencies, self._casework.thresholds.clocks.day(unit.now))
        found = list(faults)
        if found:
            raise invalid_body(found[:MOST_ERRORS])


def _faults(
    told: Told, dictionary: Dictionary, agencies: Collection[str], today: date
) -> Iterator[FieldError]:
    for place, fact in enumerate(told.facts):
        fault = dictionary.check(fact)
        if fault is not None:
            yield FieldError(f"/facts/{place}/{fault.field}", fault.code, fault.wanted)
    if not told.facts and not told.immediate_danger and told.note is None:
        yield FieldError("/facts", "missing", "must state a fact, or a note must say what was found out")
    if told.source == ToldBy.AGENCY and told.agency is None:
        yield FieldError("/agency", "missing", "is needed where an agency said it")
    elif told.source != ToldBy.AGENCY and told.agency is not None:
        yield FieldError("/agency", "not_for_source", "names the agency whose word it is, for `agency` alone")
    elif told.agency is not None and told.agency not in agencies:
        yield FieldError("/agency", "unknown_agency", f"must be one of {', '.join(sorted(agencies))}")
    if told.on > today:
        yield FieldError("/on", "in_the_future", "must be today or earlier")


def _kept(case: Case, entry: OnRecord) -> tuple[FindingKept, str]:
    kept = FindingKept(
        case_id=case.id,
        entry=view_of(entry),
        stage=case.stage,
        level=None if case.withheld else case.level,
        rag=case.rag,
    )
    return kept, case.tag


def _taken_back(last: FindingChange) -> Problem:
    return Problem(
        409,
        "taken-back-already",
        "Somebody took this entry back",
        "add a new one",
        extra={"by": last.by, "at": last.at.isoformat()},
    )

"""The peer's triage. Run as `python -m bench.peer.triage`."""

import asyncio
from collections.abc import Iterable
from dataclasses import fields
from typing import Any
from uuid import UUID

from faststream.kafka import KafkaMessage
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from bench.peer.wiring import CHECKS, RECEIVED, TRIAGE, Peer, TimerRow, envelope, now
from libs.schemas.base import Nothing
from libs.schemas.events import (
    CASE_REOPENED,
    CASE_ROUTED,
    CASE_SCREENED,
    CHECK_RETURNED,
    CHECKS_COMPLETED,
    PERSON_LINKED,
    CaseReopened,
    CaseRouted,
    CaseScreened,
    CheckReturned,
    ChecksCompleted,
    PersonLinked,
    Received,
    Reference,
)
from libs.schemas.findings import AgencyState
from libs.schemas.levels import Destination, Level, Rag, Stage
from services.triage.case import Case, File
from services.triage.casework import Casework
from services.triage.desk import Desk
from services.triage.documents import EVIDENCE, EvidenceKind, RecordedEvaluation
from services.triage.joined.marks import mark
from services.triage.known import learn
from services.triage.reckoning import Cause, Change
from services.triage.restricted.inheritance import inherit
from services.triage.search.index import SearchIndex
from services.triage.search.keys import Keys
from services.triage.standing import AgencyStanding
from services.triage.tables import (
    AgencyStateRow,
    ChildCaseRow,
    EvaluationRow,
    EvidenceRow,
    ReferralRow,
    TaskRow,
    metadata,
)
from services.triage.tasks.due import Due
from services.triage.tasks.raising import NewTask
from services.triage.thresholds import load_thresholds

peer = Peer("triage", metadata)
casework = Casework(load_thresholds(peer.partnership))
index = SearchIndex(Keys("s" * 32))
columns = [each.name for each in fields(Case) if each.metadata.get("column", True)]
codes = {"stage": Stage, "level": Level, "rag": Rag, "could_rise_to": Level, "announced_level": Level}


@peer.subscriber(RECEIVED)
async def received(payload: Received, message: KafkaMessage) -> None:
    """Opens a case for each child and screens it."""
    event_id, referral_id, at, trace = envelope(message)
    cause = Cause(event_id, at, now())
    screened, desk = {}, Desk(new_referrals={referral_id: payload})
    async with peer.sessions() as session:
        if await session.get(ReferralRow, referral_id) is not None:
            return
        session.add(
            ReferralRow(
                id=referral_id,
                reference=payload.shared.reference,
                agency=payload.shared.agency,
                received_at=payload.shared.received_at,
                untellable=None,
                document=payload.model_dump_json().encode(),
            )
        )
        for number, (child_id, child) in enumerate(payload.children.items(), 1):
            file = casework.open(
                cause,
                referral_id=referral_id,
                child_id=child_id,
                number=number,
                received=payload,
                child=child,
                trace=trace,
            )
            session.add(ChildCaseRow(**_values(file.case)))
            await _save(session, file, new=True)
            screened[child_id] = file.case.screened()
            desk.add(file)
        step = await peer.step(session, referral_id)
        await inherit(step, peer.codec, desk)
        await index.fill(step, peer.codec, desk)
        await session.commit()
    about = Reference(reference=payload.shared.reference, at=cause.now)
    event = CaseScreened(shared=about, children=screened)
    await peer.publish(TRIAGE, CASE_SCREENED.name, referral_id, event)


checks = peer.subscriber(CHECKS)


@checks(filter=lambda message: message.headers["ce_type"] == CHECK_RETURNED.name)
async def returned(payload: CheckReturned, message: KafkaMessage) -> None:
    """Evaluates an agency's answer."""
    event_id, referral_id, at, _ = envelope(message)
    cause = Cause(event_id, at, now())
    changes = []
    async with peer.sessions() as session:
        for child_id, answer in payload.children.items():
            file = await _load(session, child_id)
            changes.append((file, casework.answer(file, cause, payload.shared, answer)))
            await _update(session, file)
        await session.commit()
    await _tell(referral_id, payload.shared.reference, changes)


@checks(filter=lambda message: message.headers["ce_type"] == PERSON_LINKED.name)
async def linked(payload: PersonLinked, message: KafkaMessage) -> None:
    """Takes in who a child is and what happened before."""
    event_id, referral_id, at, _ = envelope(message)
    cause, desk = Cause(event_id, at, now()), Desk()
    changes = []
    async with peer.sessions() as session:
        while await session.get(ReferralRow, referral_id) is None:
            await session.rollback()
            await asyncio.sleep(0.02)
        for child_id, part in payload.children.items():
            file = await _load(session, child_id)
            desk.add(file)
            changes.append((file, casework.link(file, cause, payload.shared, part)))
            await _update(session, file)
        step = await peer.step(session, referral_id)
        await inherit(step, peer.codec, desk)
        await mark(step, desk.files.values())
        await session.commit()
    await _tell(referral_id, payload.shared.reference, changes)


@checks(filter=lambda message: message.headers["ce_type"] == CHECKS_COMPLETED.name)
async def completed(payload: ChecksCompleted, message: KafkaMessage) -> None:
    """Routes a case whose checks are complete."""
    event_id, referral_id, at, _ = envelope(message)
    cause = Cause(event_id, at, now())
    changes = []
    async with peer.sessions() as session:
        for child_id, part in payload.children.items():
            file = await _load(session, child_id)
            changes.append((file, casework.complete(file, cause, part)))
            await _update(session, file)
        await session.commit()
    await _tell(referral_id, payload.shared.reference, changes)


def _values(case: Case) -> dict[str, Any]:
    values = {name: getattr(case, name) for name in columns}
    return values | {"actions": list(case.actions)}


async def _load(session: AsyncSession, case_id: UUID) -> File:
    row = await session.get(ChildCaseRow, case_id)
    if row is None:
        raise LookupError
    values = {name: getattr(row, name) for name in columns}
    values |= {name: code(values[name]) for name, code in codes.items()}
    values["announced_rag"] = Rag(row.announced_rag)
    values["destination"] = Destination(row.destination) if row.destination else None
    values["actions"] = tuple(row.actions)
    case = Case(**values)
    file = File(case, clocks=case.clocks())
    evidence = await session.exec(
        select(EvidenceRow).where(col(EvidenceRow.case_id) == case_id).order_by(col(EvidenceRow.number))
    )
    for each in evidence:
        learn(file.known, case_id, EVIDENCE[EvidenceKind(each.kind)].model_validate_json(each.document))
    for state in await session.exec(select(AgencyStateRow).where(col(AgencyStateRow.case_id) == case_id)):
        file.agencies[state.agency] = AgencyStanding(
            AgencyState(state.state),
            state.reason,
            state.asked_at,
            state.due_at,
            state.answered_at,
            state.late,
        )
    return file


async def _update(session: AsyncSession, file: File) -> None:
    row = await session.get(ChildCaseRow, file.case.id)
    for name, value in _values(file.case).items():
        setattr(row, name, value)
    await _save(session, file, new=False)


async def _save(session: AsyncSession, file: File, *, new: bool) -> None:
    case = file.case
    for item in file.new_evidence:
        session.add(
            EvidenceRow(
                case_id=case.id,
                number=item.number,
                event_id=item.event_id,
                kind=item.kind.value,
                source=item.source,
                at=item.at,
                document=item.document.model_dump_json().encode(),
            )
        )
    for made in file.new_evaluations:
        one = made.evaluation
        document = RecordedEvaluation(shared=Nothing(), children={case.id: one})
        session.add(
            EvaluationRow(
                case_id=case.id,
                number=one.number,
                event_id=one.event_id or case.id,
                at=one.at,
                trigger=one.trigger,
                policy=one.outcome.policy,
                level=one.outcome.level,
                rag=one.outcome.rag,
                could_rise_to=one.outcome.could_rise_to,
                document=document.model_dump_json().encode(),
                evidence=made.evidence,
                states=made.states,
            )
        )
    for agency in file.new_states:
        known = file.agencies[agency]
        row = AgencyStateRow(
            case_id=case.id,
            agency=agency,
            state=known.state,
            reason=known.reason,
            asked_at=known.asked_at,
            due_at=known.due_at,
            answered_at=known.answered_at,
            late=known.late,
        )
        if new:
            session.add(row)
        else:
            await session.merge(row)
    for action in file.new_actions:
        due = action.due or Due(case.rag_due_at or case.due_at)
        task = NewTask(case.referral_id, case.id, action.kind, now(), due, about=action.about)
        session.add(
            TaskRow(
                id=task.id,
                referral_id=task.referral_id,
                case_id=task.case_id,
                kind=task.kind,
                reason=None,
                raised_at=task.raised_at,
                due_at=task.due.at,
                done_at=None,
                done_by=None,
                document=None,
            )
        )
    for clock, due_at in case.clocks().items():
        if file.clocks.get(clock) != due_at:
            timer = TimerRow(
                kind=clock,
                subject=case.id,
                referral_id=case.referral_id,
                state="armed",
                due_at=due_at,
                claim_at=due_at,
                traceparent=case.trace,
            )
            if new:
                session.add(timer)
            else:
                await session.merge(timer)


async def _tell(referral_id: UUID, reference: str, changes: Iterable[tuple[File, Change]]) -> None:
    about = Reference(reference=reference, at=now())
    cases = [(file.case, change) for file, change in changes]
    screened = {case.id: case.screened() for case, change in cases if Change.SCREENED in change}
    routed = {case.id: case.routed() for case, change in cases if Change.ROUTED in change}
    reopened = {case.id: case.reopened() for case, change in cases if Change.REOPENED in change}
    if screened:
        event = CaseScreened(shared=about, children=screened)
        await peer.publish(TRIAGE, CASE_SCREENED.name, referral_id, event)
    if routed:
        routing = CaseRouted(shared=about, children=routed)
        await peer.publish(TRIAGE, CASE_ROUTED.name, referral_id, routing)
    if reopened:
        again = CaseReopened(shared=about, children=reopened)
        await peer.publish(TRIAGE, CASE_REOPENED.name, referral_id, again)


if __name__ == "__main__":
    peer.run()

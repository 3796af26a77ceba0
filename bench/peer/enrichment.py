"""The peer's enrichment. Run as `python -m bench.peer.enrichment`."""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from faststream.kafka import KafkaMessage
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from bench.peer.wiring import CHECKS, RECEIVED, TRIAGE, Peer, TimerRow, envelope, now
from libs.schemas.events import (
    CASE_SCREENED,
    CHECK_RETURNED,
    CHECKS_COMPLETED,
    CaseScreened,
    CheckReturned,
    ChecksCompleted,
    CompletedChecks,
    Received,
    Reference,
)
from libs.schemas.findings import AgencyState
from libs.schemas.levels import Level, Rag
from services.enrichment.asking.agency import InstantAgency
from services.enrichment.asking.question import Kept, identifiers, keep, question_for
from services.enrichment.checks.desk import Desk
from services.enrichment.checks.effects import DEADLINE
from services.enrichment.checks.record import Check, Child, Completed, Due, Effect, Referral, Returned
from services.enrichment.partnership import NOT_STATED, load_agencies, load_check_terms
from services.enrichment.sharing.agreement import load_agreement
from services.enrichment.sharing.permission import Permission
from services.enrichment.tables import CheckRow, ChildRow, ReferralRow, metadata

peer = Peer("enrichment", metadata)
terms = load_agencies(peer.partnership / "agencies")
desk = Desk(
    load_check_terms(peer.partnership / "checks.yaml", None),
    terms,
    load_agreement(peer.partnership / "sharing.yaml"),
)
agencies = {name: InstantAgency() for name in terms}


@peer.subscriber(RECEIVED)
async def received(payload: Received, message: KafkaMessage) -> None:
    """Keeps what the checks need of a referral."""
    _, referral_id, _, _ = envelope(message)
    async with peer.sessions() as session:
        if await session.get(ReferralRow, referral_id) is not None:
            return
        kept = keep(payload, list(payload.children))
        checks = payload.shared.referral.agreements.checks
        session.add(
            ReferralRow(
                id=referral_id,
                reference=payload.shared.reference,
                agreement=NOT_STATED if checks is None else str(checks.answer),
                received_at=payload.shared.received_at,
                withdrawn_at=None,
                employers=[],
                erased=[],
                kept=kept.model_dump_json().encode(),
            )
        )
        for child_id, child in kept.children.items():
            session.add(
                ChildRow(
                    id=child_id,
                    referral_id=referral_id,
                    number=child.number,
                    identifiers=sorted(identifiers(kept, child_id)),
                    home=None,
                    level=None,
                    rag=None,
                    due_at=None,
                    screened_at=None,
                    completed_at=None,
                    traceparent=None,
                    orders=None,
                )
            )
        await session.commit()


triage = peer.subscriber(TRIAGE)


@triage(filter=lambda message: message.headers["ce_type"] == CASE_SCREENED.name)
async def screened(payload: CaseScreened, message: KafkaMessage) -> None:
    """Asks the agencies about each child and tells what they answer."""
    _, referral_id, _, trace = envelope(message)
    told: list[Effect] = []
    async with peer.sessions() as session:
        while (row := await session.get(ReferralRow, referral_id)) is None:
            await session.rollback()
            await asyncio.sleep(0.02)
        referral = Referral(row.id, row.reference, row.agreement, row.withdrawn_at)
        kept = Kept.model_validate_json(row.kept)
        for child_id, first in payload.children.items():
            instant = now()
            child = await _child(session, child_id)
            new = not child.checks
            effects = desk.screened(referral, child, first.level, first.rag, trace, instant)
            effects += await _ask(kept, referral, child, instant)
            await _save(session, referral, child, effects, new=new)
            told += effects
        await session.commit()
    await _tell(referral, told)


@triage
async def others(_: bytes) -> None:
    """Takes what triage tells others."""


async def _ask(kept: Kept, referral: Referral, child: Child, instant: datetime) -> list[Effect]:
    due = [check for check in child.checks.values() if check.ask_at is not None and check.ask_at <= instant]
    questions = [
        question_for(kept, child.id, _permission(referral, child, check.agency, instant), check.question_id)
        for check in due
    ]
    replies = await asyncio.gather(
        *(
            agencies[check.agency].ask(question, trace=child.trace)
            for check, question in zip(due, questions, strict=True)
            if question is not None
        )
    )
    effects: list[Effect] = []
    for check, reply in zip(due, replies, strict=True):
        check.attempts, check.asked_at = check.attempts + 1, check.asked_at or instant
        effects += desk.replied(referral, child, check.question_id, check.attempts, reply, instant, 0.5)
    return effects


def _permission(referral: Referral, child: Child, agency: str, instant: datetime) -> Permission:
    return desk.permission(
        agency,
        level=child.level,
        agreement=referral.agreement,
        identifiers=child.identifiers,
        employers=(),
        now=instant,
    )


async def _child(session: AsyncSession, child_id: UUID) -> Child:
    row = await session.get(ChildRow, child_id)
    if row is None:
        raise LookupError
    child = Child(
        row.id,
        row.referral_id,
        row.number,
        frozenset(row.identifiers),
        level=Level(row.level) if row.level else None,
        rag=Rag(row.rag) if row.rag else None,
        due_at=row.due_at,
        screened_at=row.screened_at,
        completed_at=row.completed_at,
        trace=row.traceparent,
    )
    found = await session.exec(select(CheckRow).where(col(CheckRow.child_id) == child_id))
    for each in found:
        child.checks[each.question_id] = Check(
            each.agency,
            each.question_id,
            each.due_at,
            frozenset(each.items),
            frozenset(each.existence),
            state=AgencyState(each.state),
            silence=AgencyState(each.silence),
            reason=each.reason,
            asked_at=each.asked_at,
            answered_at=each.answered_at,
            late=each.late,
            attempts=each.attempts,
            chases=each.chases,
            ask_at=each.ask_at,
        )
    return child


async def _save(
    session: AsyncSession, referral: Referral, child: Child, effects: Iterable[Effect], *, new: bool
) -> None:
    row = await session.get(ChildRow, child.id)
    if row is not None:
        row.level, row.rag, row.due_at = child.level, child.rag, child.due_at
        row.screened_at, row.completed_at, row.traceparent = (
            child.screened_at,
            child.completed_at,
            child.trace,
        )
    about = Reference(reference=referral.reference, at=now())
    for check in child.checks.values():
        answer = None
        if check.answer is not None:
            answer = CheckReturned(shared=about, children={child.id: check.answer}).model_dump_json().encode()
        asked = CheckRow(
            child_id=child.id,
            agency=check.agency,
            referral_id=child.referral_id,
            question_id=check.question_id,
            state=check.state,
            silence=check.silence,
            reason=check.reason,
            asked_at=check.asked_at,
            due_at=check.due_at,
            answered_at=check.answered_at,
            late=check.late,
            attempts=check.attempts,
            chases=check.chases,
            ask_at=check.ask_at,
            answer=answer,
            items=sorted(check.items),
            existence=sorted(check.existence),
            held_back=[],
            stopped=check.stopped,
            corrected_at=check.corrected_at,
            reused_from=check.reused_from,
            instead=None,
            put_at=check.asked_at or check.due_at,
        )
        if new:
            session.add(asked)
        else:
            await session.merge(asked)
    due = [effect.at for effect in effects if isinstance(effect, Due)]
    if due:
        done = child.completed_at is not None
        timer = TimerRow(
            kind=DEADLINE,
            subject=child.id,
            referral_id=child.referral_id,
            state="disarmed" if done else "armed",
            due_at=due[-1],
            claim_at=due[-1],
            traceparent=child.trace,
        )
        if new:
            session.add(timer)
        else:
            await session.merge(timer)


async def _tell(referral: Referral, effects: Iterable[Effect]) -> None:
    about = Reference(reference=referral.reference, at=now())
    for effect in effects:
        child = effect.child
        if isinstance(effect, Returned):
            returned = CheckReturned(shared=about, children={child.id: effect.answer})
            await peer.publish(CHECKS, CHECK_RETURNED.name, referral.id, returned)
        elif isinstance(effect, Completed):
            part = CompletedChecks(states=child.states, due_at=child.due_at or now())
            done = ChecksCompleted(shared=about, children={child.id: part})
            await peer.publish(CHECKS, CHECKS_COMPLETED.name, referral.id, done)


if __name__ == "__main__":
    peer.run()

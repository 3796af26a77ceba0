"""The peer's enrichment. Run as `python -m bench.peer.enrichment`."""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from faststream.kafka import KafkaMessage
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from bench.peer.wiring import CHECKS, RECEIVED, TRIAGE, Peer, TimerRow, envelope, event_of, now
from libs.schemas import events
from libs.schemas.dictionary import load_dictionary
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
from services.enrichment.asking.question import Kept, homes, identifiers, keep, question_for
from services.enrichment.checks.desk import Desk
from services.enrichment.checks.effects import DEADLINE
from services.enrichment.checks.record import Check, Child, Completed, Due, Effect, Referral, Returned
from services.enrichment.checks.store import Store
from services.enrichment.family.events import worry_of
from services.enrichment.family.family import Family
from services.enrichment.family.hub import load_zone
from services.enrichment.family.records import Records
from services.enrichment.partnership import NOT_STATED, load_agencies, load_check_terms
from services.enrichment.people.index import open_index
from services.enrichment.sharing.agreement import load_agreement
from services.enrichment.sharing.disclosures import Disclosure, Disclosures, answered, asked
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
disclosures = Disclosures(peer.codec)
family = Family(
    Records(peer.codec),
    Store(peer.codec),
    open_index(peer.codec, peer.partnership, "p" * 32),
    worry_of(load_dictionary(peer.partnership / "facts.yaml")),
    load_zone(peer.partnership / "clocks.yaml"),
)


@peer.subscriber(RECEIVED)
async def received(payload: Received, message: KafkaMessage) -> None:
    """Keeps what the checks need of a referral, and says who its people are."""
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
        referral = Referral(referral_id, payload.shared.reference, NOT_STATED)
        home = homes(kept)
        for child_id, child in kept.children.items():
            known_by = identifiers(kept, child_id)
            referral.children[child_id] = Child(
                child_id, referral_id, child.number, known_by, home.get(child_id)
            )
            session.add(
                ChildRow(
                    id=child_id,
                    referral_id=referral_id,
                    number=child.number,
                    identifiers=sorted(known_by),
                    home=home.get(child_id),
                    level=None,
                    rag=None,
                    due_at=None,
                    screened_at=None,
                    completed_at=None,
                    traceparent=None,
                    orders=None,
                )
            )
        step = await peer.step(session, referral_id)
        event = event_of(message, events.RECEIVED, payload)
        await family.apply(step, [event], {referral_id: referral}, {referral_id: kept})
        await session.commit()
    for kind, told in step.told:
        await peer.publish(CHECKS, kind.name, referral_id, told)


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
            answers, shared = await _ask(kept, referral, child, instant)
            effects += answers
            await _save(session, referral, child, effects, new=new)
            step = await peer.step(session, referral_id)
            await disclosures.record(step.connection, shared)
            told += effects
        await session.commit()
    await _tell(referral, told)


@triage
async def others(_: bytes) -> None:
    """Takes what triage tells others."""


async def _ask(
    kept: Kept, referral: Referral, child: Child, instant: datetime
) -> tuple[list[Effect], list[Disclosure]]:
    due = [check for check in child.checks.values() if check.ask_at is not None and check.ask_at <= instant]
    permissions = [_permission(referral, child, check.agency, instant) for check in due]
    questions = [
        question_for(kept, child.id, permission, check.question_id)
        for check, permission in zip(due, permissions, strict=True)
    ]
    replies = await asyncio.gather(
        *(
            agencies[check.agency].ask(question, trace=child.trace)
            for check, question in zip(due, questions, strict=True)
            if question is not None
        )
    )
    effects: list[Effect] = []
    shared: list[Disclosure] = []
    for check, permission, question, reply in zip(due, permissions, questions, replies, strict=True):
        if question is None:
            continue
        about = check.agency, referral.id, child.id
        shared.append(asked(*about, question, permission, instant))
        shared.append(answered(*about, check.question_id, question.items, reply, instant, permission.to))
        check.attempts, check.asked_at = check.attempts + 1, check.asked_at or instant
        effects += desk.replied(referral, child, check.question_id, check.attempts, reply, instant, 0.5)
    return effects, shared


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
        row.home,
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

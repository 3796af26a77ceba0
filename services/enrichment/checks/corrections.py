"""An agency says something else than it did: its first answer stays on record, and another counts."""

from datetime import datetime
from uuid import UUID

from libs.schemas.findings import ASKED_AGAIN, PARTIAL, AgencyState, Answer, Correction, CorrectionKind
from services.enrichment.asking.agency import Reply
from services.enrichment.checks.record import ANSWERED, Check, Child, Corrected, Effect, Referral


def answered_again(
    referral: Referral,
    child: Child,
    check: Check,
    attempt: int,
    reply: Reply,
    earlier: Answer | None,
    now: datetime,
) -> list[Effect]:
    """What an agency says that has answered the very question before."""
    if attempt < check.attempts or earlier is None or reply.state not in ANSWERED:
        return []
    answer = answer_instead(check, reply, now)
    return (
        corrects(referral, child, check, answer, ASKED_AGAIN, now) if says_otherwise(earlier, answer) else []
    )


def answer_instead(check: Check, reply: Reply, now: datetime) -> Answer:
    """The answer that counts in place of the first."""
    state = {"state": reply.state, "reason": reply.reason, "answered_at": now}
    return check.told(reply).model_copy(update=state)


def answer_shared(check: Check, elder: Answer, now: datetime) -> Answer:
    """What a brother's or sister's new answer about the home is for the child whose question waits with it."""
    reason = elder.reason if elder.reason in PARTIAL else None
    state = {"state": elder.state, "reason": reason, "answered_at": now, "as_of": elder.as_of}
    return check.told().model_copy(update=state)


def corrects(
    referral: Referral,
    child: Child,
    first: Check,
    answer: Answer | None,
    reason: str,
    now: datetime,
    kind: CorrectionKind = CorrectionKind.CORRECTED,
) -> list[Effect]:
    """Replaces an answer, also for those who share it. Where nothing is left of it, nothing is left for them either."""
    repeats = [one for one in child.checks.values() if replaced_by(child, one) is first]
    for one in repeats:
        one.corrected_at, one.instead, one.changed = now, answer, True
    told = tuple(one.question_id for one in repeats)
    effects: list[Effect] = [_correction(child, first, answer, reason, now, kind, told)]
    found = answer is not None and answer.state == AgencyState.RETURNED
    return effects + [
        _correction(sibling, check, answer_shared(check, answer, now), reason, now, kind)
        if answer is not None and found
        else _correction(sibling, check, None, reason, now, CorrectionKind.RETRACTED)
        for sibling in referral.children.values()
        for check in sibling.checks.values()
        if check.with_question == first.question_id and check.answered_at is not None
    ]


def replaced_by(child: Child, repeat: Check) -> Check | None:
    """The first question whose answer this one's has replaced, and still does: what becomes of it is told there."""
    first = None if repeat.again is None else child.checks.get(repeat.again)
    if first is None or first.corrected_at is None:
        return None
    return first if first.corrected_at in (repeat.answered_at, repeat.corrected_at) else None


def _correction(
    child: Child,
    check: Check,
    answer: Answer | None,
    reason: str,
    now: datetime,
    kind: CorrectionKind,
    repeats: tuple[UUID, ...] = (),
) -> Effect:
    check.corrected_at, check.instead, check.reused_of, check.changed = now, answer, None, True
    correction = Correction(
        agency=check.agency,
        question_id=str(check.question_id),
        kind=kind,
        reason=reason,
        corrected_at=now,
        answer=answer,
    )
    return Corrected(child, correction, repeats)


_SAID = (
    "state",
    "as_of",
    "coverage_from",
    "coverage_to",
    "facts",
    "narrative",
    "plans",
    "dash",
    "worker",
    "people",
)


def says_otherwise(earlier: Answer, answer: Answer) -> bool:
    """Whether an agency that was asked the same again says something else of the child.

    That it declines now, or does not cover the dates, takes nothing back.
    """
    if answer.state not in ANSWERED or earlier.state not in ANSWERED:
        return False
    return any(getattr(earlier, name) != getattr(answer, name) for name in _SAID)

"""The events that tell the other services how a notice ended."""

from __future__ import annotations

from collections.abc import Iterable

from libs.messaging.ledger import Unit
from libs.schemas.events import NOTICE_DELIVERED, NOTICE_FAILED, NoticeDelivered, NoticeFailed, NoticeResult
from libs.schemas.notice import NoticeState
from services.notify.store import Moved


def emit_ends(unit: Unit, moved: Iterable[Moved]) -> list[Moved]:
    """Emits one event for each notice that has ended just now; gives those."""
    ended: list[Moved] = []
    for notice in moved:
        if notice.state not in (NoticeState.DELIVERED, NoticeState.FAILED):
            continue
        shared = NoticeResult(
            reference=notice.reference,
            notice_id=notice.id,
            kind=notice.kind,
            channel=notice.channel,
            at=unit.now,
            reason=notice.reason if notice.state is NoticeState.FAILED else None,
        )
        if notice.state is NoticeState.DELIVERED:
            unit.emit(
                NOTICE_DELIVERED, notice.referral_id, NoticeDelivered(shared=shared), trace=notice.trace
            )
        else:
            unit.emit(NOTICE_FAILED, notice.referral_id, NoticeFailed(shared=shared), trace=notice.trace)
        ended.append(notice)
    return ended

"""How notices ended, and what came to light of them: the events for the other services, and the counts."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from opentelemetry.metrics import Meter

from libs.messaging.ledger import Unit
from libs.schemas.alerts import AlertDelivered, AlertFailed, CallResult
from libs.schemas.events import (
    ALERT_DELIVERED,
    ALERT_FAILED,
    NOTICE_DELIVERED,
    NOTICE_FAILED,
    NoticeDelivered,
    NoticeFailed,
    NoticeResult,
)
from libs.schemas.notice import NoticeChannel, NoticeState
from services.notify.store import Moved, Sighting


class Tally:
    """Counts what became of notices, whether Notify was asked or told it by itself."""

    def __init__(self, meter: Meter) -> None:
        self._duplicates = meter.create_counter(
            "mash.notices.duplicates", "{message}", "Messages that went out beside the one that was meant."
        )
        self._contradictions = meter.create_counter(
            "mash.notices.contradictions", "{receipt}", "Last statuses that came after another."
        )
        self._ended = meter.create_counter(
            "mash.notices.ended", "{notice}", "Notices that came to their end."
        )

    def count(self, sighting: Sighting, ended: Iterable[Moved]) -> None:
        """Counts what one transaction recorded."""
        self._duplicates.add(sighting.extra)
        self._contradictions.add(sighting.contradictions)
        for each in ended:
            self._ended.add(1, {"state": each.state.value, "kind": each.kind, "channel": each.channel})


def emit_ends(unit: Unit, moved: Iterable[Moved]) -> list[Moved]:
    """Emits one event for each notice that has ended just now; gives those."""
    ended: list[Moved] = []
    for notice in moved:
        if notice.state not in (NoticeState.DELIVERED, NoticeState.FAILED):
            continue
        ended.append(notice)
        if notice.alert is not None:
            _emit_call(unit, notice, *notice.alert)
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
    return ended


def _emit_call(unit: Unit, notice: Moved, alert_id: UUID, call_id: UUID) -> None:
    failed = notice.state is NoticeState.FAILED
    shared = CallResult(
        alert_id=alert_id,
        call_id=call_id,
        channel=NoticeChannel(notice.channel),
        at=unit.now,
        reason=notice.reason if failed else None,
    )
    if failed:
        unit.emit(ALERT_FAILED, notice.referral_id, AlertFailed(shared=shared), trace=notice.trace)
    else:
        unit.emit(ALERT_DELIVERED, notice.referral_id, AlertDelivered(shared=shared), trace=notice.trace)

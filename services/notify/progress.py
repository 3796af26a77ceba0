"""What happens next to a notice, from what GOV.UK Notify answered. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from libs.schemas.notice import NoticeState

LONGEST_WAIT = timedelta(minutes=15)
"""Between two tries of the same request."""

LONGEST_RATE_WAIT = timedelta(minutes=1)
"""Notify counts requests in a rolling minute: after it nothing of the limit is left, and everybody's sends wait."""

LONGEST_POLL = timedelta(hours=1)
"""Between two questions whether a message has arrived."""


class Status(StrEnum):
    """The last statuses of a message (GOV.UK Notify, REST API, `status`). Any other is not the last."""

    DELIVERED = "delivered"
    PERMANENT_FAILURE = "permanent-failure"
    TEMPORARY_FAILURE = "temporary-failure"
    TECHNICAL_FAILURE = "technical-failure"


LAST = frozenset(status.value for status in Status)


class Limit(StrEnum):
    """Notify's two meanings of 429: too fast, and too many today."""

    RATE = "RateLimitError"
    DAY = "TooManyRequestsError"


@dataclass(frozen=True, slots=True)
class Message:
    """One message as Notify knows it. `id` is Notify's own."""

    id: UUID
    status: str
    completed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """Notify has the message."""

    id: UUID


@dataclass(frozen=True, slots=True)
class Limited:
    """Notify does not have it: a limit is reached."""

    limit: Limit


@dataclass(frozen=True, slots=True)
class Refused:
    """Notify will never take it. The code says why and repeats nothing that was sent."""

    code: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """Notify does not have it, for a reason that is not the message's: no connection, or a key that is refused."""

    code: str


@dataclass(frozen=True, slots=True)
class Unsure:
    """Nobody here knows whether Notify has it: time-out, connection lost, server error."""

    code: str


@dataclass(frozen=True, slots=True)
class Found:
    """Every message that Notify shows for a reference, which is not unique there."""

    messages: tuple[Message, ...]


Answer = Accepted | Limited | Refused | NotSent | Unsure | Found


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited for what. All are an operator's settings."""

    look_up_after: timedelta
    """A message that was accepted shows in look-ups after this, at the latest."""
    poll_after: timedelta
    """Delivery is asked for when no callback came for so long; then ever more rarely."""
    give_up_after: timedelta
    """After this from its making a notice without an end has failed."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a notice when an answer comes in."""

    state: NoticeState
    created_at: datetime
    sends: int
    """Requests to send that may have reached Notify."""
    asks: int
    """Requests of either kind since there was last progress, the present one included."""
    last_send_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of a notice. `due_at` is when it is looked at next; None: never again."""

    state: NoticeState
    due_at: datetime | None
    reason: str | None = None
    seen: tuple[Message, ...] = ()
    reached: bool = True
    """False where a try to send cannot have reached Notify."""

    @property
    def ended(self) -> bool:
        """Whether the notice has come to its end."""
        return self.state in (NoticeState.DELIVERED, NoticeState.FAILED)


def after(standing: Standing, answer: Answer, patience: Patience, now: datetime) -> Change:
    """The change that an answer makes. An ended notice changes no more.

    What may have been sent is never sent again before a look-up, made `look_up_after` the last try to send it,
    has shown that Notify does not have it.
    """
    if standing.state in (NoticeState.DELIVERED, NoticeState.FAILED):
        return Change(standing.state, None)
    late = now - standing.created_at >= patience.give_up_after
    match answer:
        case Accepted(id=message_id):
            seen = (Message(message_id, "created"),)
            return Change(NoticeState.SENT, now + patience.poll_after, seen=seen)
        case Refused(code=code):
            return Change(NoticeState.FAILED, None, code)
        case Limited(limit=limit):
            again = _after_limit(limit, standing.asks, now)
            if again >= standing.created_at + patience.give_up_after:
                # Known now, so told now: whoever is on call is not left out until midnight, and called then.
                return Change(NoticeState.FAILED, None, "not_accepted")
            return Change(NoticeState.TO_SEND, again, f"{limit.name.lower()}_limit", reached=False)
        case NotSent(code=code):
            if late:
                return Change(NoticeState.FAILED, None, "not_accepted")
            if standing.sends > 1:
                # Not this time, but an earlier try may show by now.
                return replace(_wait(standing, code, patience, now, late=False), reached=False)
            return Change(NoticeState.TO_SEND, now + _backoff(standing.asks), code, reached=False)
        case Unsure(code=code):
            return _wait(standing, code, patience, now, late=late)
        case Found(messages=messages):
            return _after_look_up(standing, messages, patience, now, late=late)


def ending(statuses: Sequence[str]) -> tuple[NoticeState, str | None] | None:
    """The end that the statuses of a notice's messages mean, with a code for a failure; None: not ended yet.

    One that arrived is enough; a failure counts when no message of the notice is under way any more.
    """
    if Status.DELIVERED in statuses:
        return NoticeState.DELIVERED, None
    if statuses and all(status in LAST for status in statuses):
        return NoticeState.FAILED, statuses[0].replace("-", "_")
    return None


def _after_look_up(
    standing: Standing, messages: tuple[Message, ...], patience: Patience, now: datetime, *, late: bool
) -> Change:
    if not messages:
        if standing.state is NoticeState.SENT:
            return _wait(standing, "not_shown", patience, now, late=late)
        if late:
            return Change(NoticeState.FAILED, None, "not_accepted")
        if standing.last_send_at is not None and now < standing.last_send_at + patience.look_up_after:
            return Change(NoticeState.UNSURE, standing.last_send_at + patience.look_up_after, "not_shown")
        return Change(NoticeState.TO_SEND, now, "not_shown")
    end = ending([message.status for message in messages])
    if end is not None:
        return Change(end[0], None, end[1], seen=messages)
    if late:
        return Change(NoticeState.FAILED, None, "no_receipt", seen=messages)
    wait = min(patience.poll_after * 2 ** min(standing.asks, 16), LONGEST_POLL)
    return Change(NoticeState.SENT, now + wait, seen=messages)


def _wait(standing: Standing, code: str, patience: Patience, now: datetime, *, late: bool) -> Change:
    """Goes on knowing no more than before, and asks again later."""
    if late:
        known = standing.state is NoticeState.SENT
        return Change(NoticeState.FAILED, None, "no_receipt" if known else "not_accepted")
    if standing.state is NoticeState.SENT:
        return Change(
            NoticeState.SENT, now + min(patience.poll_after * 2 ** min(standing.asks, 16), LONGEST_POLL), code
        )
    wait = max(patience.look_up_after, _backoff(standing.asks))
    return Change(NoticeState.UNSURE, now + wait, code)


def _backoff(tries: int) -> timedelta:
    return min(timedelta(seconds=2 ** min(tries, 16)), LONGEST_WAIT)


def _after_limit(limit: Limit, tries: int, now: datetime) -> datetime:
    """Notify counts requests in a rolling minute, and messages from midnight UTC."""
    if limit is Limit.RATE:
        return now + min(max(timedelta(seconds=5), _backoff(tries)), LONGEST_RATE_WAIT)
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return midnight + timedelta(minutes=1)

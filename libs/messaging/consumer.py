"""What a service implements to consume events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from libs.messaging.event import Event
from libs.schemas.events import EventType

if TYPE_CHECKING:
    from libs.messaging.ledger import Unit


@dataclass(frozen=True, slots=True)
class Parked:
    """A message that was put aside just now, in the same transaction."""

    event_id: UUID
    referral_id: UUID
    type: str
    first: bool
    """True for the message that stops its referral, False for one that has to wait behind it."""
    code: str
    """Why: never a message, so that it may be shown and logged."""
    event: Event | None
    """The message itself where it could be read. It is not processed; danger in it must be seen all the same."""
    parked_at: datetime


class Consumer(Protocol):
    """One service's side of the events that it reads.

    Every method gets a unit: an open transaction that holds the referrals' locks. All effects go through it, so a
    method that runs again after a failure, with the same or fewer events, has no effect twice.
    """

    name: str
    """The consumer group: the service's name."""

    types: frozenset[EventType[Any]]
    """What it reads. Other types on the same topics are skipped."""

    async def handle(self, unit: Unit, events: Sequence[Event]) -> None:
        """Applies a batch, in order. Raises Permanent or Transient on purpose; anything else is unknown."""
        ...

    async def stopped(self, unit: Unit, parked: Sequence[Parked]) -> None:
        """Makes it visible that these messages were put aside, and screens them for danger.

        A referral counts as stopped from the one that is `first`; those behind it are told too, as they come.
        """
        ...

    async def resumed(self, unit: Unit, referral_id: UUID) -> None:
        """The last message of this referral that was put aside is processed or discarded."""
        ...

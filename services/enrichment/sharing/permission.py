"""What is known when sharing is decided, and what came of it: the items granted, and the others with their reasons."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal
from uuid import UUID

from libs.schemas.commands import CheckOrder, OrderAction
from libs.schemas.levels import Level


class Mode(StrEnum):
    """How much an agency is asked to tell, least first."""

    EXISTENCE = "existence"
    """Whether anything is held, and nothing of what it is."""
    CONTENT = "content"


class About(StrEnum):
    """Whom an item is about. What is about the household is the same whichever of its children it is asked for."""

    CHILD = "child"
    HOUSEHOLD = "household"


class Reason(StrEnum):
    """Why something may not be asked: what is nearest to being granted first."""

    REFUSED = "agreement_refused"
    """The family refused, and at this level their agreement is needed."""
    NOT_AGREED = "agreement_missing"
    """The family has not agreed, and at this level their agreement is needed."""
    NECESSITY = "necessity_not_recorded"
    """The family's agreement was to be sought, and nobody has recorded why sharing is necessary without it."""
    BELOW = "below_level"
    """The level of need is milder than the mildest from which this may be asked."""
    LEVEL = "level_not_known"
    NOT_IDENTIFIABLE = "not_identifiable"
    """Nothing that the agency may be sent would tell it who is meant."""
    NO_LEAD = "lead_not_named"
    """The suspect works for the agency, and it has named no safeguarding lead who may be asked instead."""
    NOT_STARTED = "sharing_not_started"
    EXPIRED = "sharing_expired"
    NOT_LISTED = "agency_not_listed"
    """The data-sharing agreement has no line for this agency."""


@dataclass(frozen=True, slots=True)
class Order:
    """Somebody of the hub's staff has an agency asked by hand. `items` empty means all that the agreement lists.

    `until` is when it lapses. What the texts say stays out of columns, logs and events' headers: they may name people.
    """

    id: UUID
    agency: str
    items: frozenset[str]
    purpose: str
    basis: str
    reason: str
    by: str
    at: datetime
    until: datetime | None = None
    emergency: bool = False
    approver: str | None = None

    def stands(self, at: datetime, emergency_lasts: timedelta) -> bool:
        """Whether the order counts at this instant. One that does not say enough never does.

        An emergency needs somebody else who approved it, and lapses after `emergency_lasts` at the latest.
        """
        if not (self.purpose.strip() and self.basis.strip() and self.reason.strip() and self.by.strip()):
            return False
        until = self.until
        if self.emergency:
            approver = _plain(self.approver or "")
            if not approver or approver == _plain(self.by):
                return False
            latest = self.at + emergency_lasts
            until = latest if until is None else min(until, latest)
        return until is None or at < until


def _plain(name: str) -> str:
    return " ".join(name.split()).casefold()


def order_of(command: CheckOrder) -> Order | None:
    """The order that a staff's command gives; None where it does not ask, or does not say purpose and basis."""
    if command.action != OrderAction.ASK or command.purpose is None or command.basis is None:
        return None
    return Order(
        id=command.command_id,
        agency=command.agency,
        items=frozenset(command.items),
        purpose=command.purpose,
        basis=command.basis,
        reason=command.reason,
        by=command.by,
        at=command.at,
        until=command.until,
        emergency=command.emergency,
        approver=command.approver,
    )


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a decision about one child rests on.

    `level` is None until triage has screened; `agreement` is the family's answer about checks: a code of
    `AgreementAnswer`, one that is not known here, or `not_stated`. `identifiers`: by what an agency could tell who is
    meant, as `question.identifiers` gives it. `suspect_works_for`: the agencies that employ somebody thought to harm.
    """

    level: Level | None
    agreement: str
    identifiers: frozenset[str]
    at: datetime
    suspect_works_for: frozenset[str] = frozenset()
    orders: tuple[Order, ...] = ()


@dataclass(frozen=True, slots=True)
class Grant:
    """One item that an agency may be asked for, and the fields that may leave for it."""

    item: str
    mode: Mode
    purpose: str
    basis: str
    """The lawful basis with its citation."""
    ground: str
    """The agreement's ground that it rests on, also where an order opened it."""
    freshness: timedelta
    """An answer that is not older is used again instead of asking."""
    about: About
    fields: frozenset[str]
    level: Level
    """From which level the ground applies."""
    order: Order | None = None
    """The order without which it were not granted."""


Audience = Literal["team", "lead"]
"""Who at the agency is asked: its team, or only its named safeguarding lead."""


@dataclass(frozen=True, slots=True)
class Permission:
    """What an agency may be asked about a child. `held_back` has each other item that is listed, with the reason."""

    items: tuple[Grant, ...]
    held_back: Mapping[str, str]
    to: Audience = "team"
    refusal: str | None = None

    @property
    def granted(self) -> bool:
        """Whether the agency may be asked for anything."""
        return bool(self.items)

    @property
    def reason(self) -> str | None:
        """The code of why nothing may be asked; None where something may."""
        return None if self.items else self.refusal

    @property
    def fields(self) -> frozenset[str]:
        """The fields that may leave: those of the granted items and no others."""
        return frozenset().union(*(grant.fields for grant in self.items))

    @property
    def names(self) -> tuple[str, ...]:
        """The granted items, sorted."""
        return tuple(sorted(grant.item for grant in self.items))

    @property
    def existence_only(self) -> frozenset[str]:
        """The granted items of which only the existence may be asked."""
        return frozenset(grant.item for grant in self.items if grant.mode is Mode.EXISTENCE)

    @property
    def purpose(self) -> str:
        """What it is asked for: an order's purpose, else the highest ground's; nothing where nothing is granted."""
        return self._leading.purpose if self.items else ""

    @property
    def basis(self) -> str:
        """The lawful basis that goes with the purpose."""
        return self._leading.basis if self.items else ""

    @property
    def orders(self) -> tuple[Order, ...]:
        """The orders without which something of it were not granted, each once."""
        return tuple({grant.order.id: grant.order for grant in self.items if grant.order}.values())

    def only(self, items: Collection[str]) -> "Permission":
        """The same for some of the granted items: fewer items, and fewer fields where the others needed them."""
        return replace(self, items=tuple(grant for grant in self.items if grant.item in items))

    @property
    def _leading(self) -> Grant:
        return max(self.items, key=lambda grant: (grant.order is not None, grant.level.rank, grant.item))

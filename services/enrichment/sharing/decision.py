"""Decides what may be asked. What no line of the agreement expressly grants is refused, with the reason.

A line grants on its own conditions alone, and an item is granted by any line that does: a line that is removed takes
away what it granted and adds nothing, and a worse level, which satisfies more lines, never takes away.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from libs.schemas.codes import AgreementAnswer
from libs.schemas.levels import Level
from services.enrichment.sharing.permission import (
    About,
    Audience,
    Circumstances,
    Grant,
    Mode,
    Order,
    Permission,
    Reason,
)

ENGLAND = ZoneInfo("Europe/London")


class Needed(StrEnum):
    """Whether the family's agreement is needed, most needed first."""

    NEEDED = "needed"
    SOUGHT = "sought"
    """It is sought unless that is unsafe; without it a person records why sharing is necessary."""
    NOT_NEEDED = "not_needed"


@dataclass(frozen=True, slots=True)
class Ground:
    """From which level on, and why, an agency may lawfully be asked."""

    name: str
    level: Level
    agreement: Needed
    purpose: str
    basis: str
    citation: str

    @property
    def lawful_basis(self) -> str:
        """The basis with its citation."""
        return f"{self.basis} ({self.citation})"


@dataclass(frozen=True, slots=True)
class Line:
    """One disclosure that the agreement permits: one item of one agency on one ground, in its dates, both inclusive."""

    agency: str
    item: str
    about: About
    ground: Ground
    mode: Mode
    fields: frozenset[str]
    freshness: timedelta
    starts: date
    ends: date


def by_item(lines: Iterable[Line]) -> dict[str, dict[str, tuple[Line, ...]]]:
    """The lines by agency and item, the items of each in the order of their names."""
    found: dict[str, dict[str, list[Line]]] = {}
    for line in sorted(lines, key=lambda one: one.item):
        found.setdefault(line.agency, {}).setdefault(line.item, []).append(line)
    return {agency: {item: tuple(of) for item, of in items.items()} for agency, items in found.items()}


def decide(
    agency: str,
    items: Mapping[str, Sequence[Line]],
    emergency_lasts: timedelta,
    has_lead: bool,
    known: Circumstances,
) -> Permission:
    """What the lines of one agency grant, by item. `has_lead`: whether it names a safeguarding lead."""
    to: Audience = "team"
    if not items:
        return Permission((), {}, to, Reason.NOT_LISTED)
    if agency in known.suspect_works_for:
        to = "lead"
        if not has_lead:
            return Permission((), dict.fromkeys(items, Reason.NO_LEAD.value), to, Reason.NO_LEAD)
    orders = [
        order for order in known.orders if order.agency == agency and order.stands(known.at, emergency_lasts)
    ]
    today = known.at.astimezone(ENGLAND).date()
    granted: list[Grant] = []
    held_back: dict[str, str] = {}
    for item, lines in items.items():
        outcomes = [(line, _open(line, today, known, orders)) for line in lines]
        opened = [(line, by) for line, by in outcomes if not isinstance(by, Reason)]
        if opened:
            granted.append(_grant(opened))
        else:
            held_back[item] = _nearest(by for _, by in outcomes if isinstance(by, Reason)).value
    refusal = None if granted else _nearest(Reason(reason) for reason in held_back.values()).value
    return Permission(tuple(granted), held_back, to, refusal)


def _nearest(reasons: Iterable[Reason]) -> Reason:
    order = list(Reason)
    return min(reasons, key=order.index)


def _open(line: Line, today: date, known: Circumstances, orders: Sequence[Order]) -> Order | Reason | None:
    """None where the line grants by itself, the order by which it does, or why it does not."""
    if today > line.ends:
        return Reason.EXPIRED
    if today < line.starts:
        return Reason.NOT_STARTED
    if line.fields.isdisjoint(known.identifiers):
        return Reason.NOT_IDENTIFIABLE
    reason = _refusal(line.ground, known)
    if reason is None:
        return None
    for order in orders:
        if (not order.items or line.item in order.items) and _lifts(order, line.ground, known):
            return order
    return reason


def _refusal(ground: Ground, known: Circumstances) -> Reason | None:
    if not isinstance(known.level, Level):
        return Reason.LEVEL
    if known.level < ground.level:
        return Reason.BELOW
    agreed = known.agreement == AgreementAnswer.GIVEN
    if agreed or ground.agreement is Needed.NOT_NEEDED:
        return None
    if ground.agreement is Needed.SOUGHT:
        return None if known.agreement == AgreementAnswer.UNSAFE_TO_SEEK else Reason.NECESSITY
    return Reason.REFUSED if known.agreement == AgreementAnswer.REFUSED else Reason.NOT_AGREED


def _lifts(order: Order, ground: Ground, known: Circumstances) -> bool:
    """Whether an order stands for what is missing.

    An emergency stands for level and agreement. An order by hand records why sharing is necessary where agreement was
    to be sought; below the ground's level it needs the family's agreement.
    """
    if order.emergency or known.agreement == AgreementAnswer.GIVEN:
        return True
    reached = isinstance(known.level, Level) and known.level >= ground.level
    return reached and ground.agreement is Needed.SOUGHT


def _grant(opened: Sequence[tuple[Line, Order | None]]) -> Grant:
    """The item as all lines together grant it; it rests on the highest ground that needs no order, if any does."""
    line, order = max(opened, key=lambda one: (one[1] is None, one[0].ground.level.rank))
    return Grant(
        item=line.item,
        mode=Mode.CONTENT if any(one.mode is Mode.CONTENT for one, _ in opened) else Mode.EXISTENCE,
        purpose=line.ground.purpose if order is None else order.purpose,
        basis=line.ground.lawful_basis if order is None else order.basis,
        ground=line.ground.name,
        freshness=min(one.freshness for one, _ in opened),
        about=line.about,
        fields=frozenset().union(*(one.fields for one, _ in opened)),
        level=line.ground.level,
        order=order,
    )

"""The data-sharing agreement: `sharing.yaml`, read with every mistake named, and asked for decisions."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from pathlib import Path

from libs.schemas.document import DocumentError, Node, collect, distinct, nearest, read_all, read_document
from libs.schemas.levels import Level
from services.enrichment.asking.question import SENDABLE
from services.enrichment.sharing.decision import ENGLAND, Ground, Line, Needed, by_item, decide
from services.enrichment.sharing.permission import About, Circumstances, Mode, Permission

LONGEST_EMERGENCY_HOURS = 72
"""An emergency is over, or has been decided upon, within a weekend."""

KEPT = 4096
"""So many decisions are kept for each agreement."""

LEAST_LEVEL = {Needed.SOUGHT: Level.SECTION_17, Needed.NOT_NEEDED: Level.SECTION_47}
"""Below these levels the family's agreement is needed: early help rests on it (Working Together to Safeguard Children,
early help). For a child in need it is sought; reasonable cause to suspect significant harm needs none.
"""


@dataclass(frozen=True, slots=True)
class Item:
    """Something that an agency can be asked for: a topic, and the facts of the dictionary that it may bring.

    `facts` are names, or `household.*` for all that begin so.
    """

    name: str
    label: str
    why: str
    about: About
    facts: tuple[str, ...]

    def brings(self, fact: str) -> bool:
        """Whether a fact of the dictionary belongs to this topic."""
        return any(
            fact == one or (one.endswith(".*") and fact.startswith(one.removesuffix("*")))
            for one in self.facts
        )


@dataclass(frozen=True, slots=True)
class Signed:
    """One agreement with one agency, in force from `starts` to `ends`, both inclusive."""

    agency: str
    document: str
    starts: date
    ends: date
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Agreement:
    """All agreements of the partnership. `leads`: the agencies that have named a safeguarding lead."""

    about: str
    emergency_lasts: timedelta
    grounds: Mapping[str, Ground]
    items: Mapping[str, Item]
    signed: tuple[Signed, ...]
    leads: frozenset[str] = frozenset()
    _items: Mapping[str, Mapping[str, tuple[Line, ...]]] = field(init=False, repr=False, compare=False)
    _starts: tuple[date, ...] = field(init=False, repr=False, compare=False)
    _decided: dict[object, Permission] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_items", by_item(self.lines))
        object.__setattr__(self, "_starts", tuple(sorted({one.starts for one in self.signed})))

    @property
    def agencies(self) -> tuple[str, ...]:
        """The agencies with which something is signed, in the order of the file."""
        return tuple(dict.fromkeys(signed.agency for signed in self.signed))

    @property
    def lines(self) -> tuple[Line, ...]:
        """Every disclosure that is permitted, in the order of the file."""
        return tuple(line for signed in self.signed for line in signed.lines)

    def decide(self, agency: str, circumstances: Circumstances) -> Permission:
        """What this agency may be asked in these circumstances, and why not the rest."""
        if any(order.agency == agency for order in circumstances.orders):
            return self._decide(agency, circumstances)
        # Without an order nothing of the moment counts but its day, and most children's circumstances are alike.
        key = (
            agency,
            circumstances.level,
            circumstances.agreement,
            circumstances.identifiers,
            agency in circumstances.suspect_works_for,
            circumstances.at.astimezone(ENGLAND).date(),
        )
        decided = self._decided.get(key)
        if decided is None:
            if len(self._decided) >= KEPT:
                self._decided.clear()
            decided = self._decided[key] = self._decide(agency, circumstances)
        return decided

    def _decide(self, agency: str, circumstances: Circumstances) -> Permission:
        items = self._items.get(agency, {})
        return decide(agency, items, self.emergency_lasts, agency in self.leads, circumstances)

    def next_start(self, now: datetime) -> datetime | None:
        """When the next agreement that is not in force yet starts: the first moment of its day in England."""
        today = now.astimezone(ENGLAND).date()
        day = next((day for day in self._starts if day > today), None)
        return None if day is None else datetime.combine(day, time.min, ENGLAND).astimezone(UTC)


def load_agreement(path: Path, leads: Collection[str] = ()) -> Agreement:
    """Reads `sharing.yaml`. `leads`: the agencies whose file names a safeguarding lead.

    Raises DocumentError naming every mistake with its place.
    """
    root = read_document(path).fields(
        dict.fromkeys(("about", "emergency_lasts_hours", "grounds", "items", "agreements"), True)
    )
    grounds: dict[str, Ground] = {}
    items: dict[str, Item] = {}

    def add_ground(name: str, node: Node) -> None:
        grounds[name] = _ground(name, node)

    def add_item(name: str, node: Node) -> None:
        items[name] = _item(name, node)

    faults = collect(partial(add_ground, name, node) for name, node in root["grounds"].fields().items())
    faults += collect(partial(add_item, name, node) for name, node in root["items"].fields().items())
    signed: list[Signed] = []

    def add_signed(node: Node) -> None:
        signed.append(_signed(node, grounds, items))

    # A line is read against what could be read of the rest: one mistake is then told once.
    if not faults:
        faults = collect(partial(add_signed, node) for node in root["agreements"].items())
    hours = root["emergency_lasts_hours"]
    if not faults and not 1 <= hours.whole(1) <= LONGEST_EMERGENCY_HOURS:
        faults = [f"{hours.place}: an emergency lasts at most {LONGEST_EMERGENCY_HOURS} hours"]
    if faults:
        raise DocumentError(faults)
    return Agreement(
        about=root["about"].words(),
        emergency_lasts=timedelta(hours=hours.whole(1)),
        grounds=grounds,
        items=items,
        signed=tuple(signed),
        leads=frozenset(leads),
    )


def _ground(name: str, node: Node) -> Ground:
    fields = node.fields(dict.fromkeys(("level", "agreement", "purpose", "basis", "citation"), True))
    level = Level(fields["level"].choice([level.value for level in Level], "level"))
    agreement = Needed(fields["agreement"].choice([needed.value for needed in Needed], "need of agreement"))
    least = LEAST_LEVEL.get(agreement)
    if least is not None and level < least:
        raise DocumentError(
            [f"{fields['agreement'].place}: below {least.value} the family's agreement is needed"]
        )
    return Ground(
        name, level, agreement, fields["purpose"].words(), fields["basis"].words(), fields["citation"].words()
    )


def _item(name: str, node: Node) -> Item:
    fields = node.fields(dict.fromkeys(("label", "why", "about", "facts"), True))
    return Item(
        name=name,
        label=fields["label"].words(),
        why=fields["why"].words(),
        about=About(fields["about"].choice([about.value for about in About], "subject")),
        facts=distinct(fields["facts"], tuple(one.words() for one in fields["facts"].items())),
    )


def _signed(node: Node, grounds: Mapping[str, Ground], items: Mapping[str, Item]) -> Signed:
    fields = node.fields(dict.fromkeys(("agency", "document", "starts", "ends", "lines"), True))
    agency = fields["agency"].words()
    starts, ends = _day(fields["starts"]), _day(fields["ends"])
    if ends < starts:
        raise DocumentError([f"{fields['ends'].place}: the agreement ends before it starts"])

    def lines(entry: Node) -> list[Line]:
        return _lines(agency, entry, grounds, items, starts, ends)

    listed = read_all(fields["lines"].items(), lines)
    return Signed(
        agency, fields["document"].words(), starts, ends, tuple(line for entry in listed for line in entry)
    )


def _lines(
    agency: str,
    node: Node,
    grounds: Mapping[str, Ground],
    items: Mapping[str, Item],
    starts: date,
    ends: date,
) -> list[Line]:
    fields = node.fields(dict.fromkeys(("item", "on", "share", "send", "fresh_days"), True))
    item = items[fields["item"].choice(items, "item")]
    on = distinct(fields["on"], tuple(one.choice(grounds, "ground") for one in fields["on"].items()))
    send = distinct(
        fields["send"], tuple(one.choice(list(SENDABLE), "field") for one in fields["send"].items())
    )
    share = Mode(fields["share"].choice([mode.value for mode in Mode], "measure"))
    freshness = timedelta(days=fields["fresh_days"].whole())
    return [
        Line(agency, item.name, item.about, grounds[name], share, frozenset(send), freshness, starts, ends)
        for name in on
    ]


def _day(node: Node) -> date:
    text = node.text()
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise DocumentError([f"{node.place}: expected a day such as 2026-09-01{nearest(text, [])}"])
    return day

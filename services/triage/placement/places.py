"""Turns a level of need into a destination, by the partnership's `placement.yaml`. It can never lower the level.

Two steps, in this order. **Raises** lift the level where a circumstance asks for more: agreement that is refused
although there is a safeguarding concern goes up, not away. Each is a floor for every level from one on, under
circumstances that are all needed, so that a higher level or a further circumstance never ends milder. **Places** are
then read from the top: the first whose levels and circumstances fit owns the case, and its level stays what the
raises left. Lists name who else keeps the case on their agenda; one destination owns it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from libs.schemas.codes import AgreementAnswer
from libs.schemas.dictionary import Definition, Dictionary
from libs.schemas.findings import Fact, FactValue
from libs.schemas.levels import Destination, Level

MINIMUM = {
    Destination.UNIVERSAL_ADVICE: Level.UNIVERSAL,
    Destination.EARLY_HELP: Level.EARLY_HELP,
    Destination.MASG: Level.TARGETED,
    Destination.SECTION_17: Level.SECTION_17,
    Destination.SECTION_47: Level.SECTION_47,
    Destination.UNBORN_BABY_PANEL: Level.SECTION_17,
    Destination.ACCESS_TO_SUPPORT: Level.SECTION_17,
    Destination.ASSISTANT_DIRECTOR: Level.SECTION_17,
    Destination.ALLOCATED_WORKER: Level.UNIVERSAL,
    Destination.OTHER_AUTHORITY: Level.UNIVERSAL,
}
"""The level of need from which each destination serves. Whoever holds an open plan, and another authority, take
whatever comes.
"""

HIGHEST = {
    **MINIMUM,
    Destination.UNIVERSAL_ADVICE: Level.EARLY_HELP,
    Destination.EARLY_HELP: Level.TARGETED,
    Destination.ALLOCATED_WORKER: Level.SECTION_17,
    Destination.OTHER_AUTHORITY: Level.SECTION_47,
}
"""The highest level of need at which placement still recommends a destination: early help that the family declines,
and a targeted need whose panel is not ready. More need than this goes elsewhere.
"""


def need_of(level: Level, destination: Destination) -> Level:
    """The need that a decision answers: its level, or the least that its destination serves where that is more. Who is
    sent to a section 47 enquiry is protected as that asks, whatever level stands beside it.
    """
    return max(level, MINIMUM[destination])


MOST_KEPT = 4096
"""How many placements are kept."""


class Told(StrEnum):
    """Circumstances that come from the form and not from a fact."""

    EARLY_HELP_AGREED = "early_help_agreed"
    EARLY_HELP_REFUSED = "early_help_refused"
    PANEL_AGREED = "panel_agreed"
    PANEL_REFUSED = "panel_refused"
    CLOSING_PLAN = "closing_plan"


Circumstances = frozenset[str]
"""The names of the circumstances that are known to hold. What is not known is left out, and never read as no."""

Needs = tuple[frozenset[str], ...]
"""All of these groups, and any circumstance of each."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a circumstance is read from the facts: any of these, at this rank or more for certain."""

    any_of: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Step:
    """Something that should happen next, where its circumstances ask for it."""

    id: str
    when: Needs = ()
    unless: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Raise:
    """A floor: from a level on, under these circumstances, the need is at least `to`."""

    id: str
    start: Level
    when: Needs
    to: Level
    steps: tuple[Step, ...]

    def applies(self, level: Level, around: Circumstances) -> bool:
        """Whether it holds for that level under those circumstances."""
        return level >= self.start and met(self.when, around)


@dataclass(frozen=True, slots=True)
class Row:
    """A place, or an entry on a list: the levels that it takes, and when."""

    id: str
    destination: Destination
    first: Level
    last: Level
    when: Needs
    unless: frozenset[str]
    steps: tuple[Step, ...]

    def takes(self, around: Circumstances) -> bool:
        """Whether a case of one of its levels goes there under those circumstances."""
        return met(self.when, around) and self.unless.isdisjoint(around)


@dataclass(frozen=True, slots=True)
class Placement:
    """The destination that is recommended, the level it is recommended at, and what should happen next."""

    destination: Destination
    level: Level
    next_steps: tuple[str, ...] = ()
    listed: tuple[Destination, ...] = ()
    """Who keeps the case on their list beside the destination that owns it."""
    why: str = ""
    """The line of `placement.yaml` that placed it."""


@dataclass(frozen=True)
class Places:
    """The partnership's placement, as loaded from `placement.yaml`."""

    dictionary: Dictionary
    steps: Mapping[str, str]
    """What each step is called."""
    readings: Mapping[str, Reading]
    raises: tuple[Raise, ...]
    rows: tuple[Row, ...]
    lists: tuple[Row, ...]
    localities: Mapping[str, frozenset[str]]
    """The postcode districts that each locality's panel serves."""
    reasons: Mapping[str, str]
    """Why each line places as it does."""

    _placed: dict[tuple[Level, Circumstances], Placement] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def circumstances(self) -> frozenset[str]:
        """Every circumstance that placement may read."""
        return frozenset(self.readings) | frozenset(Told)

    def around(
        self,
        facts: Iterable[Fact],
        early_help: AgreementAnswer | str | None,
        panel: AgreementAnswer | str | None,
        closing_plan: bool,
    ) -> Circumstances:
        """The circumstances that are known to hold. Of two statements the one that makes a circumstance hold counts,
        because no circumstance can lower the level.
        """
        told = (
            (Told.EARLY_HELP_AGREED, early_help == AgreementAnswer.GIVEN),
            (Told.EARLY_HELP_REFUSED, early_help == AgreementAnswer.REFUSED),
            (Told.PANEL_AGREED, panel == AgreementAnswer.GIVEN),
            (Told.PANEL_REFUSED, panel == AgreementAnswer.REFUSED),
            (Told.CLOSING_PLAN, closing_plan),
        )
        found = {name.value for name, holds in told if holds}
        for fact in facts:
            reading = self._read.get(fact.fact)
            if reading is not None:
                certain = _certain(self.dictionary.definitions[fact.fact], fact.value)
                found.update(name for name, rank in reading if certain >= rank)
        return frozenset(found)

    @cached_property
    def _read(self) -> Mapping[str, list[tuple[str, int]]]:
        """For each fact the circumstances that it makes hold, with the rank from which it does."""
        read: dict[str, list[tuple[str, int]]] = {}
        for name, reading in self.readings.items():
            for fact, rank in reading.any_of:
                read.setdefault(fact, []).append((name, rank))
        return read

    @cached_property
    def _at(self) -> Mapping[Level, tuple[tuple[Row, ...], tuple[Row, ...]]]:
        """For each level its places and its lists, in their order."""

        def taking(rows: Iterable[Row], level: Level) -> tuple[Row, ...]:
            return tuple(one for one in rows if one.first <= level <= one.last)

        return {level: (taking(self.rows, level), taking(self.lists, level)) for level in Level}

    def place(self, level: Level, around: Circumstances) -> Placement:
        """The recommended destination. The placement's level is at least `level`."""
        placed = self._placed.get((level, around))
        if placed is None:
            placed = self._place(level, around)
            # Most children's circumstances are alike, so each placement is kept once made.
            if len(self._placed) < MOST_KEPT:
                self._placed[level, around] = placed
        return placed

    def _place(self, level: Level, around: Circumstances) -> Placement:
        needed = level
        while applying := [one.to for one in self.raises if one.to > needed and one.applies(needed, around)]:
            needed = max(applying)
        # A raise that carries the level says what to do even where the level would be as high without it.
        lifting = [one for one in self.raises if one.to is needed and one.applies(needed, around)]
        rows, lists = self._at[needed]
        row = next(one for one in rows if one.takes(around))
        listed = (one.destination for one in lists if one.takes(around))
        others = dict.fromkeys(one for one in listed if one is not row.destination)
        steps = [*(step for one in lifting for step in one.steps), *row.steps]
        due = dict.fromkeys(
            one.id for one in steps if met(one.when, around) and one.unless.isdisjoint(around)
        )
        return Placement(row.destination, needed, tuple(due), tuple(others), row.id)

    def locality(self, postcode: str | None) -> str | None:
        """The locality whose panel serves a postcode; None where no locality names its district."""
        if postcode is None:
            return None
        district = postcode.replace(" ", "").upper()[:-3]
        return next((name for name, served in self.localities.items() if district in served), None)


def met(needs: Needs, around: Circumstances) -> bool:
    """Whether each group has a circumstance that is known to hold."""
    return not any(map(around.isdisjoint, needs))


def _certain(definition: Definition, value: FactValue) -> int:
    bounds = definition.bounds(value)
    return -1 if bounds is None else bounds[0]

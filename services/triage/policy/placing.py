"""That placement cannot lower a level: worked out for every level and all circumstances that could matter to it.

Placement's inputs are finite. What cannot matter is left out by reading the lines: the level rests on the raises'
circumstances, and the place on those of the lines that take that level.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, combinations

from libs.schemas.levels import Level
from services.triage.placement.places import HIGHEST, MINIMUM, Needs, Places

MOST_CIRCUMSTANCES = 16
"""More than so many on the lines of one level are too many to work out."""


@dataclass(frozen=True, slots=True)
class Misplaced:
    """A level and circumstances that placement gets wrong, and how."""

    line: str
    level: Level
    around: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True)
class Placed:
    """How many inputs were worked out, and what was wrong with them."""

    inputs: int
    faults: tuple[Misplaced, ...]


def work_out(places: Places) -> Placed:
    """Every level under all circumstances that could matter. Raises ValueError where these are too many."""
    inputs, faults = 0, list[Misplaced]()
    lifting = frozenset(chain.from_iterable(_named(one.when) for one in places.raises))
    for level in Level:
        for raised in _subsets(lifting):
            faults += _lowered(places, level, raised)
            needed = places.place(level, raised).level
            deciding = frozenset(
                chain.from_iterable(
                    (*_named(row.when), *row.unless) for row in places.rows if row.first <= needed <= row.last
                )
            )
            for rest in _subsets(deciding - lifting):
                inputs += 1
                faults += _misplaced(places, level, raised | rest, needed)
    return Placed(inputs, tuple(faults))


def _lowered(places: Places, level: Level, around: frozenset[str]) -> Iterator[Misplaced]:
    """A level that falls: under the one given, or because one more circumstance holds or the level is higher."""
    placed = places.place(level, around)

    def fault(message: str) -> Misplaced:
        return Misplaced(placed.why, level, tuple(sorted(around)), message)

    if placed.level < level:
        yield fault(f"is lowered to {placed.level}")
    for one in sorted(around):
        if places.place(level, around - {one}).level > placed.level:
            yield fault(f"is milder because `{one}` holds")
    for lower in Level:
        if lower < level and places.place(lower, around).level > placed.level:
            yield fault(f"is milder than {lower} would be")


def _misplaced(places: Places, level: Level, around: frozenset[str], needed: Level) -> Iterator[Misplaced]:
    """A place that changes the level that the raises left, or that does not serve it."""
    placed = places.place(level, around)
    lowest, highest = MINIMUM[placed.destination], HIGHEST[placed.destination]
    if placed.level is not needed:
        message = f"becomes {placed.level} by its place, where {needed} is needed"
        yield Misplaced(placed.why, level, tuple(sorted(around)), message)
    if not lowest <= placed.level <= highest:
        message = f"goes to {placed.destination} at {placed.level}, which serves {lowest} to {highest}"
        yield Misplaced(placed.why, level, tuple(sorted(around)), message)


def _named(needs: Needs) -> Iterable[str]:
    return chain.from_iterable(needs)


def _subsets(names: frozenset[str]) -> Iterator[frozenset[str]]:
    if len(names) > MOST_CIRCUMSTANCES:
        raise ValueError(f"{len(names)} circumstances on the lines of one level are too many to work out")
    ordered = sorted(names)
    for count in range(len(ordered) + 1):
        yield from map(frozenset, combinations(ordered, count))

"""What is known of a child as numbers: for each fact how much it concerns for certain, and how much it still could."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from libs.schemas.dictionary import Definition, Dictionary, Kind
from libs.schemas.findings import AgencyState, FactValue
from services.triage.policy.facts import ChildFacts, StatedFact

if TYPE_CHECKING:
    from services.triage.policy.rules import Policy

_TYPES: dict[Kind, type] = {Kind.YES_NO: bool, Kind.SCALE: str, Kind.COUNT: int}
_SILENT, _OVERDUE, _AWAITED = 1, 2, 4
_MEANINGS: dict[str, int] = {
    AgencyState.RETURNED: 0,
    AgencyState.NOTHING_HELD: 0,
    AgencyState.PENDING: _SILENT | _AWAITED,
    AgencyState.NO_ANSWER: _SILENT | _OVERDUE | _AWAITED,
    AgencyState.UNAVAILABLE: _SILENT | _OVERDUE | _AWAITED,
    AgencyState.DECLINED: _SILENT | _OVERDUE,
    AgencyState.NOT_REQUESTED: _SILENT,
    AgencyState.OUTSIDE_COVERAGE: _SILENT,
}
"""What each state says beyond the facts. A state of a later version is silence."""
_LISTED = 1000
"""A count's concerns are listed beforehand up to this maximum."""


class Vector(NamedTuple):
    """For each fact, in the dictionary's order, two concerns of which the first never exceeds the second.

    `definite` is what is established: the worst statement's certain bound, and the maximum of a fact that nobody
    stated and that counts as met while it is unknown. `possible` is the worst that it could still turn out to be.
    """

    definite: Sequence[int]
    possible: Sequence[int]


Statement = tuple[int, int, StatedFact]
"""A statement with the least and the greatest concern that it may mean."""


@dataclass(slots=True)
class Reading:
    """What is known of a child, as a vector and as what the vector came from. Facts are named by their places."""

    vector: Vector
    statements: dict[int, list[Statement]]
    unreadable: set[int]
    silent: int
    """Mask of the agencies that may know more than they have said."""
    overdue: int
    """Mask of those of them that were due to speak and did not."""
    awaited: int
    """Mask of those of them whose answer may still come."""
    unasked: Sequence[int]
    """What was possible before any decisive question was opened."""
    opened: int
    """Mask of the decisive questions that are open or could come to be: their condition holds, or could."""
    asked: int
    """Mask of those that are open: the condition holds for certain and nobody has answered."""


class Blank(NamedTuple):
    """The vector of a child of whom nothing is stated while certain agencies are silent."""

    definite: list[int]
    possible: list[int]
    once_stated: list[int]
    """What each fact could still be beyond what is stated of it."""


class _Entry(NamedTuple):
    """How one fact is read: `concerns` lists beforehand what values of `type` mean."""

    place: int
    type: type
    concerns: dict[object, tuple[int, int] | None]


class Encoder:
    """Turns facts into vectors. Keeps the vector of nothing for each set of silent agencies."""

    def __init__(self, dictionary: Dictionary) -> None:
        self.definitions = tuple(dictionary.definitions.values())
        self.places = {one.name: place for place, one in enumerate(self.definitions)}
        self.agencies = dictionary.agencies
        self.bits = {agency: 1 << number for number, agency in enumerate(self.agencies)}
        self._agency_bits = tuple(self.bits.items())
        self.sources = [self.mask(one.sources) for one in self.definitions]
        """For each fact the mask of the agencies that could know it."""
        self.gap_raises = [
            (place, mask) for place, one in enumerate(self.definitions) if (mask := self.mask(one.gap_raises))
        ]
        """The facts of which an agency's gap may raise the urgency, each with the mask of those agencies."""
        self._entries = {one.name: _entry(place, one) for place, one in enumerate(self.definitions)}
        self._blanks: dict[int, Blank] = {}
        self._names: dict[int, tuple[str, ...]] = {}

    def standing(self, facts: ChildFacts) -> tuple[int, int, int]:
        """Masks of the agencies that may know more, of those of them that were due to speak, and of those whose
        answer may still come.

        All are silent but those that have wholly answered: an agency without a state was not asked, and an answer of
        which a part was not understood leaves a gap.
        """
        silent = overdue = awaited = 0
        states, partly = facts.states, facts.partly
        for agency, bit in self._agency_bits:
            meaning = _MEANINGS.get(states.get(agency, AgencyState.NOT_REQUESTED), _SILENT)
            if meaning or agency in partly:
                silent |= bit
                if meaning & _OVERDUE:
                    overdue |= bit
                if meaning & _AWAITED:
                    awaited |= bit
        return silent, overdue, awaited

    def mask(self, agencies: frozenset[str]) -> int:
        """Mask of these agencies; what is no agency of the dictionary has no part in it."""
        return sum(bit for agency, bit in self.bits.items() if agency in agencies)

    def names(self, agencies: int) -> tuple[str, ...]:
        """The agencies of a mask, in order of name."""
        names = self._names.get(agencies)
        if names is None:
            names = self._names[agencies] = tuple(self.agencies[number] for number in members(agencies))
        return names

    def blank(self, silent: int) -> Blank:
        """The vector of a child of whom nothing is stated."""
        blank = self._blanks.get(silent)
        if blank is None:
            blank = Blank([], [], [])
            for one, sources in zip(self.definitions, self.sources, strict=True):
                could_say = one.maximum if sources & silent else 0
                unknown = one.maximum if one.unknown_met else 0
                blank.definite.append(unknown)
                blank.possible.append(max(unknown, could_say))
                blank.once_stated.append(0 if one.settles else could_say)
            self._blanks[silent] = blank
        return blank

    def read(self, policy: "Policy", facts: ChildFacts) -> Reading:
        """What is known of the child, under the policy whose dictionary this is."""
        silent, overdue, awaited = self.standing(facts)
        blank_definite, blank_possible, once_stated = self.blank(silent)
        definite, possible = blank_definite.copy(), blank_possible.copy()
        statements: dict[int, list[Statement]] = {}
        unreadable: set[int] = set()
        entries = self._entries
        for one in facts.stated:
            # A model's own attributes are looked up slowly; its dictionary is not.
            fact = one.fact.__dict__
            entry = entries.get(fact["fact"])
            if entry is None:
                continue
            place, kind, concerns = entry
            value = fact["value"]
            bounds = concerns[value] if type(value) is kind and value in concerns else None
            if bounds is None:
                bounds = self.definitions[place].concerns(value)
                if bounds is None:
                    unreadable.add(place)
                    continue
            least, greatest = bounds
            said = statements.get(place)
            if said is None:
                statements[place] = [(least, greatest, one)]
                definite[place] = least
                still = once_stated[place]
                possible[place] = max(still, greatest)
            else:
                said.append((least, greatest, one))
                if least > definite[place]:
                    definite[place] = least
                if greatest > possible[place]:
                    possible[place] = greatest
        for place in unreadable:
            possible[place] = self.definitions[place].maximum
        unasked, opened, asked = possible, 0, 0
        if policy.decisive:
            unasked = possible.copy()
            opened, asked = self._ask(policy, definite, possible, statements)
        vector = Vector(definite, possible)
        return Reading(vector, statements, unreadable, silent, overdue, awaited, unasked, opened, asked)

    def _ask(
        self,
        policy: "Policy",
        definite: list[int],
        possible: list[int],
        statements: dict[int, list[Statement]],
    ) -> tuple[int, int]:
        """Opens the decisive questions: what they ask could be anything. Gives those opened, and those of them that
        are open for certain.

        A question whose condition is only possible opens too, lest an answer that makes it certain should raise what
        was said to be the most that could be.
        """
        opened = 0
        for number in members(policy.program.asked(possible)):
            for name in policy.decisive[number].ask:
                place = self.places[name]
                if place not in statements:
                    possible[place] = self.definitions[place].maximum
                    opened |= 1 << number
        return opened, policy.program.asked(definite) & opened if opened else 0


def _entry(place: int, one: Definition) -> _Entry:
    values: Sequence[FactValue] = ()
    if one.kind is Kind.YES_NO:
        values = (False, True)
    elif one.kind is Kind.SCALE:
        values = one.steps
    elif one.maximum <= _LISTED:
        values = range(one.maximum + 1)
    return _Entry(place, _TYPES[one.kind], {value: one.concerns(value) for value in values})


@lru_cache(maxsize=4096)
def members(mask: int) -> tuple[int, ...]:
    """The numbers of the bits that are set, lowest first. Most children's masks are alike."""
    found = []
    while mask:
        lowest = mask & -mask
        found.append(lowest.bit_length() - 1)
        mask ^= lowest
    return tuple(found)


def encode(policy: "Policy", facts: ChildFacts) -> Vector:
    """What is known of a child as a vector over the policy's dictionary."""
    return policy.encoder.read(policy, facts).vector

"""What is known of a child as numbers: for each fact how much it concerns for certain, and how much it still could."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from libs.schemas.dictionary import Dictionary
from libs.schemas.findings import AgencyState
from services.triage.policy.facts import ChildFacts, StatedFact

if TYPE_CHECKING:
    from services.triage.policy.rules import Policy


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
    unasked: Sequence[int]
    """What was possible before any decisive question was opened."""
    opened: int
    """Mask of the decisive questions that are open or could come to be: their condition holds, or could."""
    asked: int
    """Mask of those that are open: the condition holds for certain and nobody has answered."""

    def before_questions(self) -> "Reading":
        """The same before any decisive question was opened."""
        return replace(self, vector=Vector(self.vector.definite, self.unasked), opened=0, asked=0)


class Blank(NamedTuple):
    """The vector of a child of whom nothing is stated while certain agencies are silent."""

    definite: list[int]
    possible: list[int]
    once_stated: list[int]
    """What each fact could still be beyond what is stated of it."""


class Encoder:
    """Turns facts into vectors. Keeps the vector of nothing for each set of silent agencies."""

    def __init__(self, dictionary: Dictionary) -> None:
        self.definitions = tuple(dictionary.definitions.values())
        self.places = {one.name: place for place, one in enumerate(self.definitions)}
        self.agencies = dictionary.agencies
        self._bits = [(agency, 1 << number) for number, agency in enumerate(self.agencies)]
        self._blanks: dict[int, Blank] = {}

    def silent(self, facts: ChildFacts) -> int:
        """Mask of the agencies that may know more: all but those that have wholly answered.

        An agency without a state was not asked. An answer of which a part was not understood leaves a gap.
        """
        mask, states, partly = 0, facts.states, facts.partly
        for agency, bit in self._bits:
            state = states.get(agency)
            if (state != AgencyState.RETURNED and state != AgencyState.NOTHING_HELD) or agency in partly:
                mask |= bit
        return mask

    def mask(self, agencies: frozenset[str]) -> int:
        """Mask of these agencies; what is no agency of the dictionary has no part in it."""
        return sum(bit for agency, bit in self._bits if agency in agencies)

    def names(self, agencies: int) -> tuple[str, ...]:
        """The agencies of a mask, in order of name."""
        return tuple(agency for agency, bit in self._bits if agencies & bit)

    def blank(self, silent: int) -> Blank:
        """The vector of a child of whom nothing is stated."""
        blank = self._blanks.get(silent)
        if blank is None:
            blank = Blank([], [], [])
            for one in self.definitions:
                could_say = one.maximum if self.mask(one.sources) & silent else 0
                unknown = one.maximum if one.unknown_met else 0
                blank.definite.append(unknown)
                blank.possible.append(max(unknown, could_say))
                blank.once_stated.append(0 if one.settles else could_say)
            self._blanks[silent] = blank
        return blank

    def read(self, policy: "Policy", facts: ChildFacts) -> Reading:
        """What is known of the child, under the policy whose dictionary this is."""
        silent = self.silent(facts)
        blank = self.blank(silent)
        definite, possible = blank.definite.copy(), blank.possible.copy()
        statements: dict[int, list[Statement]] = {}
        unreadable: set[int] = set()
        for one in facts.stated:
            place = self.places.get(one.fact.fact)
            if place is None:
                continue
            concerns = self.definitions[place].concerns(one.fact.value)
            if concerns is None:
                unreadable.add(place)
                continue
            least, greatest = concerns
            said = statements.get(place)
            if said is None:
                statements[place] = [(least, greatest, one)]
                definite[place] = least
                possible[place] = max(greatest, blank.once_stated[place])
            else:
                said.append((least, greatest, one))
                definite[place] = max(definite[place], least)
                possible[place] = max(possible[place], greatest)
        for place in unreadable:
            possible[place] = self.definitions[place].maximum
        unasked, opened, asked = possible, 0, 0
        if policy.decisive:
            unasked = possible.copy()
            opened, asked = self._ask(policy, definite, possible, statements)
        return Reading(Vector(definite, possible), statements, unreadable, silent, unasked, opened, asked)

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
        could = policy.program.asked(possible)
        opened = 0
        for number, one in enumerate(policy.decisive) if could else ():
            if could >> number & 1:
                for name in one.ask:
                    place = self.places[name]
                    if place not in statements:
                        possible[place] = self.definitions[place].maximum
                        opened |= 1 << number
        return opened, policy.program.asked(definite) & opened if opened else 0


def encode(policy: "Policy", facts: ChildFacts) -> Vector:
    """What is known of a child as a vector over the policy's dictionary."""
    return policy.encoder.read(policy, facts).vector

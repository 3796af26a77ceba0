"""Two versions' facts put side by side, so that one child can be read by both."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from libs.schemas.dictionary import Definition, Kind
from libs.schemas.findings import FactValue
from services.triage.policy.english import fact_words
from services.triage.policy.points import Effect, Point, cut_points, effect, shrink
from services.triage.policy.rules import Policy
from services.triage.policy.solver import Child, Claim, Solver


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a fact with the concern that either version reads in it, and its English."""

    old: int
    new: int
    words: str


def differing_facts(old: Policy, new: Policy) -> frozenset[str]:
    """Facts of both dictionaries whose values do not mean the same to rules in both."""

    def meaning(one: Definition) -> tuple[object, ...]:
        return one.kind, one.polarity, one.steps, one.maximum, one.unknown_met

    mine, theirs = old.dictionary.definitions, new.dictionary.definitions
    return frozenset(
        name for name in mine.keys() & theirs.keys() if meaning(mine[name]) != meaning(theirs[name])
    )


class Alignment:
    """Every fact that either version's rules read, with its values, mildest first.

    A point names the place of each fact's value in that order; a fact that is absent is at the first.
    """

    def __init__(self, old: Policy, new: Policy) -> None:
        self.old, self.new = old, new
        self.cuts = tuple(cut_points(rule.condition for rule in policy.rules) for policy in (old, new))
        names = dict.fromkeys(name for cuts in self.cuts for name in cuts)
        self.values = {name: self._values(name) for name in names}
        self._claims: dict[str, list[Claim]] = {}

    def _values(self, name: str) -> list[Value]:
        """The values that some rule tells apart."""
        one, two = (policy.dictionary.definitions.get(name) for policy in (self.old, self.new))
        old_cuts, new_cuts = (cuts.get(name, ()) for cuts in self.cuts)
        found: dict[tuple[int, int], Value] = {}
        values = list(_all_values(one, two))
        for value in sorted(values, key=lambda value: (value.old + value.new, value.new)):
            reached = (sum(cut <= value.old for cut in old_cuts), sum(cut <= value.new for cut in new_cuts))
            found.setdefault(reached, value)
        return list(found.values())

    def children(self, solver: Solver) -> tuple[Child, Child]:
        """The same child to either version: of each fact, the solver chooses one value."""
        sides: tuple[dict[str, dict[int, Claim]], dict[str, dict[int, Claim]]] = ({}, {})
        for name, values in self.values.items():
            chosen = [solver.fresh(f"{name}={place}") for place in range(len(values))]
            solver.establish(solver.any_of(chosen))
            if len(chosen) > 1:
                solver.establish(solver.not_(solver.at_least(2, chosen)))
            self._claims[name] = chosen
            for reached, cuts, is_new in zip(sides, self.cuts, (False, True), strict=True):
                reached[name] = {
                    cut: solver.any_of(
                        claim
                        for claim, value in zip(chosen, values, strict=True)
                        if (value.new if is_new else value.old) >= cut
                    )
                    for cut in cuts.get(name, ())
                }
        return Child(solver, sides[0]), Child(solver, sides[1])

    def found(self, solver: Solver) -> Point:
        """The child of the solver's last answer."""
        return {
            name: next(place for place, claim in enumerate(claims) if solver.true_now(claim))
            for name, claims in self._claims.items()
        }

    def smallest(self, point: Point, shows: Callable[[Point], bool]) -> Point:
        """The child made as mild as it can be while it still shows the difference."""
        places = {name: tuple(range(1, len(values))) for name, values in self.values.items()}
        return shrink(point, places, shows)

    def sides(self, point: Point) -> tuple[Point, Point]:
        """The child as either version's concerns."""
        chosen = {name: values[point.get(name, 0)] for name, values in self.values.items()}
        mine, theirs = self.old.dictionary.definitions, self.new.dictionary.definitions
        return (
            {name: value.old for name, value in chosen.items() if name in mine},
            {name: value.new for name, value in chosen.items() if name in theirs},
        )

    def effects(self, point: Point) -> tuple[Effect, Effect]:
        """What either version says of the child."""
        before, after = self.sides(point)
        return effect(self.old, before), effect(self.new, after)

    def english(self, point: Point) -> str:
        """The child as a sentence."""
        told = [self.values[name][place].words for name, place in point.items() if place]
        mild = "Everything else is known and as mild as it can be."
        return f"{'; '.join(told)}. {mild}" if told else "Every fact is known and as mild as it can be."


def _all_values(one: Definition | None, two: Definition | None) -> Iterator[Value]:
    """Every value that a fact may have in either version, and that nobody stated it."""
    known: dict[tuple[type, FactValue], FactValue] = {}
    for definition in (two, one):
        if definition is not None:
            # A yes and a 1 are the same to Python, not to a dictionary that made a count of a yes/no.
            known |= {(type(value), value): value for value in _stateable(definition)}
    for value in known.values():
        yield Value(_concern(one, value), _concern(two, value), _words(one, two, value))
    latest = two or one
    label = latest.label if latest else ""
    yield Value(_unknown(one), _unknown(two), f"not known: {label}")


def _stateable(definition: Definition) -> Iterator[FactValue]:
    if definition.kind is Kind.YES_NO:
        yield from (False, True)
    elif definition.kind is Kind.SCALE:
        yield from definition.steps
    else:
        yield from range(definition.maximum + 1)


def _unknown(definition: Definition | None) -> int:
    return definition.maximum if definition is not None and definition.unknown_met else 0


def _concern(definition: Definition | None, value: FactValue) -> int:
    if definition is None:
        return 0
    concerns = definition.concerns(value)
    return concerns[0] if concerns is not None else _unknown(definition)


def _words(one: Definition | None, two: Definition | None, value: FactValue) -> str:
    for definition in (two, one):
        concerns = definition.concerns(value) if definition is not None else None
        if definition is not None and concerns is not None:
            return fact_words(definition, concerns[0])
    return str(value)

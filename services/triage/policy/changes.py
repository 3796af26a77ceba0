"""What another version of a policy would change over referrals that are stored, in numbers that name no child."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from services.triage.policy.evaluation import Verdict, decide
from services.triage.policy.facts import ChildFacts
from services.triage.policy.rules import Policy
from services.triage.policy.vector import encode, members

Key = TypeVar("Key")

FEWEST = 5
"""A count of people under this is not told, as is usual in published statistics about children: it might name one."""

FEWER = f"fewer than {FEWEST}"
WITHHELD = "not shown"
"""Stands for a count that would let a hidden one beside it be worked out."""

MEASURES = ("level rises", "level falls", "urgency rises", "urgency falls", "actions differ")
"""What is counted of each child."""


@dataclass(slots=True)
class Tally:
    """Raw counts, which may be added up over parts of the work. They are shown as `Changes` only."""

    children: int = 0
    unchanged: int = 0
    measures: Counter[str] = field(default_factory=Counter)
    moves: Counter[tuple[str, str]] = field(default_factory=Counter)
    groups: dict[str, dict[str, Counter[str]]] = field(default_factory=dict)

    def add(self, old: Policy, new: Policy, facts: ChildFacts, attributes: Mapping[str, str]) -> None:
        """Counts one child, with what is to be told apart about them: agency, age band, ward."""
        before, after = decide(old, encode(old, facts)), decide(new, encode(new, facts))
        found = measured(before, after, actions_of(old, before.fired) != actions_of(new, after.fired))
        self.children += 1
        self.unchanged += not found
        self.measures.update(found)
        if before.level != after.level:
            self.moves[before.level.value, after.level.value] += 1
        for attribute, value in attributes.items():
            self.groups.setdefault(attribute, {}).setdefault(value, Counter()).update(["children", *found])

    def merge(self, other: "Tally") -> None:
        """Adds another part's counts."""
        self.children += other.children
        self.unchanged += other.unchanged
        self.measures += other.measures
        self.moves += other.moves
        for attribute, values in other.groups.items():
            mine = self.groups.setdefault(attribute, {})
            for value, counts in values.items():
                mine.setdefault(value, Counter()).update(counts)

    def changes(self) -> "Changes":
        """What may be told: small numbers hidden, and no hidden one to be had by taking the rest from the total."""
        split = guarded({"unchanged": self.unchanged, "changed": self.children - self.unchanged})
        return Changes(
            children=_shown(self.children),
            unchanged=split["unchanged"],
            changed=split["changed"],
            measures={name: _shown(self.measures[name]) for name in MEASURES},
            moves=tuple(Move(old, new, count) for (old, new), count in guarded(dict(self.moves)).items()),
            groups={attribute: _table(values) for attribute, values in sorted(self.groups.items())},
        )


@dataclass(frozen=True, slots=True)
class Move:
    """How many children go from one level to another."""

    old: str
    new: str
    children: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What would change, as text that may be shown: a number, `fewer than 5`, or `not shown`.

    `groups` has, for each attribute and each of its values, the children and each measure.
    """

    children: str
    unchanged: str
    changed: str
    measures: Mapping[str, str]
    moves: tuple[Move, ...]
    groups: Mapping[str, Mapping[str, Mapping[str, str]]]

    def document(self) -> dict[str, Any]:
        """For programs: the changes as JSON's types."""
        return asdict(self)


def compare(old: Policy, new: Policy, cases: Iterable[tuple[ChildFacts, Mapping[str, str]]]) -> Changes:
    """What the new version would say otherwise of these children.

    Each case is what is known of one child, with the attributes by which the changes are told apart.
    """
    tally = Tally()
    for facts, attributes in cases:
        tally.add(old, new, facts, attributes)
    return tally.changes()


def measured(before: Verdict, after: Verdict, actions_differ: bool) -> list[str]:
    """Those of MEASURES that hold of one child."""
    truths = (
        after.level > before.level,
        after.level < before.level,
        after.rag > before.rag,
        after.rag < before.rag,
        actions_differ,
    )
    return [name for name, is_so in zip(MEASURES, truths, strict=True) if is_so]


def actions_of(policy: Policy, fired: int) -> frozenset[str]:
    """What the rules of a mask oblige."""
    return frozenset(
        action
        for number in members(fired & policy.floors.obliging)
        for action in policy.rules[number].actions
    )


def _shown(count: int) -> str:
    return FEWER if 0 < count < FEWEST else str(count)


def _table(values: Mapping[str, Counter[str]]) -> dict[str, dict[str, str]]:
    """An attribute's values in order, each column guarded by itself."""
    columns = {
        name: guarded({value: counts[name] for value, counts in sorted(values.items())})
        for name in ("children", *MEASURES)
    }
    return {value: {name: column[value] for name, column in columns.items()} for value in sorted(values)}


def guarded(counts: Mapping[Key, int]) -> dict[Key, str]:
    """Counts that add up to a total which is told: where small ones are hidden, as many more as keep them so."""
    hidden = {key for key, count in counts.items() if 0 < count < FEWEST}
    withheld = set[Key]()
    for key in sorted((key for key in counts if counts[key] >= FEWEST), key=lambda key: counts[key]):
        together = [counts[one] for one in hidden | withheld]
        if not hidden or (len(together) > 1 and sum(together) >= FEWEST):
            break
        withheld.add(key)
    return {key: WITHHELD if key in withheld else _shown(count) for key, count in counts.items()}

"""What a rule rests on: the statements that made it hold, or what is missing for it to hold and who could say so."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from services.triage.policy.compile import Ranks
from services.triage.policy.conditions import Comparison, Condition
from services.triage.policy.facts import StatedFact
from services.triage.policy.vector import Findings, Lack, Reading, Statement, members

if TYPE_CHECKING:
    from services.triage.policy.rules import Policy


class Leaf(NamedTuple):
    """A comparison: the fact at a place has reached a concern."""

    place: int
    concern: int


class Branch(NamedTuple):
    """So many of the parts are needed."""

    parts: "tuple[Leaf | Branch, ...]"
    needed: int


Tree = Leaf | Branch


class Explainer:
    """Explains a policy's rules. Most rules of most children rest on nothing stated, so their findings are kept."""

    def __init__(self, policy: "Policy") -> None:
        places = policy.encoder.places
        self._policy = policy
        self._trees = [_tree(rule.condition, places) for rule in policy.rules]
        self._openings = [_tree(one.condition, places) for one in policy.decisive]
        self._asking: dict[int, int] = {}
        for number, one in enumerate(policy.decisive):
            for name in one.ask:
                self._asking[places[name]] = self._asking.get(places[name], 0) | 1 << number
        self._reads = [sum(1 << places[name] for name in rule.reads) for rule in policy.rules]
        self._repeats = [_repeats(rule.condition) for rule in policy.rules]
        self._untouched: dict[tuple[int, int], Findings] = {}

    def fired(self, reading: Reading, rule: int) -> tuple[list[StatedFact], int]:
        """What makes a rule hold: of every part that holds, the statements that reach its bound, and the mask of the
        facts that nobody stated and that count as met.
        """
        evidence: list[StatedFact] = []
        assumed = _support(self._trees[rule], reading.vector[0], reading.statements, evidence)
        return self._once(rule, evidence), assumed

    def possible(self, reading: Reading, rule: int, touched: int) -> Findings:
        """What supports a rule that could still hold, what is missing, and who could say it.

        `touched`: mask of the facts of which anything is stated or asked.
        """
        if self._reads[rule] & touched:
            findings = Findings()
            self._lack(reading, self._trees[rule], findings)
            findings.evidence = self._once(rule, findings.evidence)
            return findings
        kept = self._untouched.get((reading.silent, rule))
        if kept is None:
            kept = Findings()
            self._lack(reading, self._trees[rule], kept)
            self._untouched[reading.silent, rule] = kept
        return kept

    def touched(self, reading: Reading) -> int:
        """Mask of the facts of which anything is stated or asked."""
        mask = 0
        for place in reading.statements:
            mask |= 1 << place
        for place in reading.unreadable:
            mask |= 1 << place
        if reading.opened:
            for place, questions in self._asking.items():
                if questions & reading.opened:
                    mask |= 1 << place
        return mask

    def _lack(self, reading: Reading, tree: Tree, findings: Findings) -> None:
        """Adds what a tree rests on that could hold and does not: what of it is established, and what is missing."""
        definite, possible = reading.vector
        for part in tree.parts if isinstance(tree, Branch) else (tree,):
            if isinstance(part, Leaf):
                place, concern = part
                if possible[place] >= concern:
                    if definite[place] < concern:
                        lack = reading.lacks.get(place) or self._missing(reading, place)
                        findings.missing |= lack[0]
                        findings.agencies |= lack[1]
                        findings.questions |= lack[2]
                    elif place in reading.statements:
                        _support(part, definite, reading.statements, findings.evidence)
            elif _holds(part, definite):
                _support(part, definite, reading.statements, findings.evidence)
            elif _holds(part, possible):
                self._lack(reading, part, findings)

    def _once(self, rule: int, evidence: list[StatedFact]) -> list[StatedFact]:
        """The evidence, each statement once, though a fact stands in the rule twice."""
        return [*{id(one): one for one in evidence}.values()] if self._repeats[rule] else evidence

    def _missing(self, reading: Reading, place: int) -> Lack:
        """What is missing where a fact is not known: it, and what the questions that ask for it hang on."""
        missing, agencies, questions = 1 << place, 0, 0
        encoder = self._policy.encoder
        stated = place in reading.statements
        if not (stated and encoder.definitions[place].settles):
            agencies = reading.silent & encoder.sources[place]
        asking = 0 if stated or not reading.opened else self._asking.get(place, 0) & reading.opened
        if asking:
            questions = asking & reading.asked
            for number in members(asking & ~reading.asked):
                opening = self._opening(reading, number)
                missing |= opening.missing
                agencies |= opening.agencies
        lack = reading.lacks[place] = Lack(missing, agencies, questions)
        return lack

    def _opening(self, reading: Reading, question: int) -> Findings:
        """What a question that could come to be open hangs on: those who could say what would open it."""
        opening = reading.openings.get(question)
        if opening is None:
            opening = reading.openings[question] = Findings()
            self._lack(reading.before, self._openings[question], opening)
        return opening


def _repeats(condition: Condition) -> bool:
    facts = [one.definition.name for one in condition.comparisons()]
    return len(facts) != len(set(facts))


def _tree(condition: Condition, places: Mapping[str, int]) -> Tree:
    if isinstance(condition, Comparison):
        return Leaf(places[condition.definition.name], condition.concern)
    return Branch(tuple(_tree(part, places) for part in condition.parts), condition.needed)


def _support(
    tree: Tree, definite: Ranks, statements: Mapping[int, list[Statement]], evidence: list[StatedFact]
) -> int:
    """Adds the statements that a tree rests on that holds. Gives the mask of the facts that nobody stated."""
    if isinstance(tree, Leaf):
        place, concern = tree
        said = statements.get(place)
        if said is None:
            return 1 << place
        for least, _, one in said:
            if least >= concern:
                evidence.append(one)
        return 0
    assumed = 0
    for part in tree.parts:
        if _holds(part, definite):
            assumed |= _support(part, definite, statements, evidence)
    return assumed


def _holds(tree: Tree, concerns: Ranks) -> bool:
    if isinstance(tree, Leaf):
        return concerns[tree[0]] >= tree[1]
    parts, needed = tree
    for part in parts:
        if concerns[part[0]] >= part[1] if isinstance(part, Leaf) else _holds(part, concerns):
            needed -= 1
            if not needed:
                return True
    return False

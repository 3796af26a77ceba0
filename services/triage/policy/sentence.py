"""Reads a rule's condition from its sentences, and refuses every use that could lower an outcome.

household.substance_misuse is at least harmful
child.left_alone is yes
child.age is under 5
all of: […]   any of: […]   at least 2 of: […]   none of: [protective facts]
"""

import re
from collections.abc import Collection, Mapping

from libs.schemas.dictionary import Definition, Kind, Polarity
from libs.schemas.document import DocumentError, Node, Place, nearest, read_all
from services.triage.policy.conditions import ALL, ANY, AT_LEAST, NONE, Comparison, Condition, Several
from services.triage.policy.redundancy import redundancies

_SENTENCE = re.compile(
    r"(?P<fact>\S+) is (?:(?P<yes>yes)|at least (?P<least>\S+)|under (?P<under>\S+)|(?P<other>.+))"
)
_SEVERAL = re.compile(r"at least (?P<needed>[0-9]{1,2}) of")
_WORDS = {ALL: True, ANY: True, NONE: True, AT_LEAST.format(2): True}


_SCORE = re.compile(r"\b(?:scores?|sum|total|points?|weights?)\b|^[0-9]+ (?:when|if|points?)\b")
_NO_SCORES = (
    "nothing is added up: poor care in one part of a life is not made good in another; say `at least N of`"
)
_OTHER_WAYS = {
    "no": "a rule never rests on a no: what is not known would read as safe",
    "not": "a rule never rests on a no: a protective fact that is not confirmed stands under `none of`",
    "over": "say `is at least …`",
    "above": "say `is at least …`",
    "below": "say `is under …`",
    "most": "`at most` gives a milder outcome for a worse fact",
}


class Vocabulary:
    """The facts that conditions may use. `refused` names those whose own definition is at fault."""

    def __init__(self, facts: Mapping[str, Definition], refused: Collection[str] = ()) -> None:
        self.facts = facts
        self.refused = frozenset(refused)

    def definition(self, name: str, node: Node) -> Definition:
        """The definition of a fact. Raises DocumentError: with the nearest name, or empty where its own definition
        was refused and that fault is enough.
        """
        if name in self.refused:
            raise DocumentError([])
        if name not in self.facts:
            raise DocumentError([f"{node.place}: unknown fact `{name}`{nearest(name, self.facts)}"])
        return self.facts[name]


def read_condition(node: Node, vocabulary: Vocabulary) -> Condition:
    """The condition written at `node`. Raises DocumentError with every fault, its place and a suggestion."""
    places: dict[int, Place] = {}
    condition = _read(node, vocabulary, places)
    faults = [f"{places[id(part)]}: `{_shown(part)}` {why}" for part, why in redundancies(condition)]
    if faults:
        raise DocumentError(faults)
    return condition


def _read(node: Node, vocabulary: Vocabulary, places: dict[int, Place]) -> Condition:
    """Reads the condition and notes where each part of it stands."""
    condition = _part(node, vocabulary, places)
    places[id(condition)] = node.place
    return condition


def _part(node: Node, vocabulary: Vocabulary, places: dict[int, Place]) -> Condition:
    if isinstance(node.value, str):
        return _comparison(node, vocabulary)
    fields = node.fields()
    if len(fields) != 1:
        raise DocumentError([f"{node.place}: expected one of `all of`, `any of`, `at least N of`, `none of`"])
    ((wording, members),) = fields.items()
    counted = _SEVERAL.fullmatch(wording)
    place = node.place_of(wording)
    if wording not in (ALL, ANY, NONE) and counted is None:
        said = _NO_SCORES if _SCORE.search(wording) else f"unknown word `{wording}`{nearest(wording, _WORDS)}"
        raise DocumentError([f"{place}: {said}"])

    def part(member: Node) -> Condition:
        return (
            _unconfirmed(member, vocabulary, places) if wording == NONE else _read(member, vocabulary, places)
        )

    parts = read_all(members.items(), part)
    needed = int(counted["needed"]) if counted else 1 if wording == ANY else len(parts)
    if not parts or not 1 <= needed <= len(parts):
        raise DocumentError([f"{place}: `{wording}` can never be met by {len(parts)} conditions"])
    return Several(parts, needed, wording)


def _comparison(node: Node, vocabulary: Vocabulary) -> Comparison:
    text = node.text()
    match = _SENTENCE.fullmatch(text)
    if match is None and _SCORE.search(text):
        raise DocumentError([f"{node.place}: {_NO_SCORES}"])
    if match is None:
        raise DocumentError(
            [f"{node.place}: expected `FACT is yes`, `FACT is at least VALUE` or `FACT is under NUMBER`"]
        )
    definition = vocabulary.definition(match["fact"], node)
    if match["other"] is not None:
        raise DocumentError([f"{node.place}: {_other_way(definition, match['other'])}"])
    if match["under"] is not None:
        return _under(node, definition, match["under"])
    if definition.polarity is Polarity.PROTECTIVE:
        raise DocumentError([f"{node.place}: `{definition.name}` is protective and belongs under `none of`"])
    if not definition.higher_is_worse:
        raise DocumentError([f"{node.place}: `{definition.name}` may only be used as `is under NUMBER`"])
    return Comparison(definition, _rank(node, definition, match["yes"], match["least"]))


def _other_way(definition: Definition, said: str) -> str:
    """Why a comparison is none of the language's."""
    if said in definition.steps:
        return f"`is {said}` would give a milder outcome for a worse fact: say `is at least {said}`"
    for word in said.split():
        if word in _OTHER_WAYS:
            return f"`is {said}`: {_OTHER_WAYS[word]}"
    return "expected `FACT is yes`, `FACT is at least VALUE` or `FACT is under NUMBER`"


def _rank(node: Node, definition: Definition, yes: str | None, least: str | None) -> int:
    if definition.kind is Kind.YES_NO:
        if yes is None:
            raise DocumentError([f"{node.place}: `{definition.name}` is yes or no: say `is yes`"])
        return 1
    if least is None:
        raise DocumentError([f"{node.place}: `{definition.name}` is no yes/no: say `is at least …`"])
    if definition.kind is Kind.SCALE:
        if least not in definition.steps:
            steps = list(definition.steps)
            raise DocumentError([f"{node.place}: unknown value `{least}`{nearest(least, steps)}"])
        rank = definition.steps.index(least)
    else:
        rank = Node(node.place, least).whole()
    if not 1 <= rank <= definition.maximum:
        always = "always" if rank < 1 else "never"
        raise DocumentError([f"{node.place}: `{definition.name}` at that bound is {always} true"])
    return rank


def _under(node: Node, definition: Definition, bound: str) -> Comparison:
    if definition.kind is not Kind.COUNT:
        raise DocumentError([f"{node.place}: `is under` needs a count, and `{definition.name}` is none"])
    if definition.higher_is_worse:
        raise DocumentError(
            [
                (
                    f"{node.place}: `{definition.name}` is worse the more there is of it: "
                    "`is under` would give a milder outcome for a worse fact"
                )
            ]
        )
    number = Node(node.place, bound).whole()
    if number < 1:
        raise DocumentError([f"{node.place}: `{definition.name}` is never under {number}"])
    if number > definition.maximum:
        raise DocumentError([f"{node.place}: `{definition.name}` is always under {number}"])
    return Comparison(definition, definition.concern(number - 1))


def _unconfirmed(node: Node, vocabulary: Vocabulary, places: dict[int, Place]) -> Comparison:
    match = _SENTENCE.fullmatch(node.text())
    if match is None or match["yes"] is None:
        raise DocumentError([f"{node.place}: under `none of` say `FACT is yes`"])
    definition = vocabulary.definition(match["fact"], node)
    if definition.polarity is not Polarity.PROTECTIVE:
        raise DocumentError(
            [
                (
                    f"{node.place}: `none of` takes protective yes/no facts only: "
                    f"`{definition.name}` under it could give a milder outcome for a worse fact"
                )
            ]
        )
    condition = Comparison(definition, definition.concern(0))
    places[id(condition)] = node.place
    return condition


def _shown(condition: Condition) -> str:
    return condition.sentence() if isinstance(condition, Comparison) else condition.wording

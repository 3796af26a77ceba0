"""Reads a rule's condition from its sentences, and refuses every use that could lower an outcome.

household.substance_misuse is at least harmful
child.left_alone is yes
child.age is under 5
all of: […]   any of: […]   at least 2 of: […]   none of: [protective facts]
"""

import re
from collections.abc import Mapping

from libs.schemas.dictionary import Definition, Kind, Polarity
from libs.schemas.document import DocumentError, Node, nearest
from services.triage.policy.conditions import AtLeast, Below, Condition, Several, Unconfirmed, step_words

_SENTENCE = re.compile(r"(?P<fact>\S+) is (?:(?P<yes>yes)|at least (?P<least>\S+)|under (?P<under>\S+))")
_SEVERAL = re.compile(r"at least (?P<needed>[0-9]{1,2}) of")


def read_condition(node: Node, facts: Mapping[str, Definition]) -> Condition:
    """The condition written at `node`. Raises DocumentError with place and suggestion."""
    if isinstance(node.value, str):
        return _comparison(node, facts)
    fields = node.fields()
    if len(fields) != 1:
        raise DocumentError([f"{node.place}: expected one of `all of`, `any of`, `at least N of`, `none of`"])
    ((key, members),) = fields.items()
    if key == "none of":
        return Unconfirmed(tuple(_protective(member, facts) for member in members.items()))
    parts = tuple(read_condition(member, facts) for member in members.items())
    if key == "all of":
        needed = len(parts)
    elif key == "any of":
        needed = 1
    elif match := _SEVERAL.fullmatch(key):
        needed = int(match["needed"])
    else:
        words = {"all of": 1, "any of": 1, "none of": 1, "at least 2 of": 1}
        raise DocumentError([f"{members.place}: unknown word `{key}`{nearest(key, words)}"])
    if not parts or not 1 <= needed <= len(parts):
        raise DocumentError([f"{members.place}: `{key}` can never be met by {len(parts)} conditions"])
    return Several(parts, needed)


def _definition(name: str, node: Node, facts: Mapping[str, Definition]) -> Definition:
    if name not in facts:
        raise DocumentError([f"{node.place}: unknown fact `{name}`{nearest(name, facts)}"])
    return facts[name]


def _comparison(node: Node, facts: Mapping[str, Definition]) -> Condition:
    match = _SENTENCE.fullmatch(node.text())
    if match is None:
        raise DocumentError(
            [f"{node.place}: expected `FACT is yes`, `FACT is at least VALUE` or `FACT is under NUMBER`"]
        )
    definition = _definition(match["fact"], node, facts)
    if match["under"] is not None:
        return _below(node, definition, match["under"])
    if definition.polarity is Polarity.PROTECTIVE:
        raise DocumentError([f"{node.place}: `{definition.name}` is protective and belongs under `none of`"])
    if definition.polarity is Polarity.LOWER_IS_WORSE or (
        definition.polarity is Polarity.NEUTRAL and definition.kind is not Kind.YES_NO
    ):
        raise DocumentError([f"{node.place}: `{definition.name}` may only be used as `is under NUMBER`"])
    rank = _rank(node, definition, match["yes"], match["least"])
    return AtLeast(definition, rank, step_words(definition, rank))


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
        raise DocumentError([f"{node.place}: `{definition.name}` at that bound is always or never true"])
    return rank


def _below(node: Node, definition: Definition, bound: str) -> Condition:
    if definition.polarity not in (Polarity.LOWER_IS_WORSE, Polarity.NEUTRAL):
        raise DocumentError(
            [
                (
                    f"{node.place}: `{definition.name}` is worse the more there is of it: "
                    "`is under` would give a milder outcome for a worse fact"
                )
            ]
        )
    if definition.kind is not Kind.COUNT:
        raise DocumentError([f"{node.place}: `is under` needs a count, and `{definition.name}` is none"])
    number = Node(node.place, bound).whole(1)
    if number > definition.maximum:
        raise DocumentError([f"{node.place}: `{definition.name}` is always under {number}"])
    return Below(definition, number)


def _protective(node: Node, facts: Mapping[str, Definition]) -> Definition:
    match = _SENTENCE.fullmatch(node.text())
    if match is None or match["yes"] is None:
        raise DocumentError([f"{node.place}: under `none of` say `FACT is yes`"])
    definition = _definition(match["fact"], node, facts)
    if definition.polarity is not Polarity.PROTECTIVE or definition.kind is not Kind.YES_NO:
        raise DocumentError(
            [
                (
                    f"{node.place}: `none of` takes protective yes/no facts only: "
                    f"`{definition.name}` under it could give a milder outcome for a worse fact"
                )
            ]
        )
    return definition

"""Reads the sections of `policy.yaml`, and `actions.yaml`, against the dictionary of facts."""

import re
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

from libs.schemas.dictionary import DERIVED, REFERRER, STAFF, Definition, Dictionary, Kind
from libs.schemas.document import DocumentError, Node, Place, Record, distinct, read_all
from libs.schemas.findings import AgencyState, Basis, Between, Fact, FactValue
from libs.schemas.levels import Level, Rag
from services.triage.policy.conditions import Condition
from services.triage.policy.facts import StatedFact
from services.triage.policy.rules import BEFORE, Action, Decisive, GoldenCase, Guarantee, Rule
from services.triage.policy.sentence import Vocabulary, read_condition

_RULE = {
    "domain": True,
    "title": True,
    "cite": True,
    "when": True,
    "floor": True,
    "immediate": False,
    "actions": False,
}
_GUARANTEE = {"title": True, "when": True, "at_least": False, "actions": False}
_DECISIVE = {"when": True, "ask": True, "why": True}
_GOLDEN = {
    "story": True,
    "facts": True,
    "answers": False,
    "at_least": True,
    "at_most": False,
    "actions": False,
    "not_actions": False,
}
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")

T = TypeVar("T")


class Sections:
    """Reads the sections one after the other. An id stands once in all of them together."""

    def __init__(
        self, dictionary: Dictionary, refused: Collection[str], actions: Mapping[str, Action]
    ) -> None:
        self._agencies = list(dictionary.agencies)
        self._vocabulary = Vocabulary(dictionary.definitions, refused)
        self._actions = actions
        self._domains: dict[str, str] = {}
        self._ids: dict[str, Place] = {}

    def read_domains(self, node: Node) -> Mapping[str, str]:
        """The threshold document's domains with their names."""
        members = node.record(dict.fromkeys(node.fields(), True))
        self._domains = {name: members.words(name) for name in members.members}
        members.refuse()
        return self._domains

    def read_rules(self, node: Node) -> tuple[Rule, ...]:
        """The rules. Raises DocumentError with every fault, as the other sections do."""
        if not node.fields():
            raise DocumentError([f"{node.place}: there is no rule"])
        return self._each(node, self._rule)

    def read_guarantees(self, node: Node) -> tuple[Guarantee, ...]:
        """The board's guarantees."""
        return self._each(node, self._guarantee)

    def read_decisive(self, node: Node) -> tuple[Decisive, ...]:
        """The decisive questions."""
        return self._each(node, self._decisive)

    def read_golden(self, node: Node) -> tuple[GoldenCase, ...]:
        """The golden cases."""
        return self._each(node, self._golden)

    def _each(self, node: Node, read: Callable[[str, Place, Node], T]) -> tuple[T, ...]:
        members = Record(node.fields(), ())
        found = []
        for name in members.members:
            place = node.place_of(name)
            if not _ID.fullmatch(name):
                members.add(f"{place}: an id is made of letters, digits and hyphens")
            if name in self._ids:
                members.add(f"{place}: the id `{name}` stands twice, first at {self._ids[name]}")
            self._ids.setdefault(name, place)
            found.append(members.read(name, lambda one: read(name, place, one), None))  # noqa: B023 - read at once
        members.refuse()
        return tuple(one for one in found if one is not None)

    def _condition(self, node: Node) -> Condition:
        return read_condition(node, self._vocabulary)

    def _domain(self, node: Node) -> str:
        return node.choice(self._domains, "domain")

    def _obliged(self, node: Node) -> tuple[str, ...]:
        return distinct(node, read_all(node.items(), lambda one: one.choice(self._actions, "action")))

    def _rule(self, name: str, place: Place, node: Node) -> Rule:
        record = node.record(_RULE)
        title, citation = record.words("title"), record.words("cite")
        domain = record.read("domain", self._domain, "")
        condition = record.read("when", self._condition, None)
        level, rag = record.read("floor", floor, (Level.UNIVERSAL, Rag.GREEN))
        immediate = record.read("immediate", Node.flag, False)
        actions = record.read("actions", self._obliged, ())
        record.refuse()
        assert condition is not None  # what was demanded and is absent was refused
        return Rule(
            id=name,
            domain=domain,
            title=title,
            citation=citation,
            condition=condition,
            level=level,
            rag=rag,
            immediate=immediate,
            actions=actions,
            sentence=f"When {condition.english()}: at least {level.value.replace('_', ' ')}, {rag.value}.",
            place=place,
        )

    def _guarantee(self, name: str, place: Place, node: Node) -> Guarantee:
        record = node.record(_GUARANTEE)
        title = record.words("title")
        condition = record.read("when", self._condition, None)
        level, rag = record.read("at_least", at_least, (None, None))
        actions = record.read("actions", self._obliged, ())
        if "at_least" not in record.members and "actions" not in record.members:
            record.add(f"{place}: this guarantees nothing: give `at_least` or `actions`")
        record.refuse()
        assert condition is not None  # what was demanded and is absent was refused
        return Guarantee(name, title, condition, level, rag, actions, place)

    def _decisive(self, name: str, place: Place, node: Node) -> Decisive:
        record = node.record(_DECISIVE)
        condition = record.read("when", self._condition, None)
        ask = record.read("ask", lambda one: distinct(one, read_all(one.items(), self._asked)), ())
        why = record.words("why")
        if not ask and record.members.get("ask") is not None and not record.faults:
            record.add(f"{record.members['ask'].place}: it asks nothing")
        record.refuse()
        assert condition is not None  # what was demanded and is absent was refused
        return Decisive(name, condition, ask, why, place)

    def _asked(self, node: Node) -> str:
        definition = self._vocabulary.definition(node.text(), node)
        if REFERRER not in definition.sources:
            raise DocumentError([f"{node.place}: the referrer is no source of `{definition.name}`"])
        return definition.name

    def _golden(self, name: str, place: Place, node: Node) -> GoldenCase:
        record = node.record(_GOLDEN)
        story = record.words("story")
        facts = record.read("facts", self._facts, ())
        answers = record.read("answers", self._answers, {})
        level, rag = record.read("at_least", at_least, (None, None))
        at_most = record.read("at_most", read_level, None)
        actions = record.read("actions", self._obliged, ())
        not_actions = record.read("not_actions", self._obliged, ())
        if at_most is not None and level is not None and at_most < level:
            record.add(f"{record.members['at_most'].place}: `at_most` is milder than `at_least`")
        record.refuse()
        return GoldenCase(name, story, facts, answers, level, rag, at_most, actions, not_actions, place)

    def _facts(self, node: Node) -> tuple[StatedFact, ...]:
        members = Record(node.fields(), ())
        facts = []
        for name in members.members:
            fact = members.read(name, lambda one: self._fact(name, node.place_of(name), one), None)  # noqa: B023
            if fact is not None:
                facts.append(fact)
        members.refuse()
        return tuple(facts)

    def _fact(self, name: str, place: Place, node: Node) -> StatedFact:
        definition = self._vocabulary.definition(name, Node(place, name))
        fact = Fact(fact=name, value=read_value(definition, node), basis=Basis.OBSERVED)
        ours = [one for one in (REFERRER, STAFF, DERIVED) if one in definition.sources]
        return StatedFact(fact, ours[0] if ours else min(definition.sources))

    def _answers(self, node: Node) -> dict[str, AgencyState]:
        known = dict.fromkeys(self._agencies, False)
        members = node.record(known)
        states = [one.value for one in AgencyState]
        answers = {
            agency: AgencyState(members.read(agency, lambda one: one.choice(states, "answer"), "pending"))
            for agency in members.members
            if agency in known
        }
        members.refuse()
        return answers


def survey_actions(document: Node) -> tuple[dict[str, Action], list[str]]:
    """The actions of `actions.yaml`, and every mistake in it."""
    root = document.record({"about": True, "actions": True})
    root.words("about")
    nodes: dict[str, Node] = root.read("actions", lambda one: one.fields(), {})
    actions = {}
    for name, node in nodes.items():
        try:
            actions[name] = _action(name, node)
        except DocumentError as error:
            root.add(*error.faults)
            # Known though refused: a rule that obliges to it is not at fault.
            actions[name] = Action(name, name, "")
    return actions, root.faults


def _action(name: str, node: Node) -> Action:
    record = node.record({"label": True, "within": False, "before": False, "cite": True})
    label, citation = record.words("label"), record.words("cite")
    minutes, unit = record.read("within", _within, (None, None))
    before = record.read("before", lambda one: one.choice(list(BEFORE), "moment"), None)
    if {"within", "before"} <= record.members.keys():
        record.add(f"{node.place}: either `within` or `before`")
    record.refuse()
    return Action(name, label, citation, minutes, unit, before)


def _within(node: Node) -> tuple[int, str]:
    record = node.record({"minutes": True, "unit": True})
    minutes = record.read("minutes", lambda one: one.whole(1), 0)
    unit = record.read("unit", lambda one: one.choice(["elapsed", "working"], "unit"), "")
    record.refuse()
    return minutes, unit


def floor(node: Node) -> tuple[Level, Rag]:
    """A level and an urgency, both demanded."""
    record = node.record({"level": True, "rag": True})
    level, rag = record.read("level", read_level, Level.UNIVERSAL), record.read("rag", read_rag, Rag.BLUE)
    record.refuse()
    return level, rag


def at_least(node: Node) -> tuple[Level | None, Rag | None]:
    """A level, an urgency, or both."""
    record = node.record({"level": False, "rag": False})
    level, rag = record.read("level", read_level, None), record.read("rag", read_rag, None)
    if not record.members:
        record.add(f"{node.place}: give a `level`, a `rag`, or both")
    record.refuse()
    return level, rag


def read_level(node: Node) -> Level:
    """A level of need."""
    return Level(node.choice([one.value for one in Level], "level"))


def read_rag(node: Node) -> Rag:
    """An urgency."""
    return Rag(node.choice([one.value for one in Rag], "urgency"))


def read_value(definition: Definition, node: Node) -> FactValue:
    """A fact's value as a person writes it: yes, a step, a number, or `7 to 21`. Raises DocumentError."""
    text = node.text()
    if definition.kind is Kind.SCALE:
        return node.choice(list(definition.steps), "value")
    if definition.kind is Kind.YES_NO:
        if text not in ("yes", "no"):
            raise DocumentError([f"{node.place}: `{definition.name}` is yes or no"])
        return text == "yes"
    try:
        least, between, most = (Node(node.place, part) for part in text.partition(" to "))
        value: FactValue = least.whole()
        if between.value:
            value = Between(at_least=least.whole(), at_most=most.whole())
    except DocumentError:
        value = text
    if definition.bounds(value) is None:
        wanted = f"a whole number up to {definition.maximum}, or two as in `7 to 21`"
        raise DocumentError([f"{node.place}: `{definition.name}` is {wanted}"])
    return value

"""Reads a partnership's policy out of its documents, and refuses every mistake with its place."""

from collections.abc import Mapping
from functools import partial
from hashlib import sha256
from pathlib import Path

from libs.schemas.dictionary import DERIVED, REFERRER, STAFF, Definition, Dictionary, Kind, read_dictionary
from libs.schemas.document import DocumentError, Node, collect, parse_document
from libs.schemas.findings import AgencyState, Basis, Between, Fact, FactValue
from libs.schemas.levels import Level, Rag
from services.triage.policy.facts import StatedFact
from services.triage.policy.rules import Action, Decisive, GoldenCase, Guarantee, Policy, Rule
from services.triage.policy.sentence import Vocabulary, read_condition

DOCUMENTS = ("facts.yaml", "actions.yaml", "policy.yaml", "placement.yaml")
"""The documents that decide, in the order in which they are read. Placement's own rules are read elsewhere."""

_BUILT_IN = (
    "strategy_discussion",
    "police_now",
    "same_day_paediatric_opinion",
    "emergency_duty_team",
    "marac_referral",
    "return_interview_72_hours",
    "do_not_alert_household",
    "managers_sign_off",
    "unborn_baby_panel",
    "housing_assessment",
    "complete_early_help_assessment",
    "trace_adult",
)

_HEAD = {"about": True, "policy": True, "version": True, "effective": True, "sign_off": True, "default": True}
_SECTIONS = {"rules": True, "decisive": False, "guarantees": False, "golden": False, "domains": False}
_RULE = {
    "domain": False,
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


def read_texts(folder: Path) -> dict[str, str]:
    """The texts of a partnership's deciding documents, by file name. Raises DocumentError."""
    texts = {}
    for name in DOCUMENTS:
        path = folder / name
        if path.exists():
            texts[name] = path.read_text(encoding="utf-8")
    return texts


def load_policy(texts: Mapping[str, str]) -> Policy:
    """The policy of these documents. Raises DocumentError naming every mistake with place and suggestion."""
    absent = [f"{name}: cannot be read" for name in ("facts.yaml", "policy.yaml") if name not in texts]
    if absent:
        raise DocumentError(absent)
    nodes = {name: parse_document(texts[name], name) for name in DOCUMENTS if name in texts}
    dictionary = read_dictionary(nodes["facts.yaml"])
    actions = _actions(nodes.get("actions.yaml"))
    return _Reader(dictionary, actions).policy(nodes["policy.yaml"], _fingerprint(nodes), texts)


class _Reader:
    """Reads `policy.yaml` against the dictionary and the list of actions."""

    def __init__(self, dictionary: Dictionary, actions: Mapping[str, Action]) -> None:
        self.dictionary, self.actions = dictionary, actions
        self.vocabulary = Vocabulary(dictionary.definitions)
        self.domains: dict[str, str] = {}
        self.rules: list[Rule] = []
        self.guarantees: list[Guarantee] = []
        self.golden: list[GoldenCase] = []
        self.decisive: list[Decisive] = []

    def policy(self, document: Node, fingerprint: str, texts: Mapping[str, str]) -> Policy:
        root = document.fields(_HEAD | _SECTIONS)
        if "domains" in root:
            self.domains = {name: node.text() for name, node in root["domains"].fields().items()}
        level, rag = _floor(root["default"])
        sections = {
            "rules": self._rule,
            "decisive": self._decisive,
            "guarantees": self._guarantee,
            "golden": self._golden,
        }
        faults = collect(
            partial(read, name, node)
            for section, read in sections.items()
            if section in root
            for name, node in root[section].fields().items()
        )
        if faults:
            raise DocumentError(faults)
        head = {key: root[key].text() for key in ("policy", "version", "effective", "sign_off")}
        return Policy(
            id=head["policy"],
            version=head["version"],
            effective=head["effective"],
            sign_off=head["sign_off"],
            level=level,
            rag=rag,
            rules=tuple(self.rules),
            dictionary=self.dictionary,
            fingerprint=fingerprint,
            guarantees=tuple(self.guarantees),
            golden=tuple(self.golden),
            decisive=tuple(self.decisive),
            actions=self.actions,
            domains=self.domains,
            texts=dict(texts),
        )

    def _rule(self, name: str, node: Node) -> None:
        fields = node.fields(_RULE)
        condition = read_condition(fields["when"], self.vocabulary)
        level, rag = _floor(fields["floor"])
        title, citation = fields["title"].text(), fields["cite"].text()
        if not title or not citation:
            raise DocumentError([f"{node.place}: a rule needs a title and a citation"])
        domain = ""
        if "domain" in fields:
            domain = (
                fields["domain"].choice(self.domains, "domain") if self.domains else fields["domain"].text()
            )
        self.rules.append(
            Rule(
                id=name,
                domain=domain,
                title=title,
                citation=citation,
                condition=condition,
                level=level,
                rag=rag,
                immediate="immediate" in fields and fields["immediate"].flag(),
                actions=self._obliged(fields.get("actions")),
                sentence=f"When {condition.english()}: at least {level.value.replace('_', ' ')}, {rag.value}.",
                place=node.place,
            )
        )

    def _guarantee(self, name: str, node: Node) -> None:
        fields = node.fields(_GUARANTEE)
        level, rag = _at_least(fields.get("at_least"))
        actions = self._obliged(fields.get("actions"))
        if level is None and rag is None and not actions:
            raise DocumentError([f"{node.place}: it guarantees nothing: give `at_least` or `actions`"])
        self.guarantees.append(
            Guarantee(
                id=name,
                title=fields["title"].text(),
                condition=read_condition(fields["when"], self.vocabulary),
                level=level,
                rag=rag,
                actions=actions,
                place=node.place,
            )
        )

    def _decisive(self, name: str, node: Node) -> None:
        fields = node.fields(_DECISIVE)
        ask = []
        for member in fields["ask"].items():
            definition = self.vocabulary.definition(member.text(), member)
            if REFERRER not in definition.sources:
                raise DocumentError([f"{member.place}: the referrer is no source of `{definition.name}`"])
            ask.append(definition.name)
        self.decisive.append(
            Decisive(
                id=name,
                condition=read_condition(fields["when"], self.vocabulary),
                ask=tuple(ask),
                why=fields["why"].text(),
                place=node.place,
            )
        )

    def _golden(self, name: str, node: Node) -> None:
        fields = node.fields(_GOLDEN)
        level, rag = _at_least(fields["at_least"])
        facts = [
            _stated(self.vocabulary.definition(fact, value), value)
            for fact, value in fields["facts"].fields().items()
        ]
        answers = {}
        for agency, state in fields["answers"].fields().items() if "answers" in fields else ():
            Node(state.place, agency).choice(list(self.dictionary.agencies), "agency")
            answers[agency] = AgencyState(
                state.choice([one.value for one in AgencyState], "state of an answer")
            )
        self.golden.append(
            GoldenCase(
                id=name,
                story=fields["story"].text(),
                facts=tuple(facts),
                answers=answers,
                level=level,
                rag=rag,
                at_most=_level(fields["at_most"]) if "at_most" in fields else None,
                actions=self._obliged(fields.get("actions")),
                not_actions=self._obliged(fields.get("not_actions")),
                place=node.place,
            )
        )

    def _obliged(self, node: Node | None) -> tuple[str, ...]:
        return tuple(one.choice(self.actions, "action") for one in node.items()) if node is not None else ()


def _actions(document: Node | None) -> dict[str, Action]:
    if document is None:
        return {name: Action(name, name.replace("_", " "), "") for name in _BUILT_IN}
    actions = {}
    for name, node in document.fields({"about": False, "actions": True})["actions"].fields().items():
        fields = node.fields({"label": True, "within": False, "cite": True})
        minutes, unit = None, None
        if "within" in fields:
            within = fields["within"].fields({"minutes": True, "unit": True})
            minutes, unit = within["minutes"].whole(1), within["unit"].choice(["elapsed", "working"], "unit")
        actions[name] = Action(name, fields["label"].text(), fields["cite"].text(), minutes, unit)
    return actions


def _floor(node: Node) -> tuple[Level, Rag]:
    fields = node.fields({"level": True, "rag": True})
    return _level(fields["level"]), _rag(fields["rag"])


def _at_least(node: Node | None) -> tuple[Level | None, Rag | None]:
    fields = node.fields({"level": False, "rag": False}) if node is not None else {}
    level, rag = fields.get("level"), fields.get("rag")
    return _level(level) if level else None, _rag(rag) if rag else None


def _level(node: Node) -> Level:
    return Level(node.choice([one.value for one in Level], "level"))


def _rag(node: Node) -> Rag:
    return Rag(node.choice([one.value for one in Rag], "urgency"))


def _stated(definition: Definition, node: Node) -> StatedFact:
    source = next(
        (one for one in (REFERRER, STAFF, DERIVED) if one in definition.sources), min(definition.sources)
    )
    return StatedFact(
        Fact(fact=definition.name, value=_value(definition, node), basis=Basis.OBSERVED), source
    )


def _value(definition: Definition, node: Node) -> FactValue:
    """A value as a golden case writes it: yes, a step, a number, or `7 to 21`."""
    text = node.text()
    value: FactValue = {"yes": True, "no": False}.get(text, text)
    if definition.steps:
        node.choice(list(definition.steps), "value")
        value = text
    least, between, most = text.partition(" to ")
    if definition.kind is Kind.COUNT:
        value = Node(node.place, least).whole()
        if between:
            value = Between(at_least=value, at_most=Node(node.place, most).whole())
    if definition.bounds(value) is None:
        raise DocumentError([f"{node.place}: `{definition.name}` {definition.wanted()}"])
    return value


def _fingerprint(nodes: Mapping[str, Node]) -> str:
    """SHA-256 over what the documents say: layout and remarks are no part of it."""
    meaning = "\n".join(f"{name}={_plain(node)!r}" for name, node in nodes.items())
    return sha256(meaning.encode()).hexdigest()


def _plain(node: Node) -> object:
    if isinstance(node.value, dict):
        return {key: _plain(value) for key, value in node.value.items()}
    return [_plain(one) for one in node.value] if isinstance(node.value, list) else node.value

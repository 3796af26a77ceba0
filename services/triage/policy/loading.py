"""Reads `policy.yaml` against the dictionary and refuses every mistake with its place."""

from functools import partial
from hashlib import sha256
from pathlib import Path

from libs.schemas.dictionary import Dictionary
from libs.schemas.document import DocumentError, Node, collect, read_document
from libs.schemas.levels import Level, Rag
from services.triage.policy.rules import Policy, Rule
from services.triage.policy.sentence import read_condition

ACTIONS = (
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
"""Actions that a rule may oblige. Each is a task that somebody owns and that a signature never delays."""

_RULE_KEYS = {"title": True, "cite": True, "when": True, "floor": True, "immediate": False, "actions": False}
_HEAD = {"about": True, "policy": True, "version": True, "effective": True, "sign_off": True}


def load_policy(path: Path, dictionary: Dictionary) -> Policy:
    """The policy of the file. Raises DocumentError naming every mistake with place and suggestion."""
    root = read_document(path).fields(_HEAD | {"default": True, "rules": True})
    level, rag = _floor(root["default"])
    rules: list[Rule] = []

    def add(name: str, node: Node) -> None:
        rules.append(_rule(name, node, dictionary))

    faults = collect(partial(add, name, node) for name, node in root["rules"].fields().items())
    if faults:
        raise DocumentError(faults)
    head = {key: root[key].text() for key in ("policy", "version", "effective", "sign_off")}
    canonical = [dictionary.fingerprint, level.value, rag.value]
    canonical += [
        f"{rule.id}|{rule.title}|{rule.citation}|{rule.condition!r}|{rule.level}|{rule.rag}"
        f"|{rule.immediate}|{rule.actions}"
        for rule in sorted(rules, key=lambda rule: rule.id)
    ]
    return Policy(
        id=head["policy"],
        version=head["version"],
        effective=head["effective"],
        sign_off=head["sign_off"],
        level=level,
        rag=rag,
        rules=tuple(rules),
        dictionary=dictionary,
        fingerprint=sha256("\n".join(canonical).encode()).hexdigest(),
    )


def _floor(node: Node) -> tuple[Level, Rag]:
    fields = node.fields({"level": True, "rag": True})
    level = fields["level"].choice([member.value for member in Level], "level")
    rag = fields["rag"].choice([member.value for member in Rag], "urgency")
    return Level(level), Rag(rag)


def _rule(name: str, node: Node, dictionary: Dictionary) -> Rule:
    fields = node.fields(_RULE_KEYS)
    condition = read_condition(fields["when"], dictionary.definitions)
    level, rag = _floor(fields["floor"])
    actions = fields["actions"].items() if "actions" in fields else []
    title, citation = fields["title"].text(), fields["cite"].text()
    if not title or not citation:
        raise DocumentError([f"{node.place}: a rule needs a title and a citation"])
    return Rule(
        id=name,
        title=title,
        citation=citation,
        condition=condition,
        level=level,
        rag=rag,
        immediate="immediate" in fields and fields["immediate"].flag(),
        actions=tuple(action.choice(list(ACTIONS), "action") for action in actions),
        sentence=f"When {condition.english()}: at least {level.value.replace('_', ' ')}, {rag.value}.",
    )

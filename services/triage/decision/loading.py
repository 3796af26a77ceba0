"""Reads `authority.yaml`."""

from pathlib import Path

from libs.schemas.document import DocumentError, Node, read_document
from libs.schemas.levels import Level
from services.triage.decision.authority import DECIDERS, Authority, Condition, SignatureRule

LEVEL_AT_LEAST = "level_at_least"


def load_authority(path: Path) -> Authority:
    """Reads and checks a scheme of delegation. Raises DocumentError naming every mistake with its place."""
    keys = ("about", "deciders", "signers", "signatures", "departure_reasons")
    record = read_document(path).record(dict.fromkeys(keys, True))
    deciders = record.read("deciders", _roles, frozenset())
    signers = record.read("signers", _roles, frozenset())
    rules = record.read("signatures", _rules, ())
    reasons = record.read("departure_reasons", _reasons, {})
    if deciders and signers and not signers <= deciders:
        record.add(f"{record.members['signers'].place}: whoever signs must be able to decide")
    record.refuse()
    return Authority(deciders, signers, rules, reasons)


def _roles(node: Node) -> frozenset[str]:
    roles = frozenset(item.choice(list(DECIDERS), "role") for item in node.items())
    if not roles:
        raise DocumentError([f"{node.place}: nobody is named"])
    return roles


def _reasons(node: Node) -> dict[str, str]:
    reasons = {code: words.words() for code, words in node.fields().items()}
    if not reasons:
        raise DocumentError([f"{node.place}: there is no reason"])
    return reasons


def _rules(node: Node) -> tuple[SignatureRule, ...]:
    faults: list[str] = []
    rules = []
    for name, entry in node.fields().items():
        try:
            rules.append(_rule(name, entry))
        except DocumentError as error:
            faults += error.faults
    if faults:
        raise DocumentError(faults)
    return tuple(rules)


def _rule(name: str, node: Node) -> SignatureRule:
    fields = node.fields({"title": True, "when": True, "second": True, "cite": True})
    when = fields["when"].fields(dict.fromkeys((LEVEL_AT_LEAST, *(each.value for each in Condition)), False))
    if not when:
        raise DocumentError([f"{fields['when'].place}: no condition is named"])
    level = None
    if LEVEL_AT_LEAST in when:
        level = Level(when[LEVEL_AT_LEAST].choice([each.value for each in Level], "level"))
    conditions = {Condition(key) for key in when if key != LEVEL_AT_LEAST}
    faults = [f"{when[one].place}: only yes can be asked for" for one in conditions if not when[one].flag()]
    if faults:
        raise DocumentError(faults)
    return SignatureRule(
        id=name,
        title=fields["title"].words(),
        conditions=frozenset(conditions),
        level_at_least=level,
        second=fields["second"].flag(),
        cite=fields["cite"].words(),
    )

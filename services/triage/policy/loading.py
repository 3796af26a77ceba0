"""Reads a partnership's policy out of its documents, and refuses every mistake with its place."""

from collections.abc import Mapping
from datetime import date
from hashlib import sha256
from pathlib import Path

from libs.schemas.dictionary import NO_NAMES, REFERRER, Names, survey_dictionary
from libs.schemas.document import DocumentError, Node, in_order, parse_document, read_text
from libs.schemas.levels import Level, Rag
from services.triage.policy.rules import Policy
from services.triage.policy.sections import Sections, floor, survey_actions

DOCUMENTS = ("facts.yaml", "actions.yaml", "policy.yaml", "placement.yaml")
"""The documents that decide, in the order in which they are read. Placement's own lines are read elsewhere."""

DEMANDED = frozenset({"facts.yaml", "actions.yaml", "policy.yaml"})
"""Without these there is no policy."""

_HEAD = {"about": True, "policy": True, "version": True, "effective": True, "sign_off": True, "default": True}
_SECTIONS = {"domains": True, "rules": True, "decisive": False, "guarantees": False, "golden": False}


def read_texts(folder: Path) -> dict[str, str]:
    """The texts of a partnership's deciding documents, by file name. Raises DocumentError."""
    return {name: read_text(folder / name) for name in DOCUMENTS if (folder / name).exists()}


def load_policy(texts: Mapping[str, str], names: Names = NO_NAMES) -> Policy:
    """The policy of these documents, by file name. `names` are kept elsewhere: agencies, functions of derived facts.

    Raises DocumentError naming every mistake of every document, in order, with place and suggestion.
    """
    faults: list[str] = []
    nodes: dict[str, Node] = {}
    for name in DOCUMENTS:
        if name not in texts:
            faults += [f"{name}: cannot be read"] if name in DEMANDED else []
            continue
        try:
            nodes[name] = parse_document(texts[name], name)
        except DocumentError as error:
            faults += error.faults
    if not nodes.keys() >= DEMANDED:
        raise DocumentError(faults)
    dictionary, refused, found = survey_dictionary(nodes["facts.yaml"], names)
    faults += found
    actions, found = survey_actions(nodes["actions.yaml"])
    faults += found
    sections = Sections(dictionary, refused, actions)
    root = nodes["policy.yaml"].record(_HEAD | _SECTIONS)
    level, rag = root.read("default", floor, (Level.UNIVERSAL, Rag.GREEN))
    root.words("about")
    policy = Policy(
        id=root.words("policy"),
        version=root.words("version"),
        effective=root.read("effective", _day, ""),
        sign_off=root.words("sign_off"),
        level=level,
        rag=rag,
        domains=root.read("domains", sections.read_domains, {}),
        rules=root.read("rules", sections.read_rules, ()),
        decisive=root.read("decisive", sections.read_decisive, ()),
        guarantees=root.read("guarantees", sections.read_guarantees, ()),
        golden=root.read("golden", sections.read_golden, ()),
        dictionary=dictionary,
        actions=actions,
        fingerprint=_fingerprint(nodes),
        texts={name: texts[name] for name in nodes},
    )
    faults += root.faults
    if not faults:
        faults = _unasked(policy, nodes["facts.yaml"])
    if faults:
        raise DocumentError(in_order(faults, DOCUMENTS))
    return policy


def _unasked(policy: Policy, facts: Node) -> list[str]:
    """Facts whose gap may raise on the referrer's side although no decisive question asks for them."""
    asked = {name for one in policy.decisive for name in one.ask}
    nodes = facts.fields()["facts"].fields()
    return [
        f"{nodes[name].fields()['gap_raises'].place}: the referrer's gap raises only through a decisive question, "
        f"and none asks `{name}`"
        for name, definition in policy.dictionary.definitions.items()
        if REFERRER in definition.gap_raises and name not in asked
    ]


def _day(node: Node) -> str:
    text = node.words()
    try:
        if date.fromisoformat(text).isoformat() == text:
            return text
    except ValueError:
        pass
    raise DocumentError([f"{node.place}: expected a day as YYYY-MM-DD"])


def _fingerprint(nodes: Mapping[str, Node]) -> str:
    """SHA-256 over what the documents say: layout and remarks are no part of it."""
    meaning = "\n".join(f"{name}={_plain(node)!r}" for name, node in nodes.items())
    return sha256(meaning.encode()).hexdigest()


def _plain(node: Node) -> object:
    if isinstance(node.value, dict):
        return {key: _plain(value) for key, value in node.value.items()}
    return [_plain(one) for one in node.value] if isinstance(node.value, list) else node.value

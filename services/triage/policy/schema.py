"""JSON Schemas of the policy's files, for an editor: every legal sentence offered, everything else underlined.

They are made from one policy, so that facts, steps, actions and domains are those of its own files. What no schema can
say, such as a key that stands twice, is the loader's to refuse. An editor must read YAML 1.2, in which yes is a text.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from libs.schemas.dictionary import DERIVED, REFERRER, STAFF, Definition, Kind, Polarity
from libs.schemas.document import Node, parse_document
from libs.schemas.findings import AgencyState
from libs.schemas.levels import Destination, Level, Rag
from services.triage.placement.places import Told
from services.triage.policy.rules import BEFORE, Policy

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

ID = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,79}$"
FACT = r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$"
STEP = r"^[a-z][a-z0-9_]*$"

TEXT: Schema = {"type": ["string", "number"], "minLength": 1}
YES_NO: Schema = {"enum": ["yes", "no"]}
LEVEL: Schema = {"enum": [one.value for one in Level]}
RAG: Schema = {"enum": [one.value for one in Rag]}
WHOLE: Schema = {"type": "integer", "minimum": 1}


def schemas(policy: Policy) -> dict[str, Schema]:
    """The schema of each file that decides, by the file's name."""
    made: dict[str, Callable[[Policy], Schema]] = {
        "facts.yaml": facts_schema,
        "actions.yaml": actions_schema,
        "policy.yaml": policy_schema,
        "placement.yaml": placement_schema,
    }
    return {name: {"$schema": DIALECT, "title": name, **make(policy)} for name, make in made.items()}


def _record(demanded: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    return {
        "type": "object",
        "properties": {**demanded, **(optional or {})},
        "required": list(demanded),
        "additionalProperties": False,
    }


def _named(member: Schema, pattern: str = ID) -> Schema:
    return {"type": "object", "patternProperties": {pattern: member}, "additionalProperties": False}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items, "minItems": 1}


def _one_of(names: Iterable[str]) -> Schema:
    return {"enum": list(names)}


def facts_schema(policy: Policy) -> Schema:
    """What `facts.yaml` may say. The agencies are those that the dictionary names today."""
    sources = _one_of([REFERRER, STAFF, DERIVED, *policy.dictionary.agencies])
    fact = _record(
        {
            "kind": _one_of(kind.value for kind in Kind),
            "polarity": _one_of(one.value for one in Polarity),
            "label": TEXT,
            "question": TEXT,
            "sources": _list(sources),
            "citation": TEXT,
        },
        {
            "steps": {"type": "array", "items": {"type": "string", "pattern": STEP}, "minItems": 2},
            "maximum": WHOLE,
            "unknown": _one_of(["met", "not_met"]),
            "gap_raises": _list(sources),
            "derived": TEXT,
            "no_effect": TEXT,
        },
    )
    fact["allOf"] = [
        _demands("kind", Kind.SCALE, "steps"),
        _demands("kind", Kind.COUNT, "maximum"),
        _allows("polarity", Polarity.PROTECTIVE, "kind", Kind.YES_NO),
        _allows("polarity", Polarity.LOWER_IS_WORSE, "kind", Kind.COUNT),
    ]
    return _record({"about": TEXT, "version": TEXT, "facts": _named(fact, FACT)})


def _demands(key: str, value: str, other: str) -> Schema:
    """The other key where, and only where, the key has that value."""
    return {
        "if": {"properties": {key: {"const": str(value)}}},
        "then": {"required": [other]},
        "else": {"properties": {other: False}},
    }


def _allows(key: str, value: str, other: str, only: str) -> Schema:
    """Where the key has that value, only one value of the other."""
    return {
        "if": {"properties": {key: {"const": str(value)}}},
        "then": {"properties": {other: {"const": str(only)}}},
    }


def actions_schema(policy: Policy) -> Schema:
    """What `actions.yaml` may say."""
    within = _record({"minutes": WHOLE, "unit": _one_of(["elapsed", "working"])})
    action = _record({"label": TEXT, "cite": TEXT}, {"within": within, "before": _one_of(BEFORE)})
    action["not"] = {"required": ["within", "before"]}
    return _record({"actions": _named(action)}, {"about": TEXT})


def policy_schema(policy: Policy) -> Schema:
    """What `policy.yaml` may say, with every sentence that the dictionary makes legal."""
    definitions = policy.dictionary.definitions
    actions = {"type": "array", "items": _one_of(policy.actions)}
    condition: Schema = {"$ref": "#/$defs/condition"}
    floor = _record({"level": LEVEL, "rag": RAG})
    at_least = {**_record({}, {"level": LEVEL, "rag": RAG}), "minProperties": 1}
    rule = _record(
        {"title": TEXT, "cite": TEXT, "when": condition, "floor": floor},
        {
            "domain": _one_of(policy.domains) if policy.domains else TEXT,
            "immediate": YES_NO,
            "actions": actions,
        },
    )
    guarantee = _record({"title": TEXT, "when": condition}, {"at_least": at_least, "actions": actions})
    guarantee["anyOf"] = [{"required": ["at_least"]}, {"required": ["actions"]}]
    asked = [one.name for one in definitions.values() if REFERRER in one.sources]
    decisive = _record({"when": condition, "ask": _list(_one_of(asked)), "why": TEXT})
    golden = _record(
        {
            "story": TEXT,
            "facts": {
                "type": "object",
                "properties": {name: _value(one) for name, one in definitions.items()},
                "additionalProperties": False,
            },
            "at_least": at_least,
        },
        {
            "answers": {
                "type": "object",
                "properties": {
                    agency: _one_of(state.value for state in AgencyState)
                    for agency in policy.dictionary.agencies
                },
                "additionalProperties": False,
            },
            "at_most": LEVEL,
            "actions": actions,
            "not_actions": actions,
        },
    )
    head = dict.fromkeys(("about", "policy", "version", "sign_off"), TEXT)
    day = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
    return {
        **_record(
            {**head, "effective": day, "default": floor, "rules": {**_named(rule), "minProperties": 1}},
            {
                "domains": _named(TEXT),
                "decisive": _named(decisive),
                "guarantees": _named(guarantee),
                "golden": _named(golden),
            },
        ),
        "$defs": {"condition": _condition(definitions.values())},
    }


def _condition(definitions: Iterable[Definition]) -> Schema:
    known = list(definitions)
    parts = _list({"$ref": "#/$defs/condition"})
    protective = [f"{one.name} is yes" for one in known if one.polarity is Polarity.PROTECTIVE]
    several: Schema = {
        "type": "object",
        "properties": {"all of": parts, "any of": parts, "none of": _list(_one_of(protective))},
        "patternProperties": {r"^at least [1-9][0-9]? of$": parts},
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    return {"anyOf": [{"enum": [text for one in known for text in sentences(one)]}, several]}


def sentences(definition: Definition) -> Iterator[str]:
    """Every comparison that a rule may make with a fact, as it is written outside `none of`."""
    if definition.polarity is Polarity.PROTECTIVE:
        return
    if definition.kind is Kind.YES_NO:
        yield f"{definition.name} is yes"
    elif definition.kind is Kind.SCALE:
        yield from (f"{definition.name} is at least {step}" for step in definition.steps[1:])
    else:
        words = "at least" if definition.higher_is_worse else "under"
        yield from (f"{definition.name} is {words} {number}" for number in range(1, definition.maximum + 1))


def _value(definition: Definition) -> Schema:
    """A value as a golden case states it."""
    if definition.kind is Kind.YES_NO:
        return YES_NO
    if definition.kind is Kind.SCALE:
        return _one_of(definition.steps)
    number = {"type": "integer", "minimum": 0, "maximum": definition.maximum}
    return {"anyOf": [number, {"type": "string", "pattern": r"^\d+ to \d+$"}]}


def placement_schema(policy: Policy) -> Schema:
    """What `placement.yaml` may say. Steps and circumstances are those that the file itself declares."""
    definitions = policy.dictionary.definitions
    fields: Mapping[str, Node] = {}
    if "placement.yaml" in policy.texts:
        fields = parse_document(policy.texts["placement.yaml"], "placement.yaml").fields()
    step = _one_of(fields["steps"].fields()) if "steps" in fields else TEXT
    own = fields["circumstances"].fields() if "circumstances" in fields else {}
    circumstance = _one_of([*(one.value for one in Told), *own])
    needs = {"type": "array", "items": {"anyOf": [circumstance, _record({"any of": _list(circumstance)})]}}
    unless = {"type": "array", "items": circumstance}
    conditional = _record({"do": step}, {"when": needs, "unless": unless})
    steps = {"type": "array", "items": {"anyOf": [step, conditional]}}
    yes_no = [one.name for one in definitions.values() if one.kind is Kind.YES_NO]
    bounds = [
        _record({"fact": {"const": one.name}, "at_least": _bound(one)})
        for one in definitions.values()
        if one.kind is not Kind.YES_NO
    ]
    row = _record(
        {"to": _one_of(one.value for one in Destination), "from": LEVEL, "why": TEXT},
        {"until": LEVEL, "when": needs, "unless": unless, "steps": steps},
    )
    raised = _record({"from": LEVEL, "when": needs, "to": LEVEL, "why": TEXT}, {"steps": steps})
    return _record(
        {
            "about": TEXT,
            "steps": _named(TEXT),
            "circumstances": _named(_list({"anyOf": [_one_of(yes_no), *bounds]})),
            "raises": _named(raised),
            "places": _named(row),
            "lists": _named(row),
            "localities": _named(_list(TEXT)),
        }
    )


def _bound(definition: Definition) -> Schema:
    if definition.kind is Kind.SCALE:
        return _one_of(definition.steps[1:])
    return {"type": "integer", "minimum": 1, "maximum": definition.maximum}

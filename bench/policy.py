"""What deciding costs: one policy of 31 rules over 40 facts in our language, in zen-engine and in plain Python.

Run as `python -m bench.policy`; prints JSON. Every engine gets the same children and must find the same rules, or
nothing is printed. Times are of the processor, per child, from what is known of a child to the outcome, with whatever
each engine does to read its input. Only ours also finds what could still rise, and gives the statements that made a
rule fire; zen-engine's trace gives the value of each expression.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from statistics import median
from time import process_time_ns
from typing import Any

import zen

from libs.schemas.dictionary import Definition, Dictionary, Kind
from libs.schemas.findings import AgencyState, Basis, Fact, FactValue
from libs.schemas.levels import Level, Rag
from services.triage.policy import (
    ChildFacts,
    Policy,
    StatedFact,
    decide,
    encode,
    evaluate,
    load_policy,
    read_texts,
)
from services.triage.policy.conditions import Comparison, Condition

PARTNERSHIP = Path(__file__).parents[1] / "deploy" / "partnership"
SEED = 40_31
CHILDREN = 400
STATED = 8
"""Facts stated of a child: the samples state one to six, and agencies add theirs."""
RUNS = 15

YES_NO, SCALES, COUNTS, RULES = 22, 9, 9, 31
AGENCIES = ("education", "health", "police")


def texts(chance: Random) -> dict[str, str]:
    """A made-up policy: 22 yes/no facts, 9 scales, 9 counts; rules of every form that the language has."""
    sources = [
        "[referrer, police]",
        "[referrer, health]",
        "[referrer, education, police]",
        "[police, health]",
    ]
    facts, compared = ['about: made up\nversion: "1"\nfacts:'], []
    protective = []
    for number in range(YES_NO + SCALES + COUNTS):
        name = f"child.fact_{number}"
        kind, polarity = "kind: yes_no", "risk"
        if number < 2:
            polarity = "protective"
            protective.append(f"{name} is yes")
        elif number < YES_NO:
            compared.append([f"{name} is yes"])
        elif number < YES_NO + SCALES:
            kind = "kind: scale, steps: [none, some, much, most]"
            compared.append([f"{name} is at least {step}" for step in ("some", "much", "most")])
        else:
            kind = "kind: count, maximum: 20"
            polarity = (
                "neutral" if number == YES_NO + SCALES else "lower_is_worse" if number % 4 == 0 else "risk"
            )
            word = "at least" if polarity == "risk" else "under"
            compared.append([f"{name} is {word} {bound}" for bound in (3, 7, 12)])
        facts.append(
            f"  {name}: {{{kind}, polarity: {polarity}, label: fact {number}, question: q, "
            f"sources: {chance.choice(sources)}, citation: c}}"
        )
    rules = ["about: made up", "policy: bench", 'version: "1"', 'effective: "2026-01-01"', "sign_off: none"]
    rules += ["default: {level: universal, rag: green}", "domains: {d: d}", "rules:"]
    for number in range(RULES):
        chosen = [chance.choice(some) for some in chance.sample(compared, 5)]
        when = [
            chosen[0],
            f"{{all of: [{', '.join(chosen[:2])}]}}",
            f"{{any of: [{', '.join(chosen[:3])}]}}",
            f"{{at least 2 of: [{', '.join(chosen[:4])}]}}",
            f"{{all of: [{chosen[0]}, any of: [{', '.join(chosen[1:4])}], none of: [{chance.choice(protective)}]]}}",
        ][number % 5]
        level, rag = chance.choice(list(Level)[1:]), chance.choice(list(Rag)[1:])
        floor = f"{{level: {level.value}, rag: {rag.value}}}"
        rules.append(f"  R-{number}: {{domain: d, title: t, cite: c, floor: {floor}, when: {when}}}")
    actions = "about: made up\nactions: {}"
    return {"facts.yaml": "\n".join(facts), "actions.yaml": actions, "policy.yaml": "\n".join(rules)}


def child(chance: Random, dictionary: Dictionary, stated: int) -> ChildFacts:
    """A made-up child of whom so many facts are stated, with one agency that has not answered."""
    said = []
    for name in chance.sample(list(dictionary.definitions), stated):
        one = dictionary.definitions[name]
        source = chance.choice(sorted(one.sources))
        said.append(StatedFact(Fact(fact=name, value=_value(chance, one), basis=Basis.OBSERVED), source))
    states = dict.fromkeys(dictionary.agencies, AgencyState.RETURNED)
    states[chance.choice(dictionary.agencies)] = AgencyState.PENDING
    return ChildFacts(tuple(said), states)


def _value(chance: Random, one: Definition) -> FactValue:
    if one.kind is Kind.YES_NO:
        return chance.random() < 0.5
    return chance.choice(one.steps) if one.kind is Kind.SCALE else chance.randint(0, min(one.maximum, 20))


Call = tuple[Callable[[Any], object], Sequence[Any]]


def timed(calls: dict[str, Call]) -> dict[str, float]:
    """Processor time of one call for each input, in microseconds.

    All take turns in every run, so that a machine that slows down slows them all; the quickest run counts.
    """
    least = dict.fromkeys(calls, float("inf"))
    for _ in range(RUNS):
        for name, (call, inputs) in calls.items():
            start = process_time_ns()
            for one in inputs:
                call(one)
            least[name] = min(least[name], (process_time_ns() - start) / len(inputs) / 1000)
    return {name: round(microseconds, 2) for name, microseconds in least.items()}


def plain_python(policy: Policy) -> Callable[[dict[str, Any]], tuple[list[int], int, int]]:
    """The rules as a Python programmer would write them: over a dictionary, unknown read by hand."""
    lines = ["def plain(facts):", "    fired = []"]
    for number, rule in enumerate(policy.rules):
        lines += [f"    if {_python(rule.condition)}:", f"        fired.append({number})"]
    lines += [
        "    level = max((LEVELS[number] for number in fired), default=LEVEL)",
        "    rag = max((RAGS[number] for number in fired), default=RAG)",
        "    return fired, level, rag",
    ]
    names: dict[str, Any] = {
        "LEVELS": [rule.level.rank for rule in policy.rules],
        "RAGS": [rule.rag.rank for rule in policy.rules],
        "LEVEL": policy.level.rank,
        "RAG": policy.rag.rank,
    }
    exec("\n".join(lines), names)  # noqa: S102 - made from the policy above
    plain: Callable[[dict[str, Any]], tuple[list[int], int, int]] = names["plain"]
    return plain


def _python(condition: Condition) -> str:
    if not isinstance(condition, Comparison):
        return _joined([_python(part) for part in condition.parts], condition.needed)
    one, get = condition.definition, f"facts.get({condition.definition.name!r})"
    if one.kind is Kind.YES_NO:
        return f"{get} is True" if one.higher_is_worse else f"{get} is not True"
    if one.kind is Kind.SCALE:
        return f"{get} in {one.steps[condition.rank :]!r}"
    unknown = (
        ("inf" if one.higher_is_worse else "-inf")
        if one.unknown_met
        else ("-inf" if one.higher_is_worse else "inf")
    )
    read = f"facts.get({one.name!r}, float({unknown!r}))"
    return f"{read} >= {condition.rank}" if one.higher_is_worse else f"{read} <= {condition.rank}"


def _joined(parts: list[str], needed: int) -> str:
    if needed == len(parts):
        return "(" + " and ".join(parts) + ")"
    if needed == 1:
        return "(" + " or ".join(parts) + ")"
    return "(" + " + ".join(f"({part})" for part in parts) + f" >= {needed})"


def _zen(condition: Condition) -> str:
    """The condition in ZEN's expression language, with the default for unknown written out as it must be."""
    if not isinstance(condition, Comparison):
        parts = [_zen(part) for part in condition.parts]
        if condition.needed in (1, len(parts)):
            return "(" + (" or " if condition.needed == 1 else " and ").join(parts) + ")"
        return "(" + " + ".join(f"({part} ? 1 : 0)" for part in parts) + f" >= {condition.needed})"
    one, name = condition.definition, _zen_name(condition.definition.name)
    if one.kind is Kind.YES_NO:
        return f"({name} ?? false)" if one.higher_is_worse else f"(not ({name} ?? false))"
    if one.kind is Kind.SCALE:
        return f"(({name} ?? '') in [{', '.join(repr(step) for step in one.steps[condition.rank :])}])"
    if one.higher_is_worse:
        return f"(({name} ?? -1) >= {condition.rank})"
    return f"(({name} ?? {-1 if one.unknown_met else 1_000_000}) <= {condition.rank})"


def _zen_name(fact: str) -> str:
    return fact.partition(".")[2]


def zen_rules(policy: Policy) -> dict[str, str]:
    """Every rule as an expression, and the level and urgency that follow."""
    rules = {f"r{number}": _zen(rule.condition) for number, rule in enumerate(policy.rules)}
    levels = [f"(r{number} ? {rule.level.rank} : 0)" for number, rule in enumerate(policy.rules)]
    rags = [f"(r{number} ? {rule.rag.rank} : 0)" for number, rule in enumerate(policy.rules)]
    return rules | {
        "level": f"max([{policy.level.rank}, {', '.join(levels)}])",
        "rag": f"max([{policy.rag.rank}, {', '.join(rags)}])",
    }


def zen_document(policy: Policy) -> zen.ZenEngine:
    """zen-engine's typed policy document."""
    kinds = {Kind.YES_NO: "boolean", Kind.SCALE: "string", Kind.COUNT: "number"}
    properties = [
        {"id": name, "name": _zen_name(name), "type": kinds[one.kind], "array": False, "optional": True}
        for name, one in policy.dictionary.definitions.items()
    ]
    model = {"name": "child", "scope": "global", "properties": properties}
    blocks: list[dict[str, Any]] = [{"id": "model", "type": "dataModel", "props": {"data": model}}]
    blocks += [
        {"id": key, "type": "expression", "props": {"data": {"key": key, "value": value}}}
        for key, value in zen_rules(policy).items()
    ]
    document = {"contentType": "application/vnd.gorules.policy", "blocks": blocks}
    return zen.ZenEngine({"loader": {"type": "static", "content": {"policy": document}}})


def zen_graph(policy: Policy) -> zen.ZenDecision:
    """zen-engine's graph: one node with an expression for each rule."""
    expressions = [
        {"id": key, "key": key, "value": value.replace("(r", "($.r") if key in ("level", "rag") else value}
        for key, value in zen_rules(policy).items()
    ]
    node = {
        "expressions": expressions,
        "passThrough": False,
        "inputField": None,
        "outputPath": None,
        "executionMode": "single",
    }
    nodes = [
        {"id": "in", "name": "in", "type": "inputNode", "content": {}},
        {"id": "rules", "name": "rules", "type": "expressionNode", "content": node},
        {"id": "out", "name": "out", "type": "outputNode", "content": {}},
    ]
    edges = [
        {"id": "1", "type": "edge", "sourceId": "in", "targetId": "rules"},
        {"id": "2", "type": "edge", "sourceId": "rules", "targetId": "out"},
    ]
    return zen.ZenEngine().create_decision(json.dumps({"nodes": nodes, "edges": edges}))


def beside_others(policy: Policy, children: Sequence[ChildFacts]) -> dict[str, object]:
    """Our figures beside zen-engine's and plain Python's, all of which must agree."""
    plain, document, graph = plain_python(policy), zen_document(policy), zen_graph(policy)
    known = [{one.fact.fact: one.fact.value for one in child.stated} for child in children]
    flat = [{_zen_name(fact): value for fact, value in one.items()} for one in known]
    trace: Any = {"trace": True}
    for facts, read, sent in zip(children, known, flat, strict=True):
        _agree(policy, facts, plain(read), document.evaluate("policy", sent), graph.evaluate(sent))
    by_name = timed(
        {
            "ours: decide": (lambda facts: decide(policy, encode(policy, facts)), children),
            "ours: explained": (lambda facts: evaluate(policy, facts), children),
            "plain Python": (plain, known),
            "zen-engine document": (lambda sent: document.evaluate("policy", sent), flat),
            "zen-engine document with trace": (lambda sent: document.evaluate("policy", sent, trace), flat),
            "zen-engine graph": (graph.evaluate, flat),
            "zen-engine graph with trace": (lambda sent: graph.evaluate(sent, trace), flat),
        }
    )
    decided, explained = by_name["ours: decide"], by_name["ours: explained"]
    traced = {form: by_name[f"zen-engine {form} with trace"] for form in ("document", "graph")}
    return {
        "rules": len(policy.rules),
        "facts": len(policy.dictionary.definitions),
        "children": len(children),
        "all_agree": True,
        "rules_fired_per_child": round(
            sum(len(evaluate(policy, one).fired) for one in children) / len(children), 1
        ),
        "microseconds": by_name,
        "decide_times_faster_than_zen_with_trace": {
            form: round(one / decided, 1) for form, one in traced.items()
        },
        "explained_times_faster_than_zen_with_trace": {
            form: round(one / explained, 1) for form, one in traced.items()
        },
        "wanted": {"decide_at_most": 15, "explained_at_most": 60, "times_faster": [10, 3]},
    }


def _agree(policy: Policy, facts: ChildFacts, plain: Any, document: Any, graph: Any) -> None:
    outcome, verdict = evaluate(policy, facts), decide(policy, encode(policy, facts))
    fired = [number for number in range(len(policy.rules)) if verdict.fired >> number & 1]
    found = (fired, verdict.level.rank, verdict.rag.rank)
    others = [plain] + [
        (
            [number for number in range(len(policy.rules)) if answer["result"][f"r{number}"]],
            answer["result"]["level"],
            answer["result"]["rag"],
        )
        for answer in (document, graph)
    ]
    if [one.rule for one in outcome.fired] != [policy.rules[number].id for number in fired]:
        raise SystemExit("the explained outcome names other rules")
    for other in others:
        if found != tuple(other):
            raise SystemExit(f"the engines differ: {found} and {other}")


def shipped(chance: Random) -> dict[str, object]:
    """The shipped policy's figures. One agency has not answered."""
    documents = read_texts(PARTNERSHIP)
    policy = load_policy(documents)
    children = [child(chance, policy.dictionary, STATED) for _ in range(CHILDREN)]
    waiting = ChildFacts((), dict.fromkeys(policy.dictionary.agencies, AgencyState.PENDING))
    outcomes = [evaluate(policy, one) for one in children]
    sizes = [len(one.model_dump_json(exclude_defaults=True)) for one in outcomes]
    return {
        "rules": len(policy.rules),
        "facts": len(policy.dictionary.definitions),
        "could_rise_share": round(sum(one.could_rise_to > one.level for one in outcomes) / CHILDREN, 2),
        "microseconds": timed(
            {
                "load": (lambda _: load_policy(documents), [None]),
                "decide": (lambda facts: decide(policy, encode(policy, facts)), children),
                "explained": (lambda facts: evaluate(policy, facts), children),
                "explained, nothing known": (lambda facts: evaluate(policy, facts), [waiting] * 100),
            }
        ),
        "stored_bytes": {"median": int(median(sizes)), "most": max(sizes)},
    }


def main() -> None:
    """Measures, and prints."""
    chance = Random(SEED)
    policy = load_policy(texts(chance))
    children = [child(chance, policy.dictionary, STATED) for _ in range(CHILDREN)]
    print(
        json.dumps(
            {"thirty_one_rules": beside_others(policy, children), "shipped": shipped(chance)}, indent=2
        )
    )


if __name__ == "__main__":
    main()

"""What is written differently in two versions of a policy, whether or not it changes an outcome."""

from collections.abc import Iterator
from dataclasses import fields

from services.triage.policy.conditions import Comparison, Condition
from services.triage.policy.english import floor_words
from services.triage.policy.rules import Policy, Rule


def what_differs(old: Rule, new: Rule, moved: frozenset[str]) -> tuple[str, ...]:
    """What is different in a rule."""
    reads = {one.definition.name for one in new.condition.comparisons()}
    named = {
        "title": old.title != new.title,
        "citation": old.citation != new.citation,
        "domain": old.domain != new.domain,
        "condition": written(old.condition) != written(new.condition),
        "meaning of its facts": not reads.isdisjoint(moved),
        "level": old.level != new.level,
        "urgency": old.rag != new.rag,
        "immediate danger": old.immediate != new.immediate,
        "actions": set(old.actions) != set(new.actions),
    }
    return tuple(name for name, differs in named.items() if differs)


def written(condition: Condition) -> object:
    """A condition as its file writes it, whatever its facts mean."""
    if isinstance(condition, Comparison):
        return condition.sentence()
    return (condition.wording, *(written(part) for part in condition.parts))


def beside_the_rules(old: Policy, new: Policy) -> Iterator[str]:
    """What differs beside the rules, a sentence for each."""
    if (old.level, old.rag) != (new.level, new.rag):
        yield f"When no rule holds: {floor_words(new.level, new.rag)}, was {floor_words(old.level, old.rag)}."
    mine, theirs = _sections(old), _sections(new)
    for section, before in mine.items():
        after = theirs[section]
        yield from (f"{section} `{name}` is new." for name in after if name not in before)
        yield from (f"{section} `{name}` is gone." for name in before if name not in after)
        yield from (
            f"{section} `{name}` is changed."
            for name in after
            if name in before and before[name] != after[name]
        )
    if old.texts.get("placement.yaml") != new.texts.get("placement.yaml"):
        yield "The rules of placement differ."


def _sections(policy: Policy) -> dict[str, dict[str, object]]:
    """What stands in a policy beside its rules, by id, without where it stands."""
    guarantees = policy.guarantees
    return {
        "Fact": dict(policy.dictionary.definitions),
        "Action": dict(policy.actions),
        "Guarantee": {
            one.id: (one.title, written(one.condition), one.level, one.rag, one.actions) for one in guarantees
        },
        "Decisive question": {one.id: (written(one.condition), one.ask, one.why) for one in policy.decisive},
        "Golden case": {
            one.id: tuple(getattr(one, field.name) for field in fields(one) if field.name != "place")
            for one in policy.golden
        },
    }

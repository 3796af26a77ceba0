"""Finds the parts of a condition that decide nothing: always true beside another part, or added for nothing.

Such a part is a mistake in writing: whoever wrote it thought that it says something.
"""

from collections.abc import Iterator, Sequence

from services.triage.policy.conditions import Comparison, Condition, Several


def redundancies(condition: Condition) -> Iterator[tuple[Condition, str]]:
    """Each part that decides nothing, with why."""
    yield from _within(condition, (), ())


def _within(
    condition: Condition, given: Sequence[Condition], instead: Sequence[Condition]
) -> Iterator[tuple[Condition, str]]:
    """`given` holds wherever this part matters, and any of `instead` would do in its place."""
    for one in given:
        if implies(one, condition):
            yield condition, f"is always true beside {_quoted(one)}"
            return
    for one in instead:
        if implies(condition, one):
            yield condition, f"adds nothing to {_quoted(one)}"
            return
    if isinstance(condition, Comparison):
        return
    seen: set[str] = set()
    for number, part in enumerate(condition.parts):
        others = [
            other
            for place, other in enumerate(condition.parts)
            # Of two parts that say the same, the later one is superfluous.
            if place < number or (place > number and not _same(part, other))
        ]
        if condition.needed == len(condition.parts):
            yield from _within(part, [*given, *others], instead)
        elif condition.needed == 1:
            yield from _within(part, given, [*instead, *others])
        else:
            names = {part.definition.name} if isinstance(part, Comparison) else set()
            if names & seen:
                yield part, "counts the same fact twice, and a fact counts once"
            else:
                yield from _within(part, given, instead)
            seen |= names


def implies(one: Condition, other: Condition) -> bool:
    """Whether the other condition holds wherever the one does, as far as their parts tell."""
    if one == other:
        return True
    if isinstance(one, Several) and one.needed == 1:
        return all(implies(part, other) for part in one.parts)
    if isinstance(other, Several) and other.needed == len(other.parts):
        return all(implies(one, part) for part in other.parts)
    if isinstance(one, Several) and one.needed == len(one.parts):
        return any(implies(part, other) for part in one.parts) or _one_does(one, other)
    if isinstance(other, Several):
        return _one_does(one, other)
    if isinstance(one, Several):
        return False
    return one.definition.name == other.definition.name and one.concern >= other.concern


def _one_does(one: Condition, other: Condition) -> bool:
    if isinstance(other, Comparison) or other.needed != 1:
        return False
    return any(implies(one, part) for part in other.parts)


def _same(one: Condition, other: Condition) -> bool:
    return implies(one, other) and implies(other, one)


def _quoted(condition: Condition) -> str:
    if isinstance(condition, Comparison):
        return f"`{condition.sentence()}`"
    return f"`{condition.wording}: …`"

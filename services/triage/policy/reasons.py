"""What a condition rests on, as generated Python functions: one reads what made it hold, one what it lacks to hold.

They are made like `compile.Program` is, and read a vector's two concerns beside the statements that it came from.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from services.triage.policy.compile import Ranks, expression
from services.triage.policy.conditions import Comparison, Condition
from services.triage.policy.facts import StatedFact
from services.triage.policy.vector import Statement

Said = Mapping[int, Sequence[Statement]]
"""The statements of each fact of which anything readable is stated, by its place."""

Findings = tuple[Sequence[StatedFact], int, int, int]
"""What a condition that could still hold rests on: the statements that reach the bounds of the parts that hold, in
the condition's order; and masks of the facts that are not known and could make it hold, of the silent agencies that
could state them, and of the open decisive questions that ask for them.
"""


@dataclass(frozen=True, slots=True)
class Reasons:
    """The reasons of one condition."""

    held: Callable[[Ranks, Said], tuple[list[StatedFact], int]]
    """Of one that holds: of every part that holds the statements that reach its bound, and the mask of the facts
    that nobody stated and that count as met.
    """
    lacking: Callable[[Ranks, Ranks, Said, Sequence[Findings]], Findings]
    """Of one that could hold and does not, by the definite and the possible concerns, the statements, and what each
    fact lacks that is not known.
    """


def compile_reasons(condition: Condition, places: Mapping[str, int]) -> Reasons:
    """Compiles the reasons of a condition over facts that stand at `places` of a vector.

    By itself: what the compiler takes for all of a policy's at once, the process would keep.
    """
    facts = [one.definition.name for one in condition.comparisons()]
    # A fact may stand in a condition twice; each of its statements is shown once.
    once = len(facts) == len(set(facts))
    evidence = "evidence" if once else "[*{id(one): one for one in evidence}.values()]"
    lines = [
        "def held(definite, said):",
        "    evidence, assumed = [], 0",
        *_indented(_held(condition, places, assumed=True)),
        f"    return {evidence}, assumed",
        "def lacking(definite, possible, said, lacks):",
    ]
    if isinstance(condition, Comparison):
        # It does not hold, so it is what is missing.
        lines.append(f"    return lacks[{places[condition.definition.name]}]")
    else:
        lines += [
            "    evidence, missing, agencies, questions = [], 0, 0, 0",
            *_indented(line for part in condition.parts for line in _lacking(part, places)),
            f"    return {evidence}, missing, agencies, questions",
        ]
    names: dict[str, Callable[..., object]] = {}
    exec(compile("\n".join(lines), "<reasons>", "exec"), names)  # noqa: S102 - made of numbers that the loader checked
    return Reasons(names["held"], names["lacking"])  # type: ignore[arg-type]


def _held(condition: Condition, places: Mapping[str, int], *, assumed: bool) -> Iterator[str]:
    """Lines that add the evidence of a condition that holds."""
    if isinstance(condition, Comparison):
        place = places[condition.definition.name]
        yield f"if {place} in said:"
        yield f"    for least, _, one in said[{place}]:"
        yield f"        if least >= {condition.concern}:"
        yield "            evidence.append(one)"
        if assumed:
            yield "else:"
            yield f"    assumed |= {1 << place:#x}"
        return
    for part in condition.parts:
        yield f"if {expression(part, places, 'definite')}:"
        yield from _indented(_held(part, places, assumed=assumed))


def _lacking(condition: Condition, places: Mapping[str, int]) -> Iterator[str]:
    """Lines that add what a part rests on that may hold, could hold or cannot."""
    if isinstance(condition, Comparison):
        place = places[condition.definition.name]
        yield f"if possible[{place}] >= {condition.concern}:"
        yield f"    if definite[{place}] < {condition.concern}:"
        yield f"        _, unknown, silent, asking = lacks[{place}]"
        yield "        missing |= unknown"
        yield "        agencies |= silent"
        yield "        questions |= asking"
        yield "    else:"
        yield from _indented(_indented(_held(condition, places, assumed=False)))
        return
    yield f"if {expression(condition, places, 'definite')}:"
    yield from _indented(_held(condition, places, assumed=False))
    yield f"elif {expression(condition, places, 'possible')}:"
    for part in condition.parts:
        yield from _indented(_lacking(part, places))


def _indented(lines: Iterator[str]) -> Iterator[str]:
    return ("    " + line for line in lines)

"""A policy's conditions as one generated Python function, which is read once and applied to every child.

A vector is read twice, as what is definite and as what is possible. A condition never falls when a fact rises, so
what does not hold on what is possible holds on nothing less and needs no second look.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from services.triage.policy.conditions import Comparison, Condition

Ranks = Sequence[int]
"""A concern for each fact, in the dictionary's order."""


@dataclass(frozen=True, slots=True)
class Program:
    """Conditions made executable. Bit n of a mask stands for the nth condition."""

    judge: Callable[[Ranks, Ranks], tuple[int, int]]
    """Of the definite and the possible concerns: the masks of the rules that hold, and of those that could."""
    asked: Callable[[Ranks], int]
    """Of the concerns: the mask of the decisive questions whose condition holds."""
    source: str


def compile_program(
    rules: Sequence[Condition], decisive: Sequence[Condition], places: Mapping[str, int]
) -> Program:
    """Compiles conditions over facts that stand at `places` of a vector."""
    lines = ["def judge(definite, possible):", "    fired = could = 0"]
    for number, condition in enumerate(rules):
        lines += [
            f"    if {expression(condition, places, 'possible')}:",
            f"        could |= {1 << number:#x}",
            f"        if {expression(condition, places, 'definite')}:",
            f"            fired |= {1 << number:#x}",
        ]
    lines += ["    return fired, could", "", "def asked(concerns):", "    mask = 0"]
    for number, condition in enumerate(decisive):
        lines += [f"    if {expression(condition, places, 'concerns')}:", f"        mask |= {1 << number:#x}"]
    lines += ["    return mask", ""]
    source = "\n".join(lines)
    names: dict[str, Callable[..., object]] = {}
    exec(compile(source, "<policy>", "exec"), names)  # noqa: S102 - made of numbers that the loader checked
    return Program(names["judge"], names["asked"], source)  # type: ignore[arg-type]


def expression(condition: Condition, places: Mapping[str, int], vector: str) -> str:
    """The Python expression that is true where the condition holds on the variable `vector`."""
    if isinstance(condition, Comparison):
        return f"{vector}[{places[condition.definition.name]}] >= {condition.concern}"
    parts = [f"({expression(part, places, vector)})" for part in condition.parts]
    if condition.needed == len(parts):
        return " and ".join(parts)
    if condition.needed == 1:
        return " or ".join(parts)
    return " + ".join(parts) + f" >= {condition.needed}"

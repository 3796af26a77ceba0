"""Checks a whole policy: that it can betray no child by its form, and that it says what the board promised.

What needs no solver is always checked, and quickly enough to be done whenever a policy is shown. The rest is proved
with the solver; without it those claims are said to be not tried, which is not the same as holding.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from time import perf_counter

from libs.schemas.document import parse_document
from services.triage.placement.loading import load_placement
from services.triage.placement.places import Places
from services.triage.policy.claims import Claim, Finding, Report, Status
from services.triage.policy.conditions import Condition
from services.triage.policy.coverage import Coverage
from services.triage.policy.english import case_words, listed
from services.triage.policy.monotone import Fall, Monotony
from services.triage.policy.placing import Misplaced, work_out
from services.triage.policy.points import Point, effect, holds, least_points
from services.triage.policy.promises import Promises, golden_faults, lacking
from services.triage.policy.proof import by_construction, enumerate_rules
from services.triage.policy.rules import Policy
from services.triage.policy.solver import GaveUp, available

BOUNDARY_POINTS = 8
"""At so many of a rule's boundaries the compiled function is compared with the rule as it is written."""

SOLVER_MISSING = "needs the solver, which is not installed (the extra `policy`)"


@dataclass(frozen=True, slots=True)
class Step:
    """One claim that can be tried. `tried` gives what speaks against it, and a word on what was looked at."""

    id: str
    title: str
    tried: Callable[[], tuple[list[Finding], str]]
    solver: bool = False

    def claim(self) -> Claim:
        """Tries the claim. What the solver gives up on was not tried, which is not the same as holding."""
        if self.solver and not available():
            return Claim(self.id, self.title, Status.NOT_TRIED, SOLVER_MISSING)
        begun = perf_counter()
        try:
            findings, detail = self.tried()
        except GaveUp as error:
            return Claim(self.id, self.title, Status.NOT_TRIED, str(error), (), perf_counter() - begun)
        status = Status.REFUTED if findings else Status.PROVED
        return Claim(self.id, self.title, status, detail, tuple(findings), perf_counter() - begun)


def check(
    policy: Policy, *, solver: bool = True, before: Callable[[Step], None] = lambda step: None
) -> Report:
    """Tries every claim, or without `solver` those that need none. `before` hears of each as it begins."""
    claims = []
    for step in steps(policy):
        if solver or not step.solver:
            before(step)
            claims.append(step.claim())
    return Report(policy.id, policy.version, policy.fingerprint, tuple(claims))


def steps(policy: Policy) -> tuple[Step, ...]:
    """The claims in the order in which they are tried, quickest first."""
    checker = _Checker(policy)
    return (
        Step("form", "No rule can lower an outcome, by the form of the rules", checker.form),
        Step(
            "cut_points",
            "No rule stops holding when a fact gets worse, worked out at every turn",
            checker.turns,
        ),
        Step("applied", "What is applied to children is what the rules say", checker.applied),
        Step("golden", "Every golden case comes out as it should", checker.golden),
        Step(
            "placement",
            "Placement never lowers a level, and sends none to who does not serve it",
            checker.placement,
        ),
        Step(
            "never_falls",
            "Level, urgency and what is obliged never fall when any facts get worse",
            checker.falls,
            solver=True,
        ),
        Step("certain_is_possible", "What is certain is always possible", checker.inversions, solver=True),
        Step("total", "Every child has exactly one level and one urgency", checker.total, solver=True),
        Step("rules_count", "Every rule adds something to some child's outcome", checker.rules, solver=True),
        Step(
            "facts_count",
            "Every fact can change an outcome or a place, or says why not",
            checker.facts,
            solver=True,
        ),
        Step(
            "questions_count", "Every decisive question can change an outcome", checker.questions, solver=True
        ),
        Step("guarantees", "Every guarantee holds for every child", checker.guarantees, solver=True),
    )


class _Checker:
    """The claims about one policy."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.definitions = policy.dictionary.definitions
        self._coverage = Coverage(policy)

    @cached_property
    def monotony(self) -> Monotony:
        """The two children of the solver's, made once."""
        return Monotony(self.policy)

    def form(self) -> tuple[list[Finding], str]:
        faults = by_construction(self.policy)
        return [self._rule(fault.rule, fault.message) for fault in faults], f"{len(self.policy.rules)} rules"

    def turns(self) -> tuple[list[Finding], str]:
        if by_construction(self.policy):
            return [], "not worked out, since the rules' form is at fault"
        done = enumerate_rules(self.policy)
        found = [
            self._rule(fault.rule, fault.message, self._case(fault.point) if fault.point is not None else "")
            for fault in done.faults
        ]
        return found, f"{done.points:,} combinations"

    def applied(self) -> tuple[list[Finding], str]:
        found, compared = [], 0
        places = self.policy.encoder.places
        blank = [0] * len(places)
        for number, rule in enumerate(self.policy.rules):
            for point in islice(_boundary(rule.condition), BOUNDARY_POINTS):
                concerns = blank.copy()
                for name, rank in point.items():
                    concerns[places[name]] = rank
                fired, could = self.policy.program.judge(concerns, concerns)
                compared += 1
                if fired != could or bool(fired >> number & 1) != holds(rule.condition, point):
                    message = "the compiled function does not say what the rule says"
                    found.append(self._rule(rule.id, message, self._case(point)))
                    break
        return found, f"{compared:,} comparisons"

    def golden(self) -> tuple[list[Finding], str]:
        found = []
        for case in self.policy.golden:
            faults = "; ".join(golden_faults(self.policy, case))
            if faults:
                found.append(Finding(str(case.place), case.id, faults, case.story))
        return found, f"{len(self.policy.golden)} cases"

    def falls(self) -> tuple[list[Finding], str]:
        found = [self._fall(fall, "falls where facts get worse") for fall in self.monotony.falls()]
        return found, "in 3 readings"

    def inversions(self) -> tuple[list[Finding], str]:
        return [self._fall(fall, "is certain and not possible") for fall in self.monotony.inversions()], ""

    def total(self) -> tuple[list[Finding], str]:
        found = [
            Finding("policy.yaml", name, "is not given, or given twice")
            for name in self.monotony.without_outcome()
        ]
        return found, ""

    def rules(self) -> tuple[list[Finding], str]:
        found = []
        for rule, others in self._coverage.idle_rules():
            given = listed(other.id for other in others[:3])
            message = (
                f"is shadowed: wherever it holds, others give its level, urgency and actions already (such as {given})"
                if others
                else "adds nothing to what holds when no rule does"
            )
            found.append(self._rule(rule.id, message, self._case(next(least_points(rule.condition)))))
        return found, f"{len(self.policy.rules)} rules"

    def placement(self) -> tuple[list[Finding], str]:
        if self._places is None:
            return [], "no placement.yaml"
        try:
            done = work_out(self._places)
        except ValueError as error:
            return [Finding("placement.yaml", "placement", str(error))], ""
        fewest: dict[tuple[str, str], Misplaced] = {}
        for fault in sorted(done.faults, key=lambda fault: len(fault.around)):
            fewest.setdefault((fault.line, fault.message), fault)
        found = [
            Finding(
                self._stands("placement.yaml", fault.line),
                fault.line,
                f"{fault.level} {fault.message}",
                f"With {listed(fault.around)}." if fault.around else "With nothing else known.",
            )
            for fault in fewest.values()
        ]
        return found, f"{done.inputs:,} inputs"

    @cached_property
    def _places(self) -> Places | None:
        text = self.policy.texts.get("placement.yaml")
        if text is None:
            return None
        return load_placement(parse_document(text, "placement.yaml"), self.policy.dictionary)

    def facts(self) -> tuple[list[Finding], str]:
        readings = self._places.readings.values() if self._places is not None else ()
        placed = {name for one in readings for name, _ in one.any_of}
        idle = set(self._coverage.idle_facts()) - placed
        found = [
            Finding(
                self._stands("facts.yaml", name),
                name,
                "can change neither outcome nor place, and no `no_effect` says that it may",
            )
            for name in sorted(idle)
            if self.definitions[name].no_effect is None
        ]
        found += [
            Finding(self._stands("facts.yaml", name), name, "says `no_effect`, and it has one")
            for name, one in self.definitions.items()
            if one.no_effect is not None and name not in idle
        ]
        excused = len(idle) - sum(finding.subject in idle for finding in found)
        return found, f"{len(self.definitions)} facts, {excused} excused"

    def questions(self) -> tuple[list[Finding], str]:
        found = [
            Finding(
                str(one.place), one.id, f"asks for `{name}`, whose answer can never change an outcome here"
            )
            for one, name in self._coverage.idle_questions()
        ]
        return found, f"{len(self.policy.decisive)} questions"

    def guarantees(self) -> tuple[list[Finding], str]:
        promises = Promises(self.policy)
        found = []
        for guarantee in self.policy.guarantees:
            point = promises.broken(guarantee)
            if point is not None:
                message = "does not hold: " + lacking(guarantee, effect(self.policy, point))
                found.append(Finding(str(guarantee.place), guarantee.id, message, self._case(point)))
        return found, f"{len(self.policy.guarantees)} guarantees"

    def _rule(self, name: str, message: str, case: str = "") -> Finding:
        place = next(rule.place for rule in self.policy.rules if rule.id == name)
        return Finding(str(place), name, message, case)

    def _case(self, point: Point) -> str:
        return case_words(self.definitions, point)

    def _fall(self, fall: Fall, message: str) -> Finding:
        rules = {rule.id: str(rule.place) for rule in self.policy.rules}
        case = f"Before: {self._case(fall.before)} After: {self._case(fall.after)}"
        return Finding(rules.get(fall.step, "policy.yaml"), fall.step, f"{message} ({fall.reading})", case)

    def _stands(self, file: str, name: str) -> str:
        """Where a key stands in a document: file and line."""
        text = self.policy.texts.get(file, "")
        found = re.search(rf"^[ \t]*(?={re.escape(name)}[ \t]*:)", text, re.MULTILINE)
        return f"{file}:{text.count(chr(10), 0, found.end()) + 1}" if found else file


def _boundary(condition: Condition) -> Iterator[Point]:
    """Points on either side of where a condition begins to hold."""
    for point in least_points(condition):
        yield point
        for name, rank in point.items():
            yield {**point, name: rank - 1}

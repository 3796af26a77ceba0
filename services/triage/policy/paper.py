"""The policy as a board reads it: every rule in English by threshold domain, what is promised, what a gap does."""

from collections.abc import Iterator, Sequence
from itertools import islice

from libs.schemas.dictionary import Definition, Polarity
from libs.schemas.levels import Level
from services.triage.policy.claims import Claim, Report, Status
from services.triage.policy.conditions import Comparison, Condition, Several
from services.triage.policy.english import (
    LEVELS,
    case_words,
    definition_words,
    floor_words,
    heading,
    listed,
    within_words,
    words,
)
from services.triage.policy.evaluation import decide, evaluate
from services.triage.policy.page import Block, Grid, Heading, Page, Paragraph, Points
from services.triage.policy.points import Point, effect, least_points
from services.triage.policy.rules import BEFORE, Decisive, GoldenCase, Guarantee, Policy, Rule
from services.triage.policy.vector import encode

SMALLEST_CASES = 3
"""How many of a rule's smallest cases its own page tells."""

STATUS = {Status.PROVED: "proved", Status.REFUTED: "REFUTED", Status.NOT_TRIED: "not tried"}


def board_paper(policy: Policy, proof: Report | None = None) -> Page:
    """The whole policy. `proof` is the report of `check`; without it the paper says that nothing was proved here."""
    return Page(
        (
            Heading(1, f"Thresholds: {policy.id}, version {policy.version}"),
            *_standing(policy),
            *_how_to_read(policy),
            *_proof(policy, proof),
            *_rules(policy),
            *_guarantees(policy, proof),
            *_gaps(policy),
            *_golden(policy),
            *_dictionary(policy),
        )
    )


def rule_page(policy: Policy, name: str) -> Page:
    """One rule in full. Raises KeyError where the policy has none of that id."""
    rule = next((rule for rule in policy.rules if rule.id == name), None)
    if rule is None:
        raise KeyError(name)
    definitions = policy.dictionary.definitions
    facts = [
        definitions[fact]
        for fact in dict.fromkeys(one.definition.name for one in rule.condition.comparisons())
    ]
    blocks: list[Block] = [Heading(1, f"{rule.id}: {rule.title}"), *_rule(policy, rule, depth=None)]
    blocks += [
        Heading(2, "Facts that it reads"),
        Points([definition_words(one) for one in facts]),
        Heading(2, "Smallest cases"),
        Paragraph("Children of whom just enough is known for the rule to hold."),
        Points(
            [
                f"{case_words(definitions, point)} Outcome: {_outcome(policy, point)}."
                for point in islice(least_points(rule.condition), SMALLEST_CASES)
            ]
        ),
    ]
    promised = [one for one in policy.guarantees if _reads(one) & _reads(rule)]
    if promised:
        blocks += [
            Heading(2, "Guarantees about the same facts"),
            Points([f"{one.id}: {one.title}" for one in promised]),
        ]
    fired = [case for case in policy.golden if _fires(policy, rule, case)]
    if fired:
        blocks += [
            Heading(2, "Golden cases in which it holds"),
            Points([f"{case.id}: {case.story}" for case in fired]),
        ]
    return Page(tuple(blocks))


def _standing(policy: Policy) -> Iterator[Block]:
    if policy.sign_off.strip().lower() in ("", "none"):
        yield Paragraph("No board has adopted this policy.", "Not signed off.")
    else:
        yield Paragraph(f"Signed off: {policy.sign_off}.")
    yield Paragraph(f"In effect from {policy.effective}. Fingerprint {policy.fingerprint}.")


def _how_to_read(policy: Policy) -> Iterator[Block]:
    yield Heading(2, "How to read it")
    yield Paragraph(
        "Each rule is a floor: where what it describes is known, the child's level of need and urgency are at least "
        "what it says. The highest floor wins, in whatever order the rules stand. Nothing is added up and no rule "
        f"lowers. When no rule holds, the outcome is {floor_words(policy.level, policy.rag)}. It is a recommendation: "
        "a named person decides."
    )
    counts = {level: sum(rule.level is level for rule in policy.rules) for level in reversed(Level)}
    yield Grid(
        "Levels of need",
        ("Level", "Meaning", "Rules"),
        [(heading(level.value), LEVELS[level], str(count)) for level, count in counts.items()],
    )


def _proof(policy: Policy, proof: Report | None) -> Iterator[Block]:
    yield Heading(2, "What is proved")
    if proof is None:
        yield Paragraph("Nothing was proved for this page: `mash policy check` does.")
        return
    if proof.fingerprint != policy.fingerprint:
        yield Paragraph("These results are another version's.", "Not of this policy.")
    yield Grid(
        "Claims about every child that could be",
        ("Claim", "Status", "Looked at"),
        [(claim.title, STATUS[claim.status], claim.detail) for claim in proof.claims],
    )
    for claim in proof.refuted:
        yield Points([_finding(claim, place) for place in range(len(claim.findings))])


def _finding(claim: Claim, place: int) -> str:
    finding = claim.findings[place]
    case = f" Smallest case: {finding.case}" if finding.case else ""
    return f"{finding}.{case}"


def _rules(policy: Policy) -> Iterator[Block]:
    domains = dict.fromkeys([*policy.domains, *(rule.domain for rule in policy.rules)])
    for domain in domains:
        rules = [rule for rule in policy.rules if rule.domain == domain]
        if rules:
            yield Heading(2, policy.domains.get(domain) or heading(domain) or "Rules")
        for rule in sorted(rules, key=lambda rule: (-list(Level).index(rule.level), rule.id)):
            yield from _rule(policy, rule, depth=3)


def _rule(policy: Policy, rule: Rule, depth: int | None) -> Iterator[Block]:
    if depth is not None:
        yield Heading(depth, f"{rule.id}: {rule.title}")
    yield from _condition(rule.condition)
    yield Paragraph(f"{floor_words(rule.level, rule.rag)}.", "At least:")
    if rule.immediate:
        yield Paragraph("In the duty team's queue at once, before any check is made.", "Immediate danger.")
    yield from _obliged(policy, rule.actions)
    yield Paragraph(rule.citation + ".", "Source:")


def _obliged(policy: Policy, actions: Sequence[str]) -> Iterator[Block]:
    if len(actions) == 1:
        yield Paragraph(f"{_action(policy, actions[0])}.", "Obliges:")
    elif actions:
        yield Paragraph("", "Obliges:")
        yield Points([_action(policy, action) for action in actions])


def _condition(condition: Condition) -> Iterator[Block]:
    """When a rule holds: as one sentence where it has one part, else part by part."""
    if isinstance(condition, Comparison):
        yield Paragraph(f"{condition.english()}.", "When:")
        return
    yield Paragraph(_joined(condition), "When")
    yield _parts(condition)


def _parts(condition: Several) -> Points:
    return Points(
        [
            part.english() if isinstance(part, Comparison) else (_joined(part), _parts(part))
            for part in condition.parts
        ]
    )


def _joined(condition: Several) -> str:
    if condition.needed == len(condition.parts):
        return "all of these hold:" if len(condition.parts) > 1 else "this holds:"
    return "any of these holds:" if condition.needed == 1 else f"at least {condition.needed} of these hold:"


def _action(policy: Policy, name: str) -> str:
    action = policy.actions.get(name)
    if action is None:
        return words(name)
    if action.before is not None:
        return f"{action.label} (before {BEFORE[action.before]})"
    if action.minutes is None:
        return action.label
    return f"{action.label} ({within_words(action.minutes, action.unit or 'elapsed')})"


def _guarantees(policy: Policy, proof: Report | None) -> Iterator[Block]:
    if not policy.guarantees:
        return
    yield Heading(2, "Guarantees")
    yield Paragraph("What the board promises of every child to whom this applies, whatever the rules say.")
    claim = proof.claim("guarantees") if proof is not None else None
    broken = {finding.subject for finding in claim.findings} if claim is not None else set()

    def status(one: Guarantee) -> str:
        if claim is None or claim.status is Status.NOT_TRIED:
            return "not tried"
        return "REFUTED" if one.id in broken else "proved"

    for one in policy.guarantees:
        yield Heading(3, f"{one.id}: {one.title}")
        yield from _condition(one.condition)
        if one.level or one.rag:
            yield Paragraph(f"{floor_words(one.level, one.rag)}.", "At least:")
        yield from _obliged(policy, one.actions)
        yield Paragraph(f"{status(one)}.", "Status:")


def _gaps(policy: Policy) -> Iterator[Block]:
    definitions = policy.dictionary.definitions.values()
    yield Heading(2, "What a gap does")
    yield Paragraph(
        "What is not known is never read as no. An agency that was not asked, has not answered, declined or could "
        "not be reached leaves open what it might know: the outcome then also says what it could still rise to and "
        "whose answer that hangs on. An agency that holds nothing cancels nobody else's evidence. A gap never lowers "
        "an outcome."
    )
    sources = dict.fromkeys(sorted({source for one in definitions for source in one.gap_raises}))
    if sources:
        yield Paragraph(
            "While one of these has not answered in its time, the urgency is raised, to amber at the most, as far as "
            "these facts could bring it:"
        )
        yield Points(
            [
                f"{heading(source)}: {listed(one.label for one in definitions if source in one.gap_raises)}"
                for source in sources
            ]
        )
    met = [one for one in definitions if one.unknown_met]
    if met:
        yield Paragraph(
            "These count as met until somebody says otherwise, because that is the cautious reading:"
        )
        yield Points([_unknown(one) for one in met])
    if policy.decisive:
        yield Paragraph(
            "A question that the referrer did not answer is treated as open where it is decisive:"
        )
        yield Points([_decisive(policy, one) for one in policy.decisive])


def _unknown(one: Definition) -> str:
    if one.polarity is Polarity.PROTECTIVE:
        return f"not confirmed that {one.label}"
    if one.higher_is_worse:
        return one.label
    return f"{one.label}: the lowest that it could be"


def _decisive(policy: Policy, one: Decisive) -> str:
    questions = [policy.dictionary.definitions[name].question for name in one.ask]
    return f"When {one.condition.english()}: {' '.join(questions)} Why: {one.why}"


def _golden(policy: Policy) -> Iterator[Block]:
    if not policy.golden:
        return
    yield Heading(2, "Cases that it was tried on")
    rows = []
    for case in policy.golden:
        outcome = evaluate(policy, case.known())
        least = floor_words(case.level, case.rag)
        rows.append((case.id, case.story, least, floor_words(outcome.level, outcome.rag)))
    yield Grid("Golden cases", ("Case", "Story", "At least", "Comes out as"), rows)


def _dictionary(policy: Policy) -> Iterator[Block]:
    yield Heading(2, "Facts")
    yield Paragraph(
        "What may be stated about a child. Whether a fact counts as risk or protection is the board's to sign: the "
        "proofs rest on it."
    )
    yield Points([definition_words(one) for one in policy.dictionary.definitions.values()])


def _outcome(policy: Policy, point: Point) -> str:
    given = effect(policy, point)
    return floor_words(given.level, given.rag)


def _reads(one: Rule | Guarantee) -> set[str]:
    return {each.definition.name for each in one.condition.comparisons()}


def _fires(policy: Policy, rule: Rule, case: GoldenCase) -> bool:
    verdict = decide(policy, encode(policy, case.known()))
    return bool(verdict.fired >> policy.rules.index(rule) & 1)

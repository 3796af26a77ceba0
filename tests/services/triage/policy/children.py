"""Made-up policies, and made-up children with gaps of every kind, for properties that hold of all of them."""

from dataclasses import replace
from functools import cache, partial
from random import Random

from hypothesis import strategies as st

from libs.schemas.dictionary import DERIVED, REFERRER, STAFF, Definition, Dictionary, Kind, Polarity
from libs.schemas.document import Place
from libs.schemas.findings import NOT_UNDERSTOOD, AgencyState, Basis, Between, Fact, FactValue
from libs.schemas.levels import Level, Rag
from services.triage.policy import ChildFacts, Decisive, Policy, Rule, StatedFact
from services.triage.policy.conditions import Comparison, Condition, Several

AGENCIES = ("early_help", "education", "health", "marac", "police", "social_care")
ANSWERED = (AgencyState.RETURNED, AgencyState.NOTHING_HELD)
SILENT = tuple(state for state in AgencyState if state not in ANSWERED)
OVERDUE = (AgencyState.NO_ANSWER, AgencyState.UNAVAILABLE, AgencyState.DECLINED)
NOWHERE = Place("policy.yaml", 1, 1)


@cache
def made_up(seed: int) -> Policy:
    """A made-up policy. Its rules may be redundant: what they mean is still one thing.

    Made by chance and not drawn part by part, which would take most of a test's time.
    """
    chance = Random(seed)
    dictionary = Dictionary("1", {one.name: one for one in map(partial(_definition, chance), range(8))}, "")
    some = chance.sample(list(dictionary.definitions.values()), chance.randint(3, 8))
    rules = tuple(
        Rule(
            id=f"R-{number}",
            domain="d",
            title="t",
            citation="c",
            condition=_condition(chance, some, 3),
            level=chance.choice(list(Level)),
            rag=chance.choice(list(Rag)),
            immediate=chance.random() < 0.3,
            actions=tuple(chance.sample(["one", "two", "three"], chance.randint(0, 2))),
            sentence="s",
            place=NOWHERE,
        )
        for number in range(chance.randint(1, 7))
    )
    askable = [one.name for one in some if REFERRER in one.sources]
    decisive = tuple(
        Decisive(f"D-{number}", _condition(chance, some, 2), (chance.choice(askable),), "why", NOWHERE)
        for number in range(chance.randint(0, 2) if askable else 0)
    )
    return Policy(
        "made-up",
        "1",
        "2026-01-01",
        "none",
        Level.UNIVERSAL,
        Rag.BLUE,
        rules,
        dictionary,
        "f",
        decisive=decisive,
    )


def _definition(chance: Random, number: int) -> Definition:
    polarity = chance.choice([Polarity.RISK, Polarity.RISK, *Polarity])
    kinds = {
        Polarity.RISK: list(Kind),
        Polarity.NEUTRAL: [Kind.YES_NO, Kind.COUNT],
        Polarity.LOWER_IS_WORSE: [Kind.COUNT],
        Polarity.PROTECTIVE: [Kind.YES_NO],
    }
    kind = chance.choice(kinds[polarity])
    steps = tuple(f"step_{one}" for one in range(chance.randint(2, 4))) if kind is Kind.SCALE else ()
    sources = frozenset(chance.sample([REFERRER, *AGENCIES], chance.randint(1, 5)))
    return Definition(
        name=f"child.fact_{number}",
        kind=kind,
        polarity=polarity,
        label=f"fact {number}",
        question="?",
        sources=sources,
        steps=steps,
        maximum=chance.randint(2, 9) if kind is Kind.COUNT else max(len(steps) - 1, 1),
        unknown_met=polarity is Polarity.PROTECTIVE or chance.random() < 0.3,
        gap_raises=frozenset(one for one in sources if chance.random() < 0.5),
        citation="c",
    )


def _condition(chance: Random, facts: list[Definition], depth: int) -> Condition:
    if depth == 0 or chance.random() < 0.4:
        fact = chance.choice(facts)
        return Comparison(fact, chance.randint(1, fact.maximum))
    parts = tuple(_condition(chance, facts, depth - 1) for _ in range(chance.randint(1, 4)))
    return Several(parts, chance.randint(1, len(parts)), "at least N of")


policies = st.integers(0, 499).map(made_up)


# To make a strategy costs more than to draw from it, so each is made once.
@cache
def values(definition: Definition) -> st.SearchStrategy[FactValue]:
    """Any value that the dictionary knows, a count also within bounds."""
    if definition.kind is Kind.YES_NO:
        return st.booleans()
    if definition.kind is Kind.SCALE:
        return st.sampled_from(definition.steps)
    counts = st.integers(0, definition.maximum)
    between = st.tuples(counts, counts).map(lambda two: Between(at_least=min(two), at_most=max(two)))
    return counts | between


@cache
def _said(definition: Definition) -> st.SearchStrategy[FactValue]:
    """What may be said of a fact, a third of it not understood."""
    return st.one_of(values(definition), values(definition), st.just(NOT_UNDERSTOOD))


@cache
def _by(definition: Definition) -> st.SearchStrategy[str]:
    """Who may say it."""
    return st.sampled_from(sorted(definition.sources - {STAFF, DERIVED}))


@cache
def _places(count: int) -> st.SearchStrategy[list[int]]:
    """Which of so many facts are stated."""
    return st.lists(st.sampled_from(range(count)), max_size=7)


_known = st.tuples(*[st.sampled_from([*AgencyState, None])] * len(AGENCIES))
_partly = st.frozensets(st.sampled_from(AGENCIES), max_size=1)


def _child(draw: st.DrawFn, dictionary: Dictionary) -> ChildFacts:
    definitions = list(dictionary.definitions.values())
    facts = [definitions[place] for place in draw(_places(len(definitions)))]
    said = tuple([stated(one.name, draw(_said(one)), draw(_by(one))) for one in facts])
    known = zip(AGENCIES, draw(_known), strict=True)
    states = {agency: state for agency, state in known if state is not None}
    return ChildFacts(said, states, draw(_partly))


@st.composite
def children(draw: st.DrawFn, dictionary: Dictionary) -> ChildFacts:
    """What may be known of a child: statements by those who may make them, some not understood, and any silence."""
    return _child(draw, dictionary)


@st.composite
def _any_child(draw: st.DrawFn) -> tuple[Policy, ChildFacts]:
    policy = draw(policies)
    return policy, _child(draw, policy.dictionary)


any_child = _any_child()


def stated(name: str, value: FactValue, source: str = REFERRER) -> StatedFact:
    """A plain statement."""
    return StatedFact(Fact(fact=name, value=value, basis=Basis.OBSERVED), source)


def at_concern(definition: Definition, concern: int) -> FactValue:
    """The value of a fact at a concern."""
    rank = definition.concern(concern)
    if definition.kind is Kind.YES_NO:
        return bool(rank)
    return definition.steps[rank] if definition.kind is Kind.SCALE else rank


def worsened(dictionary: Dictionary, fact: StatedFact, by: int) -> StatedFact:
    """The same statement, that much more concerning; one that cannot be read stays as it is."""
    definition = dictionary.definitions[fact.fact.fact]
    concerns = definition.concerns(fact.fact.value)
    if concerns is None:
        return fact
    value = at_concern(definition, min(concerns[0] + by, definition.maximum))
    if isinstance(fact.fact.value, Between):
        least, greatest = (min(one + by, definition.maximum) for one in concerns)
        ranks = sorted((definition.concern(least), definition.concern(greatest)))
        value = Between(at_least=ranks[0], at_most=ranks[1])
    return replace(fact, fact=fact.fact.model_copy(update={"value": value}))

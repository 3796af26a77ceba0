"""Finds what is missing from a data-sharing agreement, what stands twice, what ends soon and what nothing uses."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from itertools import combinations

from libs.schemas.dictionary import DERIVED, REFERRER, STAFF, Dictionary
from libs.schemas.document import nearest
from services.enrichment.asking.question import FIELD_OF
from services.enrichment.sharing.agreement import Agreement, Signed
from services.enrichment.sharing.decision import Line, Needed
from services.enrichment.sharing.permission import About

OWN = frozenset({REFERRER, DERIVED, STAFF})
"""Sources that are nobody to be asked."""

OF_THE_HOME = ("household.", "family.", "referral.")
"""Facts that count for every child of a home, whichever of them they were stated about."""

Facts = Mapping[str, frozenset[str]]
"""The facts that each agency may state, or each item may bring."""


class Kind(StrEnum):
    """What is wrong, what is worst first."""

    GAP = "gap"
    EXPIRY = "expiry"
    OVERLAP = "overlap"
    UNUSED = "unused"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to put right, in a sentence."""

    kind: Kind
    agency: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the partnership's other files know.

    `agencies`: the ids of those that can be asked. `uses`: for an agency, the fields that its way of being asked can
    send on; an agency that is not in it is taken to use whatever it gets.
    """

    dictionary: Dictionary
    agencies: frozenset[str]
    uses: Mapping[str, frozenset[str]] = field(default_factory=dict)


def fields_used(expressions: Iterable[str]) -> frozenset[str]:
    """The fields that an agency's interface sends on, by the expressions that fill in what it is asked with."""
    words = {word for text in expressions for word in re.findall(r"\w+", text)}
    used = {field for part, field in FIELD_OF.items() if part in words}
    if words & {"mother", "person"}:
        used.add("mother")
    if "adults" in words:
        used |= {"adults", "suspect"}
    return frozenset(used)


def check(agreement: Agreement, around: Surroundings, on: date, within: timedelta) -> list[Finding]:
    """What is wrong on a day, with what ends within a time after it, worst first."""
    facts = _sources(around.dictionary)
    brings = {
        name: frozenset(filter(item.brings, around.dictionary.definitions))
        for name, item in agreement.items.items()
    }
    found = [
        *_agencies(agreement, around, facts.keys()),
        *_facts(agreement, around, facts, brings),
        *_protection(agreement),
        *_dates(agreement, on, within),
        *_twice(agreement, facts, brings),
        *_unused(agreement, around, facts, brings),
    ]
    kinds = list(Kind)
    return sorted(found, key=lambda one: (kinds.index(one.kind), one.agency or "", one.text))


def _sources(dictionary: Dictionary) -> Facts:
    """For each agency that the dictionary names as a source, the facts that it may state."""
    facts: dict[str, set[str]] = {}
    for definition in dictionary.definitions.values():
        for source in definition.sources - OWN:
            facts.setdefault(source, set()).add(definition.name)
    return {source: frozenset(names) for source, names in facts.items()}


def _agencies(agreement: Agreement, around: Surroundings, sources: Set[str]) -> Iterator[Finding]:
    known = around.agencies | sources
    agreed = {line.agency for line in agreement.lines}
    for agency in sorted(known - agreed):
        yield Finding(Kind.GAP, agency, "no line covers it: it is never asked")
    for agency in sorted(set(agreement.agencies) - known):
        hint = nearest(agency, sorted(known))
        yield Finding(
            Kind.UNUSED, agency, f"no file says how it is asked, and no fact names it as a source{hint}"
        )
    for agency in sorted((agreed & around.agencies) - agreement.leads):
        text = "names no safeguarding lead: it is not asked where the person thought to harm works for it"
        yield Finding(Kind.GAP, agency, text)


def _facts(agreement: Agreement, around: Surroundings, facts: Facts, brings: Facts) -> Iterator[Finding]:
    definitions = around.dictionary.definitions
    for item in agreement.items.values():
        for name in item.facts:
            if not any(_same(name, fact) for fact in brings[item.name]):
                hint = nearest(name, sorted(definitions))
                yield Finding(Kind.UNUSED, None, f"the item `{item.name}` names no fact with `{name}`{hint}")
        if item.about is About.HOUSEHOLD:
            for fact in brings[item.name]:
                if fact.startswith(OF_THE_HOME):
                    continue
                text = (
                    f"the item `{item.name}` is asked once for a household, and `{fact}` is one child's own"
                )
                yield Finding(Kind.GAP, None, text)
    for agency, stated in sorted(facts.items()):
        items = {line.item for line in agreement.lines if line.agency == agency}
        if items:
            for fact in sorted(stated.difference(*(brings[name] for name in items))):
                yield Finding(Kind.GAP, agency, f"may state `{fact}`, and no line asks for it")


def _same(name: str, fact: str) -> bool:
    return name == fact or (name.endswith(".*") and fact.startswith(name.removesuffix("*")))


def _protection(agreement: Agreement) -> Iterator[Finding]:
    """Items that a refusal of the family would hold back although a child may be suffering significant harm."""
    for agency in agreement.agencies:
        lines = [line for line in agreement.lines if line.agency == agency]
        safe = {line.item for line in lines if line.ground.agreement is Needed.NOT_NEEDED}
        for item in sorted({line.item for line in lines} - safe):
            text = f"`{item}` is not asked without the family's agreement, whatever harm is suspected"
            yield Finding(Kind.GAP, agency, text)


def _dates(agreement: Agreement, on: date, within: timedelta) -> Iterator[Finding]:
    for agency in agreement.agencies:
        signed = sorted((one for one in agreement.signed if one.agency == agency), key=lambda one: one.starts)
        until = _in_force_until(signed, on)
        if until is None:
            ended = [one.ends for one in signed if one.ends < on]
            later = [one.starts for one in signed if one.starts > on]
            if later:
                yield Finding(Kind.EXPIRY, agency, f"nothing is in force before {_day(min(later))}")
            elif ended:
                yield Finding(Kind.EXPIRY, agency, f"expired on {_day(max(ended))}: it is not asked")
        elif until <= on + within:
            days = (until - on).days
            yield Finding(
                Kind.EXPIRY, agency, f"ends on {_day(until)}, {_in_days(days)}, and nothing follows it"
            )


def _in_force_until(signed: Sequence[Signed], on: date) -> date | None:
    """The last day of the unbroken time in force that a day lies in."""
    until: date | None = None
    for one in signed:
        if one.starts <= on <= one.ends or (until is not None and one.starts <= until + timedelta(days=1)):
            until = one.ends if until is None else max(until, one.ends)
    return until


def _in_days(days: int) -> str:
    return {0: "today", 1: "in one day"}.get(days, f"in {days} days")


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _twice(agreement: Agreement, facts: Facts, brings: Facts) -> Iterator[Finding]:
    alike: dict[tuple[str, str, str], list[Line]] = {}
    for line in agreement.lines:
        alike.setdefault((line.agency, line.item, line.ground.name), []).append(line)
    for (agency, item, ground), lines in alike.items():
        if any(
            one.starts <= other.ends and other.starts <= one.ends for one, other in combinations(lines, 2)
        ):
            text = f"`{item}` on the ground `{ground}` stands twice for the same days"
            yield Finding(Kind.OVERLAP, agency, text)
    for agency in agreement.agencies:
        names = sorted({line.item for line in agreement.lines if line.agency == agency})
        for first, second in combinations(names, 2):
            both = sorted(brings[first] & brings[second] & facts.get(agency, frozenset()))
            if both:
                text = f"`{first}` and `{second}` both ask for {', '.join(f'`{fact}`' for fact in both)}"
                yield Finding(Kind.OVERLAP, agency, text)


def _unused(agreement: Agreement, around: Surroundings, facts: Facts, brings: Facts) -> Iterator[Finding]:
    items = {line.item for line in agreement.lines}
    for name in sorted(set(agreement.items) - items):
        yield Finding(Kind.UNUSED, None, f"no line asks for the item `{name}`")
    for name in sorted(set(agreement.grounds) - {line.ground.name for line in agreement.lines}):
        yield Finding(Kind.UNUSED, None, f"no line rests on the ground `{name}`")
    for agency in agreement.agencies:
        lines = [line for line in agreement.lines if line.agency == agency]
        for name in sorted({line.item for line in lines}):
            if agency in facts and brings[name].isdisjoint(facts[agency]):
                text = f"is asked for `{name}`, and the dictionary takes no fact of it from there"
                yield Finding(Kind.UNUSED, agency, text)
        listed = frozenset().union(*(line.fields for line in lines))
        for sent in sorted(listed - around.uses.get(agency, listed)):
            text = f"the field `{sent}` is listed, and the way in which it is asked has no use for it"
            yield Finding(Kind.UNUSED, agency, text)

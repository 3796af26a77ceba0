"""Every expression of a dialect with its place in the file, and the document that it reads."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from services.enrichment.dialects.expressions import Expression, field_named
from services.enrichment.dialects.terms import ASK, Coded, Dialect, FactsByCode, Pages, Template

CANDIDATE = "who"
"""The document of whoever was found."""

ALL = ""
"""All documents of an exchange, each under its name."""


@dataclass(frozen=True, slots=True)
class Used:
    """One expression: where it stands, what it reads, and the codes that the file gives what it picks."""

    place: str
    expression: Expression
    reads: str
    """A document's name, `ALL`, or the place of the expression whose members it reads."""
    codes: frozenset[str] | None = None


def used(dialect: Dialect) -> Iterator[Used]:
    """What is read of an agency's answers, in the order of the file."""
    ask, reads = dialect.ask, dialect.reads
    if ask.pages is not None:
        yield from _pages("ask.pages", ask.pages, ASK)
    if ask.states is not None:
        yield Used("ask.state", ask.states.read, ASK, frozenset(ask.states.codes))
    if ask.who is not None:
        yield Used("ask.who.each", ask.who.each, ASK)
        for name in ("certain", "family_name", "given_name", "born", "nhs_number", "upn"):
            one: Expression | None = getattr(ask.who, name)
            if one is not None:
                yield Used(f"ask.who.{name}", one, "ask.who.each")
    for section in dialect.sections:
        if section.pages is not None:
            yield from _pages(f"sections.{section.name}.pages", section.pages, section.name)
        for name in re.findall(r"\{(\w+)\}", section.path):
            yield Used(f"sections.{section.name}.get.{name}", field_named(name), "ask.who.each")
        for theirs, ours in section.same.values():
            yield Used(f"sections.{section.name}.same", theirs, section.name)
            yield Used(f"sections.{section.name}.same", ours, "ask.who.each")
    for name in ("as_of", "coverage_from", "coverage_to", "narrative"):
        single: Expression | None = getattr(reads, name)
        if single is not None:
            yield Used(f"reads.{name}", single, ALL)
    yield from _facts(dialect)
    if reads.plans is not None:
        yield Used("reads.plans.each", reads.plans.each, ALL)
        yield from _coded("reads.plans.kind", reads.plans.kind, "reads.plans.each")
        for name in ("opened", "closed"):
            day: Expression | None = getattr(reads.plans, name)
            if day is not None:
                yield Used(f"reads.plans.{name}", day, "reads.plans.each")
    for part, fields in (("worker", reads.worker), ("dash", reads.dash)):
        for name, read in fields.items():
            yield Used(f"reads.{part}.{name}", read, ALL)
    if reads.people is not None:
        yield Used("reads.people.each", reads.people.each, ALL)
        yield from _coded("reads.people.relation", reads.people.relation, "reads.people.each")
        for name, read in reads.people.fields.items():
            yield Used(f"reads.people.{name}", read, "reads.people.each")


def _pages(place: str, pages: Pages, reads: str) -> Iterator[Used]:
    for name, one in (("next", pages.next), ("more", pages.more)):
        if one is not None:
            yield Used(f"{place}.{name}", one, reads)


def _facts(dialect: Dialect) -> Iterator[Used]:
    for number, each in enumerate(dialect.reads.facts):
        place = f"reads.facts[{number}]"
        if not isinstance(each, FactsByCode):
            yield Used(f"{place}.value", each.value, ALL)
            continue
        yield Used(f"{place}.each", each.each, ALL)
        yield Used(f"{place}.code", each.code, f"{place}.each", frozenset(each.means))
        if each.on is not None:
            yield Used(f"{place}.on", each.on, f"{place}.each")
        for name, coded in (("basis", each.basis), ("period", each.period)):
            if isinstance(coded, Coded):
                yield from _coded(f"{place}.{name}", coded, f"{place}.each")


def _coded(place: str, coded: Coded, reads: str) -> Iterator[Used]:
    # With `otherwise` every code means something.
    codes = frozenset(coded.codes) if coded.otherwise is None else None
    yield Used(place, coded.read, reads, codes)


def sent(template: Template, path: str = "") -> Iterator[str]:
    """The fields that a body may bear, as paths with dots."""
    if isinstance(template, Mapping):
        for name, one in template.items():
            inner = f"{path}.{name}" if path else name
            yield inner
            yield from sent(one, inner)


def leaves(template: Template, path: str = "") -> Iterator[tuple[str, Expression]]:
    """The expressions of a body, each with the field that bears what it comes to."""
    if isinstance(template, Expression):
        yield path, template
    elif isinstance(template, Mapping):
        for name, one in template.items():
            yield from leaves(one, f"{path}.{name}" if path else name)
    else:
        for one in template:
            yield from leaves(one, path)

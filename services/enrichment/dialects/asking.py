"""What is sent of a question: bodies and paths filled in from it, and what of an interface the question may use."""

from collections.abc import Mapping
from datetime import date
from typing import Any
from urllib.parse import quote

from services.enrichment.asking.agency import Unreliable
from services.enrichment.asking.question import Question
from services.enrichment.dialects.expressions import Expression
from services.enrichment.dialects.terms import Dialect, Pages, Section, Template


def sought(question: Question) -> dict[str, Any]:
    """The question as expressions read it. `person` is who is looked for: an unborn child is by the mother.

    Days are ISO texts, and nothing stands where nothing is known.
    """
    said: dict[str, Any] = question.model_dump(mode="json", exclude_none=True)
    return said | {"person": said.get("mother") or said["child"]}


def wanted_parts(dialect: Dialect, question: Question) -> list[str]:
    """The parts of the first request that a granted item may bring."""
    return [part for part, items in dialect.parts.items() if items & contents(question)]


def wanted_sections(dialect: Dialect, question: Question) -> list[Section]:
    """The further requests that a granted item may bring."""
    return [section for section in dialect.sections if section.items & contents(question)]


def contents(question: Question) -> frozenset[str]:
    """The items of which more is granted than whether anything is held."""
    return frozenset(question.items) - question.existence_only


def filled(template: Template, document: Mapping[str, Any]) -> Any:
    """A body with its expressions worked out; what is nothing or empty is left out.

    Raises Unreliable where an expression does not fit the question.
    """
    if isinstance(template, Expression):
        return template.of(document)
    if isinstance(template, Mapping):
        members = {name: filled(one, document) for name, one in template.items()}
        return {name: one for name, one in members.items() if not _is_nothing(one)} or None
    return [one for one in (filled(each, document) for each in template) if not _is_nothing(one)]


def _is_nothing(value: Any) -> bool:
    return value is None or value == "" or value == {}


def path_of(path: str, found: Mapping[str, Any]) -> str:
    """A section's path with the agency's own ids of who was found. Raises Unreliable for an id that is none."""
    parts = path.split("{")
    filled_in = [parts[0]]
    for part in parts[1:]:
        name, closed, rest = part.partition("}")
        value = found.get(name)
        if not closed or isinstance(value, bool) or not isinstance(value, str | int) or len(str(value)) > 200:
            raise Unreliable
        filled_in.append(quote(str(value), safe="") + rest)
    return "".join(filled_in)


def first_number(pages: Pages | None) -> int:
    """The number of the first page."""
    return 1 if pages is None else pages.first


def query_of_page(query: Mapping[str, str], pages: Pages | None, number: int) -> Mapping[str, str]:
    """The words of an address, with the number of the page where pages are counted."""
    return query if pages is None or not pages.number else {**query, pages.number: str(number)}


def body_of_page(body: Mapping[str, Any], pages: Pages | None, number: int) -> Mapping[str, Any]:
    """A body, with the number of the page in its field where pages are counted."""
    if pages is None or not pages.number:
        return body
    return _within(body, pages.number.split("."), number)


def _within(body: Mapping[str, Any], path: list[str], number: int) -> dict[str, Any]:
    name, *rest = path
    return {**body, name: _within(body.get(name, {}), rest, number) if rest else number}


def exact(day: Any) -> date | None:
    """The day of a `Date` of the question where it is known exactly."""
    on = day.get("on") if isinstance(day, Mapping) else None
    return date.fromisoformat(on) if isinstance(on, str) else None

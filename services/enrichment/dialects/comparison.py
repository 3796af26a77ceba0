"""Compares a dialect with the OpenAPI document of an agency's interface, without calling it."""

from collections.abc import Iterator, Mapping

from services.enrichment.dialects.demands import SUBMITTED, demands
from services.enrichment.dialects.inventory import ALL, Used, used
from services.enrichment.dialects.openapi import (
    ANYTHING,
    DEEPEST,
    Document,
    Operation,
    Schema,
    codes_of,
    is_a,
    items_of,
    kind_of,
    member,
    picked,
)
from services.enrichment.dialects.report import Finding, Line
from services.enrichment.dialects.terms import ASK, Dialect, Pages


def compare(dialect: Dialect, document: Schema) -> list[Line]:
    """What of a dialect the document has, what it demands beyond that, and what of its answers no expression reads."""
    described = Document(document)
    lines: list[Line] = []
    operations = dict(_operations(dialect, described, lines))
    lines += demands(dialect, operations, described)
    documents = {
        name: operations[name].answer if name in operations else ANYTHING
        for name in (ASK, *(section.name for section in dialect.sections))
    }
    lines += _lists(dialect, documents, described)
    for one in used(dialect):
        lines += _expression(one, documents, described)
    lines += _unused(documents, described)
    return lines


def _operations(dialect: Dialect, described: Document, lines: list[Line]) -> Iterator[tuple[str, Operation]]:
    """Each request of the dialect that the document has, under the name of the document that it fetches.

    The request that submits a question stands under `SUBMITTED`: nothing is read of its answer.
    """
    ask = dialect.ask
    wanted = [(SUBMITTED if ask.submitted else ASK, "ask.post", "post", ask.path)]
    if ask.submitted:
        wanted.append((ASK, "ask.submitted", "get", f"{ask.path}/{{id}}"))
    wanted += [(one.name, f"sections.{one.name}.get", "get", one.path) for one in dialect.sections]
    for name, place, method, path in wanted:
        found = described.operation(method, path, dialect.base)
        if found is None:
            lines.append(Line(Finding.MISSING, place, f"no {method.upper()} of {path}"))
        else:
            lines.append(Line(Finding.MAPPED, place, found.written))
            yield name, found


def _lists(dialect: Dialect, documents: Mapping[str, Schema], described: Document) -> Iterator[Line]:
    """The lists that are joined over all pages."""
    paged: list[tuple[str, str, Pages | None]] = [(ASK, "ask.pages.lists", dialect.ask.pages)]
    paged += [(one.name, f"sections.{one.name}.pages.lists", one.pages) for one in dialect.sections]
    for name, place, pages in paged:
        for each in () if pages is None else pages.lists:
            found = member(documents[name], each, described)
            if found is None or (found and not is_a(found, "array")):
                yield Line(Finding.MISSING, place, f"{each}: no such list in the answer")
            else:
                yield Line(Finding.MAPPED if found else Finding.NOT_DESCRIBED, place, each)


def _expression(one: Used, documents: dict[str, Schema], described: Document) -> Iterator[Line]:
    if one.reads == ALL:
        base: Schema | None = {"type": "object", "properties": documents}
    else:
        base = documents.get(one.reads)
        if base is not None and one.reads.endswith(".each"):
            base = items_of(base, described) if is_a(base, "array") else base
    if base is None:
        yield Line(Finding.MISSING, one.place, f"{one.expression.text}: what it reads is missing")
        return
    found, lost = picked(one.expression.tree, base, described)
    if one.place.endswith(".each"):
        documents[one.place] = ANYTHING if found is None else found
    if found is None:
        yield Line(Finding.MISSING, one.place, f"{one.expression.text}: no `{lost}`")
        return
    if not found:
        yield Line(Finding.NOT_DESCRIBED, one.place, one.expression.text)
    else:
        yield Line(Finding.MAPPED, one.place, f"{one.expression.text}: {kind_of(found)}")
    listed = codes_of(found, described)
    if one.codes is not None and listed:
        for code in sorted(listed - one.codes):
            yield Line(Finding.CODES, one.place, f"`{code}` is in the document and means nothing in the file")
        for code in sorted(one.codes - listed):
            yield Line(Finding.CODES, one.place, f"`{code}` is in the file and not in the document")


def _unused(documents: Mapping[str, Schema], described: Document) -> Iterator[Line]:
    """Fields of the answers that nothing reads."""

    def walk(schema: Schema, path: str, depth: int) -> Iterator[Line]:
        schema = described.resolved(schema)
        if is_a(schema, "array"):
            yield from walk(items_of(schema, described), f"{path}[]", depth + 1)
            return
        properties = schema.get("properties")
        for name, one in properties.items() if isinstance(properties, Mapping) and depth < DEEPEST else ():
            if (id(properties), name) not in described.touched:
                yield Line(Finding.UNUSED, f"{path}.{name}", kind_of(described.resolved(one)))
            else:
                yield from walk(one, f"{path}.{name}", depth + 1)

    for name, schema in documents.items():
        if not name.endswith(".each"):
            yield from walk(schema, name, 0)

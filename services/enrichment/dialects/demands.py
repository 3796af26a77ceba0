"""What an interface demands of a request, against what a dialect sends, and what is recorded where it refuses."""

from collections.abc import Iterator, Mapping

from libs.schemas.codes import Sex
from services.enrichment.dialects.expressions import Expression
from services.enrichment.dialects.identity import identities
from services.enrichment.dialects.inventory import leaves, sent
from services.enrichment.dialects.openapi import (
    Document,
    Operation,
    Schema,
    codes_of,
    kind_of,
    member,
    picked,
)
from services.enrichment.dialects.report import Finding, Line
from services.enrichment.dialects.terms import ASK, Dialect, Scheme

SUBMITTED = "submitted"
"""The request that submits a question whose answer is fetched later."""

PAGED = frozenset(("page", "pagenumber", "pageno", "pagenum", "pageindex", "offset", "skip", "startindex"))
"""Names of parameters by which an interface gives its lists in parts, without regard to case and marks."""

ALWAYS = frozenset(("accept", "content-type", "authorization"))
"""Headers that an OpenAPI document's parameters say nothing about (OpenAPI 3.1, section 4.8.12.1)."""

OURS = frozenset(("accept-encoding", "traceparent", "tracestate"))


def demands(dialect: Dialect, operations: Mapping[str, Operation], described: Document) -> Iterator[Line]:
    """Line by line: who the hub shows itself to be, what it sends, and what is recorded where it is refused."""
    yield from identities(dialect, operations.values(), described)
    first = operations.get(SUBMITTED, operations.get(ASK))
    if first is not None:
        yield from _body(dialect, first.body, described)
    for name, operation in operations.items():
        yield from _parameters(dialect, name, operation, described)
    yield from _refusals(dialect, operations, described)


def _body(dialect: Dialect, schema: Schema, described: Document) -> Iterator[Line]:
    template, pages = dialect.ask.body, dialect.ask.pages
    expressions = dict(leaves(template))
    fields = set(sent(template))
    if pages is not None and pages.number:
        fields |= {pages.number}
    for path in sorted(fields):
        place, found = f"ask.body.{path}", _field(schema, path, described)
        if found is None:
            yield Line(Finding.MISSING, place, "no such field in the body")
            continue
        yield Line(Finding.MAPPED if found else Finding.NOT_DESCRIBED, place, kind_of(found))
        if path in expressions:
            yield from _listed(place, _values(expressions[path], dialect), codes_of(found, described))
    for name in schema.get("required", ()):
        if not any(name == field or field.startswith(f"{name}.") for field in fields):
            yield Line(Finding.MISSING, f"ask.body.{name}", "the document demands it, and it is not sent")


def _field(schema: Schema, path: str, described: Document) -> Schema | None:
    found: Schema | None = schema
    for name in path.split("."):
        found = None if found is None else member(found, name, described)
    return found


def _listed(place: str, values: frozenset[str] | None, listed: frozenset[str]) -> Iterator[Line]:
    """What of the values that a field may bear the document does not list. Nothing where it lists none."""
    if values is None and listed:
        known = ", ".join(f"`{one}`" for one in sorted(listed))
        yield Line(Finding.NOT_DESCRIBED, place, f"a value of the question; the document lists {known}")
    for code in sorted((values or frozenset()) - listed if listed else ()):
        yield Line(Finding.CODES, place, f"`{code}` is sent and not in the document")


def _values(expression: Expression, dialect: Dialect) -> frozenset[str] | None:
    """Every value that an expression of a body can come to; None where that depends on the question."""
    return _possible(expression.tree, dialect)


def _possible(tree: Mapping[str, object], dialect: Dialect) -> frozenset[str] | None:
    children = tree.get("children")
    parts = children if isinstance(children, list) else []
    match tree.get("type"):
        case "literal":
            value = tree["value"]
            if value is None:
                return frozenset()
            return frozenset((str(value),)) if isinstance(value, str | int) else None
        case "or_expression":
            sides = [_possible(part, dialect) for part in parts]
            return None if None in sides else frozenset().union(*(side for side in sides if side))
        case "and_expression":
            # What the left side comes to leaves only where it is nothing, and nothing is left out.
            return _possible(parts[1], dialect)
        case "field" if tree["value"] == "parts":
            return frozenset(dialect.parts)
        case "subexpression" if parts and parts[-1].get("value") == "sex":
            return frozenset(sex.value for sex in Sex)
    return None


def _parameters(dialect: Dialect, name: str, operation: Operation, described: Document) -> Iterator[Line]:
    """The headers and the query of one request."""
    section = next((one for one in dialect.sections if one.name == name), None)
    if section is not None:
        place, query, pages = f"sections.{name}", section.query, section.pages
    else:
        # What was submitted is fetched from the place that the agency named, with nothing added.
        place, query, pages = "ask", dialect.ask.query, None if name == SUBMITTED else dialect.ask.pages
        query = {} if dialect.ask.submitted and name == ASK else query
    # Where a page is asked for with a body, its number stands there.
    number = pages.number if pages is not None and section is not None else ""
    yield from _query(place, query, number, operation, described)
    if pages is None and name != SUBMITTED:
        for kind, parameter in operation.parameters:
            if kind == "query" and "".join(filter(str.isalnum, parameter.lower())) in PAGED:
                says = f"the document pages by `{parameter}`, and only the first page is read"
                yield Line(Finding.MISSING, f"{place}.pages", says)
    headers = {one.lower(): value for one, value in dialect.headers.items()}
    reference = (dialect.reference or "").lower()
    shown = dialect.authentication.header.lower() if dialect.authentication.scheme is Scheme.HEADER else ""
    for (kind, parameter), one in operation.parameters.items():
        if kind == "cookie" and one.get("required") and shown != "cookie":
            yield Line(Finding.MISSING, "headers.Cookie", f"{operation.written} demands `{parameter}`")
        if kind != "header" or parameter.lower() in ALWAYS:
            continue
        if parameter.lower() == reference:
            yield Line(Finding.MAPPED, "reference", f"{operation.written}: {parameter}")
        elif parameter.lower() in headers:
            yield Line(Finding.MAPPED, f"headers.{parameter}", operation.written)
            values = frozenset((headers[parameter.lower()],))
            yield from _listed(f"headers.{parameter}", values, codes_of(_schema(one, described), described))
        elif one.get("required") and parameter.lower() not in OURS | {shown}:
            says = f"{operation.written} demands it, and it is not sent"
            yield Line(Finding.MISSING, f"headers.{parameter}", says)


def _query(
    place: str, query: Mapping[str, str], number: str, operation: Operation, described: Document
) -> Iterator[Line]:
    known = {name: one for (kind, name), one in operation.parameters.items() if kind == "query"}
    for name, value in query.items():
        where = f"{place}.query.{name}"
        if name not in known:
            yield Line(Finding.MISSING, where, f"{operation.written} has no such parameter")
            continue
        schema = _schema(known[name], described)
        yield Line(Finding.MAPPED, where, kind_of(schema))
        yield from _listed(where, frozenset((value,)), codes_of(schema, described))
    if number and number not in known:
        yield Line(
            Finding.MISSING, f"{place}.pages.number", f"{operation.written} has no parameter `{number}`"
        )
    elif number:
        yield Line(
            Finding.MAPPED, f"{place}.pages.number", f"{number}: {kind_of(_schema(known[number], described))}"
        )
    for name, one in known.items():
        if one.get("required") and name not in query and name != number:
            says = f"{operation.written} demands it, and it is not sent"
            yield Line(Finding.MISSING, f"{place}.query.{name}", says)


def _schema(parameter: Schema, described: Document) -> Schema:
    return described.resolved(parameter.get("schema", {}))


def _refusals(dialect: Dialect, operations: Mapping[str, Operation], described: Document) -> Iterator[Line]:
    """Each status other than an answer: what the file makes of it, or what is recorded where it makes nothing."""
    listed = {status for operation in operations.values() for status in operation.answers}
    for number, refusal in enumerate(dialect.refusals):
        place, status = f"refusals[{number}]", str(refusal.status)
        if status not in listed:
            yield Line(Finding.NOT_DESCRIBED, place, f"no request of the document answers {status}")
            continue
        lost = None
        for operation in operations.values():
            if status in operation.answers and refusal.when is not None:
                found, name = picked(refusal.when.tree, operation.answers[status], described)
                lost = lost or (name if found is None else None)
        if refusal.when is not None and lost is not None:
            yield Line(Finding.MISSING, place, f"{refusal.when.text}: no `{lost}` in the answer {status}")
        else:
            yield Line(Finding.MAPPED, place, f"{status}: {refusal.state.value}")
    mapped = {str(one.status): one.when is None for one in dialect.refusals}
    for status in sorted(listed):
        if mapped.get(status) or status == "200":
            continue
        names = [name for name, one in operations.items() if status in one.answers]
        asked = "" if len(names) == len(operations) else f" ({', '.join(names)})"
        otherwise = "where no `when` holds: " if status in mapped else ""
        yield Line(Finding.RECORDED, f"refusals {status}", f"{otherwise}{_recorded(dialect, status)}{asked}")


def _recorded(dialect: Dialect, status: str) -> str:
    """What is recorded of a status that no refusal of the file names."""
    match status:
        case "202":
            return (
                "no answer yet, asked for again" if not dialect.ask.submitted else "accepted, fetched later"
            )
        case "401" if dialect.authentication.scheme is Scheme.OAUTH2:
            return "a fresh token once, then unavailable, http_401"
        case "410" if dialect.ask.submitted:
            return "submitted anew once, then unavailable, http_410"
        case "429" | "503":
            return f"unavailable, http_{status}; asked again after Retry-After"
        case "default":
            return "unavailable, with the status as the reason"
    return f"unavailable, http_{status.lower()}"

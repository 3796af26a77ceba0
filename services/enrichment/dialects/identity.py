"""Who the hub shows itself to be, against the security schemes of an OpenAPI document (section 4.8.27)."""

from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import urlsplit

from services.enrichment.dialects.openapi import Document, Operation, Schema
from services.enrichment.dialects.report import Finding, Line
from services.enrichment.dialects.terms import Authentication, Dialect, Scheme

SCHEME = "authentication.scheme"


def identities(dialect: Dialect, operations: Iterable[Operation], described: Document) -> Iterator[Line]:
    """One line for each part of the authentication; what is the same for several requests is said once."""
    seen: dict[Line, None] = {}
    for operation in operations:
        seen.update(dict.fromkeys(_identity(dialect, operation, described.schemes())))
    yield from seen


def _identity(dialect: Dialect, operation: Operation, schemes: Mapping[str, Schema]) -> Iterator[Line]:
    ours = dialect.authentication.scheme
    if operation.security is None:
        yield Line(Finding.NOT_DESCRIBED, SCHEME, f"{ours.value}: the document does not say how one signs in")
        return
    alternatives = [one for one in operation.security if isinstance(one, Mapping)]
    if not alternatives or {} in alternatives:
        if ours is Scheme.NONE:
            yield Line(Finding.MAPPED, SCHEME, f"{operation.written}: nobody signs in")
        else:
            yield Line(Finding.NOT_DESCRIBED, SCHEME, f"{ours.value}: {operation.written} is open to anybody")
        return
    offers = [
        [{**schemes.get(name, {}), "scopes": scopes} for name, scopes in one.items()] for one in alternatives
    ]
    # Schemes of one alternative are shown together: the hub shows one.
    fitting = [offer[0] for offer in offers if len(offer) == 1 and _fits(dialect.authentication, offer[0])]
    if not fitting:
        wanted = "; or ".join(" together with ".join(_words(one) for one in offer) for offer in offers)
        yield Line(Finding.MISSING, SCHEME, f"{ours.value}: the document demands {wanted}")
        return
    yield Line(Finding.MAPPED, SCHEME, f"{ours.value}: {_words(fitting[0])}")
    if ours is Scheme.OAUTH2:
        yield from _token(dialect, fitting[0])


def _fits(ours: Authentication, theirs: Schema) -> bool:
    kind, scheme = theirs.get("type"), str(theirs.get("scheme", "")).lower()
    in_header = kind == "apiKey" and theirs.get("in") == "header"
    named = str(theirs.get("name", "")).lower()
    match ours.scheme:
        case Scheme.BEARER:
            return (kind, scheme) == ("http", "bearer") or (in_header and named == "authorization")
        case Scheme.BASIC:
            return (kind, scheme) == ("http", "basic")
        case Scheme.HEADER:
            cookie = kind == "apiKey" and theirs.get("in") == "cookie"
            return (in_header and named == ours.header.lower()) or (
                cookie and ours.header.lower() == "cookie"
            )
        case Scheme.OAUTH2:
            return kind in ("oauth2", "openIdConnect") or (kind, scheme) == ("http", "bearer")
    return False


def _token(dialect: Dialect, theirs: Schema) -> Iterator[Line]:
    """Where the token is fetched, and with which scopes."""
    ours = dialect.authentication
    if theirs.get("type") != "oauth2":
        yield Line(
            Finding.NOT_DESCRIBED, "authentication.token", "the document does not say where it is fetched"
        )
        return
    flow = theirs.get("flows", {}).get("clientCredentials")
    if flow is None:
        yield Line(Finding.MISSING, "authentication.token", "no flow for clients without a person")
        return
    there = urlsplit(str(flow.get("tokenUrl", ""))).path.rstrip("/")
    if there and (ours.token.endswith(there) or there.endswith(urlsplit(ours.token).path)):
        yield Line(Finding.MAPPED, "authentication.token", there)
    else:
        yield Line(
            Finding.MISSING, "authentication.token", f"{ours.token}: the document names {there or 'none'}"
        )
    known = set(flow.get("scopes", {}))
    sent = set(ours.scope.split())
    for scope in sorted(sent - known):
        yield Line(Finding.MISSING, "authentication.scope", f"no scope `{scope}`")
    for scope in sorted(set(theirs.get("scopes", ())) - sent):
        yield Line(Finding.MISSING, "authentication.scope", f"`{scope}` is demanded, and not asked for")
    if sent & known:
        yield Line(Finding.MAPPED, "authentication.scope", ", ".join(sorted(sent & known)))


def _words(theirs: Schema) -> str:
    """A scheme of the document in words."""
    match theirs.get("type"):
        case "http":
            return f"http {theirs.get('scheme', '')}"
        case "apiKey":
            return f"a key in the {theirs.get('in', '')} `{theirs.get('name', '')}`"
        case None:
            return "a scheme that the document does not describe"
    return str(theirs["type"])

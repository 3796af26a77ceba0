"""The parts of a dialect without expressions: addresses, headers, authentication, forms of dates, lists of words."""

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from libs.schemas.document import DocumentError, Node, Record, read_all
from services.enrichment.dialects.expressions import Dates
from services.enrichment.dialects.terms import Authentication, Scheme

T = TypeVar("T")

_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_NOT_OURS = frozenset(
    ("authorization", "accept", "accept-encoding", "connection", "content-length", "content-type", "host")
)
"""What authentication and the client say of themselves."""

_DATE_PARTS = {"dd": "%d", "mm": "%m", "yyyy": "%Y"}


def path_in(node: Node) -> str:
    """A path below the base, or a whole address, without a query. Raises DocumentError."""
    text = node.words()
    if not text.startswith(("/", "https://", "http://")) or "?" in text or "#" in text:
        raise DocumentError([f"{node.place}: expected a path that begins with `/`, or a whole address"])
    return text.rstrip("/")


def query_in(node: Node) -> Mapping[str, str]:
    """Fixed words, so that nothing of a person can stand in an address."""
    return each_in(node, lambda _, one: one.words())


def headers_in(node: Node) -> Mapping[str, str]:
    """Fixed words that every request bears. Raises DocumentError for what authentication and the client say."""

    def header(name: str, one: Node) -> str:
        words = one.words()
        if not _HEADER.fullmatch(name) or name.lower() in _NOT_OURS or not words.isascii():
            raise DocumentError([f"{node.place_of(name)}: `{name}` is no header that a file may set"])
        return words

    return each_in(node, header)


def dates_in(node: Node) -> Dates:
    """How an agency writes a day. Raises DocumentError."""
    form = node.words()
    for part, directive in _DATE_PARTS.items():
        form = form.replace(part, directive)
    if sorted(form.count(directive) for directive in _DATE_PARTS.values()) != [1, 1, 1]:
        raise DocumentError([f"{node.place}: expected a form such as dd/mm/yyyy"])
    return Dates(form)


def authentication_in(node: Node) -> Authentication:
    """Who the hub shows itself to be, with exactly what its scheme needs. Raises DocumentError."""
    schemes = {
        Scheme.NONE: (),
        Scheme.BEARER: ("secret",),
        Scheme.BASIC: ("client", "secret"),
        Scheme.HEADER: ("header", "secret"),
        Scheme.OAUTH2: ("token", "client", "secret", "scope"),
    }
    members = node.fields()
    if "scheme" not in members:
        raise DocumentError([f"{node.place}: the key `scheme` is missing"])
    scheme = Scheme(members["scheme"].choice([one.value for one in Scheme], "scheme"))
    demanded = dict.fromkeys(("scheme", *schemes[scheme]), True) | (
        {"scope": False} if scheme is Scheme.OAUTH2 else {}
    )
    fields = node.fields(demanded)
    return Authentication(scheme, **{key: one.words() for key, one in fields.items() if key != "scheme"})


def parts_in(node: Node) -> Mapping[str, frozenset[str]]:
    """What a request can name as wanted, with the items that each brings. Raises DocumentError."""
    return each_in(node, lambda _, one: frozenset(names_in(one)))


def names_in(node: Node) -> tuple[str, ...]:
    """A list of names. Raises DocumentError."""
    return read_all(node.items(), Node.words)


def each_in(node: Node, read: Callable[[str, Node], T]) -> dict[str, T]:
    """The members of a mapping, each read. Raises DocumentError with the faults of all that fail."""
    found: dict[str, T] = {}
    record = Record({}, ())
    for name, one in node.fields().items():
        try:
            found[name] = read(name, one)
        except DocumentError as error:
            record.add(*error.faults)
    record.refuse()
    return found

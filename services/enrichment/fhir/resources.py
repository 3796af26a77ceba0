"""Reads a FHIR server's bodies: as the standard's models check them, and then what those models let pass.

`fhir.resources` checks structure, cardinality and types. It lets pass what decides here: codes outside their value
sets, a required element that is null or absent, a date written as a number, XHTML that is none.
"""

import json
import re
from datetime import date
from typing import Any, Literal, TypeVar

from fhir.resources.R4B.bundle import Bundle as StandardBundle
from fhir.resources.R4B.operationoutcome import OperationOutcome as StandardOutcome
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
)
from pydantic.alias_generators import to_camel

from services.enrichment.asking.agency import Unreliable

MAX_ENTRIES = 500
"""Entries of one page; no page about one child has more."""

_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")

M = TypeVar("M", bound=BaseModel)


UNREADABLE = (ValidationError, AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError)
"""What the FHIR library raises on a resource that is none: it does not turn every mistake into its own error."""


class _Element(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, extra="ignore", frozen=True, hide_input_in_errors=True
    )


class Coding(_Element):
    """A code of a system."""

    system: StrictStr | None = None
    code: StrictStr | None = None


class Concept(_Element):
    """A thing by one or more codes."""

    coding: tuple[Coding, ...] = ()


class Reference(_Element):
    """Another resource."""

    reference: StrictStr | None = None


class Period(_Element):
    """From when to when."""

    start: StrictStr | None = None
    end: StrictStr | None = None


class Identifier(_Element):
    """A number and the system that gave it."""

    system: StrictStr | None = None
    value: StrictStr | None = None


class Annotation(_Element):
    """What somebody wrote."""

    text: StrictStr


class Narrative(_Element):
    """A resource in words, as XHTML."""

    div: StrictStr


class Quantity(_Element):
    """A measured amount."""

    value: StrictInt | StrictFloat | None = None


class Extension(_Element):
    """What the standard has no element for."""

    url: StrictStr
    value_code: StrictStr | None = None
    value_period: Period | None = None


class Issue(_Element):
    """One thing that a server says of a request."""

    severity: StrictStr
    code: StrictStr
    details: Concept | None = None


class Outcome(_Element):
    """What a server says of a request as a whole."""

    resource_type: Literal["OperationOutcome"]
    issue: tuple[Issue, ...] = Field(min_length=1)
    extension: tuple[Extension, ...] = ()


class Patient(_Element):
    """A person on record."""

    resource_type: Literal["Patient"]
    id: StrictStr
    identifier: tuple[Identifier, ...] = ()
    birth_date: StrictStr | None = None


class Finding(_Element):
    """A Condition, Encounter, Flag or Observation, as far as it is read."""

    resource_type: Literal["Condition", "Encounter", "Flag", "Observation"]
    subject: Reference
    text: Narrative | None = None
    note: tuple[Annotation, ...] = ()
    code: Concept | None = None
    type: tuple[Concept, ...] = ()
    status: StrictStr | None = None
    clinical_status: Concept | None = None
    verification_status: Concept | None = None
    recorded_date: StrictStr | None = None
    effective_date_time: StrictStr | None = None
    period: Period | None = None
    performer: tuple[Reference, ...] = ()
    value_codeable_concept: Concept | None = None
    value_boolean: StrictBool | None = None
    value_integer: StrictInt | None = None
    value_quantity: Quantity | None = None


class Search(_Element):
    """Why an entry is in a bundle, and how well a patient fits."""

    mode: StrictStr | None = None
    score: StrictInt | StrictFloat | None = None
    extension: tuple[Extension, ...] = ()


class Entry(_Element):
    """A resource of a bundle, not read yet."""

    resource: dict[str, Any]
    search: Search | None = None


class Link(_Element):
    """Where another page is."""

    relation: StrictStr
    url: StrictStr


class Meta(_Element):
    """When the data were last current."""

    last_updated: StrictStr | None = None


class Bundle(_Element):
    """One page of what a search found."""

    resource_type: Literal["Bundle"]
    type: StrictStr
    total: StrictInt | None = None
    meta: Meta = Meta()
    link: tuple[Link, ...] = ()
    entry: tuple[Entry, ...] = Field((), max_length=MAX_ENTRIES)

    @property
    def next(self) -> str | None:
        """The address of the next page. Raises Unreliable where two are given."""
        pages = [link.url for link in self.link if link.relation == "next"]
        if len(pages) > 1:
            raise Unreliable("contract")
        return pages[0] if pages else None


def read_bundle(body: bytes) -> Bundle:
    """A page of search results. Raises Unreliable."""
    fields = _json(body)
    try:
        StandardBundle.model_validate(fields)
    # An unknown type of resource leaves the library as a KeyError.
    except UNREADABLE:
        raise Unreliable("contract") from None
    bundle = read_resource(fields, Bundle)
    if bundle.type != "searchset":
        raise Unreliable("contract")
    return bundle


def read_outcome(body: bytes) -> Outcome:
    """The OperationOutcome of a refusal. Raises Unreliable."""
    fields = _json(body)
    try:
        StandardOutcome.model_validate(fields)
    except UNREADABLE:
        raise Unreliable("contract") from None
    return read_resource(fields, Outcome)


def read_resource(fields: dict[str, Any], model: type[M]) -> M:
    """The part of a resource that matters here. Raises Unreliable."""
    try:
        return model.model_validate(fields)
    except UNREADABLE:
        raise Unreliable("contract") from None


def day_of(text: str) -> tuple[date, bool]:
    """The first day of a FHIR date or dateTime, and whether it names a whole day (2026, 2026-03 do not).

    Raises Unreliable.
    """
    parts = text.partition("T")[0].split("-")
    try:
        return date(*(int(part) for part in [*parts, "1", "1"][:3])), len(parts) == 3
    except (TypeError, ValueError):
        raise Unreliable("contract") from None


def _json(body: bytes) -> dict[str, Any]:
    try:
        text = body.decode("utf-8")
        fields = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_number)
        # Half of a surrogate pair is no character: it could be read, and never written down.
        if _ESCAPED_SURROGATE.search(text):
            json.dumps(fields, ensure_ascii=False).encode()
    except UnicodeError:
        raise Unreliable("not_utf8") from None
    except (ValueError, RecursionError):
        raise Unreliable("not_json") from None
    if not isinstance(fields, dict):
        raise Unreliable("contract")
    return fields


def _no_number(text: str) -> float:
    """`NaN` and `Infinity` are no JSON (RFC 8259, section 6)."""
    raise ValueError


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object's members. A key that stands twice leaves open which of the two is meant."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Unreliable("contract")
    return fields

"""Ground of all models: strict requests, tolerant events, and the primitive types that both use.

One model serves both: a request is validated with `strictly`, which refuses unknown fields and unknown codes;
an event is validated with the model's own tolerant settings, which ignore unknown fields and keep unknown codes
as plain text, so that a newer producer never reads as "no".
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Any, Generic, Self, TypeVar, cast
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, PydanticKnownError, core_schema

STRICT = {"strict": True}
"""Validation context of a request: unknown codes are refused."""

EARLIEST = date(1900, 1, 1)
"""No date in a safeguarding record is earlier: a living person's birth is later."""

LATEST = date(2199, 12, 31)
"""No date in a safeguarding record is later."""

_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_RFC_3339 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}")


def _as_text(schema: CoreSchema) -> CoreSchema:
    """Of a code: written as the text that it is, without asking in Python what a member is worth."""
    written: dict[str, Any] = {**schema, "serialization": core_schema.simple_ser_schema("str")}
    return cast(CoreSchema, written)


class CodeList(StrEnum):
    """A code list. A member is the text that is sent and stored, and is written as that."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return _as_text(handler(source))


class Ordered(CodeList):
    """A code list whose members are declared mildest first and compare in that order, never as text."""

    rank: int
    """Position in the list, 0 for the mildest."""

    def __new__(cls, value: str) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.rank = len(cls.__members__)
        return member

    # Equal to its text, a member may share the text's hash; an enumeration's own is worked out anew each time.
    __hash__ = str.__hash__

    # Levels are compared many times for every child, so the usual case makes no further call.
    def __lt__(self, other: object) -> bool:
        return self.rank < (other.rank if other.__class__ is self.__class__ else self._peer(other).rank)

    def __le__(self, other: object) -> bool:
        return self.rank <= (other.rank if other.__class__ is self.__class__ else self._peer(other).rank)

    def __gt__(self, other: object) -> bool:
        return self.rank > (other.rank if other.__class__ is self.__class__ else self._peer(other).rank)

    def __ge__(self, other: object) -> bool:
        return self.rank >= (other.rank if other.__class__ is self.__class__ else self._peer(other).rank)

    def _peer(self, other: object) -> Self:
        if not isinstance(other, type(self)):
            raise TypeError(f"{type(self).__name__} only compares with itself")
        return other


_new = object.__new__
# The four slots of a pydantic model, set without looking each up by its name.
_set_values, _set_given, _set_extra, _set_private = (
    BaseModel.__dict__[slot].__set__
    for slot in ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
)


class Model(BaseModel):
    """Base of every model. Immutable; unknown fields are ignored unless the caller validates with `strictly`."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="null", protected_namespaces=())

    @classmethod
    def strictly(cls, body: bytes | str) -> Self:
        """Validates a request's JSON body: unknown fields, unknown codes and a text for a number or yes are refused.

        Raises pydantic.ValidationError.
        """
        return cls.model_validate_json(body, strict=True, extra="forbid", context=STRICT)


M = TypeVar("M", bound=Model)


def maker(model: type[M]) -> Callable[[dict[str, object]], M]:
    """Makes models out of values that are known to be right, every field given; each takes its dictionary over.

    For what is worked out many times for every child: `model_construct`, which looks for defaults and aliases, takes
    eight times as long.
    """
    given = set(model.model_fields)

    def make(values: dict[str, object]) -> M:
        one = _new(model)
        _set_values(one, values)
        _set_given(one, given)
        _set_extra(one, None)
        _set_private(one, None)
        return one

    return make


E = TypeVar("E", bound=StrEnum)


def _known_if_strict(value: StrEnum | str, info: ValidationInfo) -> StrEnum | str:
    if info.context is STRICT and not isinstance(value, StrEnum):
        raise PydanticCustomError("unknown_code", "must be one of the listed codes")
    return value


def is_open_code(schema: CoreSchema) -> bool:
    """Whether a part of a model's core schema is a field declared `Open`."""
    return schema["type"] == "function-after" and schema["function"]["function"] is _known_if_strict


class _OpenCode:
    """Shows an open code in JSON Schema as the closed list that a request must choose from."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return _as_text(handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return dict(handler(schema)["anyOf"][0])


Open = Annotated[
    E | Annotated[str, StringConstraints(max_length=80)],
    Field(union_mode="left_to_right"),
    AfterValidator(_known_if_strict),
    _OpenCode(),
]
"""A field that holds a code of the list `E` and, in events, also a code that is not known yet.

A value that is not a member stays the text that was sent; `isinstance(value, E)` tells them apart.
"""


_DATES, _TIMES = TypeAdapter(date), TypeAdapter(datetime)


def _read(adapter: TypeAdapter[date] | TypeAdapter[datetime], text: str) -> date:
    """Reads it here: what a validator has touched counts as no JSON any more, and a strict one takes no text then."""
    try:
        return adapter.validate_python(text)
    except ValidationError as wrong:
        first = wrong.errors(include_url=False, include_input=False)[0]
        raise PydanticKnownError(cast(Any, first["type"]), first.get("ctx")) from None


def _iso_date_only(value: object) -> object:
    if isinstance(value, str) and not _ISO_DATE.fullmatch(value):
        raise PydanticCustomError("date_form", "must be a date as YYYY-MM-DD")
    if not isinstance(value, str | date) or isinstance(value, datetime):
        raise PydanticCustomError("date_form", "must be a date as YYYY-MM-DD")
    return _read(_DATES, value) if isinstance(value, str) else value


def _plausible_date(value: date) -> date:
    if not EARLIEST <= value <= LATEST:
        raise PydanticCustomError("date_range", "must be between 1900-01-01 and 2199-12-31")
    return value


def _plausible_instant(value: datetime) -> datetime:
    if not EARLIEST.year < value.year <= LATEST.year - 1:
        raise PydanticCustomError("instant_range", "must be between the years 1901 and 2198")
    return value.astimezone(UTC)


def _text_instant(value: object) -> object:
    # Pydantic takes a text of digits for seconds since 1970.
    written = isinstance(value, str) and _RFC_3339.match(value) is not None
    if not written and not isinstance(value, datetime):
        raise PydanticCustomError("instant_form", "must be an RFC 3339 time with its offset")
    return _read(_TIMES, value) if isinstance(value, str) else value


IsoDate = Annotated[date, BeforeValidator(_iso_date_only), AfterValidator(_plausible_date)]
"""A calendar date as YYYY-MM-DD; numbers and times are refused."""

Instant = Annotated[
    AwareDatetime,
    BeforeValidator(_text_instant),
    AfterValidator(_plausible_instant),
    Field(description="RFC 3339 with its offset, of the years 1901 to 2198."),
]
"""A moment, RFC 3339 with offset; kept in UTC."""

# What is stripped here or by Python, spelt out: dialects of regular expressions differ in their white space.
_BLANK = r"\x09-\x0d\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
WORDS = rf"^(?:[^\x00{_BLANK}]|[^\x00]+[^\x00{_BLANK}])[^\x00]*$"
"""Of a text that is more than white space and holds no NUL, which PostgreSQL cannot keep.

In two branches, for a reader of schemas may put a text's length into a pattern that has one, and 20,000 repetitions
take it half a second for each text of each operation.
"""

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=WORDS)]
"""A short text of one line, such as a name."""

Text = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000, pattern=WORDS)
]
"""What a person wrote."""

Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
"""An id from the partnership's own files: an agency, a team, a locality."""

FactName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$", max_length=120)]
"""A fact of the dictionary, such as `household.substance_misuse`."""

S = TypeVar("S", bound=BaseModel)
C = TypeVar("C", bound=BaseModel)


class Payload(Model, Generic[S, C]):
    """What is stored or sent about a referral: one part that its children share, and one part for each child.

    The split is what lets a child's part be sealed under that child's own key and erased alone. The keys are the
    ids that intake gave the children of this referral; the same id names the child's case.
    """

    shared: S
    children: dict[UUID, C] = Field(default_factory=dict)


class Nothing(Model):
    """The shared or the child's part of a payload that has none."""

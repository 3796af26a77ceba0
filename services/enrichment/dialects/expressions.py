"""Expressions that pick values out of a document, in JMESPath (jmespath.org), compiled when a file is loaded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import jmespath
from jmespath import exceptions, functions

from libs.schemas.base import EARLIEST, LATEST
from libs.schemas.document import DocumentError, Node
from services.enrichment.asking.agency import Unreliable


@dataclass(frozen=True, slots=True)
class Dates:
    """How an agency writes a day, as `strptime` has it."""

    form: str = "%Y-%m-%d"

    def write(self, day: date) -> str:
        """A day as the agency writes it."""
        return day.strftime(self.form)

    def read(self, said: Any) -> date | None:
        """A day as the agency wrote it; an RFC 3339 time counts as its day. Raises Unreliable where it is none."""
        if said is None:
            return None
        if not isinstance(said, str) or len(said) > 40:
            raise Unreliable
        day = self._day(said)
        if not EARLIEST <= day <= LATEST:
            raise Unreliable
        return day

    def _day(self, said: str) -> date:
        try:
            return datetime.strptime(said, self.form).date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            pass
        try:
            return datetime.fromisoformat(said).date()
        except ValueError:
            raise Unreliable from None


class _Functions(functions.Functions):
    """JMESPath's own functions, and `day` for the days of a question."""

    def __init__(self, dates: Dates) -> None:
        super().__init__()
        self._dates = dates

    @functions.signature({"types": ["string", "null"]})
    def _func_day(self, day: str | None) -> str | None:
        return None if day is None else self._dates.write(date.fromisoformat(day))


@dataclass(frozen=True, slots=True)
class Expression:
    """One expression, and what it is written as."""

    text: str
    search: Callable[[Any], Any]
    tree: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """The parsed expression, as jmespath gives it, for whoever compares it with a description of the document."""

    def of(self, document: Any) -> Any:
        """What it picks. Raises Unreliable where the document has another shape than it needs."""
        try:
            return self.search(document)
        except (exceptions.JMESPathError, ValueError, TypeError, KeyError):
            raise Unreliable from None

    def text_of(self, document: Any) -> str | None:
        """What it picks, as a text. Raises Unreliable for anything but a short text or nothing."""
        said = self.of(document)
        if said is None or said == "":
            return None
        if not isinstance(said, str) or "\0" in said:
            raise Unreliable
        return said

    def flag_of(self, document: Any) -> bool | None:
        """What it picks, as yes or no. Raises Unreliable for anything else but nothing."""
        said = self.of(document)
        if said is None or isinstance(said, bool):
            return said
        raise Unreliable

    def list_of(self, document: Any) -> list[Any]:
        """What it picks, as a list without its empty members; a single thing is a list of one."""
        said = self.of(document)
        if said is None:
            return []
        return [one for one in said if one is not None] if isinstance(said, list) else [said]


def field_named(name: str) -> Expression:
    """The expression that picks one field, as a path names it."""
    return Expression(name, lambda document: document.get(name), {"type": "field", "value": name})


def expression(node: Node, dates: Dates) -> Expression:
    """Compiles the expression that stands there. Raises DocumentError."""
    text = node.words()
    try:
        compiled = jmespath.compile(text)
    except exceptions.JMESPathError as error:
        said = str(error).partition("\n")[0].rstrip(":")
        raise DocumentError([f"{node.place}: no JMESPath expression: {said}"]) from None
    options = jmespath.Options(custom_functions=_Functions(dates))
    try:
        # What names a function that does not exist is refused here, and not with the first answer.
        compiled.search({}, options)
    except exceptions.UnknownFunctionError as error:
        raise DocumentError([f"{node.place}: {error}"]) from None
    except exceptions.JMESPathError:
        pass
    return Expression(text, lambda document: compiled.search(document, options), compiled.parsed)

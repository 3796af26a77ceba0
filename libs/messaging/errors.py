"""What went wrong, as far as it decides what happens next.

Failure
├── Transient    the surroundings failed: pause and try again, never park
└── Permanent    the message itself cannot be processed: park at once

Everything else is unknown: a few quick retries, then park and retry later.
"""

import re
from collections.abc import Iterator
from enum import StrEnum

import asyncpg


class ErrorClass(StrEnum):
    """Decides between pausing, parking, and retrying before parking."""

    TRANSIENT = "transient"
    PERMANENT = "permanent"
    UNKNOWN = "unknown"


class Failure(Exception):
    """Root of the failures that a handler raises on purpose. Carries a code and never a value."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Transient(Failure):
    """A dependency failed; the same message can succeed later."""


class Permanent(Failure):
    """The message cannot be processed, however often it is tried."""


class Refused(Failure):
    """An operator's request about a parked message does not fit its state. The code says why."""


TRANSIENT_SQLSTATES = frozenset(
    {
        "25P03",  # idle_in_transaction_session_timeout
        "25P04",  # transaction_timeout
        "40001",  # serialization_failure
        "40P01",  # deadlock_detected
        "55P03",  # lock_not_available
        "57014",  # query_canceled
        "57P01",  # admin_shutdown
        "57P02",  # crash_shutdown
        "57P03",  # cannot_connect_now
        "57P05",  # idle_session_timeout
    }
)
"""PostgreSQL error codes (appendix A of its manual) that say nothing about the statement itself."""

TRANSIENT_SQLSTATE_CLASSES = frozenset({"08", "53", "58"})
"""Connection exceptions, insufficient resources, system errors."""

_CODE = re.compile(r"[a-z][a-z0-9_.-]{0,79}")
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def classify(error: BaseException) -> ErrorClass:
    """The class of an error that a handler raised or the database reported.

    A group is as bad as its worst member: one that could park is not hidden by others that could pass.
    """
    if isinstance(error, BaseExceptionGroup):
        members = {classify(member) for member in error.exceptions}
        for worst in (ErrorClass.PERMANENT, ErrorClass.UNKNOWN):
            if worst in members:
                return worst
        return ErrorClass.TRANSIENT
    if isinstance(error, Permanent):
        return ErrorClass.PERMANENT
    if isinstance(error, Transient):
        return ErrorClass.TRANSIENT
    state = sqlstate(error)
    if state is not None:
        passing = state in TRANSIENT_SQLSTATES or state[:2] in TRANSIENT_SQLSTATE_CLASSES
        return ErrorClass.TRANSIENT if passing else ErrorClass.UNKNOWN
    if isinstance(error, OSError | TimeoutError | asyncpg.InternalClientError):
        # The internal error is what a statement gets on a connection that the server has just ended.
        return ErrorClass.TRANSIENT
    if isinstance(error, asyncpg.InterfaceError) and "clos" in str(error):
        return ErrorClass.TRANSIENT
    return ErrorClass.UNKNOWN


def sqlstate(error: BaseException) -> str | None:
    """PostgreSQL's code of the error, also where an object-relational mapper has wrapped it."""
    for layer in _layers(error):
        state = getattr(layer, "sqlstate", None)
        if isinstance(state, str):
            return state
    return None


def code_of(error: BaseException) -> str:
    """A code that may be shown and logged: the failure's own, or the error's type, never its message."""
    if isinstance(error, Failure) and _CODE.fullmatch(error.code):
        return error.code
    state = sqlstate(error)
    if state is not None:
        return f"sqlstate-{state.lower()}"
    return _WORD.sub("-", type(error).__name__.lstrip("_")).lower()[:80]


def _layers(error: BaseException) -> Iterator[BaseException]:
    layer: object = error
    while isinstance(layer, BaseException):
        yield layer
        layer = getattr(layer, "orig", None)

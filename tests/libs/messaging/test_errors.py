"""What pauses, what parks, and what is retried first."""

from __future__ import annotations

import asyncpg
import pytest
from asyncpg import exceptions
from hypothesis import given
from hypothesis import strategies as st

from libs.messaging.errors import (
    ErrorClass,
    Permanent,
    Transient,
    classify,
    code_of,
)


class Wrapped(Exception):
    """As an object-relational mapper wraps a driver's error."""

    def __init__(self, orig: Exception) -> None:
        super().__init__("wrapped")
        self.orig = orig


@pytest.mark.parametrize(
    "error",
    [
        exceptions.AdminShutdownError(),
        exceptions.SerializationError(),
        exceptions.DeadlockDetectedError(),
        exceptions.IdleInTransactionSessionTimeoutError(),
        exceptions.TransactionTimeoutError()
        if hasattr(exceptions, "TransactionTimeoutError")
        else exceptions.QueryCanceledError(),
        exceptions.TooManyConnectionsError(),
        exceptions.DiskFullError(),
        exceptions.ConnectionDoesNotExistError(),
        exceptions.CannotConnectNowError(),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InternalClientError("another operation is in progress"),
        ConnectionRefusedError(),
        TimeoutError(),
        Wrapped(exceptions.DeadlockDetectedError()),
        Transient("agency-down"),
    ],
)
def test_surroundings_that_fail_pause(error: Exception) -> None:
    assert classify(error) is ErrorClass.TRANSIENT


@pytest.mark.parametrize(
    "error",
    [
        exceptions.UniqueViolationError(),
        exceptions.NotNullViolationError(),
        exceptions.UndefinedTableError(),
        exceptions.DataError("invalid input for query argument"),
        asyncpg.InterfaceError("the server expects 2 arguments for this query, 1 was passed"),
        KeyError("child"),
        Wrapped(exceptions.UniqueViolationError()),
    ],
)
def test_what_the_message_may_have_caused_is_unknown(error: Exception) -> None:
    assert classify(error) is ErrorClass.UNKNOWN


MEMBERS = st.sampled_from([Transient("a"), Permanent("b"), KeyError("c"), TimeoutError()])
SEVERITY = {ErrorClass.TRANSIENT: 0, ErrorClass.UNKNOWN: 1, ErrorClass.PERMANENT: 2}


@given(st.lists(MEMBERS, min_size=1, max_size=5))
def test_a_group_is_as_bad_as_its_worst_member(members: list[Exception]) -> None:
    worst = max((classify(each) for each in members), key=lambda kind: SEVERITY[kind])
    assert classify(ExceptionGroup("group", members)) is worst
    assert classify(ExceptionGroup("outer", [ExceptionGroup("inner", members)])) is worst


@given(st.text(max_size=200))
def test_a_code_never_repeats_what_an_error_says(text: str) -> None:
    for error in (KeyError(text), Permanent(f"Alice {text}"), Transient(text.upper() + "É")):
        assert code_of(error) in {"key-error", "permanent", "transient"}


def test_codes_name_the_failure() -> None:
    assert code_of(Permanent("bad-fact")) == "bad-fact"
    assert code_of(exceptions.DeadlockDetectedError("row of Alice Example")) == "sqlstate-40p01"
    assert code_of(Wrapped(exceptions.UniqueViolationError("Key (name)=(Alice)"))) == "sqlstate-23505"

import json
import logging
import warnings
from datetime import UTC, datetime
from io import StringIO
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from libs.schemas.codes import Sex
from tests.libs.platform.conftest import START

CANARY = "Canary Smith"


def lines(logged: StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in logged.getvalue().splitlines()]


def library(name: str) -> logging.Logger:
    return logging.getLogger(name)  # noqa: TID251 - what a library does


def test_a_line_has_its_sentence_time_level_service_and_ids(logged: StringIO) -> None:
    structlog.get_logger().info(
        "case screened", case_id=UUID(int=1), count=2, due_at=datetime(2026, 11, 23, tzinfo=UTC)
    )
    assert lines(logged) == [
        {
            "time": START.isoformat(timespec="milliseconds"),
            "level": "info",
            "event": "case screened",
            "service": "intake",
            "case_id": str(UUID(int=1)),
            "count": 2,
            "due_at": "2026-11-23T00:00:00+00:00",
        }
    ]


def test_a_field_that_is_not_listed_is_dropped_and_counted(logged: StringIO) -> None:
    structlog.get_logger().info("x", child_name=CANARY, worry=CANARY, code="ok")
    assert CANARY not in logged.getvalue()
    assert lines(logged)[0]["dropped"] == 2
    assert lines(logged)[0]["code"] == "ok"


def test_a_listed_field_takes_plain_values_only(logged: StringIO) -> None:
    structlog.get_logger().info(
        "x", code={"name": CANARY}, reason=Exception(CANARY), state=Sex.FEMALE, kind=["a", {"n": CANARY}]
    )
    assert CANARY not in logged.getvalue()
    assert lines(logged)[0]["state"] == Sex.FEMALE.value
    assert lines(logged)[0]["kind"] == ["a"]


def test_context_variables_are_listed_too(logged: StringIO) -> None:
    with structlog.contextvars.bound_contextvars(referral_id=UUID(int=2), name=CANARY):
        structlog.get_logger().info("x")
    assert lines(logged)[0]["referral_id"] == str(UUID(int=2))
    assert CANARY not in logged.getvalue()


def test_of_an_exception_type_and_frames_remain_but_no_text(logged: StringIO) -> None:
    def inner(name: str) -> None:
        raise ValueError(f"bad {name}")

    try:
        try:
            inner(CANARY)
        except ValueError as error:
            raise asyncpg.UniqueViolationError(f"Key (name)=({CANARY}) already exists") from error
    except asyncpg.UniqueViolationError:
        structlog.get_logger().exception("x")
    described = lines(logged)[0]["exception"]
    assert described["type"].endswith("UniqueViolationError")
    assert described["causes"] == ["builtins.ValueError"]
    assert described["sqlstate"] == "23505"
    assert any("test_logging.py" in frame for frame in described["frames"])
    assert CANARY not in logged.getvalue()


def test_libraries_log_their_template_without_arguments(logged: StringIO) -> None:
    log = library("aiokafka.consumer")
    log.warning("Cannot parse %s", CANARY)
    log.warning(f"Cannot parse {CANARY}")  # noqa: G004 - what some libraries do
    log.error(ValueError(CANARY))
    library("uvicorn.error").error(f"Traceback ... {CANARY}")
    library("uvicorn.error").info("Application startup complete.")
    library("uvicorn.access").warning("GET /%s", CANARY)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(CANARY, UserWarning, stacklevel=1)
    found = lines(logged)
    assert CANARY not in logged.getvalue()
    assert found[0]["event"] == "Cannot parse %s"
    assert found[0]["logger"] == "aiokafka.consumer"
    assert "test_logging.py" in found[1]["event"]
    assert found[4]["event"] == "Application startup complete."
    assert [line["logger"] for line in found] == [
        "aiokafka.consumer",
        "aiokafka.consumer",
        "aiokafka.consumer",
        "uvicorn.error",
        "uvicorn.error",
        "py.warnings",
    ]


def test_a_servers_line_has_its_numbers_and_none_of_the_text_that_it_was_given(logged: StringIO) -> None:
    server = library("uvicorn.error")
    server.info("Started server process [%d]", 4711)
    server.info("Running on %s:%d", CANARY, 8103)
    server.warning("Refused [%d]", 4711)
    assert [line["event"] for line in lines(logged)] == [
        "Started server process [4711]",
        "Running on …:8103",
        "Refused [%d]",
    ]


def test_lines_below_the_level_are_not_written(logged: StringIO) -> None:
    structlog.get_logger().debug("x")
    library("something").debug("x %s", 1)
    assert not logged.getvalue()

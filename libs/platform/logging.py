"""Structured logs: one JSON object a line, with fields from an allow-list only.

What a service logs is a constant sentence and ids. A field that is not listed is dropped, a value that is not
a plain one is dropped, and of an exception only its type, SQLSTATE and frames remain: messages quote data.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from datetime import date, datetime
from enum import Enum
from typing import Any, TextIO
from uuid import UUID

import structlog
from opentelemetry import trace

from libs.schemas.clock import Clock

FIELDS = frozenset(
    {
        "agency",
        "age_seconds",
        "application_name",
        "attempt",
        "attempts",
        "backend",
        "case_id",
        "check",
        "child_id",
        "code",
        "consumer",
        "count",
        "cursor",
        "decision",
        "delay_seconds",
        "due_at",
        "duration_ms",
        "error_class",
        "escalation",
        "evaluation",
        "event_id",
        "event_type",
        "events",
        "fence_age_seconds",
        "generation",
        "host",
        "kind",
        "lag",
        "logger",
        "method",
        "notice_id",
        "offset",
        "partition",
        "partnership",
        "pid",
        "policy",
        "port",
        "producer",
        "queue",
        "reason",
        "reference",
        "referral_id",
        "remaining",
        "revision",
        "route",
        "seconds",
        "sequence",
        "signal",
        "state",
        "status",
        "subject_id",
        "team",
        "timer",
        "topic",
        "transport",
        "version",
        "waited_seconds",
        "worker",
    }
)
"""What may be logged beside the sentence itself. Ids, codes, counts and times; nothing that a person
typed.
"""

LONGEST = 200
MOST_FRAMES = 25
_PLUMBING = ("/starlette/", "/fastapi/", "/uvicorn/")
TRUSTED = ("uvicorn.error", "alembic.runtime.migration")
"""Loggers whose messages without arguments are constants, up to INFO: above that they may be an
exception's text. Numbers among their arguments are counts, ports and processes, and are filled in.
"""

_OWN = frozenset({"event", "level", "time", "service", "trace_id", "span_id", "exception", "dropped"})


def configure(service: str, level: str, clock: Clock, stream: TextIO | None = None) -> None:
    """Sends this process's logs, its libraries' and uvicorn's, to `stream` (standard output) as JSON
    lines.
    """
    target = stream or sys.stdout
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _Stamp(str(service), clock),
            only_listed,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *names: structlog.WriteLogger(target),
        cache_logger_on_first_use=False,
    )
    library = logging.getLogger  # noqa: TID251 - this module is where the ban leads
    root = library()
    root.handlers[:] = [_Forward()]
    root.setLevel(max(number, logging.INFO))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
        library(name).handlers.clear()
        library(name).setLevel(logging.NOTSET)
        library(name).propagate = name != "uvicorn.access"
    for name in ("httpx", "aiokafka", "asyncio", "opentelemetry"):
        library(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)


class _Stamp:
    """Adds the time, the service and the trace that a line belongs to."""

    def __init__(self, service: str, clock: Clock) -> None:
        self._service = service
        self._clock = clock

    def __call__(self, logger: Any, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["time"] = self._clock.now().isoformat(timespec="milliseconds")
        event["service"] = self._service
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            event["trace_id"] = format(context.trace_id, "032x")
            event["span_id"] = format(context.span_id, "016x")
        return event


def only_listed(logger: Any, name: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """A structlog processor that keeps the allow-list and says how many fields it dropped."""
    error = event.pop("exc_info", None)
    kept: dict[str, Any] = {"time": event.get("time"), "level": event.get("level")}
    dropped = 0
    for field, value in event.items():
        plain = _plain(value) if field in FIELDS or field in _OWN else None
        if plain is not None:
            kept[field] = plain
        elif value is not None:
            dropped += 1
    if error:
        exception = error if isinstance(error, BaseException) else sys.exc_info()[1]
        if isinstance(error, tuple):
            exception = error[1]
        if exception is not None:
            kept["exception"] = describe(exception)
    if dropped:
        kept["dropped"] = dropped
    return kept


def _plain(value: Any) -> Any:
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, str):
        return value[:LONGEST]
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, list | tuple | set | frozenset) and len(value) <= 100:
        return [plain for item in value if (plain := _plain(item)) is not None]
    return None


def describe(error: BaseException) -> dict[str, Any]:
    """An exception without its message: types along its causes, SQLSTATE or code, and frames, innermost
    last.
    """
    types = list[str]()
    seen: BaseException | None = error
    while seen is not None and len(types) < 5:
        types.append(f"{type(seen).__module__}.{type(seen).__qualname__}")
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    described: dict[str, Any] = {"type": types[0]}
    if len(types) > 1:
        described["causes"] = types[1:]
    sqlstate = getattr(error, "sqlstate", None)
    if isinstance(sqlstate, str) and len(sqlstate) == 5:
        described["sqlstate"] = sqlstate
    frames = traceback.extract_tb(error.__traceback__)
    telling = [frame for frame in frames if not any(part in frame.filename for part in _PLUMBING)] or frames
    described["frames"] = [
        f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in telling[-MOST_FRAMES:]
    ]
    return described


def _short(filename: str) -> str:
    return "/".join(filename.replace("\\", "/").rsplit("/", 3)[-3:])


class _Forward(logging.Handler):
    """Carries the standard library's log records over, as their template: arguments may quote data."""

    def emit(self, record: logging.LogRecord) -> None:
        constant = record.name in TRUSTED and record.levelno <= logging.INFO
        if isinstance(record.msg, str) and (record.args or constant):
            sentence = _filled(record.msg, record.args) if constant else record.msg
        else:
            sentence = f"{_short(record.pathname)}:{record.lineno} {record.funcName}"
        logger = structlog.get_logger()
        level = record.levelno if record.levelno in _LEVELS else logging.INFO
        logger.log(level, sentence, logger=record.name, exc_info=record.exc_info)


def _filled(template: str, arguments: object) -> str:
    """A template with its numbers; text, which may quote data, stays out."""
    if not isinstance(arguments, tuple) or not arguments:
        return template
    try:
        return template % tuple(one if isinstance(one, int | float) else "…" for one in arguments)
    except (TypeError, ValueError):
        return template


_LEVELS = frozenset({logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL})

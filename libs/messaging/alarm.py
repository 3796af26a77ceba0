"""How the library tells people of what cannot wait, by whatever path its service gives it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

_log = structlog.get_logger(__name__)

Alarm = Callable[[str, dict[str, str]], Awaitable[None]]
"""Tells people of what cannot wait: a code, and ids that belong to it."""


async def log_only(code: str, ids: dict[str, str]) -> None:
    """The alarm of a process that has no other."""
    _log.critical("alarm", code=code, **ids)

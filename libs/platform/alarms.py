"""Alarms: what a person must know now, by a path that does not use the event log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Protocol
from uuid import UUID

import httpx
import structlog
from opentelemetry.metrics import Meter

from libs.platform.http import http_client
from libs.platform.settings import ServiceSettings
from libs.schemas.clock import Clock


class Alarm(Protocol):
    """Where alarms go."""

    async def raise_alarm(self, code: str, **ids: str | int | UUID) -> bool:
        """Tells that `code` has happened; `ids` say to what, by names that a log may have. Never raises.

        False where it was written down but did not reach whom it was for: raise it again.
        """
        ...


class Alarms:
    """Writes a CRITICAL log line, counts `mash_alarms`, and posts to the operator's address if there is
    one.
    """

    def __init__(
        self,
        service: str,
        clock: Clock,
        meter: Meter,
        http: httpx.AsyncClient | None = None,
        url: str | None = None,
    ) -> None:
        self._service = service
        self._clock = clock
        self._http = http
        self._url = url
        self._raised = meter.create_counter(
            "mash.alarms", unit="{alarm}", description="Alarms raised, by code."
        )

    async def raise_alarm(self, code: str, **ids: str | int | UUID) -> bool:
        """Tells that `code` has happened, on every path that works. False where the post failed."""
        log = structlog.get_logger()
        log.critical("alarm", code=code, **ids)
        self._raised.add(1, {"code": code})
        if self._http is None or self._url is None:
            return True
        body: Mapping[str, str] = {
            "code": code,
            "service": self._service,
            "at": self._clock.now().isoformat(),
            **{name: str(value) for name, value in ids.items()},
        }
        try:
            response = await self._http.post(self._url, json=body)
            response.raise_for_status()
        except httpx.HTTPError as error:
            log.error("alarm not passed on", code=code, exc_info=error)
            return False
        return True

    async def tell(self, code: str, ids: dict[str, str]) -> None:
        """The same for whoever keeps the ids together and does not try again."""
        await self.raise_alarm(code, **ids)


@asynccontextmanager
async def open_alarms(
    service: str, settings: ServiceSettings, clock: Clock, meter: Meter
) -> AsyncIterator[Alarms]:
    """The alarms of a service, with a way to the operator's address where there is one."""
    if settings.alarm_url is None:
        yield Alarms(service, clock, meter)
        return
    async with http_client(settings.alarm_url, peer="alarms") as http:
        yield Alarms(service, clock, meter, http, settings.alarm_url)

"""Enrichment as it is shipped, in a process of its own that a test kills and starts again."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path

import httpx

from libs.schemas.events import Service
from sandbox.processes import free_port
from tests.forks import Fork, imported
from tests.sandbox.serving import NO_TLS

READY_SECONDS = 30.0


class Lives:
    """One instance of enrichment, one life after another: at most one process lives at a time."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        imported([Service.ENRICHMENT])
        self._port = free_port()
        self._environment = {**os.environ, **environment, "MASH_PORT": str(self._port)}
        self._log = log
        self._life: Fork | None = None

    @property
    def url(self) -> str:
        """Where its API is, in every life."""
        return f"http://127.0.0.1:{self._port}"

    def begin(self, dies_at: str = "") -> None:
        """Starts a life; `dies_at` is the failpoint at whose first hit it ends."""
        points = f"{dies_at}=kill" if dies_at else ""
        self._life = Fork(Service.ENRICHMENT, {**self._environment, "MASH_FAILPOINTS": points}, self._log)

    async def ready(self) -> None:
        """Waits until the API answers."""
        async with (
            asyncio.timeout(READY_SECONDS),
            httpx.AsyncClient(base_url=self.url, verify=NO_TLS) as http,
        ):
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    if (await http.get("/readyz")).status_code == 200:
                        return
                await asyncio.sleep(0.02)

    async def died(self) -> None:
        """Waits until the failpoint has killed it."""
        assert self._life is not None
        code = await asyncio.to_thread(self._life.wait, READY_SECONDS)
        told = self._log.read_text(encoding="utf-8")[-2000:]
        assert code == -signal.SIGKILL, f"it did not die there:\n{told}"

    def stop(self) -> None:
        """Asks it to end, as an orchestrator would."""
        assert self._life is not None
        self._life.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kills it now, if it lives."""
        if self._life is not None:
            self._life.kill()
            self._life.wait()

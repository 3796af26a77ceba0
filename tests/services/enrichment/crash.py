"""Enrichment as it is shipped, in a process of its own that a test kills and starts again."""

import asyncio
import contextlib
import multiprocessing
import os
import signal
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

import httpx

from sandbox.processes import free_port
from tests.sandbox.serving import NO_TLS

READY_SECONDS = 30.0
_FORKS = multiprocessing.get_context("forkserver")


def _live(environment: Mapping[str, str], log: str) -> None:
    """What `python -m services.enrichment` does, in a process that has imported everything already."""
    from services.enrichment.__main__ import main

    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.update(environment)
    main()


class Lives:
    """One instance of enrichment, one life after another: at most one process lives at a time."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        _FORKS.set_forkserver_preload(["services.enrichment.__main__"])
        self._port = free_port()
        self._environment = {**environment, "MASH_PORT": str(self._port)}
        self._log = log
        self._process: BaseProcess | None = None

    @property
    def url(self) -> str:
        """Where its API is, in every life."""
        return f"http://127.0.0.1:{self._port}"

    def begin(self, dies_at: str = "") -> None:
        """Starts a life; `dies_at` is the failpoint at whose first hit it ends."""
        points = f"{dies_at}=kill" if dies_at else ""
        environment = {**self._environment, "MASH_FAILPOINTS": points}
        self._process = _FORKS.Process(target=_live, args=(environment, str(self._log)))
        self._process.start()

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
        assert self._process is not None
        await asyncio.to_thread(self._process.join, READY_SECONDS)
        told = self._log.read_text(encoding="utf-8")[-2000:]
        assert self._process.exitcode == -signal.SIGKILL, f"it did not die there:\n{told}"

    def stop(self) -> None:
        """Asks it to end, as an orchestrator would."""
        assert self._process is not None
        self._process.terminate()

    def kill(self) -> None:
        """Kills it now, if it lives."""
        if self._process is not None:
            self._process.kill()
            self._process.join()

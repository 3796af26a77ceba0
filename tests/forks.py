"""A service as it is shipped, in a process that has imported everything already: for tests that start it often."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib import import_module
from multiprocessing.process import BaseProcess
from pathlib import Path

from libs.schemas.events import Service

SERVER = multiprocessing.get_context("forkserver")
PR_SET_PDEATHSIG = 1


def _main(service: Service) -> str:
    return f"services.{service.value}.__main__"


def _live(service: Service, environment: Mapping[str, str], log: str) -> None:
    """What `python -m services.X` does."""
    os.setsid()
    if sys.platform == "linux":
        # The server ends with the test's process, however that ends, and takes its children with it.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.clear()
    os.environ.update(environment)
    import_module(_main(service)).main()


def imported(services: Iterable[Service]) -> None:
    """Has the mains of these services imported once, before the first fork of this process."""
    SERVER.set_forkserver_preload([_main(service) for service in services])


class Fork:
    """One life of a service. It has what is used of `subprocess.Popen`."""

    def __init__(self, service: Service, environment: Mapping[str, str], log: Path) -> None:
        self._process: BaseProcess = SERVER.Process(
            target=_live, args=(service, dict(environment), str(log)), name=service.value
        )
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

"""Child processes of the local world: started with a log file, stopped in order, never left behind."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

GUARD = Path(__file__).with_name("guard.py")


class StartError(RuntimeError):
    """A child process ended or stayed silent instead of becoming ready. The message names its log file."""


class Started(Protocol):
    """What is used of `subprocess.Popen`."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, number: int, /) -> None: ...
    def kill(self) -> None: ...


class Process:
    """One running child. It leads a session of its own, so that a terminal's Ctrl-C does not reach it."""

    def __init__(
        self,
        name: str,
        popen: Started,
        stop_signal: int,
        grace: float,
        log: Path | None,
        logged: int = 0,
    ):
        self.name = name
        self.log = log
        self._logged = logged
        self._popen = popen
        self._stop_signal = stop_signal
        self._grace = grace
        self._asked = False

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    @property
    def exit_code(self) -> int | None:
        """The exit status, negative for a signal's number, None while it runs."""
        return self._popen.poll()

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end. Raises `subprocess.TimeoutExpired` after `timeout` seconds."""
        return self._popen.wait(timeout)

    def signal(self, number: int) -> None:
        self._asked = self._asked or number == self._stop_signal
        if self.running:
            self._popen.send_signal(number)

    def stop(self) -> int:
        """Ask it to end, once; after its grace time kill it with everything it started. Returns the exit status.

        A second request would cut short what a service does in the order of its stopping.
        """
        if not self._asked:
            self.signal(self._stop_signal)
        try:
            return self._popen.wait(self._grace)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """SIGKILL, together with every descendant, and wait until all are gone."""
        family = descendants(self.pid) if self.running else []
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.kill()
        code = self._popen.wait()
        for pid in family:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        wait_until_gone(family)
        return code

    def proportional_set_size(self) -> int:
        """Memory in bytes, pages shared with other processes counted in proportion; descendants included."""
        return sum(proportional_set_size(pid) for pid in (self.pid, *descendants(self.pid)))

    def log_tail(self, lines: int = 8) -> str:
        """The last lines that it printed itself, for a message about a failed start."""
        if self.log is None or not self.log.exists():
            return ""
        own = self.log.read_bytes()[self._logged :].decode(errors="replace")
        return "\n".join(own.splitlines()[-lines:])


class Processes:
    """The children of one parent, watched by one guard that ends them if the parent dies in any way."""

    def __init__(self) -> None:
        self._children: list[Process] = []
        self._guard: subprocess.Popen[bytes] | None = None
        self._pipe = -1
        self._starting = threading.Lock()

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        log: Path | None = None,
        user: str | None = None,
        stop_signal: int = signal.SIGTERM,
        grace: float = 10.0,
    ) -> Process:
        """Start `command`; both its output streams are appended to `log`, or discarded.

        `env` replaces the environment. `user`: run as that user of the system (needs root). `stop` sends
        `stop_signal` and waits `grace` seconds before SIGKILL; so does the guard when this process dies.
        """
        with self._starting:
            self._watch()
        launcher = [sys.executable, "-I", "-S", str(GUARD), "launch", str(self._pipe)]
        arguments = [str(int(stop_signal)), str(grace), user or "-", "--", *command]
        with contextlib.ExitStack() as stack:
            output, logged = subprocess.DEVNULL, 0
            if log is not None:
                log.parent.mkdir(parents=True, exist_ok=True)
                file = stack.enter_context(log.open("ab"))
                output, logged = file.fileno(), file.tell()
            popen = subprocess.Popen(
                [*launcher, *arguments],
                env=None if env is None else dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(self._pipe,),
            )
        child = Process(name, popen, stop_signal, grace, log, logged)
        self._children = [*(each for each in self._children if each.running), child]
        return child

    @property
    def children(self) -> tuple[Process, ...]:
        """Those that still run, oldest first."""
        return tuple(child for child in self._children if child.running)

    def close(self) -> None:
        """Stop every child, the youngest first, then the guard."""
        for child in reversed(self.children):
            child.stop()
        if self._guard is not None:
            os.close(self._pipe)
            self._guard.wait()
            self._guard = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _watch(self) -> None:
        if self._guard is not None:
            return
        reading, self._pipe = os.pipe()
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", str(GUARD), "watch", str(reading)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd="/",
            pass_fds=(reading,),
            start_new_session=True,
        )
        os.close(reading)


def descendants(pid: int) -> list[int]:
    """Process ids of the children of `pid` and theirs, read from /proc; empty where there is none."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            parent = int(entry.read_bytes().rpartition(b")")[2].split()[1])
            parents.setdefault(parent, []).append(int(entry.parent.name))
    found: list[int] = []
    todo = [pid]
    while todo:
        children = parents.get(todo.pop(), [])
        found += children
        todo += children
    return found


def alive(pid: int) -> bool:
    """Whether a process with this id runs and is no zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    return True


def wait_until_gone(pids: Sequence[int], timeout: float = 10.0) -> None:
    """Return when none of the processes runs. Raises TimeoutError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while any(alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes still run: {[pid for pid in pids if alive(pid)]}")
        time.sleep(0.01)


def proportional_set_size(pid: int) -> int:
    """Proportional set size of one process in bytes (Linux, proc(5) smaps_rollup); 0 where it is not known."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port that nobody listens on, outside the range that the system hands to outgoing connections.

    A server that restarts on a port of that range can find it taken by a client, even by its own client that
    was reconnecting to itself. On Linux nobody else is given the port while this process lives, so that several
    systems can start side by side. Raises StartError when no port is free.
    """
    for _ in range(200):
        port = random.randint(20_000, 32_000)
        kept = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            kept.bind((host, port))
        except OSError:
            kept.close()
            continue
        if sys.platform == "linux":
            # A socket that is bound and does not listen keeps out whoever does not ask to share the port; servers do.
            kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            kept.detach()
        else:
            kept.close()
        return port
    raise StartError("no free TCP port between 20000 and 32000 on this machine")


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True

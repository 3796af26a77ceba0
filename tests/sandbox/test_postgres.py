from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import asyncpg
import pytest

from sandbox.postgres import EmbeddedPostgres
from sandbox.processes import StartError, alive

FAST = {"fsync": "off"}


async def write(dsn: str, value: int) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TABLE IF NOT EXISTS kept (value int)")
    await connection.execute("INSERT INTO kept VALUES ($1)", value)
    await connection.close()


async def values(dsn: str) -> list[int]:
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch("SELECT value FROM kept ORDER BY value")
    await connection.close()
    return [row["value"] for row in rows]


async def test_what_was_committed_outlives_the_death_of_the_server(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "data", settings=FAST) as server:
        await write(server.dsn(), 1)
        port, backends = server.port, server.backends()
        server.kill()
        assert not any(alive(pid) for pid in backends)
        server.start()
        assert server.port == port
        await write(server.dsn(), 2)
        assert await values(server.dsn()) == [1, 2]


async def test_a_data_directory_longer_than_a_socket_path_works(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / ("d" * 150) / "data", settings=FAST) as server:
        await write(server.dsn(), 1)


async def test_a_lock_file_that_names_a_stranger_does_not_stop_the_start(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "data", settings=FAST)
    server.start()
    server.kill()
    lock = tmp_path / "data" / "postmaster.pid"
    lock.write_text("\n".join([str(os.getpid()), *lock.read_text().splitlines()[1:]]))
    server.start()
    await write(server.dsn(), 1)
    server.stop()


def test_two_servers_never_share_a_data_directory(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "data", settings=FAST), pytest.raises(StartError, match="already runs"):
        EmbeddedPostgres(tmp_path / "data", settings=FAST).start()


def test_a_busy_port_is_reported_by_its_number(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "one", settings=FAST) as first:
        second = EmbeddedPostgres(tmp_path / "two", port=first.port, settings=FAST)
        with pytest.raises(StartError, match=f"port {first.port} for PostgreSQL is in use"):
            second.start()


async def test_a_killed_backend_does_not_take_the_server_with_it(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "data", settings=FAST) as server:
        connection = await asyncpg.connect(server.dsn())
        os.kill(connection.get_server_pid(), signal.SIGKILL)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                await write(server.dsn(), 1)
                break
            except (asyncpg.PostgresError, OSError):
                time.sleep(0.05)
        assert await values(server.dsn()) == [1]
        connection.terminate()

"""Real servers for the tests: a PostgreSQL cluster for each xdist worker, one Kafka broker for the whole run."""

from __future__ import annotations

import fcntl
import gc
import logging
import os
import shutil
import tempfile
import time
import uuid
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path

import pytest
import structlog

from libs.platform.migrations import migrate
from libs.platform.provision import prepare
from libs.schemas.events import Service
from sandbox.issuer import Client, load_clients
from sandbox.jars import UnavailableJars
from sandbox.kafka import EmbeddedKafka, create_topics
from sandbox.postgres import EmbeddedPostgres
from tests.databases import Databases, execute

# SIGKILL of the server loses nothing all the same: only a crash of the machine needs fsync.
FAST = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_wal_size": "4GB",
    "max_prepared_transactions": "2",
}


# A test that kills a member of a consumer group need not wait six seconds until the group notices.
QUICK_GROUPS = {"group.min.session.timeout.ms": "1000"}


# Nothing that collecting makes is garbage, and to look through it again and again would cost a third of its time.
gc.disable()


def pytest_collection_finish() -> None:
    """From here on garbage is looked for in what the tests make, not in the thousands of tests themselves."""
    gc.freeze()
    gc.set_threshold(50_000, 50, 50)
    gc.enable()


# To lay out one exception in colour with all its locals takes seconds.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)


FIRST = ("tests/faults/", "tests/journeys/", "tests/console/", "/test_openapi.py")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests come first, whatever the random order: one that starts last leaves a worker without work.

    Those of a package stay together, so that they share one running system, which ends with the last of them.
    """
    items.sort(key=lambda item: next((n for n, part in enumerate(FIRST) if part in item.nodeid), len(FIRST)))


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """A test that sets up a service's logs leaves those of the next one alone, and its warnings too: whoever
    captures them twice without letting go captures none.
    """
    root = logging.getLogger()  # noqa: TID251 - put back as pytest had it
    handlers, level, configured = root.handlers[:], root.level, structlog.get_config()
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(False)
    structlog.configure(**configured)


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A directory for servers' data, removed at the end; tests' own files belong into `tmp_path`."""
    path = Path(tempfile.mkdtemp(prefix="mash-test-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster(scratch: Path) -> Iterator[EmbeddedPostgres]:
    """This worker's own PostgreSQL cluster; a test that kills a server starts one of its own instead.

    The outbox fence reads the oldest transaction of the whole cluster, so workers must not share one.
    """
    with EmbeddedPostgres(scratch / "postgres", settings=FAST) as server:
        yield server


@pytest.fixture(scope="session")
def postgres(cluster: EmbeddedPostgres) -> str:
    """The superuser's DSN of this worker's cluster."""
    return cluster.dsn()


@pytest.fixture
async def database(cluster: EmbeddedPostgres) -> AsyncIterator[str]:
    """The superuser's DSN of an empty database that is this test's alone.

    Roles belong to the cluster: a test that creates some has to name them after its database, or expect them.
    """
    name = f"t_{uuid.uuid4().hex[:12]}"
    # Copying files takes 15 ms where the WAL-logged copy takes 60; without fsync its checkpoints cost little.
    await execute(cluster.dsn(), f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY FILE_COPY")
    yield cluster.dsn(name)
    await execute(cluster.dsn(), f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def clients() -> Mapping[str, Client]:
    """The clients of the sandbox, by id."""
    return load_clients()


@pytest.fixture(scope="session")
def hub_databases(cluster: EmbeddedPostgres) -> Databases:
    """Databases with the schemas of all services."""

    async def fill(dsn: str) -> None:
        await prepare(dsn, "postgres")
        for service in Service:
            await migrate(dsn, service, transport="postgres")

    return Databases(cluster, fill)


@pytest.fixture
async def hub_database(hub_databases: Databases) -> AsyncIterator[str]:
    """The administrator's DSN of a database with the schemas of all services that is this test's alone."""
    async with hub_databases.lend() as dsn:
        yield dsn


class SharedBroker:
    """One broker for all workers of a run: whoever needs it first starts it, the starter stops it last.

    A worker holds a shared lock on `users` for as long as it may use the broker; the starter takes that lock
    exclusively before it stops the broker. The system releases the lock of a worker that dies. Both files stay open:
    pytest's next runs may take the folder away once the tests are over.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._users = (directory / "kafka-users").open("w")
        self._start = (directory / "kafka-start").open("w")
        self._broker: EmbeddedKafka | None = None

    def open(self) -> str:
        """The bootstrap address. Raises UnavailableJars."""
        address = self._directory / "kafka-bootstrap"
        fcntl.flock(self._start, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._users, fcntl.LOCK_SH)
            if not address.exists():
                self._broker = EmbeddedKafka(self._directory / "kafka", settings=QUICK_GROUPS)
                address.write_text(self._broker.start())
            return address.read_text()
        finally:
            fcntl.flock(self._start, fcntl.LOCK_UN)

    def close(self) -> None:
        if self._broker is not None:
            while not self._alone():
                time.sleep(0.1)
            (self._directory / "kafka-bootstrap").unlink(missing_ok=True)
            self._broker.stop()
            shutil.rmtree(self._directory / "kafka", ignore_errors=True)
        self._users.close()
        self._start.close()

    def _alone(self) -> bool:
        """Waits until nobody uses the broker. False where somebody begins to just then: they go first."""
        fcntl.flock(self._users, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._start, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(self._users, fcntl.LOCK_UN)
            return False
        return True


BROKER = pytest.StashKey[SharedBroker]()


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> str:
    """The bootstrap address of a real Apache Kafka broker, shared by the whole run.

    Use topics and groups of your own (`topic`). A test that kills a broker starts one of its own.
    `MASH_KAFKA_BOOTSTRAP` uses a broker that runs already.
    """
    if given := os.environ.get("MASH_KAFKA_BOOTSTRAP"):
        return given
    base = tmp_path_factory.getbasetemp()
    broker = SharedBroker(base if worker_id == "master" else base.parent)
    # Stopped when the worker ends, not as part of its last test, whose time limit would cover the wait.
    request.config.stash[BROKER] = broker
    try:
        return broker.open()
    except UnavailableJars as unavailable:
        if os.environ.get("CI"):
            pytest.fail(f"CI needs the real broker. {unavailable}", pytrace=False)
        warnings.warn(f"EVERY TEST ON KAFKA IS SKIPPED. {unavailable}", pytest.PytestWarning, stacklevel=1)
        pytest.skip(str(unavailable))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says how much was tried by the tests that try at random: a bound that is met early would look like a success."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, value in report.user_properties:
                terminalreporter.write_line(f"{report.nodeid}: {name} {value}")


def pytest_unconfigure(config: pytest.Config) -> None:
    broker = config.stash.get(BROKER, None)
    if broker is not None:
        broker.close()


@pytest.fixture
async def topic(kafka: str) -> Callable[..., Awaitable[str]]:
    """A function that creates a topic of a unique name, `await topic("referral", partitions=12)`, and returns it."""

    async def create(stem: str = "topic", partitions: int = 12) -> str:
        name = f"{stem}.{uuid.uuid4().hex[:12]}"
        await create_topics(kafka, [name], partitions)
        return name

    return create

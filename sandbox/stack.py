"""The whole local system as child processes: database, event log, sandbox and any number of each service.

`mash up`, the journeys, the fault suite and the benchmarks all start the system with this, so that what they try is
what an operator runs.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.error import URLError
from urllib.request import urlopen

import asyncpg
import yaml

from libs.platform.database import role_dsn
from libs.platform.migrations import migrate
from libs.platform.provision import prepare
from libs.schemas.events import Service
from sandbox.issuer import CLIENTS
from sandbox.jars import UnavailableJars
from sandbox.kafka import EmbeddedKafka
from sandbox.postgres import EmbeddedPostgres
from sandbox.processes import Process, Processes, StartError, free_port, is_free
from sandbox.servers import make_topics, try_database
from sandbox.settings import AGENCY_KEY

Events = Literal["kafka", "postgres"]
Progress = Callable[[str], None]

ROOT = Path(__file__).resolve().parents[1]
PARTNERSHIP = ROOT / "deploy" / "partnership"
READY_SECONDS = 120.0
"""A process that runs and is not ready after this long hangs. A small busy machine takes a minute."""
SIGN_OF_LIFE_SECONDS = 5.0

PORTS = {"sandbox": 8100, "intake": 8101, "enrichment": 8102, "triage": 8103, "notify": 8104}
"""Where `mash up` listens unless it is told otherwise."""


class BusyPort(RuntimeError):
    """A port that the system should listen on is taken. The message names the port and whose it is."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to start. A port of 0 is any free one; `environment` adds to or replaces a child's variables by its name."""

    data: Path
    events: Events | None = None
    ports: Mapping[str, int] = field(default_factory=lambda: dict(PORTS))
    instances: int = 1
    database_url: str | None = None
    kafka_bootstrap: str | None = None
    partnership: Path = PARTNERSHIP
    named: str | None = None
    """What every event's source names the partnership; without it, what the services take for granted."""
    postgres_settings: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


class Stack:
    """Starts, watches, kills and restarts the parts of one local system. Its data outlive it."""

    def __init__(self, plan: Plan, progress: Progress = lambda _: None) -> None:
        self.plan = plan
        self.processes = Processes()
        self.services: dict[tuple[Service, int], Process] = {}
        self.ports: dict[str, int] = {}
        self.postgres: EmbeddedPostgres | None = None
        self.kafka: EmbeddedKafka | None = None
        self.sandbox: Process | None = None
        self.admin_dsn = ""
        self.events: Events = plan.events or "kafka"
        self.bootstrap: str | None = plan.kafka_bootstrap
        self._progress = progress
        self._secret = ""
        self._passwords: dict[Service, str] = {}

    def url(self, name: str, instance: int = 0) -> str:
        """The address of the sandbox or of a service's instance, such as `http://127.0.0.1:8101`."""
        return f"http://127.0.0.1:{self.ports[_key(name, instance)]}"

    @property
    def partnership(self) -> Path:
        """The folder of the partnership's files that the services read."""
        return self.plan.partnership

    def dsn(self, service: Service) -> str:
        """The database address with the service's own role."""
        return role_dsn(self.admin_dsn, service, self._passwords.get(service))

    async def start(self) -> None:
        """Starts everything and returns when every process is ready.

        Raises BusyPort before anything is started, StartError when a process ends instead, UnavailableJars when
        Kafka was demanded and its jars cannot be had.
        """
        await self.start_only(*Service)

    async def start_only(self, *services: Service) -> None:
        """The same with some of the services. Every schema is made all the same."""
        self._claim_ports()
        self.plan.data.mkdir(parents=True, exist_ok=True)
        await self._start_servers()
        self.start_sandbox()
        await self._migrate()
        for service in services:
            for instance in range(self.plan.instances):
                self.start_service(service, instance)
        await self.ready()

    def start_other(self, name: str, module: str, port: int, environment: Mapping[str, str]) -> Process:
        """Starts a module that is no part of the system beside it, with the environment that a service would have."""
        self.ports[name] = port
        own = {**self._service_environment(Service.INTAKE, 0), "MASH_PORT": str(port), **environment}
        return self._python(name, 0, module, own)

    async def answering(self, port: int, path: str, timeout: float = READY_SECONDS) -> None:
        """Waits until a GET of `path` is answered with 200. Raises StartError."""
        deadline = time.monotonic() + timeout
        while not await asyncio.to_thread(_answers, f"http://127.0.0.1:{port}{path}"):
            if time.monotonic() > deadline:
                raise StartError(f"nothing answered on port {port} within {timeout:.0f} s")
            await asyncio.sleep(0.05)

    def start_sandbox(self) -> None:
        """Starts the sandbox's own process: issuer, agencies, GOV.UK Notify, traces."""
        self.sandbox = self._python("sandbox", 0, "sandbox", self._sandbox_environment())

    def start_service(self, service: Service, instance: int = 0) -> None:
        """Starts one instance of a service, or starts it again after it was killed."""
        name = service.value
        self.services[service, instance] = self._python(
            name, instance, f"services.{name}", self._service_environment(service, instance)
        )

    async def ready(self, timeout: float = READY_SECONDS) -> None:
        """Waits until the sandbox and every service say that they are ready. Raises StartError."""
        waiting: dict[str, Process] = {}
        if self.sandbox is not None:
            waiting["sandbox"] = self.sandbox
        waiting |= {
            _key(service.value, number): process for (service, number), process in self.services.items()
        }
        begun = time.monotonic()
        deadline, said = begun + timeout, begun
        self._progress(f"waiting for {', '.join(waiting)}")
        while waiting:
            for key, process in list(waiting.items()):
                if not process.running:
                    raise StartError(f"{key} ended while starting:\n{process.log_tail()}")
                path = "/livez" if key == "sandbox" else "/readyz"
                if await asyncio.to_thread(_answers, f"http://127.0.0.1:{self.ports[key]}{path}"):
                    del waiting[key]
            if waiting and time.monotonic() > said + SIGN_OF_LIFE_SECONDS:
                said = time.monotonic()
                self._progress(f"still waiting for {', '.join(waiting)}")
            if waiting and time.monotonic() > deadline:
                key, process = next(iter(waiting.items()))
                raise StartError(f"{key} was not ready after {timeout:.0f} s:\n{process.log_tail()}")
            if waiting:
                await asyncio.sleep(0.05)

    def stop(self) -> None:
        """Stops the services, the sandbox, the event log and the database, in that order."""
        for process in reversed(list(self.services.values())):
            process.signal(15)
        self.processes.close()
        if self.kafka is not None:
            self.kafka.stop()
        if self.postgres is not None:
            self.postgres.stop()

    def parts(self) -> dict[str, Process]:
        """The child process of each part that was started."""
        found = {_key(service.value, number): one for (service, number), one in self.services.items()}
        if self.sandbox is not None:
            found["sandbox"] = self.sandbox
        if self.postgres is not None:
            found["postgres"] = self.postgres.process
        if self.kafka is not None:
            found["kafka"] = self.kafka.process
        return found

    def memory(self) -> dict[str, int]:
        """Proportional set size of each part in bytes."""
        return {
            name: process.proportional_set_size() for name, process in self.parts().items() if process.running
        }

    def _claim_ports(self) -> None:
        names = [
            "sandbox",
            *(_key(service.value, n) for service in Service for n in range(self.plan.instances)),
        ]
        taken: dict[int, str] = {}
        for name in names:
            port = self.plan.ports.get(name, 0)
            if port and (other := taken.setdefault(port, name)) != name:
                # Both could bind it, and one would answer for the other until that gave up.
                raise BusyPort(
                    f"port {port} is named for {other} and for {name} (choose another with --port)"
                )
            if port and not is_free(port):
                raise BusyPort(
                    f"port {port}, where {name} should listen, is taken (choose another with --port)"
                )
            self.ports[name] = port or free_port()

    async def _start_servers(self) -> None:
        waiting = {
            asyncio.create_task(self._start_database(), name="PostgreSQL"),
            asyncio.create_task(self._start_event_log(), name="Apache Kafka"),
        }
        while waiting:
            ended, waiting = await asyncio.wait(
                waiting, timeout=SIGN_OF_LIFE_SECONDS, return_when=asyncio.FIRST_EXCEPTION
            )
            for each in ended:
                each.result()
            if waiting:
                self._progress(f"still starting {' and '.join(sorted(each.get_name() for each in waiting))}")

    async def _start_database(self) -> None:
        if self.plan.database_url is not None:
            self.admin_dsn = self.plan.database_url
            await try_database(self.admin_dsn)
            return
        settings = dict(self.plan.postgres_settings)
        self.postgres = EmbeddedPostgres(
            self.plan.data / "postgres", settings=settings, progress=self._progress
        )
        self.admin_dsn = await asyncio.to_thread(self.postgres.start)

    async def _start_event_log(self) -> None:
        if self.events == "postgres":
            return
        if self.bootstrap is None:
            self.kafka = EmbeddedKafka(self.plan.data / "kafka", progress=self._progress)
            try:
                self.bootstrap = await asyncio.to_thread(self.kafka.start)
            except UnavailableJars as reason:
                self.kafka = None
                if self.plan.events == "kafka":
                    raise
                self._progress(f"{reason} Running on the PostgreSQL event log instead.")
                self.events = "postgres"
                return
        await make_topics(self.bootstrap)

    async def _migrate(self) -> None:
        self._secret = self._kept_secret()
        try:
            self._passwords = await prepare(self.admin_dsn, self.events, self._kept_passwords())
        except asyncpg.InsufficientPrivilegeError as error:
            raise StartError(
                "MASH_DATABASE_URL must be the address of an administrator, who may make schemas and roles: "
                f"PostgreSQL says “{error}”"
            ) from error
        self._keep("passwords.json", json.dumps(self._passwords))
        for number, service in enumerate(Service, start=1):
            self._progress(f"database: applying migrations of {service.value} ({number} of {len(Service)})")
            await migrate(self.admin_dsn, service, transport=self.events)

    def _kept_secret(self) -> str:
        path = self.plan.data / "cursor-secret"
        if not path.exists():
            self._keep(path.name, secrets.token_hex(32))
        return path.read_text()

    def _kept_passwords(self) -> dict[Service, str]:
        """The roles' passwords of last time: new ones would lock out whatever still runs on the same database."""
        path = self.plan.data / "passwords.json"
        if not path.exists():
            return {}
        return {Service(name): password for name, password in json.loads(path.read_text()).items()}

    def _keep(self, name: str, text: str) -> None:
        """Writes a file that nobody else may read."""
        path = self.plan.data / name
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)

    def _python(self, name: str, instance: int, module: str, environment: Mapping[str, str]) -> Process:
        key = _key(name, instance)
        own = {
            **_inherited(),
            **environment,
            **self.plan.environment.get(name, {}),
            **self.plan.environment.get(key, {}),
        }
        return self._launch(key, module, own, self.plan.data / "logs" / f"{key}.log")

    def _launch(self, key: str, module: str, environment: Mapping[str, str], log: Path) -> Process:
        return self.processes.start(key, [sys.executable, "-m", module], env=environment, cwd=ROOT, log=log)

    def _sandbox_environment(self) -> dict[str, str]:
        return {
            "MASH_ENVIRONMENT": "dev",
            "MASH_PORT": str(self.ports["sandbox"]),
            "MASH_DATA": str(self.plan.data / "sandbox"),
            "MASH_PARTNERSHIP_DIR": str(self.partnership),
            "MASH_NOTIFY_CALLBACK_URL": f"{self.url('notify')}/v1/notify/callback",
            "MASH_ENRICHMENT_URL": self.url("enrichment"),
        }

    def _service_environment(self, service: Service, instance: int) -> dict[str, str]:
        sandbox = self.url("sandbox")
        return {
            "MASH_ENVIRONMENT": "dev",
            "MASH_PORT": str(self.ports[_key(service.value, instance)]),
            "MASH_DATABASE_URL": self.dsn(service),
            "MASH_EVENTS": self.events,
            **({"MASH_KAFKA_BOOTSTRAP": self.bootstrap} if self.bootstrap else {}),
            "MASH_ISSUER": f"{sandbox}/issuer",
            "MASH_JWKS_URL": f"{sandbox}/issuer/jwks.json",
            "MASH_CURSOR_SECRET": self._secret,
            "MASH_OTLP_ENDPOINT": sandbox,
            "MASH_ALARM_URL": f"{sandbox}/alarms",
            "MASH_PARTNERSHIP_DIR": str(self.partnership),
            **({"MASH_PARTNERSHIP": self.plan.named} if self.plan.named else {}),
            **self._neighbours(service),
        }

    def _neighbours(self, service: Service) -> dict[str, str]:
        """Where a service finds what the sandbox stands in for, with waits short enough to watch."""
        sandbox = self.url("sandbox")
        if service is Service.ENRICHMENT:
            return {
                "MASH_AGENCIES_URL": sandbox,
                "MASH_AGENCY_KEY": AGENCY_KEY,
                "MASH_PEOPLE_SECRET": self._secret,
                "MASH_PUBLIC_URL": self.url(Service.ENRICHMENT.value),
                "MASH_SIGN_IN_CLIENT": "enrichment-pages",
                "MASH_SIGN_IN_SECRET": "sandbox-only-enrichment-pages",
                "MASH_CHECK_DEADLINE_CAP_SECONDS": "20",
            }
        if service is Service.TRIAGE:
            return {
                "MASH_PUBLIC_URL": self.url(Service.TRIAGE.value),
                "MASH_SEARCH_SECRET": self._secret,
                "MASH_SIGN_IN_CLIENT": "triage-pages",
                "MASH_SIGN_IN_SECRET": "sandbox-only-triage-pages",
                "MASH_INTAKE_URL": self.url(Service.INTAKE.value),
                "MASH_ENRICHMENT_URL": self.url(Service.ENRICHMENT.value),
            }
        if service is Service.NOTIFY:
            known = yaml.load(CLIENTS.read_text(), yaml.CSafeLoader)["notify"]
            return {
                "MASH_NOTIFY_URL": sandbox,
                "MASH_NOTIFY_API_KEY": known["api_key"],
                "MASH_NOTIFY_CALLBACK_TOKEN": known["callback_token"],
                "MASH_LOOK_UP_AFTER_SECONDS": "3",
                "MASH_POLL_AFTER_SECONDS": "5",
            }
        return {}


def _key(name: str, instance: int) -> str:
    return name if instance == 0 else f"{name}-{instance + 1}"


def _inherited() -> dict[str, str]:
    """The environment without this system's own settings, which each child gets afresh.

    Children may keep what Python compiled, whatever the parent may: it halves the time of their next start.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("MASH_") and name != "PYTHONDONTWRITEBYTECODE"
    }


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=1) as answer:  # noqa: S310 - our own loopback address
            return bool(answer.status == 200)
    except (URLError, OSError, TimeoutError):
        return False

"""The running system under fire: two instances of each service, started again, and somebody who kills."""

from __future__ import annotations

import asyncio
import itertools
import random
import signal
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from libs.schemas.events import Service
from sandbox.processes import Process
from sandbox.stack import Plan, Stack
from tests.forks import Fork, imported

INSTANCES = 2

KILLS: Mapping[Service, tuple[str, ...]] = {
    Service.INTAKE: ("intake.after_commit=kill:3", "relay.after_ack=kill:4"),
    Service.ENRICHMENT: (
        "runner.after_commit=kill:4",
        "enrichment.after_ask=kill:5",
        "relay.after_read=kill:4",
        "timers.after_claim=kill:1",
    ),
    Service.TRIAGE: ("runner.after_commit=kill:5", "relay.before_cursor=kill:5"),
    # An instance that dies in a hand-over while the system starts would only keep it from starting.
    Service.NOTIFY: ("notify.after_send=kill:2", "", "kafka.revoke=kill:1"),
}
"""Where each service dies, one failpoint for each life of one of its processes; empty: a life without."""

REST_SECONDS = 2.0
"""Between two lives of a process, as an orchestrator lets pass: the other instance takes over what the dead one led,
and comes to the place where it is to die.
"""

NO_DATABASE = ("CannotConnectNowError", "ConnectionRefusedError", "ConnectionResetError")
"""What the log of a process says that was started while PostgreSQL was away: it ends, to be started again."""

PLACES = frozenset(place.partition("=")[0] for places in KILLS.values() for place in places if place)


class Forking(Stack):
    """The first instance of each service begins as an operator starts it; every other life begins after the imports.

    A start is two seconds of imports, and nothing that is tried here dies in them.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._begun: set[str] = set()
        imported(Service)

    def _launch(self, key: str, module: str, environment: Mapping[str, str], log: Path) -> Process:
        first = {"sandbox", *Service} - self._begun
        self._begun.add(key)
        if key in first:
            return super()._launch(key, module, environment, log)
        service = Service(key.partition("-")[0])
        return Process(key, Fork(service, environment, log), signal.SIGTERM, 10.0, log)

    def stop(self) -> None:
        for process in self.services.values():
            process.stop()
        super().stop()


@dataclass
class UnderFire:
    """Starts what dies again, as an orchestrator would, and gives each new life its next place to die."""

    stack: Stack
    environment: dict[str, dict[str, str]]
    queues: dict[Service, list[str]]
    died_at: Counter[str] = field(default_factory=Counter)
    ended_otherwise: list[str] = field(default_factory=list)
    _lives: dict[tuple[Service, int], str] = field(default_factory=dict)
    _log_begins: dict[tuple[Service, int], int] = field(default_factory=dict)
    _shot: set[int] = field(default_factory=set)

    @classmethod
    async def start(cls, data: Path, notify: Mapping[str, str]) -> UnderFire:
        """`notify`: its settings, so that what a dead sender had in hand is followed up within seconds."""
        environment: dict[str, dict[str, str]] = {
            Service.ENRICHMENT.value: {"MASH_CHECK_DEADLINE_CAP_SECONDS": "3"},
            Service.NOTIFY.value: dict(notify),
        }
        plan = Plan(data, events="kafka", ports={}, instances=INSTANCES, environment=environment)
        queues = {service: list(places) for service, places in KILLS.items()}
        system = cls(Forking(plan), environment, queues)
        for service, instance in itertools.product(Service, range(INSTANCES)):
            system.give_next(service, instance)
        try:
            await system.stack.start()
        except BaseException:
            system.stack.stop()
            raise
        return system

    @property
    def places(self) -> list[dict[str, str]]:
        """The addresses of the first instances, and of the second, with the sandbox's."""
        names = [service.value for service in Service]
        return [
            {"sandbox": self.stack.url("sandbox"), **{name: self.stack.url(name, instance) for name in names}}
            for instance in range(INSTANCES)
        ]

    def give_next(self, service: Service, instance: int) -> None:
        """The process's next life ends at the service's next failpoint; without one it has none."""
        queue = self.queues[service]
        place = queue.pop(0) if queue else ""
        self._lives[service, instance] = place
        key = service.value if instance == 0 else f"{service.value}-{instance + 1}"
        own = {
            name: value for name, value in self.environment.get(key, {}).items() if name != "MASH_FAILPOINTS"
        }
        self.environment[key] = {**own, "MASH_FAILPOINTS": place}

    async def supervise(self) -> None:
        """Until cancelled: what has ended is started again."""
        now = asyncio.get_running_loop().time
        ended: dict[int, float] = {}
        while True:
            for (service, instance), process in list(self.stack.services.items()):
                if not process.running and now() - ended.setdefault(process.pid, now()) >= REST_SECONDS:
                    self._bury(service, instance, process)
                    assert process.log is not None
                    self._log_begins[service, instance] = process.log.stat().st_size
                    self.give_next(service, instance)
                    self.stack.start_service(service, instance)
            await asyncio.sleep(0.05)

    def _bury(self, service: Service, instance: int, process: Process) -> None:
        life = self._lives[service, instance]
        if process.exit_code == -signal.SIGKILL and process.pid not in self._shot and life:
            self.died_at[life.partition("=")[0]] += 1
            return
        if life:
            self.queues[service].insert(0, life)
        log = self._log_of_life(service, instance)
        if process.pid in self._shot:
            self.died_at[f"{service.value} at random"] += 1
        elif "start failed" in log and any(sign in log for sign in NO_DATABASE):
            self.died_at["start without database"] += 1
        else:
            self.ended_otherwise.append(f"{process.name} with {process.exit_code}: {process.log_tail()}")

    def _log_of_life(self, service: Service, instance: int) -> str:
        log = self.stack.services[service, instance].log
        assert log is not None
        with log.open() as lines:
            lines.seek(self._log_begins.get((service, instance), 0))
            return lines.read()

    def kill_one(self, service: Service) -> None:
        """SIGKILL of one instance, chosen at random."""
        running = [
            process for (of, _), process in self.stack.services.items() if of is service and process.running
        ]
        if running:
            self._shoot(random.choice(running))

    def begin_again(self) -> None:
        """SIGKILL of all services at once; their next lives end at the failpoints, as the first ones did."""
        self.queues = {service: list(places) for service, places in KILLS.items()}
        for process in self.stack.services.values():
            self._shoot(process)

    def stir(self) -> None:
        """Makes the groups share out their partitions anew where a member waits for that to die in it.

        The other instance is killed once both have partitions; its next life joins, and so revokes them.
        """
        for (service, instance), place in list(self._lives.items()):
            other = self.stack.services[service, 1 - instance]
            waits = place.startswith("kafka.revoke") and other.pid not in self._shot
            if (
                waits
                and self.has_partitions(service, instance)
                and self.has_partitions(service, 1 - instance)
            ):
                self._shoot(other)

    def has_partitions(self, service: Service, instance: int) -> bool:
        """Whether this life of the process has got as far as being given its partitions."""
        running = self.stack.services[service, instance].running
        return running and "partitions-assigned" in self._log_of_life(service, instance)

    def _shoot(self, process: Process) -> None:
        self._shot.add(process.pid)
        process.kill()

    def end(self) -> None:
        """The end of everything; nobody needs it any more."""
        for process in self.stack.services.values():
            process.kill()
        self.stack.stop()

    async def kill_kafka(self, seconds_away: float = 1.0) -> None:
        """SIGKILL of the broker, and its start after a while."""
        assert self.stack.kafka is not None
        await asyncio.to_thread(self.stack.kafka.kill)
        self.died_at["kafka"] += 1
        await asyncio.sleep(seconds_away)
        await asyncio.to_thread(self.stack.kafka.start)

    async def kill_postgres(self, seconds_away: float = 0.5) -> None:
        """SIGKILL of the database with all its sessions, and its start after a while."""
        assert self.stack.postgres is not None
        await asyncio.to_thread(self.stack.postgres.kill)
        self.died_at["postgres"] += 1
        await asyncio.sleep(seconds_away)
        await asyncio.to_thread(self.stack.postgres.start)

"""The running system under fire: two instances of each service, referrals coming in, and somebody who kills."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import signal
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli import samples
from cli.client import Client, Refused
from cli.stories import Story, example_stories
from libs.schemas.events import Service
from sandbox.processes import Process
from sandbox.stack import Plan, Stack

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

PLACES = frozenset(place.partition("=")[0] for places in KILLS.values() for place in places if place)


@dataclass
class Acknowledged:
    """What intake has promised."""

    reference: str
    children: int


@dataclass
class UnderFire:
    """Starts what dies again, as an orchestrator would, and gives each new life its next place to die."""

    stack: Stack
    environment: dict[str, dict[str, str]]
    queues: dict[Service, list[str]]
    acknowledged: list[Acknowledged] = field(default_factory=list)
    unanswered: int = 0
    died_at: Counter[str] = field(default_factory=Counter)
    ended_otherwise: list[str] = field(default_factory=list)
    _lives: dict[tuple[Service, int], str] = field(default_factory=dict)
    _sending: bool = True
    _stirred: set[int] = field(default_factory=set)

    @classmethod
    async def start(cls, data: Path, events: str = "kafka") -> UnderFire:
        environment: dict[str, dict[str, str]] = {
            Service.ENRICHMENT.value: {"MASH_CHECK_DEADLINE_CAP_SECONDS": "3"},
        }
        plan = Plan(data, events=events, ports={}, instances=INSTANCES, environment=environment)  # type: ignore[arg-type]
        system = cls(Stack(plan), environment, {service: list(places) for service, places in KILLS.items()})
        for service, instance in itertools.product(Service, range(INSTANCES)):
            system.give_next(service, instance)
        try:
            await system.stack.start()
        except BaseException:
            system.stack.stop()
            raise
        return system

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
        while True:
            for (service, instance), process in list(self.stack.services.items()):
                if not process.running:
                    self._bury(service, instance, process)
                    self.give_next(service, instance)
                    await asyncio.to_thread(self.stack.start_service, service, instance)
            await asyncio.sleep(0.05)

    def _bury(self, service: Service, instance: int, process: Process) -> None:
        place = self._lives[service, instance].partition("=")[0]
        if process.exit_code == -signal.SIGKILL:
            self.died_at[place or "random"] += 1
        else:
            self.ended_otherwise.append(f"{process.name} with {process.exit_code}: {process.log_tail()}")

    async def refer(self, every: float) -> None:
        """Sends the stories one after the other, `every` so many seconds, until `enough`.

        A referral without an answer is sent again with its key, to the other instance, as a partner's system does.
        """
        stories = example_stories(samples.EXAMPLES)
        with contextlib.ExitStack() as stack:
            senders = [stack.enter_context(self._client(instance)) for instance in range(INSTANCES)]
            underway: set[asyncio.Task[None]] = set()
            for story in itertools.cycle(stories):
                if not self._sending:
                    break
                underway.add(asyncio.create_task(self._refer(senders, story)))
                await asyncio.sleep(every)
            await asyncio.gather(*underway)

    def enough(self) -> None:
        """Ends `refer` once what was sent is answered."""
        self._sending = False

    def behave(self, agency: str, behaviour: Mapping[str, Any]) -> None:
        """Tells one of the sandbox's agencies how to answer."""
        with self._client(0) as client:
            client._send("PUT", "sandbox", f"/agencies/{agency}/behaviour", json=dict(behaviour))

    def kill_one(self, service: Service) -> None:
        """SIGKILL of one instance, chosen at random."""
        running = [
            process for (of, _), process in self.stack.services.items() if of is service and process.running
        ]
        if running:
            random.choice(running).kill()

    def stir(self) -> None:
        """Makes the groups share out their partitions anew where a member waits for that to die in it.

        The other instance is killed once the member has its partitions; its next life joins, and so revokes them.
        """
        for (service, instance), place in list(self._lives.items()):
            member, other = self.stack.services[service, instance], (service, 1 - instance)
            if (
                place.startswith("kafka.revoke")
                and member.pid not in self._stirred
                and has_partitions(member)
            ):
                self._stirred.add(member.pid)
                self.stack.services[other].kill()

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

    def _client(self, instance: int) -> Client:
        urls = {"sandbox": self.stack.url("sandbox"), "intake": self.stack.url("intake", instance)}
        return Client(urls)

    async def _refer(self, senders: list[Client], story: Story) -> None:
        key = str(uuid.uuid4())
        for attempt in range(60):
            try:
                answer = await asyncio.to_thread(
                    senders[attempt % len(senders)].refer, story.client, story.referral, key
                )
            except Refused as refused:
                if refused.status is not None and refused.status < 500:
                    raise
                await asyncio.sleep(0.3)
            else:
                self.acknowledged.append(Acknowledged(answer["reference"], len(story.referral["children"])))
                return
        self.unanswered += 1


def has_partitions(member: Process) -> bool:
    """Whether the last start of the process has got as far as being given its partitions."""
    assert member.log is not None
    last_life = member.log.read_text().rpartition("Started server process")[2]
    return member.running and "partitions-assigned" in last_life

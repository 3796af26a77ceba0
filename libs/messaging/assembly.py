"""Puts the parts together that carry a service's events, the same way in every service and on both transports."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import asyncpg

from libs.messaging.ages import Ages
from libs.messaging.alarm import Alarm, log_only
from libs.messaging.consumer import Consumer
from libs.messaging.kafka import KafkaConnection
from libs.messaging.ledger import Ledger
from libs.messaging.limits import USUAL, Limits
from libs.messaging.parked import ParkedMessages
from libs.messaging.producer import EventProducer
from libs.messaging.reconciler import Reconciler, Sweep
from libs.messaging.relay import Relay
from libs.messaging.retention import Retention, outbox_readers
from libs.messaging.runner import Runner
from libs.messaging.tasks import Part
from libs.messaging.timers import Handler, TimerLoop
from libs.messaging.transport import Transport
from libs.messaging.transports.kafka import KafkaTransport
from libs.messaging.transports.postgres import PostgresTransport

LAST_EVENTS_SECONDS = 0.5
"""How long the relay goes on after everything that writes has stopped."""

RETENTION_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Assembly:
    """One process's share in the event log."""

    parked: ParkedMessages
    """What people work with where a message could not be processed."""
    parts: tuple[tuple[str, Part], ...]
    """For `Background`, in the order in which they stop: what fetches before what sends."""


def assemble(
    ledger: Ledger,
    consumer: Consumer,
    connect: Callable[[], Awaitable[asyncpg.Connection]],
    *,
    events: Literal["kafka", "postgres"],
    bootstrap: str | None,
    handlers: Mapping[str, Handler] | None = None,
    sweeps: Sequence[Sweep] = (),
    workers: Sequence[tuple[str, Part]] = (),
    alarm: Alarm = log_only,
    limits: Limits | None = None,
) -> Assembly:
    """The runner, retries of parked messages, timers, sweeps, the service's own workers, gauges and the relay.

    `connect` opens a connection of its own in the service's schema, for session locks. `handlers`: what each kind of
    timer sets off. Raises ValueError where Kafka is to carry the events and `bootstrap` does not say where it is.
    """
    limits = limits or USUAL
    transport: Transport
    sender: list[tuple[str, Part]] = []
    if events == "kafka":
        if not bootstrap:
            raise ValueError("Kafka needs bootstrap addresses")
        connection = KafkaConnection(bootstrap, ledger.service.value)
        topics = {kind.topic for kind in consumer.types}
        transport = KafkaTransport(
            connection, consumer.name, topics, linger=limits.linger, failpoints=ledger.failpoints
        )
        relay = Relay(ledger, EventProducer(connection), connect, consumer=consumer, alarm=alarm)
        sender.append(("relay", UntilCancelled(relay.run, LAST_EVENTS_SECONDS)))
    else:
        transport = PostgresTransport(
            connect,
            ledger.service,
            consumer.types,
            clock=ledger.clock,
            linger=limits.linger,
            failpoints=ledger.failpoints,
        )
    parked = ParkedMessages(ledger, consumer)
    retention = Retention(ledger, outbox_readers(ledger.service, events), alarm=alarm)
    parts: list[tuple[str, Part]] = [
        ("runner", Runner(ledger, transport, consumer, limits=limits, alarm=alarm)),
        ("parked", parked),
        ("reconciler", Reconciler(ledger, [*sweeps, Sweep("retention", RETENTION_SECONDS, retention.prune)])),
    ]
    if handlers:
        parts.append(("timers", TimerLoop(ledger, handlers)))
    return Assembly(parked, (*parts, *workers, ("ages", Ages(ledger, consumer.name, transport)), *sender))


class UntilCancelled:
    """A part made of a coroutine that ends only when cancelled. `linger`: seconds that it goes on after `stop`."""

    def __init__(self, run: Callable[[], Awaitable[Any]], linger: float = 0.0) -> None:
        self._run = run
        self._linger = linger
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Asks `run` to return after the time to linger."""
        self._stopping.set()

    async def run(self) -> None:
        """Runs until `stop`, or until the coroutine ends by itself."""
        task = asyncio.ensure_future(self._run())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                await asyncio.wait({task}, timeout=self._linger)
            if task.done():
                task.result()
        finally:
            stopping.cancel()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

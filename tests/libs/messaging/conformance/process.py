"""One instance in a process of its own, for tests that kill it. Arguments: role, kind, DSN, bootstrap, namespace."""

from __future__ import annotations

import asyncio
import dataclasses
import sys

from libs.messaging.failpoints import Failpoints
from libs.messaging.producer import EventProducer
from libs.messaging.relay import Relay
from libs.platform.database import create_pool
from libs.schemas.events import Service
from tests.libs.messaging.conformance.world import QUICK, Recorder, World

IMPATIENT = dataclasses.replace(QUICK, session=2.0)
"""Its group notices within two seconds when it was killed."""


async def main(role: str, kind: str, dsn: str, bootstrap: str, namespace: str) -> None:
    world = World(kind, dsn, bootstrap, namespace)
    failpoints = Failpoints.from_env()
    if role == "relay":
        service = Service.INTAKE
        ledger = world.new_ledger(service, await create_pool(dsn, service=service, size=2), failpoints)
        await Relay(ledger, EventProducer(world.kafka()), world.connect_as(service)).run()
        return
    service = Service.ENRICHMENT
    world.ledgers[service] = world.new_ledger(service, await create_pool(dsn, service=service, size=2))
    transport = world.transport(service, timing=IMPATIENT, failpoints=failpoints)
    await world.join(Recorder(), transport=transport, failpoints=failpoints).task


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

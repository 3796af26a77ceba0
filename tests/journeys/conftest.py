"""One running system on Kafka, shared by all journeys."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.client import Client
from libs.schemas.events import Service
from sandbox.stack import Plan, Stack
from tests.conftest import FAST

ENVIRONMENT = {
    Service.INTAKE.value: {"MASH_UNSEEN_SECONDS": "3", "MASH_UNSEEN_DANGER_SECONDS": "1"},
    Service.ENRICHMENT.value: {"MASH_CHECK_DEADLINE_CAP_SECONDS": "3"},
}


@dataclass
class Running:
    """A system and somebody who may call every part of it."""

    stack: Stack
    client: Client
    data: Path

    @property
    def urls(self) -> dict[str, str]:
        """Where its parts listen, by name."""
        return {name: self.stack.url(name) for name in ("sandbox", *(service.value for service in Service))}


@pytest.fixture(scope="package")
def running(kafka: str, scratch: Path) -> Iterator[Running]:
    """Fails or skips like every test on Kafka; the broker itself is the system's own, since one test stops it."""
    data = scratch / "system-journeys"
    stack = Stack(Plan(data, events="kafka", ports={}, postgres_settings=FAST, environment=ENVIRONMENT))
    try:
        asyncio.run(stack.start())
        urls = {name: stack.url(name) for name in ("sandbox", *(service.value for service in Service))}
        with Client(urls) as client:
            yield Running(stack, client, data)
    finally:
        stack.stop()

"""The registry of event types says who reads what; the services read just that."""

from typing import Any

import pytest

from libs.messaging.consumer import Consumer
from libs.schemas.events import EVENT_TYPES, EventType, Service
from services.enrichment.consumer import EnrichmentConsumer
from services.intake.consumer import StatusProjection
from services.notify.consumer import NotifyConsumer
from services.triage.consumer import TriageConsumer

CONSUMERS: dict[Service, type[Consumer]] = {
    Service.INTAKE: StatusProjection,
    Service.ENRICHMENT: EnrichmentConsumer,
    Service.TRIAGE: TriageConsumer,
    Service.NOTIFY: NotifyConsumer,
}


@pytest.mark.parametrize("service", Service)
def test_a_service_reads_the_types_that_the_registry_says(service: Service) -> None:
    registered: set[EventType[Any]] = {each for each in EVENT_TYPES if service in each.readers}
    assert CONSUMERS[service].types == registered


def test_every_service_has_a_consumer_of_its_name() -> None:
    assert {service: consumer.name for service, consumer in CONSUMERS.items()} == {
        each: each.value for each in Service
    }

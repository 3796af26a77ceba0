"""Schemathesis plays operators, the governance lead and GOV.UK Notify that send anything to the running services."""

import asyncio
from functools import partial

import pytest
import yaml

from libs.schemas.events import Service
from sandbox.issuer import CLIENTS
from tests.fuzzing import LIMIT, LONG, Record, faults_found
from tests.journeys.conftest import Running
from tests.journeys.referrals import SCHOOL, fact, referral, until

CALLBACK_TOKEN: str = yaml.load(CLIENTS.read_text(), yaml.CSafeLoader)["notify"]["callback_token"]


@pytest.mark.soak
@pytest.mark.timeout(LIMIT)
def test_schemathesis_finds_nothing_in_enrichment_and_notify(
    running: Running, record_property: Record
) -> None:
    client = running.client
    reference = str(client.refer(SCHOOL, referral(fact("child.hunger", "persistent")))["reference"])
    operations = client.token("operations")
    tried = [(Service.ENRICHMENT, operations, ".*", True, 1.0), (Service.NOTIFY, operations, ".*", True, 0.6)]
    if LONG:
        # No schema says which cursor is one of the list, and which years a time may be of.
        tried += [(Service.ENRICHMENT, client.token("governance"), "/disclosures", False, 0.2)]
        tried += [(Service.NOTIFY, CALLBACK_TOKEN, "/callback", False, 0.2)]
    for service, token, paths, valid_is_taken, share in tried:
        until(partial(client.journey, service.value, reference), f"{service} to know {reference}")
        found = asyncio.run(
            faults_found(
                running.stack.url(service.value),
                token,
                running.data / f"fuzzing-{service.value}",
                parameters={"reference": reference},
                record=record_property,
                paths=paths,
                at_least=150,
                valid_is_taken=valid_is_taken,
                share=share,
            )
        )
        assert found is None, found

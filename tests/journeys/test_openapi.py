"""Schemathesis plays operators, the governance lead and GOV.UK Notify that send anything to the running services."""

import asyncio
from functools import partial

import asyncpg
import pytest
import yaml

from libs.schemas.events import Service
from sandbox.issuer import CLIENTS
from tests.fuzzing import LIMIT, Record, Way, faults_found, parked_ways
from tests.journeys.conftest import Running
from tests.journeys.referrals import SCHOOL, fact, referral, until

CALLBACK_TOKEN: str = yaml.load(CLIENTS.read_text(), yaml.CSafeLoader)["notify"]["callback_token"]


async def ways_into(running: Running, service: Service, reference: str) -> dict[str, Way]:
    connection = await asyncpg.connect(running.stack.admin_dsn)
    ways = await parked_ways(connection, service)
    ways["GET /v1/journeys/{reference}"] = Way({"reference": reference})
    if service is Service.ENRICHMENT:
        # No schema says which cursor is one of the list, and which years a time may be of.
        token = running.client.token("governance")
        ways["GET /v1/disclosures"] = Way(token=token, valid_is_taken=False)
    else:
        notice = await connection.fetchval("SELECT id FROM notify.notice ORDER BY id LIMIT 1")
        receipt = {"id": str(notice), "reference": str(notice), "status": "delivered"}
        ways["POST /v1/notify/callback"] = Way(body=receipt, token=CALLBACK_TOKEN, valid_is_taken=False)
    await connection.close()
    return ways


@pytest.mark.soak
@pytest.mark.timeout(LIMIT)
def test_schemathesis_finds_nothing_in_enrichment_and_notify(
    running: Running, record_property: Record
) -> None:
    client = running.client
    reference = str(client.refer(SCHOOL, referral(fact("child.hunger", "persistent")))["reference"])
    for service, share in ((Service.ENRICHMENT, 1.0), (Service.NOTIFY, 0.6)):
        until(partial(client.journey, service.value, reference), f"{service} to know {reference}")
        found = asyncio.run(
            faults_found(
                running.stack.url(service.value),
                client.token("operations"),
                running.data / f"fuzzing-{service.value}",
                ways=asyncio.run(ways_into(running, service, reference)),
                record=record_property,
                # Agencies that answer have a test of their own.
                paths="^(?!/v1/(work|lists))",
                share=share,
            )
        )
        assert found is None, found

"""A referral that could be recognised anywhere, and every place outside payloads where it must not appear."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from libs.schemas.events import PARTITIONS, TOPICS, Service
from tests.journeys.conftest import Running
from tests.journeys.referrals import SCHOOL, fact

CANARIES = {
    "given_name": "Zephyrcanary",
    "family_name": "Quillcanary",
    "nhs_number": "9990000026",
    "street": "77 Canarywharf Yard",
    "postcode": "PE9 9ZQ",
    "worry": "free text canary: she whispered it to the caretaker",
    "email": "canary.referrer@example.org",
}


def canary_referral() -> dict[str, Any]:
    child = {
        "given_name": CANARIES["given_name"],
        "family_name": CANARIES["family_name"],
        "born": {"on": "2018-09-10"},
        "nhs_number": CANARIES["nhs_number"],
        "address": {"lines": [CANARIES["street"]], "postcode": CANARIES["postcode"]},
        "facts": [fact("child.hunger", "persistent")],
    }
    contact = {"channel": "email", "email": CANARIES["email"]}
    referrer = {"role": "teacher", "source": "2A", "contacts": [contact]}
    agreed = {"checks": {"answer": "given"}}
    return {"worry": CANARIES["worry"], "referrer": referrer, "agreements": agreed, "children": [child]}


def wrong_requests(running: Running) -> Iterator[httpx.Response]:
    """The canaries in every place of a request where they do not belong."""
    headers = {"Authorization": f"Bearer {running.client.token(SCHOOL)}", "Idempotency-Key": "canary-wrong"}
    intake, triage = running.stack.url("intake"), running.stack.url("triage")
    body = canary_referral()
    child = body["children"][0]
    for wrong in (
        {**body, "kind": CANARIES["worry"]},
        {**body, CANARIES["given_name"]: CANARIES["street"]},
        {**body, "children": [{**child, "born": CANARIES["family_name"]}]},
        {**body, "children": [{**child, "nhs_number": f"{CANARIES['nhs_number']} {CANARIES['worry']}"}]},
        {**body, "children": [{**child, "facts": [fact("child.canary_fact", CANARIES["worry"])]}]},
        [CANARIES["worry"]],
    ):
        yield httpx.post(f"{intake}/v1/referrals", json=wrong, headers=headers)
    text = f'{{"worry": "{CANARIES["worry"]}", "worry": "{CANARIES["street"]}"'
    yield httpx.post(
        f"{intake}/v1/referrals", content=text, headers={**headers, "Content-Type": "application/json"}
    )
    yield httpx.get(f"{intake}/v1/referrals/{CANARIES['given_name']}", headers=headers)
    yield httpx.get(f"{triage}/v1/queue", params={"team": CANARIES["family_name"]}, headers=headers)
    yield httpx.get(f"{triage}/v1/{CANARIES['family_name']}", headers=headers)


async def poison(running: Running) -> str:
    """A message of the shape of an event whose payload is not what its type says, with canaries in it. Gives its id."""
    producer = AIOKafkaProducer(bootstrap_servers=running.stack.bootstrap)
    await producer.start()
    identity, key = str(uuid4()), str(uuid4())
    headers = {
        "ce_specversion": "1.0",
        "ce_id": identity,
        "ce_source": "/mash/peterborough/intake",
        "ce_type": "uk.mash.referral.received.v1",
        "ce_time": "2026-11-23T09:00:00Z",
        "ce_subject": key,
        "ce_partitionkey": key,
        "ce_sequence": "1",
        "content-type": "application/json",
    }
    value = json.dumps({"shared": {"reference": 7, "worry": CANARIES["worry"]}, "children": []}).encode()
    try:
        await producer.send_and_wait(
            TOPICS[Service.INTAKE],
            value,
            key=key.encode(),
            headers=[(name, text.encode()) for name, text in headers.items()],
        )
    finally:
        await producer.stop()
    return identity


async def keys_and_headers(running: Running) -> str:
    """Key and headers of every record of every topic."""
    consumer = AIOKafkaConsumer(bootstrap_servers=running.stack.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    found: list[str] = []
    try:
        places = [TopicPartition(topic, n) for topic in TOPICS.values() for n in range(PARTITIONS)]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        left = {place for place in places if ends[place] > 0}
        while left:
            for place, records in (await consumer.getmany(timeout_ms=500)).items():
                found += [f"{record.key!r} {record.headers!r}" for record in records]
                if records[-1].offset + 1 >= ends[place]:
                    left.discard(place)
    finally:
        await consumer.stop()
    return "\n".join(found)


async def columns(running: Running) -> str:
    """Every column of every table of every service but the payloads."""
    connection = await asyncpg.connect(running.stack.admin_dsn)
    try:
        tables = await connection.fetch(
            "SELECT table_schema, table_name, array_agg(column_name::text) AS columns FROM information_schema.columns"
            " WHERE table_schema = ANY ($1) AND data_type <> 'bytea' GROUP BY 1, 2",
            [service.value for service in Service],
        )
        rows = []
        for schema, table, names in tables:
            listed = ", ".join(f'"{name}"' for name in names)
            rows += await connection.fetch(f'SELECT {listed} FROM "{schema}"."{table}"')
    finally:
        await connection.close()
    return "\n".join(str(tuple(row)) for row in rows)

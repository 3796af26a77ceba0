"""Gets past a record that the client itself cannot read, without losing it or what lies around it.

A header's name that is not UTF-8 makes aiokafka raise from the middle of a fetch, each time anew. It hides what its
own producer wrote behind it in the same batch too; no record of ours is ever in a batch with another producer's.
"""

from __future__ import annotations

import asyncio

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

_log = structlog.get_logger(__name__)

SECONDS = 10.0
"""How long everything is read one by one, where the unreadable record is not found before."""

NAP = 0.05
"""Seconds between two looks at what was fetched."""


async def read_singly(
    consumer: AIOKafkaConsumer, max_records: int
) -> tuple[dict[TopicPartition, list[ConsumerRecord]], bool]:
    """Reads one record after the other until one cannot be read; that one comes without headers, key and value.

    So it can be parked by its place, where the topic's retention still has it. True: it has come to it.
    """
    polled: dict[TopicPartition, list[ConsumerRecord]] = {}
    for place in sorted(consumer.assignment()):
        while max_records > 0:
            try:
                found = await consumer.getmany(place, timeout_ms=0, max_records=1)
            except UnicodeDecodeError:
                offset = await consumer.position(place)
                consumer.seek(place, offset + 1)
                _log.critical(
                    "record-unreadable", topic=place.topic, partition=place.partition, offset=offset
                )
                polled.setdefault(place, []).append(_blank(place, offset))
                return polled, True
            if not found:
                break
            polled.setdefault(place, []).extend(found[place])
            max_records -= 1
    if not polled:
        # A fetch that is waited for would raise again, and drop what it got.
        await asyncio.sleep(NAP)
    return polled, False


def _blank(place: TopicPartition, offset: int) -> ConsumerRecord:
    return ConsumerRecord(place.topic, place.partition, offset, 0, 0, None, None, None, -1, -1, ())

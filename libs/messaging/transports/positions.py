"""How far one member of a group has come in each partition that it has, and what it reads there."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord

from libs.messaging.event import Envelope, MalformedEnvelope, Record


@dataclass(frozen=True, slots=True)
class Token:
    """Where a record was read, and under which sharing out of the partitions."""

    epoch: int
    place: TopicPartition


class Positions:
    """Offsets of the partitions of the present epoch; an epoch ends when the partitions are shared out anew.

    What a record of an earlier epoch says is passed over: another member may have the partition by now.
    """

    def __init__(self) -> None:
        self.epoch = 0
        self.next: dict[TopicPartition, int] = {}
        """The first offset that is not processed, of partitions that anything was read of."""
        self.uncommitted: dict[TopicPartition, int] = {}
        """Processed up to here, exclusive, and not known to be committed."""
        self._oldest: dict[TopicPartition, datetime] = {}

    def polled(self, run: Sequence[Record]) -> None:
        """These records of one partition are given out."""
        if run:
            place = run[0].token.place
            self.next.setdefault(place, run[0].position)
            with contextlib.suppress(MalformedEnvelope):
                self._oldest.setdefault(place, Envelope.parse(run[0].headers).time)

    def processed(self, records: Sequence[Record]) -> None:
        """These are processed."""
        for record in records:
            if record.token.epoch == self.epoch:
                place = record.token.place
                self.next[place] = self.uncommitted[place] = record.position + 1
                self._oldest.pop(place, None)

    def firsts(self, records: Sequence[Record]) -> dict[TopicPartition, int]:
        """The first offset of each partition among these."""
        first: dict[TopicPartition, int] = {}
        for record in records:
            if record.token.epoch == self.epoch:
                first.setdefault(record.token.place, record.position)
        return first

    def committed(self, offsets: Mapping[TopicPartition, int], epoch: int) -> None:
        """These need not be committed any more."""
        if epoch == self.epoch:
            for place, offset in offsets.items():
                if self.uncommitted.get(place) == offset:
                    del self.uncommitted[place]

    def oldest(self) -> datetime | None:
        """Event time of the oldest record that was given out and is not processed."""
        return min(self._oldest.values(), default=None)

    def start_anew(self) -> None:
        """The partitions are shared out anew."""
        self.epoch += 1
        for kept in (self.next, self.uncommitted, self._oldest):
            kept.clear()


def record_of(found: ConsumerRecord, topic: str, token: Token) -> Record:
    """A broker's record, whoever wrote it, as the library knows records."""
    return Record(
        topic=topic,
        partition=found.partition,
        position=found.offset,
        key=found.key or b"",
        # A header's value may be null, and is for no header of ours.
        headers={name: value or b"" for name, value in found.headers},
        value=found.value or b"",
        token=token,
    )

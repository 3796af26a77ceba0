"""A member goes back to the first record that it did not finish, and never where others have gone on."""

from __future__ import annotations

from aiokafka import TopicPartition

from libs.messaging.event import Record
from libs.messaging.transports.positions import Positions, Token

ONE, OTHER = TopicPartition("mash.referral.v1", 0), TopicPartition("mash.referral.v1", 1)


def polled(place: TopicPartition, position: int, epoch: int = 0) -> Record:
    return Record(place.topic, place.partition, position, b"", {}, b"", Token(epoch, place))


def test_going_back_leads_to_the_first_record_of_each_partition() -> None:
    records = [polled(ONE, 4), polled(ONE, 5), polled(OTHER, 9), polled(ONE, 6)]
    assert Positions().firsts(records) == {ONE: 4, OTHER: 9}


def test_nobody_goes_back_in_what_was_shared_out_anew() -> None:
    positions = Positions()
    positions.start_anew()
    assert positions.firsts([polled(ONE, 4), polled(OTHER, 9, epoch=1)]) == {OTHER: 9}

"""What was evaluated can be derived anew from what was stored, and what was tampered with shows."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from libs.messaging.codec import ERASED, Codec, Decoded, PlainCodec, Undecodable
from libs.schemas.findings import PARTLY_UNDERSTOOD
from libs.schemas.levels import Level
from services.triage.documents import RecordedEvaluation
from services.triage.policies.replay import Replay, Replayed, Result, all_cases
from services.triage.thresholds import Thresholds
from tests.services.triage.conftest import CODEC, NEGLECTED, HubWorld, Story, stated


@pytest.fixture
async def story(hub: HubWorld) -> Story:
    """A case with everything that an evaluation may rest on: late, partly understood and further words."""
    await hub.policies.start(hub.ledger)
    story = Story()
    events = (
        story.received(NEGLECTED),
        story.answer("health", stated("child.injury", "unexplained"), reason=PARTLY_UNDERSTOOD),
        story.answer("education", state="no_answer"),
        story.completed({"police": "unavailable", "education": "no_answer"}),
        story.information(stated("child.left_alone", True)),
        story.answer("police", stated("household.domestic_abuse", "repeated"), late=True),
    )
    await hub.take_one_by_one(events)
    return story


async def replay(hub: HubWorld, case_id: UUID, codec: Codec = CODEC) -> list[Replayed]:
    async with hub.ledger.pool.acquire() as connection:
        return await Replay(codec).cases(connection, [case_id])


async def test_every_evaluation_follows_from_what_was_known_then(hub: HubWorld, story: Story) -> None:
    found = await replay(hub, story.child_ids[0])
    assert len(found) == (await hub.case(story.child_ids[0])).evaluation >= 5
    assert {(one.result, one.differences) for one in found} == {(Result.SAME, ())}


async def test_evidence_that_came_later_is_not_read_into_an_earlier_evaluation(
    hub: HubWorld, story: Story
) -> None:
    await hub.take(story.answer("police", stated("child.disclosed_sexual_abuse", True), late=True))
    found = await replay(hub, story.child_ids[0])
    levels = await hub.rows("SELECT level FROM evaluation ORDER BY number")
    assert levels[-1]["level"] == Level.SECTION_47 != levels[0]["level"]
    assert {one.result for one in found} == {Result.SAME}


async def test_a_fact_that_was_tampered_with_shows_from_then_on(hub: HubWorld, story: Story) -> None:
    case_id = story.child_ids[0]
    (row,) = await hub.rows("SELECT number, document FROM evidence WHERE source = 'police'")
    document = json.loads(row["document"])
    (part,) = document["children"].values()
    part["facts"] = []
    await hub.rows(
        "UPDATE evidence SET document = $2 WHERE number = $1", row["number"], json.dumps(document).encode()
    )
    found = await replay(hub, case_id)
    differing = [one for one in found if one.result is Result.DIFFERS]
    assert [one.number for one in differing] == [found[-1].number]
    places = {difference.place for difference in differing[0].differences}
    assert any(place.startswith("fired") for place in places), places


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("level", "universal"),
        ("rag", "blue"),
        ("could_rise_to", "universal"),
        ("states", '[{"police":"returned"}]'),
    ],
)
async def test_a_column_that_was_tampered_with_shows(
    hub: HubWorld, story: Story, column: str, value: str
) -> None:
    await hub.rows(f"UPDATE evaluation SET {column} = $1 WHERE number = 1", value)
    assert (await replay(hub, story.child_ids[0]))[0].result is Result.DIFFERS


async def test_an_outcome_that_was_tampered_with_shows(hub: HubWorld, story: Story) -> None:
    (row,) = await hub.rows("SELECT document FROM evaluation WHERE number = 1")
    document = json.loads(row["document"])
    (evaluation,) = document["children"].values()
    evaluation["outcome"]["actions"] = []
    evaluation["outcome"]["fired"][0]["evidence"][0]["source"] = "police"
    await hub.rows("UPDATE evaluation SET document = $1 WHERE number = 1", json.dumps(document).encode())
    first = (await replay(hub, story.child_ids[0]))[0]
    assert first.result is Result.DIFFERS
    assert any(one.stored == "police" for one in first.differences)


async def test_a_piece_of_evidence_that_is_gone_is_no_agreement(hub: HubWorld, story: Story) -> None:
    await hub.rows("DELETE FROM evidence WHERE number = 2")
    results = [one.result for one in await replay(hub, story.child_ids[0])]
    assert results[0] is Result.SAME
    assert set(results[1:]) == {Result.UNREADABLE}


async def test_a_policy_that_is_not_stored_cannot_be_passed_over(hub: HubWorld, story: Story) -> None:
    await hub.rows("UPDATE evaluation SET policy = $1", "f" * 64)
    assert {one.result for one in await replay(hub, story.child_ids[0])} == {Result.NO_POLICY}


async def test_what_an_earlier_release_evaluated_says_so(hub: HubWorld, story: Story) -> None:
    await hub.rows("UPDATE evaluation SET evidence = NULL, states = NULL WHERE number = 1")
    results = [one.result for one in await replay(hub, story.child_ids[0])]
    assert results[0] is Result.BEFORE
    assert set(results[1:]) == {Result.SAME}


class Erasing(PlainCodec):
    """A codec under which one kind of document can no longer be read."""

    def __init__(self, only: type[Any] | None) -> None:
        self._only = only

    async def decode(self, items: Sequence[tuple[Any, bytes]]) -> list[Decoded[Any] | Undecodable]:
        found = await super().decode(items)
        gone = [self._only is None or kind is self._only for kind, _ in items]
        return [ERASED if erased else item for erased, item in zip(gone, found, strict=True)]


@pytest.mark.parametrize("only", [None, RecordedEvaluation])
async def test_an_erased_record_says_so(hub: HubWorld, story: Story, only: type[Any] | None) -> None:
    found = await replay(hub, story.child_ids[0], Erasing(only))
    assert {one.result for one in found} == {Result.ERASED}


async def test_all_cases_come_in_order_and_no_more_than_asked_for(
    hub: HubWorld, thresholds: Thresholds
) -> None:
    stories = [Story(children=2) for _ in range(3)]
    await hub.take(*(story.received(NEGLECTED) for story in stories))
    async with hub.ledger.pool.acquire() as connection:
        every = [case_id async for page in all_cases(connection) for case_id in page]
        some = [case_id async for page in all_cases(connection, 4) for case_id in page]
    assert every == sorted(child for story in stories for child in story.child_ids)
    assert some == every[:4]

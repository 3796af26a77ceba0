"""The sweep over cases that stand still: one referral that cannot be read holds up nobody behind it."""

import json
from datetime import timedelta

import pytest

from libs.schemas.levels import Stage
from services.triage import repair as module
from services.triage.casework import Casework
from services.triage.repair import Repair
from services.triage.thresholds import Thresholds
from tests.services.triage.conftest import MONDAY, NEGLECTED, HubWorld, Story, stated
from tests.services.triage.staff import Person

HUNGRY = stated("child.hunger", "persistent")


async def test_a_referral_whose_evidence_cannot_be_read_holds_up_nobody_behind_it(
    hub: HubWorld, thresholds: Thresholds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 2)
    stories = [Story() for _ in range(6)]
    for number, story in enumerate(stories):
        story.at = MONDAY + timedelta(minutes=number)
        await hub.take(story.received(NEGLECTED))
    broken = [story.child_ids[0] for story in stories[:3]]
    await hub.rows("UPDATE evidence SET document = '\\x7b7d' WHERE case_id = ANY ($1)", broken)
    repair = Repair(hub.ledger, Casework(thresholds), hub.policies, timedelta(hours=12))
    hub.clock.advance(timedelta(hours=13))

    assert await repair.sweep() == 3
    assert await repair.sweep() == 0
    for story in stories[3:]:
        assert (await hub.case(story.child_ids[0])).stage is Stage.DECISION


async def test_a_piece_of_evidence_that_cannot_be_read_is_not_called_erased(
    hub: HubWorld, worker: Person
) -> None:
    story = Story()
    await hub.take(story.received([HUNGRY]), story.answer("police"))
    child = story.child_ids[0]
    await hub.rows("UPDATE evidence SET document = $1 WHERE kind = 'answer'", json.dumps([]).encode())
    evidence = (await worker.open(child))[0]["evidence"]
    assert (evidence["erased"], evidence["unreadable"]) == (0, 1)
    await hub.rows("UPDATE referral SET document = '\\xff'")
    evidence = (await worker.open(child))[0]["evidence"]
    assert (evidence["received"], evidence["erased"], evidence["unreadable"]) == (None, 0, 2)

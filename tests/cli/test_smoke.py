"""A smoke test passes only what reached the referrer."""

from typing import Any

import pytest

from cli.journey import Snapshot
from cli.samples import Sent
from cli.smoke import _result
from cli.stories import Story
from libs.schemas.levels import Destination
from tests.cli.test_journey import UNTOLD, child, notice, notify, triage

STORY = Story("st_ives_primary", {}, "a story", expect=("csc_section_47",))


def result(**notices: Any) -> dict[str, Any]:
    seen = Snapshot(triage(child()), None, notify(**notices) if notices else None)
    return _result(Destination.SECTION_47, Sent(STORY, "K7TM-P2RW-Q", seen), None)


def test_a_delivered_outcome_passes() -> None:
    seen = Snapshot(triage(child()), None, notify(notice("receipt"), notice("outcome")))
    assert _result(Destination.SECTION_47, Sent(STORY, "K7TM-P2RW-Q", seen), None)["passed"]


def test_a_referrer_who_cannot_be_told_is_no_delivered_notice() -> None:
    found = result(untold=[UNTOLD])
    assert not found["passed"]
    assert "not delivered" in found["reason"]


@pytest.mark.parametrize("refused", ["intake answered 503: no reason was given", None])
def test_a_referral_that_could_not_even_be_sent_is_a_result_too(refused: str | None) -> None:
    found = _result(Destination.SECTION_47, None, refused)
    assert (found["passed"], found["reference"]) == (False, None)
    assert found["reason"] == (refused or "not sent")


def test_another_route_than_the_wanted_one_fails() -> None:
    seen = Snapshot(triage(child(destination="early_help")), None, notify(notice("outcome")))
    found = _result(Destination.SECTION_47, Sent(STORY, "K7TM-P2RW-Q", seen), None)
    assert found["reason"] == "routed to early_help"


def test_another_decision_than_the_wanted_one_fails() -> None:
    made = [{"number": 1, "destination": "masg", "decided_at": "2026-11-23T09:00:04Z"}]
    seen = Snapshot(triage(child(decisions=made)), None, notify(notice("outcome")))
    found = _result(Destination.SECTION_47, Sent(STORY, "K7TM-P2RW-Q", seen), None)
    assert (found["passed"], found["reason"]) == (False, "decided for masg")


def test_a_notice_that_failed_fails_it_by_its_kind() -> None:
    seen = Snapshot(triage(child()), None, notify(notice("receipt", "failed"), notice("outcome")))
    found = _result(Destination.SECTION_47, Sent(STORY, "K7TM-P2RW-Q", seen), None)
    assert (found["passed"], found["reason"]) == (False, "not delivered: receipt")

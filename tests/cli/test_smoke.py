"""A smoke test passes only what reached the referrer."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.client import Client
from cli.journey import Snapshot
from cli.main import app
from cli.samples import Sent
from cli.smoke import _result, _signed
from cli.state import RunState, write_state
from cli.stories import Story
from libs.schemas.levels import Destination
from tests.cli.test_journey import UNTOLD, child, notice, notify, triage

STORY = Story("st_ives_primary", {}, "a story", expect=("csc_section_47",))


def result(**notices: Any) -> dict[str, Any]:
    seen = Snapshot(triage(child()), None, notify(**notices) if notices else None)
    return _result(Destination.SECTION_47, Sent(STORY, "K7TM-P2RW-Q", seen), None)


def test_programs_are_told_on_their_stream_that_nothing_runs(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["smoke", "--json", "--data", str(tmp_path)])
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert (told["passed"], told["routes"]) == (False, [])
    assert "mash up" in told["reason"]


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


class Hub(Client):
    """Triage's answers about one decision that needs a signature."""

    def __init__(self, *signers: str) -> None:
        super().__init__({})
        self._signers = signers

    def case(self, case_id: str, staff: str = "") -> tuple[dict[str, Any], str]:
        signatures = [{"by": one} for one in self._signers]
        made = {"level": "section_47", "destination": "csc_section_47", "decided_by": "staff-sw-1"}
        return {"case_id": case_id, "decisions": [made | {"signatures": signatures}]}, ""

    def authority(self, case_id: str, level: str, destination: str, staff: str) -> dict[str, Any]:
        return {"signatures": 1}


@pytest.mark.parametrize(
    ("signers", "passed"), [((), False), (("staff-sw-1",), False), (("staff-mgr-1",), True)]
)
def test_a_decision_that_stands_without_the_signature_of_somebody_else_fails(
    signers: tuple[str, ...], passed: bool
) -> None:
    seen = Snapshot(triage(child(child_id="1")), None, notify(notice("receipt"), notice("outcome")))
    sent = Sent(STORY, "K7TM-P2RW-Q", seen)
    with Hub(*signers) as client:
        found = _signed(client, sent, Destination.SECTION_47, _result(Destination.SECTION_47, sent, None))
    assert found == (
        {"signed_by": ["staff-mgr-1"]}
        if passed
        else {"passed": False, "reason": "the decision stands without the signature that it needs"}
    )


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_where_nobody_answers_every_route_fails_with_its_reason(
    form: tuple[str, ...], tmp_path: Path
) -> None:
    parts = ("sandbox", "intake", "enrichment", "triage", "notify")
    write_state(tmp_path, RunState(os.getpid(), "kafka", dict.fromkeys(parts, "http://127.0.0.1:1")))
    result = CliRunner().invoke(app, ["smoke", *form, "--data", str(tmp_path)])
    assert result.exit_code == 1
    why = "sandbox does not answer (ConnectError)"
    if form:
        found = json.loads(result.stdout)
        assert not found["passed"]
        assert [one["reason"] for one in found["routes"]] == [why] * len(Destination)
    else:
        lines = result.stdout.split("\n")
        assert [line.split()[:2] for line in lines if why in line] == [["FAILED", one] for one in Destination]

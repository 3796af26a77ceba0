from typing import Any

import pytest

from cli import journey
from cli.console import step_line
from cli.journey import Snapshot

UNTOLD = {"kind": "outcome", "child": 1, "decision": 1, "reason": "anonymous", "at": "2026-11-23T09:00:05Z"}
T = "2026-11-23T09:00:0{}Z"


def child(number: int = 1, **changes: Any) -> dict[str, Any]:
    found = {
        "child_number": number,
        "stage": "decided",
        "team": "duty",
        "screened_at": T.format(1),
        "level": "section_47",
        "rag": "red",
        "immediate_danger": True,
        "to_be_read": False,
        "routed_at": T.format(3),
        "destination": "csc_section_47",
        "reopened_at": None,
        "decisions": [{"number": 1, "destination": "csc_section_47", "decided_at": T.format(4)}],
    }
    return {**found, **changes}


def triage(*children: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"received_at": T.format(0), "children": list(children), "stopped_by": [], **changes}


def notice(kind: str, state: str = "delivered") -> dict[str, Any]:
    return {
        "id": kind,
        "kind": kind,
        "child": None,
        "channel": "email",
        "state": state,
        "reason": None,
        "ended_at": T.format(5) if state in ("delivered", "failed") else None,
    }


def notify(*notices: dict[str, Any], untold: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"received_at": T.format(0), "notices": list(notices), "untold": untold or []}


def check(agency: str, state: str, answered: int | None) -> dict[str, Any]:
    at = T.format(answered) if answered is not None else None
    return {"agency": agency, "state": state, "reason": None, "answered_at": at, "late": False}


def test_steps_stand_in_the_order_in_which_they_happened() -> None:
    checks = [check("police", "returned", 2), check("health", "pending", None)]
    enrichment = {
        "received_at": T.format(0),
        "children": [{"number": 1, "screened_at": T.format(1), "completed_at": None, "checks": checks}],
    }
    seen = Snapshot(triage(child()), enrichment, notify(notice("receipt")))
    assert [step.what for step in journey.steps(seen)] == [
        "screened",
        "answer",
        "routed",
        "decided",
        "notice",
    ]
    assert "duty team" in journey.steps(seen)[0].text


def test_an_agency_that_has_not_spoken_is_no_step_until_the_checks_are_complete() -> None:
    def of(completed: str | None) -> list[str]:
        one = {"number": 1, "screened_at": T.format(1), "completed_at": completed}
        children = [{**one, "checks": [check("police", "no_answer" if completed else "pending", None)]}]
        return [
            step.text
            for step in journey.steps(Snapshot(enrichment={"received_at": T.format(0), "children": children}))
        ]

    assert of(None) == []
    assert of(T.format(5)) == ["police has not answered in time", "checks complete"]


def test_what_was_asked_with_a_brother_or_sister_does_not_read_as_if_nobody_had_asked() -> None:
    refused = {**check("police", "not_requested", None), "reason": "agreement_refused"}
    one = {"number": 1, "screened_at": T.format(1), "completed_at": T.format(5)}
    children = [{**one, "checks": [refused, check("health", "not_requested", None)]}]
    seen = Snapshot(enrichment={"received_at": T.format(0), "children": children})
    assert [step.text for step in journey.steps(seen) if step.what == "answer"] == [
        "police was not asked (agreement refused)",
        "health was not asked separately: a brother or sister was",
    ]


def test_children_are_told_apart_by_number_where_there_are_several() -> None:
    texts = [step.text for step in journey.steps(Snapshot(triage(child(1), child(2))))]
    assert texts[0].startswith("child 1: ")
    assert not journey.steps(Snapshot(triage(child(1))))[0].text.startswith("child")


def test_a_notice_says_which_child_it_is_of_and_why_where_it_failed() -> None:
    why = {"reason": "permanent-failure"}
    notices = [{**notice("outcome"), "child": 2, **why}, {**notice("receipt", "failed"), **why}]
    texts = [step.text for step in journey.steps(Snapshot(None, None, notify(*notices)))]
    assert texts == [
        "outcome of child 2 delivered by email",
        "receipt failed by email (permanent-failure)",
    ]


def test_what_waits_for_a_person_to_read_it_says_so() -> None:
    texts = [journey.steps(Snapshot(triage(child(to_be_read=one))))[0].text for one in (True, False)]
    assert [text.endswith(", to be read by a person") for text in texts] == [True, False]


def test_a_question_that_was_not_asked_has_the_time_of_the_screening() -> None:
    one = {"number": 1, "screened_at": T.format(1), "completed_at": None}
    unasked = {**check("police", "not_requested", None), "reason": "agreement_refused"}
    (step,) = journey.steps(Snapshot(enrichment={"children": [{**one, "checks": [unasked]}]}))
    assert step.at.isoformat().replace("+00:00", "Z") == T.format(1)


def test_a_referral_is_routed_when_every_child_is_and_not_before_any_is_known() -> None:
    waiting = child(2, routed_at=None)
    found = [journey.is_routed(Snapshot(triage(*one))) for one in ((), (child(1), waiting), (child(1),))]
    assert found == [False, False, True]


def test_a_line_shows_the_reference_the_seconds_and_what_happened() -> None:
    seen = Snapshot(triage(child()))
    line = step_line("K7TM-P2RW-Q", journey.received_at(seen), journey.steps(seen)[0])
    assert "K7TM-P2RW-Q" in line
    assert "1.00 s" in line
    assert "section 47, RED, in immediate danger" in line


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (Snapshot(triage(child()), None, notify(notice("receipt"), notice("outcome"))), True),
        (Snapshot(triage(child()), None, notify(notice("receipt"), notice("outcome", "sent"))), False),
        (Snapshot(triage(child()), None, notify(notice("receipt", "unsure"), notice("outcome"))), False),
        (Snapshot(triage(child()), None, notify(notice("receipt"))), False),
        (Snapshot(triage(child(stage="decision")), None, notify(notice("outcome"))), False),
        (Snapshot(triage(child(1), child(2)), None, notify(notice("outcome"))), False),
        (Snapshot(triage(child()), None, None), False),
        (
            Snapshot(
                triage(child()),
                None,
                notify(
                    untold=[
                        {
                            "kind": "outcome",
                            "child": 1,
                            "decision": 1,
                            "reason": "anonymous",
                            "at": T.format(5),
                        }
                    ]
                ),
            ),
            True,
        ),
    ],
)
def test_a_referrer_is_told_when_each_decision_has_reached_them_or_cannot(seen: Snapshot, told: bool) -> None:
    assert journey.is_told(seen) is told


def test_a_failed_notice_is_named() -> None:
    assert journey.undelivered(Snapshot(notify=notify(notice("receipt", "failed")))) == ["receipt"]


def test_a_service_that_stopped_is_a_step() -> None:
    seen = Snapshot(triage(child(), stopped_by=["enrichment"]))
    assert any("stopped at enrichment" in step.text for step in journey.steps(seen))

import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from uuid_utils.compat import uuid7

from libs.messaging.event import Event
from libs.messaging.ledger import Ledger
from libs.platform.clock import ManualClock
from libs.schemas.base import Payload
from libs.schemas.events import (
    CASE_DECIDED,
    CASE_RESTRICTED,
    CASE_ROUTED,
    CASE_SCREENED,
    CHALLENGE_MOVED,
    CHECK_RETURNED,
    CHECKS_COMPLETED,
    NOTICE_DELIVERED,
    NOTICE_FAILED,
    REFERRER_UNTELLABLE,
    EventType,
)
from services.intake.app import Partnership, desk
from services.intake.consumer import StatusProjection
from services.intake.settings import IntakeSettings
from tests.services.intake.conftest import START, Caller, referral

NOTICE = uuid.UUID(int=7)


class Told:
    """What triage and notify say of one referral, as events."""

    def __init__(self, referral_id: UUID, reference: str, children: list[UUID]) -> None:
        self.referral_id = referral_id
        self.reference = reference
        self.children = children

    def event(self, kind: EventType[Any], payload: Payload[Any, Any]) -> Event:
        return Event(uuid7(), kind, "/test", self.referral_id, 1, START, payload)

    def _reference(self, seconds: int) -> dict[str, Any]:
        return {"reference": self.reference, "at": START + timedelta(seconds=seconds)}

    def screened(self, *, seconds: int = 1, danger: bool = False) -> Event:
        child = {
            "level": "early_help",
            "rag": "green",
            "immediate_danger": danger,
            "to_be_read": False,
            "team": "early_help",
            "due_at": START,
        }
        return self.event(
            CASE_SCREENED,
            CASE_SCREENED.payload.model_validate(
                {"shared": self._reference(seconds), "children": dict.fromkeys(self.children, child)}
            ),
        )

    def routed(self) -> Event:
        child = {
            "destination": "early_help",
            "level": "early_help",
            "rag": "green",
            "team": "early_help",
            "evaluation": 1,
            "due_at": START,
        }
        return self.event(
            CASE_ROUTED,
            CASE_ROUTED.payload.model_validate(
                {"shared": self._reference(30), "children": dict.fromkeys(self.children, child)}
            ),
        )

    def decided(
        self, child: UUID, destination: str = "masg", number: int = 1, *, may_tell: bool = True
    ) -> Event:
        part = {
            "level": "targeted",
            "destination": destination,
            "departs": False,
            "decision": number,
            "may_tell_referrer": may_tell,
        }
        shared = self._reference(100 * number)
        return self.event(
            CASE_DECIDED,
            CASE_DECIDED.payload.model_validate({"shared": shared, "children": {child: part}}),
        )

    def restricted(self, restricted: bool) -> Event:
        payload = {
            "shared": self._reference(5),
            "children": {self.children[0]: {"restricted": restricted}},
        }
        return self.event(CASE_RESTRICTED, CASE_RESTRICTED.payload.model_validate(payload))

    def moved(self, child: UUID, number: int, state: str, **more: Any) -> Event:
        """A step of a challenge."""
        part = {"challenge": uuid.uuid5(child, "challenge"), "number": number, "state": state, **more}
        payload = {"shared": self._reference(1000 * number), "children": {child: part}}
        return self.event(CHALLENGE_MOVED, CHALLENGE_MOVED.payload.model_validate(payload))

    def notice(self, kind: EventType[Any], seconds: int, reason: str | None = None) -> Event:
        shared = {
            "reference": self.reference,
            "notice_id": NOTICE,
            "kind": "receipt",
            "channel": "email",
            "at": START + timedelta(seconds=seconds),
            "reason": reason,
        }
        return self.event(kind, kind.payload.model_validate({"shared": shared}))

    def untellable(self) -> Event:
        shared = {"reference": self.reference, "reason": "anonymous", "at": START}
        return self.event(REFERRER_UNTELLABLE, REFERRER_UNTELLABLE.payload.model_validate({"shared": shared}))


async def accepted(caller: Caller, ledger: Ledger, **changes: Any) -> Told:
    answer = (await caller.refer(referral(**changes))).json()
    referral_id = await ledger.pool.fetchval(
        "SELECT id FROM referral WHERE reference = $1", answer["reference"]
    )
    return Told(referral_id, answer["reference"], [UUID(child["id"]) for child in answer["children"]])


async def tell(ledger: Ledger, *events: Event) -> None:
    async with ledger.unit({event.referral_id for event in events}) as unit:
        await StatusProjection().handle(unit, events)


async def states(caller: Caller, told: Told) -> list[str]:
    return [child["state"] for child in (await caller.status(told.reference)).json()["children"]]


async def test_only_the_agency_that_referred_can_ask(school: Caller, police: Caller, ledger: Ledger) -> None:
    told = await accepted(school, ledger)
    assert (await school.status(told.reference)).status_code == 200
    refused = await police.status(told.reference)
    assert refused.status_code == 404
    never_was = await police.status("K7TM-P2RW-9")
    assert {**refused.json(), "trace_id": ""} == {**never_was.json(), "trace_id": ""}
    acts = await ledger.pool.fetch("SELECT action, referral_id, at FROM access")
    assert [tuple(act) for act in acts] == [("status.read", told.referral_id, START)]


async def test_a_reference_may_be_typed_as_it_was_spoken(school: Caller, ledger: Ledger) -> None:
    told = await accepted(school, ledger)
    spoken = told.reference.lower().replace("-", " ")
    assert (await school.status(spoken)).json()["reference"] == told.reference


async def test_a_referral_is_received_until_it_is_seen(
    school: Caller, ledger: Ledger, clock: ManualClock
) -> None:
    told = await accepted(school, ledger)
    assert await states(school, told) == ["received", "received"]
    clock.advance(timedelta(seconds=59))
    assert await states(school, told) == ["received", "received"]
    clock.advance(timedelta(seconds=2))
    status = (await school.status(told.reference)).json()
    assert [child["state"] for child in status["children"]] == ["not_yet_seen", "not_yet_seen"]
    assert "elephone" in status["children"][0]["words"]
    await tell(ledger, told.screened())
    assert await states(school, told) == ["being_looked_at", "being_looked_at"]


async def test_in_immediate_danger_not_yet_seen_is_said_after_ten_seconds(
    school: Caller, ledger: Ledger, clock: ManualClock
) -> None:
    told = await accepted(school, ledger, immediate_danger=True)
    clock.advance(timedelta(seconds=11))
    assert await states(school, told) == ["not_yet_seen", "not_yet_seen"]


async def test_not_yet_seen_is_said_after_the_time_that_the_operator_set(
    school: Caller,
    ledger: Ledger,
    clock: ManualClock,
    settings: IntakeSettings,
    app: FastAPI,
    partnership: Partnership,
) -> None:
    patient = settings.model_copy(update={"unseen_seconds": 300.0, "unseen_danger_seconds": 30.0})
    app.state.desk = desk(ledger, patient, partnership)
    calm, danger = await accepted(school, ledger), await accepted(school, ledger, immediate_danger=True)
    clock.advance(timedelta(seconds=29))
    assert await states(school, danger) == ["received", "received"]
    clock.advance(timedelta(seconds=2))
    assert await states(school, danger) == ["not_yet_seen", "not_yet_seen"]
    clock.advance(timedelta(seconds=240))
    assert await states(school, calm) == ["received", "received"]
    clock.advance(timedelta(seconds=60))
    assert await states(school, calm) == ["not_yet_seen", "not_yet_seen"]


async def test_each_child_has_a_status_of_its_own(school: Caller, ledger: Ledger) -> None:
    told = await accepted(school, ledger)
    await tell(ledger, told.screened(), told.decided(told.children[1]))
    first, second = (await school.status(told.reference)).json()["children"]
    assert (first["number"], first["state"]) == (1, "being_looked_at")
    assert (second["number"], second["state"], second["outcome"]) == (2, "decision_made", "masg")


@pytest.mark.parametrize(
    ("role", "may_tell", "outcome", "words"),
    [
        ("teacher", True, "masg", "Multi-Agency Support Group"),
        ("teacher", False, None, "has been looked at"),
        ("public", True, None, "A decision has been made"),
        ("family", True, None, "A decision has been made"),
        ("public", False, None, "has been looked at"),
    ],
)
async def test_an_outcome_is_told_in_the_words_of_the_referrers_role(
    school: Caller, ledger: Ledger, role: str, may_tell: bool, outcome: str | None, words: str
) -> None:
    told = await accepted(school, ledger, referrer={"role": role, "source": "1D"})
    await tell(ledger, told.decided(told.children[0], may_tell=may_tell))
    status = await school.status(told.reference)
    child = status.json()["children"][0]
    assert child["outcome"] == outcome
    assert words in child["words"]
    if outcome is None:
        assert "masg" not in status.text
        assert "Multi-Agency Support Group" not in status.text


async def test_a_destination_that_is_not_known_yet_is_told_as_a_decision(
    school: Caller, ledger: Ledger
) -> None:
    told = await accepted(school, ledger)
    await tell(ledger, told.decided(told.children[0], "new_panel"))
    child = (await school.status(told.reference)).json()["children"][0]
    assert (child["state"], child["outcome"]) == ("decision_made", None)


async def test_a_later_decision_takes_the_place_of_an_earlier_one(school: Caller, ledger: Ledger) -> None:
    told = await accepted(school, ledger)
    child = told.children[0]
    await tell(ledger, told.decided(child, "csc_section_17", 2), told.decided(child, "masg", 1))
    assert (await school.status(told.reference)).json()["children"][0]["outcome"] == "csc_section_17"


async def test_delivered_failed_and_impossible_notices_show(school: Caller, ledger: Ledger) -> None:
    told = await accepted(school, ledger)
    await tell(ledger, told.notice(NOTICE_FAILED, 5, "permanent-failure"), told.untellable())
    notices = (await school.status(told.reference)).json()["notices"]
    assert {(notice["state"], notice["reason"]) for notice in notices} == {
        ("failed", "permanent-failure"),
        ("not_sent", "anonymous"),
    }


@pytest.mark.parametrize("seed", range(9))
async def test_events_in_any_order_and_any_batches_give_the_same_status(
    school: Caller, ledger: Ledger, seed: int
) -> None:
    told = await accepted(school, ledger)
    first, second = told.children
    said_in_turn = (("no_answer", 50), ("outside_coverage", 120), ("unavailable", 120))
    events = [
        *(told.screened(seconds=each) for each in (2, 9)),
        *(checks(told, "3", "police", *each) for each in said_in_turn),
        told.routed(),
        told.decided(first, "masg", 1),
        told.decided(first, "early_help", 2),
        told.decided(second, "universal_advice", 1, may_tell=False),
        told.notice(NOTICE_FAILED, 5, "temporary-failure"),
        told.notice(NOTICE_DELIVERED, 8),
        told.untellable(),
    ]
    await tell(ledger, *events)
    expected = (await school.status(told.reference)).json()
    emptied = "; ".join(f"DELETE FROM {each}_progress" for each in ("child", "notice", "check"))
    await ledger.pool.execute(f"{emptied}; UPDATE referral SET screened_at = NULL")

    shuffled = [*events, *events[:3]]
    random.Random(seed).shuffle(shuffled)
    while shuffled:
        batch = [shuffled.pop() for _ in range(min(len(shuffled), 1 + seed))]
        await tell(ledger, *batch)

    assert (await school.status(told.reference)).json() == expected
    seen = datetime(2026, 11, 23, 9, 0, 2, tzinfo=UTC)
    assert await ledger.pool.fetchval("SELECT screened_at FROM referral") == seen


def checks(told: Told, question: str, agency: str, state: str, seconds: int = 50) -> Event:
    answer = {"agency": agency, "question_id": question, "state": state}
    if state == "returned":
        answer |= {"narrative": "CANARY", "reason": "existence_only"}
    if state == "unavailable":
        answer |= {"reason": "not_answering"}
    shared = {"reference": told.reference, "at": START + timedelta(seconds=seconds)}
    payload = {"shared": shared, "children": {told.children[0]: answer}}
    return told.event(CHECK_RETURNED, CHECK_RETURNED.payload.model_validate(payload))


def over(told: Told, **states: str) -> Event:
    shared = {"reference": told.reference, "at": START + timedelta(seconds=90)}
    payload = {"shared": shared, "children": {told.children[0]: {"states": states, "due_at": START}}}
    return told.event(CHECKS_COMPLETED, CHECKS_COMPLETED.payload.model_validate(payload))


async def standing(caller: Caller, told: Told) -> dict[str, Any]:
    standing: dict[str, Any] = (await caller.status(told.reference)).json()["children"][0]["checks"]
    return {kind: count for kind, count in standing.items() if count}


async def test_the_checks_tell_every_silence_apart_and_not_whether_anything_is_held(
    school: Caller, ledger: Ledger
) -> None:
    told = await accepted(school, ledger)
    assert await standing(school, told) == {"stage": "not_started"}
    events = [
        told.screened(),
        checks(told, "1", "police", "returned"),
        checks(told, "2", "health", "nothing_held"),
        checks(told, "3", "education", "no_answer", 50),
        checks(told, "3", "education", "declined", 120),
        checks(told, "4", "marac", "no_answer"),
        checks(told, "5", "housing", "unavailable"),
        checks(told, "6", "social_care", "not_requested"),
        checks(told, "7", "probation", "outside_coverage"),
        over(told, education="no_answer", police="returned", fire="pending", early_help="a later code"),
    ]
    random.Random(5).shuffle(events)
    for event in events:
        await tell(ledger, event)
    assert await standing(school, told) == {
        "stage": "over",
        "answered": 2,
        "declined": 1,
        "silent": 2,
        "unreachable": 1,
        "not_asked": 1,
        "outside_coverage": 1,
        "awaited": 1,
    }
    body = (await school.status(told.reference)).text
    for agency in ("police", "marac", "housing", "returned", "nothing_held", "not_answering", "CANARY"):
        assert agency not in body


@pytest.mark.parametrize("state", ["returned", "nothing_held"])
async def test_found_something_and_found_nothing_read_the_same(
    school: Caller, ledger: Ledger, state: str
) -> None:
    told = await accepted(school, ledger)
    for event in (checks(told, "1", "police", state), told.screened()):
        await tell(ledger, event)
        assert await standing(school, told) == {"stage": "under_way", "answered": 1}


@pytest.mark.parametrize("role", ["family", "public"])
async def test_the_public_is_not_told_how_many_are_asked(school: Caller, ledger: Ledger, role: str) -> None:
    told = await accepted(school, ledger, referrer={"role": role, "source": "1D"})
    await tell(ledger, told.screened(), checks(told, "1", "police", "returned"))
    assert await standing(school, told) == {"stage": "under_way"}
    await tell(ledger, over(told, police="returned", health="no_answer"))
    assert await standing(school, told) == {"stage": "over"}


async def test_a_later_code_beside_what_was_not_asked_is_a_silence(school: Caller, ledger: Ledger) -> None:
    told = await accepted(school, ledger)
    await tell(ledger, told.screened(), checks(told, "1", "police", "not_requested"))
    await tell(ledger, checks(told, "2", "police", "a later code"))
    assert await standing(school, told) == {"stage": "under_way", "silent": 1}


async def test_a_challenge_is_told_by_its_last_step_and_its_outcome_where_it_may_be(
    school: Caller, ledger: Ledger
) -> None:
    told = await accepted(school, ledger)
    first, second = told.children
    ended = told.moved(first, 3, "settled", stage="managers", outcome="stands")
    await tell(ledger, ended)
    await tell(ledger, told.moved(first, 1, "heard", stage="practitioners"))
    untold = told.moved(second, 4, "settled", outcome="stands", may_tell_referrer=False)
    await tell(ledger, told.moved(second, 0, "information"), untold)
    read = (await school.status(told.reference)).json()["challenges"]
    assert [(one["child"], one["state"], one["outcome"]) for one in read] == [
        (1, "settled", "stands"),
        (2, "settled", None),
    ]
    assert "the decision stands" in read[0]["words"]
    assert "stands" not in read[1]["words"]
    family = await accepted(school, ledger, referrer={"role": "family", "source": "1A"})
    await tell(ledger, family.moved(family.children[0], 1, "heard", stage="practitioners"))
    [one] = (await school.status(family.reference)).json()["challenges"]
    assert "both services" not in one["words"]

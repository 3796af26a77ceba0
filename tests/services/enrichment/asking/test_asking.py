"""Questions survive crashes and several instances: none is forgotten, and each agency sees one."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import structlog

from libs.messaging.errors import Permanent
from libs.messaging.failpoints import Failpoints
from libs.platform.alarms import Alarms
from libs.platform.clock import SystemClock
from libs.schemas.events import PERSON_LINKED
from libs.schemas.findings import AgencyState
from services.enrichment.asking import asking
from services.enrichment.asking.agency import Reply
from services.enrichment.asking.question import Kept, Question, question_for
from services.enrichment.checks.desk import Desk
from services.enrichment.checks.record import Child, Effect, Referral
from services.enrichment.dialects.agency import DialectAgency
from services.enrichment.sharing.permission import Permission
from tests.services.enrichment.conftest import (
    FOUR,
    STRANGER,
    Case,
    Sandbox,
    World,
    until,
    until_completed,
    until_time_is_up,
)


async def _questions(sandbox: Sandbox) -> list[dict[str, Any]]:
    return [question for agency in sorted(FOUR) for question in await sandbox.asked(agency)]


async def test_two_instances_ask_each_question_once(world: World, sandbox: Sandbox) -> None:
    first, second = [await world.start(check_deadline_cap_seconds=None) for _ in range(2)]
    cases = [Case() for _ in range(25)]
    await asyncio.gather(
        *(
            one.take(*(case.received() for case in part))
            for one, part in ((first, cases[:12]), (second, cases[12:]))
        )
    )
    await asyncio.gather(
        *(
            one.take(*(case.screened() for case in part))
            for one, part in ((second, cases[:12]), (first, cases[12:]))
        )
    )
    for case in cases:
        await until_completed(first, case.child)
    questions = await _questions(sandbox)
    assert len(questions) == 100
    assert {question["requests"] for question in questions} == {1}
    assert len([kind for kind, _ in await first.told() if kind is not PERSON_LINKED]) == 125


async def test_a_question_that_a_dead_process_had_taken_is_asked_again_with_the_same_key(
    world: World, sandbox: Sandbox
) -> None:
    failpoints = Failpoints.parse("enrichment.after_ask=fail:1")
    dead = await world.start(failpoints, ask_lease_seconds=0.5, check_deadline_cap_seconds=None)
    case = Case()
    await dead.take(case.received(), case.screened())
    await until_completed(dead, case.child)
    questions = await _questions(sandbox)
    assert len(questions) == 4
    # On a busy machine a lease may end under a living process too.
    assert max(question["requests"] for question in questions) > 1
    assert all(question["idempotency_keys"] == [question["question_id"]] for question in questions)
    assert len(await dead.answers(case.child)) == 4


async def test_a_stopping_instance_gives_back_what_is_out(world: World, sandbox: Sandbox) -> None:
    await sandbox.tell("health", "fail", fault="hang")
    running = world.start(check_deadline_cap_seconds=None, ask_lease_seconds=600.0)
    instance, case = await running, Case()
    await instance.take(case.received(), case.screened())

    async def out() -> bool:
        return bool(await sandbox.asked("health"))

    await until(out)
    instance.checks.asking.stop()

    async def given_back() -> bool:
        due = await instance.ledger.pool.fetchval("SELECT ask_at FROM agency_check WHERE agency = 'health'")
        return bool(due < SystemClock().now() + timedelta(seconds=1))

    await until(given_back)


async def test_the_second_answer_to_one_question_changes_nothing(world: World, sandbox: Sandbox) -> None:
    await sandbox.tell("health", "slow", seconds=0.6)
    instance, case = await world.start(ask_lease_seconds=0.2, check_deadline_cap_seconds=None), Case()
    await instance.take(case.received(), case.screened())
    await until_completed(instance, case.child)

    async def asked_twice() -> bool:
        (question,) = await sandbox.asked("health")
        return int(question["answered"]) >= 2

    await until(asked_twice)
    await asyncio.sleep(0.1)
    assert len([each for each in await instance.answers(case.child) if each.agency == "health"]) == 1


def _unwritable_of_education(asked: Any) -> Any:
    """The adapters, of which education's gives a reply that no database takes."""

    async def ask(self: DialectAgency, question: Question, *, trace: str | None) -> Reply:
        reply: Reply = await asked(self, question, trace=trace)
        unwritable = Reply(AgencyState.RETURNED, narrative="\ud800")
        return unwritable if self._terms.id == "education" else reply

    return ask


async def test_a_reply_that_can_never_be_recorded_makes_its_agency_unavailable_and_is_not_asked_for_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DialectAgency, "ask", _unwritable_of_education(DialectAgency.ask))
    instance, case = await world.start(ask_lease_seconds=2, check_deadline_cap_seconds=None), Case()
    with structlog.testing.capture_logs() as logged:
        await instance.take(case.received(), case.screened())
        states = await until_time_is_up(instance, case.child)
    assert states["education"] == "unavailable"
    (answer,) = [each for each in await instance.answers(case.child) if each.agency == "education"]
    assert answer.reason == "not_recorded"
    alarms = [(line["code"], line["agency"]) for line in logged if line["event"] == "alarm"]
    assert alarms == [("reply-not-recorded", "education")]
    now, ask_at = SystemClock().now(), "SELECT ask_at FROM agency_check WHERE agency = 'education'"
    assert await instance.ledger.pool.fetchval(ask_at) > now + timedelta(minutes=50)


async def test_an_alarm_that_nobody_takes_holds_up_no_other_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DialectAgency, "ask", _unwritable_of_education(DialectAgency.ask))
    rung = asyncio.Event()

    async def hangs(self: Alarms, code: str, **ids: Any) -> bool:
        rung.set()
        await asyncio.sleep(3600)
        return False

    monkeypatch.setattr(Alarms, "raise_alarm", hangs)
    instance, first, later = await world.start(check_deadline_cap_seconds=None), Case(), Case()

    async def answered() -> bool:
        return {one.agency for one in await instance.answers(later.child)} >= FOUR - {"education"}

    with structlog.testing.capture_logs():
        await instance.take(first.received(), first.screened())
        await asyncio.wait_for(rung.wait(), 30)
        await instance.take(later.received(), later.screened())
        await until(answered)


async def test_a_child_of_whom_no_question_can_be_made_holds_up_nobody_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, sound = Case(), Case(children=(STRANGER,))

    def fails(kept: Kept, child_id: UUID, permission: Permission, question: UUID) -> Question | None:
        if child_id == broken.child:
            raise ValueError("a name that may not be logged")
        return question_for(kept, child_id, permission, question)

    monkeypatch.setattr(asking, "question_for", fails)
    instance = await world.start(check_deadline_cap_seconds=None)
    with structlog.testing.capture_logs() as logged:
        await instance.take(broken.received(), broken.screened(), sound.received(), sound.screened())
        assert set((await until_completed(instance, sound.child)).values()) == {"nothing_held"}
        states = await until_time_is_up(instance, broken.child)
    assert set(states.values()) == {"unavailable"}
    assert {each.reason for each in await instance.answers(broken.child)} == {"question_not_made"}
    assert {one["code"] for one in logged if one["event"] == "alarm"} == {"question-not-made"}
    assert "may not be logged" not in str(logged)


async def test_a_question_whose_record_is_broken_is_set_aside(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    replied = Desk.replied

    def fails(
        self: Desk, referral: Referral, child: Child, question: UUID, *rest: Any, **more: Any
    ) -> list[Effect]:
        if child.checks[question].agency == "health":
            raise Permanent("broken")
        return replied(self, referral, child, question, *rest, **more)

    monkeypatch.setattr(Desk, "replied", fails)
    instance, case = await world.start(ask_lease_seconds=2, check_deadline_cap_seconds=None), Case()
    with structlog.testing.capture_logs():
        await instance.take(case.received(), case.screened())
        assert (await until_time_is_up(instance, case.child))["health"] == "unavailable"
    row = await instance.ledger.pool.fetchrow(
        "SELECT ask_at, reason FROM agency_check WHERE agency = 'health'"
    )
    assert tuple(row) == (None, "not_recorded")


async def test_what_holds_all_slots_of_one_agency_holds_up_no_other_agency_and_no_other_child(
    world: World, sandbox: Sandbox
) -> None:
    dead, slow = "police", "education"
    await sandbox.tell(dead, "fail", fault="hang")
    await sandbox.tell(slow, "slow", seconds=60)
    world.with_terms(at_once=2)
    instance = await world.start(check_deadline_cap_seconds=None)
    for wave in range(2):
        # What waits for the dead one is older than all that the second wave asks.
        cases = [
            Case(children=({**STRANGER, "born": {"on": f"20{10 + day}-05-0{wave + 1}"}},)) for day in range(6)
        ]
        await instance.take(*(case.received() for case in cases), *(case.screened() for case in cases))

        async def others_answered(cases: list[Case] = cases) -> bool:
            answers = [await instance.answers(case.child) for case in cases]
            return all({each.agency for each in one} == FOUR - {dead, slow} for one in answers)

        await until(others_answered, 12)
        for agency in (dead, slow):
            held = await instance.ledger.pool.fetch(
                "SELECT attempts, reason FROM agency_check WHERE agency = $1 ORDER BY attempts DESC", agency
            )
            # Its first two questions have held its slots from the first moment to the last.
            assert [tuple(row) for row in held] == [(1, None)] * 2 + [(0, None)] * (6 * wave + 4), agency
            assert len(await sandbox.asked(agency)) == 2

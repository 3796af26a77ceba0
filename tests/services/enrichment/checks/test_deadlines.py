"""Deadlines: what the decision waits for, when it goes on without, and that nothing late is lost."""

from datetime import timedelta

import pytest

from libs.platform.clock import SystemClock
from libs.schemas.levels import Level, Rag
from services.enrichment.checks import deadlines
from services.enrichment.checks.deadlines import OVERDUE_AFTER
from services.enrichment.checks.effects import DEADLINE
from tests.services.enrichment.conftest import FOUR, Case, Sandbox, World, until, until_completed


async def test_checks_complete_at_once_when_every_agency_has_answered(world: World) -> None:
    instance, case = await world.start(check_deadline_cap_seconds=None), Case()
    await instance.take(case.received(), case.screened())
    await until_completed(instance, case.child)
    state = await instance.ledger.pool.fetchval("SELECT state FROM timer WHERE kind = $1", DEADLINE)
    assert state == "disarmed"


async def test_a_late_answer_still_counts_and_completes_nothing_twice(world: World, sandbox: Sandbox) -> None:
    await sandbox.tell("health", "late", seconds=1)
    instance, case = await world.start(check_deadline_cap_seconds=0.3), Case()
    await instance.take(case.received(), case.screened())
    assert (await until_completed(instance, case.child))["health"] == "no_answer"

    async def answered() -> bool:
        told = [each.state for each in await instance.answers(case.child) if each.agency == "health"]
        return told[-1] == "returned"

    await until(answered)
    silence, answer = [each for each in await instance.answers(case.child) if each.agency == "health"]
    assert (silence.state, silence.late) == ("no_answer", False)
    assert (answer.state, answer.late, len(answer.facts)) == ("returned", True, 1)
    assert len(await instance.completed(case.child)) == 1


async def test_an_agency_that_was_silent_is_chased_with_the_same_question(
    world: World, sandbox: Sandbox
) -> None:
    await sandbox.tell("health", "fail", fault="status")
    instance, case = await world.start(check_deadline_cap_seconds=0.2), Case()
    await instance.take(case.received(), case.screened())
    await until_completed(instance, case.child)
    before = sum(each["requests"] for each in await sandbox.asked("health"))

    async def chased() -> bool:
        return bool(sum(each["requests"] for each in await sandbox.asked("health")) >= before + 2)

    await until(chased)
    (question,) = await sandbox.asked("health")
    assert question["idempotency_keys"] == [question["question_id"]]
    assert len([each for each in await instance.answers(case.child) if each.agency == "health"]) == 1


async def test_a_higher_urgency_shortens_the_deadline_and_a_lower_one_never_lengthens_it(
    world: World, sandbox: Sandbox
) -> None:
    await sandbox.tell("health", "fail", fault="hang")
    instance, case = await world.start(check_deadline_cap_seconds=None), Case()
    dues = []
    await instance.take(case.received())
    for rag in (Rag.GREEN, Rag.BLUE, Rag.RED, Rag.AMBER):
        await instance.take(case.screened(rag=rag))
        dues.append(await instance.ledger.pool.fetchval("SELECT due_at FROM timer WHERE state = 'armed'"))
    green, blue, red, amber = dues
    assert blue == green
    assert red < green
    assert amber == red
    assert abs(red - SystemClock().now() - timedelta(minutes=30)) < timedelta(seconds=30)
    due = await instance.ledger.pool.fetchval("SELECT due_at FROM agency_check WHERE agency = 'health'")
    assert due == red


async def test_a_higher_level_asks_what_could_not_be_asked_before(world: World) -> None:
    instance, case = await world.start(), Case(agreement="refused")
    await instance.take(case.received(), case.screened(Level.EARLY_HELP))
    assert await until_completed(instance, case.child) == dict.fromkeys(FOUR, "not_requested")
    await instance.take(case.screened(Level.SECTION_47, Rag.RED))

    async def all_answered() -> bool:
        states = {each.agency: each.state for each in await instance.answers(case.child)}
        return states["health"] == "returned" and "not_requested" not in states.values()

    await until(all_answered)
    later = (await instance.answers(case.child))[4:]
    assert all(each.late for each in later if each.answered_at is not None)
    assert len(await instance.completed(case.child)) == 1


async def test_a_deadline_whose_timer_was_lost_is_found_by_the_reconciler(
    world: World, sandbox: Sandbox
) -> None:
    await sandbox.tell("health", "fail", fault="hang")
    instance, case = await world.start(check_deadline_cap_seconds=None), Case()
    await instance.take(case.received(), case.screened())
    pool = instance.ledger.pool
    assert await instance.checks.deadlines.reconcile() == 0
    past = SystemClock().now() - OVERDUE_AFTER - timedelta(seconds=1)
    await pool.execute("DELETE FROM timer")
    await pool.execute("UPDATE child SET due_at = $1", past)
    await pool.execute("UPDATE agency_check SET due_at = $1", past)
    assert await instance.checks.deadlines.reconcile() == 1
    assert (await until_completed(instance, case.child))["health"] == "no_answer"
    assert await instance.checks.deadlines.reconcile() == 0


async def test_a_referral_that_cannot_be_read_holds_up_no_other_deadline(
    world: World, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "AT_ONCE", 1)
    await sandbox.tell("health", "fail", fault="hang")
    instance = await world.start(check_deadline_cap_seconds=None)
    broken, sound = Case(), Case()
    for case in (broken, sound):
        await instance.take(case.received(), case.screened())

    async def all_but_health_answered() -> bool:
        return all([len(await instance.answers(case.child)) == 3 for case in (broken, sound)])

    await until(all_but_health_answered)
    pool = instance.ledger.pool
    past = SystemClock().now() - OVERDUE_AFTER - timedelta(seconds=5)
    await pool.execute("DELETE FROM timer")
    await pool.execute("UPDATE child SET due_at = $1", past + timedelta(seconds=1))
    await pool.execute("UPDATE agency_check SET due_at = $1", past)
    await pool.execute("UPDATE child SET due_at = $1 WHERE id = $2", past, broken.child)
    await pool.execute("DELETE FROM referral WHERE id = $1", broken.id)
    assert await instance.checks.deadlines.reconcile() == 1
    assert (await until_completed(instance, sound.child))["health"] == "no_answer"


async def test_an_agency_that_hangs_delays_no_other_agency(world: World, sandbox: Sandbox) -> None:
    await sandbox.tell("police", "fail", fault="hang")
    world.with_terms(at_once=2)
    instance = await world.start(check_deadline_cap_seconds=None)
    cases = [Case() for _ in range(12)]
    await instance.take(*(case.received() for case in cases), *(case.screened() for case in cases))

    async def others_answered() -> bool:
        told = [await instance.answers(case.child) for case in cases]
        return all({each.agency for each in answers} == FOUR - {"police"} for answers in told)

    await until(others_answered)
    assert len(await sandbox.asked("police")) == 2

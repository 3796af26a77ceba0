"""What staff order about an agency passes through the consumer and the database as they ordered it."""

import uuid
from typing import Any

from libs.messaging.event import Event
from libs.platform.clock import SystemClock
from libs.schemas.commands import CheckOrder
from libs.schemas.events import CHECK_ORDERED, CheckOrdered, Reference
from tests.services.enrichment.conftest import Case, Sandbox, World, until, until_completed


def ordered(case: Case, action: str, **more: Any) -> Event:
    now = SystemClock().now()
    command = CheckOrder.model_validate(
        {
            "command_id": uuid.uuid4(),
            "agency": "health",
            "action": action,
            "purpose": "to protect the child",
            "basis": "Children Act 1989 section 47",
            "reason": "Asked by hand.",
            "by": "J. Linnet-Test",
            "at": now,
            **more,
        }
    )
    shared = Reference(reference=case.reference, at=now)
    return case.event(CHECK_ORDERED, CheckOrdered(shared=shared, children={case.child: command}))


async def test_an_emergency_asks_beyond_the_agreement_and_the_record_names_who_approved_it_and_why(
    world: World,
) -> None:
    instance, case = await world.start(check_deadline_cap_seconds=None), Case(agreement="refused")
    await instance.take(case.received(), case.screened())
    assert set((await until_completed(instance, case.child)).values()) == {"not_requested"}
    await instance.take(ordered(case, "ask", emergency=True, approver="R. Heron-Test"))

    async def answered() -> bool:
        return any(one.state == "returned" for one in await instance.answers(case.child))

    await until(answered)
    disclosures = "SELECT agency, emergency, said FROM disclosure WHERE child_id = $1 AND direction = 'out'"
    rows = await instance.ledger.pool.fetch(disclosures, case.child)
    assert {(row["agency"], row["emergency"]) for row in rows} == {("health", True)}
    assert all(b"R. Heron-Test" in row["said"] for row in rows)


async def test_stopping_ends_the_asking_and_chasing_takes_it_up_with_the_same_question(
    world: World, sandbox: Sandbox
) -> None:
    await sandbox.tell("health", "fail", status=503)
    instance, case = await world.start(check_deadline_cap_seconds=None), Case()
    await instance.take(case.received(), case.screened(), ordered(case, "stop"))
    row = await instance.ledger.pool.fetchrow(
        "SELECT stopped, ask_at, state FROM agency_check WHERE agency = 'health'"
    )
    assert tuple(row) == (True, None, "no_answer")
    await sandbox.tell("health", "answer")
    await instance.take(ordered(case, "chase"))

    async def answered() -> bool:
        return any(
            one.agency == "health" and one.state == "returned" for one in await instance.answers(case.child)
        )

    await until(answered)
    questions = await instance.ledger.pool.fetchval(
        "SELECT count(*) FROM agency_check WHERE agency = 'health'"
    )
    assert questions == 1

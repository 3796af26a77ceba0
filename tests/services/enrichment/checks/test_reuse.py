"""What an agency said counts again while it is fresh, and for the person of whom it was said only."""

from datetime import timedelta
from typing import Any

from libs.platform.clock import SystemClock
from libs.schemas.commands import PersonAction
from libs.schemas.events import CHECK_CORRECTED, PERSON_LINKED
from libs.schemas.findings import LINK_CHANGED, Answer, CorrectionKind
from libs.schemas.people import Linked
from services.enrichment.sharing.agreement import load_agreement
from tests.services.enrichment.conftest import (
    PARTNERSHIP,
    Instance,
    Sandbox,
    World,
    until,
    until_completed,
)
from tests.services.enrichment.family.conftest import Told

MOMENT = timedelta(minutes=1)


async def from_education(instance: Instance, case: Told) -> list[Answer]:
    return [one for one in await instance.answers(case.child) if one.agency == "education"]


async def told_of(instance: Instance, case: Told) -> Linked:
    """What was told last of who the child is."""
    found: list[Any] = [
        payload.children[case.child]
        for kind, payload in await instance.told()
        if kind is PERSON_LINKED and case.child in payload.children
    ]
    last: Linked = found[-1]
    return last


async def test_an_agency_is_asked_again_when_the_agreements_freshness_has_passed_or_the_link_is_taken_apart(
    world: World, sandbox: Sandbox
) -> None:
    instance = await world.start(check_deadline_cap_seconds=None)
    pool = instance.ledger.pool
    first, soon, late = Told(), Told(), Told()

    async def checked(case: Told) -> Answer:
        await instance.take(case.received(), case.screened())
        await until_completed(instance, case.child)
        (answer,) = await from_education(instance, case)
        return answer

    async def answered(ago: timedelta) -> None:
        query = "UPDATE agency_check SET answered_at = $2 WHERE child_id = $1 AND agency = 'education'"
        await pool.execute(query, first.child, SystemClock().now() - ago)

    assert (await checked(first)).reused_from is None
    items = await pool.fetchval(
        "SELECT items FROM agency_check WHERE child_id = $1 AND agency = 'education'", first.child
    )
    lines = load_agreement(PARTNERSHIP / "sharing.yaml").lines
    fresh = min(one.freshness for one in lines if one.agency == "education" and one.item in items)
    await answered(fresh - MOMENT)
    assert (await checked(soon)).reused_from is not None
    assert len(await sandbox.asked("education")) == 1
    await answered(fresh + MOMENT)
    assert (await checked(late)).reused_from is None
    assert len(await sandbox.asked("education")) == 2

    # Somebody finds that the second report is about another child: what was said of the first is taken back and asked.
    linked = await told_of(instance, soon)
    assert {one.case_id for one in linked.history.earlier} == {first.child}
    now = instance.ledger.clock.now()
    await instance.take(soon.said(PersonAction.UNLINK, now, person_id=linked.person_id))

    async def asked_anew() -> bool:
        return len(await from_education(instance, soon)) > 1

    await until(asked_anew)
    before, anew = await from_education(instance, soon)
    taken_back = [
        payload.children[soon.child] for kind, payload in await instance.told() if kind is CHECK_CORRECTED
    ]
    assert {(one.kind, one.reason) for one in taken_back} == {(CorrectionKind.RETRACTED, LINK_CHANGED)}
    assert before.question_id in {one.question_id for one in taken_back}
    assert anew.reused_from is None
    assert len(await sandbox.asked("education")) == 3
    apart = await told_of(instance, soon)
    assert apart.person_id != linked.person_id
    assert apart.history.earlier == ()

    await instance.take(soon.said(PersonAction.LINK, now + MOMENT, person_id=linked.person_id))
    again = await told_of(instance, soon)
    assert again.person_id == linked.person_id
    assert first.child in {one.case_id for one in again.history.earlier}

"""What enrichment does with events, in whatever order the topics bring them."""

import itertools
import uuid
from dataclasses import replace

import pytest

from libs.messaging.consumer import Parked
from libs.messaging.errors import Permanent
from libs.platform.auth import Principal
from libs.platform.clock import SystemClock
from libs.platform.cursors import Cursors
from libs.platform.restricted import RIGHT
from libs.schemas.events import (
    ENRICHMENT_RESUMED,
    ENRICHMENT_STOPPED,
    RECEIVED,
    WITHDRAWN,
    Withdrawn,
    WithdrawnReferral,
)
from libs.schemas.levels import Level, Rag
from services.enrichment.journeys import Journeys
from services.enrichment.sharing.api import Register
from services.enrichment.sharing.disclosures import Filters
from tests.services.enrichment.conftest import (
    FINCH,
    WREN,
    Case,
    Instance,
    Sandbox,
    World,
    until,
    until_completed,
    until_time_is_up,
)


async def test_a_screening_that_comes_before_its_referral_is_held_and_applied_when_that_comes(
    world: World,
) -> None:
    instance, case = await world.start(check_deadline_cap_seconds=None), Case()
    await instance.take(case.screened())
    assert await instance.told() == []
    assert await instance.ledger.pool.fetchval("SELECT count(*) FROM held") == 1
    await instance.take(case.received())
    assert (await until_completed(instance, case.child))["health"] == "returned"
    assert await instance.ledger.pool.fetchval("SELECT count(*) FROM held") == 0


@pytest.mark.parametrize("split", [True, False], ids=["one by one", "one batch"])
async def test_the_order_of_the_topics_changes_nothing(world: World, split: bool) -> None:
    instance = await world.start(check_deadline_cap_seconds=None)
    pool = instance.ledger.pool
    answered = "SELECT count(*) = 4 FROM agency_check WHERE child_id = $1 AND answered_at IS NOT NULL"
    found = set()
    for order in sorted(set(itertools.permutations("iitt"))):
        case = Case(agreement="refused")
        # Two producers: each one's own events keep their order, however the topics are interleaved.
        intake = [case.received(), case.informed("given")]
        triage = [case.screened(Level.EARLY_HELP), case.screened(Level.TARGETED, Rag.AMBER)]
        events = [intake.pop(0) if producer == "i" else triage.pop(0) for producer in order]
        for batch in [[event] for event in events] if split else [events]:
            await instance.take(*batch)

        async def all_answered(child_id: uuid.UUID = case.child) -> bool:
            return bool(await pool.fetchval(answered, child_id))

        await until(all_answered)
        child = await pool.fetchrow("SELECT level, rag FROM child WHERE id = $1", case.child)
        checks = await pool.fetch(
            "SELECT agency, state FROM agency_check WHERE child_id = $1 AND items <> '{}'", case.child
        )
        found.add((tuple(child), frozenset(map(tuple, checks))))
        assert len(await instance.completed(case.child)) == 1
    answers = {"police": "declined", "health": "returned", "education": "returned", "early_help": "returned"}
    assert found == {(("targeted", "amber"), frozenset(answers.items()))}


async def test_the_same_referral_twice_in_one_batch_is_one_referral(world: World) -> None:
    instance, case = await world.start(check_deadline_cap_seconds=None), Case()
    received = case.received()
    await instance.take(received, received, case.screened())
    await until_completed(instance, case.child)
    assert len(await instance.answers(case.child)) == 4


async def test_every_child_of_a_referral_has_checks_of_their_own(world: World, sandbox: Sandbox) -> None:
    instance, case = await world.start(check_deadline_cap_seconds=None), Case(children=(WREN, FINCH))
    await instance.take(case.received(), case.screened())
    states = [await until_completed(instance, child_id) for child_id in case.child_ids]
    assert [each["health"] for each in states] == ["returned", "nothing_held"]
    assert len(await sandbox.asked("health")) == 2
    await only_whoever_has_the_right_sees_restricted_children(instance, case)


async def only_whoever_has_the_right_sees_restricted_children(instance: Instance, case: Case) -> None:
    reader = Principal("operations", "operations", scopes=frozenset({"operations:read"}))
    trusted = replace(reader, scopes=reader.scopes | {RIGHT})
    journeys, register = Journeys(instance.ledger), Register(instance.ledger, Cursors("c" * 32))

    async def seen(by: Principal) -> tuple[int, set[uuid.UUID]]:
        journey = await journeys.read(case.reference, by)
        disclosed = await register.read(by, Filters(referral_id=case.id), None, 100)
        return 0 if journey is None else len(journey.children), {one.case_id for one in disclosed.items}

    everybody = (2, {*case.child_ids})
    for hidden, left in ((case.child_ids[:1], (1, {case.child_ids[1]})), (case.child_ids, (0, set()))):
        await instance.take(case.restricted(*hidden))
        assert await seen(reader) == left
        assert await seen(trusted) == everybody
    await instance.take(case.restricted(*case.child_ids, restricted=False))
    assert await seen(reader) == everybody
    # Nobody in triage could make out the children; then they could, and one of them may be seen.
    await instance.take(case.restricted(case.id))
    assert await seen(reader) == (0, set())
    assert await seen(trusted) == everybody
    await instance.take(case.restricted(case.child_ids[0]))
    assert await seen(reader) == (1, {case.child_ids[1]})
    await instance.put_behind(case.restricted(*case.child_ids))
    assert await seen(reader) == (0, set())


async def test_agreement_given_later_asks_what_was_held_back(world: World) -> None:
    instance, case = await world.start(check_deadline_cap_seconds=None), Case(agreement="refused")
    await instance.take(case.received(), case.screened())
    await until_completed(instance, case.child)
    await instance.take(case.informed("given"))
    states = await instance.ledger.pool.fetch("SELECT DISTINCT state FROM agency_check WHERE items <> '{}'")
    assert {row["state"] for row in states} <= {"pending", "returned", "declined", "nothing_held"}


async def test_an_agreement_refused_later_stops_the_chase_and_given_again_resumes_it(
    world: World, sandbox: Sandbox
) -> None:
    await sandbox.tell("health", "fail", fault="status")
    instance, case = await world.start(check_deadline_cap_seconds=None), Case()
    await instance.take(case.received(), case.screened())
    assert (await until_time_is_up(instance, case.child))["health"] == "unavailable"
    await instance.take(case.informed("refused"))
    ask_at = "SELECT ask_at FROM agency_check WHERE agency = 'health'"
    assert await instance.ledger.pool.fetchval(ask_at) is None
    await instance.take(case.informed("given"))
    assert await instance.ledger.pool.fetchval(ask_at) is not None


async def test_a_withdrawal_is_kept_and_stops_nothing(world: World) -> None:
    instance, case = await world.start(check_deadline_cap_seconds=None), Case()
    now = SystemClock().now()
    shared = WithdrawnReferral(
        reference=case.reference, received_at=now, agency="school", by="school", reason="Sent by mistake."
    )
    await instance.take(case.received(), case.event(WITHDRAWN, Withdrawn(shared=shared)), case.screened())
    assert (await until_completed(instance, case.child))["health"] == "returned"
    assert await instance.ledger.pool.fetchval("SELECT withdrawn_at FROM referral") == now


async def test_a_screening_of_a_child_that_the_referral_does_not_have_is_parked(world: World) -> None:
    instance, case = await world.start(check_deadline_cap_seconds=None), Case()
    await instance.take(case.received())
    case.child_ids = [uuid.uuid4()]
    with pytest.raises(Permanent, match="unknown-child"):
        await instance.take(case.screened())


async def test_a_referral_that_was_given_up_unread_leaves_its_checks_to_a_person(world: World) -> None:
    instance, case = await world.start(check_deadline_cap_seconds=None), Case()
    event_id = uuid.uuid4()
    async with instance.ledger.unit([case.id]) as unit:
        await unit.connection.execute(
            "INSERT INTO parked (consumer, event_id, referral_id, type, topic, partition, position, key, headers,"
            " payload, state, error_class, code, attempts, parked_at) VALUES ('enrichment', $1, $2, $3, $4, 0, 0, '',"
            " '{}', '', 'discarded', 'permanent', 'contract', 1, $5)",
            event_id,
            case.id,
            RECEIVED.name,
            RECEIVED.topic,
            unit.now,
        )
        await instance.checks.consumer.resumed(unit, case.id)
    (kind, stopped), (then, _) = await instance.told()
    assert (kind, then) == (ENRICHMENT_STOPPED, ENRICHMENT_RESUMED)
    assert (stopped.shared.event_id, stopped.shared.event_type) == (event_id, RECEIVED.name)
    assert stopped.shared.reason == "discarded"


@pytest.mark.parametrize("together", [True, False])
async def test_a_child_that_was_erased_on_the_way_leaves_its_siblings_their_checks_and_numbers(
    world: World, together: bool
) -> None:
    instance, case = await world.start(check_deadline_cap_seconds=None), Case(children=(FINCH, WREN))
    case.child_ids.sort()
    gone, stays = case.child_ids
    received, screened = case.received(), case.screened()
    payload = received.payload.model_copy(update={"children": {stays: received.payload.children[stays]}})
    received = replace(received, payload=payload, erased=frozenset({gone}))
    for batch in [[received, screened]] if together else [[received], [screened]]:
        await instance.take(*batch)
    assert (await until_completed(instance, stays))["health"] == "returned"
    assert await instance.answers(gone) == []
    rows = await instance.ledger.pool.fetch("SELECT id, number FROM child")
    assert [tuple(row) for row in rows] == [(stays, 2)]


async def test_a_stopped_referral_is_told_once_and_again_when_it_goes_on(world: World) -> None:
    instance, case = await world.start(check_deadline_cap_seconds=None), Case()
    first, behind = (
        Parked(
            uuid.uuid4(),
            case.id,
            "uk.mash.triage.case-screened.v1",
            is_first,
            "unknown-child",
            None,
            SystemClock().now(),
        )
        for is_first in (True, False)
    )
    async with instance.ledger.unit([case.id]) as unit:
        await instance.checks.consumer.stopped(unit, [first, behind])
        await instance.checks.consumer.resumed(unit, case.id)
    told = await instance.told()
    assert [kind for kind, _ in told] == [ENRICHMENT_STOPPED, ENRICHMENT_RESUMED]
    assert told[0][1].shared.event_id == first.event_id
    assert told[0][1].shared.reason == "unknown-child"

"""Topics are not ordered against each other, and that changes no result."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid4

from libs.messaging.event import Event
from libs.messaging.ledger import Unit
from libs.schemas.events import CASE_SCREENED, WITHDRAWN, CaseScreened, Service
from libs.schemas.levels import Rag
from tests.libs.messaging.conformance.world import Recorder, World, eventually
from tests.libs.schemas.goldens import golden


class Patient(Recorder):
    """Applies what triage says of a referral only once it has heard of the referral from intake."""

    async def handle(self, unit: Unit, events: Sequence[Event]) -> None:
        rows = await unit.connection.fetch(
            "SELECT DISTINCT referral_id FROM seen WHERE type = $1 AND referral_id = ANY ($2)",
            WITHDRAWN.name,
            list(unit.referrals),
        )
        known = {row["referral_id"] for row in rows}
        apply: list[Event] = []
        early: list[Event] = []
        for event in events:
            if event.type is WITHDRAWN and event.referral_id not in known:
                known.add(event.referral_id)
                apply.append(event)
                apply += [each for each in early if each.referral_id == event.referral_id]
                early = [each for each in early if each.referral_id != event.referral_id]
                apply += await unit.release([event.referral_id])
            else:
                (apply if event.referral_id in known else early).append(event)
        await unit.hold(early)
        await super().handle(unit, apply)


def screened(rag: Rag) -> CaseScreened:
    payload = CaseScreened.model_validate_json(golden(CASE_SCREENED.name))
    child, part = next(iter(payload.children.items()))
    return CaseScreened(shared=payload.shared, children={child: part.model_copy(update={"rag": rag})})


async def test_events_that_come_before_their_referral_are_kept_and_applied_in_order(world: World) -> None:
    world.join(Patient())
    world.join(Patient())
    referral = uuid4()
    early = [
        await world.emit(referral, type=CASE_SCREENED, payload=screened(rag)) for rag in (Rag.GREEN, Rag.RED)
    ]
    await eventually(lambda: held_are(world, 2))
    assert await world.seen_ids() == []
    assert await world.parked() == []
    first = await world.emit(referral)
    await world.until_seen([first, *early])
    assert await world.seen_ids() == [first, *early]
    assert await held_are(world, 0)


async def test_shuffling_topics_against_each_other_changes_no_result(world: World) -> None:
    world.join(Patient())
    world.join(Patient())
    orders = {uuid4(): order for order in ("itt", "tit", "tti") for _ in range(4)}
    ids: list[UUID] = []
    for step in range(3):
        for referral, order in orders.items():
            if order[step] == "i":
                ids.append(await world.emit(referral))
            else:
                rag = Rag.GREEN if "t" not in order[:step] else Rag.RED
                ids.append(await world.emit(referral, type=CASE_SCREENED, payload=screened(rag)))
        await eventually(lambda: taken_in(world, len(ids)))
    await world.until_seen(ids)
    results: dict[UUID, list[tuple[str, int]]] = {}
    for row in await world.seen():
        results.setdefault(row["referral_id"], []).append((row["type"], row["sequence"]))
    expected = [(WITHDRAWN.name, 1), (CASE_SCREENED.name, 1), (CASE_SCREENED.name, 2)]
    assert results == dict.fromkeys(orders, expected)


async def held_are(world: World, count: int) -> bool:
    return bool(
        await world.ledgers[Service.ENRICHMENT].pool.fetchval("SELECT count(*) = $1 FROM held", count)
    )


async def taken_in(world: World, count: int) -> bool:
    return bool(
        await world.ledgers[Service.ENRICHMENT].pool.fetchval("SELECT count(*) = $1 FROM inbox", count)
    )

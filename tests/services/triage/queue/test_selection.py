"""The queue is narrowed by what it shows, and each filter is served by an index of its own."""

from datetime import timedelta
from itertools import product
from uuid import UUID

import asyncpg
import pytest

from libs.platform.auth import Principal
from libs.platform.restricted import RIGHT
from libs.schemas.levels import Destination, Rag, Stage
from services.triage.queue.pages import counts_statement, page_statement
from services.triage.queue.selection import Filters
from services.triage.queue.tags import Tag
from services.triage.restricted.rights import visible
from tests.databases import execute
from tests.services.triage.conftest import MONDAY, NEGLECTED, HubWorld, Story, stated
from tests.services.triage.staff import Person
from tests.services.triage.test_recommendation import living_at

HUNGRY = stated("child.hunger", "persistent")

SERVED: dict[str, tuple[Filters, str]] = {
    "everything": (Filters(), "child_case_queue"),
    "team": (Filters(team="csc"), "child_case_queue_team"),
    "stage": (Filters(stage=Stage.DECISION), "child_case_queue_stage"),
    "rag": (Filters(rag=Rag.RED), "child_case_queue_rag"),
    "destination": (Filters(destination=Destination.MASG), "child_case_queue_destination"),
    "locality": (Filters(locality="south"), "child_case_queue_locality"),
    "awaiting": (Filters(awaiting="police"), "child_case_queue_awaiting"),
    "claimed_by": (Filters(claimed_by="staff-sw-1"), "claim_of_holder"),
    "worker": (Filters(worker="staff-sw-1"), "allocated_to"),
    "unborn": (Filters(tag=Tag.UNBORN), "child_case_labels"),
    "at risk": (Filters(tag=Tag.DECISION_AT_RISK), "child_case_queue_set_apart"),
    "due soon": (Filters(tag=Tag.DUE_SOON), "child_case_queue_set_apart"),
    "reopened": (Filters(tag=Tag.REOPENED), "child_case_queue_set_apart"),
    "restricted": (Filters(tag=Tag.RESTRICTED), "child_case_queue_restricted"),
}

# 40,000 cases of which 2,000 stand in a queue: enough for the planner to choose, made in a second.
_MANY = """
INSERT INTO child_case (id, referral_id, reference, child_number, received_at, due_at, team, stub, stage, level, rag,
    could_rise_to, destination, immediate_danger, unread, act_by, unrouted, at_risk, reopened_at, stopped, evidence,
    answers, evaluation, decision, announced_level, announced_rag, actions, locality, labels, awaiting, restricted)
SELECT gen_random_uuid(), gen_random_uuid(), n::text, 1, at, at, CASE WHEN n % 40 = 0 THEN 'csc' ELSE 'duty' END,
       false, CASE WHEN n % 60 = 0 THEN 'decision' ELSE 'checks' END, 'targeted',
       CASE WHEN n % 40 = 20 THEN 'red' ELSE 'green' END, 'targeted',
       CASE WHEN n % 80 = 0 THEN 'masg' ELSE 'early_help' END, false, false,
       CASE WHEN n % 20 = 0 THEN at END, false, n % 2000 = 0, CASE WHEN n % 2000 = 0 THEN at END, false, 1, 1, 1, 0,
       'targeted', 'green', '{}', CASE WHEN n % 80 = 0 THEN 'south' ELSE 'north' END,
       CASE WHEN n % 800 = 0 THEN ARRAY['unborn'] ELSE '{}' END,
       CASE WHEN n % 800 = 0 THEN ARRAY['police'] ELSE '{}' END, n % 1000 = 0
  FROM generate_series(1, 40000) AS n, LATERAL (SELECT $1::timestamptz + n * interval '1 second') AS t (at)
"""


@pytest.fixture
async def many(hub: HubWorld, hub_database: str) -> HubWorld:
    """A hub with many cases, most of them decided."""
    await hub.ledger.pool.execute(_MANY, MONDAY - timedelta(days=1))
    await hub.ledger.pool.execute(
        "INSERT INTO allocated SELECT id, 'worker-' || row_number() OVER () / 20, $1 FROM child_case"
        " WHERE act_by IS NOT NULL LIMIT 1000",
        MONDAY,
    )
    await hub.ledger.pool.execute(
        "UPDATE child_case SET warned = ARRAY['decision/2026-11-23T12:00:00+00:00']"
        " WHERE at_risk AND act_by IS NOT NULL"
    )
    await hub.ledger.pool.execute(
        "INSERT INTO claim SELECT id, 'worker-' || row_number() OVER () / 2, $1, $1 FROM child_case"
        " WHERE act_by IS NOT NULL",
        MONDAY,
    )
    # Only a table's owner may.
    await execute(hub_database, "ANALYZE triage.child_case, triage.allocated, triage.claim")
    return hub


RIGHTS = {
    "everything": Principal("staff-mgr-2", "staff-mgr-2", scopes=frozenset((RIGHT,))),
    "what is not restricted": Principal("staff-sw-1", "staff-sw-1"),
}


async def test_every_filter_is_served_by_its_own_index(many: HubWorld) -> None:
    after = (False, MONDAY - timedelta(days=900), UUID(int=0))
    async with many.ledger.pool.acquire() as connection:
        for (sees, caller), (name, (filters, index)) in product(RIGHTS.items(), SERVED.items()):
            # Whoever sees nothing restricted asks for that tag in vain, and any plan does.
            if name == "restricted" and sees != "everything":
                continue
            statement, parameters = page_statement(filters, MONDAY, visible(caller), after, 51)
            rows = await connection.fetch(f"EXPLAIN {statement}", *parameters)
            plan = "\n".join(row[0] for row in rows)
            assert f"{index} " in plan or f"{index}\n" in plan, f"{name}, {sees}:\n{plan}"
            assert "Seq Scan on child_case" not in plan, f"{name}, {sees}:\n{plan}"


async def test_counts_are_read_from_their_index_alone_and_count_what_the_reader_may_see(
    many: HubWorld, hub_database: str, worker: Person, trusted: Person
) -> None:
    connection = await asyncpg.connect(hub_database)
    await connection.execute("VACUUM ANALYZE triage.child_case")
    await connection.execute("SET search_path TO triage")
    for caller in RIGHTS.values():
        plan = await connection.fetch(f"EXPLAIN {counts_statement(visible(caller))}", MONDAY)
        text = "\n".join(row[0] for row in plan)
        assert "Index Only Scan using child_case_counts" in text, text
    await connection.close()
    counts = (await worker.get("/v1/queue/counts")).json()["counts"]
    assert sum(one["cases"] for one in counts) == 1960
    counts = (await trusted.get("/v1/queue/counts")).json()["counts"]
    assert sum(one["cases"] for one in counts) == 2000
    assert sum(one["red"] for one in counts) == 1000


async def test_a_case_is_found_by_what_it_waits_for_where_the_child_lives_and_who_works_on_it(
    hub: HubWorld, worker: Person
) -> None:
    there, other = Story(), Story()
    await hub.take(
        living_at(there.received([HUNGRY, stated("child.missing_now", True)]), "PE1 1AA"),
        other.received([HUNGRY]),
        there.answer("police", state="no_answer"),
    )
    mine = str(there.child_ids[0])

    async def cases(**filters: str) -> list[str]:
        answer = await worker.get("/v1/queue", **filters)
        assert answer.status_code == 200, answer.text
        return [item["case_id"] for item in answer.json()["items"]]

    assert len(await cases()) == 2
    assert len(await cases(awaiting="police")) == 2
    await hub.take(there.answer("police", state="nothing_held"))
    assert await cases(awaiting="police") == [str(other.child_ids[0])]
    [item] = [one for one in (await worker.get("/v1/queue")).json()["items"] if one["case_id"] == mine]
    assert item["awaiting"] == ["early_help", "education", "health", "marac", "social_care"]
    assert item["locality"] is not None
    assert await cases(locality=item["locality"]) == [mine]
    assert await cases(tag="missing") == [mine]
    assert await cases(tag="unborn") == []
    assert await cases(claimed_by=worker.id) == await cases(worker=worker.id) == []
    await worker.put(f"/v1/cases/{mine}/claim", {})
    await worker.put(f"/v1/cases/{mine}/allocation", {"worker": worker.id})
    assert await cases(claimed_by=worker.id) == await cases(worker=worker.id) == [mine]
    assert await cases(unallocated="true") == [str(other.child_ids[0])]
    hub.clock.advance(timedelta(minutes=16))
    assert await cases(claimed_by=worker.id) == []


async def test_a_filter_that_is_no_code_is_refused_by_its_name(worker: Person) -> None:
    answer = await worker.get("/v1/queue", team="csc'; --")
    assert answer.status_code == 422
    assert "csc'" not in answer.text


async def test_words_that_came_later_are_found_whatever_is_recommended(hub: HubWorld, worker: Person) -> None:
    story = Story()
    await hub.take(story.received(NEGLECTED), story.completed())
    assert (await worker.get("/v1/queue", tag="to_be_read")).json()["items"] == []
    await hub.take(story.information(worry="She says more."))
    [item] = (await worker.get("/v1/queue", tag="to_be_read")).json()["items"]
    assert "to_be_read" in item["tags"]

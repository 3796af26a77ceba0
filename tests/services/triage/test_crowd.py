"""Fifty people at once on twenty cases, through two instances of the service: one holder, one decision, nobody misled.

`MASH_CROWD=long` keeps them at it for `MASH_CROWD_SECONDS`, on new cases once each of the last had its acts.
"""

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from libs.messaging.ledger import Ledger
from libs.platform.auth import Authenticator
from libs.platform.clock import ManualClock
from libs.platform.database import create_pool, role_dsn
from libs.platform.service import create_app
from libs.platform.telemetry import setup
from libs.schemas.events import Service
from sandbox.issuer import Client, Issuer
from services.triage.app import furnish, routers
from services.triage.claims.claim import LEASE
from services.triage.settings import TriageSettings
from services.triage.thresholds import Thresholds
from tests.services.triage.bell import Bell
from tests.services.triage.conftest import CODEC, ISSUER, HubWorld, Story, parts_of, stated
from tests.services.triage.staff import Person

PEOPLE, CASES = 50, 20
LONG = os.environ.get("MASH_CROWD") == "long"
ACTS = 10 if LONG else 6
"""Of each person on the same cases."""
SECONDS = float(os.environ.get("MASH_CROWD_SECONDS", "90")) if LONG else 0.0
STRANGLED = stated("household.strangulation_or_weapon", True)
PROTECTION: dict[str, Any] = {"level": "section_47", "destination": "csc_section_47", "obliged": {}}
SCOPES = ("queue:read", "case:read", "case:write", "decision:write")


@pytest.fixture
def crowd_issuer(issuer_key: Any, clock: ManualClock) -> Issuer:
    everybody = {
        f"staff-{number}": Client(
            id=f"staff-{number}", secret="", name=f"Staff {number}", scopes=SCOPES, roles=("manager",)
        )
        for number in range(PEOPLE)
    }
    return Issuer(issuer_key, everybody, issuer=ISSUER, audience="mash", clock=clock)


@pytest.fixture
async def instances(
    hub_database: str,
    hub: HubWorld,
    settings: TriageSettings,
    crowd_issuer: Issuer,
    clock: ManualClock,
    thresholds: Thresholds,
) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Two instances of the service on one database, each with connections of its own."""
    keys = httpx.MockTransport(lambda request: httpx.Response(200, json=crowd_issuer.jwks()))
    telemetry = setup(Service.TRIAGE, settings, install=False)
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(2):
            dsn = role_dsn(hub_database, Service.TRIAGE)
            pool = await create_pool(dsn, service=Service.TRIAGE, size=8)
            stack.push_async_callback(pool.close)
            ledger = Ledger(pool, Service.TRIAGE, partnership="peterborough", codec=CODEC, clock=clock)
            client = await stack.enter_async_context(httpx.AsyncClient(transport=keys))
            authenticator = Authenticator(settings.jwks_url, ISSUER, "mash", client, clock)
            app = create_app("Triage", settings, telemetry, routers(), authenticator=authenticator)
            parts = parts_of(hub, thresholds, settings, Bell())
            furnish(app, replace(parts, ledger=ledger))
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            found.append(
                await stack.enter_async_context(
                    httpx.AsyncClient(transport=transport, base_url="http://triage.example.org")
                )
            )
        yield found
    telemetry.shutdown()


async def cases_of(hub: HubWorld) -> list[UUID]:
    """Cases on which nobody has decided and nothing is obliged."""
    stories = [Story() for _ in range(CASES)]
    for story in stories:
        await hub.take(story.received([STRANGLED]), story.completed())
    await hub.rows("UPDATE task SET done_at = raised_at, done_by = 'x' RETURNING 1")
    return [story.child_ids[0] for story in stories]


class Crowd:
    """People who claim, put down and decide at random, and what each was told."""

    def __init__(self, people: list[Person], cases: list[UUID], tags: dict[UUID, str], seed: int) -> None:
        self._people = people
        self._cases = cases
        self._tags = tags
        self._seed = seed
        self.holding: dict[UUID, str] = {}
        self.won: dict[UUID, list[str]] = {}
        self.told: Counter[str] = Counter()
        self.misled: list[tuple[UUID, str]] = []

    async def work(self) -> None:
        """Everybody at once, until each has acted so often."""
        await asyncio.gather(
            *(self._one(person, random.Random(f"{person.id} {self._seed}")) for person in self._people)
        )

    async def _one(self, person: Person, chance: random.Random) -> None:
        for _ in range(ACTS):
            mine = [case_id for case_id, holder in self.holding.items() if holder == person.id]
            case_id = chance.choice(mine if mine and chance.random() < 0.6 else self._cases)
            act = chance.random()
            if act < 0.35:
                await self._claim(person, case_id)
            elif act < 0.6:
                await self._release(person, case_id)
            elif act < 0.9:
                await self._decide(person, case_id)
            else:
                await asyncio.sleep(chance.random() / 50)

    async def _claim(self, person: Person, case_id: UUID) -> None:
        answer = await person.put(f"/v1/cases/{case_id}/claim", {})
        if answer.status_code == 200:
            self.told["claimed"] += 1
            if self.holding.get(case_id, person.id) != person.id:
                self.misled.append((case_id, person.id))
            self.holding[case_id] = person.id
            return
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (409, "claimed")
        assert problem["held_by"] != person.id
        assert problem["since"]
        self.told["refused a claim"] += 1

    async def _release(self, person: Person, case_id: UUID) -> None:
        self._lets_go(person, case_id)
        assert (await person.delete(f"/v1/cases/{case_id}/claim")).status_code == 204

    async def _decide(self, person: Person, case_id: UUID) -> None:
        self._lets_go(person, case_id)
        answer = await person.decide(case_id, self._tags[case_id], **PROTECTION, rationale=person.id)
        if answer.status_code == 200:
            self.won.setdefault(case_id, []).append(answer.json()["decision"]["decided_by"])
            self.told["decided"] += 1
            return
        problem = answer.json()
        assert answer.status_code == 409, answer.text
        if problem["code"] == "claimed":
            assert problem["held_by"] != person.id
        else:
            assert problem["code"] == "decided-already"
            self.won.setdefault(case_id, []).append(problem["decided_by"])
        self.told[problem["code"]] += 1

    def _lets_go(self, person: Person, case_id: UUID) -> None:
        """From here on somebody else may have the pen, for a decision puts it down."""
        if self.holding.get(case_id) == person.id:
            del self.holding[case_id]


@pytest.mark.soak
@pytest.mark.timeout(300 + SECONDS)
async def test_one_holder_at_a_time_one_decision_each_and_every_loser_is_told_who_won(
    hub: HubWorld,
    instances: list[httpx.AsyncClient],
    crowd_issuer: Issuer,
    record_property: Callable[[str, object], None],
) -> None:
    people = [Person(instances[number % 2], crowd_issuer, f"staff-{number}") for number in range(PEOPLE)]
    told, rounds, begun = Counter[str](), 0, time.monotonic()
    while rounds == 0 or time.monotonic() - begun < SECONDS:
        told += await crowded(hub, people, rounds)
        rounds += 1
    record_property("tried", f"{rounds * PEOPLE * ACTS} acts on {rounds * CASES} cases: {dict(told)}")


async def crowded(hub: HubWorld, people: list[Person], seed: int) -> Counter[str]:
    """What everybody was told who acted on the same new cases, after it was found to be true."""
    cases = await cases_of(hub)
    tags = {case_id: (await people[0].open(case_id))[1] for case_id in cases}
    crowd = Crowd(people, cases, tags, seed)
    await crowd.work()

    assert crowd.misled == []
    rows = await hub.rows("SELECT case_id, decided_by FROM decision WHERE case_id = ANY($1)", cases)
    assert len(rows) == len({row["case_id"] for row in rows})
    winners = {row["case_id"]: row["decided_by"] for row in rows}
    assert {case_id: {winners[case_id]} for case_id in crowd.won} == {
        case_id: set(told) for case_id, told in crowd.won.items()
    }
    decided = await hub.rows(
        "SELECT o.referral_id FROM outbox o JOIN child_case c USING (referral_id)"
        " WHERE o.type = 'uk.mash.triage.case-decided.v1' AND c.id = ANY($1)",
        cases,
    )
    assert len(decided) == len(rows) > CASES / 4
    assert min(crowd.told[what] for what in ("claimed", "refused a claim", "decided", "decided-already")) > 0
    return crowd.told


async def test_the_pen_of_somebody_whose_process_died_is_free_when_its_lease_is_over(
    hub: HubWorld, instances: list[httpx.AsyncClient], crowd_issuer: Issuer, clock: ManualClock
) -> None:
    [case_id, *_] = await cases_of(hub)
    path = f"/v1/cases/{case_id}/claim"
    first = Person(instances[0], crowd_issuer, "staff-0")
    other = Person(instances[1], crowd_issuer, "staff-1")
    assert (await first.put(path, {})).status_code == 200
    # Nothing of a claim lives in a process: it is a row with an end.
    await instances[0].aclose()
    clock.advance(LEASE - timedelta(seconds=1))
    assert (await other.put(path, {})).json()["held_by"] == "staff-0"
    clock.advance(timedelta(seconds=1))
    assert (await other.put(path, {})).json()["holder"] == "staff-1"

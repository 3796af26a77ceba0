"""Random lives of referrals, with people, late news, duplicates of messages, clocks and crashes in any order.

Whatever happens: every open case stands in a queue with a clock that runs, a referral closes only when every child is
decided and accepted, versions only rise, and what a person decided is never changed by the system.
"""

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.messaging import inbox
from libs.messaging.event import Event
from libs.messaging.timers import TimerLoop
from libs.schemas.levels import Stage
from sandbox.issuer import Issuer
from services.triage.case import Case
from services.triage.clocks.hub import Hub
from services.triage.overdue import Overdue
from services.triage.thresholds import Thresholds
from tests.services.triage.bell import Bell
from tests.services.triage.conftest import AGENCIES, HubWorld, Story, stated
from tests.services.triage.staff import Person

FACTS = [
    stated("child.hunger", "persistent"),
    stated("child.disclosed_physical_abuse", True),
    stated("household.strangulation_or_weapon", True),
    stated("household.domestic_abuse", "repeated"),
    stated("household.protective_adult", True),
]
CHOICES = [
    ("universal", "universal_advice"),
    ("early_help", "early_help"),
    ("targeted", "masg"),
    ("section_17", "csc_section_17"),
    ("section_47", "csc_section_47"),
]
STAFF = ("staff-sw-1", "staff-sw-2", "staff-mgr-1", "staff-mgr-2")
EXPECTED = frozenset({200, 201, 204, 403, 409, 412, 422})
"""What people may be told. A refusal is an answer; anything else is a fault."""

VERSIONS = ("evidence", "answers", "evaluation", "decision", "signing")
EXAMPLES = int(os.environ.get("MASH_INTERLEAVINGS", "15"))
SECONDS = float(os.environ.get("MASH_INTERLEAVINGS_SECONDS", "600"))
"""No life begins later than so long after the first."""
MOVES = st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 2**16)), min_size=10, max_size=45)


class Crash(Exception):
    """The process dies before its transaction commits."""


class Life:
    """One example: some referrals, and everything that happens to them."""

    def __init__(self, hub: HubWorld, clocks: Hub, people: Sequence[Person], chance: random.Random) -> None:
        self._hub = hub
        self._clocks = clocks
        self._people = people
        self._chance = chance
        self._stories: list[Story] = []
        self._messages: list[Event] = []
        self._seen: dict[UUID, Case] = {}
        self._decisions: dict[tuple[UUID, int], tuple[Any, ...]] = {}
        self._tags: dict[tuple[str, UUID], str] = {}

    async def step(self, move: int) -> None:
        """Something happens, and everything that must always hold is looked at."""
        moves = (
            self._refer,
            self._answer,
            self._late_news,
            self._late_news,
            self._complete,
            self._add,
            self._again,
            self._crash,
            self._look,
            self._read,
            self._claim,
            self._decide,
            self._decide,
            self._decide,
            self._sign,
            self._sign,
            self._accept,
            self._accept,
            self._finish_task,
            self._finish_task,
            self._time_passes,
            self._reopen,
        )
        await moves[0 if not self._stories else move % len(moves)]()
        await self.check()

    async def _take(self, event: Event, *, crash: bool = False) -> None:
        """Takes a message in as the runner does, once however often it comes."""
        self._messages.append(event)
        ledger = self._hub.ledger
        try:
            async with ledger.unit([event.referral_id]) as unit:
                claimed = await inbox.claim(
                    unit.connection, "triage", [event.id], [event.type.name], [event.referral_id], unit.now
                )
                if event.id in claimed.fresh:
                    await self._hub.consumer.handle(unit, [event])
                if crash:
                    raise Crash
        except Crash:
            pass

    def _story(self) -> tuple[Story, int]:
        story = self._chance.choice(self._stories)
        return story, self._chance.randrange(len(story.child_ids))

    def _some(self) -> list[Any]:
        return self._chance.sample(FACTS, self._chance.choice((0, 1, 1, 2)))

    async def _refer(self) -> None:
        if len(self._stories) >= 3:
            return
        story = Story(children=self._chance.choice((1, 1, 2)), at=self._hub.clock.now())
        self._stories.append(story)
        danger = self._chance.random() < 0.15
        await self._take(story.received(*(self._some() for _ in story.child_ids), immediate_danger=danger))

    async def _answer(self) -> None:
        story, child = self._story()
        late = self._chance.random() < 0.5
        await self._take(story.answer(self._chance.choice(AGENCIES), *self._some(), child=child, late=late))

    async def _late_news(self) -> None:
        """Something grave about a child with whom everybody is done, where there is one."""
        done = [one.id for one in self._seen.values() if one.stage in (Stage.CLOSED, Stage.DECIDED)]
        stories = [story for story in self._stories if set(story.child_ids) & set(done)]
        story = self._chance.choice(stories or self._stories)
        agency, grave = self._chance.choice(AGENCIES), self._chance.choice(FACTS[1:4])
        await self._take(story.answer(agency, grave, late=True))

    async def _complete(self) -> None:
        story, _ = self._story()
        await self._take(story.completed({"police": self._chance.choice(("no_answer", "nothing_held"))}))

    async def _add(self) -> None:
        story, child = self._story()
        words = {"worry": "More."} if self._chance.random() < 0.4 else {}
        await self._take(story.information(*self._some(), child=child, **words))

    async def _again(self) -> None:
        await self._take(self._chance.choice(self._messages))

    async def _crash(self) -> None:
        story, child = self._story()
        event = story.answer(self._chance.choice(AGENCIES), *self._some(), child=child)
        await self._take(event, crash=True)
        await self._take(event)

    async def _person(self) -> tuple[Person, UUID]:
        story, child = self._story()
        return self._chance.choice(self._people), story.child_ids[child]

    async def _look(self) -> None:
        person, case_id = await self._person()
        _, self._tags[person.id, case_id] = await person.open(case_id)

    async def _tag(self, person: Person, case_id: UUID) -> str:
        """What somebody saw last of a case, which may be out of date; or what stands now."""
        known = self._tags.get((person.id, case_id))
        return known if known and self._chance.random() < 0.5 else (await person.open(case_id))[1]

    async def _read(self) -> None:
        person, case_id = await self._person()
        self._told(await person.read(case_id, await self._tag(person, case_id)))

    async def _claim(self) -> None:
        person, case_id = await self._person()
        path = f"/v1/cases/{case_id}/claim"
        release = self._chance.random() < 0.4
        self._told(await person.delete(path) if release else await person.put(path, {}))

    async def _decide(self) -> None:
        person, case_id = await self._person()
        view, _ = await person.open(case_id)
        recommended = view["recommendation"]
        level, destination = self._chance.choice(CHOICES)
        if recommended and self._chance.random() < 0.7:
            level, destination = recommended["level"], recommended["destination"]
        tag = await self._tag(person, case_id)
        body = {"level": level, "destination": destination, "departure_reason": "Weighed."}
        self._told(await person.decide(case_id, tag, **body, siblings_differ_because="Weighed."))

    async def _sign(self) -> None:
        person, case_id = await self._person()
        agree = self._chance.random() < 0.8
        self._told(await person.sign(case_id, await self._tag(person, case_id), agree=agree, note="Read."))

    async def _accept(self) -> None:
        person, case_id = await self._person()
        decided = (await person.open(case_id))[0]["decisions"]
        number = decided[-1]["number"] if decided and self._chance.random() < 0.9 else 1
        what = "acceptance" if self._chance.random() < 0.8 else "refusal"
        who = (
            {"accepted_by": "Robin Day"}
            if what == "acceptance"
            else {"refused_by": "Robin Day", "reason": "No."}
        )
        self._told(await person.put(f"/v1/cases/{case_id}/handover/{what}", {"decision": number, **who}))

    async def _finish_task(self) -> None:
        person, case_id = await self._person()
        for task in (await person.get("/v1/tasks", case_id=str(case_id))).json()["items"]:
            self._told(await person.put(f"/v1/tasks/{task['id']}", {"note": "Done."}))

    async def _reopen(self) -> None:
        person = self._chance.choice(self._people)
        story, _ = self._story()
        self._told(await person.post(f"/v1/referrals/{story.reference}/reopening", {"reason": "News."}))

    async def _time_passes(self) -> None:
        self._hub.clock.advance(timedelta(minutes=self._chance.choice((5, 20, 300, 1500))))

        await TimerLoop(self._hub.ledger, Overdue(self._hub.ledger, Bell(), self._clocks).handlers).fire_due()

    def _told(self, answer: httpx.Response) -> None:
        assert answer.status_code in EXPECTED, answer.text
        if answer.status_code == 409 and answer.json()["code"] == "decided-already":
            assert answer.json()["decided_by"] in STAFF

    async def check(self) -> None:
        """Everything that holds at every moment."""
        for story in self._stories:
            family = [await self._hub.case(child) for child in story.child_ids]
            for case in family:
                await self._holds(case)
            closed = [case.stage is Stage.CLOSED for case in family]
            if any(case.closed_at is not None for case in family):
                assert all(case.decided for case in family)
            if any(closed):
                waiting = await self._hub.rows(
                    "SELECT 1 FROM handover WHERE referral_id = $1 AND answer IS NULL", story.id
                )
                assert waiting == []

    async def _holds(self, case: Case) -> None:
        before = self._seen.get(case.id)
        if before is not None:
            assert all(getattr(case, name) >= getattr(before, name) for name in VERSIONS)
        self._seen[case.id] = case
        rows = await self._hub.rows(
            "SELECT kind, due_at FROM timer WHERE subject = $1 AND state = 'armed'"
            " UNION ALL SELECT clock, due_at FROM breach WHERE case_id = $1",
            case.id,
        )
        kept = {tuple(row) for row in rows}
        # Each clock of the case runs, or ran out and stands on record.
        assert kept >= set(case.clocks().items()), case
        if case.stage not in (Stage.DECIDED, Stage.CLOSED):
            assert case.team
            assert case.act_by is not None
            assert case.clocks(), case
        if case.stage is Stage.DECIDED:
            # Nothing about this child waits: the referral is open for a task, or for a brother or sister.
            open_tasks = await self._hub.rows(
                "SELECT 1 FROM task WHERE referral_id = $1 AND done_at IS NULL", case.referral_id
            )
            others = await self._hub.rows(
                "SELECT 1 FROM child_case WHERE referral_id = $1 AND stage <> 'decided'", case.referral_id
            )
            assert open_tasks or others
        made: list[asyncpg.Record] = await self._hub.rows(
            "SELECT * FROM decision WHERE case_id = $1", case.id
        )
        assert len(made) == case.decision
        for row in made:
            key = (case.id, row["number"])
            assert self._decisions.setdefault(key, tuple(row)) == tuple(row)


@pytest.fixture
def people(http: httpx.AsyncClient, issuer: Issuer) -> list[Person]:
    return [Person(http, issuer, name) for name in STAFF]


@pytest.mark.soak
@pytest.mark.timeout(min(12 * EXAMPLES, SECONDS + 400))
async def test_no_interleaving_loses_a_child_or_changes_what_a_person_decided(
    hub: HubWorld,
    people: list[Person],
    thresholds: Thresholds,
    record_property: Callable[[str, object], None],
) -> None:
    loop = asyncio.get_running_loop()
    begun, tried = time.monotonic(), Counter[str]()

    async def live(moves: Sequence[tuple[int, int]]) -> None:
        # A life that went wrong is lived again, shorter, until it is at its shortest.
        if not tried["wrong"] and time.monotonic() - begun > SECONDS:
            return
        tried["lives"] += 1
        tried["steps"] += len(moves)
        tried["wrong"] += 1
        life = Life(hub, thresholds.clocks, people, random.Random(str(moves)))
        for move, _ in moves:
            await life.step(move)
        tried["wrong"] -= 1

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(MOVES)
    def lives(moves: list[tuple[int, int]]) -> None:
        asyncio.run_coroutine_threadsafe(live(moves), loop).result()

    try:
        await asyncio.to_thread(lives)
    finally:
        record_property("tried", f"{tried['lives']} lives of {tried['steps']} steps")

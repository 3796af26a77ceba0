"""A team without a server finds its questions when the hub is there, and answers each as it was told to."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from libs.platform.clock import SystemClock
from sandbox.agencies.behaviour import Behaviour
from sandbox.agencies.marac import Marac
from sandbox.agencies.pulling import TRIES, Pulling
from tests.sandbox.agencies.conftest import FAMILIES

MIA = {"given_name": "Mia", "family_name": "Farthing-Test", "born": {"on": "2022-03-14"}}
LARK = {"given_name": "Lark", "family_name": "Plover-Test"}


@dataclass
class Hub:
    """A hub that has questions waiting, and takes answers with the given statuses, 200 in the end."""

    waiting: list[dict[str, Any]]
    away: int = 0
    statuses: list[int] = field(default_factory=list)
    answers: list[tuple[str, Any]] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Bearer token"
        if self.away:
            self.away -= 1
            raise httpx.ConnectError("away", request=request)
        if request.method == "POST":
            taken, self.waiting = self.waiting, []
            items = [{"question_id": one["question_id"], "question": one} for one in taken]
            return httpx.Response(200, json={"claim_id": "c-1", "items": items})
        try:
            body = json.loads(request.content)
        except ValueError:
            body = request.content
        self.answers.append((request.url.path, body))
        return httpx.Response(self.statuses.pop(0) if self.statuses else 200)


@asynccontextmanager
async def pulled(hub: Hub, *behaviours: Behaviour) -> AsyncIterator[None]:
    marac = Marac(FAMILIES, key="k", clock=SystemClock())
    marac.behaviours = list(behaviours)
    async with httpx.AsyncClient(
        transport=httpx.MockTransport(hub), base_url="http://hub.example.org"
    ) as http:
        task = asyncio.create_task(Pulling(marac, http, lambda: "token").run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.agencies.pulling.AWAY_SECONDS", 0.01)


def question(name: str, child: dict[str, Any]) -> dict[str, Any]:
    return {"question_id": name, "child": child}


async def test_each_question_is_answered_under_its_claim() -> None:
    hub = Hub([question("q1", MIA), question("q2", LARK)])
    async with pulled(hub):
        await until(lambda: len(hub.answers) == 2)
    answers = dict(hub.answers)
    held, nothing = answers["/v1/work/q1/answer"], answers["/v1/work/q2/answer"]
    assert (held["claim_id"], held["state"], held["dash"]) == ("c-1", "returned", {"yes": 15, "asked": 22})
    assert {fact["fact"] for fact in held["facts"]} == {
        "household.domestic_abuse",
        "household.strangulation_or_weapon",
        "household.victim_afraid",
    }
    assert (nothing["state"], "facts" in nothing) == ("nothing_held", False)


async def test_a_hub_that_is_away_is_looked_for_until_it_is_back() -> None:
    hub = Hub([question("q1", LARK)], away=3, statuses=[503, 503])
    async with pulled(hub):
        await until(lambda: len(hub.answers) == 3)
    assert {body["state"] for _, body in hub.answers} == {"nothing_held"}


async def test_an_answer_that_the_hub_refuses_is_given_up_and_one_that_stands_is_not_given_again() -> None:
    refused, standing = (
        Hub([question("q1", LARK)], statuses=[422] * 9),
        Hub([question("q1", LARK)], statuses=[409]),
    )
    async with pulled(refused), pulled(standing):
        await until(lambda: len(refused.answers) == TRIES)
        await asyncio.sleep(0.1)
    assert (len(refused.answers), len(standing.answers)) == (TRIES, 1)


async def test_the_team_answers_late_wrongly_or_never_as_it_was_told() -> None:
    late = Behaviour.model_validate({"behaviour": "late", "seconds": 0.1, "question_id": "late"})
    html = Behaviour.model_validate({"behaviour": "fail", "fault": "html", "question_id": "html", "times": 1})
    never = Behaviour.model_validate({"behaviour": "fail", "fault": "hang", "question_id": "never"})
    declines = Behaviour.model_validate({"behaviour": "decline", "question_id": "no"})
    hub = Hub([question(name, LARK) for name in ("late", "html", "never", "no")], statuses=[200, 415, 200])
    async with pulled(hub, late, html, never, declines):
        await until(lambda: len(hub.answers) >= 3)
        await until(lambda: "/v1/work/late/answer" in dict(hub.answers))
    assert dict(hub.answers)["/v1/work/no/answer"]["reason"] == "not_permitted"
    assert any(isinstance(body, bytes) and body.startswith(b"<!doctype") for _, body in hub.answers)
    assert "/v1/work/never/answer" not in dict(hub.answers)

"""The console asks the other services as itself, and says in words when one is away."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from libs.platform.clock import ManualClock
from libs.platform.problems import Problem
from services.triage.console.neighbours import RENEW_BEFORE, Addresses, HttpNeighbours

ADDRESSES = Addresses(
    "http://issuer.example.org", "http://intake.example.org", "http://enrichment.example.org"
)


class World:
    """The issuer, intake and enrichment."""

    def __init__(self) -> None:
        self.clock = ManualClock(datetime(2026, 11, 23, 10, tzinfo=UTC))
        self.tokens = 0
        self.asked: list[httpx.Request] = []
        self.answer: httpx.Response | httpx.HTTPError = httpx.Response(200, json=[])
        self.issued: httpx.Response | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/.well-known/openid-configuration":
            return httpx.Response(200, json={"token_endpoint": "http://issuer.example.org/token"})
        if request.url.path == "/token":
            assert request.headers["authorization"].startswith("Basic ")
            assert request.content == b"grant_type=client_credentials"
            self.tokens += 1
            said = {"access_token": f"token-{self.tokens}", "expires_in": 3600}
            return self.issued or httpx.Response(200, json=said)
        self.asked.append(request)
        if isinstance(self.answer, httpx.HTTPError):
            raise self.answer
        return self.answer

    def neighbours(self, addresses: Addresses = ADDRESSES) -> HttpNeighbours:
        http = httpx.AsyncClient(transport=httpx.MockTransport(self))
        return HttpNeighbours(addresses, "triage-pages", "sandbox-only", http, self.clock)


async def test_a_referral_goes_to_intake_with_its_key_and_the_consoles_own_token() -> None:
    world = World()
    world.answer = httpx.Response(201, json={"reference": "4KKG-PZGK-2"})
    neighbours = world.neighbours()
    assert await neighbours.refer({"worry": "x"}, "key-1") == {"reference": "4KKG-PZGK-2"}
    (sent,) = world.asked
    assert str(sent.url) == "http://intake.example.org/v1/referrals"
    assert sent.headers["idempotency-key"] == "key-1"
    assert sent.headers["authorization"] == "Bearer token-1"
    await neighbours.agencies()
    assert world.tokens == 1
    world.clock.advance(timedelta(hours=1) - RENEW_BEFORE)
    await neighbours.agencies()
    assert world.tokens == 2


AWAY: list[tuple[str, Any]] = [
    ("refused", httpx.Response(401, json={"code": "token-invalid"})),
    ("forbidden", httpx.Response(403, json={"code": "scope-missing"})),
    ("broken", httpx.Response(500)),
    ("not reached", httpx.ConnectError("refused")),
    ("somebody else", httpx.Response(200, text="<h1>Back soon</h1>")),
]


@pytest.mark.parametrize(("what", "answer"), AWAY, ids=[what for what, _ in AWAY])
async def test_a_neighbour_that_fails_is_away_whatever_the_reason(what: str, answer: httpx.Response) -> None:
    world = World()
    world.answer = answer
    with pytest.raises(Problem) as problem:
        await world.neighbours().agencies()
    assert (problem.value.status, problem.value.code) == (503, "neighbour-away")


@pytest.mark.parametrize("issued", [httpx.Response(400, json={"error": "x"}), httpx.Response(200, text="?")])
async def test_a_neighbour_is_away_while_the_issuer_gives_no_token(issued: httpx.Response) -> None:
    world = World()
    world.issued = issued
    with pytest.raises(Problem, match="neighbour-away"):
        await world.neighbours().agencies()
    assert world.asked == []


async def test_a_token_that_was_refused_is_not_sent_again() -> None:
    world = World()
    neighbours = world.neighbours()
    world.answer = httpx.Response(401, json={"code": "token-invalid"})
    with pytest.raises(Problem, match="neighbour-away"):
        await neighbours.agencies()
    world.answer = httpx.Response(200, json=[])
    await neighbours.agencies()
    assert [one.headers["authorization"] for one in world.asked] == ["Bearer token-1", "Bearer token-2"]
    assert {(one.method, str(one.url)) for one in world.asked} == {
        ("GET", "http://enrichment.example.org/v1/agencies")
    }


async def test_what_is_wrong_with_a_referral_is_for_whoever_filled_it_in() -> None:
    world = World()
    fault = {"pointer": "/worry", "code": "missing", "detail": "is needed"}
    world.answer = httpx.Response(422, json={"code": "body-invalid", "title": "Wrong", "errors": [fault]})
    with pytest.raises(Problem) as problem:
        await world.neighbours().refer({}, "key-1")
    assert [error.pointer for error in problem.value.errors] == ["/worry"]


async def test_a_neighbour_whose_address_is_not_set_is_away() -> None:
    world = World()
    neighbours = world.neighbours(Addresses("http://issuer.example.org", None, None))
    with pytest.raises(Problem, match="neighbour-away"):
        await neighbours.refer({}, "key-1")
    assert world.tokens == 0

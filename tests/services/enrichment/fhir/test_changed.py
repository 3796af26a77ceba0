"""A bundle that has changed in any one place is never read as one that knows nobody, and never breaks the client."""

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.schemas.findings import AgencyState
from tests.services.enrichment.fhir.conftest import Health

WREN = {
    "given_name": "Wren",
    "family_name": "Kestrel-Test",
    "born": {"on": "2015-02-11"},
    "nhs_number": "9990041008",
}
TAKEN_AWAY = object()
WRONG = st.sampled_from(
    [TAKEN_AWAY, None, "", "x", -1, 10**12, [], {}, [[]], True, "2099-99-99", {"value": []}]
)

Place = tuple[str | int, ...]


class Recorded(httpx.AsyncBaseTransport):
    """What the server answered, by the request's path, with one place changed where that is asked for."""

    def __init__(self, bodies: Mapping[str, Any]) -> None:
        self._bodies = dict(bodies)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = json.dumps(self._bodies[_name(request)]).encode()
        return httpx.Response(200, stream=_Sent(body), headers={"content-type": "application/fhir+json"})


class _Sent(httpx.AsyncByteStream):
    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body


def _name(request: httpx.Request) -> str:
    return request.url.raw_path.decode()


def places(value: Any, at: Place = ()) -> Iterator[Place]:
    """Every place in a document, without the document itself."""
    members: Any = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, member in members:
        yield (*at, key)
        yield from places(member, (*at, key))


def changed(body: Any, place: Place, wrong: Any) -> Any:
    """The document with one place taken away or put wrong."""
    made = copy.deepcopy(body)
    parent = made
    for key in place[:-1]:
        parent = parent[key]
    if wrong is TAKEN_AWAY:
        del parent[place[-1]]
    else:
        parent[place[-1]] = wrong
    return made


async def recorded(health: Health) -> dict[str, Any]:
    """What the sandbox's server says of a child whom it knows."""
    inner = httpx.AsyncHTTPTransport()
    bodies: dict[str, Any] = {}

    class Listening(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            response = await inner.handle_async_request(request)
            content = await response.aread()
            bodies[_name(request)] = json.loads(content)
            headers = {"content-type": response.headers["content-type"]}
            return httpx.Response(response.status_code, stream=_Sent(content), headers=headers)

    reply = await health.ask(WREN, transport=Listening())
    await inner.aclose()
    assert reply.state is AgencyState.RETURNED
    return bodies


async def test_no_place_of_an_answer_taken_away_or_put_wrong_gives_nothing_held(health: Health) -> None:
    bodies = await recorded(health)
    untouched = await health.ask(WREN, transport=Recorded(bodies), question_id="untouched")
    assert untouched.state is AgencyState.RETURNED
    spots = [(name, place) for name, body in sorted(bodies.items()) for place in places(body)]
    assert len(spots) > 50
    loop = asyncio.get_running_loop()

    @settings(
        max_examples=150,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    @given(st.sampled_from(spots), WRONG)
    def holds(spot: tuple[str, Place], wrong: Any) -> None:
        name, place = spot
        tampered = {**bodies, name: changed(bodies[name], place, wrong)}
        asked = health.ask(WREN, transport=Recorded(tampered), question_id=f"{name}{place}")
        reply = asyncio.run_coroutine_threadsafe(asked, loop).result()
        assert reply.state is not AgencyState.NOTHING_HELD, (name, place)

    await asyncio.to_thread(holds)

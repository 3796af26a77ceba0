"""The task of an agency without a server: it looks for questions that wait in the hub, and answers them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
from starlette.responses import Response, StreamingResponse

from libs.platform.http import http_client
from sandbox.agencies.marac import Marac
from sandbox.agencies.supplier import Supplier

MOST = 20
LOOK_SOON = 0.05
LOOK_SELDOM = 0.5
"""Seconds between two looks: soon while questions come, more and more seldom while none does."""

AT_ONCE = 4
"""Answers on their way at the same time."""

AWAY_SECONDS = 1.0
"""How long the hub is left alone after it could not be reached or refused."""

TRIES = 3
"""How often an answer that the hub refuses is given; the question then stays with the agency, unanswered."""

MARAC_CLIENT = "marac-team"
TOKEN_SECONDS = 600.0
TIMEOUT = httpx.Timeout(10.0)


@asynccontextmanager
async def pulling(agency: Supplier, url: str | None, token: Callable[[], str]) -> AsyncIterator[None]:
    """Runs the task beside what stands in the context; nothing where there is no hub to look at."""
    if url is None:
        yield
        return
    async with http_client(url, peer="hub", timeout=TIMEOUT) as http:
        task = asyncio.create_task(Pulling(agency, http, token).run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


class Pulling:
    """Fetches an agency's questions and answers each as the agency was told to.

    `token` gives an access token of the agency's client.
    """

    def __init__(self, agency: Supplier, http: httpx.AsyncClient, token: Callable[[], str]) -> None:
        assert isinstance(agency, Marac)
        self._agency = agency
        self._http = http
        self._fetch_token = token
        self._token, self._token_until = "", 0.0
        self._on_their_way = asyncio.Semaphore(AT_ONCE)
        self._answers: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Looks and answers until it is cancelled. A hub that is away is looked for again."""
        wait = LOOK_SOON
        try:
            while True:
                found = await self._look()
                wait = AWAY_SECONDS if found is None else LOOK_SOON if found else min(2 * wait, LOOK_SELDOM)
                await asyncio.sleep(wait)
        finally:
            for task in self._answers:
                task.cancel()

    async def _look(self) -> int | None:
        """How many questions were fetched; None where the hub is away."""
        try:
            claimed = await self._http.post("/v1/work/claims", json={"most": MOST}, headers=self._headers)
            body = claimed.json() if claimed.status_code == 200 else None
        except (httpx.HTTPError, ValueError):
            body = None
        if body is None:
            return None
        # One by one under one claim: each answer prolongs it for all of its questions.
        one_by_one = asyncio.Lock()
        for item in body["items"]:
            task = asyncio.create_task(self._answer(body["claim_id"], item, one_by_one))
            self._answers.add(task)
            task.add_done_callback(self._answers.discard)
        return len(body["items"])

    async def _answer(self, claim_id: str, item: dict[str, Any], one_by_one: asyncio.Lock) -> None:
        refusals = 0
        while refusals < TRIES:
            said = await self._agency.answer(item["question"])
            if said.status_code == 202:
                await asyncio.sleep(float(said.headers["retry-after"]))
                continue
            async with one_by_one, self._on_their_way:
                status = await self._put(item["question_id"], claim_id, said)
            if status < 300 or status == 409:
                return
            # A hub that is away is no refusal: the answer is due to it when it is back.
            refusals += status < 500
            await asyncio.sleep(AWAY_SECONDS)

    async def _put(self, question_id: str, claim_id: str, said: Response) -> int:
        # What counts is when it leaves: it may have waited for the others of its claim.
        self._agency.stamp(question_id)
        try:
            answered = await self._http.put(
                f"/v1/work/{question_id}/answer",
                content=_with_claim(await _bytes(said), claim_id),
                headers=self._headers | {"content-type": said.headers.get("content-type", "")},
            )
        except httpx.HTTPError:
            return 503
        return answered.status_code

    @property
    def _headers(self) -> dict[str, str]:
        now = asyncio.get_running_loop().time()
        if now >= self._token_until:
            self._token, self._token_until = self._fetch_token(), now + TOKEN_SECONDS
        return {"authorization": f"Bearer {self._token}"}


def _with_claim(body: bytes, claim_id: str) -> bytes:
    """An answer under its claim. A spoiled one is spoiled still."""
    return b'{"claim_id": "' + claim_id.encode() + b'", ' + body[1:] if body.startswith(b"{") else body


async def _bytes(said: Response) -> bytes:
    if isinstance(said, StreamingResponse):
        return b"".join([bytes(chunk) async for chunk in said.body_iterator if not isinstance(chunk, str)])
    return bytes(said.body)

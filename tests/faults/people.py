"""The people who go on working while everything dies: partners who refer, add and withdraw, staff who decide."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from cli import samples, staff
from cli.client import Client, Refused
from cli.journey import Snapshot
from cli.stories import Story, example_stories

AT_ONCE = 12
PATIENCE_SECONDS = 60.0
"""How long somebody goes on pressing the same button."""
BETWEEN_TRIES_SECONDS = 0.3

MORE_WORDS = {"worry": "Sandbox: the same was seen again today."}
WORSE = {
    "worry": "Sandbox: a neighbour heard threats with a knife last night.",
    "children": [
        {
            "child": 1,
            "facts": [{"fact": "household.domestic_abuse", "value": "high_risk", "basis": "third_party"}],
        }
    ],
}
SECOND_THOUGHTS = {"by": "the referrer", "reason": "Sandbox: it looks different today."}

T = TypeVar("T")


@dataclass
class Acknowledged:
    """What intake has promised, and what was done about it since."""

    reference: str
    story: Story
    for_staff: bool
    decided: bool = False
    informed: int = 0
    withdrawn: bool = False

    @property
    def children(self) -> int:
        """How many cases it must become."""
        return len(self.story.referral["children"])


class Insistent(Client):
    """Asks another instance where one does not answer: the same key, entity tag and body, as by the same button."""

    def __init__(self, places: Sequence[Mapping[str, str]]) -> None:
        super().__init__(places[0])
        self._instances = [Client(urls) for urls in places]
        self._gone = threading.Event()

    def leave(self) -> None:
        """Makes whoever still waits give up."""
        self._gone.set()

    def close(self) -> None:
        """Lets go of all connections."""
        for client in (self, *self._instances):
            client._http.close()

    def add(self, story: Story, reference: str, what: str, body: Mapping[str, Any]) -> None:
        """Adds `information`, or a `withdrawal`, to a referral."""
        path, headers = f"/v1/referrals/{reference}/{what}", {"Idempotency-Key": str(uuid.uuid4())}
        self._json("POST", "intake", path, story.client, json=body, headers=headers)

    def _send(self, method: str, part: str, path: str, **request: Any) -> httpx.Response:
        until = time.monotonic() + PATIENCE_SECONDS
        first = random.randrange(len(self._instances))
        for attempt in itertools.count(first):
            try:
                return self._instances[attempt % len(self._instances)]._send(method, part, path, **request)
            except Refused as refused:
                answered = refused.status is not None and refused.status < 500
                if answered or time.monotonic() > until or self._gone.wait(BETWEEN_TRIES_SECONDS):
                    raise
        raise AssertionError("counting never ends")


class People:
    """Partners and staff of a running system. `places`: the addresses of each set of instances."""

    def __init__(self, places: Sequence[Mapping[str, str]]) -> None:
        self.acknowledged: list[Acknowledged] = []
        self.unanswered = 0
        self._client = Insistent(places)
        self._threads = ThreadPoolExecutor(AT_ONCE)
        self._sending = True
        self._at_work: list[asyncio.Task[None]] = []

    def begin(self, every: float) -> None:
        """Referrers and staff go to work."""
        self._at_work = [asyncio.create_task(self.refer(every)), asyncio.create_task(self.decide())]

    async def finish(self, patience: float) -> None:
        """Nothing new is referred; returns when all is answered and decided, or after so many seconds.

        Raises what a referrer or a member of staff met that is no reason to try again.
        """
        self._sending = False
        done, _ = await asyncio.wait(self._at_work, timeout=patience)
        for task in done:
            task.result()

    async def have_decided(self, several: int, patience: float) -> None:
        """Returns when so many referrals are decided, or after so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while sum(each.decided for each in self.acknowledged) < several:
                    await asyncio.sleep(BETWEEN_TRIES_SECONDS)

    async def refer(self, every: float) -> None:
        """Sends the stories one after the other, `every` so many seconds, until `finish`.

        Some senders learn more, and one in a while thinks better of it.
        """
        underway: set[asyncio.Task[None]] = set()
        for number, story in enumerate(itertools.cycle(example_stories(samples.EXAMPLES))):
            if not self._sending:
                break
            underway.add(asyncio.create_task(self._refer(number, story)))
            await asyncio.sleep(every)
        await asyncio.gather(*underway)

    async def decide(self) -> None:
        """Staff read and decide each case that is meant for them, once."""
        while self._referring() or self.undecided:
            await asyncio.gather(*(self._does(self._visit, each) for each in self.undecided))
            await asyncio.sleep(BETWEEN_TRIES_SECONDS)

    def _referring(self) -> bool:
        return self._sending or not self._at_work[0].done()

    @property
    def undecided(self) -> list[Acknowledged]:
        """What still waits for a member of staff."""
        return [each for each in self.acknowledged if each.for_staff and not each.decided]

    def messages(self) -> list[dict[str, Any]]:
        """Every message that GOV.UK Notify accepted."""
        found: list[dict[str, Any]] = self._client._send("GET", "sandbox", "/notify/messages").json()
        return found

    def tell_sandbox(self, path: str, behaviour: Mapping[str, Any]) -> None:
        """How an agency, or GOV.UK Notify, behaves from now on."""
        self._client._send("PUT", "sandbox", f"{path}/behaviour", json=dict(behaviour))

    def notify_behaviour(self) -> dict[str, Any]:
        """How the sandbox's GOV.UK Notify behaves now."""
        found: dict[str, Any] = self._client._send("GET", "sandbox", "/notify/behaviour").json()
        return found

    async def leave(self) -> None:
        """Everybody goes home, whatever they wait for."""
        for task in self._at_work:
            task.cancel()
        await asyncio.gather(*self._at_work, return_exceptions=True)
        self._client.leave()
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        self._client.close()

    async def _refer(self, number: int, story: Story) -> None:
        try:
            answer = await self._does(self._client.refer, story.client, story.referral)
            sent = Acknowledged(answer["reference"], story, for_staff=number % 3 != 2)
            self.acknowledged.append(sent)
            if number % 4 == 1:
                await asyncio.sleep(random.uniform(0.0, 8.0))
                body = WORSE if number % 8 == 1 else MORE_WORDS
                await self._does(self._client.add, story, sent.reference, "information", body)
                sent.informed += 1
            if number % 30 == 4:
                await asyncio.sleep(random.uniform(0.0, 2.0))
                await self._does(self._client.add, story, sent.reference, "withdrawal", SECOND_THOUGHTS)
                sent.withdrawn = True
        except Refused as refused:
            if refused.status is not None and refused.status < 500:
                raise
            self.unanswered += 1

    def _visit(self, each: Acknowledged) -> None:
        seen = self._client.journey("triage", each.reference)
        if seen is None:
            return
        waiting = [child for child in seen["children"] if not child["decisions"]]
        each.decided = not waiting
        staff.act(self._client, Snapshot(triage={**seen, "children": waiting}), each.story.reading)

    async def _does(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: work(*arguments))

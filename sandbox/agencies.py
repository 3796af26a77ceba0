"""The sandbox's agencies: they answer from the families' files, and misbehave when told to.

`POST /agencies/{agency}/questions` is what enrichment asks. `PUT /agencies/{agency}/behaviour` tells an agency how
to treat one child's question, or all; `GET /agencies/{agency}/questions` shows what was asked.
"""

import asyncio
import hmac
import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from pydantic import ConfigDict, Field
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from libs.schemas.base import Model
from libs.schemas.clock import Clock
from sandbox.families import Families, FamilyChild

AGENCIES = ("police", "health", "education", "marac")
MOST_QUESTIONS = 50_000
AN_HOUR = 3600.0


class Manner(StrEnum):
    """How an agency treats a question."""

    ANSWER = "answer"
    NOTHING_HELD = "nothing_held"
    OUTSIDE_COVERAGE = "outside_coverage"
    DECLINE = "decline"
    SLOW = "slow"
    LATE = "late"
    FAIL = "fail"


class Fault(StrEnum):
    """How an agency fails."""

    STATUS = "status"
    MALFORMED = "malformed"
    HTML = "html"
    TRUNCATED = "truncated"
    HANG = "hang"
    DRIP = "drip"
    TOO_LARGE = "too_large"
    NOT_UTF8 = "not_utf8"
    FUTURE_DATE = "future_date"
    UNKNOWN_STATE = "unknown_state"
    UNKNOWN_FACT = "unknown_fact"
    SOMEONE_ELSE = "someone_else"


class MatchedChild(Model):
    """Whose questions a behaviour is for: every field that is given must be the child's."""

    model_config = ConfigDict(extra="forbid")

    nhs_number: str | None = None
    upn: str | None = None
    given_name: str | None = None
    family_name: str | None = None


class Behaviour(Model):
    """How an agency treats the questions about one child, or all where no child is given.

    `slow` answers after `seconds`; `late` accepts at once and has its answer `seconds` after the first question;
    `fail` fails by `fault`, the first `times` times or always. `status` and `retry_after` are for fault `status`.
    """

    model_config = ConfigDict(extra="forbid")

    child: MatchedChild | None = None
    question_id: str | None = None
    behaviour: Manner
    seconds: float = Field(1.0, ge=0, le=AN_HOUR)
    fault: Fault = Fault.STATUS
    status: int = Field(503, ge=400, le=599)
    retry_after: int | None = Field(None, ge=0)
    times: int | None = Field(None, ge=1)

    def concerns(self, question_id: str, child: Mapping[str, Any], known: FamilyChild | None) -> bool:
        """Whether it is for this question; a known child is also recognised by what the question does not say."""
        if self.question_id is not None and self.question_id != question_id:
            return False
        if self.child is None:
            return True
        wanted = self.child.model_dump(exclude_none=True)
        return all(value in (child.get(name), getattr(known, name, None)) for name, value in wanted.items())


@dataclass(slots=True)
class Asked:
    """One question, however often it was sent."""

    question_id: str
    first_at: datetime
    requests: int = 0
    answered: int = 0
    failures: int = 0
    keys: set[str] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)


class SandboxAgency:
    """One agency's memory: what it was told and what it was asked."""

    def __init__(self, name: str, families: Families, clock: Clock) -> None:
        self.name = name
        self.behaviours: list[Behaviour] = []
        self.asked: OrderedDict[str, Asked] = OrderedDict()
        self._families = families
        self._clock = clock

    async def answer(self, question: dict[str, Any], key: str) -> Response:
        """Treats a question as it was told to, and answers from the families otherwise."""
        question_id = str(question.get("question_id"))
        child = question.get("child") or {}
        known = self._families.find(child, question.get("mother"))
        asked = self._note(question_id, key)
        asked.fields |= child.keys()
        behaviour = next((each for each in self.behaviours if each.concerns(question_id, child, known)), None)
        now = self._clock.now()
        if behaviour is None or behaviour.behaviour is Manner.ANSWER:
            return self._said(asked, question, self._knowledge(known, now))
        match behaviour.behaviour:
            case Manner.NOTHING_HELD:
                return self._said(asked, question, {"state": "nothing_held"})
            case Manner.OUTSIDE_COVERAGE:
                return self._said(asked, question, {"state": "outside_coverage"})
            case Manner.DECLINE:
                return self._said(asked, question, {"state": "declined", "reason": "We do not share this."})
            case Manner.SLOW:
                await asyncio.sleep(behaviour.seconds)
                return self._said(asked, question, self._knowledge(known, now))
            case Manner.LATE:
                left = behaviour.seconds - (now - asked.first_at).total_seconds()
                if left > 0:
                    return Response(status_code=202, headers={"retry-after": str(max(1, round(left)))})
                return self._said(asked, question, self._knowledge(known, now))
        if behaviour.times is not None and asked.failures >= behaviour.times:
            return self._said(asked, question, self._knowledge(known, now))
        asked.failures += 1
        return await self._failed(behaviour, question, self._knowledge(known, now))

    def _note(self, question_id: str, key: str) -> Asked:
        asked = self.asked.get(question_id)
        if asked is None:
            asked = self.asked[question_id] = Asked(question_id, self._clock.now())
            if len(self.asked) > MOST_QUESTIONS:
                self.asked.popitem(last=False)
        asked.requests += 1
        asked.keys.add(key)
        return asked

    def _knowledge(self, known: FamilyChild | None, now: datetime) -> dict[str, Any]:
        if known is None or self.name not in known.agencies:
            return {"state": "nothing_held", "as_of": now.astimezone(UTC).date().isoformat()}
        return known.agencies[self.name].answer(now.astimezone(UTC).date())

    def _said(self, asked: Asked, question: dict[str, Any], body: dict[str, Any]) -> Response:
        asked.answered += 1
        return JSONResponse(_addressed(question, body))

    async def _failed(self, behaviour: Behaviour, question: dict[str, Any], body: dict[str, Any]) -> Response:
        whole = json.dumps(_addressed(question, body)).encode()
        wait = {} if behaviour.retry_after is None else {"retry-after": str(behaviour.retry_after)}
        fact = {"fact": "child.colour_of_hat", "value": "red", "basis": "record"}
        match behaviour.fault:
            case Fault.STATUS:
                return JSONResponse({"error": "sandbox"}, behaviour.status, wait)
            case Fault.MALFORMED:
                return Response(b'{"question_id": ', media_type="application/json")
            case Fault.HTML:
                return Response("<!doctype html><title>Sign in</title>", media_type="text/html")
            case Fault.TRUNCATED:
                return Truncated(whole)
            case Fault.HANG:
                await asyncio.sleep(AN_HOUR)
                return Response(status_code=504)
            case Fault.DRIP:
                return StreamingResponse(_drip(whole), media_type="application/json")
            case Fault.TOO_LARGE:
                return StreamingResponse(_flood(), media_type="application/json")
            case Fault.NOT_UTF8:
                return Response(
                    whole.replace(b'"state"', b'"\xff\xfe": 1, "state"'), media_type="application/json"
                )
            case Fault.FUTURE_DATE:
                return JSONResponse(_addressed(question, body | {"as_of": "2190-01-01"}))
            case Fault.UNKNOWN_STATE:
                return JSONResponse(_addressed(question, {"state": "maybe"}))
            case Fault.UNKNOWN_FACT:
                body = body | {"state": "returned", "facts": [fact], "narrative": "The rest is in words."}
                return JSONResponse(_addressed(question, body))
            case Fault.SOMEONE_ELSE:
                other = {"nhs_number": "9990041288", "born": "1999-01-01"}
                return JSONResponse(_addressed(question, body) | {"child": other})


class Truncated(Response):
    """Announces a longer body than it sends, and breaks off."""

    def __init__(self, whole: bytes) -> None:
        super().__init__(whole, media_type="application/json")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": bytes(self.body[:20]), "more_body": True})


async def _drip(whole: bytes) -> AsyncIterator[bytes]:
    for position in range(len(whole)):
        yield whole[position : position + 1]
        await asyncio.sleep(1.0)


async def _flood() -> AsyncIterator[bytes]:
    yield b'{"narrative": "'
    for _ in range(100):
        yield b"x" * 100_000
    yield b'"}'


def _addressed(question: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    child = question.get("child") or {}
    told = {
        name: child[name] for name in ("nhs_number", "upn", "given_name", "family_name") if child.get(name)
    }
    if (born := (child.get("born") or {}).get("on")) is not None:
        told["born"] = born
    return {"question_id": question.get("question_id"), "child": told} | body


def agencies_router(families: Families, *, key: str, clock: Clock) -> APIRouter:
    """All agencies under `/agencies`. `key` is the bearer key that they accept."""
    router = APIRouter(prefix="/agencies", tags=["agencies"])
    agencies = {name: SandboxAgency(name, families, clock) for name in AGENCIES}

    def agency_of(name: str) -> SandboxAgency:
        if name not in agencies:
            raise HTTPException(404, "no such agency; there are " + ", ".join(agencies))
        return agencies[name]

    @router.post("/{agency}/questions")
    async def ask(agency: str, request: Request) -> Response:
        """Answers a question about one child."""
        one = agency_of(agency)
        authorization = request.headers.get("authorization", "")
        if not hmac.compare_digest(authorization.encode(), f"Bearer {key}".encode()):
            return JSONResponse({"error": "unauthorised"}, 401, {"www-authenticate": "Bearer"})
        idempotency_key = request.headers.get("idempotency-key")
        if idempotency_key is None:
            return JSONResponse({"error": "Idempotency-Key is missing"}, 400)
        try:
            question = json.loads(await request.body())
        except ValueError:
            return JSONResponse({"error": "not JSON"}, 400)
        return await one.answer(question, idempotency_key)

    @router.get("/{agency}/questions")
    async def asked(agency: str) -> list[dict[str, Any]]:
        """What the agency was asked: one entry for each question, however often it was sent."""
        return [
            {
                "question_id": each.question_id,
                "idempotency_keys": sorted(each.keys),
                "requests": each.requests,
                "fields": sorted(each.fields),
                "answered": each.answered,
                "first_at": each.first_at,
            }
            for each in agency_of(agency).asked.values()
        ]

    @router.get("/{agency}/behaviour")
    async def behaviours(agency: str) -> list[Behaviour]:
        """How the agency treats questions; the first that fits counts."""
        return agency_of(agency).behaviours

    @router.put("/{agency}/behaviour")
    async def behave(agency: str, behaviour: Behaviour) -> list[Behaviour]:
        """Tells the agency how to treat questions about one child, or all; replaces what was said of the same."""
        one = agency_of(agency)
        same = (behaviour.child, behaviour.question_id)
        others = [each for each in one.behaviours if (each.child, each.question_id) != same]
        # What is said of one child goes before what is said of all.
        one.behaviours = sorted(
            [behaviour, *others], key=lambda each: each.child is None and each.question_id is None
        )
        return one.behaviours

    @router.delete("/{agency}/behaviour", status_code=204)
    async def forget(agency: str) -> None:
        """The agency answers from the families again."""
        agency_of(agency).behaviours = []

    return router

"""Education's stand-in: a check is submitted, accepted, polled, and its result thrown away after a while."""

import hmac
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from fastapi import APIRouter, Depends, Request
from fastapi.security import APIKeyHeader
from starlette.responses import JSONResponse, Response

from libs.schemas.clock import Clock
from sandbox.agencies.behaviour import Fault, Manner
from sandbox.agencies.shapes import Record, takes
from sandbox.agencies.shapes.education import (
    Accepted,
    CheckRequest,
    Done,
    EducationRecord,
    Failure,
    HeldWelfare,
)
from sandbox.agencies.supplier import MOST_KEPT, Asked, Records, Say, Shown, body_of, day, told
from sandbox.families import Families

PATH = "/agencies/education"
KEPT_FOR = timedelta(minutes=10)
FAR = "2190-01-01"
UNREADABLE = HeldWelfare(code="Z77", on_days_ago=1)
SECTIONS = {"ATT": "attendance", "EXC": "exclusions", "WEL": "welfare", "SUP": "support"}


@dataclass(frozen=True, slots=True)
class Check:
    """One submitted check. `id` is part of its address."""

    id: str
    key: str
    body: bytes
    sections: tuple[str, ...]
    until: datetime


class Education(Records):
    """A local authority's education service."""

    name = "education"
    numbering = "L-99{}"
    covers_years = 7
    steps = ("poll", "submit")
    record: ClassVar[type[Record]] = EducationRecord

    def __init__(self, families: Families, *, key: str, clock: Clock) -> None:
        super().__init__(families, key=key, clock=clock)
        self._checks: OrderedDict[str, Check] = OrderedDict()
        self._by_key: dict[str, str] = {}

    def error(self, status: int, code: str, wait: int | None = None) -> Response:
        return JSONResponse({"code": code}, status, {} if wait is None else {"retry-after": str(wait)})

    def forget_result(self, asked: Asked) -> None:
        self._checks.pop(self._by_key.pop(asked.question_id, ""), None)

    def router(self) -> APIRouter:
        router = APIRouter(
            prefix=PATH,
            tags=["education"],
            dependencies=[Depends(APIKeyHeader(name="X-Api-Key", auto_error=False))],
        )
        failures: dict[int | str, dict[str, Any]] = {
            status: {"model": Failure} for status in (400, 401, 404, 410, 422, 429)
        }

        @router.post(
            "/api/checks",
            status_code=202,
            responses={202: {"model": Accepted}, **failures},
            openapi_extra=takes(CheckRequest),
        )
        async def submit(request: Request) -> Response:
            """Accepts a check; `Location` is where its result will be."""
            return self._refused(request) or await self._submit(request)

        @router.get(
            "/api/checks/{check}", responses={200: {"model": Done}, 202: {"model": Accepted}, **failures}
        )
        async def poll(check: str, request: Request) -> Response:
            """The result of a check, or 202 with `Retry-After` while there is none."""
            return self._refused(request) or await self._poll(check)

        return router

    def _refused(self, request: Request) -> Response | None:
        given = request.headers.get("x-api-key", "")
        if hmac.compare_digest(given.encode(), self._key.encode()):
            return None
        return self.error(401, "BAD_KEY")

    async def _submit(self, request: Request) -> Response:
        raw, body = await body_of(request)
        key = request.headers.get("idempotency-key")
        if body is None or not isinstance(body.get("learner"), dict) or not key:
            return self.error(400, "MALFORMED_REQUEST")
        learner, sections = body["learner"], tuple(body.get("sections") or ())
        if not set(sections) <= set(SECTIONS):
            return self.error(422, "NO_SUCH_SECTION")
        check = self._checks.get(self._by_key.get(key, ""))
        if check is not None and check.body != raw:
            return self.error(422, "KEY_USED_FOR_ANOTHER_CHECK")
        now = self._clock.now()
        if check is None or check.until <= now:
            check = Check(uuid.uuid4().hex, key, raw, sections, now + KEPT_FOR)
            self._checks[check.id] = check
            self._by_key[key] = check.id
            if len(self._checks) > MOST_KEPT:
                self._by_key.pop(self._checks.popitem(last=False)[1].key, None)
        child = told(
            upn=learner.get("upn"),
            given_name=learner.get("legalForename"),
            family_name=learner.get("legalSurname"),
            born=day(learner.get("dateOfBirth")),
            school=learner.get("establishmentName"),
        )
        asked = self.note(key, child, key=key)
        made = check
        return await self.play(asked, "submit", raw, lambda say: self._accepted(made, say))

    @staticmethod
    def _accepted(check: Check, say: Say) -> Response:
        where = f"{PATH}/api/checks/{check.id}"
        if say.fault is Fault.OTHER_ORIGIN:
            where = "https://elsewhere.example.org/api/checks/1"
        body = {"checkId": check.id, "state": "ACCEPTED"}
        return JSONResponse(body, 202, {"location": where, "retry-after": "0"})

    async def _poll(self, check_id: str) -> Response:
        check = self._checks.get(check_id)
        if check is None:
            forgotten = any(check_id == one for one in self._by_key.values())
            return self.error(410 if forgotten else 404, "RESULT_EXPIRED" if forgotten else "NO_SUCH_CHECK")
        asked = self.note(check.key)
        if check.until <= self._clock.now():
            return self.error(410, "RESULT_EXPIRED")
        return await self.play(
            asked, "poll", check.body, lambda say: self._result(asked, check, say), first=True
        )

    def _result(self, asked: Asked, check: Check, say: Say) -> Response:
        if say.manner is Manner.LATE:
            working = {"checkId": check.id, "state": "WORKING"}
            return JSONResponse(working, 202, {"retry-after": str(say.wait)})
        found = self.whom(asked, say)
        record = None if found is None else found[1]
        body: dict[str, Any] = {
            "checkId": check.id,
            "state": "DONE",
            "outcome": _outcome(record, say),
            "censusDate": FAR if say.fault is Fault.FUTURE_DATE else self.as_of(record).isoformat(),
            "rollFrom": self.since(record).isoformat(),
            "rollTo": self.today.isoformat(),
        }
        if body["outcome"] == "REFUSED":
            body["refusal"] = "We do not share this."
        if found is not None and body["outcome"] not in ("REFUSED", "NO_TRACE", "OUT_OF_AREA"):
            shown = found[0].as_somebody_else() if say.fault is Fault.SOMEONE_ELSE else found[0]
            body |= {"learner": _learner(shown), **self._sections(check, found[1], say)}
        return JSONResponse(body)

    def _sections(self, check: Check, record: EducationRecord, say: Say) -> dict[str, Any]:
        welfare, note = record.welfare, record.note
        if say.fault is Fault.UNKNOWN_FACT:
            welfare, note = (UNREADABLE,), "The rest is in words."
        held: dict[str, Any] = {
            "ATT": record.attendance and record.attendance.model_dump(),
            "EXC": [
                {"kind": one.kind, "on": self.ago(one.on_days_ago).isoformat()} for one in record.exclusions
            ],
            "WEL": [
                {
                    "code": one.code,
                    "on": self.ago(one.on_days_ago).isoformat(),
                    "voice": one.voice,
                    "open": one.open,
                }
                for one in welfare
            ],
            "SUP": [
                {"code": one.code, "on": self.ago(one.on_days_ago).isoformat()} for one in record.support
            ],
        }
        named = {name: held[code] if code in check.sections else None for code, name in SECTIONS.items()}
        return {**named, "note": note}


def _outcome(record: EducationRecord | None, say: Say) -> str:
    said = {
        Manner.NOTHING_HELD: "NO_TRACE",
        Manner.OUTSIDE_COVERAGE: "OUT_OF_AREA",
        Manner.DECLINE: "REFUSED",
    }.get(say.manner)
    if say.fault is Fault.UNKNOWN_STATE:
        said = "MAYBE"
    if said is not None:
        return said
    if record is None:
        return "NO_TRACE"
    outcomes = {"something": "FOUND", "nothing": "NO_TRACE", "outside": "OUT_OF_AREA", "withheld": "REFUSED"}
    return outcomes[record.holds]


def _learner(shown: Shown) -> dict[str, Any]:
    return {
        "upn": shown.upn,
        "legalSurname": shown.surname,
        "legalForename": shown.forename,
        "dateOfBirth": None if shown.born is None else shown.born.isoformat(),
    }

"""Early help's stand-in: the council's own, with one request for everything that the agreement covers."""

import hmac
from typing import Any, ClassVar

from fastapi import APIRouter, Depends, Request
from fastapi.security.http import HTTPBase
from starlette.responses import JSONResponse, Response

from sandbox.agencies.behaviour import Fault, Manner
from sandbox.agencies.shapes import Record, takes
from sandbox.agencies.shapes.early_help import Answer, EarlyHelpRecord, Failure, HeldReview, QueryRequest
from sandbox.agencies.supplier import Asked, Records, Say, Shown, body_of, day, told

PATH = "/agencies/early_help"
FAR = "2190-01-01"
UNREADABLE = HeldReview(days_ago=1, distance="sideways")
SAID = {
    Manner.NOTHING_HELD: "no",
    Manner.OUTSIDE_COVERAGE: "not_our_area",
    Manner.DECLINE: "agreement_withdrawn",
}
HELD = {"something": "yes", "nothing": "no", "outside": "not_our_area", "withheld": "agreement_withdrawn"}


class EarlyHelp(Records):
    """A council's early help records."""

    name = "early_help"
    numbering = "E-99{}"
    covers_years = 8
    steps = ("query",)
    record: ClassVar[type[Record]] = EarlyHelpRecord

    def error(self, status: int, code: str, wait: int | None = None) -> Response:
        return JSONResponse(
            {"problem": code.lower()}, status, {} if wait is None else {"retry-after": str(wait)}
        )

    def router(self) -> APIRouter:
        router = APIRouter(
            prefix=PATH,
            tags=["early_help"],
            dependencies=[Depends(HTTPBase(scheme="bearer", auto_error=False))],
        )
        failures: dict[int | str, dict[str, Any]] = {
            status: {"model": Failure} for status in (202, 400, 401, 429)
        }

        @router.post(
            "/records/query",
            responses={200: {"model": Answer}, **failures},
            openapi_extra=takes(QueryRequest),
        )
        async def query(request: Request) -> Response:
            """What is held of a child."""
            given = request.headers.get("authorization", "")
            if not hmac.compare_digest(given.encode(), f"Bearer {self._key}".encode()):
                return self.error(401, "NOT_SIGNED_IN")
            raw, body = await body_of(request)
            envelope, child = (body or {}).get("request"), (body or {}).get("child")
            if not isinstance(envelope, dict) or not isinstance(child, dict) or not envelope.get("reference"):
                return self.error(400, "NOT_A_QUERY")
            person = told(
                upn=child.get("upn"),
                given_name=child.get("givenName"),
                family_name=child.get("familyName"),
                born=day(child.get("birthDate")),
                postcode=child.get("postcode"),
            )
            reference = str(envelope["reference"])
            asked = self.note(reference, person, key=reference)
            parts = set(envelope.get("parts") or ())
            return await self.play(
                asked, "query", raw, lambda say: self._answer(asked, parts, say), first=True
            )

        return router

    def _answer(self, asked: Asked, parts: set[str], say: Say) -> Response:
        if say.manner is Manner.LATE:
            return JSONResponse({"problem": "looking"}, 202, {"retry-after": str(say.wait)})
        found = self.whom(asked, say)
        record = None if found is None else found[1]
        body: dict[str, Any] = {
            "reference": asked.question_id,
            "found": SAID.get(say.manner) or ("no" if record is None else HELD[record.holds]),
            "asOf": FAR if say.fault is Fault.FUTURE_DATE else self.as_of(record).isoformat(),
            "heldSince": self.since(record).isoformat(),
        }
        if say.fault is Fault.UNKNOWN_STATE:
            body["found"] = "maybe"
        if found is not None and body["found"] == "yes":
            shown = found[0].as_somebody_else() if say.fault is Fault.SOMEONE_ELSE else found[0]
            body |= {"child": _child(shown), **self._parts(found[1], parts, say)}
        return JSONResponse(body)

    def _parts(self, record: EarlyHelpRecord, parts: set[str], say: Say) -> dict[str, Any]:
        body: dict[str, Any] = {}
        if "assessment" in parts and (held := record.assessment) is not None:
            body["assessment"] = {
                "status": held.status,
                "startedOn": self._day(held.started_days_ago),
                "completedOn": self._day(held.completed_days_ago),
                "organisation": held.organisation,
            }
        if "reviews" in parts:
            reviews = (UNREADABLE,) if say.fault is Fault.UNKNOWN_FACT else record.reviews
            body["reviews"] = [{"on": self._day(one.days_ago), "distance": one.distance} for one in reviews]
        if "outcome" in parts:
            if (ended := record.outcome) is not None:
                body["outcome"] = {"closedOn": self._day(ended.closed_days_ago), "reason": ended.reason}
            if (lead := record.lead_practitioner) is not None:
                since = self._day(lead.since_days_ago)
                body["leadPractitioner"] = {
                    "name": lead.name,
                    "organisation": lead.organisation,
                    "since": since,
                }
            if record.services is not None:
                body["services"] = record.services
        summary = "The rest is in words." if say.fault is Fault.UNKNOWN_FACT else record.summary
        return body if summary is None else {**body, "summary": summary}

    def _day(self, days_ago: int | None) -> str | None:
        return None if days_ago is None else self.ago(days_ago).isoformat()


def _child(shown: Shown) -> dict[str, Any]:
    born = None if shown.born is None else shown.born.isoformat()
    return {"familyName": shown.surname, "givenName": shown.forename, "birthDate": born, "upn": shown.upn}

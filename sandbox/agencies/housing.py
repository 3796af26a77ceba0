"""Housing's stand-in, the fifth agency: an API key, one look-up, and kinds of nothing told by HTTP status.

Visits come by page numbers.
"""

import hmac
from typing import Any, ClassVar

from fastapi import APIRouter, Depends, Request
from fastapi.security import APIKeyHeader
from starlette.responses import JSONResponse, Response

from sandbox.agencies.behaviour import Fault, Manner
from sandbox.agencies.shapes import Record, takes
from sandbox.agencies.shapes.housing import (
    Failure,
    HeldNotice,
    Household,
    HousingRecord,
    LookupRequest,
    Visits,
)
from sandbox.agencies.supplier import Asked, Records, Say, Shown, body_of, day, page_of, told

PATH = "/agencies/housing"
UNREADABLE = HeldNotice(type="XXX", served_days_ago=3)
PAGE = 2
VERSION = "2"
KINDS = ("home", "office")
HEADERS = [
    {"in": "header", "name": "Api-Version", "required": True, "schema": {"enum": [VERSION]}},
    {"in": "header", "name": "X-Correlation-ID", "required": True, "schema": {"type": "string"}},
]
VISITED = [
    {"in": "query", "name": "page", "required": True, "schema": {"type": "integer", "minimum": 0}},
    {"in": "query", "name": "kind", "required": True, "schema": {"type": "string", "enum": KINDS}},
]
NOTHING = (404, "NO_HOUSEHOLD")
REFUSALS = {
    Manner.NOTHING_HELD: NOTHING,
    Manner.OUTSIDE_COVERAGE: (409, "OTHER_LANDLORD"),
    Manner.DECLINE: (451, "WITHHELD"),
}
HELD = {
    "nothing": NOTHING,
    "outside": REFUSALS[Manner.OUTSIDE_COVERAGE],
    "withheld": REFUSALS[Manner.DECLINE],
}


class Housing(Records):
    """A housing service."""

    name = "housing"
    numbering = "H-99{}"
    covers_years = 15
    steps = ("lookup", "visits")
    record: ClassVar[type[Record]] = HousingRecord

    def error(self, status: int, code: str, wait: int | None = None) -> Response:
        return JSONResponse(
            {"error": {"code": code}}, status, {} if wait is None else {"retry-after": str(wait)}
        )

    def router(self) -> APIRouter:
        signed_in = Depends(APIKeyHeader(name="Ocp-Apim-Subscription-Key", auto_error=False))
        router = APIRouter(prefix=PATH, tags=["housing"], dependencies=[signed_in])
        failures: dict[int | str, dict[str, Any]] = {
            status: {"model": Failure} for status in (202, 400, 401, 404, 409, 429, 451)
        }

        @router.post(
            "/api/households/lookup",
            responses={200: {"model": Household}, **failures},
            openapi_extra=takes(LookupRequest) | {"parameters": HEADERS},
        )
        async def lookup(request: Request) -> Response:
            """The household of a person."""
            if (refused := self._refused(request)) is not None:
                return refused
            raw, body = await body_of(request)
            reference = request.headers.get("x-correlation-id")
            person = (body or {}).get("person")
            if not isinstance(person, dict) or not reference:
                return self.error(400, "BAD_REQUEST")
            child = told(
                given_name=person.get("firstName"),
                family_name=person.get("lastName"),
                born=day(person.get("birthDate")),
                postcode=person.get("postCode"),
            )
            asked = self.note(reference, child, key=reference)
            include = set((body or {}).get("include") or ())
            return await self.play(
                asked, "lookup", raw, lambda say: self._household(asked, include, say), first=True
            )

        @router.get(
            "/api/households/{household}/visits",
            responses={200: {"model": Visits}, **failures},
            openapi_extra={"parameters": [*VISITED, *HEADERS]},
        )
        async def visits(household: str, request: Request) -> Response:
            """The visits to a home, the latest first; the first page is 0."""
            if (refused := self._refused(request)) is not None:
                return refused
            if household not in self.people:
                return self.error(404, "NO_SUCH_HOUSEHOLD")
            page, kind = request.query_params.get("page", ""), request.query_params.get("kind")
            if not page.isdecimal() or kind not in KINDS:
                return self.error(400, "BAD_REQUEST")
            _, record, known = self.people[household]
            asked = self.note(request.headers.get("x-correlation-id") or household, known=known)
            return await self.play(asked, "visits", b"", lambda say: self._visits(record, int(page), say))

        return router

    def _refused(self, request: Request) -> Response | None:
        given = request.headers.get("ocp-apim-subscription-key", "")
        if hmac.compare_digest(given.encode(), self._key.encode()):
            old = request.headers.get("api-version") != VERSION
            return self.error(400, "OLD_VERSION") if old else None
        return self.error(401, "BAD_KEY")

    def _visits(self, record: HousingRecord, number: int, say: Say) -> Response:
        endless = say.fault is Fault.ENDLESS
        rows, following = page_of(record.visits, 0 if endless else number * PAGE, PAGE)
        told = [
            {"outcome": one.outcome, "visited": self.ago(one.visited_days_ago).isoformat()} for one in rows
        ]
        last = following is None and not endless
        return JSONResponse({"householdRef": record.id, "page": number, "last": last, "visits": told})

    def _household(self, asked: Asked, include: set[str], say: Say) -> Response:
        if say.manner is Manner.LATE:
            return self.error(202, "LOOKING", say.wait)
        if say.manner in REFUSALS:
            return self.error(*REFUSALS[say.manner])
        if say.fault is Fault.UNKNOWN_STATE:
            return self.error(409, "MAYBE")
        found = self.whom(asked, say)
        if found is None:
            return self.error(*NOTHING)
        shown, record = found
        if record.holds in HELD:
            return self.error(*HELD[record.holds])
        shown = shown.as_somebody_else() if say.fault is Fault.SOMEONE_ELSE else shown
        refreshed = "2190-01-01" if say.fault is Fault.FUTURE_DATE else self.as_of(record).isoformat()
        body: dict[str, Any] = {
            "householdRef": record.id,
            "refreshedAt": f"{refreshed}T02:00:00Z",
            "recordsSince": self.since(record).isoformat(),
            "matchedPerson": _person(shown),
        }
        return JSONResponse(body | self._parts(record, include, say))

    def _parts(self, record: HousingRecord, include: set[str], say: Say) -> dict[str, Any]:
        unreadable = say.fault is Fault.UNKNOWN_FACT
        held: dict[str, Any] = {
            "notices": [
                {"type": one.type, "served": self.ago(one.served_days_ago).isoformat()}
                for one in ((UNREADABLE,) if unreadable else record.notices)
            ],
            "household": [
                {**_person(Shown(one.last_name, one.first_name, one.born)), "link": one.link}
                for one in record.household
            ],
        }
        if (tenancy := record.tenancy) is not None:
            held["tenancy"] = {"kind": tenancy.kind, "from": self.ago(tenancy.from_days_ago).isoformat()}
        if (home := record.property) is not None:
            hazards = [
                {"hazard": one.hazard, "band": one.band, "found": self.ago(one.found_days_ago).isoformat()}
                for one in home.hazards
            ]
            held["property"] = {"bedrooms": home.bedrooms, "occupants": home.occupants, "hazards": hazards}
        body = {name: value for name, value in held.items() if name in include}
        note = "The rest is in words." if unreadable else record.officer_note
        return body if note is None else {**body, "officerNote": note}


def _person(shown: Shown) -> dict[str, Any]:
    born = None if shown.born is None else shown.born.isoformat()
    return {"lastName": shown.surname, "firstName": shown.forename, "birthDate": born}

"""Social care's stand-in: the council's own records, a person's number first, a request for each part of the file."""

import hmac
from collections.abc import Callable
from typing import Any, ClassVar

from fastapi import APIRouter, Depends, Request
from fastapi.security.http import HTTPBase
from starlette.responses import JSONResponse, Response

from sandbox.agencies.behaviour import Fault, Manner
from sandbox.agencies.shapes import Record, takes
from sandbox.agencies.shapes.social_care import (
    Allocation,
    Episodes,
    Failure,
    HeldEpisode,
    HeldRelation,
    Plans,
    Relatives,
    Searched,
    SearchRequest,
    SocialCareRecord,
)
from sandbox.agencies.supplier import Asked, Records, Say, Shown, body_of, day, page_of, told
from sandbox.agencies.tokens import basic

PATH = "/agencies/social_care"
CLIENT = "mash-hub"
PAGE = 2
FAR = "2190-01-01"
UNREADABLE = HeldEpisode(
    episode=99,
    referred_days_ago=30,
    source="6",
    primary_need="N1",
    factors=("99Z",),
    summary="The rest is in words.",
)


class SocialCare(Records):
    """Children's social care of a council."""

    name = "social_care"
    numbering = "99{}"
    covers_years = 17
    steps = ("search", "episodes", "plans", "worker", "family")
    record: ClassVar[type[Record]] = SocialCareRecord

    def error(self, status: int, code: str, wait: int | None = None) -> Response:
        headers = {} if wait is None else {"retry-after": str(wait)}
        if status == 401:
            headers["www-authenticate"] = 'Basic realm="records"'
        return JSONResponse({"message": code.replace("_", " ").capitalize()}, status, headers)

    def router(self) -> APIRouter:
        router = APIRouter(
            prefix=PATH,
            tags=["social_care"],
            dependencies=[Depends(HTTPBase(scheme="basic", auto_error=False))],
        )
        failures: dict[int | str, dict[str, Any]] = {
            status: {"model": Failure} for status in (400, 401, 404, 429)
        }

        @router.post(
            "/v1/people/search",
            responses={200: {"model": Searched}, 202: {"model": Failure}, **failures},
            openapi_extra=takes(SearchRequest),
        )
        async def search(request: Request) -> Response:
            """People on file who are, or may be, the child."""
            return self._refused(request) or await self._search(request)

        @router.get("/v1/people/pages/{cursor}", responses={200: {"model": Episodes}, **failures})
        async def later(cursor: str, request: Request) -> Response:
            """A later page of a person's file."""
            refused, where = self._refused(request), self.recall(cursor)
            if refused is not None or where is None:
                return refused or self.error(404, "NO_SUCH_PAGE")
            return await self._part(request, *where)

        def part(step: str, model: Any, about: str) -> None:
            @router.get(
                f"/v1/people/{{person}}/{step}",
                responses={200: {"model": model}, **failures},
                description=about,
                operation_id=step,
            )
            async def get(person: str, request: Request) -> Response:
                return self._refused(request) or await self._part(request, person, step)

        part("episodes", Episodes, "Episodes of need, the latest first.")
        part("plans", Plans, "Plans and statuses, open and closed.")
        part("worker", Allocation, "The allocated worker, or null.")
        part("family", Relatives, "Everybody linked with the person.")
        return router

    def _refused(self, request: Request) -> Response | None:
        client, secret = basic(request.headers.get("authorization", "")) or ("", "")
        if client == CLIENT and hmac.compare_digest(secret.encode(), self._key.encode()):
            return None
        return self.error(401, "NOT_SIGNED_IN")

    async def _search(self, request: Request) -> Response:
        raw, body = await body_of(request)
        reference = request.headers.get("x-correlation-id")
        if body is None or not reference:
            return self.error(400, "NOT_A_SEARCH")
        child = told(
            nhs_number=body.get("nhsNumber"),
            upn=body.get("upn"),
            given_name=body.get("forename"),
            family_name=body.get("surname"),
            born=day(body.get("dateOfBirth")),
            postcode=body.get("postcode"),
        )
        unborn = body.get("unbornOf")
        mother = None
        if isinstance(unborn, dict):
            mother = told(given_name=unborn.get("forename"), family_name=unborn.get("surname"))
        asked = self.note(reference, child, mother, key=reference)
        return await self.play(asked, "search", raw, lambda say: self._searched(asked, say), first=True)

    def _searched(self, asked: Asked, say: Say) -> Response:
        if say.manner is Manner.LATE:
            return JSONResponse({"message": "Pending"}, 202, {"retry-after": str(say.wait)})
        found = self.whom(asked, say)
        record = None if found is None else found[1]
        extract = {
            "takenOn": FAR if say.fault is Fault.FUTURE_DATE else self.as_of(record).isoformat(),
            "from": self.since(record).isoformat(),
            "to": self.today.isoformat(),
        }
        status = _status(record, say)
        people = []
        if found is not None and status not in ("NOT_OURS", "RESTRICTED"):
            shown = found[0].as_somebody_else() if say.fault is Fault.SOMEONE_ELSE else found[0]
            if say.manner is not Manner.NOTHING_HELD and found[1].holds == "something":
                people.append(_person(found[1].id, shown, _match(asked, shown, say)))
        return JSONResponse({"status": status, "people": people, "extract": extract})

    async def _part(self, request: Request, person: str, step: str, start: int = 0) -> Response:
        if person not in self.people:
            return self.error(404, "NO_SUCH_PERSON")
        _, record, known = self.people[person]
        asked = self.note(request.headers.get("x-correlation-id") or person, known=known)
        write: dict[str, Callable[[Say], dict[str, Any]]] = {
            "episodes": lambda say: self._episodes(asked, record, start, say),
            "plans": lambda _: {"plans": [self._plan(plan) for plan in record.plans]},
            "worker": lambda _: {"worker": self._worker(record)},
            "family": lambda say: self._family(record, start, say),
        }

        def speak(say: Say) -> Response:
            number = 1 if say.fault is Fault.SOMEONE_ELSE else int(person)
            return JSONResponse({"personId": number, **write[step](say)})

        return await self.play(asked, step, b"", speak)

    def _episodes(self, asked: Asked, record: SocialCareRecord, start: int, say: Say) -> dict[str, Any]:
        rows = record.episodes
        if asked.unreadable or say.fault is Fault.UNKNOWN_FACT:
            rows = (UNREADABLE,)
        page, following = page_of(rows, start, PAGE)
        said = [
            {
                "episodeId": row.episode,
                "referredOn": FAR if say.fault is Fault.FUTURE_DATE else self._day(row.referred_days_ago),
                "source": row.source,
                "primaryNeed": row.primary_need,
                "factors": list(row.factors),
                "closedOn": self._day(row.closed_days_ago),
                "closure": row.closure,
                "summary": row.summary,
            }
            for row in page
        ]
        return {"episodes": said, "next": self._next(record, "episodes", following, say)}

    def _plan(self, plan: Any) -> dict[str, Any]:
        dates = {"opened": self._day(plan.opened_days_ago), "closed": self._day(plan.closed_days_ago)}
        return {"type": plan.type, **dates, "category": plan.category}

    def _worker(self, record: SocialCareRecord) -> dict[str, Any] | None:
        worker = record.worker
        if worker is None:
            return None
        return {"name": worker.name, "team": worker.team, "since": self._day(worker.since_days_ago)}

    def _family(self, record: SocialCareRecord, start: int, say: Say) -> dict[str, Any]:
        page, following = page_of(record.family, start, PAGE)
        return {
            "relations": [self._relative(row) for row in page],
            "next": self._next(record, "family", following, say),
        }

    def _relative(self, row: HeldRelation) -> dict[str, Any]:
        return {
            "personId": row.id,
            "relation": row.relation,
            "surname": row.surname,
            "forename": row.forename,
            "formerNames": list(row.former_names),
            "dateOfBirth": None if row.born is None else row.born.isoformat(),
            "expectedOn": None if row.expected_in_days is None else self._day(-row.expected_in_days),
            "sex": row.sex,
            "nhsNumber": row.nhs_number,
            "upn": row.upn,
            "sameHome": row.same_home,
            "posesRisk": row.poses_risk,
            "removed": row.removed,
        }

    def _next(self, record: SocialCareRecord, step: str, following: int | None, say: Say) -> str | None:
        if say.fault is Fault.OTHER_ORIGIN:
            return "https://elsewhere.example.org/v1/people/pages/2"
        if say.fault is Fault.ENDLESS and following is None:
            following = 1
        if following is None:
            return None
        return f"{PATH}/v1/people/pages/{self.remember((record.id, step, following))}"

    def _day(self, days_ago: int | None) -> str | None:
        return None if days_ago is None else self.ago(days_ago).isoformat()


def _status(record: SocialCareRecord | None, say: Say) -> str:
    if say.fault is Fault.UNKNOWN_STATE:
        return "MAYBE"
    if say.manner is Manner.OUTSIDE_COVERAGE or (record is not None and record.holds == "outside"):
        return "NOT_OURS"
    if say.manner is Manner.DECLINE or (record is not None and record.holds == "withheld"):
        return "RESTRICTED"
    return "OK"


def _match(asked: Asked, shown: Shown, say: Say) -> str:
    if say.fault is Fault.UNCERTAIN:
        return "PARTIAL"
    numbers = ((asked.child.get("nhs_number"), shown.nhs_number), (asked.child.get("upn"), shown.upn))
    return "NUMBER" if any(ours is not None and ours == theirs for ours, theirs in numbers) else "DEMOGRAPHIC"


def _person(person: str, shown: Shown, match: str) -> dict[str, Any]:
    return {
        "personId": int(person),
        "match": match,
        "surname": shown.surname,
        "forename": shown.forename,
        "dateOfBirth": None if shown.born is None else shown.born.isoformat(),
        "nhsNumber": shown.nhs_number,
        "upn": shown.upn,
    }

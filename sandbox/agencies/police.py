"""The police's stand-in: OAuth 2 client credentials, a search and details by nominal id, in pages, rate-limited."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from fastapi import APIRouter, Request, Security
from fastapi.openapi.models import OAuthFlowClientCredentials, OAuthFlows
from fastapi.security import OAuth2
from starlette.responses import JSONResponse, Response

from libs.schemas.clock import Clock
from sandbox.agencies.behaviour import Fault, Manner
from sandbox.agencies.shapes import Record, takes
from sandbox.agencies.shapes.police import (
    Associates,
    Failure,
    HeldAssociate,
    HeldInvolvement,
    HeldMarker,
    Involvements,
    PoliceRecord,
    Searched,
    SearchRequest,
    Token,
    Warnings,
)
from sandbox.agencies.supplier import Asked, Records, Say, Shown, body_of, day, page_of, told
from sandbox.agencies.tokens import Tokens
from sandbox.families import Families

CLIENT = "mash-hub"
TOKEN_SECONDS = 300
REQUESTS_A_SECOND = 600
PAGE = 2
FORM = "%d/%m/%Y"
FAR = "01/01/2190"
PATH = "/agencies/police"
SCOPE = "nominal.read"
SIGN_IN = OAuth2(
    flows=OAuthFlows(
        clientCredentials=OAuthFlowClientCredentials(
            tokenUrl=f"{PATH}/oauth2/token", scopes={SCOPE: "Search and read nominals."}
        )
    ),
    auto_error=False,
)
UNREADABLE = HeldInvolvement(occurrence="35/99999/26", code="ZZ9", log="The rest is in words.")
"""An occurrence of a class that is on no published list."""


class Police(Records):
    """A police force's record search."""

    name = "police"
    numbering = "CB99{}"
    covers_years = 6
    steps = ("search", "token", "page", "involvements", "warnings", "associates")
    record: ClassVar[type[Record]] = PoliceRecord

    def __init__(self, families: Families, *, key: str, clock: Clock) -> None:
        super().__init__(families, key=key, clock=clock)
        self._tokens = Tokens(CLIENT, key, SCOPE, seconds=TOKEN_SECONDS, clock=clock)
        self._second = (0, 0)

    def forget_tokens(self) -> None:
        self._tokens.forget()

    def error(self, status: int, code: str, wait: int | None = None) -> Response:
        headers = {} if wait is None else {"retry-after": str(wait)}
        if status == 401:
            headers["www-authenticate"] = 'Bearer error="invalid_token"'
        return JSONResponse(
            {"errors": [{"code": code, "detail": "See the interface agreement."}]}, status, headers
        )

    def router(self) -> APIRouter:
        router = APIRouter(prefix=PATH, tags=["police"])
        failures: dict[int | str, dict[str, Any]] = {
            status: {"model": Failure} for status in (400, 401, 403, 404, 429)
        }

        @router.post("/oauth2/token", responses={200: {"model": Token}})
        async def token(request: Request) -> Response:
            """An access token for a registered client (RFC 6749, section 4.4)."""
            body = await request.body()
            authorization = request.headers.get("authorization", "")
            return await self.play(
                Asked("", self._clock.now()), "token", body, lambda _: self._tokens.grant(authorization, body)
            )

        signed_in = [Security(SIGN_IN, scopes=[SCOPE])]

        @router.post(
            "/v2/nominals/search",
            dependencies=signed_in,
            responses={200: {"model": Searched}, 202: {"model": Searched}, **failures},
            openapi_extra=takes(SearchRequest),
        )
        async def search(request: Request) -> Response:
            """Nominals that may be the subject, the most alike first."""
            return self._refused(request) or await self._search(request)

        @router.get(
            "/v2/nominals/pages/{cursor}",
            responses={200: {"model": Involvements}, **failures},
            dependencies=signed_in,
        )
        async def later(cursor: str, request: Request) -> Response:
            """A later page of anything."""
            refused, where = self._refused(request), self.recall(cursor)
            if refused is not None or where is None:
                return refused or self.error(404, "NO_SUCH_PAGE")
            nominal, step, start = where
            if step == "nominals":
                endless = Say(fault=Fault.ENDLESS)
                return JSONResponse(self._spoilt(self._status("COMPLETE"), endless, step))
            return await self._detail(request, nominal, step, start)

        def section(step: str, model: Any, about: str) -> None:
            @router.get(
                f"/v2/nominals/{{nominal}}/{step}",
                responses={200: {"model": model}, **failures},
                description=about,
                operation_id=step,
                dependencies=signed_in,
            )
            async def detail(nominal: str, request: Request) -> Response:
                return self._refused(request) or await self._detail(request, nominal, step)

        section("involvements", Involvements, "The occurrences in which a nominal is involved, latest first.")
        section("warnings", Warnings, "Warning markers of a nominal.")
        section("associates", Associates, "The people with whom a nominal is linked.")
        return router

    def _refused(self, request: Request) -> Response | None:
        """The refusal of a request with no valid token, or of one too many in this second."""
        if not self._tokens.accepts(request.headers.get("authorization", "")):
            return self.error(401, "TOKEN_EXPIRED")
        second = int(self._clock.now().timestamp())
        self._second = (second, self._second[1] + 1 if self._second[0] == second else 1)
        return self.error(429, "RATE_LIMITED", 1) if self._second[1] > REQUESTS_A_SECOND else None

    async def _search(self, request: Request) -> Response:
        raw, body = await body_of(request)
        reference = request.headers.get("x-request-reference")
        if body is None or not isinstance(body.get("subject"), dict) or not reference:
            return self.error(400, "MALFORMED_REQUEST")
        subject = body["subject"]
        person = told(
            given_name=subject.get("forenames"),
            family_name=subject.get("surname"),
            born=day(subject.get("dob"), FORM),
            postcode=subject.get("postcode"),
            address=subject.get("addressLines"),
            sex=subject.get("gender"),
        )
        by_mother = body.get("via") == "MOTHER"
        asked = self.note(
            reference, {} if by_mother else person, person if by_mother else None, key=reference
        )
        return await self.play(
            asked, "search", raw, lambda say: self._searched(asked, person, say), first=True
        )

    def _searched(self, asked: Asked, person: Mapping[str, Any], say: Say) -> Response:
        match say.manner:
            case Manner.DECLINE:
                return self.error(403, "DISCLOSURE_REFUSED")
            case Manner.LATE:
                return JSONResponse(self._status("QUEUED"), 202, {"retry-after": str(say.wait)})
            case Manner.OUTSIDE_COVERAGE:
                return JSONResponse(self._status("OUTSIDE_HOLDINGS", self.held_of(asked)))
            case Manner.NOTHING_HELD:
                return JSONResponse(self._status("COMPLETE", self.held_of(asked)))
        grade, found = "A", self.whom(asked, say)
        if found is None and (found := self._alike(person)) is not None:
            grade = "B"
        if found is None:
            return JSONResponse(self._spoilt(self._status("COMPLETE"), say, "nominals"))
        shown, record = found
        if record.holds == "withheld":
            return self.error(403, "DISCLOSURE_REFUSED")
        body = self._status("OUTSIDE_HOLDINGS" if record.holds == "outside" else "COMPLETE", record)
        if record.holds == "something":
            shown = shown.as_somebody_else() if say.fault is Fault.SOMEONE_ELSE else shown
            grade = "B" if say.fault is Fault.UNCERTAIN else grade
            body["nominals"] = [_nominal(record.id, shown) | {"matchGrade": grade}]
        return JSONResponse(self._spoilt(body, say, "nominals"))

    def _alike(self, person: Mapping[str, Any]) -> tuple[Shown, PoliceRecord] | None:
        """A nominal of the same names where the search gave no date of birth: perhaps the subject, perhaps not."""
        if "born" in person or not person.get("given_name") or not person.get("family_name"):
            return None
        wanted = (str(person["family_name"]).casefold(), str(person["given_name"]).casefold())
        for shown, record, child in self.people.values():
            names = (str(shown.surname).casefold(), str(shown.forename).casefold())
            if child is not None and not child.unborn and record.holds == "something" and names == wanted:
                return shown, record
        return None

    async def _detail(self, request: Request, nominal: str, step: str, start: int = 0) -> Response:
        if nominal not in self.people:
            return self.error(404, "NO_SUCH_NOMINAL")
        shown, record, known = self.people[nominal]
        asked = self.note(request.headers.get("x-request-reference") or nominal, known=known)

        def speak(say: Say) -> Response:
            whom = shown.as_somebody_else() if say.fault is Fault.SOMEONE_ELSE else shown
            body = {"nominal": _nominal(nominal, whom), **self._section(asked, record, step, start, say)}
            return JSONResponse(self._spoilt(body, say, step))

        return await self.play(asked, "page" if start else step, b"", speak)

    def _section(self, asked: Asked, record: PoliceRecord, step: str, start: int, say: Say) -> dict[str, Any]:
        rows: Sequence[Any] = getattr(record, step)
        if step == "involvements" and (asked.unreadable or say.fault is Fault.UNKNOWN_FACT):
            rows = (UNREADABLE,)
        page, following = (list(rows), None) if step == "warnings" else page_of(rows, start, PAGE)
        if say.fault is Fault.ENDLESS and following is None:
            following = max(1, start)
        cursor = None if following is None else self.remember((record.id, step, following))
        return {
            step: [self._row(row) for row in page],
            "links": {"next": cursor and f"{PATH}/v2/nominals/pages/{cursor}"},
            **({"counters": record.counters} if step == "involvements" and not start else {}),
        }

    def _spoilt(self, body: dict[str, Any], say: Say, rows: str) -> dict[str, Any]:
        match say.fault:
            case Fault.FUTURE_DATE if rows == "nominals":
                return body | {"dataAsAt": FAR}
            case Fault.FUTURE_DATE:
                return body | {rows: [row | {"on": FAR, "dob": FAR} for row in body[rows]]}
            case Fault.UNKNOWN_STATE:
                return body | {"searchStatus": "MAYBE"}
            case Fault.OTHER_ORIGIN:
                return body | {"links": {"next": "https://elsewhere.example.org/page/2"}}
            case Fault.ENDLESS if rows == "nominals":
                cursor = self.remember(("", rows, 0))
                return body | {"links": {"next": f"{PATH}/v2/nominals/pages/{cursor}"}}
        return body

    def _status(self, status: str, record: Record | None = None) -> dict[str, Any]:
        body = {
            "searchStatus": status,
            "dataAsAt": self.as_of(record).strftime(FORM),
            "nominals": [],
            "links": {"next": None},
        }
        since = self.since(record)
        return body | {"holdings": {"from": since.strftime(FORM), "to": self.today.strftime(FORM)}}

    def _row(self, row: HeldInvolvement | HeldMarker | HeldAssociate) -> dict[str, Any]:
        if isinstance(row, HeldAssociate):
            shown = _nominal(row.id, Shown(row.surname, row.forenames, row.born))
            about = {"gender": row.gender, "tie": row.tie}
            return {**shown, **about, "sameAddress": row.same_address, "suspect": row.suspect}
        on = None if row.on_days_ago is None else self.ago(row.on_days_ago).strftime(FORM)
        if isinstance(row, HeldMarker):
            return {"marker": row.marker, "on": on, "grading": row.grading}
        said = {"occurrence": row.occurrence, "class": row.code, "on": on, "grading": row.grading}
        return {**said, "live": row.live, "log": row.log}


def _nominal(nominal: str, shown: Shown) -> dict[str, Any]:
    return {
        "nominalId": nominal,
        "surname": (shown.surname or "").upper() or None,
        "forenames": shown.forename,
        "dob": None if shown.born is None else shown.born.strftime(FORM),
    }

"""Health's stand-in: a FHIR R4 server with `Patient/$match`, searches by POST, bundles in pages."""

import hmac
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from sandbox.agencies.behaviour import Fault, Manner
from sandbox.agencies.health_resources import (
    CHECK_OUTCOME,
    COVERAGE,
    MATCH_GRADE,
    NHS_NUMBER,
    SECTIONS,
    UNREADABLE,
    patient_of,
    resource_of,
)
from sandbox.agencies.shapes import Record
from sandbox.agencies.shapes.health import HealthRecord
from sandbox.agencies.supplier import Asked, Records, Say, body_of, day, page_of, told

PATH = "/agencies/health/fhir"
PAGE = 2
MOST = 50
FAR = "2190-01-01T00:00:00Z"


class Fhir(JSONResponse):
    """A resource."""

    media_type = "application/fhir+json"


class Health(Records):
    """A community health trust's FHIR server."""

    name = "health"
    numbering = "p-99{}"
    covers_years = 10
    steps = ("match", *SECTIONS, "page")
    record: ClassVar[type[Record]] = HealthRecord

    def error(self, status: int, code: str, wait: int | None = None) -> Response:
        issue = {"severity": "error", "code": "processing", "details": {"text": code}}
        outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
        return Fhir(outcome, status, {} if wait is None else {"retry-after": str(wait)})

    def router(self) -> APIRouter:
        router = APIRouter(prefix=PATH, tags=["health"])

        @router.get("/metadata")
        async def metadata() -> Response:
            """The CapabilityStatement (FHIR R4, RESTful API, capabilities)."""
            return Fhir(self._capabilities())

        @router.post("/Patient/$match")
        async def match(request: Request) -> Response:
            """Patients who are, or may be, the one described (FHIR R4, operation $match)."""
            return self._refused(request) or await self._match(request)

        @router.post("/{kind}/_search")
        async def search(kind: str, request: Request) -> Response:
            """A patient's resources of a type; the search stands in the body."""
            refused = self._refused(request)
            if refused is not None or kind not in SECTIONS:
                return refused or self.error(404, "not-supported")
            form = parse_qs((await request.body()).decode("ascii", "replace"))
            patient = form.get("patient", [""])[0].removeprefix("Patient/")
            if form.get("_summary") == ["count"]:
                return self._count(patient, kind)
            size = form.get("_count", [""])[0]
            return await self._page(
                request, patient, kind, 0, min(int(size), MOST) if size.isdigit() and int(size) else PAGE
            )

        @router.get("/pages/{cursor}")
        async def later(cursor: str, request: Request) -> Response:
            """A later page of a search."""
            refused, where = self._refused(request), self.recall(cursor)
            if refused is not None or where is None:
                return refused or self.error(404, "not-found")
            return await self._page(request, *where)

        return router

    def _refused(self, request: Request) -> Response | None:
        given = request.headers.get("apikey", "")
        return None if hmac.compare_digest(given.encode(), self._key.encode()) else self.error(401, "login")

    async def _match(self, request: Request) -> Response:
        raw, body = await body_of(request)
        reference = request.headers.get("x-request-id")
        parameters = (body or {}).get("parameter")
        patient = next(
            (
                one.get("resource")
                for one in (parameters if isinstance(parameters, list) else ())
                if isinstance(one, dict) and one.get("name") == "resource"
            ),
            None,
        )
        if not isinstance(patient, dict) or not reference:
            return self.error(400, "required")
        person = _described(patient)
        asked = self.note(reference, person, _as_mother(person), key=reference)
        return await self.play(
            asked, "match", raw, lambda say: self._matched(request, asked, say), first=True
        )

    def _matched(self, request: Request, asked: Asked, say: Say) -> Response:
        if say.manner is Manner.LATE:
            return self.error(202, "queued", say.wait)
        found = self.whom(asked, say)
        record = None if found is None else found[1]
        if say.manner is Manner.DECLINE or (record is not None and record.holds == "withheld"):
            return Fhir(self._outcome("restricted", record, "error"), 403)
        outside = say.manner is Manner.OUTSIDE_COVERAGE or (record is not None and record.holds == "outside")
        code = "outside-coverage" if outside else None
        if say.fault is Fault.UNKNOWN_STATE:
            code = "perhaps"
        entries = [{"resource": self._outcome(code, record, "information"), "search": {"mode": "outcome"}}]
        known = found is not None and not outside and say.manner is not Manner.NOTHING_HELD
        if found is not None and known and found[1].holds == "something":
            shown = found[0].as_somebody_else() if say.fault is Fault.SOMEONE_ELSE else found[0]
            candidate = patient_of(found[1].id, shown)
            entries.insert(0, _candidate(candidate, certain=say.fault is not Fault.UNCERTAIN))
        bundle = self._bundle(entries, record, say)
        bundle["total"] = len(entries) - 1
        return Fhir(bundle)

    def _count(self, patient: str, kind: str) -> Response:
        if patient not in self.people:
            return self.error(404, "not-found")
        rows = getattr(self.people[patient][1], SECTIONS[kind])
        return Fhir({"resourceType": "Bundle", "type": "searchset", "total": len(rows)})

    async def _page(self, request: Request, patient: str, kind: str, start: int, size: int) -> Response:
        if patient not in self.people:
            return self.error(404, "not-found")
        _, record, known = self.people[patient]
        asked = self.note(request.headers.get("x-request-id") or patient, known=known)

        def speak(say: Say) -> Response:
            rows: Sequence[Any] = getattr(record, SECTIONS[kind])
            if kind == "Condition" and (asked.unreadable or say.fault is Fault.UNKNOWN_FACT):
                rows = (UNREADABLE,)
            page, following = page_of(rows, start, size)
            whose = "somebody" if say.fault is Fault.SOMEONE_ELSE else patient
            entries = [
                {
                    "resource": resource_of(row, whose, f"{kind[0].lower()}{start + number}", self.ago),
                    "search": {"mode": "match"},
                }
                for number, row in enumerate(page)
            ]
            bundle = self._bundle(entries, record, say)
            bundle["total"] = len(rows)
            if say.fault is Fault.FUTURE_DATE:
                bundle["meta"] = {"lastUpdated": FAR}
            if say.fault is Fault.ENDLESS and following is None:
                following = start
            if following is not None:
                cursor = self.remember((patient, kind, following, size))
                bundle["link"].append({"relation": "next", "url": f"{_base(request)}/pages/{cursor}"})
            if say.fault is Fault.OTHER_ORIGIN:
                bundle["link"] = [{"relation": "next", "url": "https://elsewhere.example.org/fhir/pages/2"}]
            return Fhir(bundle)

        return await self.play(asked, "page" if start else kind, b"", speak)

    def _bundle(self, entries: list[dict[str, Any]], record: Record | None, say: Say) -> dict[str, Any]:
        current = FAR if say.fault is Fault.FUTURE_DATE else f"{self.as_of(record).isoformat()}T04:00:00Z"
        return {
            "resourceType": "Bundle",
            "type": "searchset",
            "meta": {"lastUpdated": current},
            "link": [{"relation": "self", "url": PATH}],
            "entry": entries,
        }

    def _outcome(self, code: str | None, record: Record | None, severity: str) -> dict[str, Any]:
        """What the server says of the question as a whole: its coverage, and a kind of nothing if there is one."""
        period = {"start": self.since(record).isoformat(), "end": self.today.isoformat()}
        issue: dict[str, Any] = {"severity": severity, "code": "informational"}
        if code is not None:
            issue["details"] = {"coding": [{"system": CHECK_OUTCOME, "code": code}]}
        return {
            "resourceType": "OperationOutcome",
            "extension": [{"url": COVERAGE, "valuePeriod": period}],
            "issue": [issue],
        }

    def _capabilities(self) -> dict[str, Any]:
        kinds = [{"type": kind, "interaction": [{"code": "search-type"}]} for kind in SECTIONS]
        match = {
            "name": "match",
            "definition": "http://hl7.org/fhir/OperationDefinition/Patient-match",
        }
        patients = {"type": "Patient", "interaction": [{"code": "read"}], "operation": [match]}
        return {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": self.today.isoformat(),
            "kind": "instance",
            "implementation": {"description": "Sandbox of a community health trust"},
            "fhirVersion": "4.0.1",
            "format": ["application/fhir+json"],
            "rest": [{"mode": "server", "resource": [patients, *kinds]}],
        }


def _candidate(patient: dict[str, Any], *, certain: bool) -> dict[str, Any]:
    grade = {"url": MATCH_GRADE, "valueCode": "certain" if certain else "probable"}
    search = {"mode": "match", "score": 0.99 if certain else 0.71, "extension": [grade]}
    return {"resource": patient, "search": search}


def _described(patient: Mapping[str, Any]) -> dict[str, Any]:
    names = [one for one in patient.get("name") or () if isinstance(one, dict)]
    official = next((one for one in names if one.get("use") == "official"), {})
    addresses = patient.get("address") or [{}]
    return told(
        nhs_number=next(
            (
                one.get("value")
                for one in patient.get("identifier") or ()
                if isinstance(one, dict) and one.get("system") == NHS_NUMBER
            ),
            None,
        ),
        given_name=" ".join(official.get("given") or ()),
        family_name=official.get("family"),
        born=day(patient.get("birthDate")),
        sex=patient.get("gender"),
        address=addresses[0].get("line"),
        postcode=addresses[0].get("postalCode"),
    )


def _as_mother(person: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """A patient may be an expectant mother: the families' files keep an unborn child's record under her name."""
    return person if person.get("family_name") else None


def _base(request: Request) -> str:
    return f"{str(request.base_url).rstrip('/')}{PATH}"

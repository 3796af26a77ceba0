"""MARAC's stand-in: a small team without a server, which fetches its questions from the hub and answers each."""

from collections.abc import Mapping
from typing import Any, ClassVar

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from sandbox.agencies.behaviour import Fault, Manner
from sandbox.agencies.shapes import Record
from sandbox.agencies.shapes.marac import MaracRecord
from sandbox.agencies.supplier import Asked, Records, Say, told

FAR = "2190-01-01"
RISKS = {
    "visible_high": "high_risk",
    "professional_judgement": "high_risk",
    "escalation": "high_risk",
    "repeat": "high_risk",
}
SIGNS: Mapping[str, tuple[str, Any]] = {
    "weapon": ("household.strangulation_or_weapon", True),
    "control": ("household.coercive_control", True),
    "stalking": ("household.threats_or_stalking", True),
    "escalating": ("household.abuse_escalating", True),
    "afraid": ("household.victim_afraid", True),
    "pregnant": ("household.pregnant_victim", True),
    "life": ("child.threat_to_life", True),
}
"""What the marks of a listing are in the hub's dictionary: the coordinator's own table, for the hub's form."""


class Marac(Records):
    """The coordinator of a Multi-Agency Risk Assessment Conference."""

    name = "marac"
    numbering = "M-99{}"
    covers_years = 3
    steps = ("answer",)
    record: ClassVar[type[Record]] = MaracRecord

    def error(self, status: int, code: str, wait: int | None = None) -> Response:
        return JSONResponse({"error": code}, status, {} if wait is None else {"retry-after": str(wait)})

    def router(self) -> APIRouter:
        """It has no server of its own."""
        return APIRouter()

    async def answer(self, question: Mapping[str, Any]) -> Response:
        """The body of the answer to a fetched question; 202 with `Retry-After` where it takes longer."""
        child, mother = question.get("child") or {}, question.get("mother")
        reference = str(question.get("question_id"))
        asked = self.note(reference, told(**_flat(child)), mother and told(**_flat(mother)), key=reference)
        return await self.play(asked, "answer", b"", lambda say: self._body(asked, say), first=True)

    def _body(self, asked: Asked, say: Say) -> Response:
        if say.manner is Manner.LATE:
            return self.error(202, "LOOKING", say.wait)
        found = self.whom(asked, say)
        record: MaracRecord | None = None if found is None else found[1]
        body: dict[str, Any] = {
            "state": _state(record, say),
            "as_of": FAR if say.fault is Fault.FUTURE_DATE else self.as_of(record).isoformat(),
            "coverage_from": self.since(record).isoformat(),
            "coverage_to": self.today.isoformat(),
        }
        if body["state"] == "declined":
            body["reason"] = "not_permitted"
        if body["state"] == "returned" and record is not None and found is not None:
            shown = found[0].as_somebody_else() if say.fault is Fault.SOMEONE_ELSE else found[0]
            body["child"] = {
                "nhs_number": shown.nhs_number,
                "born": None if shown.born is None else shown.born.isoformat(),
            }
            body |= self._listing(record, say)
        return JSONResponse(body)

    def _listing(self, record: MaracRecord, say: Say) -> dict[str, Any]:
        facts = [
            _fact("household.domestic_abuse", RISKS[one.risk], self.ago(one.heard_days_ago).isoformat())
            for one in record.listings
        ]
        facts += [_fact(*SIGNS[sign], None) for sign in record.signs]
        body: dict[str, Any] = {"narrative": record.plan or "Listed; the plan is with the chair."}
        if say.fault is Fault.UNKNOWN_FACT:
            facts, body["narrative"] = [_fact("child.colour_of_hat", "red", None)], "The rest is in words."
        if record.dash is not None:
            body["dash"] = {"yes": record.dash.answered_yes, "asked": record.dash.asked}
        return body | {"facts": facts}


def _state(record: MaracRecord | None, say: Say) -> str:
    if say.fault is Fault.UNKNOWN_STATE:
        return "maybe"
    said = {
        Manner.NOTHING_HELD: "nothing_held",
        Manner.OUTSIDE_COVERAGE: "outside_coverage",
        Manner.DECLINE: "declined",
    }.get(say.manner)
    if said is not None or record is None:
        return said or "nothing_held"
    held = {
        "something": "returned",
        "nothing": "nothing_held",
        "outside": "outside_coverage",
        "withheld": "declined",
    }
    return held[record.holds]


def _fact(name: str, value: Any, on: str | None) -> dict[str, Any]:
    fact = {"fact": name, "value": value, "basis": "record", "period": "last_12_months"}
    return fact if on is None else {**fact, "on": on}


def _flat(person: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "given_name": person.get("given_name"),
        "family_name": person.get("family_name"),
        "born": (person.get("born") or {}).get("on"),
        "nhs_number": person.get("nhs_number"),
    }

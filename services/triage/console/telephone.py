"""A new referral that a member of staff takes by telephone. It goes to intake, like any other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from libs.platform.problems import Problem
from libs.schemas.codes import AdultRole, AgreementAnswer, ChildStatus, EmptyVoice, ReferrerRole, Sex
from services.triage.console.forms import Faults, read_day
from services.triage.console.frame import Visit, posted, visit
from services.triage.console.given import ConsoleRoute
from services.triage.console.refusals import explain
from services.triage.console.words import words

SCOPE = "case:write"
MOST = 10
"""Children, and adults, that one form takes. More are added to the case."""

SOURCES: Mapping[str, str] = {
    "police": "6",
    "teacher": "2A",
    "school_safeguarding_lead": "2A",
    "health_visitor": "3B",
    "gp": "3A",
    "midwife": "3D",
    "hospital": "3E",
    "other_health": "3F",
    "social_worker": "5A",
    "early_help_worker": "5D",
    "housing": "4",
    "other_professional": "8",
    "family": "1A",
    "public": "1D",
    "child": "1C",
}
"""The census code of the source (children in need census) that a referrer's role stands for."""

CONTACTS: Mapping[str, str] = {"telephone": "Telephone", "sms": "Text message", "email": "Email"}

router = APIRouter(prefix="/console/new-referral", route_class=ConsoleRoute, include_in_schema=False)


@router.get("")
async def show_form(request: Request) -> Response:
    """The empty form."""
    there = visit(request, SCOPE)
    return _form(there, await there.kept(), Faults())


@router.post("")
async def take(request: Request) -> Response:
    """Sends the referral to intake, and says what to tell the caller."""
    there, fields = await posted(request, SCOPE)
    action = fields.get("action")
    if action in ("child", "adult"):
        more = str(min(rows(fields, action) + 1, MOST))
        return _form(there, {**fields, f"{action}_rows": more}, Faults())
    faults = Faults()
    body = referral(fields, faults, there)
    if faults:
        return _form(there, fields, faults)
    try:
        accepted = await there.console.neighbours.refer(body, fields.get("key") or "none")
    except Problem as problem:
        if not problem.errors:
            raise
        explain(problem, faults, adult_rows(fields))
        return _form(there, fields, faults)
    await there.console.drafts.drop(there.session.subject, there.path)
    return there.page("taken.html", accepted=accepted)


def referral(fields: Mapping[str, str], faults: Faults, there: Visit) -> dict[str, Any]:
    """The referral that was filled in, and what is wrong with it."""
    faults.needed(
        fields,
        worry="Enter what the caller is worried about, in their words",
        role="Select who is calling",
        danger="Select whether a child is in danger now",
    )
    role, now = fields.get("role", ""), there.console.clock.now()
    if role and role not in SOURCES:
        faults.add("role", "Select who is calling")
    children = [_child(fields, number, faults) for number in range(1, rows(fields, "child") + 1)]
    adults = [_adult(fields, number) for number in adult_rows(fields)]
    for number in range(1, rows(fields, "child") + 1):
        born = read_day(fields, f"born_{number}", faults, now=now)
        expected = read_day(fields, f"expected_{number}", faults)
        if born is not None:
            children[number - 1]["born"] = {"on": born}
        if expected is not None:
            children[number - 1]["expected"] = {"on": expected}
    referrer: dict[str, Any] = {
        "role": role,
        "source": SOURCES.get(role, "10"),
        "anonymous": fields.get("anonymous") == "yes",
        **_given(fields, name="caller", organisation="organisation"),
    }
    if fields.get("channel") and not fields.get("contact"):
        faults.add("contact", "Enter the number or the address, or select no way to reach the caller")
    if fields.get("contact") and fields.get("channel") not in CONTACTS:
        faults.add("channel", "Select how it is safe to reach the caller")
    if fields.get("contact"):
        channel = fields.get("channel", "")
        kind = "email" if channel == "email" else "phone"
        referrer["contacts"] = [{"channel": channel, kind: fields["contact"]}]
    body: dict[str, Any] = {
        "channel": "telephone",
        "source_reference": f"Taken by telephone by {there.session.subject}",
        "worry": fields.get("worry", ""),
        "immediate_danger": fields.get("danger") == "yes",
        "do_not_alert_household": fields.get("do_not_alert") == "yes",
        "referrer": referrer,
        "children": children,
        "adults": adults,
        "agreements": {
            name: {"answer": fields[f"agreement_{name}"]}
            for name in ("checks", "early_help")
            if fields.get(f"agreement_{name}")
        },
        **_given(
            fields,
            danger_reason="danger_reason",
            effect_on_child="effect",
            wanted_outcome="wanted",
            staff_danger="staff_danger",
        ),
    }
    return body


def _child(fields: Mapping[str, str], number: int, faults: Faults) -> dict[str, Any]:
    def of(name: str) -> str:
        return fields.get(f"{name}_{number}", "")

    child: dict[str, Any] = {"status": of("status") or "born"}
    if child["status"] not in list(ChildStatus):
        faults.add(f"status_{number}", "Select whether the child is born")
    texts = {"given_name": "given", "family_name": "family", "school": "school", "whereabouts": "whereabouts"}
    child |= {name: of(short) for name, short in texts.items() if of(short)}
    if of("sex"):
        child["sex"] = of("sex")
    if child["status"] == "unidentified":
        if not of("identified_by"):
            faults.add(f"identified_by_{number}", "Enter what is known of the child")
        child["identified_by"] = of("identified_by")
    address = {"lines": [line for line in of("address").split("\n") if line.strip()]}
    if of("postcode"):
        address["postcode"] = of("postcode")  # type: ignore[assignment]
    if address["lines"] or of("postcode"):
        child["address"] = address
    voice = {"words": of("words")} if of("words") else {}
    if not voice and of("unheard"):
        voice = {"not_obtained_because": of("unheard")}
    if voice:
        child["voice"] = voice
    return child


def _adult(fields: Mapping[str, str], number: int) -> dict[str, Any]:
    def of(name: str) -> str:
        return fields.get(f"adult_{name}_{number}", "")

    adult: dict[str, Any] = {}
    adult |= {
        name: of(short) for name, short in (("given_name", "given"), ("family_name", "family")) if of(short)
    }
    if of("role"):
        adult["roles"] = [of("role")]
    if of("harm") == "yes":
        adult["thought_to_harm"] = True
    return adult


def adult_rows(fields: Mapping[str, str]) -> list[int]:
    """The rows of the form in which something is said of an adult."""
    return [number for number in range(1, rows(fields, "adult") + 1) if _adult(fields, number)]


def _given(fields: Mapping[str, str], **names: str) -> dict[str, str]:
    return {name: fields[field] for name, field in names.items() if fields.get(field)}


def rows(fields: Mapping[str, str], what: str) -> int:
    """How many children, or adults, the form has room for."""
    text = fields.get(f"{what}_rows", "")
    return min(int(text), MOST) if text.isascii() and text.isdigit() and text != "0" else 1


def _form(there: Visit, values: Mapping[str, str], faults: Faults) -> Response:
    return there.form(
        "telephone.html",
        values,
        faults,
        children=rows(values, "child"),
        adults=rows(values, "adult"),
        roles=[(code.value, words(code.value)) for code in ReferrerRole],
        statuses=[(code.value, words(code.value)) for code in ChildStatus],
        sexes=[(Sex.FEMALE.value, "Female"), (Sex.MALE.value, "Male"), (Sex.UNKNOWN.value, "Not known")],
        adult_roles=[(code.value, words(code.value)) for code in AdultRole],
        unheard=[(code.value, words(code.value)) for code in EmptyVoice],
        answers=[(code.value, words(code.value)) for code in AgreementAnswer],
        channels=list(CONTACTS.items()),
    )

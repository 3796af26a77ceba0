"""Deciding: for one child or several hand-picked ones, with one rationale and a decision stored for each.

First what is decided of each child, with nothing chosen beforehand; then what that asks for: a reason where it departs,
an answer for each obliged action, and whose signature it waits for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from libs.platform.problems import Problem
from services.triage.console.case import child_of
from services.triage.console.family import family
from services.triage.console.forms import Faults
from services.triage.console.frame import Visit, posted, visit
from services.triage.console.given import ConsoleRoute
from services.triage.console.people import People
from services.triage.console.words import (
    DESTINATIONS,
    LEVELS,
    changed,
    destination,
    level,
    name,
    sentence,
    when,
    words,
)

SCOPE = "decision:write"
DUTIES = {"done": "Done", "under_way": "Under way", "not_needed": "Not needed"}
MOST_SHARED = 10

router = APIRouter(
    prefix="/console/cases/{case_id}/decision", route_class=ConsoleRoute, include_in_schema=False
)


@dataclass
class Chosen:
    """A child who is decided for."""

    case: Mapping[str, Any]
    tag: str
    number: int
    needed: Mapping[str, Any] | None = None
    """What the operation says that this choice asks for; None while nothing was chosen."""
    duties: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        """What the child is called."""
        return name(child_of(self.case))

    @property
    def labels(self) -> Mapping[str, str]:
        """What the partnership calls each obliged action."""
        return {one["kind"]: one["label"] for one in self.case["tasks"] if one.get("label")}

    def called(self, kind: str) -> str:
        """What an obliged action is called."""
        return sentence(self.labels.get(kind) or words(kind))

    @property
    def departs(self) -> bool:
        """Whether the choice needs a reason: it is not what was recommended, or milder than what stands."""
        return self.otherwise != ""

    @property
    def otherwise(self) -> str:
        """How the choice departs, in words."""
        if self.needed is None:
            return ""
        if self.needed["departure"] != "agrees":
            return "otherwise than recommended"
        return "more mildly than before" if self.needed["steps_down"] else ""


@router.get("")
async def show_decision(request: Request, case_id: UUID) -> Response:
    """What is decided of each child."""
    there = visit(request, SCOPE)
    values = await there.kept()
    asked = request.query_params.get("children", "")
    if asked:
        values = {**values, "children": asked}
    children = await _children(there, case_id, values)
    second = _choices(children, values, Faults())
    if second:
        await _weigh(there, children, values)
    return _form(there, children, values, Faults(), second=second)


@router.post("")
async def decide(request: Request, case_id: UUID) -> Response:
    """On to what the choice asks for, or decided."""
    there, fields = await posted(request, SCOPE)
    children = await _children(there, case_id, fields)
    faults = Faults()
    action = fields.get("action")
    if action == "change" or not _choices(children, fields, faults):
        return _form(there, children, fields, faults, second=False)
    await _weigh(there, children, fields)
    if action == "more":
        more = min(_rows(fields) + 1, MOST_SHARED)
        return _form(there, children, {**fields, "shared_rows": str(more)}, faults, second=True)
    if action != "decide":
        return _form(there, children, fields, faults, second=True)
    _check(children, fields, faults)
    if faults:
        return _form(there, children, fields, faults, second=True)
    stages: list[str] = []
    for child in children:
        try:
            made = await there.operations.put(
                f"/v1/cases/{child.case['case_id']}/decision", _body(child, fields), child.tag
            )
        except Problem as problem:
            kept, left = children[: len(stages)], children[len(stages) :]
            # Sent again with those who are decided, the form would decide for them a second time.
            values = {**fields, "children": _numbers(left)}
            fresh = problem.headers.get("etag")
            _said(child, problem, faults, there.people)
            if fresh is not None:
                values[f"tag.{child.number}"] = fresh
            left = await _children(there, case_id, values)
            await _weigh(there, left, values)
            return _form(there, left, values, faults, second=True, status=problem.status, kept=kept)
        stages.append(made["stage"])
    said = "proposed" if "sign_off" in stages else "decided"
    return await there.done(f"/console/cases/{case_id}/family", said)


async def _children(there: Visit, case_id: UUID, values: Mapping[str, str]) -> list[Chosen]:
    """The chosen children with what each one's case shows now. `tag.N`: the entity tag of what was read, if earlier."""
    wanted = {
        int(part) for part in values.get("children", "").split(",") if part.isascii() and part.isdigit()
    }
    found = []
    for case in await family(there, case_id):
        if case["child_number"] in wanted if wanted else case["case_id"] == str(case_id):
            number = case["child_number"]
            shown, tag = await there.operations.read(f"/v1/cases/{case['case_id']}")
            found.append(Chosen(shown, values.get(f"tag.{number}") or tag, number))
    if not found:
        raise Problem(404, "case-not-found", "There is no such case")
    return found


def _choices(children: Sequence[Chosen], values: Mapping[str, str], faults: Faults) -> bool:
    """Whether each child has a level and a destination."""
    for child in children:
        if values.get(f"level.{child.number}", "") not in LEVELS:
            faults.add(f"level.{child.number}", f"Select the level for child {child.number}")
        if values.get(f"destination.{child.number}", "") not in DESTINATIONS:
            faults.add(f"destination.{child.number}", f"Select who helps child {child.number}")
    return not faults


async def _weigh(there: Visit, children: Sequence[Chosen], values: Mapping[str, str]) -> None:
    """Asks what each choice needs."""
    for child in children:
        child.needed = await there.operations.get(
            f"/v1/cases/{child.case['case_id']}/authority",
            level=values[f"level.{child.number}"],
            destination=values[f"destination.{child.number}"],
        )
        child.duties = tuple(child.needed["obliged"])


def _differ(children: Sequence[Chosen], values: Mapping[str, str]) -> bool:
    choices = {
        (values.get(f"level.{one.number}"), values.get(f"destination.{one.number}")) for one in children
    }
    return len(choices) > 1 or any(
        one.needed is not None and one.needed["siblings_differ"] for one in children
    )


def _check(children: Sequence[Chosen], values: Mapping[str, str], faults: Faults) -> None:
    """What of the second form is missing."""
    faults.needed(
        values,
        rationale="Enter the reasons for the decision",
        may_tell="Select whether the referrer may be told the outcome",
    )
    if _differ(children, values):
        faults.needed(values, siblings_differ_because="Enter why the children are decided differently")
    for child in children:
        number = child.number
        if child.departs:
            faults.needed(
                values,
                **{
                    f"departure_code.{number}": f"Select why child {number} is decided {child.otherwise}",
                    f"departure_reason.{number}": f"Enter why child {number} is decided {child.otherwise}",
                },
            )
        for kind in child.duties:
            state = values.get(f"duty.{number}.{kind}", "")
            if state not in DUTIES:
                faults.add(f"duty.{number}.{kind}", f"Say what became of “{child.called(kind)}”")
            elif state != "under_way" and not values.get(f"duty_note.{number}.{kind}"):
                wanted = "what was done" if state == "done" else "why it is not needed"
                faults.add(f"duty_note.{number}.{kind}", f"Enter {wanted}: “{child.called(kind)}”")
    for row in range(1, _rows(values) + 1):
        given = [bool(values.get(f"shared_{part}.{row}")) for part in ("with", "what", "basis")]
        if any(given) and not all(given):
            faults.add(
                f"shared_with.{row}", "Say with whom, what, and on which basis, or leave all three empty"
            )
    faults.long(values, "rationale", "siblings_differ_because")


def _body(child: Chosen, values: Mapping[str, str]) -> dict[str, Any]:
    number = child.number
    body: dict[str, Any] = {
        "level": values[f"level.{number}"],
        "destination": values[f"destination.{number}"],
        "rationale": values["rationale"],
        "may_tell_referrer": values["may_tell"] == "yes",
        "shared": [
            {
                "recipient": values[f"shared_with.{row}"],
                "what": values[f"shared_what.{row}"],
                "basis": values[f"shared_basis.{row}"],
            }
            for row in range(1, _rows(values) + 1)
            if values.get(f"shared_with.{row}")
        ],
        "obliged": {
            kind: {
                "state": values[f"duty.{number}.{kind}"],
                "note": values.get(f"duty_note.{number}.{kind}") or None,
            }
            for kind in child.duties
        },
    }
    if child.departs:
        body["departure_code"] = values[f"departure_code.{number}"]
        body["departure_reason"] = values[f"departure_reason.{number}"]
    if values.get("siblings_differ_because"):
        body["siblings_differ_because"] = values["siblings_differ_because"]
    return body


def _said(child: Chosen, problem: Problem, faults: Faults, people: People) -> None:
    """Puts a refusal into the form: who was first, or what changed, or what is missing where."""
    who, extra = f"child {child.number}", problem.extra
    if problem.code == "decided-already":
        decided = f"{level(extra['level'])}, {destination(extra['destination'])}"
        decider = people.called(extra["decided_by"])
        faults.add(
            "form",
            f"{decider} has decided for {who} already, {when(extra['decided_at'])}: {decided}. "
            "What you wrote is below. Read the case again before you decide beside it",
        )
    elif problem.code == "changed-meanwhile":
        faults.add(
            "form",
            f"The case of {who} has changed since you read it: {changed(extra.get('changed', []))}. "
            "What you wrote is below. Read the case again, then decide",
        )
    elif problem.code == "claimed":
        faults.add(
            "form", f"{people.called(extra['held_by'])} has the pen for {who}, since {when(extra['since'])}"
        )
    elif problem.errors:
        for error in problem.errors:
            place = (error.pointer or "").strip("/").split("/")
            names = {"obliged": f"duty.{child.number}.{place[1]}"} if len(place) > 1 else {}
            own = place[0] in ("level", "destination", "departure_code", "departure_reason")
            target = names.get(place[0]) or (f"{place[0]}.{child.number}" if own else place[0])
            faults.add(target, sentence(f"{place[0].replace('_', ' ')} of {who} {error.detail}"))
    else:
        faults.add("form", f"{problem.title.rstrip('.')} ({who}). {problem.detail or ''}".strip())


def _rows(values: Mapping[str, str]) -> int:
    text = values.get("shared_rows", "")
    return min(int(text), MOST_SHARED) if text.isascii() and text.isdigit() and text != "0" else 1


def _form(
    there: Visit,
    children: Sequence[Chosen],
    values: Mapping[str, str],
    faults: Faults,
    *,
    second: bool,
    status: int | None = None,
    kept: Sequence[Chosen] = (),
) -> Response:
    """`kept`: the children whose decisions were made before one was refused."""
    if second and any(fault.startswith(("level.", "destination.")) for fault in faults.texts):
        second = False
    told = {"said": f"What you decided for {_named(kept)} is kept."} if kept else {}
    return there.page(
        "decide.html" if second else "choose.html",
        status=status or (422 if faults else 200),
        children=children,
        case=children[0].case,
        numbers=_numbers(children),
        levels=list(LEVELS.items()),
        destinations=list(DESTINATIONS.items()),
        differ=_differ(children, values),
        duties=list(DUTIES.items()),
        rows=_rows(values),
        values=values,
        wrong=faults.texts,
        errors=faults.summary,
        live=[one.case["case_id"] for one in children],
        **told,
    )


def _numbers(children: Sequence[Chosen]) -> str:
    return ",".join(str(one.number) for one in children)


def _named(children: Sequence[Chosen]) -> str:
    return " and ".join(f"child {one.number}" for one in children)

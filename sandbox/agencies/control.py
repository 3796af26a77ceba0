"""Tells the agencies' stand-ins how to behave, and shows what they were asked. No part of any supplier's API."""

from collections.abc import Mapping
from datetime import datetime
from html import escape
from typing import Any

from fastapi import APIRouter, HTTPException
from fastapi.openapi.utils import get_openapi
from starlette.responses import HTMLResponse

from libs.schemas.base import Model
from sandbox.agencies.behaviour import Behaviour
from sandbox.agencies.supplier import Asked, Supplier

SHOWN = 50
STYLE = (
    "<style>body{font:1rem/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.25rem .75rem .25rem 0;"
    "border-bottom:1px solid #b1b4b6}</style>"
)


class Seen(Model):
    """One question as an agency saw it: how often it was sent, and each request that its answers took. No names."""

    question_id: str
    idempotency_keys: tuple[str, ...]
    requests: int
    steps: dict[str, int]
    fields: tuple[str, ...]
    answered: int
    answered_at: datetime | None
    first_at: datetime


def control_router(suppliers: Mapping[str, Supplier]) -> APIRouter:
    """The controls of all agencies under `/agencies`."""
    router = APIRouter(prefix="/agencies", tags=["agencies"])

    def agency_of(name: str) -> Supplier:
        if name not in suppliers:
            raise HTTPException(404, "no such agency; there are " + ", ".join(suppliers))
        return suppliers[name]

    @router.get("/asked", include_in_schema=False)
    async def page() -> HTMLResponse:
        return HTMLResponse(_page(suppliers))

    @router.get("/{agency}/questions")
    async def asked(agency: str) -> list[Seen]:
        """What the agency was asked: one entry for each question, however often it was sent."""
        return [_seen(each) for each in agency_of(agency).asked.values()]

    @router.get("/{agency}/behaviour")
    async def behaviours(agency: str) -> list[Behaviour]:
        """How the agency treats questions; the first that fits counts."""
        return agency_of(agency).behaviours

    @router.put("/{agency}/behaviour")
    async def behave(agency: str, behaviour: Behaviour) -> list[Behaviour]:
        """Tells the agency how to treat questions about one child, or all; replaces what was said of the same."""
        one = agency_of(agency)
        if behaviour.step is not None and behaviour.step not in one.steps:
            raise HTTPException(422, "no such step; there are " + ", ".join(one.steps))
        others = [each for each in one.behaviours if each.whose != behaviour.whose]
        # What is said of one child goes before what is said of all.
        one.behaviours = sorted(
            [behaviour, *others], key=lambda each: each.child is None and each.question_id is None
        )
        return one.behaviours

    @router.delete("/{agency}/behaviour", status_code=204)
    async def forget(agency: str) -> None:
        """The agency answers from the families again."""
        agency_of(agency).behaviours = []

    @router.get("/{agency}/openapi.json", include_in_schema=False)
    async def document(agency: str) -> dict[str, Any]:
        one = agency_of(agency)
        return get_openapi(title=f"{agency} (sandbox)", version="1", routes=one.router().routes)

    return router


def _seen(asked: Asked) -> Seen:
    return Seen(
        question_id=asked.question_id,
        idempotency_keys=tuple(sorted(asked.keys)),
        requests=asked.requests,
        steps=dict(asked.steps),
        fields=tuple(sorted(asked.fields)),
        answered=asked.answered,
        answered_at=asked.answered_at,
        first_at=asked.first_at,
    )


def _page(suppliers: Mapping[str, Supplier]) -> str:
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>What the agencies were asked</title>',
        STYLE,
        "<h1>What the agencies were asked</h1>",
        f"<p>The latest {SHOWN} questions of each. What was said of a child stands in none of them.</p>",
    ]
    for name, supplier in suppliers.items():
        latest = list(supplier.asked.values())[-SHOWN:][::-1]
        parts.append(
            f'<h2 id="{name}">{escape(name.replace("_", " ").capitalize())}</h2>'
            f'<p>{len(supplier.asked)} questions. <a href="/agencies/{name}/openapi.json">Its API</a></p>'
        )
        if latest:
            parts.append(
                "<table><thead><tr><th>First asked<th>Question<th>Requests<th>Told of the child"
                f"<tbody>{''.join(map(_row, latest))}</table>"
            )
    return "".join(parts)


def _row(asked: Asked) -> str:
    requests = ", ".join(f"{step} {count}" for step, count in asked.steps.items())
    fields = ", ".join(sorted(asked.fields))
    return (
        f"<tr><td>{asked.first_at:%Y-%m-%d %H:%M:%S}<td>{escape(asked.question_id)}"
        f"<td>{escape(requests)}<td>{escape(fields)}"
    )

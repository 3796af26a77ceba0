"""The pages on which a team, or a safeguarding lead, answers the same questions without a program of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from libs.platform.pages import PageRoute, Pages, form_of, signed_in
from libs.platform.problems import Problem
from libs.platform.signin import Session
from libs.schemas.findings import Basis
from libs.schemas.plans import DASH_QUESTIONS
from services.enrichment.asking.question import Question
from services.enrichment.pulled.answering import Answering
from services.enrichment.pulled.form import (
    BASES,
    DATES,
    REASONS,
    STATES,
    FactField,
    fact_fields,
    read_answer,
)
from services.enrichment.pulled.given import AnswerBody, Declined, Given, Spoken
from services.enrichment.pulled.words import clock_words, day_words, lines_of
from services.enrichment.pulled.work import Item

HOME = "/questions"
TEMPLATES = Path(__file__).with_name("templates")
SCOPE = "checks:answer"
MOST_SHOWN = 100
_OWN = ("csrf", "claim_id", "action")

router = APIRouter(prefix=HOME, route_class=PageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class _Visit:
    """One request of somebody who is signed in."""

    pages: Pages
    desk: Answering
    session: Session


def _visit(request: Request) -> _Visit:
    return _Visit(request.app.state.pages, request.app.state.answering, signed_in(request, SCOPE))


def _shown(visit: _Visit, item: Item) -> dict[str, Any]:
    """What the pages about one question say of it."""
    question = item.question
    if question is None:
        raise Problem(404, "question-not-found", "You have no such question")
    return {
        "item": item,
        "asked_at": clock_words(item.put_at),
        "due_at": None if item.due_at is None else clock_words(item.due_at),
        "until": None if item.claimed_until is None else clock_words(item.claimed_until),
        "purpose": question.purpose,
        "basis": question.basis,
        "people": _people(question),
        "agency": visit.desk.terms[item.seat.agency].name,
    }


def _people(question: Question) -> list[dict[str, Any]]:
    people = [{"who": "The child", "lines": lines_of(question.child)}]
    if question.mother is not None:
        people.append({"who": "The child's mother", "lines": lines_of(question.mother)})
    people += [{"who": "An adult", "lines": lines_of(adult)} for adult in question.adults]
    return people


@router.get("")
async def waiting(request: Request) -> Response:
    """The questions that wait, whoever holds them: times only, no names."""
    visit = _visit(request)
    items = await visit.desk.table.waiting(
        visit.desk.ledger.pool, visit.desk.seats(visit.session.principal), MOST_SHOWN
    )
    now = visit.desk.ledger.clock.now()
    rows = [
        {
            "id": item.question_id,
            "asked": clock_words(item.put_at),
            "due": None if item.due_at is None else clock_words(item.due_at),
            "late": item.due_at is not None and item.due_at <= now,
            "to": item.seat.audience,
            "agency": visit.desk.terms[item.seat.agency].name,
            "held": item.claimed_until is not None
            and item.claimed_until > now
            and item.claimed_by != visit.session.subject,
        }
        for item in items
    ]
    lists = "lists:write" in visit.session.scopes and visit.session.agency in visit.desk.terms
    return visit.pages.page(
        "waiting.html", visit.session, rows=rows, more=len(rows) == MOST_SHOWN, lists=lists
    )


@router.post("/{question_id}/open")
async def open_question(request: Request, question_id: UUID) -> Response:
    """Takes a question, so that nobody else works on it at the same time."""
    visit = _visit(request)
    await form_of(request, visit.session)
    await _held(visit, question_id)
    return RedirectResponse(f"{HOME}/{question_id}", 303)


@router.get("/{question_id}")
async def question(request: Request, question_id: UUID) -> Response:
    """One question and the form to answer it."""
    visit = _visit(request)
    item = await _held(visit, question_id)
    return _form(visit, item, {}, {})


@router.post("/{question_id}")
async def answered(request: Request, question_id: UUID) -> Response:
    """Takes the form: back with what is wrong, on to checking it, or sent."""
    visit = _visit(request)
    fields = await form_of(request, visit.session)
    action = fields.get("action")
    if action == "release":
        item = await _held(visit, question_id)
        if item.claim_id is not None:
            await visit.desk.release(visit.session.principal, question_id, item.claim_id)
        return RedirectResponse(HOME, 303)
    try:
        item = await _held(visit, question_id)
    except Problem:
        # Whoever presses twice is told that it arrived, and not that somebody else was faster.
        if action == "send" and await _arrived(visit, question_id, fields):
            return RedirectResponse(f"{HOME}/{question_id}/done", 303)
        raise
    facts = fact_fields(visit.desk.dictionary, item.seat.agency)
    filled = read_answer(fields, facts, visit.desk.ledger.clock.now())
    if action == "change" or filled.given is None:
        return _form(visit, item, fields, {} if action == "change" else filled.errors)
    if action != "send":
        return _check(visit, item, fields, facts, filled.given)
    body = AnswerBody.model_validate({**dict(filled.given), "claim_id": item.claim_id})
    await visit.desk.answer(visit.session.principal, question_id, body)
    return RedirectResponse(f"{HOME}/{question_id}/done", 303)


@router.get("/{question_id}/done")
async def done(request: Request, question_id: UUID) -> Response:
    """The answer has arrived."""
    visit = _visit(request)
    return visit.pages.page("done.html", visit.session)


async def _held(visit: _Visit, question_id: UUID) -> Item:
    """The question, held by this person. Raises Problem 404, 409 where somebody else holds it or it is answered."""
    item = await visit.desk.open(visit.session.principal, question_id)
    if item is None:
        raise Problem(
            409,
            "question-taken",
            "Somebody else is answering this question, or it has been answered",
            "Go to the start to see what still waits",
        )
    return item


async def _arrived(visit: _Visit, question_id: UUID, fields: Mapping[str, object]) -> bool:
    """Whether the question has this very answer."""
    desk = visit.desk
    item = await desk.table.find(desk.ledger.pool, desk.seats(visit.session.principal), question_id)
    if item is None or item.digest is None:
        return False
    filled = read_answer(fields, fact_fields(desk.dictionary, item.seat.agency), desk.ledger.clock.now())
    return filled.given is not None and filled.given.digest == item.digest


def _form(visit: _Visit, item: Item, fields: Mapping[str, object], wrong: Mapping[str, str]) -> Response:
    facts = fact_fields(visit.desk.dictionary, item.seat.agency)
    return visit.pages.page(
        "question.html",
        visit.session,
        status=422 if wrong else 200,
        errors=[{"text": text, "href": f"#{_target(name)}"} for name, text in wrong.items()],
        wrong=wrong,
        values={name: value for name, value in fields.items() if isinstance(value, str)},
        facts=facts,
        states=STATES,
        reasons=REASONS,
        bases=BASES,
        dates=DATES,
        dash_questions=DASH_QUESTIONS,
        **_shown(visit, item),
    )


def _target(name: str) -> str:
    """The element that a line of the error summary leads to: of a date its first part."""
    return f"{name}-day" if name in DATES else name


def _check(
    visit: _Visit, item: Item, fields: Mapping[str, object], facts: tuple[FactField, ...], given: Given
) -> Response:
    rows = [("Answer", STATES[Spoken(given.state)])]
    if given.reason is not None:
        rows.append(("Why", REASONS[Declined(given.reason)]))
    rows += [
        (field.label, field.said(str(fields[field.name]).strip()))
        for field in facts
        if str(fields.get(field.name, "")).strip()
    ]
    if given.facts:
        rows.append(("How this is known", BASES[Basis(given.facts[0].basis)]))
    if given.dash is not None:
        rows.append(("DASH checklist", f"{given.dash.yes} yes of {given.dash.asked} asked"))
    for name, label in DATES.items():
        day = getattr(given, name)
        if day is not None:
            rows.append((label, day_words(day)))
    if given.narrative is not None:
        rows.append(("Other information", given.narrative))
    carried = {
        name: value for name, value in fields.items() if isinstance(value, str) and value and name not in _OWN
    }
    return visit.pages.page("check.html", visit.session, rows=rows, carried=carried, **_shown(visit, item))

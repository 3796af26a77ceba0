"""A question in the hub's own words, as agencies are asked that have no client of their own yet."""

import hmac
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import JSONResponse, Response

from sandbox.agencies.behaviour import Fault, Manner
from sandbox.agencies.supplier import Asked, Say, Supplier, body_of

SOMEBODY_ELSE = {"nhs_number": "9990041288", "born": "1999-01-01"}
UNKNOWN_FACT = {"fact": "child.colour_of_hat", "value": "red", "basis": "record"}
SAID = {
    Manner.NOTHING_HELD: {"state": "nothing_held"},
    Manner.OUTSIDE_COVERAGE: {"state": "outside_coverage"},
    Manner.DECLINE: {"state": "declined", "reason": "We do not share this."},
}


def questions_router(suppliers: Mapping[str, Supplier], *, key: str) -> APIRouter:
    """`POST /agencies/{agency}/questions`."""
    router = APIRouter(prefix="/agencies", tags=["agencies"])

    @router.post("/{agency}/questions")
    async def ask(agency: str, request: Request) -> Response:
        """Answers a question about one child."""
        supplier = suppliers.get(agency)
        if supplier is None:
            raise HTTPException(404, "no such agency; there are " + ", ".join(suppliers))
        authorization = request.headers.get("authorization", "")
        if not hmac.compare_digest(authorization.encode(), f"Bearer {key}".encode()):
            return JSONResponse({"error": "unauthorised"}, 401, {"www-authenticate": "Bearer"})
        idempotency_key = request.headers.get("idempotency-key")
        if idempotency_key is None:
            return JSONResponse({"error": "Idempotency-Key is missing"}, 400)
        raw, question = await body_of(request)
        if question is None:
            return JSONResponse({"error": "not JSON"}, 400)
        asked = supplier.note(
            str(question.get("question_id")),
            question.get("child") or {},
            question.get("mother"),
            key=idempotency_key,
        )
        return await supplier.play(
            asked, "question", raw, lambda say: _answer(supplier, asked, question, say), first=True
        )

    return router


def _answer(supplier: Supplier, asked: Asked, question: Mapping[str, Any], say: Say) -> Response:
    if say.manner is Manner.LATE:
        return Response(status_code=202, headers={"retry-after": str(say.wait)})
    body: dict[str, Any] = dict(SAID.get(say.manner) or _knowledge(supplier, asked))
    addressed = _addressed(question, body)
    match say.fault:
        case Fault.FUTURE_DATE:
            addressed["as_of"] = "2190-01-01"
        case Fault.UNKNOWN_STATE:
            addressed = _addressed(question, {"state": "maybe"})
        case Fault.UNKNOWN_FACT:
            words = {"state": "returned", "facts": [UNKNOWN_FACT], "narrative": "The rest is in words."}
            addressed |= words
        case Fault.SOMEONE_ELSE:
            addressed["child"] = SOMEBODY_ELSE
    return JSONResponse(addressed)


def _knowledge(supplier: Supplier, asked: Asked) -> dict[str, Any]:
    if asked.known is None or supplier.name not in asked.known.agencies:
        return {"state": "nothing_held", "as_of": supplier.today.isoformat()}
    return asked.known.agencies[supplier.name].answer(supplier.today)


def _addressed(question: Mapping[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    child = question.get("child") or {}
    told = {
        name: child[name] for name in ("nhs_number", "upn", "given_name", "family_name") if child.get(name)
    }
    if (born := (child.get("born") or {}).get("on")) is not None:
        told["born"] = born
    return {"question_id": question.get("question_id"), "child": told} | body

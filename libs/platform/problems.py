"""Problem documents (RFC 9457): the one shape of every refusal and failure.

A problem never repeats a value that was sent and never carries an exception's text: both may be about a
child.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from opentelemetry import trace
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from libs.platform.database import is_passing
from libs.platform.paths import allowed_methods
from libs.platform.validation import FieldError, body_errors, parameter_errors

MEDIA_TYPE = "application/problem+json"
ANSWERED = "mash.answered"
"""Set in the scope once an unexpected failure was logged and answered."""

RETRY_AFTER_SECONDS = 5
"""What a caller is asked to wait while the database is away: about as long as it takes to come back."""

_TITLES = {
    400: ("bad-request", "The request cannot be read"),
    401: ("unauthenticated", "A valid access token is needed"),
    403: ("forbidden", "This is not permitted"),
    404: ("not-found", "There is nothing here"),
    405: ("method-not-allowed", "This method is not offered here"),
    406: ("not-acceptable", "The wanted media type is not offered"),
    413: ("body-too-large", "The body is too large"),
    415: ("unsupported-media-type", "The body's media type is not accepted"),
    429: ("too-many-requests", "Too many requests"),
    500: ("internal-error", "Something failed on our side"),
    503: ("unavailable", "Not available at the moment"),
}


class Problem(Exception):
    """A refusal or failure that the caller is told about.

    `code` is stable and documented; `title` says it in words; `detail` says what would be right, from
    constants and ids only. `extra` adds members. Raised anywhere below a request.
    """

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str | None = None,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})

    def response(self) -> Response:
        """The document as an HTTP response."""
        document: dict[str, Any] = {
            "type": f"urn:mash:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
        }
        if self.detail is not None:
            document["detail"] = self.detail
        if (trace_id := current_trace_id()) is not None:
            document["trace_id"] = trace_id
        if self.errors:
            document["errors"] = [error.member() for error in self.errors]
        document.update(self.extra)
        return Response(
            json.dumps(document, ensure_ascii=False), self.status, self.headers, media_type=MEDIA_TYPE
        )


def from_status(status: int, headers: Mapping[str, str] | None = None, detail: str | None = None) -> Problem:
    """The problem that a bare HTTP status stands for."""
    code, title = _TITLES.get(status, (f"http-{status}", "The request was refused"))
    return Problem(status, code, title, detail, headers=headers)


def invalid_body(errors: Sequence[FieldError]) -> Problem:
    """The body is JSON, but not what this operation takes."""
    return Problem(422, "body-invalid", "The body is not as it must be", errors=errors)


def from_validation(error: Any, model: type[BaseModel] | None = None) -> Problem:
    """The problem for a pydantic.ValidationError of a request's body; `model` lets it name what would be
    right.
    """
    return invalid_body(body_errors(error.errors(include_url=False, include_input=False), model))


def current_trace_id() -> str | None:
    """The present trace's id as 32 hex digits, if there is one."""
    context = trace.get_current_span().get_span_context()
    return format(context.trace_id, "032x") if context.is_valid else None


def install(app: FastAPI) -> None:
    """Makes every failure of the application answer with a problem document."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


async def _problem(request: Request, error: Exception) -> Response:
    return cast(Problem, error).response()


async def _invalid(request: Request, error: Exception) -> Response:
    found = cast(RequestValidationError, error).errors()
    if any(item["loc"][:1] == ("body",) for item in found):
        stripped = [{**item, "loc": item["loc"][1:]} for item in found]
        return invalid_body(body_errors(stripped, None)).response()
    parameters = parameter_errors(found)
    for item in parameters:
        if item.parameter == "idempotency-key":
            return Problem(
                400,
                "idempotency-key-missing" if item.code == "missing" else "idempotency-key-invalid",
                "An Idempotency-Key header is needed",
                "send 1 to 255 visible ASCII characters, new for each thing that is created, "
                "the same when trying again",
            ).response()
    return Problem(
        422, "parameters-invalid", "The parameters are not as they must be", errors=parameters
    ).response()


async def _http(request: Request, error: Exception) -> Response:
    refusal = cast(HTTPException, error)
    headers = dict(refusal.headers or {})
    if refusal.status_code == 405 and (methods := allowed_methods(request.app, request.url.path)):
        headers["Allow"] = ", ".join(methods)
    return from_status(refusal.status_code, headers).response()


async def _unexpected(request: Request, error: Exception) -> Response:
    request.scope[ANSWERED] = True
    if is_passing(error):
        structlog.get_logger().warning("request failed in passing", exc_info=error)
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
        return from_status(
            503, headers, "try again; with the same Idempotency-Key where there is one"
        ).response()
    structlog.get_logger().error("request failed", exc_info=error)
    return from_status(500, detail="quote the trace_id when reporting it").response()


class FieldProblem(BaseModel):
    """One wrong place of a request."""

    pointer: str | None = Field(None, description="JSON Pointer (RFC 6901) into the body.")
    parameter: str | None = Field(None, description="Name of the path, query or header parameter.")
    code: str
    detail: str = Field(description="What would be right. Never what was sent.")


class ProblemDocument(BaseModel):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    code: str = Field(description="Stable; what programs compare.")
    detail: str | None = None
    trace_id: str | None = Field(None, description="Names the request's trace when reporting it.")
    errors: list[FieldProblem] | None = None


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI `responses` of an operation that can refuse with these statuses."""
    return {
        status: {
            "description": _TITLES.get(status, ("", "The request was refused"))[1],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
        }
        for status in statuses
    }

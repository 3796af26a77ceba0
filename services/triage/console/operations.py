"""The API's operations as the pages call them: what they answer, or the problem in words for staff."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import httpx

from libs.platform.auth import Principal
from libs.platform.inside import Inside
from libs.platform.problems import Problem
from libs.platform.validation import FieldError
from services.triage.console.people import People
from services.triage.console.words import sentence, when

_MEMBERS = frozenset(("type", "title", "status", "code", "detail", "trace_id", "errors"))

_SAID: Mapping[str, str] = {
    "to-be-read": "Read the referrer’s words first, then decide.",
    "processing-stopped": "Act by telephone. Decide once the message has been taken in.",
    "manager-needed": "A manager must do this.",
    "claimed": "Wait until they are done, or ask a manager to take the case over.",
    "changed-meanwhile": "Look at the case again, then decide.",
    "scope-missing": "Your sign-in does not permit this.",
    "role-missing": "Your role does not permit this.",
    "idempotency-key-reused": "Then it was kept with something else in it. Sent again, this stands beside it.",
    "unavailable": "Send it again in a minute: nothing is kept twice. If it is urgent, act by telephone.",
    "internal-error": "Send it again. If it fails again, tell whoever runs this service.",
}
"""What staff do about a refusal; the API's own advice is for programs."""

_FIRST = ("held_by", "reviewer", "worker", "owner", "explained_by")
"""The members of a refusal that tell who was first."""


class Operations:
    """Calls operations as one person. `people`: what a refusal calls whoever was first."""

    def __init__(self, inside: Inside, caller: Principal, people: People) -> None:
        self._inside = inside
        self._caller = caller
        self._people = people

    async def _call(self, method: str, path: str, **given: Any) -> httpx.Response:
        return answered(await self._inside.call(self._caller, method, path, **given), self._people)

    async def get(self, path: str, **query: Any) -> Any:
        """What an operation shows. Raises Problem."""
        given = {name: value for name, value in query.items() if value not in (None, "", False)}
        return (await self._call("GET", path, query=given)).json()

    async def read(self, path: str) -> tuple[Any, str]:
        """What an operation shows, with its entity tag. Raises Problem."""
        answer = await self._call("GET", path)
        return answer.json(), answer.headers.get("etag", "")

    async def export(self, path: str, media_type: str) -> httpx.Response:
        """What an operation shows, in another form. Raises Problem."""
        return await self._call("GET", path, headers={"Accept": media_type})

    async def maybe(self, path: str, **query: Any) -> Any:
        """The same; None where there is nothing, or the caller may not see it."""
        try:
            return await self.get(path, **query)
        except Problem as problem:
            if problem.status in (403, 404):
                return None
            raise

    async def put(self, path: str, body: Any, tag: str | None = None) -> Any:
        """Changes something. Raises Problem."""
        headers = {} if tag is None else {"If-Match": tag}
        return _json(await self._call("PUT", path, body=body, headers=headers))

    async def post(self, path: str, body: Any, key: str | None = None, tag: str | None = None) -> Any:
        """Adds something; `key`: new for each form, the same when it is sent again. Raises Problem."""
        headers = {"Idempotency-Key": key or uuid4().hex} | ({} if tag is None else {"If-Match": tag})
        return _json(await self._call("POST", path, body=body, headers=headers))

    async def delete(self, path: str) -> None:
        """Takes something away. Raises Problem."""
        await self._call("DELETE", path)


def answered(response: httpx.Response, people: People | None = None) -> httpx.Response:
    """The response, where it is no refusal. Raises Problem."""
    if response.is_success:
        return response
    raise problem_of(response, people or People())


def problem_of(response: httpx.Response, people: People) -> Problem:
    """A refusal or failure, with who was first and what staff can do about it."""
    try:
        document: dict[str, Any] = response.json()
    except ValueError:
        document = {}
    code = str(document.get("code", "unavailable"))
    first = _first(document, people)
    advice = _SAID.get(code, str(document["detail"]) if "detail" in document else None)
    return Problem(
        response.status_code,
        code,
        str(document.get("title", "This does not work at the moment")),
        advice if first is None else f"{first} {sentence(advice or '')}".rstrip(),
        errors=[
            FieldError(str(one.get("pointer", "")), str(one.get("code", "")), str(one.get("detail", "")))
            for one in document.get("errors", ())
        ],
        headers={name: response.headers[name] for name in ("etag",) if name in response.headers},
        extra={name: value for name, value in document.items() if name not in _MEMBERS},
    )


def _first(document: Mapping[str, Any], people: People) -> str | None:
    """Who was first, and since when, where a refusal tells it."""
    account = next((document[name] for name in _FIRST if isinstance(document.get(name), str)), None)
    if account is None:
        return None
    since = document.get("since") or document.get("at")
    return f"{people.called(account)}{f', since {when(since)}' if since else ''}."


def _json(response: httpx.Response) -> Any:
    return response.json() if response.content else None

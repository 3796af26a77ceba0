"""What somebody sent is not lost, whatever refuses it: its page comes back with it, or one that needs nothing does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from markupsafe import escape
from starlette.responses import Response

from libs.platform.pages import PageRoute, Pages, told
from libs.platform.problems import Problem

_OURS = frozenset(("csrf", "action", "key", "tag"))
"""Fields that the page filled in by itself, by the part of their name before a stop."""

_CODE = re.compile(r"[a-z0-9_]*|[0-9a-f-]{36}")
"""What was chosen and not written: a page would show it as the words of a list."""


@dataclass
class Given:
    """The fields of a form that is proven to be of a page of ours, and what refused it."""

    fields: dict[str, str]
    problem: Problem | None = None

    @property
    def work(self) -> dict[str, str]:
        """What of the fields is somebody's work."""
        return {name: text for name, text in self.fields.items() if text and name not in _OURS}

    def written(self) -> Iterator[str]:
        """What somebody wrote in words of their own, each text once."""
        texts = (text for name, text in self.fields.items() if text and name.partition(".")[0] not in _OURS)
        yield from dict.fromkeys(text for text in texts if not _CODE.fullmatch(text))

    def missing(self, html: str) -> list[str]:
        """What somebody wrote and a page does not show."""
        return [text for text in self.written() if str(escape(text)) not in html]


def given(request: Request) -> Given | None:
    """The form that a request came with, once it is read."""
    found: Given | None = getattr(request.state, "given", None)
    return found


class ConsoleRoute(PageRoute):
    """A page of the console. A form that is refused shows its page again, as for looking at it, with what was filled
    in; where that fails too, a page that asks nobody for anything gives it back, to be sent again.
    """

    async def failed(self, request: Request, pages: Pages, problem: Problem) -> Response:
        """The page that tells of a refusal or failure."""
        sent = given(request)
        if sent is None or not sent.work:
            return await super().failed(request, pages, problem)
        session = pages.signin.session(request)
        if sent.problem is None:
            sent.problem = problem
            if session is not None:
                return await _looked_at(request)
        heading, lines = told(sent.problem)
        return pages.page(
            "unsent.html",
            session,
            status=sent.problem.status,
            heading=heading,
            lines=lines,
            path=request.url.path,
            fields=sent.fields,
            written=list(sent.written()),
        )


async def _looked_at(request: Request) -> Response:
    """The page of a form as whoever sent it would be shown it now."""
    scope: dict[str, Any] = {**request.scope, "method": "GET", "query_string": b""}
    head: dict[str, Any] = {}
    body: list[bytes] = []

    async def nothing() -> Mapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def keep(message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            head.update(message)
        else:
            body.append(message.get("body", b""))

    await request.app.router(scope, nothing, keep)
    response = Response(b"".join(body), head["status"])
    response.raw_headers = head["headers"]
    return response

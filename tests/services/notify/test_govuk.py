"""What each answer of GOV.UK Notify's API says of whether it has a message."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import httpx

from libs.platform.clock import ManualClock
from libs.schemas.notice import NoticeChannel
from services.notify.documents import Addressed
from services.notify.govuk import GovUkNotify
from services.notify.progress import (
    Accepted,
    Answer,
    Found,
    Limit,
    Limited,
    Message,
    NotSent,
    Refused,
    Unsure,
)
from tests.services.notify.conftest import KEY

OURS, OTHER, SENT = UUID(int=1), UUID(int=2), UUID(int=3)
ADDRESSED = Addressed(channel=NoticeChannel.EMAIL, address="referrer@example.org", template="t")
REPEATS = "referrer@example.org has no Zebedee"


def error(kind: str) -> dict[str, Any]:
    return {"status_code": 0, "errors": [{"error": kind, "message": REPEATS}]}


async def asked(clock: ManualClock, answer: Any, *, find: bool = False) -> Answer:
    """What one request comes to, that is answered with a status and a body, or ends in an error."""

    def respond(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        status, body = answer
        return httpx.Response(status, content=body if isinstance(body, bytes) else json.dumps(body).encode())

    async with httpx.AsyncClient(transport=httpx.MockTransport(respond), base_url="http://notify") as http:
        notify = GovUkNotify(http, KEY, clock)
        return await (notify.find(OURS) if find else notify.send(OURS, ADDRESSED, {}))


async def test_a_request_to_send_was_taken_was_not_or_nobody_knows(clock: ManualClock) -> None:
    said: list[tuple[Any, Answer]] = [
        ((201, {"id": str(SENT), "content": {"body": REPEATS}}), Accepted(SENT)),
        ((201, b"<html>"), Unsure("answer_unreadable")),
        ((429, error("RateLimitError")), Limited(Limit.RATE)),
        ((429, error("TooManyRequestsError")), Limited(Limit.DAY)),
        ((429, b""), Limited(Limit.RATE)),
        ((429, {"errors": []}), Limited(Limit.RATE)),
        ((401, error("AuthError")), NotSent("key_refused")),
        ((403, error("AuthError")), NotSent("key_refused")),
        ((400, error("BadRequestError")), Refused("notify_400")),
        ((404, b""), Refused("notify_404")),
        ((408, b""), Unsure("notify_408")),
        ((302, b""), Unsure("notify_302")),
        ((500, error("Exception")), Unsure("notify_500")),
        (httpx.ConnectError(REPEATS), NotSent("unreachable")),
        (httpx.ConnectTimeout(REPEATS), NotSent("unreachable")),
        (httpx.PoolTimeout(REPEATS), NotSent("unreachable")),
        (httpx.ReadTimeout(REPEATS), Unsure("answer_lost")),
        (httpx.WriteError(REPEATS), Unsure("answer_lost")),
        (httpx.RemoteProtocolError(REPEATS), Unsure("answer_lost")),
    ]
    for answer, meant in said:
        assert await asked(clock, answer) == meant, answer


async def test_a_look_up_shows_our_messages_alone_or_nothing_is_known(clock: ManualClock) -> None:
    def page(*references: UUID | None) -> dict[str, Any]:
        shown = [{"id": str(SENT), "reference": one and str(one), "status": "sending"} for one in references]
        return {"notifications": shown, "links": {}}

    ours = Message(SENT, "sending")
    said: list[tuple[Any, Answer]] = [
        ((200, page()), Found(())),
        ((200, page(OURS, OTHER, None)), Found((ours,))),
        ((200, page(OURS, OURS)), Found((ours, ours))),
        ((200, {"result": "error"}), Unsure("notify_200")),
        ((403, error("AuthError")), Unsure("notify_403")),
        ((404, page()), Unsure("notify_404")),
        (httpx.ConnectError(REPEATS), Unsure("answer_lost")),
    ]
    for answer, meant in said:
        assert await asked(clock, answer, find=True) == meant, answer

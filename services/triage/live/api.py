"""The operation that tells of changed cases."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.responses import StreamingResponse

from libs.platform.auth import Principal, requires
from libs.platform.problems import Problem, responses
from libs.platform.restricted import sees_all
from services.triage.access import note
from services.triage.live.feed import Feed

EVENTS = "text/event-stream"
UNBUFFERED = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

Reader = Annotated[Principal, requires("queue:read")]

router = APIRouter(prefix="/v1/queue", tags=["casework"])


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses={200: {"content": {EVENTS: {"schema": {"type": "string"}}}}, **responses(401, 403, 422, 503)},
    summary="The queue as it changes",
)
async def listen(
    request: Request,
    caller: Reader,
    last: Annotated[
        str | None,
        Header(alias="Last-Event-ID", max_length=60, description="The last `id` that was received."),
    ] = None,
) -> StreamingResponse:
    """Server-sent events. `changed` lists ids and versions of cases that are new or different; `reset` says that too
    much changed to be told of, so that the queue is to be read anew; `here` names the place to go on from.

    Any process serves any listener. After ten minutes it ends and is to be taken up again with `Last-Event-ID`.
    """
    feed: Feed = request.app.state.feed
    if feed.full:
        raise Problem(
            503, "too-many-listeners", "Too many listen already", "read the queue every few seconds instead"
        )
    ledger = request.app.state.office.ledger
    await note(ledger.pool, ledger.clock.now(), caller, "queue.listen")
    # Encoded once for all who listen, which FastAPI's own event response would do for each.
    return StreamingResponse(
        feed.messages(last, request.app.state.stop, sees_all=sees_all(caller)),
        media_type=EVENTS,
        headers=UNBUFFERED,
    )

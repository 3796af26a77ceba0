"""Receives the services' alarms, as a pager would, and lists them."""

from collections import deque
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from libs.schemas.clock import Clock

MOST_ALARMS = 1000
MOST_BYTES = 10_000


def alarms_router(clock: Clock) -> APIRouter:
    """`POST /alarms` takes one, `GET /alarms` lists the newest first, `DELETE /alarms` forgets them."""
    router = APIRouter(prefix="/alarms", tags=["alarms"])
    alarms: deque[dict[str, Any]] = deque(maxlen=MOST_ALARMS)

    @router.post("", status_code=202)
    async def raise_alarm(request: Request) -> Response:
        """Takes an alarm: any JSON object."""
        body = await request.body()
        if len(body) > MOST_BYTES:
            return JSONResponse({"error": "too long"}, 413)
        try:
            alarm = await request.json()
        except ValueError:
            return JSONResponse({"error": "not JSON"}, 400)
        alarms.appendleft({"received_at": clock.now().isoformat(), "alarm": alarm})
        return Response(status_code=202)

    @router.get("")
    async def list_alarms() -> list[dict[str, Any]]:
        """The newest alarms first."""
        return list(alarms)

    @router.delete("", status_code=204)
    async def forget_alarms() -> None:
        """Forgets all alarms."""
        alarms.clear()

    return router

"""The operation that explains a due time."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from libs.platform.auth import Principal, requires
from libs.platform.problems import Problem, responses
from libs.schemas.base import Instant
from services.triage.clocks.hub import Hub
from services.triage.clocks.preview import ClockPreview, preview

Reader = Annotated[Principal, requires("queue:read")]


async def _hub(request: Request) -> Hub:
    hub: Hub = request.app.state.hub
    return hub


router = APIRouter(prefix="/v1/clocks", tags=["clocks"])


@router.get(
    "/preview", responses=responses(400, 401, 403, 404, 422, 503), summary="Why something is due when it is"
)
async def preview_clock(
    caller: Reader,
    clock: Annotated[str, Query(description="The clock's id in `clocks.yaml`.", max_length=63)],
    start: Annotated[Instant, Query(description="When it starts.")],
    hub: Annotated[Hub, Depends(_hub)],
) -> ClockPreview:
    """The due time of a clock that starts at an instant, explained sentence by sentence. Nothing is stored."""
    found = hub.clocks.get(clock)
    if found is None:
        raise Problem(
            404, "clock-not-found", "There is no such clock", f"there are {', '.join(sorted(hub.clocks))}"
        )
    return preview(hub, found, start)

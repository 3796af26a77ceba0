"""The operation that tells what the staff are called."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from libs.platform.auth import Principal, requires
from libs.platform.problems import responses
from services.triage.colleagues.colleagues import ColleaguePage, Colleagues

QueueReader = Annotated[Principal, requires("queue:read")]

router = APIRouter(prefix="/v1", tags=["colleagues"])


@router.get(
    "/colleagues",
    response_model=ColleaguePage,
    responses=responses(401, 403, 503),
    summary="What the people of the staff are called",
)
async def list_colleagues(request: Request, caller: QueueReader) -> Response:
    """By name: everybody who signed in, with the account that stands wherever they did something."""
    colleagues: Colleagues = request.app.state.colleagues
    return Response(await colleagues.told(), media_type="application/json")

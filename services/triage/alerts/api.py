"""The operations of alerts."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request

from libs.platform.auth import Principal, requires
from libs.platform.bodies import json_body, read_json_body
from libs.platform.parameters import TRUE_FALSE, WHOLE
from libs.platform.problems import responses
from services.triage.alerts.alerts import Alerts
from services.triage.alerts.record import MOST, AcknowledgementBody, AlertPage, AlertView

QueueReader = Annotated[Principal, requires("queue:read")]
Worker = Annotated[Principal, requires("case:write")]

READS = responses(400, 401, 403, 422, 503)
WRITES = responses(400, 401, 403, 404, 409, 413, 415, 422, 503)


async def _alerts(request: Request) -> Alerts:
    alerts: Alerts = request.app.state.alerts
    return alerts


Bells = Annotated[Alerts, Depends(_alerts)]

router = APIRouter(prefix="/v1/alerts", tags=["alerts"])


@router.get("", responses=READS, summary="Red work about which people on call are told")
async def list_alerts(
    caller: QueueReader,
    alerts: Bells,
    case_id: Annotated[UUID | None, Query(description="Only alerts about this case.")] = None,
    ended: Annotated[bool, Query(description="Also those that somebody acknowledged."), TRUE_FALSE] = False,
    limit: Annotated[int, Query(ge=1, le=MOST), WHOLE] = 50,
) -> AlertPage:
    """Who was called when, whether the message arrived, and when the next one is called. Reading is recorded."""
    return await alerts.page(caller, case_id, limit, only_open=not ended)


@router.put(
    "/{alert_id}/acknowledgement",
    responses=WRITES,
    openapi_extra=json_body(AcknowledgementBody, required=False),
    summary="Say that you have the red work",
)
async def acknowledge(request: Request, caller: Worker, alert_id: UUID, alerts: Bells) -> AlertView:
    """Nobody else is called from now on. Reading a case, claiming it or deciding on it acknowledges nothing.

    409 says who acknowledged before. The same person sending it again gets the same answer.
    """
    body, _ = await read_json_body(request, AcknowledgementBody, optional=True)
    return await alerts.acknowledge(alert_id, body, caller)

"""The operations of facts from staff."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from libs.platform.auth import Principal
from libs.platform.bodies import json_body, read_json_body
from libs.platform.idempotency import IdempotencyKey
from libs.platform.problems import responses
from services.triage.findings.finding import Told
from services.triage.findings.findings import ChangedFinding, FindingKept, Findings, Retraction
from services.triage.restricted.rights import on_case

Worker = Annotated[Principal, on_case("case:write")]

WRITES = responses(400, 401, 403, 404, 409, 413, 415, 422, 503)


async def _findings(request: Request) -> Findings:
    findings: Findings = request.app.state.findings
    return findings


Kept = Annotated[Findings, Depends(_findings)]

router = APIRouter(prefix="/v1/cases/{case_id}/facts", tags=["facts from staff"])


@router.post(
    "",
    status_code=201,
    responses=WRITES,
    openapi_extra=json_body(Told),
    summary="Add what was told, seen or read",
)
async def add_facts(
    request: Request, caller: Worker, case_id: UUID, key: IdempotencyKey, findings: Kept, response: Response
) -> FindingKept:
    """A telephone call, a visit, a record: whose word it is, how they know and on which day. It counts at once, for
    the home also with the child's brothers and sisters. It is corrected or taken back, never deleted.
    """
    body, fingerprint = await read_json_body(request, Told)
    kept, tag = await findings.add(case_id, body, caller, key, fingerprint)
    response.headers["ETag"] = f'"{tag}"'
    return kept


@router.put(
    "/{entry_id}/correction",
    responses=WRITES,
    openapi_extra=json_body(ChangedFinding),
    summary="Correct what was added",
)
async def correct_facts(
    request: Request, caller: Worker, case_id: UUID, entry_id: UUID, findings: Kept, response: Response
) -> FindingKept:
    """What counts in the entry's place, whole, with the reason. What it said before stays on record.

    The same correction sent again is the same answer; 409 where the entry was taken back.
    """
    body, fingerprint = await read_json_body(request, ChangedFinding)
    kept, tag = await findings.correct(case_id, entry_id, body, caller, fingerprint)
    response.headers["ETag"] = f'"{tag}"'
    return kept


@router.put(
    "/{entry_id}/retraction",
    responses=WRITES,
    openapi_extra=json_body(Retraction),
    summary="Take back what was added",
)
async def retract_facts(
    request: Request, caller: Worker, case_id: UUID, entry_id: UUID, findings: Kept, response: Response
) -> FindingKept:
    """Nothing of the entry counts any more, and all of it stays on record with the reason. A decision stands."""
    body, fingerprint = await read_json_body(request, Retraction)
    kept, tag = await findings.retract(case_id, entry_id, body, caller, fingerprint)
    response.headers["ETag"] = f'"{tag}"'
    return kept

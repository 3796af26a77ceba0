"""Pages about no one child: who has how much work, and the thresholds in English."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.triage.console.frame import visit
from services.triage.console.given import ConsoleRoute

router = APIRouter(prefix="/console", route_class=ConsoleRoute, include_in_schema=False)


@router.get("/workload")
async def show_workload(request: Request) -> Response:
    """Who has how much, and what nobody has."""
    there = visit(request, "queue:read")
    return there.page("workload.html", workload=await there.operations.get("/v1/workload"))


@router.get("/policy")
async def show_policy(request: Request) -> Response:
    """The thresholds in force, rule by rule."""
    there = visit(request, "policy:read")
    versions = await there.operations.get("/v1/policies")
    live = versions["live"]
    policy = None if live is None else await there.operations.get(f"/v1/policies/{live}")
    domains: dict[str, list[object]] = {}
    for rule in [] if policy is None else policy["rules"]:
        domains.setdefault(rule["domain"], []).append(rule)
    return there.page("policy.html", policy=policy, domains=domains, versions=versions["items"])

"""Who may call which operation: one table over every operation of every service, held against the running system.

An operation without a line in `roles.yaml` fails, and so does a line without an operation.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from libs.platform.clock import ManualClock, SystemClock
from libs.schemas.events import Service
from sandbox.issuer import Issuer, load_clients, load_key
from tests.journeys.conftest import Running

TABLE = Path(__file__).with_name("roles.yaml")
ROLES: Mapping[str, str] = {
    "referrer": "st_ives_primary",
    "agency": "marac-team",
    "worker": "staff-worker-1",
    "social_worker": "staff-sw-1",
    "manager": "staff-mgr-1",
    "panel_chair": "panel-chair-1",
    "receiver": "receiver-csc-1",
    "operations": "operations",
    "auditor": "auditor-1",
    "governance": "governance",
}
"""Each role, and the client of the sandbox that plays it."""

STRANGERS = ("nobody", "expired", "other_authority")
"""Who never gets in: no token, one whose time is over, one that another authority's issuer made for itself."""

NOBODYS = "0199d0a4-6c00-7a11-8b01-5f0c6f1a2b99"
FILLED = {
    "reference": "K7TM-P2RW-C",
    "number": "1",
    "fingerprint": "0" * 64,
    "clock": "decision",
    "agency": "police",
    "panel": "north",
    "day": "2026-11-25",
    "name": "marac_daily",
}
REFUSED = (401, 403)


def table() -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = yaml.load(TABLE.read_text(), yaml.CSafeLoader)
    return found


@pytest.fixture(scope="module")
def documents(running: Running) -> dict[str, dict[str, Any]]:
    """Every service's OpenAPI document, by the service's name."""
    with httpx.Client(trust_env=False) as http:
        urls = running.urls
        return {one.value: http.get(f"{urls[one.value]}/openapi.json").json() for one in Service}


@pytest.fixture(scope="module")
def tokens(running: Running) -> dict[str, str | None]:
    """A token for each role and stranger."""
    issued: dict[str, str | None] = {role: running.client.token(client) for role, client in ROLES.items()}
    held = json.loads(_claims(running.client.token("staff-mgr-1")))
    key = load_key(running.data)
    past = ManualClock(SystemClock().now() - timedelta(days=1))
    clients = load_clients()
    issuer = Issuer(key, clients, issuer=held["iss"], audience=held["aud"], clock=past)
    issued["expired"] = issuer.token("staff-mgr-1")
    elsewhere = {"staff-mgr-1": replace(clients["staff-mgr-1"], name="Somebody of another authority")}
    other = Issuer(key, elsewhere, issuer=held["iss"], audience="mash-elsewhere", clock=SystemClock())
    issued["other_authority"] = other.token("staff-mgr-1")
    return {**issued, "nobody": None}


def _claims(token: str) -> bytes:
    import base64

    part = token.split(".")[1]
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for path, methods in document["paths"].items():
        for method in methods:
            yield method.upper(), path


def test_every_operation_has_a_line_and_every_line_an_operation(documents: dict[str, dict[str, Any]]) -> None:
    offered = {name: {f"{m} {p}" for m, p in operations(document)} for name, document in documents.items()}
    lines = {name: set(of_service) for name, of_service in table().items()}
    assert offered == lines


def test_every_line_names_roles_that_there_are() -> None:
    named = {role for of_service in table().values() for roles in of_service.values() for role in roles}
    assert named <= {*ROLES, "anybody"}


@pytest.mark.parametrize("service", [one.value for one in Service])
def test_each_operation_lets_in_whom_the_table_names_and_nobody_else(
    running: Running, tokens: dict[str, str | None], service: str
) -> None:
    wrong = []
    with httpx.Client(base_url=running.urls[service], trust_env=False, timeout=20) as http:
        for operation, roles in table()[service].items():
            for role, token in tokens.items():
                status = _status(http, operation, token)
                assert status < 500 or status == 503, (operation, role, status)
                wanted = role in roles or "anybody" in roles
                if (status not in REFUSED) is not wanted or (
                    role in STRANGERS and not wanted and status != 401
                ):
                    wrong.append((operation, role, status))
    assert wrong == []


def _status(http: httpx.Client, operation: str, token: str | None) -> int:
    """What the operation answers to a request that changes nothing: about nobody, with a body that says nothing."""
    method, path = operation.split(" ", 1)
    for part in path.split("/"):
        if part.startswith("{"):
            name = part.strip("{}").partition(":")[0]
            path = path.replace(part, FILLED.get(name, NOBODYS))
    headers = {"Idempotency-Key": "roles", "If-Match": '"0.0.0.0"', "Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    body = None if method in ("GET", "DELETE") else b"[]"
    # A stream of events does not end: what it answers is known with its first line.
    with http.stream(method, path, headers=headers, content=body) as response:
        return response.status_code

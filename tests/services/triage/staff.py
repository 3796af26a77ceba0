"""Members of staff, as they call triage's operations."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx

from sandbox.issuer import Issuer

CANARY = "Zyxwquill"
"""A name that must appear in payloads only."""


@dataclass
class Person:
    """A member of staff, who gets a fresh token for each request."""

    http: httpx.AsyncClient
    issuer: Issuer
    id: str

    @property
    def token(self) -> str:
        return self.issuer.token(self.id)

    async def get(self, path: str, **parameters: Any) -> httpx.Response:
        return await self.http.get(path, params=parameters, headers={"Authorization": f"Bearer {self.token}"})

    async def put(self, path: str, body: Any, tag: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"} | ({"If-Match": tag} if tag is not None else {})
        return await self.http.put(path, json=body, headers=headers)

    async def post(
        self, path: str, body: Any, key: str | None = None, tag: str | None = None
    ) -> httpx.Response:
        """`key`: the Idempotency-Key; by default a new one."""
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": key or uuid4().hex}
        headers |= {"If-Match": tag} if tag is not None else {}
        return await self.http.post(path, json=body, headers=headers)

    async def delete(self, path: str) -> httpx.Response:
        return await self.http.delete(path, headers={"Authorization": f"Bearer {self.token}"})

    async def open(self, case_id: UUID) -> tuple[dict[str, Any], str]:
        """Reads a case: what it shows, and its entity tag."""
        answer = await self.get(f"/v1/cases/{case_id}")
        assert answer.status_code == 200, answer.text
        return answer.json(), answer.headers["etag"]

    async def read(self, case_id: UUID, tag: str | None = None, **reading: Any) -> httpx.Response:
        """Reads the words of a case as it stands, or as it stood at `tag`."""
        return await self.put(f"/v1/cases/{case_id}/reading", reading, tag or (await self.open(case_id))[1])

    async def sign(self, case_id: UUID, tag: str | None = None, **body: Any) -> httpx.Response:
        """Signs what waits on a case as it stands, or as it stood at `tag`."""
        tag = tag or (await self.open(case_id))[1]
        return await self.put(f"/v1/cases/{case_id}/sign-off", {"agree": True, **body}, tag)

    async def accept(self, case_id: UUID, decision: int = 1) -> None:
        """Somebody at the receiving end accepted, as staff were told by telephone."""
        body = {"decision": decision, "accepted_by": "Robin Day, assessment team"}
        answer = await self.put(f"/v1/cases/{case_id}/handover/acceptance", body)
        assert answer.status_code == 200, answer.text

    async def decide(self, case_id: UUID, tag: str | None, **body: Any) -> httpx.Response:
        """Decides; obliged actions that are open are under way, unless `body` says otherwise."""
        decision: dict[str, Any] = {
            "level": "targeted",
            "destination": "early_help",
            "rationale": f"{CANARY} needs help at home.",
            "may_tell_referrer": True,
            **body,
        }
        if decision.get("departure_reason") is not None:
            decision = {"departure_code": "seen_since", **decision}
        if "obliged" not in decision:
            wish = {"level": decision["level"], "destination": decision["destination"]}
            needed = await self.get(f"/v1/cases/{case_id}/authority", **wish)
            open_now = needed.json().get("obliged", ()) if needed.status_code == 200 else ()
            decision["obliged"] = {kind: {"state": "under_way"} for kind in open_now}
        return await self.put(f"/v1/cases/{case_id}/decision", decision, tag)

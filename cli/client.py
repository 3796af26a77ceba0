"""Speaks with a running local system the way that partners, staff and operations do: through its APIs alone."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx

from sandbox.issuer import load_clients

SOCIAL_WORKER = "staff-sw-1"
MANAGER = "staff-mgr-1"
OPERATIONS = "operations"
RENEW_SECONDS = 300.0


class Refused(Exception):
    """An operation was refused or nobody answered. The message is for a person; it repeats nothing that was sent."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Client:
    """`urls`: the base address of each part by its name, as in RunState."""

    def __init__(self, urls: Mapping[str, str], *, transport: httpx.BaseTransport | None = None) -> None:
        self._urls = dict(urls)
        self._http = httpx.Client(timeout=15.0, trust_env=False, transport=transport)
        self._clients = load_clients()
        self._tokens: dict[str, tuple[float, str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def token(self, client: str) -> str:
        """An access token of one of the sandbox's clients. Raises Refused for one that it does not know."""
        if client not in self._clients:
            raise Refused(f"the sandbox has no client of that name; it has {', '.join(self._clients)}")
        until, known = self._tokens.get(client, (0.0, ""))
        if until > time.monotonic():
            return known
        answer = self._send(
            "POST",
            "sandbox",
            "/issuer/token",
            data={"grant_type": "client_credentials"},
            auth=(client, self._clients[client].secret),
        ).json()
        token = str(answer["access_token"])
        self._tokens[client] = (time.monotonic() + float(answer["expires_in"]) - RENEW_SECONDS, token)
        return token

    def refer(self, client: str, referral: Mapping[str, Any], key: str | None = None) -> dict[str, Any]:
        """Sends a referral; gives intake's answer."""
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        return self._json("POST", "intake", "/v1/referrals", client, json=referral, headers=headers)

    def status(self, client: str, reference: str) -> dict[str, Any]:
        """What the referrer's own agency may see."""
        return self._json("GET", "intake", f"/v1/referrals/{reference}", client)

    def journey(self, service: str, reference: str) -> dict[str, Any] | None:
        """How far a referral has come in one service; None where it has not arrived there."""
        try:
            return self._json("GET", service, f"/v1/journeys/{reference}", OPERATIONS)
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    def case(self, case_id: str, staff: str = SOCIAL_WORKER) -> tuple[dict[str, Any], str]:
        """A case as staff see it, and its entity tag."""
        response = self._send("GET", "triage", f"/v1/cases/{case_id}", headers=self._bearer(staff))
        return response.json(), response.headers.get("etag", "")

    def read_words(
        self, case_id: str, etag: str, reading: Mapping[str, Any], staff: str = SOCIAL_WORKER
    ) -> None:
        """Says, as a member of staff who has seen the case with this tag, what the referrer's words tell."""
        path = f"/v1/cases/{case_id}/reading"
        self._json("PUT", "triage", path, staff, json=reading, headers={"If-Match": etag})

    def say_who(
        self, case_id: str, etag: str, said: Mapping[str, Any], staff: str = SOCIAL_WORKER
    ) -> dict[str, Any]:
        """Says, as a member of staff who has seen the case with this tag, who the child is."""
        path = f"/v1/cases/{case_id}/person-decisions"
        headers = {"If-Match": etag, "Idempotency-Key": str(uuid.uuid4())}
        return self._json("POST", "triage", path, staff, json=said, headers=headers)

    def decide(self, case_id: str, etag: str, decision: Mapping[str, Any], staff: str) -> dict[str, Any]:
        """Decides a case as a member of staff."""
        path = f"/v1/cases/{case_id}/decision"
        return self._json("PUT", "triage", path, staff, json=decision, headers={"If-Match": etag})

    def authority(self, case_id: str, level: str, destination: str, staff: str) -> dict[str, Any]:
        """What a decision of that level and destination by a member of staff needs."""
        wish = {"level": level, "destination": destination}
        return self._json("GET", "triage", f"/v1/cases/{case_id}/authority", staff, params=wish)

    def sign(
        self, case_id: str, etag: str, *, agree: bool = True, note: str | None = None, staff: str = MANAGER
    ) -> dict[str, Any]:
        """Signs the decision that waits on a case, or returns it."""
        path, body = f"/v1/cases/{case_id}/sign-off", {"agree": agree, "note": note}
        return self._json("PUT", "triage", path, staff, json=body, headers={"If-Match": etag})

    def receiver(self, team: str) -> str:
        """Whoever receives children for a team; where the sandbox has nobody, staff of the hub record the answer."""
        receives = (one.id for one in self._clients.values() if one.team == team)
        return next(receives, SOCIAL_WORKER)

    def accept(self, case_id: str, decision: int, staff: str) -> dict[str, Any]:
        """Accepts a child at the receiving end."""
        path = f"/v1/cases/{case_id}/handover/acceptance"
        body = {"decision": decision, "accepted_by": "Sandbox, receiving team"}
        return self._json("PUT", "triage", path, staff, json=body)

    def parked(self, service: str, path: str = "", **request: Any) -> dict[str, Any]:
        """An operation on a service's parked messages; a POST where a body or `post` is given."""
        method = "POST" if request.pop("post", False) or "json" in request else "GET"
        return self._json(method, service, f"/v1/parked{path}", OPERATIONS, **request)

    def _bearer(self, client: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(client)}"}

    def _json(self, method: str, part: str, path: str, client: str, **request: Any) -> dict[str, Any]:
        headers = {**self._bearer(client), **request.pop("headers", {})}
        answer: dict[str, Any] = self._send(method, part, path, headers=headers, **request).json()
        return answer

    def _send(self, method: str, part: str, path: str, **request: Any) -> httpx.Response:
        try:
            response = self._http.request(method, f"{self._urls[part]}{path}", **request)
        except httpx.HTTPError as error:
            raise Refused(f"{part} does not answer ({type(error).__name__})") from None
        if response.status_code >= 400:
            raise Refused(
                f"{part} answered {response.status_code}: {_reason(response)}", response.status_code
            )
        return response


def _reason(response: httpx.Response) -> str:
    """What a problem document says, with the places that it names."""
    try:
        problem = response.json()
        lines = [str(problem.get("title") or problem.get("error") or "no reason was given")]
        if problem.get("detail"):
            lines.append(str(problem["detail"]))
        lines += [f"{error.get('pointer')}: {error.get('detail')}" for error in problem.get("errors", ())]
    except (ValueError, AttributeError):
        return "no reason was given"
    return "; ".join(lines)

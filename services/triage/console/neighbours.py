"""What the console asks of the other services: over HTTP, as the console's own client, with nobody's session."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx

from libs.platform.problems import Problem
from libs.schemas.clock import Clock
from services.triage.console.operations import answered

RENEW_BEFORE = timedelta(seconds=60)


def _away(what: str) -> Problem:
    return Problem(
        503, "neighbour-away", f"{what} cannot be reached at the moment", "Try again, or telephone"
    )


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the other services and the token issuer are. A service that is None is not offered."""

    issuer: str
    intake: str | None
    enrichment: str | None


class HttpNeighbours:
    """Asks intake and enrichment. `http` is any client that may reach all three addresses."""

    def __init__(
        self, addresses: Addresses, client: str, secret: str, http: httpx.AsyncClient, clock: Clock
    ) -> None:
        self._addresses = addresses
        self._client = client
        self._secret = secret
        self._http = http
        self._clock = clock
        self._token: str | None = None
        self._until = clock.now()
        self._fetching = asyncio.Lock()

    async def agencies(self) -> Any:
        """How the agencies stand. Raises Problem."""
        return await self._ask("The checks", self._addresses.enrichment, "GET", "/v1/agencies", {}, None)

    async def refer(self, body: Mapping[str, Any], key: str) -> Any:
        """Sends a referral to intake, and gives its answer. Raises Problem."""
        headers = {"Idempotency-Key": key}
        return await self._ask("Intake", self._addresses.intake, "POST", "/v1/referrals", headers, body)

    async def _ask(
        self,
        what: str,
        address: str | None,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: Mapping[str, Any] | None,
    ) -> Any:
        if address is None:
            raise _away(what)
        try:
            bearer = {"Authorization": f"Bearer {await self._bearer()}"}
            answer = await self._http.request(
                method, f"{address}{path}", json=body, headers={**headers, **bearer}
            )
        except httpx.HTTPError:
            raise _away(what) from None
        if answer.status_code in (401, 403) or answer.is_server_error:
            # Nothing that the signed-in person did or could put right.
            self._token = None
            raise _away(what)
        try:
            return answered(answer).json()
        except ValueError:
            # Something between answers in the neighbour's place.
            raise _away(what) from None

    async def _bearer(self) -> str:
        """A token of the console's own (RFC 6749 section 4.4). Raises httpx.HTTPError."""
        async with self._fetching:
            if self._token is None or self._clock.now() >= self._until:
                described = await self._http.get(f"{self._addresses.issuer}/.well-known/openid-configuration")
                described.raise_for_status()
                try:
                    answer = await self._http.post(
                        str(described.json()["token_endpoint"]),
                        data={"grant_type": "client_credentials"},
                        auth=httpx.BasicAuth(self._client, self._secret),
                    )
                    answer.raise_for_status()
                    said = answer.json()
                    self._token = str(said["access_token"])
                    lasts = timedelta(seconds=float(said.get("expires_in", 0)))
                except (ValueError, KeyError, TypeError):
                    raise httpx.DecodingError("the issuer's answer cannot be read") from None
                self._until = self._clock.now() + lasts - RENEW_BEFORE
            return self._token

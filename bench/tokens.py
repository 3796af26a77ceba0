"""Access tokens of the sandbox's issuer, for benchmarks."""

from __future__ import annotations

import httpx

from sandbox.issuer import load_clients


async def token(sandbox: str, client_id: str) -> str:
    """An access token of one of the sandbox's clients."""
    client = load_clients()[client_id]
    async with httpx.AsyncClient() as http:
        answer = await http.post(
            f"{sandbox}/issuer/token",
            data={"grant_type": "client_credentials"},
            auth=(client.id, client.secret),
        )
    answer.raise_for_status()
    found: str = answer.json()["access_token"]
    return found

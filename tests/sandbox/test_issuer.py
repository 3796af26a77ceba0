"""The token issuer of the sandbox, as a resource server and a careless client meet it."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import KeySet

from sandbox.issuer import Issuer, issuer_router, load_clients, load_key

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


class Standing:
    def now(self) -> datetime:
        return NOW


def issuer(data: Path) -> Issuer:
    return Issuer(
        load_key(data),
        load_clients(),
        issuer="http://sandbox/issuer",
        audience="mash",
        clock=Standing(),
    )


def client(served: Issuer) -> httpx.AsyncClient:
    app = FastAPI()
    app.include_router(issuer_router(served))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sandbox")


POLICE = httpx.BasicAuth("cambridgeshire_police", "sandbox-only-cambridgeshire-police")
NONE = httpx.Auth()


async def test_a_token_carries_every_claim_that_rfc_9068_and_our_services_demand(
    tmp_path: Path,
) -> None:
    async with client(issuer(tmp_path)) as http:
        answer = await http.post("/issuer/token", data={"grant_type": "client_credentials"}, auth=POLICE)
        keys = KeySet.import_key_set((await http.get("/issuer/jwks.json")).json())
    token = jwt.decode(answer.json()["access_token"], keys, algorithms=["ES256"])
    assert answer.headers["cache-control"] == "no-store"
    assert token.header["typ"] == "at+jwt"
    claims = dict(token.claims)
    assert claims.pop("jti")
    assert claims == {
        "iss": "http://sandbox/issuer",
        "aud": "mash",
        "sub": "cambridgeshire_police",
        "client_id": "cambridgeshire_police",
        "scope": "referral:submit referral:read",
        "iat": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 3600,
        "agency": "cambridgeshire_police",
        "roles": [],
        "name": "Cambridgeshire police referral system (sandbox)",
    }


async def test_staff_have_roles_and_no_agency(tmp_path: Path) -> None:
    served = issuer(tmp_path)
    form = {
        "grant_type": "client_credentials",
        "client_id": "staff-mgr-1",
        "client_secret": "sandbox-only-staff-mgr-1",
    }
    async with client(served) as http:
        answer = await http.post("/issuer/token", data=form)
    keys = KeySet.import_key_set(served.jwks())  # type: ignore[arg-type]
    claims = jwt.decode(answer.json()["access_token"], keys, algorithms=["ES256"]).claims
    assert claims["roles"] == ["manager"]
    assert "agency" not in claims


async def test_a_restart_keeps_tokens_valid_and_the_private_key_private(
    tmp_path: Path,
) -> None:
    before = issuer(tmp_path).token("operations")
    after = issuer(tmp_path)
    keys = KeySet.import_key_set(after.jwks())  # type: ignore[arg-type]
    assert jwt.decode(before, keys, algorithms=["ES256"]).claims["sub"] == "operations"
    assert "d" not in after.jwks()["keys"][0]
    assert stat.S_IMODE((tmp_path / "issuer-key.json").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("form", "auth", "status", "error"),
    [
        (
            {"grant_type": "client_credentials"},
            httpx.BasicAuth("cambridgeshire_police", "wrong"),
            401,
            "invalid_client",
        ),
        (
            {"grant_type": "client_credentials"},
            httpx.BasicAuth("nobody", ""),
            401,
            "invalid_client",
        ),
        ({"grant_type": "client_credentials"}, NONE, 401, "invalid_client"),
        ({"grant_type": "password"}, POLICE, 400, "unsupported_grant_type"),
        ({}, POLICE, 400, "invalid_request"),
        (
            {"grant_type": "client_credentials", "scope": "case:read"},
            POLICE,
            400,
            "invalid_scope",
        ),
    ],
)
async def test_a_refusal_is_the_one_that_oauth_names(
    tmp_path: Path, form: dict[str, str], auth: httpx.Auth, status: int, error: str
) -> None:
    async with client(issuer(tmp_path)) as http:
        answer = await http.post("/issuer/token", data=form, auth=auth)
    assert (answer.status_code, answer.json()) == (status, {"error": error})


async def test_a_client_may_ask_for_less_than_it_may_have(tmp_path: Path) -> None:
    form = {"grant_type": "client_credentials", "scope": "referral:read"}
    async with client(issuer(tmp_path)) as http:
        answer = await http.post("/issuer/token", data=form, auth=POLICE)
    assert answer.json()["scope"] == "referral:read"

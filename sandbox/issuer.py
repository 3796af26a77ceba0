"""The sandbox's token issuer: OAuth 2 client credentials (RFC 6749 4.4), access tokens as RFC 9068 asks.

`sandbox.authorization` adds the sign-in of people to it.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote_plus

import yaml
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from libs.schemas.clock import Clock

CLIENTS = Path(__file__).with_name("clients.yaml")
LIFETIME_SECONDS = 3600
MAX_FORM_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class Client:
    """Who may ask for tokens, and what the tokens say of it."""

    id: str
    secret: str
    name: str
    scopes: tuple[str, ...]
    agency: str | None = None
    team: str | None = None
    roles: tuple[str, ...] = ()
    returns_to: str | None = None
    """The path that people come back to who sign in to this client, where it is an application for people."""


class RefusedRequest(Exception):
    """A token request that RFC 6749 section 5.2 refuses, by its error code."""

    def __init__(self, error: str, status: int = 400) -> None:
        super().__init__(error)
        self.error = error
        self.status = status


def load_clients(path: Path = CLIENTS) -> dict[str, Client]:
    """The clients of a file in the form of `sandbox/clients.yaml`, by id."""
    return _load(path, "clients")


def load_people(path: Path = CLIENTS) -> dict[str, Client]:
    """The people of the same file who can sign in, by the subject of their tokens. None has a secret."""
    return _load(path, "people")


def _load(path: Path, section: str) -> dict[str, Client]:
    entries: Mapping[str, dict[str, Any]] = yaml.load(path.read_text(), yaml.CSafeLoader)[section]
    return {
        client_id: Client(
            id=client_id,
            secret=entry.get("secret", ""),
            name=entry["name"],
            scopes=tuple(entry["scopes"]),
            agency=entry.get("agency"),
            team=entry.get("team"),
            roles=tuple(entry.get("roles", ())),
            returns_to=entry.get("returns_to"),
        )
        for client_id, entry in entries.items()
    }


def load_key(data: Path) -> ECKey:
    """The signing key in the data directory, made on first use, so that a restart keeps tokens valid."""
    path = data / "issuer-key.json"
    if not path.exists():
        data.mkdir(parents=True, exist_ok=True)
        fresh = ECKey.generate_key("P-256", {"kid": str(uuid.uuid4()), "use": "sig", "alg": "ES256"})
        unfinished = path.with_suffix(f".{os.getpid()}")
        unfinished.touch(mode=0o600)
        unfinished.write_text(json.dumps(fresh.as_dict(private=True)))
        unfinished.replace(path)
    return ECKey.import_key(json.loads(path.read_text()))


class Issuer:
    """Signs access tokens for the clients that it knows."""

    def __init__(
        self,
        key: ECKey,
        clients: Mapping[str, Client],
        *,
        issuer: str,
        audience: str,
        clock: Clock,
    ) -> None:
        self._key = key
        self._clients = clients
        self.name = issuer
        self._audience = audience
        self.clock = clock

    def jwks(self) -> dict[str, Any]:
        """The public key, as a JSON Web Key Set."""
        return dict(KeySet([self._key]).as_dict(private=False))

    def token(self, client_id: str, *, scopes: tuple[str, ...] | None = None) -> str:
        """An access token for a client, signed with ES256. Raises KeyError for a client that is not known."""
        client = self._clients[client_id]
        return self.access_token(client, client_id, client.scopes if scopes is None else scopes)

    def access_token(self, about: Client, client_id: str, scopes: tuple[str, ...]) -> str:
        """An access token for whoever `about` is, got through this client."""
        claims: dict[str, Any] = {
            "aud": self._audience,
            "sub": about.id,
            "client_id": client_id,
            "scope": " ".join(scopes),
            "jti": str(uuid.uuid4()),
            "roles": list(about.roles),
            "name": about.name,
        }
        if about.agency is not None:
            claims["agency"] = about.agency
        if about.team is not None:
            claims["team"] = about.team
        return self.signed("at+jwt", claims)

    def signed(self, kind: str, claims: Mapping[str, Any]) -> str:
        """A token of this issuer that is valid for an hour."""
        now = int(self.clock.now().timestamp())
        times = {"iss": self.name, "iat": now, "exp": now + LIFETIME_SECONDS}
        header = {"typ": kind, "alg": "ES256", "kid": self._key.kid}
        return jwt.encode(header, {**times, **claims}, self._key)

    def client(self, client_id: str) -> Client | None:
        """The client of that id."""
        return self._clients.get(client_id)

    def grant(self, authorization: str | None, form: Mapping[str, str]) -> dict[str, Any]:
        """Answers a token request. Raises RefusedRequest."""
        client = self.authenticate(authorization, form)
        grant_type = form.get("grant_type")
        if grant_type is None:
            raise RefusedRequest("invalid_request")
        if grant_type != "client_credentials":
            raise RefusedRequest("unsupported_grant_type")
        scopes = tuple(form["scope"].split()) if form.get("scope") else client.scopes
        if not set(scopes) <= set(client.scopes):
            raise RefusedRequest("invalid_scope")
        return {
            "access_token": self.token(client.id, scopes=scopes),
            "token_type": "Bearer",
            "expires_in": LIFETIME_SECONDS,
            "scope": " ".join(scopes),
        }

    def authenticate(self, authorization: str | None, form: Mapping[str, str]) -> Client:
        """The client that a request proves to come from. Raises RefusedRequest."""
        if authorization is not None:
            client_id, secret = _basic(authorization)
        else:
            client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
        client = self._clients.get(client_id)
        expected = client.secret if client is not None else ""
        if not hmac.compare_digest(secret.encode(), expected.encode()) or client is None or not expected:
            raise RefusedRequest("invalid_client", 401)
        return client


def _basic(authorization: str) -> tuple[str, str]:
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise RefusedRequest("invalid_client", 401)
    try:
        client_id, colon, secret = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise RefusedRequest("invalid_client", 401) from None
    if not colon:
        raise RefusedRequest("invalid_client", 401)
    # RFC 6749 2.3.1: both are form-encoded before they are joined.
    return unquote_plus(client_id), unquote_plus(secret)


def read_form(body: bytes) -> dict[str, str]:
    """The fields of a form, each once. Raises RefusedRequest."""
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        raise RefusedRequest("invalid_request") from None
    if any(len(values) > 1 for values in fields.values()):
        raise RefusedRequest("invalid_request")
    return {name: values[0] for name, values in fields.items()}


Exchange = Callable[[str | None, Mapping[str, str]], dict[str, Any]]
"""Answers a token request: its Authorization header and its form. Raises RefusedRequest."""


def issuer_router(issuer: Issuer, exchange: Exchange | None = None) -> APIRouter:
    """`POST /issuer/token` and `GET /issuer/jwks.json`. `exchange` answers the requests that bring a code."""
    router = APIRouter(prefix="/issuer", tags=["issuer"])

    @router.post("/token")
    async def token(request: Request) -> JSONResponse:
        """Gives an access token for client credentials, sent as HTTP Basic or in the form."""
        body = await request.body()
        try:
            if len(body) > MAX_FORM_BYTES:
                raise RefusedRequest("invalid_request")
            form, authorization = read_form(body), request.headers.get("authorization")
            by_code = exchange is not None and form.get("grant_type") == "authorization_code"
            answer = (exchange if exchange is not None and by_code else issuer.grant)(authorization, form)
        except RefusedRequest as refused:
            challenge = {"WWW-Authenticate": 'Basic realm="sandbox"'} if refused.status == 401 else {}
            return JSONResponse(
                {"error": refused.error},
                refused.status,
                {"Cache-Control": "no-store", **challenge},
            )
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    @router.get("/jwks.json")
    async def jwks() -> dict[str, Any]:
        """The public key that tokens are checked with."""
        return issuer.jwks()

    return router

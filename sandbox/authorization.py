"""Sign-in of people at the sandbox's issuer: OpenID Connect, authorization code with PKCE. Nobody has a password."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from typing import Any
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from sandbox.issuer import LIFETIME_SECONDS, Client, Issuer, RefusedRequest, read_form

CODE_LASTS = timedelta(seconds=60)
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
"""People come back to an application on this machine only, whatever its port."""
_PASSED_ON = (
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
)


@dataclass(frozen=True, slots=True)
class Code:
    """Somebody has signed in, and the client has not yet fetched their tokens."""

    person: Client
    client_id: str
    redirect_uri: str
    nonce: str
    challenge: str
    until: datetime


class Authorization:
    """Gives codes to people who choose themselves on a page, and tokens for the codes, each once.

    `browsers_at`: where people reach the sandbox, such as `http://localhost:8100`, when not where the services do.
    """

    def __init__(self, issuer: Issuer, people: Mapping[str, Client], browsers_at: str | None = None) -> None:
        self._issuer = issuer
        self._people = people
        self._page = f"{browsers_at}/issuer" if browsers_at else issuer.name
        self._codes: dict[str, Code] = {}

    def check(self, query: Mapping[str, str]) -> Client:
        """The client that a request for a code comes from. Raises RefusedRequest (OpenID Connect Core 3.1.2.1)."""
        client = self._issuer.client(query.get("client_id", ""))
        if client is None or client.returns_to is None:
            raise RefusedRequest("unauthorized_client")
        back = urlsplit(query.get("redirect_uri", ""))
        here = back.scheme in ("http", "https") and back.hostname in LOOPBACK
        if not here or (back.path, back.query, back.fragment) != (client.returns_to, "", ""):
            raise RefusedRequest("invalid_request")
        if query.get("response_type") != "code":
            raise RefusedRequest("unsupported_response_type")
        if "openid" not in query.get("scope", "").split():
            raise RefusedRequest("invalid_scope")
        if query.get("code_challenge_method") != "S256" or not query.get("code_challenge"):
            raise RefusedRequest("invalid_request")
        if not query.get("state") or not query.get("nonce"):
            raise RefusedRequest("invalid_request")
        return client

    def choose(self, query: Mapping[str, str], person_id: str) -> str:
        """Where a person is sent with their code. Raises RefusedRequest."""
        self.check(query)
        person = self._people.get(person_id)
        if person is None:
            raise RefusedRequest("access_denied")
        code = secrets.token_urlsafe(32)
        now = self._issuer.clock.now()
        self._codes = {name: each for name, each in self._codes.items() if each.until > now}
        self._codes[code] = Code(
            person,
            query["client_id"],
            query["redirect_uri"],
            query["nonce"],
            query["code_challenge"],
            now + CODE_LASTS,
        )
        answer = {"code": code, "state": query["state"], "iss": self._issuer.name}
        return f"{query['redirect_uri']}?{urlencode(answer)}"

    def exchange(self, authorization: str | None, form: Mapping[str, str]) -> dict[str, Any]:
        """The tokens for a code. Raises RefusedRequest."""
        client = self._issuer.authenticate(authorization, form)
        code = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        proof = base64.urlsafe_b64encode(digest).rstrip(b"=")
        if (
            code is None
            or code.until <= self._issuer.clock.now()
            or code.client_id != client.id
            or code.redirect_uri != form.get("redirect_uri")
            or not hmac.compare_digest(proof, code.challenge.encode())
        ):
            raise RefusedRequest("invalid_grant")
        person = code.person
        claims = {"aud": client.id, "sub": person.id, "nonce": code.nonce, "name": person.name}
        return {
            "access_token": self._issuer.access_token(person, client.id, person.scopes),
            "id_token": self._issuer.signed("JWT", claims),
            "token_type": "Bearer",
            "expires_in": LIFETIME_SECONDS,
            "scope": " ".join(person.scopes),
        }

    def description(self) -> dict[str, Any]:
        """What OpenID Connect Discovery 1.0 asks an issuer to say of itself."""
        name = self._issuer.name
        return {
            "issuer": name,
            "authorization_endpoint": f"{self._page}/authorize",
            "token_endpoint": f"{name}/token",
            "jwks_uri": f"{name}/jwks.json",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "client_credentials"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "scopes_supported": ["openid", "profile"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }

    def page(self, query: Mapping[str, str], client: Client) -> str:
        """The page on which a person says who they are."""
        hidden = "".join(
            f'<input type="hidden" name="{name}" value="{escape(query[name])}">'
            for name in _PASSED_ON
            if name in query
        )
        people = "".join(
            f'<p><button name="person" value="{escape(person.id)}">{escape(person.name)}</button></p>'
            for person in self._people.values()
        )
        return (
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>Sign in to the sandbox</title>'
            '<meta name="viewport" content="width=device-width">'
            "<style>body{font:1rem/1.5 system-ui,sans-serif;max-width:30rem;margin:2rem auto;padding:0 1rem}"
            "button{font:inherit;width:100%;padding:.6rem;text-align:left}</style>"
            f"<main><h1>Who are you?</h1><p>{escape(client.name)} asks. Everybody here is made up.</p>"
            f'<form method="post" action="/issuer/authorize">{hidden}{people}</form></main>'
        )


def authorization_router(authorization: Authorization) -> APIRouter:
    """`GET` and `POST /issuer/authorize`, and the issuer's description of itself."""
    router = APIRouter(prefix="/issuer", tags=["issuer"])

    @router.get("/.well-known/openid-configuration")
    async def description() -> dict[str, Any]:
        """The issuer's endpoints."""
        return authorization.description()

    @router.get("/authorize", include_in_schema=False)
    async def ask(request: Request) -> Response:
        query = dict(request.query_params)
        try:
            client = authorization.check(query)
        except RefusedRequest as refused:
            return JSONResponse({"error": refused.error}, refused.status)
        return HTMLResponse(authorization.page(query, client), headers={"Cache-Control": "no-store"})

    @router.post("/authorize", include_in_schema=False)
    async def chosen(request: Request) -> Response:
        try:
            form = read_form(await request.body())
            target = authorization.choose(form, form.get("person", ""))
        except RefusedRequest as refused:
            return JSONResponse({"error": refused.error}, refused.status)
        return RedirectResponse(target, 303, headers={"Cache-Control": "no-store"})

    return router

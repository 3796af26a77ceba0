"""Who is calling: access tokens (RFC 9068) checked against the issuer's published keys.

Who did something comes from here alone, never from a body.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Any

import httpx
import structlog
from fastapi import Request, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization
from pydantic import TypeAdapter, ValidationError

from libs.platform.problems import Problem
from libs.schemas.base import Identifier
from libs.schemas.clock import Clock

_IDENTIFIER: TypeAdapter[str] = TypeAdapter(Identifier)
ALGORITHMS = ["ES256", "RS256"]
LEEWAY = 30
"""Seconds that the issuer's clock may differ from ours."""
MOST_TOKENS = 4096
CALLER = "mash.caller"
"""Key of an ASGI scope under which a service's own pages put who is signed in (`libs.platform.inside`). A server fills
a scope from what it reads; nothing that arrives over the network gets there under this key.
"""
REFRESH_AFTER = timedelta(minutes=10)
REFRESH_AT_MOST_EVERY = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller: a partner's system (`agency`), or a member of staff (`name`, `roles`, and the `team` for which they
    receive children).
    """

    subject: str
    client_id: str
    agency: str | None = None
    scopes: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    name: str | None = field(default=None, repr=False)
    team: str | None = None

    def of_agency(self) -> str:
        """The agency that the token speaks for. Raises Problem 403 when it names none."""
        if self.agency is None:
            raise Problem(403, "agency-missing", "The access token names no agency")
        return self.agency


Meeting = Callable[[Principal], Awaitable[None]]
"""Told of each caller whose token is new to this process, such as to learn their name. It raises nothing."""


class Authenticator:
    """Turns access tokens into principals.

    A token that was verified is remembered by its SHA-256 until it expires, so that a partner's burst costs
    one signature check. Keys are fetched when first needed, again every ten minutes, and when a token names a
    new one; known keys go on working while the issuer cannot be reached.
    """

    def __init__(
        self,
        jwks_url: str,
        issuer: str,
        audience: str,
        http: httpx.AsyncClient,
        clock: Clock,
        meet: Meeting | None = None,
    ) -> None:
        self._url = jwks_url
        self._issuer = issuer
        self._audience = audience
        self._http = http
        self._clock = clock
        self._meet = meet
        self._verified: dict[bytes, tuple[float, Principal]] = {}
        self._keys: KeySet | None = None
        self._fetched = self._tried = float("-inf")
        self._fetching = asyncio.Lock()

    async def principal(self, token: str) -> Principal:
        """The caller that a token names. Raises Problem 401, or 503 while no key could ever be fetched."""
        now = self._clock.now().timestamp()
        digest = sha256(token.encode("utf-8", "surrogateescape")).digest()
        known = self._verified.get(digest)
        if known is not None:
            if known[0] > now:
                return known[1]
            del self._verified[digest]
        expires, principal = await self._verify(token, now)
        if len(self._verified) >= MOST_TOKENS:
            del self._verified[next(iter(self._verified))]
        self._verified[digest] = (expires, principal)
        await self.met(principal)
        return principal

    async def met(self, principal: Principal) -> None:
        """Tells whoever wants to know that somebody is here, with what more is known of them by now."""
        if self._meet is not None:
            await self._meet(principal)

    async def _verify(self, token: str, now: float) -> tuple[float, Principal]:
        await self._refresh(now, due=now - self._fetched > REFRESH_AFTER.total_seconds())
        for attempt in range(2):
            if self._keys is None:
                raise Problem(
                    503,
                    "token-keys-unavailable",
                    "Access tokens cannot be checked at the moment",
                    headers={"Retry-After": "5"},
                )
            tried = self._keys
            try:
                decoded = jwt.decode(token, tried, algorithms=ALGORITHMS)
                return self._claims(decoded.header, decoded.claims, now)
            except (JoseError, ValueError, TypeError, KeyError):
                if not attempt:
                    await self._refresh(now, due=True)
                # Another caller may have fetched them while this one waited.
                if attempt or self._keys is tried:
                    raise _unauthenticated("invalid_token") from None
        raise AssertionError

    async def _refresh(self, now: float, *, due: bool) -> None:
        """Fetches the keys if that is due and was not just tried."""
        if not due:
            return
        async with self._fetching:
            if now - self._tried < REFRESH_AT_MOST_EVERY.total_seconds():
                return
            self._tried = now
            try:
                response = await self._http.get(self._url)
                response.raise_for_status()
                document: KeySetSerialization = response.json()
                self._keys = KeySet.import_key_set(document)
            except (httpx.HTTPError, JoseError, ValueError, TypeError, KeyError) as error:
                structlog.get_logger().warning("the token issuer's keys cannot be fetched", exc_info=error)
                return
            self._fetched = now

    def _claims(
        self, header: Mapping[str, Any], claims: Mapping[str, Any], now: float
    ) -> tuple[float, Principal]:
        audience = claims["aud"]
        accepted = (
            str(header.get("typ", "")).lower() in ("at+jwt", "application/at+jwt")
            and claims["iss"] == self._issuer
            and self._audience in ([audience] if isinstance(audience, str) else audience)
            and float(claims["exp"]) > now - LEEWAY
            and float(claims["iat"]) < now + LEEWAY
            and float(claims.get("nbf", 0)) < now + LEEWAY
            and all(isinstance(claims[name], str) and claims[name] for name in ("sub", "client_id", "jti"))
        )
        if not accepted:
            raise ValueError
        return float(claims["exp"]) + LEEWAY, Principal(
            subject=claims["sub"],
            client_id=claims["client_id"],
            agency=_text(claims.get("agency")),
            scopes=frozenset(str(claims.get("scope", "")).split()),
            roles=frozenset(role for role in claims.get("roles", ()) if isinstance(role, str)),
            name=_text(claims.get("name")),
            team=_team(claims.get("team")),
        )


class _Bearer(SecurityBase):
    """Lets an operation be called by those whose token has the scope, and one of the roles if any are
    named.
    """

    def __init__(self, scope: str, roles: Sequence[str]) -> None:
        self.model = HTTPBearer(
            bearerFormat="JWT", description="Access token (RFC 9068) with the scopes named."
        )
        self.scheme_name = "token"
        self._scope = scope
        self._roles = frozenset(roles)

    async def __call__(self, request: Request) -> Principal:
        principal = request.scope.get(CALLER)
        if not isinstance(principal, Principal):
            principal = await self._of_token(request)
        if self._scope not in principal.scopes:
            raise Problem(
                403,
                "scope-missing",
                "The access token does not permit this",
                f"ask for a token with the scope {self._scope}",
                headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{self._scope}"'},
            )
        if self._roles and not self._roles & principal.roles:
            raise Problem(403, "role-missing", "This needs a role that the access token does not name")
        return principal

    async def _of_token(self, request: Request) -> Principal:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _unauthenticated(None)
        authenticator: Authenticator = request.app.state.authenticator
        return await authenticator.principal(token.strip())


def requires(scope: str, roles: Sequence[str] = ()) -> Any:
    """A FastAPI dependency that gives the Principal: `caller: Annotated[Principal, requires("queue:read")]`.

    Raises Problem 401 or 403, with `WWW-Authenticate` (RFC 6750 section 3).
    """
    return Security(_Bearer(scope, roles), scopes=[scope])


def _unauthenticated(error: str | None) -> Problem:
    challenge = 'Bearer realm="mash"' + (f', error="{error}"' if error else "")
    return Problem(
        401,
        "token-missing" if error is None else "token-invalid",
        "A valid access token is needed",
        "send `Authorization: Bearer` with a token of this issuer and audience that has not expired",
        headers={"WWW-Authenticate": challenge},
    )


def _team(value: object) -> str | None:
    """One of the partnership's teams by its id; what cannot be such an id names no team."""
    try:
        return _IDENTIFIER.validate_python(value, strict=True)
    except ValidationError:
        return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None

"""Sign-in of people with OpenID Connect: authorization code flow with PKCE, and a session in a sealed cookie.

The issuer says who somebody is (ID token) and what they may do (access token, as for programs): both are checked
against its keys. Nothing of a session is stored here; it ends after `IDLE` without a page, after `LONGEST` in any
case, and at sign-out. Tokens are thrown away once read.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import structlog
from cryptography.fernet import Fernet, InvalidToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from libs.platform.auth import ALGORITHMS, LEEWAY, Authenticator, Principal
from libs.platform.problems import Problem
from libs.platform.settings import Secret, ServiceSettings
from libs.schemas.clock import Clock

IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=8)
REMEMBERED = timedelta(hours=4)
"""How long after its longest time a session is still known to have been somebody's."""
UNDER_WAY = timedelta(minutes=10)
"""How long somebody may take at the issuer."""

BEGIN, DONE, OUT = "/sign-in", "/sign-in/done", "/sign-out"
LONGEST_COOKIE = 4000
"""Browsers keep 4096 bytes of a cookie with its name (RFC 6265 section 6.1)."""


class SignInSettings(ServiceSettings):
    """Settings of a service with pages for people. They are offered where `public_url` and the client are set."""

    public_url: str | None = Field(
        None, description="Where people reach the pages, without a path.", pattern=r"^https?://[^/]+$"
    )
    sign_in_client: str | None = Field(None, description="Client id of the pages at the token issuer.")
    sign_in_secret: Secret = Field("", description="Secret of that client.")

    @model_validator(mode="after")
    def _pages_are_encrypted(self) -> SignInSettings:
        if self.environment == "production" and not (self.public_url or "https://").startswith("https://"):
            raise PydanticCustomError(
                "pages_plain", "MASH_PUBLIC_URL must be https:// while MASH_ENVIRONMENT is production"
            )
        return self

    @model_validator(mode="after")
    def _pages_are_whole(self) -> SignInSettings:
        needed = (self.public_url, self.sign_in_client, self.sign_in_secret)
        if any(needed) and not all(needed):
            raise PydanticCustomError(
                "pages_in_part",
                "MASH_PUBLIC_URL, MASH_SIGN_IN_CLIENT and MASH_SIGN_IN_SECRET must be set together: pages need each",
            )
        return self

    @property
    def has_pages(self) -> bool:
        """Whether people can sign in."""
        return bool(self.public_url and self.sign_in_client)


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody is signed in. `csrf` stands in each form; `began` and `seen` are seconds since 1970."""

    subject: str
    client_id: str
    name: str | None
    agency: str | None
    scopes: tuple[str, ...]
    roles: tuple[str, ...]
    csrf: str
    began: int
    seen: int
    team: str | None = None

    @property
    def principal(self) -> Principal:
        """The same as an access token names a caller."""
        return Principal(
            subject=self.subject,
            client_id=self.client_id,
            agency=self.agency,
            scopes=frozenset(self.scopes),
            roles=frozenset(self.roles),
            name=self.name,
            team=self.team,
        )

    def proves(self, token: object) -> bool:
        """Whether a form came from a page of this session."""
        return isinstance(token, str) and hmac.compare_digest(token.encode(), self.csrf.encode())


class SignInFailed(Exception):
    """Somebody could not be signed in; `code` says why in a word for the log."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class _Attempt:
    state: str
    nonce: str
    verifier: str
    to: str
    until: int


class SignIn:
    """Signs people in and out. `http` reaches the issuer; `secret` seals the cookies, the same in all instances."""

    def __init__(
        self,
        settings: SignInSettings,
        authenticator: Authenticator,
        http: httpx.AsyncClient,
        clock: Clock,
    ) -> None:
        if settings.public_url is None or settings.sign_in_client is None:
            raise ValueError("sign-in needs public_url and sign_in_client")
        self._issuer = settings.issuer
        self._jwks_url = settings.jwks_url
        self._client = settings.sign_in_client
        self._password = settings.sign_in_secret
        self._url = settings.public_url
        self._authenticator = authenticator
        self._http = http
        self._clock = clock
        # Services on one host see each other's cookies, whatever their ports, and may share the secret.
        use = b"sign-in cookies of " + self._client.encode()
        self._seal = Fernet(
            base64.urlsafe_b64encode(hmac.digest(settings.cursor_secret.encode(), use, "sha256"))
        )
        self._secure = self._url.startswith("https://")
        name = (
            "__Host-" if self._secure else ""
        ) + f"mash-{hashlib.sha256(self._client.encode()).hexdigest()[:8]}"
        self._session_cookie, self._attempt_cookie = name, f"{name}-sign-in"

    async def begin(self, to: str) -> Response:
        """Sends somebody to the issuer; afterwards they come to `to`, a path of this service. Raises SignInFailed."""
        where = (await self._description())["authorization_endpoint"]
        attempt = _Attempt(
            state=secrets.token_urlsafe(24),
            nonce=secrets.token_urlsafe(24),
            verifier=secrets.token_urlsafe(48),
            to=own_path(to),
            until=self._now() + int(UNDER_WAY.total_seconds()),
        )
        challenge = hashlib.sha256(attempt.verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self._client,
            "redirect_uri": self._url + DONE,
            "scope": "openid profile",
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": base64.urlsafe_b64encode(challenge).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        response = RedirectResponse(f"{where}?{urlencode(query)}", 303)
        self._set(response, self._attempt_cookie, asdict(attempt), UNDER_WAY)
        return response

    async def finish(self, request: Request) -> Response:
        """Takes somebody back from the issuer and opens their session. Raises SignInFailed."""
        query = request.query_params
        attempt = self._attempt(request)
        if attempt is None or not hmac.compare_digest(
            query.get("state", "").encode(), attempt.state.encode()
        ):
            raise SignInFailed("state")
        if query.get("iss", self._issuer) != self._issuer:
            raise SignInFailed("issuer")
        code = query.get("code")
        if not code:
            raise SignInFailed("refused")
        tokens = await self._tokens(code, attempt.verifier)
        subject, name = await self._identity(str(tokens.get("id_token")), attempt.nonce)
        try:
            principal = await self._authenticator.principal(str(tokens.get("access_token")))
        except Problem as error:
            raise SignInFailed(error.code) from None
        if principal.subject != subject:
            raise SignInFailed("subject")
        if principal.name is None and name is not None:
            principal = replace(principal, name=name)
            await self._authenticator.met(principal)
        now = self._now()
        session = Session(
            subject=principal.subject,
            client_id=principal.client_id,
            name=principal.name,
            agency=principal.agency,
            scopes=tuple(sorted(principal.scopes)),
            roles=tuple(sorted(principal.roles)),
            csrf=secrets.token_urlsafe(24),
            began=now,
            seen=now,
            team=principal.team,
        )
        response = RedirectResponse(attempt.to, 303)
        self.keep(response, session)
        self._delete(response, self._attempt_cookie)
        return response

    def session(self, request: Request) -> Session | None:
        """Who is signed in; None where nobody is, or no longer."""
        session = self._read(request)
        return session if session is not None and self._lasts(session) else None

    def lapsed(self, request: Request) -> Session | None:
        """Whose session has ended by itself, and not long ago: it permits nothing, and says whose work a form was."""
        session = self._read(request)
        if session is None or self._lasts(session):
            return None
        return session if self._now() - session.began < (LONGEST + REMEMBERED).total_seconds() else None

    def _lasts(self, session: Session) -> bool:
        idle, age = self._now() - session.seen, self._now() - session.began
        return idle < IDLE.total_seconds() and age < LONGEST.total_seconds()

    def _read(self, request: Request) -> Session | None:
        values = self._opened(request, self._session_cookie)
        try:
            return Session(**{**values, "scopes": tuple(values["scopes"]), "roles": tuple(values["roles"])})
        except (TypeError, KeyError):
            return None

    def keep(self, response: Response, session: Session) -> None:
        """Puts a session into a response, as one that was used now."""
        fresh = replace(session, seen=max(session.seen, self._now()))
        # The browser keeps it longer than it counts, so that work sent after its end is known to be somebody's.
        self._set(response, self._session_cookie, asdict(fresh), LONGEST + REMEMBERED)

    def end(self, response: Response) -> None:
        """Signs somebody out."""
        self._delete(response, self._session_cookie)

    async def _description(self) -> Mapping[str, Any]:
        """What the issuer says of itself (OpenID Connect Discovery 1.0)."""
        try:
            answer = await self._http.get(f"{self._issuer}/.well-known/openid-configuration")
            answer.raise_for_status()
            description: dict[str, Any] = answer.json()
            if description["issuer"] != self._issuer:
                raise SignInFailed("issuer")
            return {name: str(description[name]) for name in ("authorization_endpoint", "token_endpoint")}
        except (httpx.HTTPError, ValueError, TypeError, KeyError) as error:
            structlog.get_logger().warning("the token issuer cannot be reached", exc_info=error)
            raise SignInFailed("unreachable") from None

    async def _tokens(self, code: str, verifier: str) -> Mapping[str, Any]:
        where = (await self._description())["token_endpoint"]
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._url + DONE,
            "code_verifier": verifier,
        }
        try:
            answer = await self._http.post(
                where, data=form, auth=httpx.BasicAuth(self._client, self._password)
            )
            if answer.status_code != 200:
                raise SignInFailed("code")
            tokens: dict[str, Any] = answer.json()
            return dict(tokens)
        except (httpx.HTTPError, ValueError, TypeError):
            raise SignInFailed("unreachable") from None

    async def _identity(self, token: str, nonce: str) -> tuple[str, str | None]:
        """Who an ID token is about that is meant for this client and this attempt (Core 3.1.3.7): the subject, and
        the name where it says one (Core 5.1).
        """
        try:
            answer = await self._http.get(self._jwks_url)
            answer.raise_for_status()
            claims = jwt.decode(token, KeySet.import_key_set(answer.json()), algorithms=ALGORITHMS).claims
            audience = claims["aud"]
            meant = (
                claims["iss"] == self._issuer
                and audience in (self._client, [self._client])
                and claims.get("azp", self._client) == self._client
                and float(claims["exp"]) > self._now() - LEEWAY
                and float(claims["iat"]) < self._now() + LEEWAY
                and hmac.compare_digest(str(claims["nonce"]).encode(), nonce.encode())
            )
            if not meant or not isinstance(claims["sub"], str):
                raise SignInFailed("identity")
            name = claims.get("name")
            return claims["sub"], name if isinstance(name, str) and name else None
        except httpx.HTTPError:
            raise SignInFailed("unreachable") from None
        except (JoseError, ValueError, TypeError, KeyError):
            raise SignInFailed("identity") from None

    def _attempt(self, request: Request) -> _Attempt | None:
        try:
            attempt = _Attempt(**self._opened(request, self._attempt_cookie))
        except TypeError:
            return None
        return attempt if attempt.until > self._now() else None

    def _opened(self, request: Request, cookie: str) -> dict[str, Any]:
        try:
            values: dict[str, Any] = json.loads(self._seal.decrypt(request.cookies.get(cookie, "")))
        except (InvalidToken, ValueError):
            return {}
        return values if values.pop("of", None) == cookie else {}

    def _set(self, response: Response, cookie: str, values: Mapping[str, Any], lasts: timedelta) -> None:
        sealed = self._seal.encrypt_at_time(json.dumps({**values, "of": cookie}).encode(), self._now())
        if len(sealed) > LONGEST_COOKIE:
            raise SignInFailed("too_much")
        response.set_cookie(
            cookie,
            sealed.decode(),
            max_age=int(lasts.total_seconds()),
            httponly=True,
            secure=self._secure,
            # The issuer sends people back from another site, with which a strict cookie would not come along.
            samesite="lax",
        )

    def _delete(self, response: Response, cookie: str) -> None:
        response.delete_cookie(cookie, httponly=True, secure=self._secure, samesite="lax")

    def _now(self) -> int:
        return int(self._clock.now().timestamp())


def own_path(to: str) -> str:
    """A path of this service, or its root where `to` is anything else: nobody is sent elsewhere after sign-in."""
    parts = urlsplit(to)
    plain = to.startswith("/") and not to.startswith(("//", "/\\")) and to.isascii() and to.isprintable()
    return to if plain and not parts.scheme and not parts.netloc and "\\" not in to else "/"

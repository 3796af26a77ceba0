"""A supplier's own token endpoint: OAuth 2 client credentials, opaque tokens that expire (RFC 6749)."""

import base64
import binascii
import hmac
import secrets
from datetime import datetime, timedelta
from urllib.parse import parse_qs, unquote_plus

from starlette.responses import JSONResponse, Response

from libs.schemas.clock import Clock


class Tokens:
    """Gives out tokens for one client, and knows which are valid."""

    def __init__(self, client: str, secret: str, scope: str, *, seconds: int, clock: Clock) -> None:
        self._client = client
        self._secret = secret
        self._scope = scope
        self._seconds = seconds
        self._clock = clock
        self._valid: dict[str, datetime] = {}

    def grant(self, authorization: str, body: bytes) -> Response:
        """Answers a token request."""
        form = {name: values[0] for name, values in parse_qs(body.decode("ascii", "replace")).items()}
        client, secret = basic(authorization) or (form.get("client_id", ""), form.get("client_secret", ""))
        if client != self._client or not hmac.compare_digest(secret.encode(), self._secret.encode()):
            return JSONResponse({"error": "invalid_client"}, 401, {"www-authenticate": "Basic"})
        if form.get("grant_type") != "client_credentials":
            return JSONResponse({"error": "unsupported_grant_type"}, 400)
        if not set(form.get("scope", self._scope).split()) <= set(self._scope.split()):
            return JSONResponse({"error": "invalid_scope"}, 400)
        now = self._clock.now()
        self._valid = {token: until for token, until in self._valid.items() if until > now}
        fresh = secrets.token_urlsafe(24)
        self._valid[fresh] = now + timedelta(seconds=self._seconds)
        said = {
            "access_token": fresh,
            "token_type": "Bearer",
            "expires_in": self._seconds,
            "scope": self._scope,
        }
        return JSONResponse(said, headers={"cache-control": "no-store"})

    def accepts(self, authorization: str) -> bool:
        """Whether a request carries a token that is valid now."""
        scheme, _, token = authorization.partition(" ")
        until = self._valid.get(token)
        return scheme.lower() == "bearer" and until is not None and until > self._clock.now()

    def forget(self) -> None:
        """Every token has expired."""
        self._valid.clear()


def basic(authorization: str) -> tuple[str, str] | None:
    """Client and secret of HTTP Basic, form-decoded as RFC 6749 section 2.3.1 asks; None for anything else."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client, _, secret = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return unquote_plus(client), unquote_plus(secret)

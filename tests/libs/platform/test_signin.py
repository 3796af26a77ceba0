"""Sign-in of people: what an issuer, a thief of a link, or a tampered cookie may not bring about."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from joserfc.jwk import ECKey
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from libs.platform.auth import Authenticator, Principal
from libs.platform.signin import IDLE, LONGEST, SignIn, SignInFailed, SignInSettings, own_path
from sandbox.authorization import Authorization, authorization_router
from sandbox.issuer import Issuer, issuer_router, load_clients, load_people

ISSUER = "http://127.0.0.1:9/issuer"
PAGES = "https://hub.example.org"
BASE: dict[str, Any] = {
    "database_url": "postgresql://unused",
    "events": "postgres",
    "issuer": ISSUER,
    "jwks_url": f"{ISSUER}/jwks.json",
    "cursor_secret": "s" * 32,
    "sign_in_client": "enrichment-pages",
    "sign_in_secret": "sandbox-only-enrichment-pages",
}


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


COOKIE = f"mash-{sha256(b'enrichment-pages').hexdigest()[:8]}"
"""The session's cookie, which is named after the client of the pages."""


@dataclass
class World:
    """An issuer, and pages that people sign in to."""

    clock: Hands
    tokens: Issuer
    people: Authorization
    signin: SignIn
    http: httpx.AsyncClient
    met: list[Principal]
    cookies: dict[str, str] = field(default_factory=dict)

    def take(self, response: Response) -> None:
        """Keeps cookies as a browser does."""
        for name, value in response.raw_headers:
            if name == b"set-cookie":
                key, _, rest = value.decode().partition("=")
                self.cookies[key] = rest.partition(";")[0]

    def request(self, query: str = "", cookies: dict[str, str] | None = None) -> Request:
        sent = "; ".join(f"{key}={value}" for key, value in (cookies or self.cookies).items())
        headers = [(b"cookie", sent.encode())]
        return Request({"type": "http", "method": "GET", "query_string": query.encode(), "headers": headers})

    async def begin(self, to: str = "/questions") -> dict[str, str]:
        """Starts, and gives what the issuer is asked for."""
        response = await self.signin.begin(to)
        self.take(response)
        where = urlsplit(response.headers["location"])
        assert f"{where.scheme}://{where.netloc}{where.path}" == f"{ISSUER}/authorize"
        return {name: values[0] for name, values in parse_qs(where.query).items()}

    def come_back(self, asked: dict[str, str], person: str = "marac-worker") -> str:
        """The query with which the issuer sends somebody back."""
        return urlsplit(self.people.choose(asked, person)).query


@pytest.fixture
async def world() -> AsyncIterator[World]:
    clock = Hands()
    key = ECKey.generate_key("P-256", {"kid": "test", "use": "sig", "alg": "ES256"})
    tokens = Issuer(key, load_clients(), issuer=ISSUER, audience="mash", clock=clock)
    people = Authorization(tokens, load_people())
    app = FastAPI()
    app.include_router(issuer_router(tokens, people.exchange))
    app.include_router(authorization_router(people))
    settings = SignInSettings(**BASE, environment="test", public_url="http://127.0.0.1:8102")
    async with AsyncExitStack() as stack:
        transport = httpx.ASGITransport(app)
        http = await stack.enter_async_context(httpx.AsyncClient(transport=transport))
        met: list[Principal] = []

        async def meet(somebody: Principal) -> None:
            met.append(somebody)

        authenticator = Authenticator(settings.jwks_url, ISSUER, "mash", http, clock, meet)
        yield World(clock, tokens, people, SignIn(settings, authenticator, http, clock), http, met)


async def test_somebody_signs_in_and_is_who_the_issuer_says_they_are(world: World) -> None:
    asked = await world.begin("/questions/lists")
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    response = await world.signin.finish(world.request(world.come_back(asked)))
    assert response.headers["location"] == "/questions/lists"
    world.take(response)
    session = world.signin.session(world.request())
    assert session is not None
    assert (session.subject, session.agency, session.name) == (
        "marac-worker",
        "marac",
        "Ash Sandbox, MARAC administrator",
    )
    assert session.principal.scopes == {"checks:answer", "lists:write"}
    cookie = response.headers.getlist("set-cookie")[0]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Ash" not in cookie


async def test_a_name_that_only_the_id_token_says_is_learnt(world: World, monkeypatch: Any) -> None:
    signed = world.tokens.signed

    def unnamed(kind: str, claims: Mapping[str, Any]) -> str:
        kept = claims if kind == "JWT" else {name: claims[name] for name in claims if name != "name"}
        return signed(kind, kept)

    monkeypatch.setattr(world.tokens, "signed", unnamed)
    asked = await world.begin()
    assert asked["scope"].split() == ["openid", "profile"]
    world.take(await world.signin.finish(world.request(world.come_back(asked))))
    session = world.signin.session(world.request())
    assert session is not None
    assert [one.name for one in world.met] == [None, session.name]
    assert session.name == "Ash Sandbox, MARAC administrator"


async def test_a_session_ends_when_idle_in_any_case_and_at_sign_out(world: World) -> None:
    asked = await world.begin()
    world.take(await world.signin.finish(world.request(world.come_back(asked))))
    session = world.signin.session(world.request())
    assert session is not None
    world.clock.time += IDLE - timedelta(seconds=1)
    kept = Response()
    world.signin.keep(kept, session)
    world.take(kept)
    world.clock.time += IDLE - timedelta(seconds=1)
    assert world.signin.session(world.request()) is not None
    world.clock.time += timedelta(seconds=2)
    assert world.signin.session(world.request()) is None
    world.signin.keep(kept, session)
    world.take(kept)
    world.clock.time += LONGEST
    assert world.signin.session(world.request()) is None
    out = Response()
    world.signin.end(out)
    assert f'{COOKIE}=""' in out.headers["set-cookie"]


async def test_a_code_counts_once_for_the_attempt_that_asked_for_it(world: World) -> None:
    asked = await world.begin()
    query = world.come_back(asked)
    await world.signin.finish(world.request(query))
    with pytest.raises(SignInFailed, match="code"):
        await world.signin.finish(world.request(query))
    theirs = world.come_back(await world.begin())
    await world.begin()
    with pytest.raises(SignInFailed, match="state"):
        await world.signin.finish(world.request(theirs))
    with pytest.raises(SignInFailed, match="state"):
        await world.signin.finish(world.request(theirs, {f"{COOKIE}-sign-in": "made-up"}))


async def test_an_attempt_ends_after_ten_minutes(world: World) -> None:
    asked = await world.begin()
    world.clock.time += timedelta(minutes=11)
    with pytest.raises(SignInFailed, match="state"):
        await world.signin.finish(world.request(world.come_back(asked)))


async def test_a_stolen_code_is_worth_nothing_without_the_verifier(world: World) -> None:
    asked = await world.begin()
    stolen = dict(asked, code_challenge="x" * 43)
    with pytest.raises(SignInFailed, match="code"):
        await world.signin.finish(world.request(world.come_back(stolen)))


WRONG_IDENTITY: list[tuple[str, dict[str, Any]]] = [
    ("nonce", {"nonce": "another"}),
    ("audience", {"aud": "another-client"}),
    ("audiences", {"aud": ["enrichment-pages", "another-client"]}),
    ("issuer", {"iss": "https://issuer.example.org"}),
    ("expired", {"exp": 1}),
    ("other person", {"sub": "marac-lead"}),
]


@pytest.mark.parametrize(("what", "claims"), WRONG_IDENTITY, ids=[what for what, _ in WRONG_IDENTITY])
async def test_an_identity_that_is_not_meant_for_this_attempt_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch, what: str, claims: dict[str, Any]
) -> None:
    signed = Issuer.signed

    def other(self: Issuer, kind: str, said: dict[str, Any]) -> str:
        return signed(self, kind, {**said, **claims} if kind == "JWT" else said)

    monkeypatch.setattr(Issuer, "signed", other)
    asked = await world.begin()
    with pytest.raises(SignInFailed, match="subject" if what == "other person" else "identity"):
        await world.signin.finish(world.request(world.come_back(asked)))


async def test_a_mixed_up_issuer_is_refused(world: World) -> None:
    query = world.come_back(await world.begin())
    other = query.partition("iss=")[0] + "iss=https%3A%2F%2Fother.example.org"
    with pytest.raises(SignInFailed, match="issuer"):
        await world.signin.finish(world.request(other))


async def test_a_cookie_of_one_use_is_no_cookie_of_another(world: World) -> None:
    await world.begin()
    assert world.signin.session(world.request(cookies={COOKIE: world.cookies[f"{COOKIE}-sign-in"]})) is None
    assert world.signin.session(world.request(cookies={COOKIE: "gAAAAA"})) is None


ELSEWHERE = [
    "https://example.org/",
    "//example.org/",
    "/\\example.org",
    "/a\\b",
    "javascript:alert(1)",
    "work",
    "",
    "/\r\nx",
]


@pytest.mark.parametrize("to", ELSEWHERE)
def test_nobody_is_sent_elsewhere_after_sign_in(to: str) -> None:
    assert own_path(to) == "/"


def test_pages_in_production_are_encrypted_and_their_cookies_too() -> None:
    plain: dict[str, Any] = {
        **BASE,
        "environment": "production",
        "jwks_url": "https://issuer.example.org/jwks.json",
    }
    with pytest.raises(ValidationError, match="MASH_PUBLIC_URL"):
        SignInSettings(**plain, public_url="http://hub.example.org")
    settings = SignInSettings(**plain, public_url=PAGES)
    authenticator, http = object(), object()
    signin = SignIn(settings, authenticator, http, Hands())  # type: ignore[arg-type]
    response = Response()
    signin.end(response)
    assert response.headers["set-cookie"].startswith(f"__Host-{COOKIE}=")
    assert "Secure" in response.headers["set-cookie"]


@pytest.mark.parametrize("left", ["public_url", "sign_in_client", "sign_in_secret"])
def test_a_service_with_a_part_of_what_its_pages_need_does_not_start_without_them(left: str) -> None:
    whole: dict[str, Any] = {**BASE, "environment": "test", "public_url": PAGES}
    assert SignInSettings(**whole).has_pages
    with pytest.raises(ValidationError, match="must be set together"):
        SignInSettings(**{name: value for name, value in whole.items() if name != left})


REFUSED: list[tuple[dict[str, str], str]] = [
    ({"client_id": "nobody"}, "unauthorized_client"),
    ({"client_id": "marac"}, "unauthorized_client"),
    ({"redirect_uri": "https://example.org/sign-in/done"}, "invalid_request"),
    ({"redirect_uri": "http://127.0.0.1:8102/elsewhere"}, "invalid_request"),
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"scope": "profile"}, "invalid_scope"),
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"nonce": ""}, "invalid_request"),
]


@pytest.mark.parametrize(("change", "error"), REFUSED)
async def test_the_sandbox_refuses_a_careless_application(
    world: World, change: dict[str, str], error: str
) -> None:
    asked = {**await world.begin(), **change}
    answer = await world.http.get(f"{ISSUER}/authorize", params=asked)
    assert (answer.status_code, answer.json()) == (400, {"error": error})


async def test_nobody_gets_a_token_as_a_person_or_without_a_secret(world: World) -> None:
    for client in ("marac-worker", "nobody"):
        form = {"grant_type": "client_credentials", "client_id": client, "client_secret": ""}
        answer = await world.http.post(f"{ISSUER}/token", data=form)
        assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})

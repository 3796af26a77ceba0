import asyncio
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter
from joserfc.jwk import ECKey

from libs.platform.auth import MOST_TOKENS, Authenticator, Principal, requires
from libs.platform.clock import ManualClock
from libs.platform.problems import Problem
from libs.platform.service import create_app
from libs.platform.settings import ServiceSettings
from libs.platform.telemetry import Telemetry
from tests.libs.platform.conftest import Client, Issuer


async def test_a_principal_is_what_the_token_says(authenticator: Authenticator, issuer: Issuer) -> None:
    principal = await authenticator.principal(issuer.token(roles=["duty_manager"], name="Sam Field"))
    assert principal == Principal(
        "police-system",
        "police-system",
        "police",
        frozenset({"referral:submit", "referral:read:own"}),
        frozenset({"duty_manager"}),
        "Sam Field",
    )
    assert "Sam Field" not in repr(principal)
    for claim, team in (("csc", "csc"), ("Children's Social Care", None), (["csc"], None), ("", None)):
        assert (await authenticator.principal(issuer.token(team=claim))).team == team


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("expired", {"exp": 1}),
    ("of another issuer", {"iss": "https://evil.example.org"}),
    ("for another audience", {"aud": "payroll"}),
    ("for an audience that holds ours", {"aud": "mash-payroll"}),
    ("an ID token", {"header": {"typ": "JWT"}}),
    ("without a subject", {"sub": None}),
    ("without a client", {"client_id": None}),
    ("without an id", {"jti": None}),
    ("without an end", {"exp": None}),
    ("from the future", {"iat": 4_000_000_000}),
    ("not valid yet", {"nbf": 4_000_000_000}),
    ("with a strange end", {"exp": "soon"}),
]


@pytest.mark.parametrize("claims", [case[1] for case in WRONG], ids=[case[0] for case in WRONG])
async def test_a_token_that_is_not_good_here_names_nobody(
    authenticator: Authenticator, issuer: Issuer, claims: dict[str, Any]
) -> None:
    with pytest.raises(Problem) as refusal:
        await authenticator.principal(issuer.token(**claims))
    assert (refusal.value.status, refusal.value.code) == (401, "token-invalid")
    assert 'error="invalid_token"' in refusal.value.headers["WWW-Authenticate"]


def part(header: dict[str, str]) -> str:
    return urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()


async def test_a_forged_token_names_nobody(authenticator: Authenticator, issuer: Issuer) -> None:
    stranger = ECKey.generate_key("P-256", {"kid": str(issuer.keys[0].kid)})
    signed, _, signature = issuer.token().rpartition(".")
    unsigned = f"{part({'alg': 'none', 'typ': 'at+jwt'})}.{signed.partition('.')[2]}."
    # The public key taken as a shared secret: the classic confusion of algorithms.
    claimed = f"{part({'alg': 'HS256', 'typ': 'at+jwt'})}.{signed.partition('.')[2]}"
    mac = hmac.digest(issuer.keys[0].as_pem(private=False), claimed.encode(), "sha256")
    confused = f"{claimed}.{urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    truncated = f"{signed}.{signature[:-4]}"
    for token in (issuer.token(key=stranger), unsigned, confused, truncated, "a.b.c", "", "é", "x" * 10_000):
        with pytest.raises(Problem) as refusal:
            await authenticator.principal(token)
        assert refusal.value.status == 401


async def test_a_remembered_token_still_expires(
    authenticator: Authenticator, issuer: Issuer, clock: ManualClock
) -> None:
    token = issuer.token()
    await authenticator.principal(token)
    clock.advance(timedelta(seconds=599))
    await authenticator.principal(token)
    clock.advance(timedelta(seconds=32))
    with pytest.raises(Problem):
        await authenticator.principal(token)


async def test_keys_are_fetched_once_for_many_tokens(authenticator: Authenticator, issuer: Issuer) -> None:
    for number in range(5):
        await authenticator.principal(issuer.token(jti=str(number)))
    assert issuer.fetched == 1


async def test_a_new_key_is_fetched_when_a_token_names_it(
    authenticator: Authenticator, issuer: Issuer, clock: ManualClock
) -> None:
    await authenticator.principal(issuer.token())
    issuer.rotate()
    clock.advance(timedelta(seconds=16))
    await authenticator.principal(issuer.token())
    assert issuer.fetched == 2


async def test_callers_who_come_together_with_a_new_key_are_all_known(
    authenticator: Authenticator, issuer: Issuer, clock: ManualClock
) -> None:
    await authenticator.principal(issuer.token())
    issuer.rotate()
    clock.advance(timedelta(seconds=16))
    tokens = [issuer.token(jti=str(number)) for number in range(5)]
    await asyncio.gather(*map(authenticator.principal, tokens))
    assert issuer.fetched == 2


async def test_bad_tokens_do_not_make_us_storm_the_issuer(
    authenticator: Authenticator, issuer: Issuer
) -> None:
    stranger = ECKey.generate_key("P-256", {"kid": "unknown"})
    for number in range(20):
        with pytest.raises(Problem):
            await authenticator.principal(issuer.token(key=stranger, jti=str(number)))
    assert issuer.fetched == 1


async def test_known_keys_go_on_working_while_the_issuer_is_down(
    authenticator: Authenticator, issuer: Issuer, clock: ManualClock
) -> None:
    await authenticator.principal(issuer.token())
    issuer.down = True
    clock.advance(timedelta(hours=1))
    assert (await authenticator.principal(issuer.token())).agency == "police"


async def test_without_any_key_the_answer_is_later_not_no(
    authenticator: Authenticator, issuer: Issuer
) -> None:
    issuer.down = True
    with pytest.raises(Problem) as refusal:
        await authenticator.principal(issuer.token())
    assert (refusal.value.status, refusal.value.code) == (503, "token-keys-unavailable")


async def test_remembered_tokens_are_bounded(authenticator: Authenticator, issuer: Issuer) -> None:
    far = issuer.clock.now().timestamp() + 600
    someone = Principal("s", "c")
    authenticator._verified.update(
        {number.to_bytes(4, "big"): (far, someone) for number in range(MOST_TOKENS)}
    )
    await authenticator.principal(issuer.token())
    assert len(authenticator._verified) == MOST_TOKENS


@pytest.fixture
async def http(
    settings: ServiceSettings, instruments: Telemetry, client: Client, authenticator: Authenticator
) -> AsyncIterator[httpx.AsyncClient]:
    router = APIRouter()

    @router.get("/v1/queue")
    async def queue(caller: Annotated[Principal, requires("queue:read")]) -> str:
        return caller.subject

    @router.get("/v1/decide")
    async def decide(caller: Annotated[Principal, requires("queue:read", ["manager"])]) -> str:
        return caller.subject

    app = create_app("Queue", settings, instruments, [router], authenticator=authenticator)
    async with client(app) as http:
        yield http


@pytest.mark.parametrize(
    ("path", "claims", "status", "code"),
    [
        ("/v1/queue", {"scope": "queue:read"}, 200, None),
        ("/v1/queue", {"scope": "queue:reader"}, 403, "scope-missing"),
        ("/v1/queue", {"scope": None}, 403, "scope-missing"),
        ("/v1/decide", {"scope": "queue:read"}, 403, "role-missing"),
        ("/v1/decide", {"scope": "queue:read", "roles": ["manager"]}, 200, None),
        ("/v1/decide", {"scope": "queue:read", "roles": "manager"}, 403, "role-missing"),
    ],
)
async def test_an_operation_is_for_those_with_its_scope_and_role(
    http: httpx.AsyncClient, issuer: Issuer, path: str, claims: dict[str, Any], status: int, code: str | None
) -> None:
    answer = await http.get(path, headers={"authorization": f"Bearer {issuer.token(**claims)}"})
    assert answer.status_code == status
    if code:
        assert answer.json()["code"] == code
    if code == "scope-missing":
        assert answer.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="queue:read"'


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz"])
async def test_without_a_token_the_answer_says_what_is_needed(
    http: httpx.AsyncClient, header: str | None
) -> None:
    answer = await http.get("/v1/queue", headers={"authorization": header} if header is not None else {})
    assert (answer.status_code, answer.json()["code"]) == (401, "token-missing")
    assert answer.headers["www-authenticate"] == 'Bearer realm="mash"'


async def test_the_description_names_each_operations_scope(http: httpx.AsyncClient) -> None:
    document = (await http.get("/openapi.json")).json()
    assert document["paths"]["/v1/queue"]["get"]["security"] == [{"token": ["queue:read"]}]
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"

"""What a partner's system may send by mistake or malice: a problem document each time, and nothing left behind."""

import json
from typing import Any

import httpx
import pytest

from libs.messaging.ledger import Ledger
from libs.platform.bodies import DEEPEST, MOST_BYTES
from sandbox.issuer import Issuer
from tests.services.intake.conftest import Caller, referral, written

NOTHING = {"referral": 0, "addition": 0, "outbox": 0, "stream": 0}
GOOD = json.dumps(referral())
CANARY = "Zebedee-Canary"

BODIES: dict[str, tuple[bytes, int, str]] = {
    "empty": (b"", 400, "body-not-json"),
    "not JSON": (b"{worry: 1}", 400, "body-not-json"),
    "cut short": (GOOD.encode()[:-20], 400, "body-not-json"),
    "not UTF-8": (GOOD.encode("utf-16"), 400, "body-not-utf8"),
    "a NUL": (json.dumps(referral(worry=f"{CANARY}\x00")).encode(), 422, "body-invalid"),
    "a lone surrogate": (GOOD.replace("breakfast", f"{CANARY}\\ud83d").encode(), 422, "body-invalid"),
    "duplicate names": (
        GOOD.replace("{", f'{{"worry": "{CANARY}", ', 1).encode(),
        400,
        "body-duplicate-name",
    ),
    "deep nesting": (b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1), 400, "body-too-deep"),
    "very deep nesting": (b"[" * 100_000, 400, "body-too-deep"),
    "a huge number": (GOOD.replace('"persistent"', "9" * 400).encode(), 400, "body-number-too-large"),
    "not a number": (GOOD.replace('"persistent"', "NaN").encode(), 400, "body-not-json"),
    "a list": (b"[]", 422, "body-invalid"),
    "no children": (json.dumps(referral(children=[])).encode(), 422, "body-invalid"),
    "21 children": (json.dumps(referral(children=[{}] * 21)).encode(), 422, "body-invalid"),
    "no worry": (json.dumps(referral(worry="   ")).encode(), 422, "body-invalid"),
    "an unknown field": (json.dumps(referral(wory=CANARY)).encode(), 422, "body-invalid"),
    "an unknown code": (json.dumps(referral(urgency_asked=CANARY)).encode(), 422, "body-invalid"),
    "year 0001": (
        json.dumps(referral(children=[{"born": {"on": "0001-01-01"}}])).encode(),
        422,
        "body-invalid",
    ),
    "year 9999": (
        json.dumps(referral(children=[{"safe_until": "9999-12-31T23:59:59-12:00"}])).encode(),
        422,
        "body-invalid",
    ),
    "letters in an NHS number": (
        json.dumps(referral(children=[{"nhs_number": CANARY}])).encode(),
        422,
        "body-invalid",
    ),
    "10 MB": (json.dumps(referral(worry=CANARY * 750_000)).encode(), 413, "body-too-large"),
}


async def post(caller: Caller, body: bytes, **headers: str) -> httpx.Response:
    return await caller.http.post(
        "/v1/referrals",
        content=body,
        headers={**caller.headers(), "Content-Type": "application/json", **headers},
    )


def check(response: httpx.Response, status: int, code: str) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (problem["code"], problem["status"]) == (code, status)
    assert "Zebedee" not in response.text


@pytest.mark.parametrize("name", BODIES)
async def test_a_bad_body_is_answered_with_a_problem_and_leaves_nothing(
    school: Caller, ledger: Ledger, name: str
) -> None:
    body, status, code = BODIES[name]
    check(await post(school, body), status, code)
    assert await written(ledger) == NOTHING


async def test_a_body_without_a_declared_length_is_cut_off_at_the_limit(
    school: Caller, ledger: Ledger
) -> None:
    async def endless() -> Any:
        for _ in range(40):
            yield b" " * (MOST_BYTES // 16)

    response = await school.http.post(
        "/v1/referrals", content=endless(), headers={**school.headers(), "Content-Type": "application/json"}
    )
    check(response, 413, "body-too-large")
    assert await written(ledger) == NOTHING


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "application/json; charset=latin-1", "multipart/form-data", ""]
)
async def test_another_content_type_is_refused(school: Caller, ledger: Ledger, kind: str) -> None:
    check(await post(school, GOOD.encode(), **{"Content-Type": kind}), 415, "unsupported-media-type")
    assert await written(ledger) == NOTHING


@pytest.mark.parametrize(
    "key", ["", " ", "a" * 256, "caf\u00e9".encode("latin-1").decode("latin-1"), "with space"]
)
async def test_an_unfit_key_is_refused(school: Caller, ledger: Ledger, key: str) -> None:
    authorization = f"Bearer {school.token}".encode()
    headers = {b"Authorization": authorization, b"Idempotency-Key": key.encode("latin-1")}
    response = await school.http.post("/v1/referrals", json=referral(), headers=headers)
    check(response, 400, "idempotency-key-invalid")
    assert await written(ledger) == NOTHING


async def test_every_wrong_place_is_named_with_what_would_be_right(school: Caller) -> None:
    body = referral(urgency_asked="soon", children=[{}, {"born": {"on": "14/03/2022"}}])
    errors = {
        error["pointer"]: error["detail"]
        for error in (await post(school, json.dumps(body).encode())).json()["errors"]
    }
    assert "today" in errors["/urgency_asked"]
    assert "YYYY-MM-DD" in errors["/children/1/born/on"]


@pytest.mark.parametrize(
    ("client", "scopes", "status", "code"),
    [
        ("st_ives_primary", ("referral:read",), 403, "scope-missing"),
        ("staff-sw-1", ("referral:submit",), 403, "agency-missing"),
        ("operations", None, 403, "scope-missing"),
    ],
)
async def test_only_a_partners_token_with_the_scope_may_refer(
    http: httpx.AsyncClient, issuer: Issuer, ledger: Ledger, client: str, scopes: Any, status: int, code: str
) -> None:
    check(await post(Caller(http, issuer.token(client, scopes=scopes)), GOOD.encode()), status, code)
    assert await written(ledger) == NOTHING


async def test_without_a_valid_token_nothing_is_taken(school: Caller, ledger: Ledger) -> None:
    for authorization in (
        "",
        "Bearer",
        "Bearer not.a.token",
        "Basic eDp5",
        f"Bearer {school.token[:-8]}AAAAAAAA",
    ):
        response = await school.http.post(
            "/v1/referrals", json=referral(), headers={**school.headers(), "Authorization": authorization}
        )
        assert response.status_code == 401
        assert response.headers["www-authenticate"].startswith("Bearer")
    assert await written(ledger) == NOTHING


@pytest.mark.parametrize("reference", ["x", "K7TM-P2RW-Q", "%00", "....", "a" * 40, "a" * 200, "9990001006"])
async def test_a_reference_that_is_none_is_not_found(school: Caller, reference: str) -> None:
    response = await school.http.get(f"/v1/referrals/{reference}", headers=school.headers())
    assert response.status_code in (404, 422)
    assert response.headers["content-type"] == "application/problem+json"

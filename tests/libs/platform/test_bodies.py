import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, Request
from hypothesis import given
from hypothesis import strategies as st

from libs.platform import bodies
from libs.platform.problems import Problem
from libs.platform.service import create_app
from libs.platform.settings import ServiceSettings
from libs.platform.telemetry import Telemetry
from libs.schemas.base import IsoDate, Model, Open, Text
from libs.schemas.codes import Sex
from tests.libs.platform.conftest import Client

JSON = {"content-type": "application/json"}


class Child(Model):
    name: Text
    born: IsoDate | None = None
    sex: Open[Sex] | None = None


class Body(Model):
    worry: Text
    immediate_danger: bool = False
    children: tuple[Child, ...] = ()


@pytest.fixture
async def http(
    settings: ServiceSettings, instruments: Telemetry, client: Client
) -> AsyncIterator[httpx.AsyncClient]:
    router = APIRouter()

    @router.post("/v1/things", openapi_extra=bodies.json_body(Body))
    async def make(request: Request) -> dict[str, str]:
        body, fingerprint = await bodies.read_json_body(request, Body)
        return {"worry": body.worry, "fingerprint": fingerprint.hex()}

    async with client(create_app("Things", settings, instruments, [router])) as http:
        yield http


REFUSED = [
    ("text instead of JSON", b"worry=x", JSON, 400, "body-not-json"),
    ("two documents", b'{"worry":"x"} {}', JSON, 400, "body-not-json"),
    ("NaN", b'{"worry": NaN}', JSON, 400, "body-not-json"),
    ("a byte order mark", b'\xef\xbb\xbf{"worry":"x"}', JSON, 400, "body-not-json"),
    ("nothing", b"", JSON, 400, "body-not-json"),
    ("no UTF-8", b'{"worry":"\xff"}', JSON, 400, "body-not-utf8"),
    ("UTF-16", '{"worry":"x"}'.encode("utf-16"), JSON, 400, "body-not-utf8"),
    ("a surrogate written as UTF-8", b'{"worry":"\xed\xa0\x80"}', JSON, 400, "body-not-utf8"),
    ("a name twice", b'{"worry":"x","worry":"y"}', JSON, 400, "body-duplicate-name"),
    (
        "a name twice further in",
        b'{"worry":"x","children":[{"name":"a","name":"b"}]}',
        JSON,
        400,
        "body-duplicate-name",
    ),
    ("deep nesting", b"[" * 33 + b"]" * 33, JSON, 400, "body-too-deep"),
    ("very deep nesting", b'{"worry":' + b"[" * 500_000, JSON, 400, "body-too-deep"),
    ("a huge number", b'{"worry":"x","n":' + b"9" * 5000 + b"}", JSON, 400, "body-number-too-large"),
    ("a huge real", b'{"worry":"x","n":1e999}', JSON, 400, "body-number-too-large"),
    ("more than a megabyte", b'{"worry":"' + b"x" * (10 << 20) + b'"}', JSON, 413, "body-too-large"),
    (
        "a form",
        b"worry=x",
        {"content-type": "application/x-www-form-urlencoded"},
        415,
        "unsupported-media-type",
    ),
    (
        "another charset",
        b"{}",
        {"content-type": "application/json; charset=latin-1"},
        415,
        "unsupported-media-type",
    ),
    ("no type", b"{}", {}, 415, "unsupported-media-type"),
    ("compression", b"{}", {**JSON, "content-encoding": "gzip"}, 415, "unsupported-media-type"),
    ("a NUL", b'{"worry":"a\\u0000b"}', JSON, 422, "body-invalid"),
    ("a lone surrogate", b'{"worry":"\\ud800"}', JSON, 422, "body-invalid"),
    ("a NUL in a name", b'{"worry":"x","a\\u0000":1}', JSON, 422, "body-invalid"),
    ("a list", b"[]", JSON, 422, "body-invalid"),
    ("null", b"null", JSON, 422, "body-invalid"),
    ("year 0001", b'{"worry":"x","children":[{"name":"a","born":"0001-01-01"}]}', JSON, 422, "body-invalid"),
    ("year 9999", b'{"worry":"x","children":[{"name":"a","born":"9999-12-31"}]}', JSON, 422, "body-invalid"),
]


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED]
)
async def test_every_kind_of_bad_body_is_refused_with_its_own_code(
    http: httpx.AsyncClient, content: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    answer = await http.post("/v1/things", content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == f"urn:mash:problem:{code}"
    assert len(answer.json()["trace_id"]) == 32


async def test_a_body_without_a_length_is_cut_off_at_the_limit(http: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 100:
            sent += 1
            yield b" " * 65536

    answer = await http.post("/v1/things", content=endless(), headers=JSON)
    assert answer.status_code == 413
    assert answer.json()["code"] == "body-too-large"


async def test_what_was_wrong_is_pointed_at_and_what_would_be_right_is_said(http: httpx.AsyncClient) -> None:
    answer = await http.post(
        "/v1/things",
        json={
            "worry": 5,
            "immediate_dangr": True,
            "children": [{"name": "Ada", "born": "12/03/2015"}, {"name": " ", "sex": "boy"}, "Cas"],
        },
    )
    assert answer.status_code == 422
    assert {(e["pointer"], e["detail"]) for e in answer.json()["errors"]} == {
        ("/worry", "must be a text"),
        ("", "has a field that is not known here; perhaps `immediate_danger` was meant"),
        ("/children/0/born", "must be a date as YYYY-MM-DD"),
        ("/children/1/name", "must not be empty"),
        ("/children/1/sex", f"must be one of {', '.join(sorted(Sex))}"),
        ("/children/2", "must be an object; its fields are born, name, sex"),
    }


async def test_a_problem_repeats_neither_values_nor_names_of_the_senders_own(http: httpx.AsyncClient) -> None:
    answer = await http.post(
        "/v1/things",
        json={
            "worry": ["Canary"],
            "Canary Smith": 1,
            "children": [{"name": 1, "born": "Canary", "sex": "Canary"}],
        },
    )
    assert answer.status_code == 422
    assert "Canary" not in answer.text


def test_equal_requests_have_equal_fingerprints_however_they_are_written() -> None:
    first = bodies.parse('{"a": 1, "b": {"c": [1, 2], "d": "\\u00e9"}}')
    second = bodies.parse('{"b":{"d":"é","c":[1,2]},"a":1}')
    third = bodies.parse('{"b":{"d":"é","c":[2,1]},"a":1}')
    assert bodies.fingerprint(first) == bodies.fingerprint(second) != bodies.fingerprint(third)


PLAIN = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
DOCUMENTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15) + 1, 10**15 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | PLAIN,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(PLAIN, inner, max_size=4),
    max_leaves=20,
)


@given(DOCUMENTS)
def test_what_any_json_writer_sends_is_read_as_it_was_meant(document: Any) -> None:
    for ascii_only in (True, False):
        assert bodies.parse(json.dumps(document, ensure_ascii=ascii_only)) == document


@given(st.text(max_size=200))
def test_no_text_makes_the_reader_fail_in_any_other_way_than_a_problem(text: str) -> None:
    with contextlib.suppress(Problem):
        bodies.parse(text)


async def test_brackets_within_a_text_are_no_nesting(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/things", json={"worry": '"\\' + "[" * 200})
    assert answer.status_code == 200


async def test_the_description_names_the_models_of_the_body(http: httpx.AsyncClient) -> None:
    document = (await http.get("/openapi.json")).json()
    body = document["paths"]["/v1/things"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/Body"}
    assert {"Body", "Child", "ProblemDocument"} <= document["components"]["schemas"].keys()
    assert "$defs" not in json.dumps(document)

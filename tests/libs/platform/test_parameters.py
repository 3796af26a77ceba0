"""A number or a yes or no of a query is what its description says, or is refused by name."""

from typing import Annotated, Literal

import httpx
import pytest
from fastapi import FastAPI, Query

from libs.platform import problems
from libs.platform.parameters import TRUE_FALSE, WHOLE
from libs.schemas.levels import Rag


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()
    problems.install(app)

    @app.get("/")
    async def read(
        limit: Annotated[int, Query(ge=1, le=100), WHOLE] = 50,
        age: Annotated[int | None, Query(ge=-9), WHOLE] = None,
        ended: Annotated[bool, Query(), TRUE_FALSE] = False,
        rag: Rag | None = None,
        order: Literal["oldest", "newest"] = "newest",
    ) -> list[object]:
        return [limit, age, ended]

    return app


async def ask(app: FastAPI, query: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://parameters.example.org") as client:
        return await client.get(f"/?{query}")


@pytest.mark.parametrize(
    ("query", "read"),
    [
        ("", [50, None, False]),
        ("limit=7&age=0&ended=true", [7, 0, True]),
        ("age=-9&ended=false", [50, -9, False]),
    ],
)
async def test_what_json_would_write_is_taken(app: FastAPI, query: str, read: list[object]) -> None:
    answer = await ask(app, query)
    assert (answer.status_code, answer.json()) == (200, read)


@pytest.mark.parametrize(
    ("name", "values", "code", "detail"),
    [
        (
            "limit",
            ["%201", "+1", "%2B1", "1%20", "1.0", "1_0", "01", "-0", "%D9%A1", "1e1", "", "1%0A"],
            "int_parsing",
            "must be a whole number",
        ),
        (
            "ended",
            ["1", "0", "on", "yes", "True", "t", "", "%20true"],
            "bool_parsing",
            "must be true or false",
        ),
    ],
)
async def test_what_only_looks_like_it_is_refused_by_name(
    app: FastAPI, name: str, values: list[str], code: str, detail: str
) -> None:
    for value in values:
        answer = await ask(app, f"{name}={value}")
        assert (answer.status_code, answer.headers["content-type"]) == (422, problems.MEDIA_TYPE), value
        assert answer.json()["errors"] == [{"parameter": name, "code": code, "detail": detail}], value


@pytest.mark.parametrize(
    ("name", "detail"),
    [("rag", "must be one of amber, blue, green, red"), ("order", "must be one of newest, oldest")],
)
async def test_a_code_that_is_none_is_told_which_there_are(app: FastAPI, name: str, detail: str) -> None:
    answer = await ask(app, f"{name}=canary")
    (error,) = answer.json()["errors"]
    assert (error["parameter"], error["detail"]) == (name, detail)
    assert "canary" not in answer.text


def test_the_bounds_stay_in_the_description(app: FastAPI) -> None:
    limit, age, ended, *_ = app.openapi()["paths"]["/"]["get"]["parameters"]
    assert (limit["schema"]["type"], limit["schema"]["minimum"], limit["schema"]["maximum"]) == (
        "integer",
        1,
        100,
    )
    assert age["schema"]["anyOf"][0] == {"type": "integer", "minimum": -9}
    assert ended["schema"]["type"] == "boolean"

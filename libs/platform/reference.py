"""The API's reference as one page of plain HTML, served by the service itself: no script, nothing from
elsewhere.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from hashlib import sha256
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

_STYLE = (
    "body{font:16px/1.5 Arial,Helvetica,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#0b0c0c}"
    "h2{margin-top:2.5rem;border-top:1px solid #b1b4b6;padding-top:1rem}code{background:#f3f2f1;padding:.1rem .3rem}"
    "table{border-collapse:collapse;width:100%}"
    "td,th{text-align:left;vertical-align:top;border-bottom:1px solid #b1b4b6;padding:.4rem .8rem .4rem 0}"
    "a{color:#1d70b8}"
)
_POLICY = (
    "default-src 'none'; frame-ancestors 'none'; style-src 'sha256-"
    f"{b64encode(sha256(_STYLE.encode()).digest()).decode()}'"
)


def reference_router() -> APIRouter:
    """`GET /docs`: the reference page."""
    router = APIRouter()

    async def docs(request: Request) -> HTMLResponse:
        page = "".join(render(request.app.openapi()))
        return HTMLResponse(page, headers={"content-security-policy": _POLICY})

    router.add_api_route("/docs", docs, include_in_schema=False)
    return router


def render(document: Mapping[str, Any]) -> Iterator[str]:
    """The page for an OpenAPI document, in pieces."""
    title = escape(document["info"]["title"])
    yield f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    yield f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
    yield f"<body><main><h1>{title}</h1>"
    yield _prose(document["info"].get("description", ""))
    yield '<p>For programs: <a href="openapi.json">openapi.json</a></p><nav><ul>'
    operations = [
        (method.upper(), path, operation)
        for path, methods in document.get("paths", {}).items()
        for method, operation in methods.items()
    ]
    for method, path, operation in operations:
        anchor = escape(operation.get("operationId", ""))
        yield f'<li><a href="#{anchor}">{method} {escape(path)}</a> {escape(operation.get("summary", ""))}</li>'
    yield "</ul></nav>"
    for method, path, operation in operations:
        yield from _operation(method, path, operation)
    yield "<h2>Shapes</h2>"
    for name, schema in sorted(document.get("components", {}).get("schemas", {}).items()):
        yield from _schema(name, schema)
    yield "</main></body></html>"


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f'<h2 id="{escape(operation.get("operationId", ""))}">{method} <code>{escape(path)}</code></h2>'
    yield _prose(operation.get("description") or operation.get("summary", ""))
    scopes = sorted(
        {scope for item in operation.get("security", ()) for names in item.values() for scope in names}
    )
    if scopes:
        yield f"<p>Needs a token with the scope {', '.join(f'<code>{escape(scope)}</code>' for scope in scopes)}.</p>"
    if parameters := operation.get("parameters"):
        yield "<table><tr><th>Parameter</th><th>In</th><th></th></tr>"
        for item in parameters:
            needed = "needed. " if item.get("required") else ""
            yield f"<tr><td><code>{escape(item['name'])}</code></td><td>{escape(item['in'])}</td>"
            yield f"<td>{needed}{escape(item.get('description', ''))} {_type(item.get('schema', {}))}</td></tr>"
        yield "</table>"
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<p>Body: {escape(media)}, {_type(content.get('schema', {}))}</p>"
    yield "<table><tr><th>Answer</th><th></th></tr>"
    for status, answer in operation.get("responses", {}).items():
        shapes = ", ".join(_type(content.get("schema", {})) for content in answer.get("content", {}).values())
        yield f"<tr><td>{escape(status)}</td><td>{escape(answer.get('description', ''))} {shapes}</td></tr>"
    yield "</table>"


def _schema(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f'<h3 id="{escape(name)}">{escape(name)}</h3>{_prose(schema.get("description", ""))}'
    if "properties" not in schema:
        yield f"<p>{_type(schema)}</p>"
        return
    needed = set(schema.get("required", ()))
    yield "<table>"
    for field, part in schema["properties"].items():
        mark = "needed. " if field in needed else ""
        said = escape(part.get("description", ""))
        yield f"<tr><td><code>{escape(field)}</code></td><td>{mark}{said} {_type(part)}</td></tr>"
    yield "</table>"


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = escape(str(schema["$ref"]).rsplit("/", 1)[-1])
        return f'<a href="#{name}">{name}</a>'
    if "enum" in schema:
        return " ".join(f"<code>{escape(str(code))}</code>" for code in schema["enum"])
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return " or ".join(_type(part) for part in schema[key])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return escape(" ".join(str(schema[key]) for key in ("type", "format") if key in schema))


def _prose(text: str) -> str:
    return "".join(f"<p>{escape(part.strip())}</p>" for part in text.split("\n\n") if part.strip())

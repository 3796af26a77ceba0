"""The viewer's pages: a list of traces and a waterfall for each, plain HTML that needs no JavaScript."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from html import escape
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from libs.schemas.reference import parse_reference
from sandbox.traces.otlp import CONTENT_TYPE, MOST_BYTES, RefusedExport, accepted, read_export
from sandbox.traces.store import Span, TraceStore, TraceSummary
from sandbox.traces.tree import Row, waterfall

MOST_ROWS = 2_000
_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_COLOURS = {"intake": "#1d70b8", "enrichment": "#00703c", "triage": "#b58840", "notify": "#912b88"}
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.4 system-ui, sans-serif; }
body { margin: 0 auto; max-width: 90rem; padding: 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .2rem .6rem .2rem 0; border-bottom: 1px solid #8884; vertical-align: top; }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.w { width: 45%; min-width: 12rem; padding: .45rem 0; }
.track { position: relative; height: .8rem; background: #8882; }
.bar { position: absolute; height: 100%; min-width: 2px; }
.error { color: #d4351c; font-weight: 600; }
details dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 .8rem; margin: .2rem 0; font-size: .85rem; }
dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
input { font: inherit; padding: .2rem .4rem; width: 24rem; max-width: 90%; }
"""


def trace_router(store: TraceStore) -> APIRouter:
    """`POST /v1/traces` for spans, `/traces` for people, `/traces.json` and `/traces/{id}.json` for programs."""
    router = APIRouter(tags=["traces"])

    @router.post("/v1/traces")
    async def export(request: Request) -> Response:
        """Takes spans over OTLP/HTTP, protobuf."""
        if request.headers.get("content-type", "").split(";")[0].strip() != CONTENT_TYPE:
            return Response(status_code=415)
        body = await request.body()
        if len(body) > MOST_BYTES:
            return Response(status_code=413)
        try:
            spans = read_export(body, request.headers.get("content-encoding"))
        except RefusedExport:
            return Response(status_code=400)
        store.add(spans)
        return Response(accepted(), media_type=CONTENT_TYPE)

    @router.get("/traces", response_class=HTMLResponse)
    async def listing(q: str = "") -> HTMLResponse:
        """The newest traces, or those about one referral."""
        subject = _subject(q)
        return HTMLResponse(_list_page(store.traces(subject=subject), subject))

    @router.get("/traces.json")
    async def listing_json(q: str = "") -> list[TraceSummary]:
        """The same for programs."""
        return store.traces(subject=_subject(q))

    @router.get("/traces/{trace_id}.json")
    async def one_json(trace_id: str) -> Response:
        """The spans of a trace."""
        spans = store.spans(trace_id)
        return JSONResponse([_document(span) for span in spans], 200 if spans else 404)

    @router.get("/traces/{trace_id}", response_class=HTMLResponse)
    async def one(trace_id: str) -> HTMLResponse:
        """The waterfall of a trace."""
        spans = store.spans(trace_id) if _TRACE_ID.fullmatch(trace_id) else []
        if not spans:
            missing = '<p>There is no such trace here. <a href="/traces">All traces</a></p>'
            return HTMLResponse(_page("Trace not found", missing), 404)
        return HTMLResponse(_waterfall_page(trace_id, spans, store.linking(trace_id)))

    @router.delete("/traces", status_code=204)
    async def clear() -> Response:
        """Forgets all traces."""
        store.clear()
        return Response(status_code=204)

    return router


def _document(span: Span) -> dict[str, Any]:
    return asdict(span)


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
        f"<style>{_STYLE}</style></head><body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )


def _subject(typed: str) -> str | None:
    """What is looked for, in the form in which it is kept: a reference is typed and read out in many."""
    text = typed.strip()
    return parse_reference(text) or text.lower() or None


def _list_page(traces: Sequence[TraceSummary], subject: str | None) -> str:
    rows = "".join(
        f'<tr><td><a href="/traces/{trace.trace_id}">{escape(trace.root)}</a></td><td>{escape(trace.service)}</td>'
        f'<td>{_clock(trace.started)}</td><td class="n">{_milliseconds(trace.ended - trace.started)}</td>'
        f'<td class="n">{trace.spans}</td><td class="n">{_errors(trace.errors)}</td></tr>'
        for trace in traces
    )
    search = (
        '<form action="/traces"><label for="q">Referral, reference or trace id</label><br>'
        f'<input id="q" name="q" value="{escape(subject or "", quote=True)}"> <button>Find</button></form>'
    )
    if not traces:
        return _page("Traces", f"{search}<p>No traces{' about that' if subject else ' yet'}.</p>")
    heads = "".join(
        f'<th scope="col">{head}</th>' for head in ("Trace", "Began in", "Began", "ms", "Spans", "Errors")
    )
    table = f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
    return _page("Traces", search + table)


def _waterfall_page(trace_id: str, spans: Sequence[Span], linked: Sequence[str]) -> str:
    began = min(span.started for span in spans)
    whole = max(1, max(span.ended for span in spans) - began)
    rows = "".join(_row(row, began, whole) for row in waterfall(spans)[:MOST_ROWS])
    services = ", ".join(dict.fromkeys(escape(span.service) for span in spans))
    head = (
        f"<p>Trace {escape(trace_id)}, {_clock(began)}: {len(spans)} spans in {_milliseconds(whole)} ms"
        f' across {services}. <a href="/traces">All traces</a></p>'
    )
    if len(spans) > MOST_ROWS:
        head += f"<p>The first {MOST_ROWS} are shown; the rest is in the JSON form.</p>"
    if linked:
        links = " ".join(f'<a href="/traces/{quote(each)}">{escape(each[:8])}</a>' for each in linked)
        head += f"<p>About the same referral: {links}</p>"
    heads = "".join(
        f'<th scope="col">{name}</th>' for name in ("Span", "Service", "Starts, ms", "Lasts, ms", "When")
    )
    table = f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
    return _page(spans[0].name, head + table)


def _row(row: Row, began: int, whole: int) -> str:
    span = row.span
    left = 100 * (span.started - began) / whole
    width = 100 * (span.ended - span.started) / whole
    colour = _COLOURS.get(span.service, "#505a5f")
    facts = {
        "kind": span.kind,
        **span.attributes,
        **({"links to": ", ".join(span.links)} if span.links else {}),
    }
    details = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in facts.items()
    )
    name = f'<span class="error">{escape(span.name)} (error)</span>' if span.error else escape(span.name)
    return (
        f'<tr><td style="padding-left:{min(row.depth, 12)}rem"><details><summary>{name}</summary>'
        f"<dl>{details}</dl></details></td><td>{escape(span.service)}</td>"
        f'<td class="n">{_milliseconds(span.started - began)}</td>'
        f'<td class="n">{_milliseconds(span.ended - span.started)}</td>'
        f'<td class="w"><div class="track"><div class="bar" '
        f'style="left:{left:.3f}%;width:{width:.3f}%;background:{colour}"></div></div></td></tr>'
    )


def _milliseconds(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e6:,.1f}"


def _clock(nanoseconds: int) -> str:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _errors(count: int) -> str:
    return f'<span class="error">{count}</span>' if count else "0"

"""Composes the sandbox: token issuer, agencies, GOV.UK Notify, traces, alarms and a page that lists them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import yaml
from fastapi import FastAPI
from joserfc.jwk import ECKey
from starlette.responses import HTMLResponse, JSONResponse

from libs.platform.clock import SystemClock
from libs.platform.http import http_client
from libs.schemas.clock import Clock
from sandbox.agencies import AGENCIES, make_suppliers, suppliers_router
from sandbox.agencies.pulling import MARAC_CLIENT, pulling
from sandbox.alarms import alarms_router
from sandbox.authorization import Authorization, authorization_router
from sandbox.families import Families, load_families
from sandbox.issuer import CLIENTS, Issuer, issuer_router, load_clients, load_key, load_people
from sandbox.messages import Messages
from sandbox.notify import NotifyApi, callback_post, load_templates, notify_router
from sandbox.settings import SandboxSettings
from sandbox.traces import TraceStore, trace_router

CALLBACK_SECONDS = 5.0


def build(settings: SandboxSettings, *, clock: Clock | None = None) -> FastAPI:
    """The sandbox's application. Raises DocumentError or pydantic.ValidationError for a faulty file."""
    clock = clock or SystemClock()
    families = load_families()
    known = yaml.load(CLIENTS.read_text(), yaml.CSafeLoader)["notify"]
    http = http_client(
        settings.notify_callback_url or "", peer="callback", timeout=httpx.Timeout(CALLBACK_SECONDS)
    )
    post = None
    if settings.notify_callback_url is not None:
        token = settings.notify_callback_token or known["callback_token"]
        post = callback_post(http, settings.notify_callback_url, token)
    messages = Messages(settings.data, clock=clock, post=post)
    traces = TraceStore(settings.data)
    issuer = Issuer(
        _signing_key(settings.data),
        load_clients(),
        issuer=f"{settings.base_url}/issuer",
        audience=settings.audience,
        clock=clock,
    )
    suppliers = make_suppliers(families, key=settings.agency_key, clock=clock)
    notify = NotifyApi(
        messages,
        load_templates(settings.partnership_dir / "wording.yaml"),
        api_key=settings.notify_api_key or known["api_key"],
        clock=clock,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        messages.resume()
        async with pulling(suppliers["marac"], settings.enrichment_url, lambda: issuer.token(MARAC_CLIENT)):
            yield
        await messages.stop()
        await http.aclose()
        traces.close()

    app = FastAPI(title="MASH Triage sandbox", lifespan=lifespan, docs_url=None, redoc_url=None)
    authorization = Authorization(issuer, load_people(), settings.sign_in_url)
    app.include_router(issuer_router(issuer, authorization.exchange))
    app.include_router(authorization_router(authorization))
    app.include_router(suppliers_router(suppliers))
    app.include_router(notify_router(notify))
    app.include_router(trace_router(traces))
    app.include_router(alarms_router(clock))
    _pages(app, families, clients=list(load_clients()))
    return app


def _signing_key(data: Path | None) -> ECKey:
    if data is not None:
        return load_key(data)
    with TemporaryDirectory() as folder:
        return load_key(Path(folder))


def _pages(app: FastAPI, families: Families, clients: list[str]) -> None:
    @app.get("/livez", include_in_schema=False)
    async def livez() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @app.get("/", include_in_schema=False)
    async def start() -> HTMLResponse:
        return HTMLResponse(_start_page(families, clients))


def _start_page(families: Families, clients: list[str]) -> str:
    links = [
        ("/traces", "Traces", "one referral through all services, as a waterfall"),
        ("/notify/messages", "Messages", "what GOV.UK Notify's stand-in was asked to send"),
        ("/alarms", "Alarms", "what the services raised"),
        ("/agencies/asked", "Agencies", "what each of " + ", ".join(AGENCIES) + " was asked"),
        ("/openapi.json", "OpenAPI", "everything that the sandbox answers to"),
    ]
    rows = "".join(
        f'<li><a href="{href}">{escape(name)}</a>: {escape(what)}</li>' for href, name, what in links
    )
    children = "".join(
        f"<li>{escape(' '.join(filter(None, (child.given_name or 'unborn', child.family_name))))}"
        f"{f', NHS number {child.nhs_number}' if child.nhs_number else ''}</li>"
        for child in families.children
    )
    names = "".join(f"<li><code>{escape(name)}</code></li>" for name in clients)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>MASH Triage sandbox</title>'
        "<style>body{font:1rem/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem}</style>"
        "<h1>MASH Triage sandbox</h1><p>Everybody here is made up, and every secret is public.</p>"
        f"<h2>Look</h2><ul>{rows}</ul><h2>Children whom the agencies know</h2><ul>{children}</ul>"
        f"<h2>Clients of the token issuer</h2><ul>{names}</ul>"
    )

"""The floor that intake is measured against: parse the same body into the same model, commit one INSERT of it.

Run as `python -m bench.floor` with MASH_PORT, MASH_DATABASE_URL and MASH_OTLP_ENDPOINT.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import uvicorn
from fastapi import FastAPI, Request, Response
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from uuid_utils.compat import uuid7

from libs.schemas.referral import Referral

INSERT = "INSERT INTO public.floor (id, body) VALUES ($1, $2)"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    pool = await asyncpg.create_pool(os.environ["MASH_DATABASE_URL"], min_size=2, max_size=10, reset=_keep)
    app.state.pool = pool
    yield
    await pool.close()


async def _keep(connection: object) -> None:
    """The service's pool does not reset connections either."""


def build() -> FastAPI:
    """The floor's application, traced as the service is."""
    provider = TracerProvider()
    exporter = OTLPSpanExporter(f"{os.environ['MASH_OTLP_ENDPOINT']}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    app = FastAPI(lifespan=lifespan, telemetry={"logs": False, "operation_spans": False})

    @app.post("/v1/referrals", status_code=201)
    async def refer(request: Request) -> Response:
        body = await request.body()
        Referral.strictly(body)
        identity: UUID = uuid7()
        await request.app.state.pool.execute(INSERT, identity, body)
        return Response(f'{{"id":"{identity}"}}', 201, media_type="application/json")

    return app


if __name__ == "__main__":
    uvicorn.run(
        build(),
        host="127.0.0.1",
        port=int(os.environ["MASH_PORT"]),
        loop="uvloop",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
    )

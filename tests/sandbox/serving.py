"""An application behind a real socket, for clients that will not take anything else."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients of what is served here: each would load the system's certificates, which takes longer than most tests."""


@asynccontextmanager
async def serve(app: FastAPI) -> AsyncIterator[str]:
    """Serves on a free port of the loopback interface; gives the base address."""
    listening = socket.create_server(("127.0.0.1", 0))
    # An answer goes out in two writes. asyncio sends them at once only from sockets that it made itself.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="critical", access_log=False, timeout_graceful_shutdown=1)
    )
    # Signals belong to pytest.
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:
        await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        listening.close()

"""The service's operations with what one test works with."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import FastAPI

from libs.platform.auth import Authenticator
from services.triage.app import Parts, furnish


@contextmanager
def furnished(application: FastAPI, authenticator: Authenticator, parts: Parts) -> Iterator[FastAPI]:
    """The operations with what they work with, which is this test's alone."""
    before = dict(application.state._state)
    application.state.authenticator = authenticator
    application.state.stop = asyncio.Event()
    furnish(application, parts)
    yield application
    application.state._state.clear()
    application.state._state.update(before)

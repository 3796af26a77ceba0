"""The service's operations with what one test works with."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import FastAPI

from libs.messaging.codec import PlainCodec
from libs.platform.auth import Authenticator
from services.triage.app import Parts, furnish
from services.triage.casework import Casework
from services.triage.consumer import TriageConsumer
from services.triage.policies.store import Policies
from services.triage.search.index import SearchIndex
from services.triage.search.keys import Keys
from services.triage.thresholds import Thresholds
from tests.services.triage.shipped import shipped_partnership

SEARCH_SECRET = "k" * 32
INDEX = SearchIndex(Keys(SEARCH_SECRET))
LADDER = shipped_partnership().ladder


def consumer_of(thresholds: Thresholds, policies: Policies) -> TriageConsumer:
    """Triage's consumer under these thresholds, with the shipped files."""
    return TriageConsumer(Casework(thresholds), PlainCodec(), policies, INDEX, LADDER)


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

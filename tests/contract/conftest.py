"""The schemas of today's events, made once for all tests that compare others with them."""

from typing import Any

import pytest

from libs.schemas.asyncapi import event_schemas

Schemas = tuple[dict[str, Any], dict[str, Any]]
"""The events by name, and the definitions that they refer to."""


@pytest.fixture(scope="session")
def written() -> Schemas:
    return event_schemas("written")


@pytest.fixture(scope="session")
def read() -> Schemas:
    return event_schemas("read")

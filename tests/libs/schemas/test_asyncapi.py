import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from libs.schemas.asyncapi import asyncapi_document, event_schemas
from libs.schemas.events import BY_NAME, EVENT_TYPES
from tests.libs.schemas.goldens import NAMES, golden

Schemas = tuple[dict[str, Any], dict[str, Any]]
COMMITTED = Path(__file__).parents[3] / "docs" / "asyncapi.json"


@pytest.fixture(scope="session")
def document() -> dict[str, Any]:
    return asyncapi_document()


@pytest.fixture(scope="session")
def written() -> Schemas:
    return event_schemas("written")


def test_the_committed_document_is_current(document: dict[str, Any]) -> None:
    assert json.loads(COMMITTED.read_text()) == document, (
        "run `python -m libs.schemas.asyncapi > docs/asyncapi.json`"
    )


def test_every_reference_in_the_document_leads_somewhere(document: dict[str, Any]) -> None:
    for reference in references(document):
        found: Any = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        assert isinstance(found, dict)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_fits_the_schema_that_is_published(name: str, written: Schemas) -> None:
    published, definitions = written
    payload = BY_NAME[name].payload.model_validate_json(golden(name))
    jsonschema_rs.validate({**published[name], "$defs": definitions}, json.loads(payload.model_dump_json()))


def test_a_missing_field_does_not_fit_the_schema_that_is_published(written: Schemas) -> None:
    published, definitions = written
    name = "uk.mash.triage.case-decided.v1"
    payload = json.loads(golden(name))
    del next(iter(payload["children"].values()))["may_tell_referrer"]
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validate({**published[name], "$defs": definitions}, payload)


def test_each_event_is_sent_by_its_producer_and_received_by_its_readers(document: dict[str, Any]) -> None:
    operations = document["operations"]
    for each in EVENT_TYPES:
        message = {"$ref": f"#/channels/{each.producer}/messages/{each.name}"}
        assert message in operations[f"{each.producer}.sends"]["messages"]
        receivers = {
            name.split(".")[0]
            for name, operation in operations.items()
            if operation["action"] == "receive" and message in operation["messages"]
        }
        assert receivers == {reader.value for reader in each.readers}


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [found for each in value.values() for found in references(each)]
    if isinstance(value, list):
        return [found for each in value for found in references(each)]
    return []

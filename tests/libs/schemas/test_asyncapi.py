import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from libs.schemas.asyncapi import asyncapi_document, event_schemas
from libs.schemas.events import BY_NAME, EVENT_TYPES
from tests.libs.schemas.goldens import NAMES, golden

COMMITTED = Path(__file__).parents[3] / "docs" / "asyncapi.json"


def test_the_committed_document_is_current() -> None:
    assert json.loads(COMMITTED.read_text()) == asyncapi_document(), (
        "run `python -m libs.schemas.asyncapi > docs/asyncapi.json`"
    )


def test_every_reference_in_the_document_leads_somewhere() -> None:
    document = asyncapi_document()
    for reference in references(document):
        found: Any = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        assert isinstance(found, dict)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_fits_the_schema_that_is_published(name: str) -> None:
    published, definitions = event_schemas("written")
    payload = BY_NAME[name].payload.model_validate_json(golden(name))
    jsonschema_rs.validate({**published[name], "$defs": definitions}, json.loads(payload.model_dump_json()))


def test_a_missing_field_does_not_fit_the_schema_that_is_published() -> None:
    published, definitions = event_schemas("written")
    name = "uk.mash.triage.case-decided.v1"
    document = json.loads(golden(name))
    del next(iter(document["children"].values()))["may_tell_referrer"]
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validate({**published[name], "$defs": definitions}, document)


def test_each_event_is_sent_by_its_producer_and_received_by_its_readers() -> None:
    operations = asyncapi_document()["operations"]
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

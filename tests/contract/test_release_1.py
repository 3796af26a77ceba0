"""Consumers of the first release read today's events, and today's consumers read the first release's."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.schemas.asyncapi import event_schemas
from libs.schemas.events import BY_NAME
from tests.contract.compatibility import breaks
from tests.libs.schemas.goldens import NAMES, golden

FROZEN = Path(__file__).parent / "release_1"
NAMES_THEN = sorted(path.stem for path in (FROZEN / "payloads").glob("*.json"))
BOTH = sorted(set(NAMES) & set(NAMES_THEN))


def frozen(form: str) -> tuple[dict[str, Any], dict[str, Any]]:
    document = json.loads((FROZEN / f"{form}.json").read_text())
    return document["events"], document["$defs"]


def test_every_event_type_of_the_first_release_still_has_its_reader() -> None:
    assert set(NAMES_THEN) <= set(BY_NAME)


@pytest.mark.parametrize("name", NAMES_THEN)
def test_todays_consumer_reads_an_event_of_the_first_release_and_loses_nothing(name: str) -> None:
    sent = (FROZEN / "payloads" / f"{name}.json").read_bytes()
    payload = BY_NAME[name].payload.model_validate_json(sent)
    reader, definitions = frozen("read")
    jsonschema_rs.validate({**reader[name], "$defs": definitions}, json.loads(payload.model_dump_json()))


@pytest.mark.parametrize("name", BOTH)
def test_a_consumer_of_the_first_release_reads_what_todays_producer_sends(name: str) -> None:
    reader, definitions = frozen("read")
    payload = BY_NAME[name].payload.model_validate_json(golden(name))
    jsonschema_rs.validate({**reader[name], "$defs": definitions}, json.loads(payload.model_dump_json()))


@pytest.mark.parametrize("name", BOTH)
def test_nothing_that_todays_producer_may_send_is_refused_by_a_consumer_of_the_first_release(
    name: str,
) -> None:
    writer, written = event_schemas("written")
    reader, read = frozen("read")
    assert breaks(writer[name], written, reader[name], read) == []


@pytest.mark.parametrize("name", NAMES_THEN)
def test_nothing_that_the_first_release_may_have_sent_is_refused_by_todays_consumer(name: str) -> None:
    writer, written = frozen("written")
    reader, read = event_schemas("read")
    assert breaks(writer[name], written, reader[name], read) == []


@given(st.data())
def test_a_code_that_the_first_release_did_not_know_is_no_break_where_the_list_is_open(
    data: st.DataObject,
) -> None:
    document = json.loads(golden("uk.mash.checks.check-returned.v1"))
    child = next(iter(document["children"].values()))
    code = data.draw(st.text(alphabet="abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=80))
    child["state"] = code
    child["facts"][0][data.draw(st.sampled_from(["basis", "period"]))] = code
    reader, definitions = frozen("read")
    jsonschema_rs.validate({**reader["uk.mash.checks.check-returned.v1"], "$defs": definitions}, document)

"""Consumers of the first release read today's events, and today's consumers read the first release's."""

import json
from pathlib import Path

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.schemas.events import BY_NAME
from tests.contract.compatibility import breaks
from tests.contract.conftest import Schemas
from tests.libs.schemas.goldens import NAMES, golden

FROZEN = Path(__file__).parent / "release_1"
NAMES_THEN = sorted(path.stem for path in (FROZEN / "payloads").glob("*.json"))
BOTH = sorted(set(NAMES) & set(NAMES_THEN))


def _frozen(form: str) -> Schemas:
    document = json.loads((FROZEN / f"{form}.json").read_text())
    return document["events"], document["$defs"]


@pytest.fixture(scope="session")
def written_then() -> Schemas:
    return _frozen("written")


@pytest.fixture(scope="session")
def read_then() -> Schemas:
    return _frozen("read")


def test_every_event_type_of_the_first_release_still_has_its_reader() -> None:
    assert set(NAMES_THEN) <= set(BY_NAME)


@pytest.mark.parametrize("name", NAMES_THEN)
def test_todays_consumer_reads_an_event_of_the_first_release_and_loses_nothing(
    name: str, read_then: Schemas
) -> None:
    sent = (FROZEN / "payloads" / f"{name}.json").read_bytes()
    payload = BY_NAME[name].payload.model_validate_json(sent)
    reader, definitions = read_then
    jsonschema_rs.validate({**reader[name], "$defs": definitions}, json.loads(payload.model_dump_json()))


@pytest.mark.parametrize("name", BOTH)
def test_a_consumer_of_the_first_release_reads_what_todays_producer_sends(
    name: str, read_then: Schemas
) -> None:
    reader, definitions = read_then
    payload = BY_NAME[name].payload.model_validate_json(golden(name))
    jsonschema_rs.validate({**reader[name], "$defs": definitions}, json.loads(payload.model_dump_json()))


@pytest.mark.parametrize("name", BOTH)
def test_nothing_that_todays_producer_may_send_is_refused_by_a_consumer_of_the_first_release(
    name: str, written: Schemas, read_then: Schemas
) -> None:
    (writer, sent), (reader, known) = written, read_then
    assert breaks(writer[name], sent, reader[name], known) == []


@pytest.mark.parametrize("name", NAMES_THEN)
def test_nothing_that_the_first_release_may_have_sent_is_refused_by_todays_consumer(
    name: str, written_then: Schemas, read: Schemas
) -> None:
    (writer, sent), (reader, known) = written_then, read
    assert breaks(writer[name], sent, reader[name], known) == []


@given(data=st.data())
def test_a_code_that_the_first_release_did_not_know_is_no_break_where_the_list_is_open(
    read_then: Schemas, data: st.DataObject
) -> None:
    document = json.loads(golden("uk.mash.checks.check-returned.v1"))
    child = next(iter(document["children"].values()))
    code = data.draw(st.text(alphabet="abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=80))
    child["state"] = code
    child["facts"][0][data.draw(st.sampled_from(["basis", "period"]))] = code
    reader, definitions = read_then
    jsonschema_rs.validate({**reader["uk.mash.checks.check-returned.v1"], "$defs": definitions}, document)

import json
from collections.abc import Iterator
from typing import Any, get_args, get_origin
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from libs.schemas.base import Model
from libs.schemas.events import BY_NAME, EVENT_TYPES, TOPICS, CaseDecided, Received
from tests.libs.schemas.goldens import FOLDER, NAMES, golden


def test_every_event_type_has_a_golden_payload_and_no_golden_payload_is_an_orphan() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.json")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_golden_payload_keeps_all_it_says_when_it_is_read_and_written_again(name: str) -> None:
    payload = BY_NAME[name].payload.model_validate_json(golden(name))
    written = json.loads(payload.model_dump_json())
    assert list(lost(json.loads(golden(name)), written)) == []
    assert BY_NAME[name].payload.model_validate_json(payload.model_dump_json()) == payload


def test_the_golden_payloads_use_every_field_of_every_event() -> None:
    used: set[str] = set()
    for name in NAMES:
        used |= set(fields_used(BY_NAME[name].payload.model_validate_json(golden(name))))
    declared = {f"{model.__name__}.{field}" for model in models_of_events() for field in model.model_fields}
    assert declared - used == set()


def test_names_and_topics_of_event_types_are_unique() -> None:
    assert len(BY_NAME) == len(EVENT_TYPES)
    assert len(set(TOPICS.values())) == len(TOPICS)


def test_no_service_reads_what_it_wrote_itself() -> None:
    assert [each.name for each in EVENT_TYPES if each.producer in each.readers] == []


@given(st.sampled_from(NAMES), st.data())
def test_an_unknown_field_anywhere_in_an_event_changes_nothing(name: str, data: st.DataObject) -> None:
    sent = json.loads(golden(name))
    expected = BY_NAME[name].payload.model_validate(sent)
    place = data.draw(st.sampled_from(list(objects(sent))))
    place["a_later_field"] = data.draw(st.none() | st.integers() | st.text() | st.just({"x": [1]}))
    assert BY_NAME[name].payload.model_validate_json(json.dumps(sent)) == expected


def test_an_unknown_code_in_an_event_is_kept_as_text() -> None:
    sent = json.loads(golden("uk.mash.triage.case-decided.v1"))
    child = next(iter(sent["children"]))
    sent["children"][child]["destination"] = "family_hub"
    decided = CaseDecided.model_validate_json(json.dumps(sent))
    assert decided.children[UUID(child)].destination == "family_hub"
    assert json.loads(decided.model_dump_json())["children"][child]["destination"] == "family_hub"


def test_the_key_of_a_childs_part_is_a_uuid() -> None:
    sent = json.loads(golden("uk.mash.referral.received.v1"))
    sent["children"]["first"] = next(iter(sent["children"].values()))
    with pytest.raises(ValueError, match="uuid"):
        Received.model_validate_json(json.dumps(sent))


def lost(sent: Any, kept: Any, path: str = "") -> Iterator[str]:
    """Paths of what was sent and is not in what was kept. Times are compared as sent, so goldens are in UTC."""
    if isinstance(sent, dict):
        for name, value in sent.items():
            yield from lost(value, kept.get(name) if isinstance(kept, dict) else None, f"{path}/{name}")
    elif isinstance(sent, list):
        for place, value in enumerate(sent):
            found = kept[place] if isinstance(kept, list) and place < len(kept) else None
            yield from lost(value, found, f"{path}/{place}")
    elif str(sent).replace("Z", "+00:00") != str(kept).replace("Z", "+00:00") and not same_instant(
        sent, kept
    ):
        yield path


def same_instant(sent: Any, kept: Any) -> bool:
    """Whether both are the same RFC 3339 time, whose fraction of a second may be written longer or shorter."""
    if not (isinstance(sent, str) and isinstance(kept, str) and sent.endswith("Z") and "." in sent):
        return False
    return sent.rstrip("Z").rstrip("0") == kept.rstrip("Z").rstrip("0")


def objects(value: Any, name: str = "") -> Iterator[dict[str, Any]]:
    """Every object of a document that is a model and not a map."""
    if isinstance(value, dict):
        if name not in MAPS:
            yield value
        for key, each in value.items():
            yield from objects(each, key)
    elif isinstance(value, list):
        for each in value:
            yield from objects(each)


def fields_used(value: object) -> Iterator[str]:
    if isinstance(value, BaseModel):
        for name in value.model_fields_set:
            if getattr(value, name) not in (None, (), {}) or name == "children":
                yield f"{type(value).__name__}.{name}"
            yield from fields_used(getattr(value, name))
    elif isinstance(value, dict):
        for each in value.values():
            yield from fields_used(each)
    elif isinstance(value, tuple):
        for each in value:
            yield from fields_used(each)


def models_of_events() -> set[type[Model]]:
    found: set[type[Model]] = set()
    todo: list[Any] = [each.payload for each in EVENT_TYPES]
    while todo:
        kind = todo.pop()
        todo += get_args(kind)
        if isinstance(kind, type) and issubclass(kind, Model) and kind not in found:
            found.add(kind)
            todo += [field.annotation for field in kind.model_fields.values()]
    return found


MAPS = {
    name
    for model in models_of_events()
    for name, field in model.model_fields.items()
    if get_origin(field.annotation) is dict
}
"""The fields whose keys are data: of children, agencies, items or actions."""

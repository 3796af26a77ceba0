import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.compatibility import UPPER_BOUNDS, breaks
from tests.contract.conftest import Schemas

DECIDED = "uk.mash.triage.case-decided.v1"
Definitions = dict[str, dict[str, Any]]


def properties(definitions: Definitions, model: str) -> dict[str, Any]:
    found: dict[str, Any] = definitions[model]["properties"]
    return found


def removes_a_field(written: Definitions) -> None:
    properties(written, "DecidedChild").pop("departs")
    written["DecidedChild"]["required"].remove("departs")


def sends_a_field_only_sometimes(written: Definitions) -> None:
    written["Reference"]["required"].remove("reference")


def changes_a_type(written: Definitions) -> None:
    properties(written, "DecidedChild")["departs"] = {"type": "string"}


def adds_a_code_to_a_closed_list(written: Definitions) -> None:
    written["Level"]["enum"].append("level_5")


def allows_null(written: Definitions) -> None:
    field = properties(written, "DecidedChild")
    field["decision"] = {"anyOf": [field["decision"], {"type": "null"}]}


def loosens_a_bound(written: Definitions) -> None:
    properties(written, "DecidedChild")["decision"]["minimum"] = 0


def changes_the_form_of_a_text(written: Definitions) -> None:
    properties(written, "Reference")["at"].pop("format")


@pytest.mark.parametrize(
    "change",
    [
        removes_a_field,
        sends_a_field_only_sometimes,
        changes_a_type,
        adds_a_code_to_a_closed_list,
        allows_null,
        loosens_a_bound,
        changes_the_form_of_a_text,
    ],
)
def test_a_breaking_change_is_found(
    change: Callable[[Definitions], None], written: Schemas, read: Schemas
) -> None:
    assert compared(change, written, read)


@pytest.mark.parametrize("bound", UPPER_BOUNDS)
def test_what_a_writer_lets_grow_beyond_the_readers_bound_is_found(bound: str) -> None:
    reader = {"type": "string", bound: 64}
    for writer in ({"type": "string", bound: 65}, {"type": "string"}):
        assert breaks(writer, {}, reader, {}) == [f": {bound} is above the reader's"]
    assert breaks({"type": "string", bound: 64}, {}, reader, {}) == []


def adds_a_field(written: Definitions) -> None:
    properties(written, "DecidedChild")["panel_on"] = {"type": "string", "format": "date"}
    written["DecidedChild"]["required"].append("panel_on")


def adds_a_code_to_an_open_list(written: Definitions) -> None:
    written["Destination"]["enum"].append("family_hub")


def tightens_a_bound(written: Definitions) -> None:
    properties(written, "DecidedChild")["decision"]["minimum"] = 2


@pytest.mark.parametrize("change", [adds_a_field, adds_a_code_to_an_open_list, tightens_a_bound])
def test_a_compatible_change_is_let_through(
    change: Callable[[Definitions], None], written: Schemas, read: Schemas
) -> None:
    assert compared(change, written, read) == []


def compared(change: Callable[[Definitions], None], written: Schemas, read: Schemas) -> list[str]:
    (writer, definitions), (reader, known) = written, read
    changed = copy.deepcopy(definitions)
    change(changed)
    return breaks(writer[DECIDED], changed, reader[DECIDED], known)

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from libs.schemas.findings import SETTLED, AgencyState, Answer, Between, Fact


def fact(value: object) -> Fact:
    return Fact.strictly(json.dumps({"fact": "police.call_outs", "value": value, "basis": "record"}))


@given(st.booleans() | st.integers(-(2**31), 2**31) | st.text(max_size=40).filter(str.isprintable))
def test_a_value_keeps_its_kind(value: bool | int | str) -> None:
    kept = fact(value).value
    assert kept == value
    assert type(kept) is type(value)
    assert Fact.model_validate_json(fact(value).model_dump_json()) == fact(value)


def test_yes_is_never_read_as_one_nor_one_as_yes() -> None:
    assert fact(True).value is True
    assert fact(1).value == 1
    assert fact(1).value is not True
    assert fact("true").value == "true"


def test_a_value_within_bounds_keeps_both() -> None:
    assert fact({"at_least": 7, "at_most": 21}).value == Between(at_least=7, at_most=21)


@pytest.mark.parametrize(
    "value",
    [None, 1.5, [1], {"at_least": 1}, {"at_least": -1, "at_most": 2}, {"at_least": True, "at_most": 2}],
)
def test_anything_else_is_no_value(value: object) -> None:
    with pytest.raises(ValidationError):
        fact(value)


def test_silence_is_never_settled() -> None:
    assert {AgencyState.PENDING, AgencyState.NO_ANSWER, AgencyState.UNAVAILABLE}.isdisjoint(SETTLED)
    assert {AgencyState.RETURNED, AgencyState.NOTHING_HELD} <= SETTLED


def test_an_answer_in_a_state_of_a_later_release_is_not_taken_for_one_of_ours() -> None:
    answer = Answer.model_validate_json(
        '{"agency": "police", "question_id": "q", "state": "sealed_by_court"}'
    )
    assert answer.state not in set(AgencyState)
    assert answer.state not in SETTLED

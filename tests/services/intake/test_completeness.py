from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.schemas.referral import Referral, ReferralBody, ReferredChild
from services.intake import completeness
from services.intake.completeness import Gap, OpenItem, Section, SectionState

THIN: dict[str, Any] = {
    "worry": "Somebody shouts there at night.",
    "referrer": {"role": "public", "source": "1D"},
    "children": [{"status": "unidentified"}],
}


def open_items(states: tuple[SectionState, ...]) -> dict[str, OpenItem]:
    return {item.pointer: item for state in states for item in state.open}


def child(**fields: Any) -> dict[str, OpenItem]:
    return open_items(completeness.of_child(ReferredChild.model_validate(fields), 0))


def test_a_thin_referral_is_answered_in_every_section_and_never_refused() -> None:
    referral = Referral.model_validate(THIN)

    shared = completeness.of_referral(referral)
    of_child = completeness.of_child(referral.children[0], 0)

    assert {state.section for state in (*shared, *of_child)} == set(Section)
    assert not any(state.complete for state in (*shared, *of_child))


def test_each_open_item_says_why_it_would_help() -> None:
    referral = Referral.model_validate(THIN)
    items = open_items((*completeness.of_referral(referral), *completeness.of_child(referral.children[0], 0)))
    assert all(len(item.why) > 20 for item in items.values())


def test_pointers_name_the_child_they_are_about() -> None:
    states = completeness.of_child(ReferredChild.model_validate({}), 2)
    assert all(item.pointer.startswith("/children/2/") for state in states for item in state.open)


@pytest.mark.parametrize("number", ["9990001006", "9990001014"])
def test_an_nhs_number_whose_check_digit_fits_is_not_doubted(number: str) -> None:
    assert "/children/0/nhs_number" not in child(nhs_number=number)


@given(wrong=st.integers(1, 9))
def test_an_nhs_number_with_a_wrong_check_digit_is_doubtful(wrong: int) -> None:
    number = f"999000100{(6 + wrong) % 10}"
    assert child(nhs_number=number)["/children/0/nhs_number"].gap is Gap.DOUBTFUL


def test_a_upn_of_an_authority_younger_than_the_library_is_not_doubted() -> None:
    """941 is West Northamptonshire, made in 2021."""
    assert "/children/0/upn" not in child(upn="G941200020001")


@pytest.mark.parametrize("upn", ["A801200005001", "B80120000500I"])
def test_a_upn_whose_letter_does_not_fit_is_doubtful(upn: str) -> None:
    assert child(upn=upn)["/children/0/upn"].gap is Gap.DOUBTFUL


def test_an_unborn_child_is_asked_for_when_the_birth_is_due_and_not_for_a_voice() -> None:
    items = child(status="unborn")
    assert "/children/0/expected" in items
    assert "/children/0/voice" not in items
    assert "/children/0/born" not in items


def test_a_voice_that_was_not_obtained_for_a_reason_is_complete() -> None:
    assert "/children/0/voice" not in child(voice={"not_obtained_because": "too_young"})
    assert "/children/0/voice" in child(voice={})


def test_agreement_not_sought_asks_for_the_reason() -> None:
    body = ReferralBody.model_validate({**THIN, "agreements": {"checks": {"answer": "unsafe_to_seek"}}})
    assert "/agreements/checks/reason" in open_items(completeness.of_referral(body))


def test_an_anonymous_referrer_is_not_asked_who_they_are() -> None:
    body = ReferralBody.model_validate(
        {**THIN, "referrer": {"role": "public", "source": "9", "anonymous": True}}
    )
    contact = next(state for state in completeness.of_referral(body) if state.section is Section.CONTACT)
    assert contact.complete


def test_danger_without_a_reason_asks_for_it() -> None:
    body = ReferralBody.model_validate({**THIN, "immediate_danger": True})
    assert "/danger_reason" in open_items(completeness.of_referral(body))

import json
from typing import Any

import pytest
from pydantic import ValidationError

from libs.schemas.codes import Sex
from libs.schemas.person import Date
from libs.schemas.referral import Referral, ReferredChild

THIN: dict[str, Any] = {
    "worry": "A child has been crying in the stairwell every evening this week.",
    "referrer": {"role": "public", "source": "1D"},
    "children": [{"status": "unidentified"}],
}


def sent(**changes: Any) -> Referral:
    return Referral.strictly(json.dumps({**THIN, **changes}))


def refused(**changes: Any) -> set[str]:
    with pytest.raises(ValidationError) as caught:
        sent(**changes)
    return {error["type"] for error in caught.value.errors()}


def test_a_thin_referral_is_accepted_and_says_nothing_that_was_not_said() -> None:
    referral = sent()
    assert referral.children[0].facts == ()
    assert referral.children[0].voice is None
    assert referral.agreements.checks is None
    assert referral.level_asked is None
    assert referral.immediate_danger is False


@pytest.mark.parametrize("field", ["worry", "referrer", "children"])
def test_who_refers_what_the_worry_is_and_a_child_are_demanded(field: str) -> None:
    with pytest.raises(ValidationError):
        Referral.strictly(json.dumps({name: value for name, value in THIN.items() if name != field}))


def test_a_referral_without_a_child_is_refused() -> None:
    assert refused(children=[]) == {"too_short"}


def test_the_agency_of_the_referrer_cannot_be_claimed_in_the_body() -> None:
    assert "extra_forbidden" in refused(referrer={**THIN["referrer"], "agency": "police"})


def test_an_unborn_child_has_an_expected_date_and_never_a_date_of_birth() -> None:
    expected = {"earliest": "2026-06-01", "latest": "2026-06-30"}
    assert (
        sent(children=[{"status": "unborn", "expected": expected, "sex": "U"}]).children[0].sex is Sex.UNKNOWN
    )
    assert refused(children=[{"status": "unborn", "born": {"on": "2026-06-01"}}]) >= {"unborn_born"}
    assert refused(children=[{"born": {"on": "2020-06-01"}, "expected": expected}]) >= {"birth_and_expected"}


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"on": "2020-01-01", "earliest": "2020-01-01", "latest": "2020-01-02"},
        {"earliest": "2020-01-01"},
        {"earliest": "2020-02-01", "latest": "2020-01-01"},
    ],
)
def test_a_date_is_exact_or_between_two_days(form: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Date.strictly(json.dumps(form))


def test_an_estimated_date_keeps_its_uncertainty() -> None:
    child = ReferredChild.model_validate({"born": {"earliest": "2019-01-01", "latest": "2020-12-31"}})
    assert child.born is not None
    assert child.born.on is None


@pytest.mark.parametrize(
    ("contact", "error"),
    [
        ({"channel": "email", "phone": "07700 900123"}, "email_missing"),
        ({"channel": "sms", "email": "a@example.org"}, "phone_missing"),
        ({"channel": "telephone"}, "phone_missing"),
    ],
)
def test_a_safe_contact_has_the_address_that_its_channel_needs(contact: dict[str, str], error: str) -> None:
    assert refused(referrer={**THIN["referrer"], "contacts": [contact]}) == {error}


def test_agreement_for_one_thing_says_nothing_about_another() -> None:
    agreements = sent(agreements={"early_help": {"answer": "given", "by": "mother"}}).agreements
    assert agreements.early_help is not None
    assert (agreements.referral, agreements.checks, agreements.panel) == (None, None, None)


@pytest.mark.parametrize("postcode", ["PE1 1XX", "pe1 1xx", "PE11XX", "SW1A 1AA"])
def test_a_postcode_is_kept_in_capitals(postcode: str) -> None:
    child = sent(children=[{"address": {"postcode": postcode}}]).children[0]
    assert child.address is not None
    assert child.address.postcode == postcode.upper()

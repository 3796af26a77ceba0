"""What intake refuses of a referral by telephone stands beside the field that it was filled in."""

import pytest

from libs.platform.problems import Problem
from libs.platform.validation import FieldError
from services.triage.console.forms import Faults
from services.triage.console.refusals import explain


def told(pointer: str, code: str = "missing", adults: tuple[int, ...] = ()) -> dict[str, str]:
    faults = Faults()
    error = FieldError(pointer, code, "is needed")
    explain(Problem(422, "body-invalid", "Wrong", errors=[error]), faults, adults)
    return faults.texts


@pytest.mark.parametrize(
    ("pointer", "field", "text"),
    [
        ("/worry", "worry", "The worry is needed"),
        ("/immediate_danger", "danger", "The danger is needed"),
        ("/staff_danger", "staff_danger", "What could endanger staff is needed"),
        ("/agreements/checks/answer", "agreement_checks", "The agreement is needed"),
        ("/agreements/early_help", "agreement_early_help", "The agreement is needed"),
        ("/referrer/name", "caller", "The caller’s name is needed"),
        ("/referrer/contacts/0/phone", "contact", "How the caller is reached is needed"),
        ("/referrer/role", "role", "The caller is needed"),
        ("/children/0/given_name", "given_1", "The first name of child 1 is needed"),
        ("/children/1/family_name", "family_2", "The last name of child 2 is needed"),
        ("/children/9/born/on", "born_10-day", "The date of birth of child 10 is needed"),
        ("/children/0/expected/on", "expected_1-day", "The expected birth of child 1 is needed"),
        ("/children/0/address/postcode", "postcode_1", "The postcode of child 1 is needed"),
        ("/children/0/address/lines/3", "address_1", "The address of child 1 is needed"),
        ("/children/0/voice/not_obtained_because", "unheard_1", "Why child 1 was not heard is needed"),
        ("/children/0/voice/words", "words_1", "What child 1 said is needed"),
        ("/children/0", "status_1", "Child 1 is needed"),
        ("/tags/0/first_seen", "form", "Tags 0 first seen is needed"),
        ("", "form", "Is needed"),
    ],
)
def test_a_refusal_stands_beside_its_field_and_calls_it_as_the_form_does(
    pointer: str, field: str, text: str
) -> None:
    assert told(pointer) == {field: text}


@pytest.mark.parametrize(
    ("pointer", "code", "field", "text"),
    [
        (
            "/referrer/contacts/0/phone",
            "string_pattern_mismatch",
            "contact",
            "Enter a telephone number, such as 01632 960001",
        ),
        (
            "/referrer/contacts/0/email",
            "string_pattern_mismatch",
            "contact",
            "Enter an email address, such as name@example.org",
        ),
        (
            "/children/0/address/postcode",
            "string_pattern_mismatch",
            "postcode_1",
            "Enter a full postcode, such as PE1 1AA",
        ),
        ("/children/0/address/lines", "too_long", "address_1", "Enter the address in six lines or fewer"),
        (
            "/children/1",
            "unborn_born",
            "born_2-day",
            "Give child 2 a date of birth, or an expected one if not born yet",
        ),
        (
            "/children/0",
            "birth_and_expected",
            "born_1-day",
            "Give child 1 a date of birth, or an expected one if not born yet",
        ),
    ],
)
def test_what_a_program_calls_a_pattern_is_said_as_what_to_enter(
    pointer: str, code: str, field: str, text: str
) -> None:
    assert told(pointer, code) == {field: text}


def test_an_adult_is_the_one_of_the_row_that_was_filled_in() -> None:
    rows = (2, 5)
    assert told("/adults/0/given_name", adults=rows) == {
        "adult_given_2": "The first name of adult 2 is needed"
    }
    assert told("/adults/1/roles/0", adults=rows) == {"adult_role_5": "Adult 5 is needed"}
    assert told("/adults/2/family_name", adults=rows) == {
        "adult_family_3": "The last name of adult 3 is needed"
    }
    assert told("/children/0/given_name", adults=rows) == {"given_1": "The first name of child 1 is needed"}

"""What intake refuses of a referral by telephone: the field of the form that it is about, and words for staff."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from libs.platform.problems import Problem
from libs.platform.validation import FieldError
from services.triage.console.forms import Faults
from services.triage.console.words import sentence

_PLACES: Sequence[tuple[str, str, str]] = (
    (r"/worry", "worry", "the worry"),
    (r"/immediate_danger", "danger", "the danger"),
    (r"/danger_reason", "danger_reason", "what the danger is"),
    (r"/effect_on_child", "effect", "what it does to the children"),
    (r"/wanted_outcome", "wanted", "what the caller hopes for"),
    (r"/staff_danger", "staff_danger", "what could endanger staff"),
    (r"/agreements/checks.*", "agreement_checks", "the agreement"),
    (r"/agreements/early_help.*", "agreement_early_help", "the agreement"),
    (r"/referrer/name", "caller", "the caller’s name"),
    (r"/referrer/organisation", "organisation", "the organisation"),
    (r"/referrer/contacts.*", "contact", "how the caller is reached"),
    (r"/referrer.*", "role", "the caller"),
    (r"/children/(\d+)/given_name", "given_{}", "the first name of child {}"),
    (r"/children/(\d+)/family_name", "family_{}", "the last name of child {}"),
    (r"/children/(\d+)/sex", "sex_{}", "the sex of child {}"),
    (r"/children/(\d+)/born.*", "born_{}-day", "the date of birth of child {}"),
    (r"/children/(\d+)/expected.*", "expected_{}-day", "the expected birth of child {}"),
    (r"/children/(\d+)/identified_by", "identified_by_{}", "what is known of child {}"),
    (r"/children/(\d+)/address/postcode", "postcode_{}", "the postcode of child {}"),
    (r"/children/(\d+)/address.*", "address_{}", "the address of child {}"),
    (r"/children/(\d+)/school", "school_{}", "the school of child {}"),
    (r"/children/(\d+)/whereabouts", "whereabouts_{}", "where child {} is"),
    (r"/children/(\d+)/voice/not_obtained_because", "unheard_{}", "why child {} was not heard"),
    (r"/children/(\d+)/voice.*", "words_{}", "what child {} said"),
    (r"/children/(\d+).*", "status_{}", "child {}"),
    (r"/adults/(\d+)/given_name", "adult_given_{}", "the first name of adult {}"),
    (r"/adults/(\d+)/family_name", "adult_family_{}", "the last name of adult {}"),
    (r"/adults/(\d+).*", "adult_role_{}", "adult {}"),
)
_INSTEAD: Mapping[tuple[str, str], str] = {
    ("phone", "string_pattern_mismatch"): "Enter a telephone number, such as 01632 960001",
    ("email", "string_pattern_mismatch"): "Enter an email address, such as name@example.org",
    ("postcode", "string_pattern_mismatch"): "Enter a full postcode, such as PE1 1AA",
    ("lines", "too_long"): "Enter the address in six lines or fewer",
}
_BORN = frozenset(("unborn_born", "birth_and_expected"))


def explain(problem: Problem, faults: Faults, adults: Sequence[int]) -> None:
    """Notes everything that is refused, beside its field; what has none stands on top of the form.

    `adults`: which row of the form each adult of the referral was filled in.
    """
    for error in problem.errors:
        name, text = _told(error, adults)
        faults.add(name, text)


def _told(error: FieldError, adults: Sequence[int]) -> tuple[str, str]:
    pointer = error.pointer or ""
    for pattern, field, subject in _PLACES:
        if found := re.fullmatch(pattern, pointer):
            row = "" if not found.groups() else _row(pointer, int(found[1]), adults)
            if error.code in _BORN:
                return (
                    f"born_{row}-day",
                    f"Give child {row} a date of birth, or an expected one if not born yet",
                )
            last = pointer.rpartition("/")[2]
            said = _INSTEAD.get((last, error.code), f"{subject.format(row)} {error.detail}")
            return field.format(row), sentence(said)
    return "form", sentence(
        f"{pointer.strip('/').replace('/', ' ').replace('_', ' ')} {error.detail}".strip()
    )


def _row(pointer: str, number: int, adults: Sequence[int]) -> str:
    if pointer.startswith("/adults/") and number < len(adults):
        return str(adults[number])
    return str(number + 1)

"""The answer form: which fields it has, what somebody filled in, and what is wrong with it in words for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from pydantic import ValidationError

from libs.schemas.base import EARLIEST
from libs.schemas.dictionary import Definition, Dictionary, Kind
from libs.schemas.findings import Basis, Fact, FactValue
from libs.schemas.plans import DASH_QUESTIONS, Dash
from services.enrichment.pulled.given import Declined, Given, Spoken

STATES = {
    Spoken.RETURNED: "We hold something about the child or the home",
    Spoken.NOTHING_HELD: "We looked, and hold nothing",
    Spoken.OUTSIDE_COVERAGE: "Our records do not reach this place or time",
    Spoken.DECLINED: "We do not answer this",
}
REASONS = {
    Declined.NOT_PERMITTED: "We may not share this",
    Declined.AGREEMENT_NEEDED: "We need the family's agreement",
    Declined.TOO_LITTLE_TO_FIND: "We cannot tell who is meant",
    Declined.OTHER_AREA: "Another area's team holds this",
    Declined.CONFLICT_OF_INTEREST: "Somebody here has a conflict of interest",
    Declined.NO_CAPACITY: "We cannot look in time",
}
BASES = {
    Basis.RECORD: "It is on our record",
    Basis.OBSERVED: "Somebody saw it",
    Basis.CHILD_SAID: "The child said it",
    Basis.PARENT_SAID: "A parent said it",
    Basis.THIRD_PARTY: "Somebody else said it",
    Basis.SUSPICION: "It is suspected",
}
DATES = {
    "as_of": "When were your records last brought up to date?",
    "coverage_from": "From when do your records reach?",
    "coverage_to": "Until when do your records reach?",
}
_DASH = {"dash_yes": "DASH answers that were yes", "dash_asked": "DASH questions that were asked"}
LONGEST = 20_000


@dataclass(frozen=True, slots=True)
class FactField:
    """One fact that the agency may state, as a field."""

    name: str
    label: str
    choices: tuple[tuple[str, str], ...]
    """Value and words of each choice; none where a number is asked for."""
    maximum: int

    def said(self, text: str) -> str:
        """What was filled in, in words."""
        return dict(self.choices).get(text, text)


@dataclass(frozen=True, slots=True)
class Filled:
    """A form as it was filled in: the answer, or what is wrong by the name of the field, in the form's order."""

    given: Given | None
    errors: Mapping[str, str]


def fact_fields(dictionary: Dictionary, agency: str) -> tuple[FactField, ...]:
    """The facts that an agency may state, and no others, in the dictionary's order."""
    return tuple(
        FactField(f"fact.{name}", _sentence(one.label), _choices(one), one.maximum)
        for name, one in dictionary.definitions.items()
        if agency in one.sources
    )


def _choices(one: Definition) -> tuple[tuple[str, str], ...]:
    if one.kind is Kind.YES_NO:
        return ("yes", "Yes"), ("no", "No")
    return tuple((step, _sentence(step.replace("_", " "))) for step in one.steps)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def read_answer(fields: Mapping[str, object], facts: Sequence[FactField], now: datetime) -> Filled:
    """What somebody filled in. Words that no browser would send from this form are refused like others."""
    values = {name: value.strip() for name, value in fields.items() if isinstance(value, str)}
    errors: dict[str, str] = {}
    state = values.get("state", "")
    if state not in list(Spoken):
        errors["state"] = "Select what you can say"
    reason = values.get("reason", "") if state == Spoken.DECLINED else ""
    if state == Spoken.DECLINED and reason not in list(Declined):
        errors["reason"] = "Select why you do not answer"
    basis = values.get("basis", "") or Basis.RECORD
    if basis not in list(Basis):
        errors["basis"] = "Select how this is known"
    stated = [fact for field in facts if (fact := _fact(field, values, basis, errors)) is not None]
    dash = _dash(values, errors)
    narrative = values.get("narrative", "").replace("\r\n", "\n") or None
    if narrative is not None and (len(narrative) > LONGEST or "\x00" in narrative):
        errors["narrative"] = f"Other information must be {LONGEST} characters or fewer"
    if state == Spoken.RETURNED and not (stated or dash or narrative) and not errors:
        errors["state"] = "Say at least one thing that you hold, or select that you hold nothing"
    if state in (Spoken.NOTHING_HELD, Spoken.DECLINED) and (stated or dash):
        errors["state"] = "Select that you hold something, or clear what you said of it"
    days = {name: _day(name, label, values, now, errors) for name, label in DATES.items()}
    start, end = days["coverage_from"], days["coverage_to"]
    if start and end and start > end:
        errors["coverage_to"] = "The end of your records must be after their start"
    if errors:
        return Filled(None, errors)
    try:
        return Filled(
            Given.model_validate(
                {
                    "state": state,
                    "reason": reason or None,
                    **days,
                    "facts": stated,
                    "dash": dash,
                    "narrative": narrative,
                }
            ),
            {},
        )
    except ValidationError:
        return Filled(None, {"state": "This answer contradicts itself"})


def _fact(field: FactField, values: Mapping[str, str], basis: str, errors: dict[str, str]) -> Fact | None:
    text = values.get(field.name, "")
    if not text:
        return None
    value: FactValue
    if field.choices:
        if text not in dict(field.choices):
            errors[field.name] = f"{field.label}: select an answer, or leave it as not stated"
            return None
        yes_no = field.choices[0][0] == "yes"
        value = text == "yes" if yes_no else text
    else:
        number = _number(text, field.maximum)
        if number is None:
            errors[field.name] = f"{field.label}: enter a whole number from 0 to {field.maximum}"
            return None
        value = number
    if basis not in list(Basis):
        return None
    return Fact(fact=field.name.removeprefix("fact."), value=value, basis=Basis(basis))


def _dash(values: Mapping[str, str], errors: dict[str, str]) -> Dash | None:
    yes, asked = values.get("dash_yes", ""), values.get("dash_asked", "")
    if not yes and not asked:
        return None
    numbers = {
        name: _number(text, DASH_QUESTIONS) for name, text in (("dash_yes", yes), ("dash_asked", asked))
    }
    for name, number in numbers.items():
        if number is None:
            errors[name] = f"{_DASH[name]}: enter a whole number from 0 to {DASH_QUESTIONS}"
    first, second = numbers["dash_yes"], numbers["dash_asked"]
    if first is None or second is None:
        return None
    if first > second:
        errors["dash_yes"] = "The yes answers cannot be more than the questions asked"
        return None
    return Dash(yes=first, asked=second)


def _day(
    name: str, label: str, values: Mapping[str, str], now: datetime, errors: dict[str, str]
) -> date | None:
    parts = [values.get(f"{name}-{part}", "") for part in ("year", "month", "day")]
    if not any(parts):
        return None
    numbers = [_number(part, 9999) for part in parts]
    try:
        year, month, day = (-1 if number is None else number for number in numbers)
        found = date(year, month, day)
    except ValueError:
        errors[name] = f"{label} Enter a day, a month and a year, such as 27 3 2026"
        return None
    if found < EARLIEST:
        errors[name] = f"{label} Enter the year with four digits, such as 2026"
        return None
    if found > now.date() + timedelta(days=1):
        errors[name] = f"{label} The date must be today or in the past"
        return None
    return found


def _number(text: str, maximum: int) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        return None
    return int(text) if int(text) <= maximum else None

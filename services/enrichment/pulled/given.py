"""What an agency that fetches its questions may answer, and what the answer means."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Self
from uuid import UUID

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError, to_json

from libs.schemas.base import IsoDate, Model, Open, Text
from libs.schemas.dictionary import Dictionary
from libs.schemas.findings import AgencyState, CorrectionKind, Fact
from libs.schemas.plans import Dash
from services.enrichment.asking.agency import Reply
from services.enrichment.asking.question import Question, exact_birth

MOST_FACTS = 200


class Spoken(StrEnum):
    """What an agency may say of itself; the other states are the hub's own observations."""

    RETURNED = "returned"
    NOTHING_HELD = "nothing_held"
    OUTSIDE_COVERAGE = "outside_coverage"
    DECLINED = "declined"


class Declined(StrEnum):
    """Why an agency does not answer. A code: free words about it could name people."""

    NOT_PERMITTED = "not_permitted"
    AGREEMENT_NEEDED = "agreement_needed"
    TOO_LITTLE_TO_FIND = "too_little_to_find"
    OTHER_AREA = "other_area"
    CONFLICT_OF_INTEREST = "conflict_of_interest"
    NO_CAPACITY = "no_capacity"


class Found(Model):
    """Whom the agency found, by what it holds: an answer about somebody else is refused."""

    nhs_number: str | None = Field(None, max_length=12)
    upn: str | None = Field(None, max_length=13)
    born: IsoDate | None = None


class Given(Model):
    """An answer, in the words of the partnership's dictionary of facts."""

    state: Open[Spoken]
    reason: Open[Declined] | None = Field(None, description="Why, where the agency declines.")
    child: Found | None = Field(None, description="By what the agency knows the child.")
    as_of: IsoDate | None = Field(None, description="The day that the agency's data was last current.")
    coverage_from: IsoDate | None = None
    coverage_to: IsoDate | None = None
    facts: tuple[Fact, ...] = Field((), max_length=MOST_FACTS)
    dash: Dash | None = None
    narrative: Text | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        says = bool(self.facts or self.dash or self.narrative)
        if self.state == Spoken.RETURNED and not says:
            raise PydanticCustomError("empty_answer", "must have facts, a DASH assessment or a narrative")
        if self.state in (Spoken.NOTHING_HELD, Spoken.DECLINED) and (self.facts or self.dash):
            raise PydanticCustomError("contradictory", "must have no facts where the state is another")
        if (self.state == Spoken.DECLINED) != (self.reason is not None):
            raise PydanticCustomError(
                "decline_reason", "must have a reason where, and only where, it declines"
            )
        if self.coverage_from and self.coverage_to and self.coverage_from > self.coverage_to:
            raise PydanticCustomError("coverage", "must have `coverage_from` on or before `coverage_to`")
        return self

    @property
    def digest(self) -> bytes:
        """Equal for equal answers: SHA-256."""
        return sha256(to_json(self)).digest()


class AnswerBody(Given):
    """An answer under a claim."""

    claim_id: UUID

    def given(self) -> Given:
        """The answer alone."""
        return Given.model_construct(**{name: getattr(self, name) for name in Given.model_fields})


class Because(StrEnum):
    """Why an agency corrects an answer."""

    WRONG_PERSON = "wrong_person"
    MISTAKE = "mistake"
    MORE_FOUND = "more_found"


class CorrectionBody(Model):
    """An answer is taken back, or another is given in its place. The first one stays on record."""

    kind: Open[CorrectionKind]
    reason: Open[Because]
    answer: Given | None = Field(None, description="What counts instead; absent where nothing does.")

    @model_validator(mode="after")
    def _says_what_counts(self) -> Self:
        if (self.kind == CorrectionKind.CORRECTED) != (self.answer is not None):
            raise PydanticCustomError(
                "correction", "must have an answer where, and only where, it is `corrected`"
            )
        return self

    @property
    def digest(self) -> bytes:
        """Equal for equal corrections: SHA-256."""
        return sha256(to_json(self)).digest()


@dataclass(frozen=True, slots=True)
class Fault:
    """One wrong place of an answer: JSON Pointer within it, a code, and what would be right."""

    pointer: str
    code: str
    wanted: str


def statable(dictionary: Dictionary, agency: str) -> dict[str, str]:
    """The facts that an agency may state, with their labels, in the dictionary's order."""
    return {name: one.label for name, one in dictionary.definitions.items() if agency in one.sources}


def faults(given: Given, agency: str, dictionary: Dictionary, now: datetime) -> list[Fault]:
    """What the dictionary and the calendar have against an answer."""
    found: list[Fault] = []
    # A day's grace: an agency's clock or time zone may be ahead of the hub's.
    latest = now.date() + timedelta(days=1)
    days: Mapping[str, date | None] = {
        "/as_of": given.as_of,
        "/coverage_from": given.coverage_from,
        "/coverage_to": given.coverage_to,
        **{f"/facts/{place}/on": fact.on for place, fact in enumerate(given.facts)},
    }
    found += [
        Fault(pointer, "future_date", "must not be later than today")
        for pointer, day in days.items()
        if day is not None and day > latest
    ]
    for place, fact in enumerate(given.facts):
        fault = dictionary.check(fact)
        if fault is not None:
            found.append(Fault(f"/facts/{place}/{fault.field}", fault.code, fault.wanted))
        elif agency not in dictionary.definitions[fact.fact].sources:
            found.append(
                Fault(f"/facts/{place}/fact", "not_a_source", "must be a fact that this agency may state")
            )
    return found


def about_someone_else(given: Given, question: Question) -> bool:
    """Whether an identifier of whom the agency found contradicts whom it was asked about."""
    found, asked = given.child, question.child
    if found is None:
        return False
    pairs: tuple[tuple[str | date | None, str | date | None], ...] = (
        (_compact(found.nhs_number), _compact(asked.nhs_number)),
        (_compact(found.upn), _compact(asked.upn)),
        (found.born, exact_birth(asked.born)),
    )
    return any(theirs is not None and ours is not None and theirs != ours for theirs, ours in pairs)


def _compact(number: str | None) -> str | None:
    """A number is the same however it is spaced, hyphened or capitalised; an empty one is none."""
    return "".join(filter(str.isalnum, number or "")).upper() or None


def reply_of(given: Given) -> Reply:
    """The answer as the port of agencies gives it."""
    return Reply(
        state=AgencyState(given.state),
        reason=None if given.reason is None else str(given.reason),
        as_of=given.as_of,
        coverage_from=given.coverage_from,
        coverage_to=given.coverage_to,
        facts=given.facts,
        narrative=given.narrative,
        dash=given.dash,
    )

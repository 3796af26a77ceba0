"""A whole referral as a person can write it down: what `mash policy decide` reads.

Everything may be missing. What is not written is unknown, and never no.
"""

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field, StrictBool, model_validator
from pydantic_core import PydanticCustomError

from libs.schemas.base import FactName, Identifier, Instant, IsoDate, Line, Model, Text
from libs.schemas.codes import (
    AdultRole,
    AgreementAnswer,
    Channel,
    ChildPart,
    ChildStatus,
    ContactKind,
    Disability,
    HelpKind,
    HelpResult,
    KnownToFamily,
    ReferralSource,
    ReferrerRole,
    SafeChannel,
    TriState,
)
from libs.schemas.findings import AgencyState, Basis, FactValue, Period
from libs.schemas.levels import Level
from libs.schemas.person import Date, Postcode
from libs.schemas.plans import Dash, Plan

FACTS = "x-facts"
"""Marks a mapping from facts to statements in the JSON Schema."""

SOURCES = "x-sources"
"""Marks a mapping from agencies to their answers in the JSON Schema."""


class Statement(Model):
    """One statement of a fact: the value, who states it, how they know, and when it holds."""

    value: FactValue = Field(
        description="Yes or no, a step of the scale, a number, or bounds such as `7 to 21`."
    )
    source: Identifier | None = Field(
        None,
        description="`referrer`, `staff` or an agency's id; unless said, whoever may state it, the referrer first.",
    )
    basis: Basis = Basis.OBSERVED
    period: Period = Period.NOW
    on: IsoDate | None = Field(None, description="The day that it was seen or recorded.")


Statements = Annotated[
    dict[FactName, tuple[Statement, ...]],
    Field(
        json_schema_extra={FACTS: True},
        description="By the fact's name: a bare value, a statement, or a list of statements.",
    ),
]
"""Facts by name, each with one statement or several: those that contradict each other are all kept."""


class SourceAnswer(Model):
    """What one agency answered, or why it did not."""

    state: AgencyState
    reason: Line | None = None
    asked_at: Instant | None = None
    due_at: Instant | None = None
    answered_at: Instant | None = None
    facts: Statements = Field(default_factory=dict)


Answers = Annotated[
    dict[Identifier, SourceAnswer],
    Field(
        json_schema_extra={SOURCES: True},
        description="By the agency's id: its state, or its state with more. An agency not named was not asked.",
    ),
]


class Earlier(Model):
    """An earlier report about the child or the family."""

    on: IsoDate
    kind: ContactKind = ContactKind.NEW_WORRY
    reference: Line | None = None
    decided_on: IsoDate | None = Field(None, description="Absent while it is open.")
    event: Line | None = Field(None, description="Reports with the same label tell of the same event.")
    mistaken: StrictBool = Field(False, description="Withdrawn as a mistake, such as a wrong child.")
    facts: Statements = Field(default_factory=dict)


class Found(StrEnum):
    """Where a child who lives in another authority's area is now."""

    HERE = "here"
    ELSEWHERE = "elsewhere"
    NOT_KNOWN = "not_known"


class PictureChild(Model):
    """One child, born or unborn. Each gets an answer of their own."""

    name: Line | None = Field(None, description="How the answer calls the child.")
    status: ChildStatus = ChildStatus.BORN
    part: ChildPart = ChildPart.THOUGHT_HARMED
    born: Date | None = None
    expected: Date | None = None
    disabilities: tuple[Disability, ...] = ()
    household: Identifier | None = Field(None, description="A label: who has the same lives together.")
    postcode: Postcode | None = Field(None, description="Decides which locality's panel it is.")
    added_at: Instant | None = Field(None, description="When the child was added to the referral, if later.")
    home_authority: Line | None = Field(None, description="The authority where the child lives, if another.")
    found: Found = Field(Found.NOT_KNOWN, description="Where a child of another authority is now.")
    facts: Statements = Field(default_factory=dict)
    answers: Answers = Field(default_factory=dict)
    """Answers about this child; an agency's answer here stands in the place of the referral's."""
    earlier: tuple[Earlier, ...] = ()
    plans: tuple[Plan, ...] = ()

    @model_validator(mode="after")
    def _birth_fits_status(self) -> Self:
        if self.born is not None and self.expected is not None:
            raise PydanticCustomError(
                "birth_and_expected", "must have a date of birth or an expected one, never both"
            )
        if self.status is ChildStatus.UNBORN and self.born is not None:
            raise PydanticCustomError("unborn_born", "must have `expected`, not `born`, for an unborn child")
        return self


class PictureAdult(Model):
    """An adult of the home or around it. What is stated about them counts for every child in contact."""

    roles: tuple[AdultRole, ...] = ()
    household: Identifier | None = None
    thought_to_harm: StrictBool = False
    works_with_children: TriState = TriState.NOT_KNOWN
    facts: Statements = Field(default_factory=dict)


class PictureHome(Model):
    """What is stated about a home, for every child who lives there or may."""

    household: Identifier | None = None
    facts: Statements = Field(default_factory=dict)


class PictureHelp(Model):
    """Help that the family had or has."""

    kind: HelpKind
    result: HelpResult = HelpResult.NOT_KNOWN
    started: IsoDate | None = None
    ended: IsoDate | None = None


class PictureAgreement(Model):
    """The family's answers. Agreement to one thing says nothing about another."""

    referral: AgreementAnswer | None = None
    checks: AgreementAnswer | None = None
    early_help: AgreementAnswer | None = None
    panel: AgreementAnswer | None = None


class PictureReferrer(Model):
    """Who refers, and how they can be told."""

    role: ReferrerRole = ReferrerRole.OTHER_PROFESSIONAL
    source: ReferralSource = ReferralSource.UNKNOWN
    agency: Identifier | None = None
    anonymous: StrictBool = False
    contact: SafeChannel | None = Field(
        None, description="A safe way to tell them; `none` where there is none."
    )
    family_may_know: KnownToFamily = KnownToFamily.NOT_SAID


class Picture(Model):
    """A whole referral: who reports what about which children, what came before, and what each agency answered."""

    received_at: Instant | None = Field(None, description="When the hub received it; unless said, `--at`.")
    channel: Channel = Channel.SYSTEM
    kind: ContactKind = ContactKind.NEW_WORRY
    event: Line | None = Field(None, description="The event that it tells of, as `earlier` labels it.")
    worry: Text | None = Field(
        None, description="The referrer's words. A person reads them; nothing is inferred."
    )
    words_read: StrictBool = Field(False, description="Whether a person has read the words.")
    level_asked: Level | None = Field(None, description="What the referrer asks for. It lowers nothing.")
    immediate_danger: StrictBool = False
    do_not_alert_household: StrictBool = False
    step_down: StrictBool = Field(
        False, description="Social care closes with a plan that goes with the child."
    )
    referrer: PictureReferrer = PictureReferrer()
    agreement: PictureAgreement = PictureAgreement()
    help_given: tuple[PictureHelp, ...] = ()
    adults: tuple[PictureAdult, ...] = ()
    homes: tuple[PictureHome, ...] = ()
    dash: Dash | None = None
    earlier: tuple[Earlier, ...] = Field((), description="Earlier reports about the family.")
    answers: Answers = Field(default_factory=dict)
    """Answers that are about every child."""
    children: tuple[PictureChild, ...] = Field(min_length=1, max_length=20)


def picture_schema() -> dict[str, Any]:
    """The JSON Schema of what `mash policy decide` reads: facts and answers also in their short forms."""
    schema = Picture.model_json_schema()
    _shorten(schema)
    return schema


def _shorten(part: Any) -> None:
    if isinstance(part, list):
        for one in part:
            _shorten(one)
    if not isinstance(part, dict):
        return
    for one in part.values():
        _shorten(one)
    if FACTS in part or SOURCES in part:
        (part["additionalProperties"],) = part.pop("patternProperties").values()
    if FACTS in part:
        statements = part["additionalProperties"]
        part["additionalProperties"] = {
            "anyOf": [{"type": ["string", "number", "boolean"]}, statements["items"], statements]
        }
    if SOURCES in part:
        part["additionalProperties"] = {"anyOf": [{"type": "string"}, part["additionalProperties"]]}

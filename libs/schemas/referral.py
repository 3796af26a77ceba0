"""A referral as a partner sends it: what the worry is, about which children, and how the referrer can be told.

Only the referrer, the worry and at least one child (who may be unidentified) are demanded. Everything else may be
missing: intake answers with what would help, and never turns a thin referral away.
"""

from typing import Annotated, Self

from pydantic import Field, StrictBool, StrictInt, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from libs.schemas.base import Identifier, Instant, IsoDate, Line, Model, Open, Text
from libs.schemas.codes import (
    AdultRole,
    AgreementAnswer,
    Channel,
    ChildPart,
    ChildStatus,
    ContactKind,
    Disability,
    EmptyVoice,
    Ethnicity,
    HelpKind,
    HelpResult,
    KnownToFamily,
    ReferralSource,
    ReferrerRole,
    SafeChannel,
    TriState,
    UpnUnknown,
    Urgency,
)
from libs.schemas.findings import Fact
from libs.schemas.levels import Level
from libs.schemas.person import Date, Person, Phone

Email = Annotated[str, StringConstraints(pattern=r"^[^@\s\x00]{1,120}@[^@\s\x00]{1,120}\.[^@\s\x00]{1,40}$")]


class Voice(Model):
    """What the child wishes and says, or why nobody asked. Not obtained is never "no concern"."""

    words: Text | None = None
    wishes: Text | None = None
    not_obtained_because: Open[EmptyVoice] | None = None


class Agreement(Model):
    """One agreement of the family. It is not the lawful basis for sharing, which is recorded apart."""

    answer: Open[AgreementAnswer]
    by: Line | None = Field(None, description="Who agreed or refused, and their relation to the child.")
    on: IsoDate | None = None
    reason: Text | None = Field(None, description="Why it was not sought, or why seeking it is unsafe.")


class Agreements(Model):
    """Agreement to four different things; given for one says nothing about another."""

    referral: Agreement | None = None
    checks: Agreement | None = None
    early_help: Agreement | None = None
    panel: Agreement | None = None


class ReferredChild(Person):
    """One child of the referral: born, unborn or not identified. Each gets a case and a decision of their own."""

    status: Open[ChildStatus] = ChildStatus.BORN
    part: Open[ChildPart] = Field(ChildPart.THOUGHT_HARMED, description="The child's part in what is feared.")
    born: Date | None = None
    expected: Date | None = Field(None, description="Expected date of birth of the unborn.")
    nhs_number: Annotated[str, StringConstraints(pattern=r"^[0-9]{10}$")] | None = None
    upn: Annotated[str, StringConstraints(pattern=r"^[A-Z][0-9]{11}[0-9A-Z]$")] | None = None
    upn_unknown: Open[UpnUnknown] | None = None
    ethnicity: Open[Ethnicity] | None = None
    disabilities: tuple[Open[Disability], ...] = Field((), max_length=12)
    language: Line | None = None
    interpreter_needed: StrictBool | None = None
    communication_needs: Text | None = None
    school: Line | None = None
    gp: Line | None = None
    household: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,40}$")] | None = Field(
        None, description="A label: people with the same label live together."
    )
    whereabouts: Text | None = Field(None, description="Where the child is now.")
    safe_until: Instant | None = Field(None, description="By when the child must be safe.")
    safe_until_reason: Text | None = None
    identified_by: Text | None = Field(None, description="What is known of a child who is not identified.")
    facts: tuple[Fact, ...] = Field((), max_length=200)
    voice: Voice | None = None

    @model_validator(mode="after")
    def _birth_fits_status(self) -> Self:
        if self.born is not None and self.expected is not None:
            raise PydanticCustomError(
                "birth_and_expected", "must have a date of birth or an expected one, never both"
            )
        if self.status is ChildStatus.UNBORN and self.born is not None:
            raise PydanticCustomError("unborn_born", "must have `expected`, not `born`, for an unborn child")
        return self


class Adult(Person):
    """An adult who matters to the children: carer, household member, source of risk."""

    roles: tuple[Open[AdultRole], ...] = Field((), max_length=8)
    relation: Line | None = None
    born: Date | None = None
    parental_responsibility: Open[TriState] = TriState.NOT_KNOWN
    household: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,40}$")] | None = None
    thought_to_harm: StrictBool = False
    works_with_children: Open[TriState] = TriState.NOT_KNOWN
    employer_agency: Identifier | None = Field(
        None,
        description="The agency that the person works for, when the person thought to harm works for one.",
    )


class Help(Model):
    """Help that the family had or has."""

    kind: Open[HelpKind]
    by: Line | None = None
    started: IsoDate | None = None
    ended: IsoDate | None = None
    result: Open[HelpResult] = HelpResult.NOT_KNOWN
    note: Text | None = None


class SafeContact(Model):
    """A way to reach the referrer that cannot be read by the person thought to harm."""

    channel: Open[SafeChannel]
    email: Email | None = None
    phone: Phone | None = None
    note: Text | None = Field(None, description="When and how it is safe, such as `not after 17:00`.")

    @model_validator(mode="after")
    def _has_address(self) -> Self:
        if self.channel == SafeChannel.EMAIL and self.email is None:
            raise PydanticCustomError("email_missing", "must have `email` when the channel is email")
        if self.channel in (SafeChannel.SMS, SafeChannel.TELEPHONE) and self.phone is None:
            raise PydanticCustomError(
                "phone_missing", "must have `phone` when the channel is sms or telephone"
            )
        return self


class Referrer(Model):
    """Who refers. The agency is not here: it comes from the token."""

    role: Open[ReferrerRole]
    source: Open[ReferralSource] = Field(
        description="Children in need census code of the source of referral."
    )
    name: Line | None = None
    organisation: Line | None = None
    anonymous: StrictBool = False
    contacts: tuple[SafeContact, ...] = Field(
        (), max_length=5, description="Safe ways to be told, best first."
    )
    family_may_know: Open[KnownToFamily] = KnownToFamily.NOT_SAID
    suspect_may_read: Text | None = Field(
        None, description="Where the person thought to harm may read messages; these are never used."
    )


class LawfulBasis(Model):
    """On what ground the referrer shares, apart from anyone's agreement."""

    basis: Line
    reason: Text | None = None


class StepDown(Model):
    """What goes with a step-down from social care: how the plan closes and what brings the child back."""

    closing_plan: Text
    contingency: Text


class ReferralBody(Model):
    """Everything of a referral that its children share."""

    kind: Open[ContactKind] = ContactKind.NEW_WORRY
    channel: Open[Channel] = Channel.SYSTEM
    level_asked: Open[Level] | None = None
    source_reference: Line | None = Field(
        None, description="The sender's own reference, such as a form's number."
    )
    worry: Text = Field(
        description="The worry in the referrer's words. A person reads it; nothing is inferred."
    )
    effect_on_child: Text | None = None
    wanted_outcome: Text | None = None
    immediate_danger: StrictBool = False
    danger_reason: Text | None = None
    urgency_asked: Open[Urgency] | None = None
    adults: tuple[Adult, ...] = Field((), max_length=40)
    staff_danger: Text | None = Field(None, description="What could endanger staff who visit.")
    do_not_alert_household: StrictBool = False
    language: Line | None = None
    interpreter_needed: StrictBool | None = None
    help_given: tuple[Help, ...] = Field((), max_length=40)
    strengths: Text | None = None
    agreements: Agreements = Agreements()
    lawful_basis: LawfulBasis | None = None
    referrer: Referrer
    step_down: StepDown | None = None


class Referral(ReferralBody):
    """The body of `POST /v1/referrals`."""

    children: tuple[ReferredChild, ...] = Field(min_length=1, max_length=20)


class ChildInformation(Model):
    """Further facts about one child of a referral."""

    child: StrictInt = Field(ge=1, le=20, description="The child's number in the referral, 1 for the first.")
    facts: tuple[Fact, ...] = Field((), max_length=200)
    voice: Voice | None = None
    whereabouts: Text | None = None


class Information(Model):
    """The body of `POST /v1/referrals/{reference}/information`: what became known since."""

    worry: Text | None = None
    immediate_danger: StrictBool = False
    danger_reason: Text | None = None
    agreements: Agreements | None = None
    children: tuple[ChildInformation, ...] = Field((), max_length=20)


Part = Annotated[Text, Field(max_length=6_000)]
"""One of several texts that are read together; all of them fit into one."""


class Challenge(Model):
    """The body of `POST /v1/referrals/{reference}/challenges`: the referrer's agency disagrees with a decision."""

    challenger: Line = Field(description="Who disagrees, with their role.")
    reach: Line = Field(description="Whom the reviewer talks to, and how they are reached.")
    children: tuple[Annotated[StrictInt, Field(ge=1, le=20)], ...] = Field(
        min_length=1,
        max_length=20,
        description="The children whose decision it is about, by their numbers in the referral.",
    )
    disagrees_with: Part = Field(description="With what of the decision they disagree.")
    because: Part
    safe_meanwhile: Part = Field(description="How the child is safe until this is settled, as they see it.")
    evidence: Information | None = Field(
        None, description="What is new. It is taken like further information, and counts at once."
    )


class Withdrawal(Model):
    """The body of `POST /v1/referrals/{reference}/withdrawal`. It is information: it closes and lowers nothing."""

    by: Line = Field(description="Who withdraws, by role.")
    reason: Text

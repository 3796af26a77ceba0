"""What a strategy discussion must have, and what is flagged of it. Pure.

Working Together to Safeguard Children 2023, chapter 3: a local authority social worker, health practitioners and a
police representative take part as a minimum; it decides whether there is an enquiry under section 47, and whether the
police and social care make it together or one of them alone.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from pydantic import Field, StrictBool

from libs.schemas.base import Instant, Line, Model, Open, Text
from libs.schemas.clock import to_the_minute


class Attending(StrEnum):
    """Whom somebody who takes part speaks for."""

    CHILDRENS_SOCIAL_CARE = "childrens_social_care"
    POLICE = "police"
    CAISU = "caisu"
    """The police's Child Abuse Investigation and Safeguarding Unit."""
    HEALTH = "health"
    EDUCATION = "education"
    EARLY_HELP = "early_help"
    HOUSING = "housing"
    ADULT_SERVICES = "adult_services"
    REFERRER = "referrer"
    OTHER = "other"


class Core(StrEnum):
    """Who always takes part."""

    CHILDRENS_SOCIAL_CARE = "childrens_social_care"
    POLICE = "police"
    HEALTH = "health"


SPEAKS_FOR: Mapping[Core, frozenset[str]] = {
    Core.CHILDRENS_SOCIAL_CARE: frozenset((Attending.CHILDRENS_SOCIAL_CARE,)),
    Core.POLICE: frozenset((Attending.POLICE, Attending.CAISU)),
    Core.HEALTH: frozenset((Attending.HEALTH,)),
}
"""Whose presence stands for each of them."""

IN_WORDS: Mapping[Core, str] = {
    Core.CHILDRENS_SOCIAL_CARE: "children's social care",
    Core.POLICE: "the police",
    Core.HEALTH: "health",
}


class Enquiry(StrEnum):
    """What came of a discussion."""

    SINGLE = "single"
    """An enquiry under section 47 by social care alone."""
    JOINT = "joint"
    """An enquiry by social care and the police together."""
    NO_ENQUIRY = "no_enquiry"


class Flag(StrEnum):
    """What a manager should see of a discussion at once."""

    SOCIAL_CARE_MISSING = "childrens_social_care_missing"
    POLICE_MISSING = "police_missing"
    HEALTH_MISSING = "health_missing"
    CAISU_NOT_TOLD = "caisu_not_told"
    """A crime may have occurred, and the unit that investigates crimes against children does not know yet."""
    JOINT_WITHOUT_POLICE = "joint_without_police"
    DISSENT = "dissent"


MISSING: Mapping[Core, Flag] = {
    Core.CHILDRENS_SOCIAL_CARE: Flag.SOCIAL_CARE_MISSING,
    Core.POLICE: Flag.POLICE_MISSING,
    Core.HEALTH: Flag.HEALTH_MISSING,
}


class Member(Model):
    """Somebody who takes part."""

    agency: Open[Attending]
    name: Line = Field(description="The person, with their role.")


class Absence(Model):
    """Why somebody who always takes part did not."""

    agency: Open[Core]
    reason: Text


class CaisuTold(Model):
    """Who told the police's Child Abuse Investigation and Safeguarding Unit, and when."""

    at: Instant
    by: Line
    reference: Line | None = Field(None, description="The police's own reference.")


class Dissent(Model):
    """Somebody who took part and does not agree with what came of it."""

    name: Line = Field(description="As among the members.")
    reason: Text


class StrategyBody(Model):
    """The body of `PUT /v1/cases/{id}/strategy-discussion`. Nothing is preselected."""

    held_at: Instant
    chaired_by: Line = Field(description="The person, with their role.")
    members: tuple[Member, ...] = Field(min_length=1, max_length=40)
    absences: tuple[Absence, ...] = Field(
        (), max_length=3, description="One for each of social care, police and health that took no part."
    )
    crime_may_have_occurred: StrictBool
    caisu_told: CaisuTold | None = None
    outcome: Open[Enquiry]
    rationale: Text
    safety_plan: Text = Field(description="How the child is safe meanwhile, whatever the outcome.")
    dissent: tuple[Dissent, ...] = Field((), max_length=40)


class Fault(NamedTuple):
    """Something that a record of a discussion may not be, with its place."""

    pointer: str
    code: str
    detail: str


def missing(body: StrategyBody) -> tuple[Core, ...]:
    """Who always takes part and did not."""
    there = {str(one.agency) for one in body.members}
    return tuple(core for core, voices in SPEAKS_FOR.items() if not there & voices)


def faults(body: StrategyBody, received_at: datetime, now: datetime) -> Iterator[Fault]:
    """Everything that keeps a record from being taken."""
    if body.held_at > now:
        yield Fault("/held_at", "in_the_future", "must not be later than now")
    if body.held_at < to_the_minute(received_at):
        yield Fault("/held_at", "before_receipt", "must not be before the contact was received")
    away = missing(body)
    explained = [str(one.agency) for one in body.absences]
    for core in away:
        if core not in explained:
            words = IN_WORDS[core]
            yield Fault("/members", f"{core.value}_missing", f"must have {words}, or `absences` say why not")
    for place, agency in enumerate(explained):
        if agency not in away:
            yield Fault(f"/absences/{place}/agency", "present", "must be one that took no part")
        elif agency in explained[:place]:
            yield Fault(f"/absences/{place}/agency", "twice", "must stand once")
    told = body.caisu_told
    if told is not None and not body.crime_may_have_occurred:
        yield Fault("/caisu_told", "no_crime", "must be absent where no crime may have occurred")
    if told is not None and told.at > now:
        yield Fault("/caisu_told/at", "in_the_future", "must not be later than now")
    names = {one.name for one in body.members}
    for place, one in enumerate(body.dissent):
        if one.name not in names:
            yield Fault(f"/dissent/{place}/name", "no_member", "must be somebody who took part")


def caisu_knows(body: StrategyBody) -> bool:
    """Whether the unit took part or was told."""
    return body.caisu_told is not None or any(one.agency == Attending.CAISU for one in body.members)


def flags(body: StrategyBody) -> tuple[Flag, ...]:
    """What is flagged of a discussion that can be recorded."""
    away = missing(body)
    found = [MISSING[core] for core in away]
    if body.crime_may_have_occurred and not caisu_knows(body):
        found.append(Flag.CAISU_NOT_TOLD)
    if body.outcome == Enquiry.JOINT and Core.POLICE in away:
        found.append(Flag.JOINT_WITHOUT_POLICE)
    if body.dissent:
        found.append(Flag.DISSENT)
    return tuple(found)

"""What a referral leaves open and why it would help to know: an answer by section, never a gate.

The sections follow the information that the local threshold and referral guidance asks a referrer for: the worry and
its effect, who the child is, the child's voice, agreement, household, and how the referrer can be told. A check digit
that does not fit is answered as doubtful here, because the number was most likely misread and the child is no less at
risk for it.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from stdnum.gb import nhs, upn

from libs.schemas.base import CodeList, Model
from libs.schemas.codes import PROFESSIONAL_ROLES, ChildStatus, KnownToFamily, SafeChannel
from libs.schemas.referral import ReferralBody, ReferredChild


class Section(CodeList):
    """A part of the referral, in the order in which a form would ask."""

    WORRY = "worry"
    CHILD = "child"
    VOICE = "voice"
    AGREEMENT = "agreement"
    HOUSEHOLD = "household"
    CONTACT = "contact"


_OF_ALL = (Section.WORRY, Section.AGREEMENT, Section.HOUSEHOLD, Section.CONTACT)
_OF_A_CHILD = (Section.CHILD, Section.VOICE, Section.HOUSEHOLD)


class Gap(CodeList):
    """Whether something was left out, or was given and does not look right."""

    MISSING = "missing"
    DOUBTFUL = "doubtful"


class OpenItem(Model):
    """One thing that would help."""

    section: Section
    gap: Gap
    pointer: str
    """JSON Pointer (RFC 6901) into the referral as it was sent."""
    why: str


class SectionState(Model):
    """How much of one section is there."""

    section: Section
    complete: bool
    open: tuple[OpenItem, ...] = ()


class _Open(NamedTuple):
    section: Section
    gap: Gap
    path: str
    why: str


_HOUSEHOLD_WHY = "Other children may be at risk too, and checks need to know who lives with the child."


def of_referral(body: ReferralBody) -> tuple[SectionState, ...]:
    """Sections that the children share. Deterministic, so that the same referral always gets the same answer."""
    return _by_section(_OF_ALL, "", tuple(_shared(body)))


def of_child(child: ReferredChild, index: int) -> tuple[SectionState, ...]:
    """Sections of one child. `index`: the child's place in the referral, from 0."""
    return _by_section(_OF_A_CHILD, f"/children/{index}", (*_child(child), *_voice(child)))


@lru_cache(1024)
def _by_section(
    sections: tuple[Section, ...], prefix: str, found: tuple[_Open, ...]
) -> tuple[SectionState, ...]:
    """Kept, since most referrals leave the same few things open."""
    items: dict[Section, list[OpenItem]] = {section: [] for section in sections}
    for section, gap, path, why in found:
        items[section].append(OpenItem(section=section, gap=gap, pointer=prefix + path, why=why))
    return tuple(
        SectionState(section=section, complete=not here, open=tuple(here)) for section, here in items.items()
    )


def _shared(body: ReferralBody) -> Iterable[_Open]:
    missing = Gap.MISSING
    if body.effect_on_child is None:
        yield _Open(
            Section.WORRY, missing, "/effect_on_child", "What it does to the child shows how serious it is."
        )
    if body.wanted_outcome is None:
        yield _Open(
            Section.WORRY, missing, "/wanted_outcome", "What you hope for helps the hub to answer you."
        )
    if body.immediate_danger and body.danger_reason is None:
        yield _Open(
            Section.WORRY, missing, "/danger_reason", "The duty team acts on it before any check is made."
        )
    yield from _agreement(body)
    if not body.adults:
        yield _Open(Section.HOUSEHOLD, missing, "/adults", _HOUSEHOLD_WHY)
    elif all(adult.parental_responsibility != "yes" for adult in body.adults):
        yield _Open(
            Section.HOUSEHOLD,
            missing,
            "/adults/0/parental_responsibility",
            "The hub has to know who may agree on behalf of the child.",
        )
    yield from _contact(body)


def _agreement(body: ReferralBody) -> Iterable[_Open]:
    agreements = body.agreements
    asked = {
        "referral": (
            agreements.referral,
            "Whether the family knows of the referral decides how they are approached.",
        ),
        "checks": (
            agreements.checks,
            "Below significant harm, agencies may only be asked with the family's agreement.",
        ),
        "early_help": (agreements.early_help, "Early help is given only with the family's agreement."),
    }
    for name, (agreement, why) in asked.items():
        if agreement is None:
            yield _Open(Section.AGREEMENT, Gap.MISSING, f"/agreements/{name}", why)
        elif agreement.answer in ("not_sought", "unsafe_to_seek") and agreement.reason is None:
            yield _Open(
                Section.AGREEMENT,
                Gap.MISSING,
                f"/agreements/{name}/reason",
                "Why nobody asked is part of the record on which the hub shares information.",
            )
    if body.lawful_basis is None and body.referrer.role in PROFESSIONAL_ROLES:
        yield _Open(
            Section.AGREEMENT,
            Gap.MISSING,
            "/lawful_basis",
            "The ground on which you share is recorded apart from anyone's agreement.",
        )


def _contact(body: ReferralBody) -> Iterable[_Open]:
    referrer = body.referrer
    if referrer.anonymous:
        return
    if all(contact.channel == SafeChannel.NONE for contact in referrer.contacts):
        yield _Open(
            Section.CONTACT,
            Gap.MISSING,
            "/referrer/contacts",
            "Without a safe way to reach you, nobody can tell you.",
        )
    if referrer.name is None:
        yield _Open(
            Section.CONTACT, Gap.MISSING, "/referrer/name", "A social worker may want to speak with you."
        )
    if referrer.family_may_know == KnownToFamily.NOT_SAID:
        yield _Open(
            Section.CONTACT,
            Gap.MISSING,
            "/referrer/family_may_know",
            "Until you say so, the hub does not tell the family who referred.",
        )


def _child(child: ReferredChild) -> Iterable[_Open]:
    missing = Gap.MISSING
    if child.status == ChildStatus.UNBORN:
        if child.expected is None:
            yield _Open(
                Section.CHILD,
                missing,
                "/expected",
                "Plans for an unborn child hang on when the birth is due.",
            )
    elif child.status == ChildStatus.UNIDENTIFIED:
        if child.identified_by is None:
            yield _Open(
                Section.CHILD, missing, "/identified_by", "Anything known of the child helps to find them."
            )
    else:
        yield from _identity(child)
    if child.nhs_number is not None and not nhs.is_valid(child.nhs_number):
        yield _Open(
            Section.CHILD, Gap.DOUBTFUL, "/nhs_number", "Its check digit does not fit: please read it again."
        )
    if child.upn is not None and not _check_letter_fits(child.upn):
        yield _Open(
            Section.CHILD, Gap.DOUBTFUL, "/upn", "Its check letter does not fit: please read it again."
        )
    if child.whereabouts is None and child.status != ChildStatus.UNBORN:
        yield _Open(
            Section.CHILD, missing, "/whereabouts", "If somebody must go today, they need to know where to."
        )
    if not child.facts:
        yield _Open(
            Section.CHILD,
            missing,
            "/facts",
            "With facts stated, urgency is seen at once; words wait to be read.",
        )
    if child.address is None and child.household is None:
        yield _Open(Section.HOUSEHOLD, missing, "/address", _HOUSEHOLD_WHY)


def _check_letter_fits(number: str) -> bool:
    """Only the letter: the library's list of authorities is of 2011 and does not know the newer ones."""
    try:
        return bool(upn.calc_check_digit(number[1:]) == number[0])
    except ValueError:
        return False


def _identity(child: ReferredChild) -> Iterable[_Open]:
    missing = Gap.MISSING
    if child.family_name is None or child.given_name is None:
        name = "/family_name" if child.family_name is None else "/given_name"
        yield _Open(Section.CHILD, missing, name, "Agencies find a child by name and date of birth.")
    if child.born is None:
        yield _Open(
            Section.CHILD, missing, "/born", "Age decides how serious many things are; an estimate helps too."
        )
    if child.nhs_number is None and child.upn is None:
        yield _Open(
            Section.CHILD, missing, "/nhs_number", "A number rules out that somebody else's record is read."
        )
    if child.ethnicity is None:
        yield _Open(
            Section.CHILD,
            missing,
            "/ethnicity",
            "It is needed to see whether help reaches all children fairly.",
        )
    if child.language is None:
        yield _Open(Section.CHILD, missing, "/language", "Whoever visits may need an interpreter.")
    if child.school is None:
        yield _Open(Section.CHILD, missing, "/school", "School sees the child most days.")


def _voice(child: ReferredChild) -> Iterable[_Open]:
    if child.status == ChildStatus.UNBORN:
        return
    voice = child.voice
    if voice is None or (voice.words is None and voice.wishes is None and voice.not_obtained_because is None):
        yield _Open(
            Section.VOICE,
            Gap.MISSING,
            "/voice",
            "What the child says and wishes, or why nobody could ask. Not asked is never taken as no concern.",
        )

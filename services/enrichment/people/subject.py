"""Somebody as one referral or answer gives them, and everything that is on record of one person of the index."""

from collections.abc import Iterable, Mapping
from typing import TypeVar
from uuid import UUID

from pydantic import StrictBool
from stdnum.gb import nhs, upn

from libs.schemas.base import Identifier, Line, Model, Nothing, Open, Payload
from libs.schemas.codes import Sex
from libs.schemas.person import Address, Date

REMEMBERED = 12
"""So many different values of a field are compared: a record that has more says little by any of them."""

T = TypeVar("T")


class Particulars(Model):
    """What tells somebody from others, as one source gives it."""

    given_name: Line | None = None
    family_name: Line | None = None
    also_known_as: tuple[Line, ...] = ()
    sex: Open[Sex] | None = None
    born: Date | None = None
    expected: Date | None = None
    address: Address | None = None
    nhs_number: str | None = None
    upn: str | None = None


class Subject(Particulars):
    """Somebody to be identified. `id`: of the case for a child, of their own for an adult.

    `household`: those of a referral with the same label live together. `mother`: by whom an unborn child, or one born
    a short while ago, is found. `source`: who lists them; whom one source lists side by side are different people.
    """

    id: UUID
    referral_id: UUID
    adult: StrictBool = False
    source: Identifier = "referrer"
    household: Line | None = None
    mother: Particulars | None = None


class Profile(Model):
    """Everything that is on record of a person, the newest first, as it was given."""

    given_names: tuple[Line, ...] = ()
    family_names: tuple[Line, ...] = ()
    also_known_as: tuple[Line, ...] = ()
    sexes: tuple[Open[Sex], ...] = ()
    births: tuple[Date, ...] = ()
    expected: tuple[Date, ...] = ()
    addresses: tuple[Address, ...] = ()
    nhs_numbers: tuple[str, ...] = ()
    upns: tuple[str, ...] = ()
    companions: tuple[str, ...] = ()
    """Keyed hashes of those who were said to live with the person: nobody else's name is kept here."""
    mothers: tuple[Particulars, ...] = ()
    grown: tuple[StrictBool, ...] = ()
    """Whether the person was named as an adult, as a child, or as either by different sources."""

    @property
    def unborn(self) -> bool:
        """Whether the person was not born yet by all that is on record."""
        return bool(self.expected) and not self.births


class KeptProfile(Payload[Nothing, Profile]):
    """A profile as it is stored, sealed as the part of the person, child or adult whose it is."""


def profile_of(one: Particulars, companions: Iterable[str] = ()) -> Profile:
    """What one source says, as a profile. A number whose check digit is wrong tells nobody from anybody, and is left
    out.
    """
    return Profile(
        given_names=_some(one.given_name),
        family_names=_some(one.family_name),
        also_known_as=one.also_known_as,
        sexes=() if one.sex in (None, Sex.UNKNOWN) else (one.sex,),
        births=_some(one.born),
        expected=_some(one.expected),
        addresses=_some(one.address),
        nhs_numbers=_some(nhs_number(one.nhs_number)),
        upns=_some(unique_pupil_number(one.upn)),
        companions=tuple(sorted(companions)),
        mothers=_some(one.mother) if isinstance(one, Subject) else (),
        grown=(one.adult,) if isinstance(one, Subject) else (),
    )


def joined(profiles: Iterable[Profile]) -> Profile:
    """Several profiles of one person as one; those that come first are taken for the newer.

    An estimated date of birth is left out where an exact one is known.
    """
    parts = tuple(profiles)
    births = _distinct(birth for part in parts for birth in part.births)
    exact = tuple(birth for birth in births if birth.on is not None)
    return Profile(
        given_names=_distinct(name for part in parts for name in part.given_names),
        family_names=_distinct(name for part in parts for name in part.family_names),
        also_known_as=_distinct(name for part in parts for name in part.also_known_as),
        sexes=_distinct(sex for part in parts for sex in part.sexes),
        births=exact or births,
        expected=_distinct(day for part in parts for day in part.expected),
        addresses=_distinct(address for part in parts for address in part.addresses),
        nhs_numbers=_distinct(number for part in parts for number in part.nhs_numbers),
        upns=_distinct(number for part in parts for number in part.upns),
        companions=_distinct((token for part in parts for token in part.companions), at_most=40),
        mothers=_distinct(mother for part in parts for mother in part.mothers),
        grown=_distinct(grown for part in parts for grown in part.grown),
    )


def nhs_number(text: str | None) -> str | None:
    """The NHS number without blanks, where its check digit is right (NHS Data Dictionary)."""
    return nhs.compact(text) if text and nhs.is_valid(text) else None


def unique_pupil_number(text: str | None) -> str | None:
    """The UPN, where its check letter and authority are right (DfE, Unique pupil numbers).

    A temporary one, which ends in a letter, tells nobody from anybody: a school gives it until it knows the real one.
    """
    if not text or not upn.is_valid(text):
        return None
    number: str = upn.compact(text)
    return number if number[-1].isdigit() else None


def side_by_side(subjects: Iterable[Subject]) -> Mapping[UUID, tuple[Subject, ...]]:
    """For each subject the others of its household, as its referral labels it."""
    known = tuple(subjects)
    homes: dict[tuple[UUID, str], list[Subject]] = {}
    for one in known:
        if one.household is not None:
            homes.setdefault((one.referral_id, one.household), []).append(one)
    return {
        one.id: tuple(other for other in homes[one.referral_id, one.household] if other.id != one.id)
        if one.household is not None
        else ()
        for one in known
    }


def _some(value: T | None) -> tuple[T, ...]:
    return () if value is None else (value,)


def _distinct(values: Iterable[T], at_most: int = REMEMBERED) -> tuple[T, ...]:
    found: list[T] = []
    for value in values:
        if value not in found:
            found.append(value)
            if len(found) == at_most:
                break
    return tuple(found)

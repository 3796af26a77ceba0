"""Compares two records field by field and says how surely they are of one person. Pure, and symmetric."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from libs.schemas.base import maker
from libs.schemas.people import Band, Comparison, Likeness
from libs.schemas.person import Date
from services.enrichment.people.births import (
    BORN_RANK,
    EXPECTED_RANK,
    BornAlike,
    ExpectedAlike,
    born_alike,
    born_as_expected,
    expected_alike,
    shown,
)
from services.enrichment.people.likeness import Alike, better, family_likeness, given_likeness
from services.enrichment.people.names import Names
from services.enrichment.people.places import PLACE_RANK, Place, PlaceAlike, place, place_alike
from services.enrichment.people.rules import IDENTIFIERS, Rules
from services.enrichment.people.subject import Particulars, Profile, profile_of

SHOWN = 200
"""A comparison's text has at most so many characters."""

CONFIDENTIAL = "confidential address"

T = TypeVar("T")
_comparison = maker(Comparison)


@dataclass(frozen=True, slots=True)
class Record:
    """A profile in the form in which it is compared."""

    profile: Profile
    given: tuple[tuple[str, ...], ...]
    family: tuple[tuple[str, ...], ...]
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Score:
    """What two records' comparison came to. `by_identifier`: an identifier agrees."""

    band: Band
    score: int
    by_identifier: bool
    likeness: tuple[tuple[str, str, int], ...]
    """Field, how it agrees, and the points for it."""


def record(profile: Profile, names: Names) -> Record:
    """A profile in the form in which it is compared."""
    given = [names.given(name) for name in profile.given_names]
    family = [names.family(name) for name in profile.family_names]
    for alias in profile.also_known_as:
        found = names.family(alias)
        if len(found) > 1:
            given.append(names.given(alias)[:-1])
        elif found:
            # A name on its own may be either: a nickname or a maiden name.
            given.append(found)
        if found:
            family.append(found[-1:])
    return Record(
        profile,
        _distinct(given),
        _distinct(family),
        _distinct(place(address) for address in profile.addresses),
    )


def mothers(one: Record, names: Names) -> tuple[Record, ...]:
    """The mothers of somebody, in the form in which they are compared: made only where they are needed."""
    return tuple(record(profile_of(mother), names) for mother in one.profile.mothers)


def may_be(ours: Record, theirs: Record, rules: Rules, names: Names) -> bool:
    """Whether comparing two records is worth it: no where given name and date of birth leave no hope."""
    mine, other = ours.profile, theirs.profile
    if mine.unborn or other.unborn:
        return True
    numbers = (_shared(mine.nhs_numbers, other.nhs_numbers), _shared(mine.upns, other.upns))
    if "same" in numbers:
        return True
    born = _age(mine, other)
    if born is not BornAlike.DIFFERENT:
        return True
    given, _ = _names(ours, theirs, names)
    return not rules.hopeless(("born", born), ("given_name", given))


def score(ours: Record, theirs: Record, rules: Rules, names: Names) -> Score:
    """How surely two records are of one person."""
    if ours.profile.unborn or theirs.profile.unborn:
        return _unborn(ours, theirs, rules, names)
    given, family = _names(ours, theirs, names)
    found = (
        ("given_name", given),
        ("family_name", family),
        ("born", _age(ours.profile, theirs.profile)),
        ("sex", _shared(ours.profile.sexes, theirs.profile.sexes)),
        ("address", _address(ours.places, theirs.places)),
        ("household", _shared(ours.profile.companions, theirs.profile.companions)),
        ("nhs_number", _shared(ours.profile.nhs_numbers, theirs.profile.nhs_numbers)),
        ("upn", _shared(ours.profile.upns, theirs.profile.upns)),
    )
    return _weighed(found, rules, needs_confirmation=True)


def _unborn(ours: Record, theirs: Record, rules: Rules, names: Names) -> Score:
    found = (
        ("mother", _mothers(mothers(ours, names), mothers(theirs, names), names)),
        ("expected", _expected(ours.profile, theirs.profile)),
        ("address", _address(ours.places, theirs.places)),
        ("household", _shared(ours.profile.companions, theirs.profile.companions)),
    )
    return _weighed(found, rules, needs_confirmation=False)


def _weighed(found: Sequence[tuple[str, str]], rules: Rules, *, needs_confirmation: bool) -> Score:
    likeness = tuple((field, level, rules.points[field][level]) for field, level in found)
    total = max(0, min(100, sum(points for _, _, points in likeness)))
    by_identifier = any(field in IDENTIFIERS and level == "same" for field, level in found)
    if by_identifier:
        limit = min((rules.identifier_limits.get(each, Band.SAME) for each in found), key=_rank)
        return Score(limit, total, True, likeness)
    band = next((band for band, least in rules.bands.items() if total >= least), Band.NONE)
    limit = min((rules.limits.get(each, Band.SAME) for each in found), key=_rank)
    if needs_confirmation and not any(each in rules.confirmed_by for each in found):
        limit = min(limit, Band.LIKELY, key=_rank)
    return Score(min(band, limit, key=_rank), total, False, likeness)


def explained(ours: Record, theirs: Record, result: Score) -> tuple[Comparison, ...]:
    """The comparison field by field, with the texts side by side, for the person who decides."""
    return tuple(
        _comparison(
            {
                "field": field,
                "ours": _text(field, ours.profile),
                "theirs": _text(field, theirs.profile),
                "likeness": _likeness(level),
                "points": points,
            }
        )
        for field, level, points in result.likeness
    )


def _rank(band: Band) -> int:
    return band.rank


def _names(ours: Record, theirs: Record, names: Names) -> tuple[Alike, Alike]:
    given = _best(ours.given, theirs.given, lambda one, other: given_likeness(one, other, names))
    family = _best(ours.family, theirs.family, lambda one, other: family_likeness(one, other, names))
    # A family name that is written where the given name belongs, and the other way round.
    if given in (Alike.DIFFERENT, Alike.MISSING) and family in (Alike.DIFFERENT, Alike.MISSING):
        crossed = [
            _best(mine, other, lambda one, another: family_likeness(one, another, names))
            for mine, other in ((ours.given, theirs.family), (ours.family, theirs.given))
        ]
        if all(alike in (Alike.SAME, Alike.SPELLING, Alike.TYPING) for alike in crossed):
            return Alike.SWAPPED, Alike.SWAPPED
    return given, family


def _best(
    mine: Sequence[tuple[str, ...]],
    theirs: Sequence[tuple[str, ...]],
    compare: Callable[[tuple[str, ...], tuple[str, ...]], Alike],
) -> Alike:
    best = Alike.MISSING
    for one in mine:
        for other in theirs:
            best = better(best, compare(one, other))
            if best is Alike.SAME:
                return best
    return best


def _born(mine: Sequence[Date], theirs: Sequence[Date]) -> BornAlike:
    pairs = [born_alike(one, other) for one in mine for other in theirs]
    return min(pairs, key=BORN_RANK.__getitem__, default=BornAlike.MISSING)


def _age(ours: Profile, theirs: Profile) -> BornAlike:
    """By the dates of birth; where one lacks it, a father is still not the son who bears his name."""
    born = _born(ours.births, theirs.births)
    if born is BornAlike.MISSING and _shared(ours.grown, theirs.grown) == "different":
        return BornAlike.DIFFERENT
    return born


def _expected(ours: Profile, theirs: Profile) -> ExpectedAlike:
    pairs = (
        [expected_alike(one, other) for one in ours.expected for other in theirs.expected]
        if ours.unborn and theirs.unborn
        else [born_as_expected(born, due) for born in ours.births for due in theirs.expected]
        + [born_as_expected(born, due) for born in theirs.births for due in ours.expected]
    )
    return min(pairs, key=EXPECTED_RANK.__getitem__, default=ExpectedAlike.MISSING)


def _address(mine: Sequence[Place], theirs: Sequence[Place]) -> PlaceAlike:
    pairs = [place_alike(one, other) for one in mine for other in theirs]
    return min(pairs, key=PLACE_RANK.__getitem__, default=PlaceAlike.MISSING)


def _shared(mine: Sequence[object], theirs: Sequence[object]) -> str:
    if not mine or not theirs:
        return "missing"
    return "same" if any(one in theirs for one in mine) else "different"


def _mothers(mine: Sequence[Record], theirs: Sequence[Record], names: Names) -> str:
    pairs = [_mother(one, other, names) for one in mine for other in theirs]
    return min(pairs, key=("same", "close", "different", "missing").index, default="missing")


def _mother(one: Record, other: Record, names: Names) -> str:
    number = _shared(one.profile.nhs_numbers, other.profile.nhs_numbers)
    if number != "missing":
        return number
    given, family = _names(one, other, names)
    born = _born(one.profile.births, other.profile.births)
    home = _address(one.places, other.places)
    if given is Alike.DIFFERENT or born is BornAlike.DIFFERENT:
        return "different"
    named = given in (Alike.SAME, Alike.SPELLING, Alike.SHORT_FORM, Alike.MIDDLE) and family in (
        Alike.SAME,
        Alike.SPELLING,
        Alike.PART,
        Alike.TYPING,
    )
    at_home = home in (PlaceAlike.SAME, PlaceAlike.CLOSE)
    if named and (born is BornAlike.SAME or (born is BornAlike.MISSING and at_home)):
        return "same"
    if given is Alike.MISSING:
        return "missing"
    known = family is not Alike.DIFFERENT or born is BornAlike.SAME or at_home
    return "close" if known else "different"


def _likeness(level: str) -> Likeness:
    if level in ("same", "different", "missing"):
        return Likeness(level)
    return Likeness.CLOSE


def _text(field: str, profile: Profile) -> str | None:
    texts: Iterable[str]
    match field:
        case "given_name":
            texts = (*profile.given_names, *profile.also_known_as)
        case "family_name":
            texts = profile.family_names
        case "born":
            texts = [shown(birth) for birth in profile.births] or [
                "an adult" if grown else "a child" for grown in profile.grown
            ]
        case "expected":
            texts = map(shown, profile.births or profile.expected)
        case "sex":
            texts = profile.sexes
        case "nhs_number":
            texts = profile.nhs_numbers
        case "upn":
            texts = profile.upns
        case "address":
            texts = (
                CONFIDENTIAL
                if address.confidential
                else ", ".join([*address.lines, *([address.postcode] if address.postcode else [])])
                for address in profile.addresses
            )
        case "mother":
            texts = (_called(mother) for mother in profile.mothers)
        case _:
            texts = ()
    text = " / ".join(one for one in texts if one)
    return text[:SHOWN] or None


def _called(one: Particulars) -> str:
    return " ".join(name for name in (one.given_name, one.family_name) if name)


def _distinct(values: Iterable[T | None]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(value for value in values if value))

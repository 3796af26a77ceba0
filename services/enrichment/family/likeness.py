"""Whether two statements within one household are about the same member: narrower than the index, which asks who of
thousands somebody is. In one home a given name tells children apart; whatever contradicts keeps them apart.
"""

from datetime import date

from libs.schemas.codes import Sex
from libs.schemas.person import Date, FoundPerson, Relation

CHILDREN = frozenset((Relation.SIBLING, Relation.OTHER_CHILD))
ADULT_YEARS = 18


def alike(one: FoundPerson, other: FoundPerson) -> bool:
    """Whether two members of one household are the same: an exact identifier, or the given name and nothing against."""
    if is_child(one) != is_child(other) or _contradict(one, other):
        return False
    if _equal(one.nhs_number, other.nhs_number) or _equal(one.upn, other.upn):
        return True
    if one.expected is not None or other.expected is not None:
        return one.expected is not None and other.expected is not None
    given = plain(one.given_name)
    if not given or given != plain(other.given_name):
        return False
    mine, theirs = _family_names(one), _family_names(other)
    return not mine or not theirs or not mine.isdisjoint(theirs)


def is_child(person: FoundPerson) -> bool:
    """Whether somebody is named as a child."""
    return person.relation in CHILDREN


def certainly_grown(born: Date | None, on: date) -> bool:
    """Whether somebody was 18 on that day by whichever date of birth is possible."""
    latest = None if born is None else born.on or born.latest
    return (
        latest is not None
        and (on.year - latest.year - ((on.month, on.day) < (latest.month, latest.day))) >= ADULT_YEARS
    )


def plain(name: str | None) -> str:
    """A name without what is only typing."""
    return "".join(letter for letter in (name or "").casefold() if letter.isalpha())


def _family_names(person: FoundPerson) -> frozenset[str]:
    given = plain(person.given_name)
    known_as = (plain(name) for name in person.also_known_as)
    names = {plain(person.family_name), *(name.removeprefix(given) for name in known_as)}
    return frozenset(name for name in names if name)


def _equal(one: str | None, other: str | None) -> bool:
    return one is not None and one == other


def _contradict(one: FoundPerson, other: FoundPerson) -> bool:
    sexes = {one.sex, other.sex} & {Sex.FEMALE, Sex.MALE}
    return (
        _differ(one.nhs_number, other.nhs_number)
        or _differ(one.upn, other.upn)
        or len(sexes) > 1
        or _apart(one.born, other.born)
        or _apart(one.expected, other.expected)
        or bool(one.born and other.expected)
        or bool(one.expected and other.born)
    )


def _differ(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one != other


def _apart(one: Date | None, other: Date | None) -> bool:
    """Whether two uncertain dates have no day in common."""
    if one is None or other is None:
        return False
    mine, theirs = (
        (one.on or one.earliest, one.on or one.latest),
        (other.on or other.earliest, other.on or other.latest),
    )
    if None in mine or None in theirs:
        return False
    return mine[1] < theirs[0] or theirs[1] < mine[0]  # type: ignore[operator]

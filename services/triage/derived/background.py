"""What derived facts rest on, for one child on one day: the form, everybody's statements, and what came before."""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from libs.schemas.dictionary import Dictionary, Polarity
from libs.schemas.findings import Between, Fact, FactValue
from libs.schemas.history import EarlierReport
from libs.schemas.person import Date
from libs.schemas.plans import Dash, Plan
from libs.schemas.referral import ReferralBody, ReferredChild
from services.triage.policy import StatedFact


@dataclass(frozen=True, slots=True)
class Other:
    """Another child of the referral, with everything that is stated about it."""

    child: ReferredChild
    stated: tuple[StatedFact, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of a child beside the referral itself."""

    stated: tuple[StatedFact, ...] = ()
    """What agencies and staff have said of the child, and what counts for it that was said of its home."""
    others: tuple[Other, ...] = ()
    """What agencies and staff have said of the referral's other children."""
    earlier: tuple[EarlierReport, ...] = ()
    event: str | None = None
    """The event that this referral tells of, as earlier reports label it."""
    plans: tuple[Plan, ...] = ()
    social_care_spoke: bool = False
    """Whether social care's own records answered: only then is an open plan known not to be."""
    allocated: bool = False
    """Whether social care named the worker whose case the child is."""
    dash: Dash | None = None


NOTHING_ON_RECORD = Record()


@dataclass(frozen=True, slots=True)
class Background:
    """Everything that derived facts rest on, for one child on one day."""

    dictionary: Dictionary
    on: date
    """The day of receipt, in the hub."""
    referral: ReferralBody
    child: ReferredChild
    stated: tuple[StatedFact, ...] = ()
    """What anybody states about this child."""
    others: tuple[Other, ...] = ()
    record: Record = NOTHING_ON_RECORD

    def reaches(self, fact: Fact, name: str, value: FactValue) -> bool:
        """Whether a statement is of that fact and certainly at that value or worse."""
        return reaches(self.dictionary, fact, name, value)

    def worries(self, fact: Fact) -> bool:
        """Whether a statement certainly puts a risk above its mildest step."""
        return worries(self.dictionary, fact)

    def within(self, months: int) -> Iterator[EarlierReport]:
        """The earlier reports of a window, mistaken ones left out."""
        if not self.record.earlier:
            return iter(())
        start = months_before(self.on, months)
        return (one for one in self.record.earlier if start <= one.on <= self.on and not one.mistaken)


def months_before(day: date, months: int) -> date:
    """The same day of the month so many months before, or that month's last day."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def years(born: Date, on: date) -> FactValue | None:
    """Full years on a day, within bounds where the date of birth is uncertain; None for a date ahead."""
    earliest, latest = born.on or born.earliest, born.on or born.latest
    if earliest is None or latest is None or earliest > on:
        return None
    oldest, youngest = _full_years(earliest, on), _full_years(min(latest, on), on)
    return oldest if oldest == youngest else Between(at_least=youngest, at_most=oldest)


def live_together(one: str | None, other: str | None) -> bool:
    """Whether two household labels may mean one home: a missing label is no sign of living apart."""
    return one is None or other is None or one == other


def _full_years(born: date, on: date) -> int:
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def reaches(dictionary: Dictionary, fact: Fact, name: str, value: FactValue) -> bool:
    """Whether a statement is of that fact and certainly at that value or worse."""
    if fact.fact != name:
        return False
    definition = dictionary.definitions.get(name)
    if definition is None:
        return False
    least, wanted = definition.bounds(fact.value), definition.bounds(value)
    return least is not None and wanted is not None and least[0] >= wanted[0]


def worries(dictionary: Dictionary, fact: Fact) -> bool:
    """Whether a statement certainly puts a risk above its mildest step."""
    definition = dictionary.definitions.get(fact.fact)
    if definition is None or definition.polarity is not Polarity.RISK:
        return False
    bounds = definition.bounds(fact.value)
    return bounds is not None and bounds[0] >= 1

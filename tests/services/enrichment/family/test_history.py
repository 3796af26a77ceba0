"""A child's own history, and what triage counts by it: no event twice, twelve months to the day."""

import itertools
import uuid
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.schemas.codes import ContactKind, ReferralSource, ReferrerRole
from libs.schemas.dictionary import Dictionary
from libs.schemas.history import EarlierPlan, History, SameEvent
from libs.schemas.levels import Destination, Level
from libs.schemas.plans import PlanKind
from libs.schemas.referral import ReferralBody, ReferredChild, Referrer
from services.enrichment.family.contact import Contact
from services.enrichment.family.events import IsWorry, worry_of
from services.enrichment.family.history import MOST, history_of
from services.triage.derived.background import Background, Record
from services.triage.derived.earlier import re_referral, referrals
from tests.services.enrichment.family.test_events import HUNGER, report

LONDON = ZoneInfo("Europe/London")
DAY = timedelta(days=1)


@pytest.fixture(scope="session")
def is_worry(dictionary: Dictionary) -> IsWorry:
    return worry_of(dictionary)


def counted(dictionary: Dictionary, this: Contact, history: History) -> tuple[object, object]:
    """What triage counts: referrals of twelve months before, and whether this is a re-referral."""
    background = Background(
        dictionary=dictionary,
        on=this.received_at.astimezone(LONDON).date(),
        referral=ReferralBody(
            worry="Hungry.", referrer=Referrer(role=ReferrerRole.TEACHER, source=ReferralSource.SCHOOL)
        ),
        child=ReferredChild(),
        record=Record(earlier=history.earlier, event=history.event),
    )
    return referrals(12, background), re_referral(12, background)


def decided(contact: Contact) -> Contact:
    """The report, decided an hour after it came."""
    values = {name: getattr(contact, name) for name in Contact.__slots__}
    at = contact.received_at + timedelta(hours=1)
    return Contact(**values | {"level": "section_17", "destination": "csc_section_17", "decided_at": at})


def test_an_earlier_report_is_told_with_what_it_stated_and_what_became_of_it(is_worry: IsWorry) -> None:
    earlier = decided(report(1, facts=(HUNGER,)))
    history = history_of(report(2, 90 * DAY), [earlier], {}, is_worry, LONDON)
    (told,) = history.earlier
    assert (told.case_id, told.reference, told.agency) == (earlier.case_id, "R-1", "school")
    assert (told.on, told.decided_on, told.facts) == (date(2026, 3, 2), date(2026, 3, 2), (HUNGER,))
    assert (told.level, told.destination) == (Level.SECTION_17, Destination.SECTION_17)
    assert (told.event, history.event, history.duplicates) == (None, None, ())


def test_the_day_is_the_hubs_own(is_worry: IsWorry) -> None:
    late = report(1, received_at=datetime(2026, 6, 1, 23, 30, tzinfo=UTC))
    (told,) = history_of(report(2, 200 * DAY), [late], {}, is_worry, LONDON).earlier
    assert told.on == date(2026, 6, 2)


def test_a_plan_is_told_once_as_it_was_told_of_last(is_worry: IsWorry) -> None:
    told = EarlierPlan(
        kind=PlanKind.CHILD_IN_NEED, opened=date(2025, 1, 1), told_on=date(2026, 3, 2), agency="social_care"
    )
    # The answer to an earlier report may come after the one to a later report.
    ended = told.model_copy(update={"closed": date(2026, 4, 30), "told_on": date(2026, 5, 2)})
    between = told.model_copy(update={"told_on": date(2026, 4, 1)})
    another = told.model_copy(update={"opened": date(2026, 2, 1)})
    reports = [report(1, plans=(ended, told)), report(2, DAY, plans=(between, another))]
    history = history_of(report(3, 90 * DAY), reports, {}, is_worry, LONDON)
    assert history.plans == (another, ended)


def test_what_came_later_and_what_the_same_referral_says_is_no_history(is_worry: IsWorry) -> None:
    this = report(2)
    others = [report(1, DAY), *(report(number, referral_id=this.referral_id) for number in (1, 3)), this]
    assert any(one.place < this.place for one in others), "or the same referral would not be met"
    assert history_of(this, others, {}, is_worry, LONDON) == History()


def test_of_more_reports_than_are_looked_at_the_latest_are_told(is_worry: IsWorry) -> None:
    many = [report(number, number * DAY) for number in range(1, MOST + 2)]
    history = history_of(report(MOST + 2, (MOST + 2) * DAY), many, {}, is_worry, LONDON)
    assert [one.case_id for one in history.earlier] == [one.case_id for one in many[1:]]


def test_a_step_down_is_told_by_its_day(is_worry: IsWorry) -> None:
    stepped = report(1, kind=ContactKind.STEP_DOWN)
    history = history_of(report(2, 30 * DAY), [stepped], {}, is_worry, LONDON)
    assert [(one.on, one.case_id) for one in history.step_downs] == [(date(2026, 3, 2), stepped.case_id)]
    assert len(history.earlier) == 1


@pytest.mark.parametrize(
    ("after", "is_one"),
    [(timedelta(days=365), True), (timedelta(days=366), False)],
    ids=["twelve months to the day", "a day more"],
)
def test_a_re_referral_is_within_twelve_months_to_the_day(
    dictionary: Dictionary, is_worry: IsWorry, after: timedelta, is_one: bool
) -> None:
    this = report(2, after)
    history = history_of(this, [decided(report(1))], {}, is_worry, LONDON)
    assert counted(dictionary, this, history) == ((1, True) if is_one else (None, None))


def test_a_certain_duplicate_is_kept_with_its_source_and_is_no_re_referral(
    dictionary: Dictionary, is_worry: IsWorry
) -> None:
    first = decided(report(1, source_reference="CPOMS-118"))
    this = report(2, 2 * DAY, source_reference="CPOMS-118")
    history = history_of(this, [first], {}, is_worry, LONDON)
    assert history.event == history.earlier[0].event == "R-1"
    (duplicate,) = history.duplicates
    assert (duplicate.case_id, duplicate.decided) == (first.case_id, SameEvent.SAME)
    assert counted(dictionary, this, history) == (None, None)


def test_a_doubtful_duplicate_counts_until_a_person_has_said_that_it_is_one(
    dictionary: Dictionary, is_worry: IsWorry
) -> None:
    first, this = decided(report(1)), report(2, 2 * DAY, agency="police")
    offered = history_of(this, [first], {}, is_worry, LONDON)
    assert [one.decided for one in offered.duplicates] == [None]
    assert counted(dictionary, this, offered) == (1, True)
    pair = frozenset((first.case_id, this.case_id))
    said = history_of(this, [first], {pair: SameEvent.SAME}, is_worry, LONDON)
    assert [one.decided for one in said.duplicates] == [SameEvent.SAME]
    assert counted(dictionary, this, said) == (None, None)
    other = history_of(this, [first], {pair: SameEvent.OTHER}, is_worry, LONDON)
    assert [one.decided for one in other.duplicates] == [SameEvent.OTHER]
    assert counted(dictionary, this, other) == (1, True)


def test_a_person_may_join_reports_that_no_rule_joins(is_worry: IsWorry) -> None:
    first, this = report(1), report(2, 200 * DAY)
    pair = {frozenset((first.case_id, this.case_id)): SameEvent.SAME}
    (duplicate,) = history_of(this, [first], pair, is_worry, LONDON).duplicates
    assert (duplicate.because, duplicate.decided) == (("said_by_staff",), SameEvent.SAME)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 27), st.integers(0, 3)), min_size=1, max_size=6),
    st.lists(st.integers(30, 700), max_size=3),
    st.data(),
)
def test_copies_of_a_report_never_raise_a_count(
    dictionary: Dictionary,
    is_worry: IsWorry,
    copies: list[tuple[int, int]],
    others: list[int],
    data: st.DataObject,
) -> None:
    """However often one event is reported, each counts once, whatever the order in which they are seen."""
    number = itertools.count(10)
    events = [decided(report(next(number), timedelta(days=700 - days))) for days in {*others}]
    first = decided(report(2, timedelta(days=700), source_reference="CPOMS-118"))
    this = report(3, timedelta(days=727), source_reference="CPOMS-118")
    told = [
        decided(
            report(
                next(number), timedelta(days=700 + min(days, 26)), source_reference=f"cpoms {'-' * dashes}118"
            )
        )
        for days, dashes in copies
    ]
    reports = [one for one in [first, *told, *events] if one.place < this.place]
    seen = data.draw(st.permutations(reports))
    history = history_of(this, seen, {}, is_worry, LONDON)
    assert history == history_of(this, reports, {}, is_worry, LONDON)
    without = history_of(this, [one for one in reports if one in events], {}, is_worry, LONDON)
    assert counted(dictionary, this, history) == counted(dictionary, this, without)
    assert len(history.earlier) == len(reports)


def test_two_reports_at_one_instant_have_an_order(is_worry: IsWorry) -> None:
    one, other = report(1), report(2)
    assert [len(history_of(this, [one, other], {}, is_worry, LONDON).earlier) for this in (one, other)] == [
        0,
        1,
    ]
    assert one.case_id < other.case_id == uuid.UUID(int=2)

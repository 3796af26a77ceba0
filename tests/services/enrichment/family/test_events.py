"""When two reports tell of the same event: what is certain, what is doubtful, and what only a person can say."""

import itertools
import uuid
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.schemas.codes import ContactKind
from libs.schemas.dictionary import Dictionary
from libs.schemas.findings import Basis, Fact, Period
from libs.schemas.history import SameEvent
from services.enrichment.family.contact import Contact
from services.enrichment.family.events import (
    CLOSE,
    NEAR,
    REPORTED_CLOSE_BY,
    SAME_INCIDENT,
    SAME_SOURCE_REFERENCE,
    SENT_AGAIN,
    IsWorry,
    Pair,
    compare,
    label,
    worry_of,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
INJURY = Fact(fact="child.injury", value="unexplained", basis=Basis.OBSERVED, on=date(2026, 3, 1))
SECOND = Fact(fact="child.injury", value="unexplained", basis=Basis.OBSERVED, on=date(2026, 3, 3))
HUNGER = Fact(fact="child.hunger", value="persistent", basis=Basis.OBSERVED)
PERSON = uuid.uuid4()


@pytest.fixture(scope="session")
def is_worry(dictionary: Dictionary) -> IsWorry:
    return worry_of(dictionary)


def report(number: int = 0, after: timedelta = timedelta(), **changes: object) -> Contact:
    values: dict[str, object] = {
        "case_id": uuid.UUID(int=number),
        "referral_id": uuid.UUID(int=1000 + number),
        "person_id": PERSON,
        "reference": f"R-{number}",
        "received_at": NOON + after,
        "kind": "new_worry",
        "agency": "school",
    }
    return Contact(**{**values, **changes})  # type: ignore[arg-type]


def test_the_same_agency_with_the_same_reference_is_certainly_one_event(is_worry: IsWorry) -> None:
    first = report(1, source_reference="CPOMS-2026/118")
    again = report(2, timedelta(days=9), source_reference="cpoms 2026-118")
    verdict = compare(first, again, is_worry)
    assert verdict is not None
    assert (verdict.certain, verdict.because) == (True, (SAME_SOURCE_REFERENCE,))
    assert compare(again, first, is_worry) == verdict


@pytest.mark.parametrize(
    "changes",
    [
        {"agency": "police"},
        {"received_at": NOON + NEAR + timedelta(seconds=1)},
        {"facts": (Fact(fact="child.injury", value="unexplained", basis="observed", on=date(2026, 3, 9)),)},
    ],
    ids=["another agency's numbers", "a number that came round again", "an incident since"],
)
def test_a_reference_that_may_stand_for_something_else_is_offered_to_a_person(
    is_worry: IsWorry, changes: Mapping[str, object]
) -> None:
    first = report(1, source_reference="118/26")
    values = {"received_at": NOON + timedelta(days=9), "source_reference": "118/26", **changes}
    again = report(2, timedelta(), **values)
    verdict = compare(first, again, is_worry)
    assert verdict is not None
    assert (verdict.certain, verdict.because) == (False, (SAME_SOURCE_REFERENCE,))


def test_a_reference_of_a_letter_or_two_tells_nothing(is_worry: IsWorry) -> None:
    first, again = report(1, source_reference="-1"), report(2, timedelta(days=5), source_reference="1")
    assert compare(first, again, is_worry) is None


def test_the_same_incident_on_the_same_day_is_one_event_whoever_reports_it(is_worry: IsWorry) -> None:
    first = report(1, facts=(INJURY, HUNGER))
    other = report(2, timedelta(days=20), agency="police", facts=(INJURY,))
    verdict = compare(first, other, is_worry)
    assert verdict is not None
    assert (verdict.certain, verdict.because) == (True, (SAME_INCIDENT,))


def test_an_old_incident_told_with_a_new_one_is_not_certainly_the_old_event(is_worry: IsWorry) -> None:
    first = report(1, facts=(INJURY,))
    verdict = compare(first, report(2, timedelta(days=1), facts=(INJURY, SECOND)), is_worry)
    assert verdict is not None
    assert not verdict.certain


@pytest.mark.parametrize(
    "fact",
    [
        HUNGER,
        INJURY.model_copy(update={"period": Period.LONG_AGO}),
        INJURY.model_copy(update={"value": "none"}),
        Fact(fact="child.attendance_percent", value=84, basis="record", on=date(2026, 3, 1)),
    ],
    ids=["no day", "long ago", "no harm", "a count"],
)
def test_what_is_no_incident_of_a_day_joins_nothing(is_worry: IsWorry, fact: Fact) -> None:
    reports = report(1, facts=(fact,)), report(2, timedelta(days=10), agency="police", facts=(fact,))
    assert compare(*reports, is_worry) is None


def test_agencies_that_report_within_days_may_mean_the_same(is_worry: IsWorry) -> None:
    def other(after: timedelta, facts: tuple[Fact, ...] = ()) -> Contact:
        return report(2, after, agency="police", facts=facts)

    verdict = compare(report(1), other(CLOSE), is_worry)
    assert verdict is not None
    assert (verdict.certain, verdict.because) == (False, (REPORTED_CLOSE_BY,))
    assert compare(report(1), other(CLOSE + timedelta(seconds=1)), is_worry) is None
    assert compare(report(1, facts=(INJURY,)), other(CLOSE, (SECOND,)), is_worry) is None


def test_the_same_words_of_one_agency_within_a_day_may_have_been_sent_twice(is_worry: IsWorry) -> None:
    first = report(1, facts=(HUNGER,))
    verdict = compare(first, report(2, timedelta(hours=20), facts=(HUNGER,)), is_worry)
    assert verdict is not None
    assert (verdict.certain, verdict.because) == (False, (SENT_AGAIN,))
    assert compare(first, report(2, timedelta(hours=30), facts=(HUNGER,)), is_worry) is None
    assert compare(report(1), report(2, timedelta(hours=2)), is_worry) is None


def test_a_step_down_and_the_same_referral_tell_of_no_event_twice(is_worry: IsWorry) -> None:
    first = report(1, source_reference="CPOMS-118")
    stepped = report(2, source_reference="CPOMS-118", kind=ContactKind.STEP_DOWN)
    twin = report(2, source_reference="CPOMS-118", referral_id=first.referral_id)
    assert compare(first, stepped, is_worry) is None
    assert compare(first, twin, is_worry) is None


def test_reports_of_one_event_bear_the_reference_of_the_first_and_others_none(is_worry: IsWorry) -> None:
    first = report(1, source_reference="CPOMS-118")
    again = report(2, timedelta(days=1), source_reference="CPOMS-118")
    other = report(3, timedelta(days=9))
    assert label([other, again, first], {}, is_worry) == {first.case_id: "R-1", again.case_id: "R-1"}


def test_what_a_person_says_beats_what_is_certain(is_worry: IsWorry) -> None:
    first = report(1, source_reference="CPOMS-118")
    again = report(2, timedelta(days=1), source_reference="CPOMS-118")
    third = report(3, timedelta(days=90))
    apart = {frozenset((first.case_id, again.case_id)): SameEvent.OTHER}
    assert label([first, again], apart, is_worry) == {}
    joined = {frozenset((first.case_id, third.case_id)): SameEvent.SAME}
    everybody = {one.case_id for one in (first, again, third)}
    assert set(label([first, again, third], joined, is_worry)) == everybody


def test_two_cases_of_one_person_in_one_referral_are_one_report(is_worry: IsWorry) -> None:
    first = report(1)
    twin = report(2, referral_id=first.referral_id, reference=first.reference)
    assert set(label([first, twin], {}, is_worry).values()) == {"R-1"}


REPORTS = st.lists(
    st.tuples(
        st.integers(0, 60),
        st.sampled_from(["school", "police"]),
        st.sampled_from([None, "CPOMS-118", "F101-7"]),
        st.sampled_from([(), (INJURY,), (SECOND,), (INJURY, SECOND), (HUNGER,)]),
    ),
    min_size=2,
    max_size=5,
)


@settings(max_examples=60, deadline=None)
@given(REPORTS, st.data())
def test_no_order_changes_a_label_and_what_a_person_kept_apart_stays_apart(
    is_worry: IsWorry, told: list[tuple[int, str, str | None, tuple[Fact, ...]]], data: st.DataObject
) -> None:
    reports = [
        report(number, timedelta(days=days), agency=agency, source_reference=reference, facts=facts)
        for number, (days, agency, reference, facts) in enumerate(told, start=1)
    ]
    decided: dict[Pair, SameEvent] = {
        frozenset(pair): said
        for pair in itertools.combinations([one.case_id for one in reports], 2)
        if (said := data.draw(st.sampled_from([None, SameEvent.SAME, SameEvent.OTHER]))) is not None
    }
    labels = label(reports, decided, is_worry)
    assert label(list(data.draw(st.permutations(reports))), decided, is_worry) == labels
    for (one, other), said in decided.items():
        if said is SameEvent.OTHER:
            assert labels.get(one) is None or labels.get(one) != labels.get(other)

"""Counts over what came before a referral: windows, duplicates, re-referrals, and plans that are open or closed."""

from datetime import date
from typing import Any

import pytest

from libs.schemas.findings import FactValue
from libs.schemas.history import EarlierReport
from libs.schemas.plans import Plan
from libs.schemas.referral import ReferredChild
from services.triage.derived.background import months_before
from tests.services.triage.derived.backgrounds import known, said, value


def earlier(on: str, *facts: tuple[str, FactValue], **fields: Any) -> EarlierReport:
    stated = [{"fact": name, "value": stated, "basis": "record"} for name, stated in facts]
    return EarlierReport.model_validate({"on": on, "facts": stated, **fields})


def child(**fields: Any) -> ReferredChild:
    return ReferredChild.model_validate(fields)


@pytest.mark.parametrize(
    ("day", "months", "start"),
    [
        (date(2026, 11, 25), 12, date(2025, 11, 25)),
        (date(2026, 8, 31), 6, date(2026, 2, 28)),
        (date(2026, 1, 15), 3, date(2025, 10, 15)),
        (date(2024, 2, 29), 12, date(2023, 2, 28)),
    ],
)
def test_a_window_is_in_calendar_months(day: date, months: int, start: date) -> None:
    assert months_before(day, months) == start


@pytest.mark.parametrize(
    ("on", "counts"),
    [("2025-11-24", None), ("2025-11-25", 1), ("2026-11-25", 1), ("2026-11-26", None)],
)
def test_a_window_holds_its_first_day_and_the_day_of_receipt(on: str, counts: int | None) -> None:
    background = known(earlier=(earlier(on),))
    assert value("referrals_12_months", background) == counts
    assert value("contacts_12_months", background) == counts


def test_notices_and_news_are_contacts_and_no_referrals() -> None:
    kinds = (
        "new_worry",
        "transfer_in",
        "notification",
        "information_on_open_case",
        "step_down",
        "a newer kind",
    )
    background = known(earlier=tuple(earlier("2026-05-01", kind=kind) for kind in kinds))
    assert value("referrals_12_months", background) == 2
    assert value("contacts_12_months", background) == 6


def test_reports_of_one_event_count_once_and_never_as_a_re_referral() -> None:
    twice = tuple(earlier("2026-05-01", event="fall", decided_on="2026-05-02") for _ in range(2))
    assert value("referrals_12_months", known(earlier=twice)) == 1
    assert value("re_referral_12_months", known(earlier=twice)) is True
    duplicate = known(earlier=twice, event="fall")
    assert value("referrals_12_months", duplicate) is None
    assert value("contacts_12_months", duplicate) is None
    assert value("re_referral_12_months", duplicate) is None


def test_what_was_a_mistake_counts_nowhere() -> None:
    mistaken = known(earlier=(earlier("2026-05-01", decided_on="2026-05-02", mistaken=True),))
    assert value("contacts_12_months", mistaken) is None
    assert value("re_referral_12_months", mistaken) is None


@pytest.mark.parametrize(
    ("decided", "again"), [(None, None), ("2026-11-25", True), ("2026-11-26", None), ("2026-05-02", True)]
)
def test_a_re_referral_follows_one_that_was_decided(decided: str | None, again: bool | None) -> None:
    background = known(earlier=(earlier("2026-05-01", decided_on=decided),))
    assert value("re_referral_12_months", background) is again


@pytest.mark.parametrize(
    ("before", "now", "same"),
    [
        (("child.hunger", "occasional"), ("child.hunger", "persistent"), True),
        (("child.hunger", "none"), ("child.hunger", "persistent"), None),
        (("child.hunger", "occasional"), ("child.hunger", "none"), None),
        (("child.hunger", "occasional"), ("child.home_conditions", "poor"), None),
        (("household.protective_adult", True), ("household.protective_adult", True), None),
    ],
)
def test_the_same_worry_is_the_same_risk_stated_both_times(before: Any, now: Any, same: bool | None) -> None:
    background = known(said(*now), earlier=(earlier("2026-05-01", before, decided_on="2026-05-02"),))
    assert value("same_worry_12_months", background) is same


def test_contacts_about_neglect_are_those_that_state_any_of_its_facts() -> None:
    background = known(
        earlier=(
            earlier("2026-05-01", ("child.hunger", "occasional")),
            earlier("2026-06-01", ("child.home_conditions", "poor"), kind="notification"),
            earlier("2026-07-01", ("child.hunger", "none")),
            earlier("2026-08-01", ("household.domestic_abuse", "repeated")),
        )
    )
    assert value("neglect_contacts_12_months", background) == 2


def test_incidents_of_domestic_abuse_are_counted_with_this_one_and_each_event_once() -> None:
    minor = ("household.domestic_abuse", "minor_incident")
    before = (earlier("2026-06-01", minor, event="june"), earlier("2026-06-02", minor, event="june"))
    name = "domestic_abuse_incidents_6_months"
    assert value(name, known(earlier=before)) == 1
    assert value(name, known(said(*minor), earlier=before)) == 2
    assert value(name, known(said(*minor), earlier=before, event="june")) == 1
    assert value(name, known(said(*minor))) == 1
    assert value(name, known(earlier=(earlier("2026-05-24", minor),))) is None


def test_missing_episodes_are_counted_with_this_one() -> None:
    missing = ("child.missing_now", True)
    background = known(said(*missing, "police"), earlier=(earlier("2026-01-01", missing),))
    assert value("missing_episodes_12_months", background) == 2


PLAN = {"kind": "child_in_need", "opened": "2026-01-01"}


@pytest.mark.parametrize(
    ("plans", "spoke", "worst"),
    [
        ([], False, None),
        ([], True, "none"),
        ([PLAN], False, "child_in_need"),
        ([PLAN, {"kind": "child_protection"}, {"kind": "looked_after"}], True, "child_protection"),
        ([{**PLAN, "closed": "2026-11-25"}], True, "none"),
        ([{**PLAN, "closed": "2026-11-26"}], True, "child_in_need"),
        ([{**PLAN, "opened": "2026-11-26"}], True, "none"),
        ([{**PLAN, "kind": "a newer plan"}], True, None),
    ],
)
def test_the_worst_open_plan_counts_and_none_only_where_social_care_spoke(
    plans: Any, spoke: bool, worst: str | None
) -> None:
    background = known(plans=tuple(Plan.model_validate(one) for one in plans), social_care_spoke=spoke)
    assert value("open_plan", background) == worst


@pytest.mark.parametrize(
    ("kind", "closed", "in_twelve", "in_six"),
    [
        ("child_protection", "2026-05-25", True, True),
        ("child_protection", "2026-05-24", True, None),
        ("child_in_need", "2026-10-01", True, None),
        ("looked_after", "2025-11-24", None, None),
        ("child_protection", None, None, None),
        ("child_protection", "2026-11-26", None, None),
    ],
)
def test_a_plan_that_closed_lately(
    kind: str, closed: str | None, in_twelve: bool | None, in_six: bool | None
) -> None:
    background = known(plans=(Plan.model_validate({"kind": kind, "closed": closed}),))
    assert value("plan_closed_12_months", background) is in_twelve
    assert value("plan_closed_6_months", background) is in_six


@pytest.mark.parametrize(
    ("level", "destination", "again"),
    [
        ("section_17", "csc_section_17", True),
        ("section_47", "csc_section_47", True),
        ("targeted", "csc_section_17", True),
        ("section_17", "what_nobody_knows", True),
        (None, None, True),
        ("targeted", "early_help", None),
        ("universal", "universal_advice", None),
        ("section_17", "allocated_worker", None),
        ("section_47", "other_authority", None),
    ],
)
def test_only_what_a_person_made_a_statutory_referral_counts_as_one(
    level: str | None, destination: str | None, again: bool | None
) -> None:
    before = EarlierReport(
        on=date(2026, 5, 1), decided_on=date(2026, 5, 2), level=level, destination=destination
    )
    assert value("re_referral_12_months", known(earlier=(before,))) is again
    assert value("referrals_12_months", known(earlier=(before,))) == (1 if again else None)
    assert value("contacts_12_months", known(earlier=(before,))) == 1


def test_of_two_reports_of_one_event_the_one_that_became_a_referral_counts() -> None:
    first = EarlierReport(
        on=date(2026, 5, 1),
        decided_on=date(2026, 5, 2),
        event="e",
        level="early_help",
        destination="early_help",
    )
    second = first.model_copy(update={"level": "section_17", "destination": "csc_section_17"})
    assert value("re_referral_12_months", known(earlier=(first, second))) is True

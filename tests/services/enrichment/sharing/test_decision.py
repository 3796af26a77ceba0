"""Who may be asked for what: nothing that no line expressly grants, and a reason for everything that is held back."""

import re
import uuid
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.schemas.levels import Level
from services.enrichment.asking.question import SENDABLE, question_for
from services.enrichment.sharing.agreement import Agreement
from services.enrichment.sharing.decision import ENGLAND, Line
from services.enrichment.sharing.permission import Circumstances, Grant, Mode, Order, Permission
from tests.services.enrichment.sharing.making import (
    AGREEMENT,
    ANSWERS,
    CHILD,
    FAMILY,
    IN_FORCE,
    UNBORN,
    agencies,
    circumstances,
    emergency,
    known,
    mutilated,
    order,
    orders,
    with_lines,
)

BELOW = [Level.UNIVERSAL, Level.EARLY_HELP, Level.TARGETED]
WORDS = {
    "names": ["Childfirst", "Childlast", "Childother"],
    "sex": ['"F"'],
    "born": ["2019-03-04", "2027-01-01"],
    "nhs_number": ["9990041008"],
    "upn": ["X100000000001"],
    "address": ["Childhome", "PE1 9ZZ"],
    "school": ["Childschool"],
    "adults": ["Partnerfirst"],
    "suspect": ["Suspectfirst"],
}
"""Words of the family that stand in a question only where this field is listed."""


def decided(agreement: Agreement, circumstances: Circumstances, agency: str = "police") -> Permission:
    return agreement.decide(agency, circumstances)


def reasons(permission: Permission) -> set[str]:
    return set(permission.held_back.values())


@pytest.mark.parametrize("level", BELOW)
@pytest.mark.parametrize("answer", ANSWERS)
def test_below_section_17_only_the_familys_agreement_opens_a_check(level: Level, answer: str) -> None:
    permission = decided(AGREEMENT, circumstances(level, answer))
    assert permission.granted is (answer == "given")
    expected = {"given": None, "refused": "agreement_refused"}.get(answer, "agreement_missing")
    assert permission.reason == expected


@pytest.mark.parametrize("answer", ANSWERS)
def test_at_section_17_agreement_is_sought_unless_that_is_unsafe(answer: str) -> None:
    permission = decided(AGREEMENT, circumstances(Level.SECTION_17, answer))
    assert permission.granted is (answer in ("given", "unsafe_to_seek"))
    if not permission.granted:
        assert reasons(permission) <= {"agreement_refused", "agreement_missing", "necessity_not_recorded"}


def test_at_section_17_a_person_may_record_why_it_is_necessary_without_agreement() -> None:
    without = circumstances(Level.SECTION_17, "refused")
    recorded = replace(without, orders=(order(items=frozenset({"safety"})),))
    assert not decided(AGREEMENT, without).granted
    permission = decided(AGREEMENT, recorded)
    assert permission.names == ("safety",)
    assert (permission.purpose, permission.basis) == (order().purpose, order().basis)
    assert [each.id for each in permission.orders] == [order().id]


@pytest.mark.parametrize("elsewhere", [order("health"), emergency("health")])
def test_an_order_to_ask_one_agency_opens_nothing_of_anothers(elsewhere: Order) -> None:
    without = circumstances(Level.SECTION_17, "refused")
    assert not decided(AGREEMENT, replace(without, orders=(elsewhere,))).granted
    little = order(items=frozenset({"safety"}))
    assert decided(AGREEMENT, replace(without, orders=(elsewhere, little))).names == ("safety",)


@pytest.mark.parametrize("answer", ANSWERS)
def test_reasonable_cause_to_suspect_significant_harm_needs_no_agreement(answer: str) -> None:
    permission = decided(AGREEMENT, circumstances(Level.SECTION_47, answer))
    assert permission.held_back == {}
    assert "section 47" in permission.basis


def test_before_triage_has_screened_nobody_is_asked() -> None:
    assert decided(AGREEMENT, circumstances(None)).reason == "level_not_known"


def test_an_agency_without_a_line_is_not_asked_by_anybody() -> None:
    everything = circumstances(Level.SECTION_47, orders=(order("nobody"), emergency("nobody")))
    assert decided(AGREEMENT, everything, "nobody") == Permission((), {}, "team", "agency_not_listed")


def test_an_item_below_its_level_is_held_back_and_asked_when_the_level_rises() -> None:
    lines = [
        line for line in AGREEMENT.lines if line.agency == "police" and line.item in ("safety", "adults")
    ]
    strict = with_lines(
        [line for line in lines if line.item == "safety" or line.ground.level is Level.SECTION_47]
    )
    mild = decided(strict, circumstances(Level.EARLY_HELP, "given"))
    assert (mild.names, mild.held_back, mild.reason) == (("safety",), {"adults": "below_level"}, None)
    assert decided(strict, circumstances(Level.SECTION_47, "given")).names == ("adults", "safety")


def test_an_item_is_granted_as_all_lines_that_apply_grant_it_together() -> None:
    mild, _, grave = (line for line in AGREEMENT.lines if (line.agency, line.item) == ("police", "safety"))
    little = replace(mild, mode=Mode.EXISTENCE, fields=frozenset({"names"}), freshness=timedelta(days=9))
    much = replace(grave, fields=frozenset({"names", "born"}), freshness=timedelta(days=2))
    both = with_lines([little, much])
    (below,) = decided(both, circumstances(Level.EARLY_HELP, "given")).items
    assert (below.mode, below.freshness) == (Mode.EXISTENCE, timedelta(days=9))
    assert below.fields == {"names"}
    (above,) = decided(both, circumstances(Level.SECTION_47, "given")).items
    assert (above.mode, above.freshness) == (Mode.CONTENT, timedelta(days=2))
    assert above.fields == {"names", "born"}
    assert above.ground == "significant_harm"
    (other_way,) = decided(
        with_lines([replace(little, fields=frozenset({"names", "sex"})), much]),
        circumstances(Level.SECTION_47, "given"),
    ).items
    assert other_way.fields == {"names", "sex", "born"}


def test_an_item_rests_on_its_own_ground_where_one_applies_and_an_order_opens_only_another() -> None:
    mild = next(line for line in AGREEMENT.lines if (line.agency, line.item) == ("police", "safety"))
    grave = replace(mild, ground=AGREEMENT.grounds["significant_harm"])
    asked = circumstances(Level.EARLY_HELP, "given", orders=(order(),))
    (granted,) = decided(with_lines([mild, grave]), asked).items
    assert (granted.order, granted.ground) == (None, "with_agreement")


def test_an_item_is_held_back_as_long_as_nothing_listed_would_tell_who_is_meant() -> None:
    unidentified = circumstances(identifiers=frozenset())
    assert decided(AGREEMENT, unidentified).reason == "not_identifiable"
    by_school_number = circumstances(identifiers=frozenset({"upn"}))
    assert decided(AGREEMENT, by_school_number).reason == "not_identifiable"
    assert decided(AGREEMENT, by_school_number, "education").granted


@pytest.mark.parametrize(
    ("day", "reason"),
    [
        (datetime(2024, 3, 31, 22, 59, tzinfo=UTC), "sharing_not_started"),
        (datetime(2024, 3, 31, 23, 0, tzinfo=UTC), None),
        (datetime(2031, 3, 31, 22, 59, tzinfo=UTC), None),
        (datetime(2031, 3, 31, 23, 0, tzinfo=UTC), "sharing_expired"),
    ],
)
def test_an_agreement_is_in_force_on_its_days_in_england_and_says_when_it_is_not(
    day: datetime, reason: str | None
) -> None:
    assert decided(AGREEMENT, circumstances(at=day)).reason == reason


# Orders


def test_below_section_17_an_order_by_hand_does_not_stand_for_the_familys_agreement() -> None:
    assert decided(AGREEMENT, circumstances(Level.TARGETED, "refused", orders=(order(),))).reason == (
        "agreement_refused"
    )


def test_with_the_familys_agreement_staff_may_ask_by_hand_below_the_level() -> None:
    lines = [line for line in AGREEMENT.lines if line.ground.level is Level.SECTION_47]
    strict = with_lines(lines)
    asked = circumstances(Level.EARLY_HELP, "given", orders=(order(),))
    assert decided(strict, replace(asked, orders=())).reason == "below_level"
    assert decided(strict, asked).granted


def test_an_emergency_opens_what_is_listed_whatever_level_and_agreement() -> None:
    for level in (None, *Level):
        for answer in ANSWERS:
            permission = decided(AGREEMENT, circumstances(level, answer, orders=(emergency(),)))
            assert permission.held_back == {}
            assert permission.fields <= union(AGREEMENT, "police")


@pytest.mark.parametrize(
    "insufficient",
    [
        {"approver": None},
        {"approver": "  "},
        {"approver": "sam   SANDBOX"},
        {"reason": " "},
        {"purpose": ""},
        {"basis": ""},
        {"by": "", "approver": "Morgan Sandbox"},
        {"until": IN_FORCE},
        {"at": IN_FORCE - timedelta(hours=24)},
        {"at": IN_FORCE - timedelta(hours=24), "until": IN_FORCE + timedelta(days=300)},
        {"agency": "health"},
        {"items": frozenset({"something_unheard_of"})},
    ],
)
def test_an_emergency_needs_somebody_else_who_approved_it_and_a_reason_and_lapses(
    insufficient: dict[str, Any],
) -> None:
    given = circumstances(Level.UNIVERSAL, "refused", orders=(emergency(**insufficient),))
    assert decided(AGREEMENT, given).reason == "agreement_refused"
    assert decided(AGREEMENT, replace(given, orders=(emergency(),))).granted


def test_what_stands_without_an_order_does_not_rest_on_one() -> None:
    permission = decided(AGREEMENT, circumstances(Level.SECTION_47, orders=(emergency(),)))
    assert permission.orders == ()
    assert "significant harm" in permission.purpose


# The suspect's agency


def test_where_the_suspect_works_for_the_agency_only_its_lead_is_asked() -> None:
    given = circumstances(Level.SECTION_47, suspect_works_for=frozenset({"police"}))
    assert decided(AGREEMENT, given).to == "lead"
    assert decided(AGREEMENT, given, "health").to == "team"


def test_an_agency_that_has_named_no_lead_is_not_asked_about_its_own() -> None:
    given = circumstances(
        Level.SECTION_47, suspect_works_for=frozenset({"education"}), orders=(emergency("education"),)
    )
    assert decided(AGREEMENT, given, "education").reason == "lead_not_named"


# What holds at any level, consent state and date, with any orders and any agreement


def union(agreement: Agreement, agency: str, items: frozenset[str] | None = None) -> frozenset[str]:
    """The fields that the agreement lists for these items of an agency."""
    return frozenset().union(
        *(
            line.fields
            for line in agreement.lines
            if line.agency == agency and (items is None or line.item in items)
        )
    )


@settings(max_examples=60, deadline=None)
@given(agreement=mutilated(), given_=known, agency=agencies, child=st.sampled_from([CHILD, UNBORN]))
def test_no_field_leaves_that_the_agreement_does_not_list_for_a_granted_item(
    agreement: Agreement, given_: Circumstances, agency: str, child: uuid.UUID
) -> None:
    permission = agreement.decide(agency, given_)
    question = question_for(FAMILY, child, permission, uuid.UUID(int=3))
    assert question is not None
    listed = union(agreement, agency, frozenset(permission.names))
    assert permission.fields <= listed
    assert question.fields(permission.fields) <= listed
    sent = question.model_dump_json(exclude={"question_id", "purpose", "basis", "items"})
    for field, words in WORDS.items():
        if field not in listed:
            assert not [word for word in words if word in sent], field
    assert "Neighbour" not in sent
    assert "Hidden" not in sent
    if not {"mother", "adults"} & listed:
        assert "Mother" not in sent
    if "names" not in listed:
        assert not re.search(r"[a-z](first|last)", sent)


def test_every_field_that_may_be_listed_has_a_word_that_shows_it() -> None:
    assert set(SENDABLE) - {"mother"} == set(WORDS)
    everything = decided(AGREEMENT, circumstances(Level.SECTION_47), "social_care")
    question = question_for(FAMILY, CHILD, everything, uuid.UUID(int=3))
    assert question is not None
    sent = question.model_dump_json()
    missing = [
        field
        for field, words in WORDS.items()
        if field in everything.fields and not any(word in sent for word in words)
    ]
    assert missing == []


def within(less: Permission, more: Permission) -> bool:
    """Whether one permission grants nothing that the other does not."""
    granted = {grant.item: grant for grant in more.items}
    return all(grant.item in granted and _within(grant, granted[grant.item]) for grant in less.items)


def _within(less: Grant, more: Grant) -> bool:
    return less.fields <= more.fields and (less.mode is more.mode or more.mode is Mode.CONTENT)


@settings(max_examples=60, deadline=None)
@given(given_=known, line=st.sampled_from(AGREEMENT.lines))
def test_removing_a_line_removes_that_disclosure_and_nothing_else_appears(
    given_: Circumstances, line: Line
) -> None:
    others = [one for one in AGREEMENT.lines if one is not line]
    for agency in AGREEMENT.agencies:
        before, after = AGREEMENT.decide(agency, given_), with_lines(others).decide(agency, given_)
        assert within(after, before)
        if agency != line.agency:
            assert after == before
    no_line = with_lines([one for one in others if (one.agency, one.item) != (line.agency, line.item)])
    assert line.item not in no_line.decide(line.agency, given_).names


@settings(max_examples=60, deadline=None)
@given(agreement=mutilated(), given_=known, agency=agencies, worse=st.sampled_from(Level))
def test_a_worse_level_never_takes_away(
    agreement: Agreement, given_: Circumstances, agency: str, worse: Level
) -> None:
    if given_.level is None or given_.level <= worse:
        assert within(
            agreement.decide(agency, given_), agreement.decide(agency, replace(given_, level=worse))
        )


@settings(max_examples=50, deadline=None)
@given(agreement=mutilated(), given_=known, agency=agencies, more=orders)
def test_a_further_order_never_takes_away(
    agreement: Agreement, given_: Circumstances, agency: str, more: Order
) -> None:
    ordered = replace(given_, orders=(*given_.orders, more))
    assert within(agreement.decide(agency, given_), agreement.decide(agency, ordered))


@settings(max_examples=50, deadline=None)
@given(agreement=mutilated(), given_=known, agency=agencies, days=st.integers(1, 900), over=st.booleans())
def test_what_is_expired_or_not_started_grants_nothing_to_anybody(
    agreement: Agreement, given_: Circumstances, agency: str, days: int, over: bool
) -> None:
    day = given_.at.astimezone(ENGLAND).date() + timedelta(days=-days if over else days)
    far = [
        replace(line, starts=date.min if over else day, ends=day if over else date.max)
        for line in agreement.lines
    ]
    approved = replace(given_, orders=(*given_.orders, emergency(agency, at=given_.at)))
    permission = replace(with_lines(far), leads=frozenset(AGREEMENT.agencies)).decide(agency, approved)
    assert not permission.granted
    assert reasons(permission) <= {"sharing_expired" if over else "sharing_not_started"}


@settings(max_examples=60, deadline=None)
@given(agreement=mutilated(), given_=known, agency=agencies)
def test_what_is_held_back_has_a_reason_and_what_is_granted_has_purpose_and_basis(
    agreement: Agreement, given_: Circumstances, agency: str
) -> None:
    permission = agreement.decide(agency, given_)
    assert (permission.reason is None) is permission.granted
    listed = {line.item for line in agreement.lines if line.agency == agency}
    assert {*permission.names, *permission.held_back} == listed
    assert not set(permission.names) & set(permission.held_back)
    assert all(grant.purpose.strip() and grant.basis.strip() for grant in permission.items)
    assert bool(permission.purpose and permission.basis) is permission.granted


@given(given_=known, agency=agencies)
def test_asking_for_fewer_items_sends_no_more_fields(given_: Circumstances, agency: str) -> None:
    permission = AGREEMENT.decide(agency, given_)
    for name in permission.names:
        fewer = permission.only({name})
        assert fewer.names == (name,)
        assert fewer.fields <= union(AGREEMENT, agency, frozenset({name}))


@settings(max_examples=60)
@given(
    given_=known,
    agency=agencies,
    before=st.lists(known, max_size=3),
    at=st.datetimes(datetime(2024, 3, 31, 20), datetime(2024, 4, 1, 2), timezones=st.just(UTC)),
)
def test_what_was_decided_for_others_changes_no_decision(
    given_: Circumstances, agency: str, before: list[Circumstances], at: datetime
) -> None:
    asked = replace(AGREEMENT)
    for other in before:
        # All but one thing alike.
        asked.decide(agency, replace(given_, level=other.level, at=IN_FORCE))
        asked.decide(agency, replace(given_, agreement=other.agreement, at=IN_FORCE))
        asked.decide(agency, replace(given_, identifiers=other.identifiers, at=IN_FORCE))
        asked.decide(agency, replace(given_, suspect_works_for=other.suspect_works_for, at=IN_FORCE))
        asked.decide(agency, replace(given_, orders=other.orders, at=IN_FORCE))
        asked.decide(agency, replace(given_, at=other.at))
    for moment in (IN_FORCE, given_.at, at, at.replace(hour=12), at.replace(hour=23, minute=30)):
        ordered = emergency(agency, at=moment)
        for now in (replace(given_, at=moment), replace(given_, at=moment, orders=(ordered,))):
            assert asked.decide(agency, now) == replace(AGREEMENT).decide(agency, now)

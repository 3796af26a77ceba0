"""What the thresholds answer for a whole referral that somebody wrote down."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.schemas.codes import AgreementAnswer, ReferrerRole
from libs.schemas.dictionary import Definition, Kind, Polarity
from libs.schemas.findings import AgencyState, FactValue
from libs.schemas.levels import Destination, Level, Rag
from services.triage.decide.answer import Repeat, Untellable, Weighed, WeighedChild
from services.triage.decide.picture import Picture
from services.triage.decide.weighing import weigh
from tests.services.triage.shipped import shipped_thresholds

FRIDAY = datetime(2026, 11, 20, 17, 45, tzinfo=UTC)


def said(facts: dict[str, Any]) -> dict[str, Any]:
    """Facts as the reader of a file gives them: each with its statements."""
    return {name: [value if isinstance(value, dict) else {"value": value}] for name, value in facts.items()}


def child(facts: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {"facts": said(facts or {}), **fields}


def weighed(*children: dict[str, Any], at: datetime = FRIDAY, **fields: Any) -> Weighed:
    body = {"received_at": FRIDAY, "children": children or (child(),), **fields}
    return weigh(Picture.model_validate(body), shipped_thresholds(), at)


def only(*children: dict[str, Any], **fields: Any) -> WeighedChild:
    return weighed(*children, **fields).children[0]


def test_every_child_gets_an_answer_of_their_own() -> None:
    found = weighed(child({"child.self_harm": "attempt"}, name="Ada"), child({"child.hunger": "none"}))
    ada, other = found.children
    assert (ada.name, ada.level, ada.destination) == ("Ada", Level.SECTION_47, Destination.SECTION_47)
    assert (other.name, other.level) == ("child 2", Level.UNIVERSAL)
    assert found.siblings_differ
    assert not weighed(child(), child()).siblings_differ


def test_the_decision_is_due_on_monday_and_red_runs_through_friday_night() -> None:
    times = weighed(child({"child.self_harm": "attempt"}), at=FRIDAY + timedelta(hours=5)).times
    assert (times.decision.at, times.decision.over) == (datetime(2026, 11, 23, 17, 30, tzinfo=UTC), False)
    assert (times.urgency.at, times.urgency.over) == (FRIDAY + timedelta(hours=4), True)


def test_words_wait_for_a_reader_and_a_low_place_is_not_recommended_before() -> None:
    unread = weighed(worry="He comes hungry.")
    assert unread.times.reading is not None
    assert unread.children[0].withheld
    cases: list[dict[str, Any]] = [{"worry": "He comes hungry.", "words_read": True}, {}]
    for fields in cases:
        read = weighed(**fields)
        assert read.times.reading is None
        assert not read.children[0].withheld


@pytest.mark.parametrize(
    ("mine", "theirs", "counts"), [("home", "home", True), (None, "home", True), ("home", "flat", False)]
)
def test_what_is_said_of_an_adult_or_a_home_counts_for_every_child_in_contact(
    mine: str | None, theirs: str, counts: bool
) -> None:
    strangled = {"household": theirs, "facts": said({"household.strangulation_or_weapon": True})}
    for fields in ({"adults": [strangled]}, {"homes": [strangled]}):
        found = only(child(household=mine), **fields)
        assert (found.level is Level.SECTION_47) is counts


def test_what_an_agency_says_of_the_home_with_one_child_counts_for_the_other() -> None:
    police = {"police": {"state": "returned", "facts": said({"household.strangulation_or_weapon": True})}}
    first, second = weighed(child(answers=police), child()).children
    assert first.level is second.level is Level.SECTION_47
    assert second.rules[0].evidence[0].source == "police"
    assert first.agencies["police"] == "returned"
    assert second.agencies["police"] == "not_requested"


@pytest.mark.parametrize(
    ("home", "found", "facts", "destination"),
    [
        ("Lincolnshire", "not_known", {"child.self_harm": "attempt"}, Destination.SECTION_47),
        ("Lincolnshire", "here", {"child.self_harm": "attempt"}, Destination.SECTION_47),
        ("Lincolnshire", "elsewhere", {"child.self_harm": "attempt"}, Destination.OTHER_AUTHORITY),
        ("Lincolnshire", "here", {"child.young_carer": True}, Destination.OTHER_AUTHORITY),
        (None, "here", {"child.young_carer": True}, Destination.EARLY_HELP),
    ],
)
def test_a_child_who_lives_elsewhere(
    home: str | None, found: str, facts: dict[str, Any], destination: Destination
) -> None:
    assert only(child(facts, home_authority=home, found=found)).destination is destination


def test_the_panel_is_that_of_the_childs_locality() -> None:
    ready = {"family.services_needed_together": 3, "family.early_help_assessment_complete": True}
    agreed = {"panel": "given", "early_help": "given"}
    found = only(child(ready, postcode="PE4 7AA"), agreement=agreed)
    assert (found.destination, found.panel) == (Destination.MASG, "north_and_west")
    assert only(child(ready, postcode="ZZ1 1AA"), agreement=agreed).panel is None
    assert only(child({"child.young_carer": True}, postcode="PE4 7AA")).panel is None


def test_an_open_plan_goes_to_its_worker() -> None:
    found = only(child({"child.hunger": "occasional"}, plans=[{"kind": "child_in_need"}]))
    assert found.destination is Destination.ALLOCATED_WORKER
    assert "child.open_plan" in {one.id for one in found.worked_out}


def test_a_second_report_of_one_event_is_a_duplicate_and_a_later_one_a_re_referral() -> None:
    before = {
        "on": "2026-10-05",
        "decided_on": "2026-10-06",
        "event": "found-alone",
        "reference": "K7TM-P2RW-Q",
    }
    duplicate = only(earlier=[before], event="found-alone")
    assert (duplicate.repeat, duplicate.earlier[0].reference) == (Repeat.DUPLICATE, "K7TM-P2RW-Q")
    assert only(earlier=[before], event="another").repeat is Repeat.RE_REFERRAL
    assert only(earlier=[{**before, "decided_on": None}]).repeat is Repeat.FIRST
    assert only(earlier=[before], kind="notification").repeat is Repeat.FIRST


@pytest.mark.parametrize(
    ("referrer", "receipt", "why_not"),
    [
        ({"anonymous": True}, False, Untellable.ANONYMOUS),
        ({"contact": "none"}, False, Untellable.NO_SAFE_WAY),
        ({"contact": "email"}, True, None),
        ({}, True, None),
    ],
)
def test_a_referrer_is_told_wherever_that_is_possible_and_safe(
    referrer: dict[str, Any], receipt: bool, why_not: Untellable | None
) -> None:
    duties = weighed(referrer=referrer).duties
    assert (duties.receipt, duties.outcome, duties.why_not) == (receipt, receipt, why_not)
    assert duties.ask_for_a_way is (receipt and "contact" not in referrer)


def test_a_member_of_the_public_is_told_less_than_a_professional() -> None:
    assert (
        weighed(referrer={"role": "teacher"}).duties.told != weighed(referrer={"role": "public"}).duties.told
    )


def test_an_agency_is_chased_for_the_children_whom_its_answer_could_raise() -> None:
    answers = {agency: {"state": "nothing_held"} for agency in shipped_thresholds().rulebook(FRIDAY).agencies}
    first = {"answers": answers | {"police": {"state": "no_answer"}}}
    second = {"answers": answers | {"police": {"state": "pending"}}}
    chase = weighed(first, second).chase
    assert [(one.agency, one.state, one.children) for one in chase] == [
        ("police", "no_answer", (1,)),
        ("police", "pending", (2,)),
    ]
    assert {one.could_rise_to for one in chase} == {Level.SECTION_47}
    assert weighed({"answers": answers}).chase == ()


def test_the_urgency_of_a_referral_is_that_of_its_most_urgent_child() -> None:
    times = weighed(child(), child({"child.self_harm": "attempt"})).times
    assert times.urgency.at == FRIDAY + timedelta(hours=4)


def definitions() -> list[Definition]:
    return list(shipped_thresholds().rulebook(FRIDAY).dictionary.definitions.values())


def worse(definition: Definition, rank: int) -> FactValue:
    if definition.kind is Kind.SCALE:
        return definition.steps[rank]
    return bool(rank) if definition.kind is Kind.YES_NO else rank


@st.composite
def ranks(draw: st.DrawFn) -> dict[str, int]:
    chosen = draw(st.lists(st.sampled_from(definitions()), max_size=4, unique_by=lambda one: one.name))
    return {one.name: draw(st.integers(0, one.maximum)) for one in chosen}


def facts_of(stated: dict[str, int]) -> dict[str, FactValue]:
    by_name = {one.name: one for one in definitions()}
    return {name: worse(by_name[name], rank) for name, rank in stated.items()}


SLOW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
roles = st.sampled_from(ReferrerRole)
answers = st.sampled_from([None, *AgreementAnswer])
states = st.sampled_from(AgencyState)


def outcomes(found: Weighed) -> list[tuple[Level, Rag, Level]]:
    return [(one.level, one.rag, one.could_rise_to) for one in found.children]


def no_milder(after: Weighed, before: Weighed) -> bool:
    pairs = zip(outcomes(after), outcomes(before), strict=True)
    return all(new >= old for one, other in pairs for new, old in zip(one, other, strict=True))


@SLOW
@given(ranks(), ranks(), answers, answers, st.sampled_from(["early_help", "panel"]))
def test_refusing_ends_no_child_milder(
    first: dict[str, int],
    second: dict[str, int],
    early_help: AgreementAnswer | None,
    panel: AgreementAnswer | None,
    refused: str,
) -> None:
    children = (child(facts_of(first)), child(facts_of(second)))
    agreement = {"early_help": early_help, "panel": panel}
    help_given = [{"kind": "single_service", "result": "not_resolving"}]
    before = weighed(*children, agreement=agreement, help_given=help_given)
    after = weighed(*children, agreement={**agreement, refused: "refused"}, help_given=help_given)
    assert no_milder(after, before)


@SLOW
@given(ranks(), roles, st.sampled_from(Level))
def test_an_anonymous_source_and_a_lower_level_asked_for_change_no_answer(
    stated: dict[str, int], role: ReferrerRole, asked: Level
) -> None:
    one = child(facts_of(stated))
    named = weighed(one, referrer={"role": role}, level_asked="section_47")
    anonymous = weighed(one, referrer={"role": role, "anonymous": True}, level_asked=asked)
    assert outcomes(anonymous) == outcomes(named)


@SLOW
@given(ranks(), st.data(), states, answers)
def test_a_worse_fact_ends_no_child_milder_through_what_is_derived_and_placed(
    stated: dict[str, int], data: st.DataObject, state: AgencyState, agreement: AgreementAnswer | None
) -> None:
    by_name = {one.name: one for one in definitions() if one.polarity is Polarity.RISK}
    risks = sorted(stated.keys() & by_name.keys())
    if not risks:
        return
    name = data.draw(st.sampled_from(risks))
    higher = {**stated, name: data.draw(st.integers(stated[name], by_name[name].maximum))}
    fields: dict[str, Any] = {
        "agreement": {"early_help": agreement},
        "answers": {"police": {"state": state}},
        "earlier": [
            {"on": "2026-09-01", "decided_on": "2026-09-02", "facts": said({"child.hunger": "occasional"})}
        ],
    }
    sibling = child({"child.hunger": "occasional"})
    before, after = (weighed(child(facts_of(facts)), sibling, **fields) for facts in (stated, higher))
    assert no_milder(after, before)

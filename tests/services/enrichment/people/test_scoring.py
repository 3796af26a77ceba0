"""Two records are compared the same from both sides, and only what is sure links by itself."""

from dataclasses import replace
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum.gb import upn

from libs.schemas.people import Band, Comparison, LinkMethod
from libs.schemas.person import Address, Date
from services.enrichment.people.choice import choose
from services.enrichment.people.scoring import Score, explained, may_be, record, score
from services.enrichment.people.subject import Particulars, Subject, joined, profile_of
from tests.services.enrichment.people.people import (
    ELSEWHERE,
    FINCH_NUMBER,
    FINCH_UPN,
    HOME,
    KEYS,
    NAMES,
    RULES,
    WREN_NUMBER,
    WREN_UPN,
    at,
    compared,
    number,
    subject,
    subjects,
)


def judged(one: Subject, other: Subject) -> Score:
    return score(compared(one), compared(other), RULES, NAMES)


@given(subjects(), subjects())
@settings(max_examples=150)
def test_a_pair_scores_the_same_from_both_sides(one: Subject, other: Subject) -> None:
    assert judged(one, other) == judged(other, one)


@given(subjects(), subjects())
@settings(max_examples=150)
def test_only_those_are_left_uncompared_who_would_not_be_offered(one: Subject, other: Subject) -> None:
    if not may_be(compared(one), compared(other), RULES, NAMES):
        assert judged(one, other).band is Band.NONE


def test_a_sibling_is_not_compared_in_full() -> None:
    brother = subject(given_name="Finch", born=Date(on="2013-07-30"))
    assert not may_be(compared(subject()), compared(brother), RULES, NAMES)
    assert may_be(
        compared(subject(upn=WREN_UPN)), compared(brother.model_copy(update={"upn": WREN_UPN})), RULES, NAMES
    )


@given(subjects(), subjects(), st.sampled_from(("nhs_number", "upn")))
@settings(max_examples=150)
def test_a_contradicting_identifier_never_raises_the_band(one: Subject, other: Subject, field: str) -> None:
    plain = judged(one.model_copy(update={field: None}), other)
    numbers = {"nhs_number": (WREN_NUMBER, FINCH_NUMBER), "upn": (WREN_UPN, FINCH_UPN)}[field]
    mine, theirs = one.model_copy(update={field: numbers[0]}), other.model_copy(update={field: numbers[1]})
    contradicting = judged(mine, theirs)
    assert (
        contradicting.band < Band.SAME
        or (one.expected and not one.born)
        or (other.expected and not other.born)
    )
    if not (plain.by_identifier and getattr(other, field) is not None):
        assert contradicting.band <= plain.band


@given(st.lists(subjects(), min_size=1, max_size=5), subjects(), st.randoms(use_true_random=False))
@settings(max_examples=100)
def test_the_order_of_candidates_and_of_what_is_known_changes_nothing(
    known: list[Subject], one: Subject, order: Random
) -> None:
    candidates = [(number(index), compared(each)) for index, each in enumerate(known)]
    shuffled = order.sample(candidates, len(candidates))
    assert choose(compared(one), candidates, RULES, NAMES) == choose(compared(one), shuffled, RULES, NAMES)
    profiles = [profile_of(each) for each in known]
    folded, folded_otherwise = (
        record(joined(each), NAMES) for each in (profiles, order.sample(profiles, len(profiles)))
    )
    assert score(compared(one), folded, RULES, NAMES) == score(compared(one), folded_otherwise, RULES, NAMES)
    assert KEYS.of(folded) == KEYS.of(folded_otherwise)


@given(st.lists(subjects(), min_size=1, max_size=5), subjects())
@settings(max_examples=150)
def test_only_same_links_and_only_where_nobody_else_is_same(known: list[Subject], one: Subject) -> None:
    candidates = [(number(index), compared(each)) for index, each in enumerate(known)]
    choice = choose(compared(one), candidates, RULES, NAMES)
    bands = {person_id: score(compared(one), theirs, RULES, NAMES) for person_id, theirs in candidates}
    if choice.linked is not None:
        assert bands[choice.linked.person_id].band is Band.SAME
        rivals = [found for found in bands.values() if found.band is Band.SAME and found.by_identifier]
        assert len(rivals or [found for found in bands.values() if found.band is Band.SAME]) == 1
        assert choice.offered == ()
    assert all(candidate.band < Band.SAME for candidate in choice.offered)


@pytest.mark.parametrize(
    ("what", "changes", "band"),
    [
        ("everything agrees", {}, Band.SAME),
        ("the family name is mistyped", {"family_name": "Kestral"}, Band.SAME),
        ("half of a double-barrelled name", {"family_name": "Kestrel-Shaw"}, Band.SAME),
        ("one postcode", {"address": Address(postcode="QX1 1AA")}, Band.SAME),
        ("the given name is mistyped", {"given_name": "Wern"}, Band.LIKELY),
        ("day and month are swapped", {"born": Date(on="2015-11-02")}, Band.LIKELY),
        ("a wrong digit", {"born": Date(on="2015-02-12")}, Band.LIKELY),
        ("an estimated date", {"born": at(2015)}, Band.LIKELY),
        ("moved house", {"address": ELSEWHERE}, Band.LIKELY),
        ("no address", {"address": None}, Band.LIKELY),
        ("another family name", {"family_name": "Fletcher"}, Band.LIKELY),
        ("names swapped", {"given_name": "Kestrel", "family_name": "Wren"}, Band.LIKELY),
        ("a twin", {"given_name": "Finch"}, Band.POSSIBLE),
        ("a sibling", {"given_name": "Finch", "born": Date(on="2013-07-30")}, Band.NONE),
        ("a same-named cousin", {"born": Date(on="2013-07-30"), "address": ELSEWHERE}, Band.NONE),
        ("a same-named cousin in one house", {"born": Date(on="2013-07-30")}, Band.POSSIBLE),
        ("another sex", {"sex": "M"}, Band.LIKELY),
        (
            "somebody else",
            {"given_name": "Ada", "family_name": "Orrell", "born": Date(on="1990-06-30")},
            Band.NONE,
        ),
    ],
)
def test_pairs_fall_into_the_bands_that_the_rules_mean(
    what: str, changes: dict[str, Any], band: Band
) -> None:
    assert judged(subject(**changes), subject()).band is band, what


def test_a_short_form_is_the_name_and_other_numbers_are_another_child() -> None:
    assert judged(subject(given_name="Elizabeth"), subject(given_name="Liz")).band is Band.SAME
    other = judged(subject(nhs_number=WREN_NUMBER), subject(nhs_number=FINCH_NUMBER))
    assert other.band is Band.LIKELY
    # However much agrees, contradicting numbers are left to a person.
    companions = KEYS.companions([Particulars(given_name="Robyn", family_name="Kestrel")])
    everything = (
        subject(nhs_number=WREN_NUMBER, upn=WREN_UPN),
        subject(nhs_number=FINCH_NUMBER, upn=WREN_UPN),
    )
    mine, theirs = (compared(one, companions) for one in everything)
    assert score(mine, theirs, RULES, NAMES).band is Band.LIKELY


def test_an_identifier_links_whatever_else_is_missing_or_changed() -> None:
    bare = Particulars(nhs_number=WREN_NUMBER)
    known = subject(nhs_number=WREN_NUMBER)
    assert score(compared(bare), compared(known), RULES, NAMES).band is Band.SAME
    adopted = subject(nhs_number=WREN_NUMBER, family_name="Fletcher", address=ELSEWHERE)
    choice = choose(compared(adopted), [(number(1), compared(known))], RULES, NAMES)
    assert choice.linked is not None
    assert choice.method is LinkMethod.IDENTIFIER


def test_a_number_that_stands_beside_another_childs_name_does_not_link() -> None:
    """Somebody copied the brother's number."""
    twin = subject(nhs_number=WREN_NUMBER, given_name="Finch")
    assert judged(twin, subject(nhs_number=WREN_NUMBER)).band is Band.LIKELY
    contradicted = subject(nhs_number=WREN_NUMBER, upn=FINCH_UPN)
    assert judged(contradicted, subject(nhs_number=WREN_NUMBER, upn=WREN_UPN)).band is Band.LIKELY


@pytest.mark.parametrize("wrong", [{"nhs_number": "9990041009"}, {"upn": "A874200026001"}])
def test_a_number_with_a_wrong_check_digit_neither_links_nor_contradicts(wrong: dict[str, str]) -> None:
    bare = dict.fromkeys(("given_name", "family_name", "born", "sex", "address"))
    assert judged(subject(**bare, **wrong), subject(**bare, **wrong)).band is Band.NONE
    assert judged(subject(**wrong), subject(nhs_number=WREN_NUMBER, upn=WREN_UPN)).band is Band.SAME


def test_names_and_a_date_without_a_confirmation_never_link_however_many_points_they_have() -> None:
    points = {name: dict(levels) for name, levels in RULES.points.items()}
    points["born"]["same"] = 90
    generous = replace(RULES, points=points)
    alone = subject(address=None)
    assert score(compared(alone), compared(alone), generous, NAMES).band is Band.LIKELY
    assert score(compared(subject()), compared(subject()), generous, NAMES).band is Band.SAME


def test_an_estimate_gives_way_to_an_exact_date() -> None:
    folded = joined([profile_of(subject(born=at(2013))), profile_of(subject())])
    assert folded.births == (subject().born,)
    assert joined([profile_of(subject(born=at(2013)))]).births == (at(2013),)


def test_a_temporary_pupil_number_tells_nobody_from_anybody() -> None:
    bare = dict.fromkeys(("given_name", "family_name", "born", "sex", "address"))
    digits = "87420002600A"
    temporary = f"{upn.calc_check_digit(digits)}{digits}"
    assert upn.is_valid(temporary)
    assert profile_of(subject(**bare, upn=temporary)).upns == ()


def test_a_father_is_not_the_son_who_bears_his_name() -> None:
    father, son = subject(adult=True, born=None), subject()
    result = judged(father, son)
    assert result.band is Band.POSSIBLE
    lines = {line.field: line for line in explained(compared(father), compared(son), result)}
    assert (lines["born"].ours, str(lines["born"].likeness)) == ("an adult", "different")
    # Who was a child then may be an adult now: dates of birth say more than either word.
    assert judged(subject(adult=True), son).band is Band.SAME


def test_two_who_are_same_are_left_to_a_person() -> None:
    candidates = [
        (number(1), compared(subject())),
        (number(2), compared(subject(address=ELSEWHERE, nhs_number=WREN_NUMBER))),
    ]
    twice = [*candidates, (number(3), compared(subject()))]
    assert choose(compared(subject()), twice, RULES, NAMES).linked is None
    by_number = choose(compared(subject(nhs_number=WREN_NUMBER)), twice, RULES, NAMES)
    assert by_number.linked is not None
    assert by_number.linked.person_id == number(2)


def test_who_stands_side_by_side_with_somebody_is_not_linked_to_them() -> None:
    candidates = [(number(1), compared(subject()))]
    choice = choose(compared(subject()), candidates, RULES, NAMES, doubted=[number(1)])
    assert choice.linked is None
    assert [candidate.band for candidate in choice.offered] == [Band.LIKELY]


def test_the_household_confirms_who_moved() -> None:
    mother = [Particulars(given_name="Robyn", family_name="Kestrel", born=Date(on="1990-03-04"))]
    companions = KEYS.companions(mother)
    moved = compared(subject(address=ELSEWHERE), companions)
    assert score(moved, compared(subject(), companions), RULES, NAMES).band is Band.SAME
    assert score(moved, compared(subject()), RULES, NAMES).band is Band.LIKELY


def unborn(due: str, **mother: Any) -> Subject:
    who = {"given_name": "Robyn", "family_name": "Quill", "born": Date(on="1999-01-05")} | mother
    return Subject(
        id=uuid4(), referral_id=uuid4(), family_name="Quill", expected=Date(on=due), mother=Particulars(**who)
    )


def test_the_unborn_are_found_by_the_mother_and_the_expected_date() -> None:
    one = unborn("2026-09-01")
    assert judged(one, unborn("2026-09-10")).band is Band.SAME
    assert judged(one, unborn("2026-10-10")).band < Band.SAME
    assert judged(one, unborn("2027-08-01")).band is Band.NONE
    assert judged(one, unborn("2026-09-01", given_name="Ada")).band is Band.NONE
    assert judged(one, unborn("2026-09-01", born=None)).band is Band.LIKELY
    assert set(KEYS.of(compared(one))) & set(KEYS.of(compared(unborn("2026-10-10", family_name="Shaw"))))


def test_a_mother_without_a_name_speaks_neither_for_nor_against() -> None:
    named, nameless = unborn("2026-09-01"), unborn("2026-09-08", given_name=None, family_name=None, born=None)
    at_home = [one.model_copy(update={"address": HOME}) for one in (named, nameless)]
    result = judged(*at_home)
    assert ("mother", "missing", 0) in result.likeness
    assert result.band is Band.POSSIBLE
    assert set(KEYS.of(compared(at_home[0]))) & set(KEYS.of(compared(at_home[1])))


def test_the_mothers_number_tells_more_than_her_name() -> None:
    one = unborn("2026-09-01", nhs_number=WREN_NUMBER)
    assert (
        judged(one, unborn("2026-09-01", nhs_number=WREN_NUMBER, family_name="Shaw", born=None)).band
        is Band.SAME
    )
    assert judged(one, unborn("2026-09-01", nhs_number=FINCH_NUMBER)).band is Band.NONE


def test_a_child_born_later_is_likely_at_most_the_one_who_was_expected() -> None:
    one = unborn("2026-09-01")
    born = subject(given_name="Ivy", family_name="Quill", born=Date(on="2026-08-20"), mother=one.mother)
    assert judged(one, born).band is Band.LIKELY
    brother = subject(given_name="Leo", family_name="Quill", born=Date(on="2024-08-20"), mother=one.mother)
    assert judged(one, brother).band is Band.NONE


def test_the_score_is_explained_field_by_field_with_both_texts() -> None:
    hidden = Address(lines=("1 Secret Lane",), postcode="QX9 9ZZ", confidential=True)
    ours, theirs = (
        compared(subject(given_name="Wern", also_known_as=("Wrenny",))),
        compared(subject(address=hidden)),
    )
    result = score(ours, theirs, RULES, NAMES)
    lines = {line.field: line for line in explained(ours, theirs, result)}
    assert (lines["given_name"].ours, lines["given_name"].theirs) == ("Wern / Wrenny", "Wren")
    assert (lines["born"].ours, str(lines["born"].likeness), lines["born"].points) == (
        "2015-02-11",
        "same",
        32,
    )
    assert lines["address"].ours == "12 Alder Road, QX1 1AA"
    assert lines["address"].theirs == "confidential address"
    assert lines["upn"].ours is None
    assert sum(line.points for line in lines.values()) == result.score
    for line in lines.values():
        assert Comparison.model_validate_json(line.model_dump_json()) == line

"""What is missing from the agreement is found before a child's check finds it."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from libs.schemas.dictionary import load_dictionary
from services.enrichment.sharing.agreement import Agreement
from services.enrichment.sharing.check import Finding, Kind, Surroundings, check, fields_used
from services.enrichment.sharing.permission import About
from tests.services.enrichment.sharing.making import AGREEMENT, PARTNERSHIP, with_lines

DICTIONARY = load_dictionary(PARTNERSHIP / "facts.yaml")
ALL = frozenset(AGREEMENT.agencies)
AROUND = Surroundings(DICTIONARY, ALL)
ON = date(2026, 11, 25)
COMPLETE = replace(AGREEMENT, leads=ALL)


def found(
    agreement: Agreement, around: Surroundings = AROUND, *, on: date = ON, days: int = 90
) -> list[Finding]:
    return check(agreement, around, on, timedelta(days=days))


def texts(agreement: Agreement, kind: Kind, around: Surroundings = AROUND, *, on: date = ON) -> list[str]:
    return [f"{one.agency}: {one.text}" for one in found(agreement, around, on=on) if one.kind is kind]


def test_the_shipped_agreement_has_nothing_to_put_right() -> None:
    assert found(COMPLETE) == []


@pytest.mark.parametrize("agency", sorted(ALL))
def test_an_agency_that_no_line_covers_is_a_gap(agency: str) -> None:
    without = replace(COMPLETE, signed=tuple(one for one in COMPLETE.signed if one.agency != agency))
    assert f"{agency}: no line covers it: it is never asked" in texts(without, Kind.GAP)


def test_every_item_that_no_line_asks_for_leaves_a_fact_that_is_missed() -> None:
    sources = {source for definition in DICTIONARY.definitions.values() for source in definition.sources}
    asked = {(line.agency, line.item) for line in AGREEMENT.lines if line.agency in sources}
    assert asked
    for agency, item in sorted(asked):
        lines = [line for line in AGREEMENT.lines if (line.agency, line.item) != (agency, item)]
        missed = [
            text for text in texts(replace(with_lines(lines), leads=ALL), Kind.GAP) if "no line asks" in text
        ]
        assert missed, (agency, item)
        assert all(text.startswith(f"{agency}: may state") for text in missed)


def test_an_item_that_a_refusal_would_stop_in_child_protection_is_a_gap() -> None:
    lines = [
        line
        for line in AGREEMENT.lines
        if (line.agency, line.item, line.ground.name) != ("health", "parents", "significant_harm")
    ]
    assert texts(replace(with_lines(lines), leads=ALL), Kind.GAP) == [
        "health: `parents` is not asked without the family's agreement, whatever harm is suspected"
    ]


def test_an_agency_without_a_named_lead_is_a_gap() -> None:
    assert texts(replace(COMPLETE, leads=ALL - {"marac"}), Kind.GAP) == [
        "marac: names no safeguarding lead: it is not asked where the person thought to harm works for it"
    ]


def test_of_an_agency_that_no_file_describes_no_lead_is_missed() -> None:
    said = found(replace(COMPLETE, leads=ALL - {"marac"}), Surroundings(DICTIONARY, ALL - {"marac"}))
    assert [one.text for one in said if one.agency == "marac"] == []


def test_a_childs_own_fact_among_what_is_asked_once_for_a_household_is_a_gap() -> None:
    items = {**COMPLETE.items, "health": replace(COMPLETE.items["health"], about=About.HOUSEHOLD)}
    assert any(
        "`child.age` is one child's own" in text for text in texts(replace(COMPLETE, items=items), Kind.GAP)
    )


def test_an_agency_that_nobody_knows_and_a_fact_that_there_is_not_are_told_with_the_nearest_name() -> None:
    signed = replace(COMPLETE.signed[0], agency="plice", lines=())
    strange = replace(COMPLETE, signed=(*COMPLETE.signed, signed))
    assert "did you mean `police`?" in texts(strange, Kind.UNUSED)[0]
    items = {**COMPLETE.items, "education": replace(COMPLETE.items["education"], facts=("child.exclusoin",))}
    assert "did you mean `child.exclusion`?" in " ".join(texts(replace(COMPLETE, items=items), Kind.UNUSED))


@pytest.mark.parametrize(
    ("on", "said"),
    [
        (date(2029, 12, 30), []),
        (date(2029, 12, 31), ["marac: ends on 31 March 2030, in 90 days, and nothing follows it"]),
        (date(2030, 3, 30), ["marac: ends on 31 March 2030, in one day, and nothing follows it"]),
        (date(2030, 3, 31), ["marac: ends on 31 March 2030, today, and nothing follows it"]),
        (date(2030, 4, 1), ["marac: expired on 31 March 2030: it is not asked"]),
        (date(2024, 3, 31), ["marac: nothing is in force before 1 April 2024"]),
    ],
)
def test_an_expiry_is_told_in_time(on: date, said: list[str]) -> None:
    assert [text for text in texts(COMPLETE, Kind.EXPIRY, on=on) if text.startswith("marac")] == said


def test_an_agreement_that_the_next_one_follows_does_not_end() -> None:
    (marac,) = (one for one in COMPLETE.signed if one.agency == "marac")
    following = replace(marac, starts=date(2030, 4, 1), ends=date(2031, 3, 31))
    after_a_day = replace(following, starts=date(2030, 4, 2))
    for next_one, told in ((following, False), (after_a_day, True)):
        renewed = replace(COMPLETE, signed=(*COMPLETE.signed, next_one))
        assert bool(texts(renewed, Kind.EXPIRY, on=date(2030, 3, 1))) is told


def test_the_same_item_on_the_same_ground_twice_is_an_overlap_unless_their_days_differ() -> None:
    marac = next(one for one in COMPLETE.signed if one.agency == "marac")
    twice = replace(COMPLETE, signed=(*COMPLETE.signed, replace(marac, lines=marac.lines[:1])))
    assert texts(twice, Kind.OVERLAP) == [
        f"marac: `{marac.lines[0].item}` on the ground `with_agreement` stands twice for the same days"
    ]
    later = replace(marac.lines[0], starts=date(2030, 4, 1), ends=date(2031, 3, 31))
    next_year = replace(marac, starts=later.starts, ends=later.ends, lines=(later,))
    assert texts(replace(COMPLETE, signed=(*COMPLETE.signed, next_year)), Kind.OVERLAP) == []


def test_two_items_that_ask_an_agency_for_the_same_fact_overlap() -> None:
    care = COMPLETE.items["care"]
    items = {**COMPLETE.items, "care": replace(care, facts=(*care.facts, "child.injury"))}
    said = texts(replace(COMPLETE, items=items), Kind.OVERLAP)
    assert "police: `care` and `safety` both ask for `child.injury`" in said
    assert not any(text.startswith("marac") for text in said)


def test_what_is_listed_and_never_used_is_told() -> None:
    lines = [line for line in COMPLETE.lines if line.item != "education"]
    said = texts(replace(with_lines(lines), leads=ALL), Kind.UNUSED)
    assert said == ["None: no line asks for the item `education`"]
    fewer = Surroundings(DICTIONARY, ALL, {"education": frozenset({"names", "born", "upn"})})
    assert texts(COMPLETE, Kind.UNUSED, fewer) == [
        "education: the field `school` is listed, and the way in which it is asked has no use for it"
    ]
    police = next(line for line in COMPLETE.lines if line.agency == "police")
    schooling = with_lines([*COMPLETE.lines, replace(police, item="education")])
    assert texts(replace(schooling, leads=ALL), Kind.UNUSED) == [
        "police: is asked for `education`, and the dictionary takes no fact of it from there"
    ]


def test_what_an_interface_sends_on_is_read_from_its_expressions() -> None:
    used = fields_used(["day(person.born.on)", "child.postcode", "adults[].family_name", "'SUBJECT'"])
    assert used == {"born", "address", "names", "mother", "adults", "suspect"}
    assert fields_used(["child.nhs_number", '"on"']) == {"nhs_number"}


def test_a_ground_on_which_nothing_rests_is_told() -> None:
    lines = [line for line in COMPLETE.lines if line.ground.name != "child_in_need"]
    said = texts(replace(with_lines(lines), leads=ALL), Kind.UNUSED)
    assert said == ["None: no line rests on the ground `child_in_need`"]

"""Placement turns a level into a destination and can never lower the level."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from operator import le
from pathlib import Path
from typing import Any

import pytest

from libs.schemas.dictionary import Dictionary, load_dictionary
from libs.schemas.document import DocumentError, parse_document, read_document
from libs.schemas.findings import Between, Fact
from libs.schemas.levels import Destination, Level
from services.triage.placement.loading import load_placement
from services.triage.placement.places import HIGHEST, MINIMUM, Placement, Places

PARTNERSHIP = Path(__file__).parents[4] / "deploy" / "partnership"
DICTIONARY: Dictionary = load_dictionary(PARTNERSHIP / "facts.yaml")
FILE = PARTNERSHIP / "placement.yaml"
PLACES: Places = load_placement(read_document(FILE), DICTIONARY)

ANSWERS = (None, "agreed", "refused")
READ = sorted(PLACES.readings)


def all_circumstances() -> Iterator[frozenset[str]]:
    """Every combination that a case can be in: an agreement is given, refused or neither."""
    for early_help, panel, closing, *read in product(
        ANSWERS, ANSWERS, (False, True), *[(False, True)] * len(READ)
    ):
        yield frozenset(
            name
            for name, holds in (
                (f"early_help_{early_help}", early_help),
                (f"panel_{panel}", panel),
                ("closing_plan", closing),
                *zip(READ, read, strict=True),
            )
            if holds
        )


Placed = dict[tuple[Level, frozenset[str]], Placement]
Ranks = dict[frozenset[str], tuple[int, ...]]


@pytest.fixture(scope="module")
def everywhere() -> Placed:
    """Where every level goes in every circumstance."""
    every = tuple(all_circumstances())
    return {(level, around): PLACES.place(level, around) for level in Level for around in every}


@pytest.fixture(scope="module")
def ranks(everywhere: Placed) -> Ranks:
    """In every circumstance the rank that each level ends at, mildest first."""
    found: dict[frozenset[str], list[int]] = {}
    for (_, around), placement in everywhere.items():
        found.setdefault(around, []).append(placement.level.rank)
    return {around: tuple(ends) for around, ends in found.items()}


def never_milder(before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    """Whether no level ends milder after than before."""
    return len(before) == len(after) and all(map(le, before, after))


def placed(level: Level, *around: str) -> Placement:
    assert set(around) <= PLACES.circumstances
    return PLACES.place(level, frozenset(around))


def test_a_placement_that_was_changed_answers_by_its_own_lines() -> None:
    assert placed(Level.UNIVERSAL).destination is not Destination.SECTION_47
    changed = replace(
        PLACES, rows=tuple(replace(one, destination=Destination.SECTION_47) for one in PLACES.rows)
    )
    assert changed.place(Level.UNIVERSAL, frozenset()).destination is Destination.SECTION_47


def test_placement_never_lowers_a_level_whatever_the_circumstances(everywhere: Placed) -> None:
    assert len(everywhere) == 5 * 18 * 2 ** len(READ)
    assert all(placement.level >= level for (level, _), placement in everywhere.items())


def test_every_case_has_one_owner_that_serves_its_level(everywhere: Placed) -> None:
    for placement in everywhere.values():
        assert MINIMUM[placement.destination] <= placement.level <= HIGHEST[placement.destination]
        assert placement.destination not in placement.listed


def test_placing_again_what_was_placed_changes_nothing(everywhere: Placed) -> None:
    assert all(
        everywhere[placement.level, around] == placement for (_, around), placement in everywhere.items()
    )


def test_a_higher_level_never_ends_milder(ranks: Ranks) -> None:
    assert all(len(ends) == len(Level) and list(ends) == sorted(ends) for ends in ranks.values())


def test_no_further_circumstance_ends_milder(ranks: Ranks) -> None:
    for around, ends in ranks.items():
        for one in around:
            assert never_milder(ranks[around - {one}], ends), (around, one)


@pytest.mark.parametrize("agreement", ["early_help", "panel"])
def test_refusing_ends_no_child_milder_than_agreeing(agreement: str, ranks: Ranks) -> None:
    for around, ends in ranks.items():
        if f"{agreement}_refused" in around:
            instead = around - {f"{agreement}_refused"}
            assert never_milder(ranks[instead], ends), around
            assert never_milder(ranks[instead | {f"{agreement}_agreed"}], ends), around


READY = ("panel_agreed", "assessed", "help_not_resolving")

TABLE: dict[str, tuple[Level, tuple[str, ...], Destination, Level, set[str]]] = {
    "universal": (
        Level.UNIVERSAL, (), Destination.UNIVERSAL_ADVICE, Level.UNIVERSAL, {"say_what_should_bring_the_child_back"},
    ),
    "early help that the family agrees to": (
        Level.EARLY_HELP, ("early_help_agreed",), Destination.EARLY_HELP, Level.EARLY_HELP, set(),
    ),
    "early help that nobody has asked about": (
        Level.EARLY_HELP, (), Destination.EARLY_HELP, Level.EARLY_HELP, {"seek_agreement_to_early_help"},
    ),
    "early help refused, no concern": (
        Level.EARLY_HELP, ("early_help_refused",), Destination.UNIVERSAL_ADVICE, Level.EARLY_HELP, {"offer_left_open"},
    ),
    "early help refused with a concern": (
        Level.EARLY_HELP,
        ("early_help_refused", "safeguarding_concern"),
        Destination.SECTION_17,
        Level.SECTION_17,
        {"agreement_refused_with_concern"},
    ),
    "a panel that is ready, as help does not resolve it": (
        Level.TARGETED, READY, Destination.MASG, Level.TARGETED, set(),
    ),
    "a panel that is ready, as services must meet": (
        Level.TARGETED,
        ("panel_agreed", "assessed", "several_services"),
        Destination.MASG,
        Level.TARGETED,
        set(),
    ),
    "a panel at step-down, with a closing plan": (
        Level.TARGETED,
        ("panel_agreed", "closing_plan", "several_services"),
        Destination.MASG,
        Level.TARGETED,
        set(),
    ),
    "a panel without an assessment": (
        Level.TARGETED,
        ("panel_agreed", "several_services"),
        Destination.EARLY_HELP,
        Level.TARGETED,
        {"complete_early_help_assessment", "panel_next"},
    ),
    "a panel without agreement": (
        Level.TARGETED,
        ("assessed", "several_services"),
        Destination.EARLY_HELP,
        Level.TARGETED,
        {"seek_agreement_to_panel", "panel_next"},
    ),
    "a panel without a reason to meet": (
        Level.TARGETED, ("panel_agreed", "assessed"), Destination.EARLY_HELP, Level.TARGETED, set(),
    ),
    "a panel refused": (
        Level.TARGETED,
        ("panel_refused", "assessed", "several_services"),
        Destination.SECTION_17,
        Level.SECTION_17,
        {"agreement_refused_with_concern"},
    ),
    "section 17": (Level.SECTION_17, (), Destination.SECTION_17, Level.SECTION_17, set()),
    "section 17 whose family refused": (
        Level.SECTION_17,
        ("panel_refused",),
        Destination.SECTION_17,
        Level.SECTION_17,
        {"agreement_refused_with_concern"},
    ),
    "section 47": (
        Level.SECTION_47, ("early_help_refused",), Destination.SECTION_47, Level.SECTION_47, {"strategy_discussion"},
    ),
    "an unborn child in need": (
        Level.SECTION_17, ("unborn",), Destination.UNBORN_BABY_PANEL, Level.SECTION_17, {"pre_birth_assessment"},
    ),
    "an unborn child at risk of significant harm": (
        Level.SECTION_47, ("unborn",), Destination.SECTION_47, Level.SECTION_47, {"strategy_discussion"},
    ),
    "care is asked for": (
        Level.EARLY_HELP, ("care_asked_for",), Destination.ACCESS_TO_SUPPORT, Level.SECTION_17, set(),
    ),
    "care is asked for and cannot wait": (
        Level.SECTION_17,
        ("care_asked_for", "care_asked_for_now"),
        Destination.ASSISTANT_DIRECTOR,
        Level.SECTION_17,
        {"assistant_director_today"},
    ),
    "an open plan": (
        Level.EARLY_HELP,
        ("open_plan",),
        Destination.ALLOCATED_WORKER,
        Level.EARLY_HELP,
        {"tell_allocated_worker_same_day"},
    ),
    "an open plan and significant harm": (
        Level.SECTION_47,
        ("open_plan",),
        Destination.SECTION_47,
        Level.SECTION_47,
        {"strategy_discussion", "tell_allocated_worker_same_day"},
    ),
    "lives elsewhere, in need": (
        Level.SECTION_17,
        ("lives_elsewhere",),
        Destination.OTHER_AUTHORITY,
        Level.SECTION_17,
        {"transfer_same_day", "open_until_home_authority_confirms"},
    ),
    "lives elsewhere, found here at section 47": (
        Level.SECTION_47,
        ("lives_elsewhere",),
        Destination.SECTION_47,
        Level.SECTION_47,
        {"strategy_discussion", "tell_home_authority_same_day", "home_authority_accepts_in_writing"},
    ),
    "lives elsewhere, found here in danger": (
        Level.UNIVERSAL,
        ("lives_elsewhere", "danger"),
        Destination.SECTION_47,
        Level.SECTION_47,
        {"strategy_discussion", "tell_home_authority_same_day", "home_authority_accepts_in_writing"},
    ),
    "lives elsewhere and is there, at section 47": (
        Level.SECTION_47,
        ("lives_elsewhere", "found_elsewhere"),
        Destination.OTHER_AUTHORITY,
        Level.SECTION_47,
        {"strategy_discussion", "tell_home_authority_same_day", "transfer_same_day",
         "open_until_home_authority_confirms"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLE)
def test_each_sentence_of_placement(case: str) -> None:
    level, around, destination, at, steps = TABLE[case]
    found = placed(level, *around)
    assert (found.destination, found.level, set(found.next_steps)) == (destination, at, steps)


@pytest.mark.parametrize(
    ("level", "around", "listed"),
    [
        (Level.SECTION_47, ("unborn",), {Destination.UNBORN_BABY_PANEL}),
        (Level.SECTION_47, ("open_plan",), {Destination.ALLOCATED_WORKER}),
        (Level.SECTION_47, ("lives_elsewhere",), {Destination.OTHER_AUTHORITY}),
        (Level.SECTION_47, ("lives_elsewhere", "found_elsewhere"), {Destination.SECTION_47}),
        (Level.TARGETED, ("several_services",), {Destination.MASG}),
        (Level.SECTION_47, ("care_asked_for", "care_asked_for_now"),
         {Destination.ACCESS_TO_SUPPORT, Destination.ASSISTANT_DIRECTOR}),
        (Level.EARLY_HELP, (), set()),
    ],
)  # fmt: skip
def test_others_list_what_one_owns(level: Level, around: tuple[str, ...], listed: set[Destination]) -> None:
    assert set(placed(level, *around).listed) == listed


def test_a_panel_never_sits_without_agreement_assessment_and_a_reason_to_meet(everywhere: Placed) -> None:
    for (_, around), placement in everywhere.items():
        if placement.destination is Destination.MASG:
            assert "panel_agreed" in around
            assert around & {"assessed", "closing_plan"}
            assert around & {"several_services", "help_not_resolving"}


def around(*facts: tuple[str, Any], early_help: str | None = None) -> frozenset[str]:
    stated = (Fact(fact=name, value=value, basis="record") for name, value in facts)
    return PLACES.around(stated, early_help, None, False)


def test_a_circumstance_holds_where_it_is_certain_and_a_gap_is_none() -> None:
    services = "family.services_needed_together"
    assert around((services, 3)) == {"several_services"}
    assert around((services, Between(at_least=3, at_most=5))) == {"several_services"}
    assert around((services, Between(at_least=1, at_most=5))) == frozenset()
    assert around((services, 3), (services, 0)) == {"several_services"}
    assert around((services, "a newer code")) == frozenset()
    assert around() == frozenset()


@pytest.mark.parametrize("answer", ["not_sought", "unsafe_to_seek", "not_applicable", "a newer code", None])
def test_an_answer_that_is_neither_given_nor_refused_is_no_answer(answer: str | None) -> None:
    assert around(early_help=answer) == frozenset()


def test_a_panel_serves_the_locality_of_the_childs_postcode() -> None:
    assert len(PLACES.localities) == 3
    assert PLACES.locality("PE1 3AA") == PLACES.locality("pe13aa") == "central_and_east"
    assert PLACES.locality("PE1") is None
    assert PLACES.locality("ZZ1 1ZZ") is None
    assert PLACES.locality(None) is None


def replaced(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert text.count(old) == 1, old
        return text.replace(old, new)

    return change


PANEL = "to: masg\n    from: targeted\n    when:\n"
SECTION_17 = "to: csc_section_17\n    from: section_17\n"
SECTION_47 = "to: csc_section_47\n    from: section_47\n    steps"
REFUSED = "when: [early_help_refused, safeguarding_concern]\n    to: "

FAULTS: dict[str, tuple[Callable[[str], str], str]] = {
    "a misspelt destination": (replaced(PANEL, PANEL.replace("masg", "magsg")),
                               "did you mean `masg`"),
    "a misspelt fact": (replaced("unborn: [child.unborn]", "unborn: [child.unbron]"), "did you mean `child.unborn`"),
    "a misspelt value": (replaced("child.injury, at_least: unclear", "child.injury, at_least: unclaer"),
                         "did you mean `unclear`"),
    "a value that is always reached": (replaced("child.injury, at_least: unclear", "child.injury, at_least: none"),
                                       "always at least"),
    "a misspelt circumstance": (replaced("when: [care_asked_for_now]\n    st", "when: [care_asked_for_nwo]\n    st"),
                                "did you mean `care_asked_for_now`"),
    "a misspelt step": (replaced("steps: [offer_left_open]", "steps: [offer_left_opn]"),
                        "did you mean `offer_left_open`"),
    "a raise that does not raise": (replaced(REFUSED + "section_17", REFUSED + "universal"), "does not raise"),
    "a destination that serves less": (replaced(SECTION_47, SECTION_47.replace("csc_section_47", "early_help")),
                                       "early_help serves early_help to targeted"),
    "a level without a place": (replaced(SECTION_17, SECTION_17 + "    when: [open_plan]\n"),
                                "section_17 needs a line without circumstances"),
    "a district of two panels": (replaced("central_and_east: [PE1]", "central_and_east: [PE1, PE3]"), "two localities"),
    "one name for two lines": (replaced("  UP-04:", "  TO-13:"), "names two lines"),
    "a scale without a step": (replaced("- child.left_alone", "- child.home_conditions"), "say `at_least` too"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_mistake_in_the_file_is_refused_with_its_place(fault: str) -> None:
    change, words = FAULTS[fault]
    text = change(FILE.read_text(encoding="utf-8"))
    with pytest.raises(DocumentError, match=words) as refused:
        load_placement(parse_document(text, "placement.yaml"), DICTIONARY)
    assert all(one.startswith("placement.yaml:") for one in refused.value.faults)


def test_a_place_may_be_closed_by_a_circumstance() -> None:
    panel = "to: masg\n    from: targeted\n    when:\n"
    text = replaced(panel, panel.replace("    when", "    unless: [open_plan]\n    when"))(FILE.read_text())
    owned = replaced("until: section_17\n    when: [open_plan]", "until: early_help\n    when: [open_plan]")(
        text
    )
    places = load_placement(parse_document(owned, "placement.yaml"), DICTIONARY)
    assert places.place(Level.TARGETED, frozenset(READY)).destination is Destination.MASG
    assert (
        places.place(Level.TARGETED, frozenset((*READY, "open_plan"))).destination is Destination.EARLY_HELP
    )

"""Placement turns a level into a destination and can never lower the level."""

from hypothesis import given
from hypothesis import strategies as st

from libs.schemas.codes import AgreementAnswer
from libs.schemas.levels import Destination, Level
from services.triage.placement import Circumstances, place

circumstances = st.builds(
    Circumstances,
    agreement_early_help=st.none() | st.sampled_from(AgreementAnswer),
    agreement_panel=st.none() | st.sampled_from(AgreementAnswer),
    assessment_complete=st.none() | st.booleans(),
    closing_plan=st.booleans(),
    services_needed_together=st.integers(0, 6),
    help_not_resolving=st.booleans(),
)


@given(st.sampled_from(Level), circumstances)
def test_placement_never_lowers_the_level(level: Level, around: Circumstances) -> None:
    assert place(level, around).level >= level


@given(circumstances)
def test_section_47_and_section_17_need_nobodys_agreement(around: Circumstances) -> None:
    assert place(Level.SECTION_47, around).destination is Destination.SECTION_47
    assert place(Level.SECTION_17, around).destination is Destination.SECTION_17


@given(circumstances)
def test_a_panel_needs_agreement_an_assessment_and_a_reason_to_meet(around: Circumstances) -> None:
    placed = place(Level.TARGETED, around)
    if placed.destination is Destination.MASG:
        assert around.agreement_panel is AgreementAnswer.GIVEN
        assert around.assessment_complete or around.closing_plan
        assert around.services_needed_together >= 3 or around.help_not_resolving


def test_without_a_completed_assessment_early_help_completes_it_and_the_panel_is_next() -> None:
    placed = place(
        Level.TARGETED,
        Circumstances(agreement_panel=AgreementAnswer.GIVEN, help_not_resolving=True),
    )
    assert placed.destination is Destination.EARLY_HELP
    assert placed.next_steps == ("complete_early_help_assessment", "panel_next")


def test_a_refusal_with_a_concern_goes_up_not_away() -> None:
    placed = place(Level.TARGETED, Circumstances(agreement_panel=AgreementAnswer.REFUSED))
    assert placed.destination is Destination.SECTION_17


def test_a_refusal_of_early_help_leaves_the_offer_open() -> None:
    placed = place(Level.EARLY_HELP, Circumstances(agreement_early_help=AgreementAnswer.REFUSED))
    assert placed.destination is Destination.UNIVERSAL_ADVICE
    assert placed.next_steps == ("offer_left_open",)

"""Turns a level of need into a destination. It can never lower the level.

A Multi-Agency Support Group panel needs the family's agreement, a completed early help assessment (or, at step-down,
a closing plan), and either several services that must meet together or earlier help that is not resolving
(Peterborough City Council, Multi-Agency Support Groups). Where one of these lacks, early help completes the
assessment and the panel is the next step. Refusal with a safeguarding concern goes up, not away.
"""

from dataclasses import dataclass

from libs.schemas.codes import AgreementAnswer
from libs.schemas.levels import Destination, Level

SERVICES_FOR_A_PANEL = 3
"""From how many services that must act together a panel is worth convening (policy rule TAR-02)."""

MINIMUM = {
    Destination.UNIVERSAL_ADVICE: Level.UNIVERSAL,
    Destination.EARLY_HELP: Level.EARLY_HELP,
    Destination.MASG: Level.TARGETED,
    Destination.SECTION_17: Level.SECTION_17,
    Destination.SECTION_47: Level.SECTION_47,
}
"""The level of need that each destination serves."""

HIGHEST = {
    **MINIMUM,
    Destination.UNIVERSAL_ADVICE: Level.EARLY_HELP,
    Destination.EARLY_HELP: Level.TARGETED,
}
"""The highest level of need at which placement still recommends a destination: early help that the family declines,
and a targeted need whose panel is not ready. More need than this goes elsewhere.
"""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What placement rests on beside the level. An answer that is not known is None, never no."""

    agreement_early_help: AgreementAnswer | None = None
    agreement_panel: AgreementAnswer | None = None
    assessment_complete: bool | None = None
    closing_plan: bool = False
    services_needed_together: int = 0
    help_not_resolving: bool = False


@dataclass(frozen=True, slots=True)
class Placement:
    """The destination that is recommended, the level it is recommended at, and what should happen next."""

    destination: Destination
    level: Level
    next_steps: tuple[str, ...] = ()


def place(level: Level, circumstances: Circumstances) -> Placement:
    """The recommended destination. The placement's level is at least `level`."""
    if level is Level.SECTION_47:
        return Placement(Destination.SECTION_47, level, ("strategy_discussion",))
    if level is Level.SECTION_17:
        return Placement(Destination.SECTION_17, level)
    if level is Level.TARGETED:
        return _targeted(circumstances)
    if level is Level.EARLY_HELP:
        return _early_help(level, circumstances)
    return Placement(Destination.UNIVERSAL_ADVICE, level, ("say_what_should_bring_the_child_back",))


def _targeted(circumstances: Circumstances) -> Placement:
    refused = AgreementAnswer.REFUSED in (
        circumstances.agreement_panel,
        circumstances.agreement_early_help,
    )
    if refused:
        return Placement(Destination.SECTION_17, Level.SECTION_17, ("agreement_refused_with_concern",))
    assessed = circumstances.assessment_complete is True or circumstances.closing_plan
    together = (
        circumstances.services_needed_together >= SERVICES_FOR_A_PANEL or circumstances.help_not_resolving
    )
    if circumstances.agreement_panel is AgreementAnswer.GIVEN and assessed and together:
        return Placement(Destination.MASG, Level.TARGETED)
    steps = []
    if circumstances.agreement_panel is not AgreementAnswer.GIVEN:
        steps.append("seek_agreement_to_panel")
    if not assessed:
        steps.append("complete_early_help_assessment")
    if together:
        steps.append("panel_next")
    return Placement(Destination.EARLY_HELP, Level.TARGETED, tuple(steps))


def _early_help(level: Level, circumstances: Circumstances) -> Placement:
    answer = circumstances.agreement_early_help
    if answer is AgreementAnswer.GIVEN:
        return Placement(Destination.EARLY_HELP, level)
    if answer is AgreementAnswer.REFUSED:
        return Placement(Destination.UNIVERSAL_ADVICE, level, ("offer_left_open",))
    return Placement(Destination.EARLY_HELP, level, ("seek_agreement_to_early_help",))

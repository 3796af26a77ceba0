"""What is known of one child when the policy is applied: every statement with its source, and every agency's state."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from libs.schemas.findings import AgencyState, Fact


@dataclass(frozen=True, slots=True)
class StatedFact:
    """One statement and who made it: `referrer`, `staff`, `derived`, or an agency's id."""

    fact: Fact
    source: str


@dataclass(frozen=True, slots=True)
class ChildFacts:
    """All statements about a child, never merged: two sources that disagree are both kept, and the worse counts.

    `states` holds each agency that the partnership knows; an agency without a state was not asked. `partly` names
    those whose answer was only partly understood.
    """

    stated: tuple[StatedFact, ...]
    states: Mapping[str, AgencyState | str] = field(default_factory=dict)
    partly: frozenset[str] = frozenset()

    def silent(self) -> frozenset[str]:
        """Agencies whose knowledge of the child is not wholly known: everything but an answer is a gap, and so is
        the part of an answer that was not understood.
        """
        return self.partly | frozenset(
            agency
            for agency, state in self.states.items()
            if state not in (AgencyState.RETURNED, AgencyState.NOTHING_HELD)
        )

    def overdue(self) -> frozenset[str]:
        """Silent agencies that were due to speak and did not: only such a gap may raise the priority."""
        return frozenset(
            agency
            for agency, state in self.states.items()
            if state in (AgencyState.NO_ANSWER, AgencyState.UNAVAILABLE, AgencyState.DECLINED)
        )

    def awaited(self) -> frozenset[str]:
        """Silent agencies whose answer may still come."""
        return frozenset(
            agency
            for agency, state in self.states.items()
            if state in (AgencyState.PENDING, AgencyState.NO_ANSWER, AgencyState.UNAVAILABLE)
        )

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

    `states` holds what became of the question to each agency; one without a state was not asked. `partly` names
    those whose answer was only partly understood.
    """

    stated: tuple[StatedFact, ...]
    states: Mapping[str, AgencyState | str] = field(default_factory=dict)
    partly: frozenset[str] = frozenset()

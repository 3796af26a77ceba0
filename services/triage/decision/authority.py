"""Who decides, and who signs beside them: the partnership's scheme of delegation, over what is decided of a child."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from libs.schemas.levels import Level

SOCIAL_WORKER = "social_worker"
MANAGER = "manager"
DECIDERS = (SOCIAL_WORKER, MANAGER)
"""Roles that can be given the decision: qualified social workers and their managers (Working Together to Safeguard
Children 2023, chapter 3). Others prepare.
"""


class Condition(StrEnum):
    """What may hold of a decision, or of the child that it is about."""

    BELOW_RECOMMENDATION = "below_recommendation"
    STEP_DOWN = "step_down"
    """Milder than the decision that stands, or the end of social care's help."""
    NO_FURTHER_ACTION = "no_further_action"
    REPEAT_CONTACT = "repeat_contact"
    CHILD_UNDER_ONE = "child_under_one"
    AGENCY_UNANSWERED = "agency_unanswered"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a scheme of delegation asks about a decision. What is not known holds."""

    level: Level
    """The higher one of the decision's level and of the least that its destination serves."""
    holds: frozenset[Condition]


@dataclass(frozen=True, slots=True)
class SignatureRule:
    """When a decision waits for a signature."""

    id: str
    title: str
    conditions: frozenset[Condition]
    level_at_least: Level | None
    second: bool
    """A decision by somebody who may sign waits for another one's signature."""
    cite: str

    def fits(self, circumstances: Circumstances) -> bool:
        """Whether all of its conditions hold."""
        high_enough = self.level_at_least is None or circumstances.level >= self.level_at_least
        return high_enough and self.conditions <= circumstances.holds


@dataclass(frozen=True, slots=True)
class Demand:
    """How many signatures a decision waits for, and why."""

    signatures: int
    rules: tuple[SignatureRule, ...]


@dataclass(frozen=True, slots=True)
class Authority:
    """A partnership's scheme of delegation."""

    deciders: frozenset[str]
    signers: frozenset[str]
    rules: tuple[SignatureRule, ...]
    departure_reasons: Mapping[str, str]
    """Kinds of reasons for a departure, by code, in words."""

    def may_decide(self, roles: frozenset[str]) -> bool:
        """Whether somebody with these roles decides."""
        return bool(self.deciders & roles)

    def may_sign(self, roles: frozenset[str]) -> bool:
        """Whether the signature of somebody with these roles counts."""
        return bool(self.signers & roles)

    def demand(self, circumstances: Circumstances, roles: frozenset[str]) -> Demand:
        """The signatures that a decision by somebody with these roles waits for."""
        signs = self.may_sign(roles)
        rules = tuple(rule for rule in self.rules if rule.fits(circumstances) and (rule.second or not signs))
        return Demand(1 if rules else 0, rules)

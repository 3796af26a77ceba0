"""How many sources worry about a child by themselves: a count that grows with every source that speaks."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from libs.schemas.codes import ReferrerRole
from libs.schemas.dictionary import DERIVED, REFERRER, STAFF, Dictionary
from libs.schemas.findings import Basis, Fact, FactValue
from libs.schemas.referral import ReferralBody
from services.triage.derived.background import reaches, worries
from services.triage.policy import StatedFact

NEGLECT: Mapping[str, FactValue] = {
    "child.hunger": "persistent",
    "child.cleanliness": "often_neglected",
    "child.home_conditions": "poor",
    "child.missed_health_appointments": "essential",
    "child.unsafe_care_arrangements": "repeated",
    "child.supervision": "often_lacking",
    "child.neglect_tool_worst_area": "often_unmet",
    "child.left_alone": True,
    "child.untreated_illness": True,
    "child.weight_falling": True,
}
"""Facts that tell of neglect, and from which value on the neglect lasts."""

FIRST_HAND = frozenset((Basis.OBSERVED, Basis.CHILD_SAID, Basis.RECORD))
"""How a source knows what counts as its own worry, and not as somebody else's repeated."""

AGENCY_OF_ROLE: Mapping[ReferrerRole, str] = {
    ReferrerRole.POLICE: "police",
    ReferrerRole.TEACHER: "education",
    ReferrerRole.SCHOOL_SAFEGUARDING_LEAD: "education",
    ReferrerRole.HEALTH_VISITOR: "health",
    ReferrerRole.GP: "health",
    ReferrerRole.MIDWIFE: "health",
    ReferrerRole.HOSPITAL: "health",
    ReferrerRole.OTHER_HEALTH: "health",
    ReferrerRole.SOCIAL_WORKER: "social_care",
    ReferrerRole.EARLY_HELP_WORKER: "early_help",
}
"""The agency that a referrer speaks for, so that its referral and its answer count as one worry."""


def speaks_for(referral: ReferralBody) -> str:
    """The agency whose worry a referrer's is, or the referrer where they speak for none."""
    role = referral.referrer.role
    return AGENCY_OF_ROLE.get(role, REFERRER) if isinstance(role, ReferrerRole) else REFERRER


def worried_anew(dictionary: Dictionary, stated: Sequence[StatedFact], own: str) -> tuple[StatedFact, ...]:
    """The counts of those who worry that have risen above what is stated of them: each answer may add one.

    `own` is whom the referrer speaks for.
    """
    found = []
    for definition in dictionary.derived:
        counts = COUNTS.get(definition.derived or "")
        if counts is not None:
            before = (one.fact.value for one in stated if one.fact.fact == definition.name)
            number = min(counts(dictionary, stated, own), definition.maximum)
            if number > max((one for one in before if isinstance(one, int)), default=0):
                fact = Fact(fact=definition.name, value=number, basis=Basis.RECORD)
                found.append(StatedFact(fact, DERIVED))
    return tuple(found)


def _sources(stated: Sequence[StatedFact], own: str, counts: Callable[[Fact], bool]) -> int:
    """How many sources tell of something first-hand that counts. A referrer and their agency are one source."""
    return len(
        {
            own if one.source == REFERRER else one.source
            for one in stated
            if one.source not in (STAFF, DERIVED) and one.fact.basis in FIRST_HAND and counts(one.fact)
        }
    )


def _worried(dictionary: Dictionary, stated: Sequence[StatedFact], own: str) -> int:
    return _sources(stated, own, partial(worries, dictionary))


def _seeing_neglect(dictionary: Dictionary, stated: Sequence[StatedFact], own: str) -> int:
    return _sources(
        stated,
        own,
        lambda fact: fact.fact in NEGLECT and reaches(dictionary, fact, fact.fact, NEGLECT[fact.fact]),
    )


COUNTS: Mapping[str, Callable[[Dictionary, Sequence[StatedFact], str], int]] = {
    "agencies_worried": _worried,
    "agencies_seeing_neglect": _seeing_neglect,
}
"""Derivations that grow with every source that speaks."""

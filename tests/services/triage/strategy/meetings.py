"""Strategy discussions, as they are recorded in tests."""

from typing import Any

from services.triage.strategy.rules import StrategyBody
from tests.services.triage.staff import CANARY

SOCIAL_CARE = {"agency": "childrens_social_care", "name": "Robin Day, assessment team"}
POLICE = {"agency": "police", "name": "Detective Sergeant Ali"}
CAISU = {"agency": "caisu", "name": "Detective Constable Rowe"}
HEALTH = {"agency": "health", "name": "Dr Lane, named doctor"}


def written(**changed: Any) -> dict[str, Any]:
    """The body of a discussion in which everybody took part."""
    return {
        "held_at": "2026-11-23T11:00:00Z",
        "chaired_by": "Morgan Hill, manager",
        "members": [SOCIAL_CARE, POLICE, HEALTH],
        "crime_may_have_occurred": False,
        "outcome": "joint",
        "rationale": f"{CANARY} said it again.",
        "safety_plan": f"{CANARY} stays with her grandmother tonight.",
        **changed,
    }


def discussion(**changed: Any) -> StrategyBody:
    """The same as it is read."""
    return StrategyBody.model_validate(written(**changed))

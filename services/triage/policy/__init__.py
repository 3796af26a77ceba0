"""The thresholds as policy: rules that only raise, from the partnership's file, applied to partial knowledge."""

from services.triage.policy.evaluation import evaluate
from services.triage.policy.facts import ChildFacts, StatedFact
from services.triage.policy.loading import load_policy
from services.triage.policy.rules import Policy, Rule

__all__ = ["ChildFacts", "Policy", "Rule", "StatedFact", "evaluate", "load_policy"]

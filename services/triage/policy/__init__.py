"""The thresholds as policy: rules that only raise, from the partnership's file, applied to partial knowledge."""

from services.triage.policy.evaluation import EVALUATOR, Verdict, decide, evaluate
from services.triage.policy.facts import ChildFacts, StatedFact
from services.triage.policy.loading import load_policy, read_texts
from services.triage.policy.rules import Action, Decisive, GoldenCase, Guarantee, Policy, Rule
from services.triage.policy.vector import Vector, encode

__all__ = [
    "EVALUATOR",
    "Action",
    "ChildFacts",
    "Decisive",
    "GoldenCase",
    "Guarantee",
    "Policy",
    "Rule",
    "StatedFact",
    "Vector",
    "Verdict",
    "decide",
    "encode",
    "evaluate",
    "load_policy",
    "read_texts",
]

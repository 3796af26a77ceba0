"""The shipped files, read once by each process of tests: to read them takes longer than most tests do."""

from functools import cache
from pathlib import Path

from libs.schemas.dictionary import Dictionary
from services.triage.partnership import Partnership, load_partnership
from services.triage.policy import Policy
from services.triage.thresholds import Thresholds, load_thresholds

PARTNERSHIP = Path(__file__).resolve().parents[3] / "deploy" / "partnership"


@cache
def shipped_thresholds() -> Thresholds:
    """What decides. Which versions are in force is for a test to replace, never to change."""
    return load_thresholds(PARTNERSHIP)


@cache
def shipped_partnership() -> Partnership:
    """How the partnership works."""
    return load_partnership(PARTNERSHIP, shipped_thresholds())


def shipped_policy() -> Policy:
    """The policy of the partnership's directory."""
    return shipped_thresholds().rulebooks.directory.policy


def shipped_dictionary() -> Dictionary:
    """The facts that may be stated."""
    return shipped_policy().dictionary

"""What systems and people see of the policies: texts, English, proof, from when in force; and the what-if."""

from typing import Any

from pydantic import Field

from libs.schemas.base import Identifier, Instant, Model, Open
from libs.schemas.evaluation import Outcome
from libs.schemas.findings import AgencyState, Fact
from libs.schemas.levels import Level, Rag
from services.triage.explanation import Explanation
from services.triage.policies.rulebook import Mode


class ForceView(Model):
    """A stretch of time in which a policy is in force."""

    mode: Mode
    from_at: Instant
    until: Instant | None = Field(None, description="Absent while nothing ends it.")
    by: str
    reason: str


class PolicySummary(Model):
    """A registered version of the policy."""

    fingerprint: str = Field(description="SHA-256 of what its documents mean, hexadecimal.")
    policy: str
    version: str
    registered_at: Instant
    in_force: tuple[ForceView, ...] = ()
    proved: bool | None = Field(
        None, description="Whether every claim was proved; absent where no check is stored."
    )
    proved_at: Instant | None = None


class PolicyPage(Model):
    """Every registered version, the latest first."""

    live: str | None = Field(description="The fingerprint that is in force now.")
    items: tuple[PolicySummary, ...]


class RuleView(Model):
    """A rule in English."""

    rule: str
    domain: str
    title: str
    citation: str
    sentence: str
    level: Level
    rag: Rag
    immediate: bool
    actions: tuple[str, ...]


class PolicyView(PolicySummary):
    """One version with all that it says."""

    effective: str | None = None
    sign_off: str | None = None
    rules: tuple[RuleView, ...] = Field((), description="Empty where this release cannot read the texts.")
    texts: dict[str, str] = Field(description="The documents by file name, as they were registered.")
    proof: dict[str, Any] | None = Field(None, description="What the check found out, claim by claim.")


class SupposedFact(Fact):
    """A statement of the what-if, and who would make it."""

    source: Identifier = Field("referrer", description="`referrer`, `staff`, `derived` or an agency's id.")


class WhatIf(Model):
    """What is supposed to be known of one child. Nothing of it is stored."""

    facts: tuple[SupposedFact, ...] = Field((), max_length=200)
    answers: dict[str, Open[AgencyState]] = Field(
        default_factory=dict, max_length=50, description="By agency; one that is not named was not asked."
    )


class WhatIfAnswer(Model):
    """What the policy would say."""

    outcome: Outcome
    explanation: Explanation

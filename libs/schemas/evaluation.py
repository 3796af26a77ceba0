"""What the thresholds say of a child on the facts known, and exactly why."""

from uuid import UUID

from pydantic import Field

from libs.schemas.base import CodeList, FactName, Identifier, Instant, IsoDate, Model, Open
from libs.schemas.findings import Basis, FactValue, Period
from libs.schemas.levels import Level, Rag


class Trigger(CodeList):
    """What made the system evaluate."""

    RECEIVED = "received"
    ANSWER = "answer"
    INFORMATION = "information"
    COMPLETED = "completed"
    STAFF = "staff"
    REPAIR = "repair"
    LINKED = "linked"
    """Who the child is, or what came before, became known or changed."""
    CORRECTED = "corrected"
    """An agency corrected or took back what it had said."""
    FOUND = "found"
    """The child was found by a check, or added by staff."""
    FAMILY = "family"
    """Something became known of a brother or sister, or of their home."""


class Evidence(Model):
    """One fact that made a rule fire: who said it, how they know, how old it is."""

    fact: FactName
    label: str
    value: FactValue
    source: Identifier = Field(description="`referrer`, an agency's id, or `staff`.")
    basis: Open[Basis]
    period: Open[Period] = Period.NOW
    on: IsoDate | None = None


class FiredRule(Model):
    """A rule that holds on what is known, with exactly the facts that made it hold."""

    rule: str
    title: str
    citation: str
    sentence: str = Field(description="The rule in English.")
    level: Level
    rag: Rag
    immediate: bool = Field(False, description="The rule marks danger that does not wait for checks.")
    actions: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    assumed: tuple[FactName, ...] = Field(
        (),
        description="Facts that nobody stated and that count as met while they are unknown, such as an age.",
    )


class PossibleRise(Model):
    """Rules that could still fire, grouped by what they would raise to and who would have to speak.

    The rules' titles, sentences and citations are those of the policy that the outcome names.
    """

    level: Level
    rag: Rag
    agencies: tuple[Identifier, ...]
    questions: tuple[str, ...] = Field(
        (), description="Ids of the open decisive questions that they hang on."
    )
    rules: tuple[str, ...]


class PartlyMet(Model):
    """A rule that could still fire and of which a part holds already: what supports it, and what is missing."""

    rule: str
    evidence: tuple[Evidence, ...]
    missing: tuple[FactName, ...]
    agencies: tuple[Identifier, ...] = Field(
        (), description="Silent agencies that could state what is missing."
    )
    questions: tuple[str, ...] = Field((), description="Ids of the open decisive questions that ask for it.")


class DecisiveQuestion(Model):
    """What the referrer was not asked or did not answer, and what could raise the outcome given the facts present."""

    decisive: str = Field(description="The policy's id of the question.")
    why: str
    facts: tuple[FactName, ...] = Field(description="What is asked for and not known.")


class Outcome(Model):
    """The result of `evaluate(policy, facts)`: definite, possible, and what the difference hangs on."""

    policy: str = Field(description="SHA-256 fingerprint of policy and dictionary, hexadecimal.")
    evaluator: int = Field(0, description="Version of the evaluator; 0 before versions were recorded.")
    level: Level
    rag: Rag
    could_rise_to: Level
    rag_could_rise_to: Rag
    rag_raised_for: tuple[Identifier, ...] = Field(
        (), description="Sources whose gap alone raised the urgency; `referrer` for a decisive question."
    )
    immediate: bool = Field(False, description="A fired rule marks danger that does not wait for checks.")
    fired: tuple[FiredRule, ...] = ()
    possible: tuple[PossibleRise, ...] = ()
    partly_met: tuple[PartlyMet, ...] = ()
    missing: tuple[FactName, ...] = Field(
        (), description="Facts that are not known and could raise the outcome."
    )
    waiting_on: tuple[Identifier, ...] = ()
    questions: tuple[DecisiveQuestion, ...] = Field(
        (), description="Open questions that could raise the outcome."
    )
    actions: tuple[str, ...] = ()
    possible_actions: tuple[str, ...] = ()


class Evaluation(Model):
    """An outcome as recorded on a case."""

    number: int = Field(ge=1)
    at: Instant
    trigger: Open[Trigger]
    event_id: UUID | None = None
    outcome: Outcome

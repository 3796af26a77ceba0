"""What the thresholds say of a child on the facts known, and exactly why."""

from enum import StrEnum
from uuid import UUID

from pydantic import Field

from libs.schemas.base import FactName, Identifier, Instant, IsoDate, Model, Open
from libs.schemas.findings import Basis, FactValue, Period
from libs.schemas.levels import Level, Rag


class Trigger(StrEnum):
    """What made the system evaluate."""

    RECEIVED = "received"
    ANSWER = "answer"
    INFORMATION = "information"
    COMPLETED = "completed"
    STAFF = "staff"
    REPAIR = "repair"


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


class PossibleRise(Model):
    """Rules that silent agencies could still bring, grouped by what they would raise to and who would have to speak.

    The rules' titles, sentences and citations are those of the policy that the outcome names.
    """

    level: Level
    rag: Rag
    agencies: tuple[Identifier, ...]
    rules: tuple[str, ...]


class Outcome(Model):
    """The result of `evaluate(policy, facts)`: definite, possible, and what the difference hangs on."""

    policy: str = Field(description="SHA-256 fingerprint of policy and dictionary, hexadecimal.")
    level: Level
    rag: Rag
    could_rise_to: Level
    rag_could_rise_to: Rag
    immediate: bool = Field(False, description="A fired rule marks danger that does not wait for checks.")
    fired: tuple[FiredRule, ...] = ()
    possible: tuple[PossibleRise, ...] = ()
    missing: tuple[FactName, ...] = Field(
        (), description="Facts that are not known and could raise the outcome."
    )
    waiting_on: tuple[Identifier, ...] = ()
    actions: tuple[str, ...] = ()
    possible_actions: tuple[str, ...] = ()


class Evaluation(Model):
    """An outcome as recorded on a case."""

    number: int = Field(ge=1)
    at: Instant
    trigger: Open[Trigger]
    event_id: UUID | None = None
    outcome: Outcome

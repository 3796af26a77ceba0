"""The port to an agency: a question goes in, a reply or a kind of silence comes out. Never an exception."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol, Self
from uuid import UUID

from libs.schemas.findings import SETTLED, AgencyState, Answer, Fact
from libs.schemas.person import FoundPerson
from libs.schemas.plans import Dash, Plan, Worker
from services.enrichment.asking.question import Question


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of one attempt to ask.

    `state` is never `pending`: an agency that accepted the question and has no answer yet is `no_answer`, one that
    cannot be reached or whose reply cannot be relied on is `unavailable`. `reason` is a code. `retry_after` are
    the seconds that the agency asked to wait. `reused_from` is when it was given, where it is an earlier answer, and
    `reused_of` the question that it answered.
    `dropped` counts facts that were not understood, by code.
    """

    state: AgencyState
    reason: str | None = None
    retry_after: float | None = None
    as_of: date | None = None
    coverage_from: date | None = None
    coverage_to: date | None = None
    facts: tuple[Fact, ...] = field(default=(), repr=False)
    narrative: str | None = field(default=None, repr=False)
    dash: Dash | None = field(default=None, repr=False)
    plans: tuple[Plan, ...] = field(default=(), repr=False)
    worker: Worker | None = field(default=None, repr=False)
    people: tuple[FoundPerson, ...] = field(default=(), repr=False)
    reused_from: datetime | None = None
    reused_of: UUID | None = None
    dropped: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def repeating(cls, said: Answer, state: AgencyState, of: UUID, given_at: datetime | None) -> Self:
        """An answer to an earlier question, as one to another that asks the same about the same person."""
        return cls(
            state,
            as_of=said.as_of,
            coverage_from=said.coverage_from,
            coverage_to=said.coverage_to,
            facts=said.facts,
            narrative=said.narrative,
            dash=said.dash,
            plans=said.plans,
            worker=said.worker,
            people=said.people,
            reused_from=given_at,
            reused_of=of,
        )

    @property
    def has_content(self) -> bool:
        """Whether it says more than its state."""
        said = (self.facts, self.narrative, self.dash, self.plans, self.worker, self.people)
        return any(said) or bool(self.as_of or self.coverage_from or self.coverage_to)

    @property
    def settled(self) -> bool:
        """Whether asking again brings nothing more."""
        return self.state in SETTLED


class Unreliable(Exception):
    """What an agency sent cannot be relied on; `reason` is the code of the silence that follows."""

    def __init__(self, reason: str = "contract") -> None:
        super().__init__(reason)
        self.reason = reason


class Silent(Exception):
    """The agency said why it gives no answer now."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.reason)
        self.reply = reply


class Agency(Protocol):
    """One agency that can be asked about a child."""

    async def ask(self, question: Question, *, trace: str | None) -> Reply:
        """Asks once. The question's id makes asking again harmless. Every failure is a reply with its reason."""
        ...

    async def close(self) -> None:
        """Gives back connections."""
        ...


class InstantAgency:
    """Answers at once inside the process that it holds nothing. For measuring everything but the agencies."""

    async def ask(self, question: Question, *, trace: str | None) -> Reply:
        return Reply(AgencyState.NOTHING_HELD)

    async def close(self) -> None:
        return None

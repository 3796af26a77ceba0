"""Early help: one request for what is held of a child and the help that was given."""

from typing import Any, Literal

from pydantic import Field

from sandbox.agencies.shapes import Record, Strict, Wire

Part = Literal["assessment", "reviews", "outcome"]


class HeldAssessment(Strict):
    """An early help assessment."""

    status: str
    started_days_ago: int
    completed_days_ago: int | None = None
    organisation: str


class HeldReview(Strict):
    """A review: how far from the family's goals."""

    days_ago: int
    distance: str


class HeldOutcome(Strict):
    """How help ended."""

    closed_days_ago: int
    reason: str


class HeldPractitioner(Strict):
    """Who leads."""

    name: str
    organisation: str
    since_days_ago: int


class EarlyHelpRecord(Record):
    """What early help holds of a child."""

    assessment: HeldAssessment | None = None
    reviews: tuple[HeldReview, ...] = ()
    outcome: HeldOutcome | None = None
    lead_practitioner: HeldPractitioner | None = None
    services: int | None = None
    summary: str | None = None


class Envelope(Wire):
    """Why and what is asked. `reference` is the requester's own and comes back."""

    reference: str
    lawful_basis: str | None = None
    parts: list[Part]


class Child(Wire):
    """Who is meant."""

    family_name: str | None = None
    given_name: str | None = None
    birth_date: str | None = None
    postcode: str | None = None
    upn: str | None = None


class QueryRequest(Wire):
    """A question about one child."""

    request: Envelope
    child: Child


class Assessment(Wire):
    """An early help assessment."""

    status: Literal["complete", "draft", "declined"]
    started_on: str
    completed_on: str | None
    organisation: str


class Review(Wire):
    """A review."""

    on: str
    distance: Literal["better", "same", "worse"]


class Outcome(Wire):
    """How help ended."""

    closed_on: str
    reason: Literal["needs_met", "stepped_up", "disengaged", "agreement_withdrawn"]


class Practitioner(Wire):
    """Who leads."""

    name: str
    organisation: str
    since: str


class Answer(Wire):
    """What is held. What was not asked for is absent."""

    reference: str
    found: Literal["yes", "no", "not_our_area", "agreement_withdrawn"]
    as_of: str
    held_since: str
    child: Child | None = None
    assessment: Assessment | None = None
    reviews: list[Review] = Field([], description="The newest first.")
    outcome: Outcome | None = None
    lead_practitioner: Practitioner | None = None
    services: int | None = None
    summary: str | None = None


class Failure(Wire):
    """Why a request was refused."""

    problem: str
    request: Any = None

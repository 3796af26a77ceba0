"""How an agency is told to treat questions: by manner, by fault, and at which request of an exchange."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import ConfigDict, Field

from libs.schemas.base import Model
from sandbox.families import FamilyChild

AN_HOUR = 3600.0


class Manner(StrEnum):
    """How an agency treats a question."""

    ANSWER = "answer"
    NOTHING_HELD = "nothing_held"
    OUTSIDE_COVERAGE = "outside_coverage"
    DECLINE = "decline"
    SLOW = "slow"
    LATE = "late"
    FAIL = "fail"


class Fault(StrEnum):
    """How an agency fails."""

    STATUS = "status"
    MALFORMED = "malformed"
    HTML = "html"
    TRUNCATED = "truncated"
    HANG = "hang"
    DRIP = "drip"
    TOO_LARGE = "too_large"
    NOT_UTF8 = "not_utf8"
    DUPLICATE_KEY = "duplicate_key"
    ECHO = "echo"
    SIGNED_OUT = "token_expired"
    RESULT_EXPIRED = "result_expired"
    ENDLESS = "endless"
    OTHER_ORIGIN = "other_origin"
    UNCERTAIN = "uncertain"
    FUTURE_DATE = "future_date"
    UNKNOWN_STATE = "unknown_state"
    UNKNOWN_FACT = "unknown_fact"
    SOMEONE_ELSE = "someone_else"


SPOKEN = frozenset(
    (
        Fault.SIGNED_OUT,
        Fault.RESULT_EXPIRED,
        Fault.ENDLESS,
        Fault.OTHER_ORIGIN,
        Fault.UNCERTAIN,
        Fault.FUTURE_DATE,
        Fault.UNKNOWN_STATE,
        Fault.UNKNOWN_FACT,
        Fault.SOMEONE_ELSE,
    )
)
"""Faults that each agency commits in its own language; the others spoil the bytes of any answer."""


class MatchedChild(Model):
    """Whose questions a behaviour is for: every field that is given must be the child's."""

    model_config = ConfigDict(extra="forbid")

    nhs_number: str | None = None
    upn: str | None = None
    given_name: str | None = None
    family_name: str | None = None


class Behaviour(Model):
    """How an agency treats the questions about one child, or all where no child is given.

    `slow` answers after `seconds`; `late` accepts at once and has its answer `seconds` after the first question;
    `fail` fails by `fault`, the first `times` times or always. `status` and `retry_after` are for fault `status`.
    `step` is the request of an exchange at which it happens: the first one that carries the child where not given.
    """

    model_config = ConfigDict(extra="forbid")

    child: MatchedChild | None = None
    question_id: str | None = None
    step: str | None = None
    behaviour: Manner
    seconds: float = Field(1.0, ge=0, le=AN_HOUR)
    fault: Fault = Fault.STATUS
    status: int = Field(503, ge=400, le=599)
    retry_after: int | None = Field(None, ge=0)
    times: int | None = Field(None, ge=1)

    @property
    def whose(self) -> tuple[MatchedChild | None, str | None, str | None]:
        """What it is for: a later behaviour for the same replaces it."""
        return self.child, self.question_id, self.step

    def concerns(self, question_id: str, child: Mapping[str, Any], known: FamilyChild | None) -> bool:
        """Whether it is for this question; a known child is also recognised by what the question does not say."""
        if self.question_id is not None and self.question_id != question_id:
            return False
        if self.child is None:
            return True
        wanted = self.child.model_dump(exclude_none=True)
        return all(value in (child.get(name), getattr(known, name, None)) for name, value in wanted.items())

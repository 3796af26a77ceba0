"""What one agency's silence or answer about a child means now, out of its answers to all questions about that child.

An agency may be asked more than once: what was held back is asked later with a question of its own. Its gap is closed
only where each question has been answered in full, or another question has been that asks for the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from libs.schemas.findings import (
    CORRECTED_ELSEWHERE,
    HELD_BACK,
    LINK_CHANGED,
    PARTIAL,
    AgencyState,
    Answer,
)

SPOKEN = frozenset((AgencyState.RETURNED, AgencyState.NOTHING_HELD))
"""States that a later silence does not undo."""

TAKEN_BACK = "taken_back"
"""Reason of an agency's state after it took its answer back: what it holds is unknown again."""

NO_LONGER_SAID = frozenset((TAKEN_BACK, CORRECTED_ELSEWHERE, LINK_CHANGED))
"""Reasons of an agency's state after its answer ceased to count, and nothing took its place."""

_OPEN = (
    AgencyState.PENDING,
    AgencyState.NO_ANSWER,
    AgencyState.UNAVAILABLE,
    AgencyState.DECLINED,
    AgencyState.OUTSIDE_COVERAGE,
    AgencyState.NOT_REQUESTED,
)
"""Of several gaps the one that is shown: what may still come, before what was refused or never asked."""


@dataclass(frozen=True, slots=True)
class TakenBack:
    """An answer that counts no more: the agency, why, when it ceased to, and what had been asked."""

    agency: str
    reason: str | None
    at: datetime
    items: frozenset[str]

    def open_beside(self, questions: Sequence[Sequence[Answer]]) -> bool:
        """Whether it still leaves a gap beside the agency's other questions.

        What was said of whom the child was taken for is asked anew: the new question says what the agency's answer is.
        Otherwise only what the agency has said since, in full and on each of the items, closes it.
        """
        if self.reason == LINK_CHANGED:
            return not any(self.items <= frozenset(one[-1].items) for one in questions)
        fresh = {item for one in map(latest, questions) if self._since(one) for item in one.items}
        return not self.items or not self.items <= fresh

    def _since(self, one: Answer) -> bool:
        said = one.reused_from or one.answered_at
        return said is not None and said > self.at and _in_full(one)

    @property
    def shown(self) -> str:
        """The reason of the agency's state."""
        return self.reason if self.reason in NO_LONGER_SAID and self.reason else TAKEN_BACK


@dataclass(slots=True)
class AgencyStanding:
    """What one agency's silence or answer means now. The state may be a code that is not known here."""

    state: AgencyState | str
    reason: str | None = None
    asked_at: datetime | None = None
    due_at: datetime | None = None
    answered_at: datetime | None = None
    late: bool = False

    @property
    def spoken(self) -> bool:
        """The agency has answered, and nothing says that it knows more."""
        return self.state in SPOKEN and self.reason not in PARTIAL


def latest(answers: Sequence[Answer]) -> Answer:
    """What a question's answer is now: a silence after an answer undoes nothing."""
    return next((one for one in reversed(answers) if one.state in SPOKEN), answers[-1])


def standing_of(questions: Sequence[Sequence[Answer]]) -> AgencyStanding:
    """What an agency's answers mean. Each question has at least one."""
    answers = [latest(one) for one in questions]
    gaps = [one for one in answers if _is_gap(one, answers)]
    if not gaps:
        shown = next((one for one in answers if one.state == AgencyState.RETURNED), answers[-1])
        spoken = [one for one in answers if one.state in SPOKEN]
        shown = shown if shown.state in SPOKEN or not spoken else spoken[-1]
        return _standing(shown, None if len(answers) > 1 and shown.reason in PARTIAL else shown.reason)
    worst = min(gaps, key=_urgency)
    return _standing(worst, worst.reason)


def _standing(one: Answer, reason: str | None) -> AgencyStanding:
    return AgencyStanding(one.state, reason, one.asked_at, one.due_at, one.answered_at, one.late)


def _urgency(one: Answer) -> int:
    # What is not known here is shown first: nobody can say what it means.
    if one.state in SPOKEN:
        return len(_OPEN)
    return _OPEN.index(AgencyState(one.state)) if one.state in _OPEN else -1


def _is_gap(one: Answer, answers: Sequence[Answer]) -> bool:
    """Whether a question leaves something open that no other question answers."""
    if one.state in SPOKEN and one.reason not in PARTIAL:
        return False
    answered = {item for other in answers if _in_full(other) for item in other.items}
    open_items = set(one.held_back)
    if one.reason != HELD_BACK or one.state not in SPOKEN:
        open_items |= set(one.items)
    if open_items:
        return not open_items <= answered
    # What was not asked for at all is answered by any question that was asked after all.
    never = one.state == AgencyState.NOT_REQUESTED
    return not (never and any(_in_full(other) for other in answers if other is not one))


def _in_full(one: Answer) -> bool:
    """Whether what was asked for was answered in full; what was held back was not asked for."""
    return one.state in SPOKEN and (one.reason not in PARTIAL or one.reason == HELD_BACK)

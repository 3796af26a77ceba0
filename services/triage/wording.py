"""What an agency's silence or answer means, in words: each kind of nothing has a sentence of its own.

Codes of reasons are said as they are, with spaces: they are the partnership's and the agencies' own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from libs.schemas.findings import (
    ASKED_AGAIN,
    ASKED_WITH_SIBLING,
    CORRECTED_ELSEWHERE,
    EXISTENCE_ONLY,
    HELD_BACK,
    LINK_CHANGED,
    PARTLY_UNDERSTOOD,
    AgencyState,
    Answer,
    Correction,
)
from libs.schemas.people import Candidate, Comparison, Likeness
from services.triage.standing import TAKEN_BACK, AgencyStanding

_SAID: Mapping[str, str] = {
    AgencyState.PENDING: "No answer yet",
    AgencyState.RETURNED: "Answered",
    AgencyState.NOTHING_HELD: "Searched its records and holds nothing about the child",
    AgencyState.OUTSIDE_COVERAGE: "Its records do not cover the child, so they could not tell",
    AgencyState.NOT_REQUESTED: "Was not asked",
    AgencyState.DECLINED: "Refused to answer",
    AgencyState.NO_ANSWER: "Was asked and has not answered in time; the answer may still come",
    AgencyState.UNAVAILABLE: "Could not be reached, or its answer could not be used",
}

_PARTLY: Mapping[str, str] = {
    PARTLY_UNDERSTOOD: "A part of the answer was not understood, and what it says is unknown.",
    EXISTENCE_ONLY: "It says that something is held, and not what.",
    HELD_BACK: "Not everything could be asked, and what was not asked is unknown.",
    ASKED_WITH_SIBLING: "What concerns the home was asked with a brother or sister, and is not answered yet.",
}

_NO_LONGER_SAID: Mapping[str, str] = {
    TAKEN_BACK: "Took its answer back; what it holds is unknown.",
    CORRECTED_ELSEWHERE: (
        "Took back in another referral the answer that counted here too; what it holds is unknown."
    ),
    LINK_CHANGED: (
        "Its answer was about somebody else, whom the child was taken for; it is asked anew, and what it holds is"
        " unknown."
    ),
}


def silence(state: AgencyState | str, reason: str | None) -> str:
    """What a state means. No two states, and no two reasons of one state, are said alike."""
    if reason is not None and reason in _NO_LONGER_SAID:
        return _NO_LONGER_SAID[reason]
    said = _SAID.get(state)
    if said is None:
        return f"Its state is `{state}`, which is not known here: what it holds is unknown."
    if reason is None:
        return f"{said}."
    return f"{said}. {_PARTLY[reason]}" if reason in _PARTLY else f"{said} ({_plain(reason)})."


def corrected(correction: Correction) -> str:
    """What became of an answer, and why."""
    back = correction.answer is None
    if correction.reason == LINK_CHANGED:
        return "The answer counts no more: it was about somebody else, whom the child was taken for."
    if correction.reason == CORRECTED_ELSEWHERE:
        what = "took back" if back else "corrected"
        return f"The agency {what} in another referral the answer that counted here too."
    if correction.reason == ASKED_AGAIN and not back:
        return "The agency was asked once more and said something else, which counts in the first answer's place."
    why = f" ({_plain(correction.reason)})" if correction.reason else ""
    return f"The agency {'took back what it had answered' if back else 'corrected its answer'}{why}."


@dataclass(frozen=True, slots=True)
class Words:
    """Puts states into words, with days and times as the hub's clocks show them."""

    zone: ZoneInfo

    def state(self, standing: AgencyStanding, answer: Answer | None, now: datetime) -> str:
        """What an agency's silence or answer means, with when, of what age and over which time."""
        sentences = [silence(standing.state, standing.reason)]
        if standing.asked_at is not None:
            sentences.append(f"Asked {self.at(standing.asked_at)}.")
        if standing.answered_at is not None:
            late = ", after its time was up" if standing.late else ""
            sentences.append(f"Answer of {self.at(standing.answered_at)}{late}.")
        elif standing.due_at is not None and standing.state != AgencyState.NOT_REQUESTED:
            past = "was" if standing.due_at < now else "is"
            sentences.append(f"The answer {past} due by {self.at(standing.due_at)}.")
        if answer is not None:
            sentences += self._of(answer, now)
        return " ".join(sentences)

    def days_old(self, day: date, now: datetime) -> int:
        """How old what is of that day is now, by the hub's own midnights."""
        return max((now.astimezone(self.zone).date() - day).days, 0)

    def _of(self, answer: Answer, now: datetime) -> list[str]:
        found = []
        if answer.reused_from is not None:
            found.append(
                f"Given {self.at(answer.reused_from)} to an earlier question that was recent enough."
            )
        if answer.as_of is not None:
            found.append(f"From data of {day(answer.as_of)}, {self.days_old(answer.as_of, now)} days old.")
        if answer.coverage_from is not None or answer.coverage_to is not None:
            since = f" from {day(answer.coverage_from)}" if answer.coverage_from else ""
            until = f" until {day(answer.coverage_to)}" if answer.coverage_to else ""
            found.append(f"Its records cover the time{since}{until}.")
        if answer.held_back:
            items = ", ".join(
                f"{_plain(item)} ({_plain(why)})" for item, why in sorted(answer.held_back.items())
            )
            found.append(f"Not asked for: {items}.")
        return found

    def at(self, instant: datetime) -> str:
        """An instant, in the hub's time."""
        here = instant.astimezone(self.zone)
        return f"{day(here.date())}, {here:%H:%M}"


def day(on: date) -> str:
    """A day."""
    return f"{on.day} {on:%B %Y}"


_LIKE: Mapping[str, Callable[[str], str]] = {
    Likeness.SAME: "{} is the same".format,
    Likeness.CLOSE: "{} is close".format,
    Likeness.DIFFERENT: "{} differs".format,
    Likeness.CONTRADICTS: "{} contradicts".format,
    Likeness.MISSING: "{} is missing".format,
}


def score(candidate: Candidate) -> str:
    """Why a candidate has its score, the weightiest field first. It names fields and never what stands in them."""
    told = sorted(candidate.comparisons, key=lambda one: (-abs(one.points), one.field))
    parts = ", ".join(_compared(one) for one in told)
    return f"{str(candidate.band).capitalize()}, {candidate.score} of 100" + (f": {parts}." if parts else ".")


def _compared(one: Comparison) -> str:
    like = _LIKE.get(one.likeness, "{} was compared".format)
    return f"{like(_plain(one.field))} ({one.points:+d})"


def _plain(code: str) -> str:
    return code.replace("_", " ")

"""The partnership's files as triage applies them: policy, clocks, teams, and placement over what is known."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from libs.schemas.document import DocumentError, read_document
from libs.schemas.levels import Destination
from services.triage.case import Case
from services.triage.clocks.calendar import Calendar
from services.triage.clocks.hub import READING, Hub
from services.triage.clocks.loading import load_hub
from services.triage.handover.terms import Terms, load_terms
from services.triage.names import Names, load_names
from services.triage.policies.rulebook import Rulebook, Rulebooks, make_rulebook
from services.triage.policy import read_texts
from services.triage.tasks.due import Days, Due
from services.triage.tasks.loading import load_task_terms
from services.triage.tasks.terms import TaskTerms

SCREENING = "screening"
"""The queue of everything that is not placed yet, and of what cannot wait for placement."""


@dataclass(frozen=True, slots=True)
class Teams:
    """Which team owns which queue."""

    owners: Mapping[str, str]

    @property
    def duty(self) -> str:
        """The team that takes what has just come, what is dangerous, and what is stuck."""
        return self.owners[SCREENING]

    def of(self, case: Case) -> str:
        """The team in whose queue a case stands; where it is being handed over, the one that is to accept it."""
        urgent = case.immediate_danger and not case.decided
        if urgent or case.stub or case.stopped or case.withheld or case.destination is None:
            return self.duty
        if case.decided and case.decided_to is not None:
            return self.owners[case.decided_to.value]
        return self.owners[case.destination.value]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Everything of a partnership that decides."""

    rulebooks: Rulebooks
    clocks: Hub
    teams: Teams
    tasks: TaskTerms
    terms: Terms = field(default_factory=lambda: Terms({}))
    names: Names = field(default_factory=Names)

    def rulebook(self, received_at: datetime) -> Rulebook:
        """The policy for a referral: the one that was in force when it was received."""
        return self.rulebooks.at(received_at)

    def task_due(self, kind: str, received_at: datetime, start: datetime) -> Due | None:
        """By when a task is done that was raised at `start`; None where no file says. The referral's policy has the
        actions.
        """
        return self.tasks.due(self.clocks, kind, self.rulebook(received_at).policy.actions, start)

    def flow_due(self, kind: str, start: datetime) -> Due:
        """By when a task of the flow is done that was raised at `start`. Raises KeyError where it is none."""
        return self.days.due(self.tasks.flow[kind].within, start)

    def reading_due(self, start: datetime) -> Due:
        """By when somebody has read what came then."""
        return self.days.due(self.clocks.clocks[READING].rule, start)

    @property
    def days(self) -> Days:
        """The days of the hub and those of the schools."""
        return Days(self.clocks.calendar, self.tasks.school)


def load_thresholds(partnership: Path) -> Thresholds:
    """Reads the partnership's directory. Raises DocumentError naming every mistake."""
    rulebooks = Rulebooks(make_rulebook(read_texts(partnership)))
    clocks = load_hub(partnership / "clocks.yaml")
    tasks, terms = (
        load_task_terms(partnership / "tasks.yaml", clocks.zone),
        load_terms(partnership / "handover.yaml"),
    )
    return Thresholds(
        rulebooks=rulebooks,
        clocks=ruled_by(clocks, tasks.school, terms),
        teams=load_teams(partnership / "teams.yaml"),
        tasks=tasks,
        terms=terms,
        names=load_names(partnership),
    )


def ruled_by(clocks: Hub, school: Calendar, terms: Terms) -> Hub:
    """The hub with the fingerprint of everything by which an instant is worked out: where the schools' days or a
    receiving end's time change, what stands by the old ones is worked out anew as after a change of the hub's own.
    """
    meaning = (clocks.fingerprint, sorted(school.hours.items()), sorted(school.closed), terms)
    return replace(clocks, fingerprint=sha256(repr(meaning).encode()).hexdigest())


def load_teams(path: Path) -> Teams:
    """Reads and checks `teams.yaml`. Raises DocumentError."""
    root = read_document(path).fields({"about": True, "teams": True, "queues": True})
    teams = root["teams"].fields()
    queues = root["queues"].fields(dict.fromkeys([SCREENING, *(one.value for one in Destination)], True))
    if not teams:
        raise DocumentError([f"{root['teams'].place}: there is no team"])
    return Teams({queue: node.choice(list(teams), "team") for queue, node in queues.items()})

"""By when each task is due: the actions of `actions.yaml`, and the tasks of `tasks.yaml`. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from services.triage.clocks.calendar import Calendar, Unit
from services.triage.clocks.hub import Hub
from services.triage.clocks.rules import Length
from services.triage.policy.rules import Action
from services.triage.tasks.due import Before, Days, Due

DUTY_TEAM = "emergency_duty_team"
"""The action of handing over to the Emergency Duty Team, which serves while the hub is closed."""

STRATEGY = "strategy_discussion"
TELL_CAISU = "tell_caisu"
CHALLENGE = "review_challenge"
"""A stage of a professional challenge: its clock is the stage's own."""

CHALLENGE_JOINED = "read_joined_challenge"
"""Somebody else challenges a decision that is under review: its reviewer is told."""

LOOK_AGAIN = "look_at_decision_at_risk"
"""Asked of whoever decided, where something learnt since puts their decision at risk: it is theirs from the start."""

MANAGER_LOOKS = "manager_looks_at_decision_at_risk"
AT_RISK = (LOOK_AGAIN, MANAGER_LOOKS)
"""Both are done by a new decision, or by whoever says why the old one holds."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a task is, and how long there is for it."""

    id: str
    label: str
    within: Length
    cite: str


@dataclass(frozen=True, slots=True)
class TaskTerms:
    """What `tasks.yaml` says. `school`: when the schools are open."""

    flow: Mapping[str, Kind]
    by_hand: Mapping[str, Kind]
    school: Calendar

    def label(self, kind: str, actions: Mapping[str, Action]) -> str:
        """What a task of that kind asks for; its name in words where no file has it any more."""
        known = actions.get(kind) or self.flow.get(kind) or self.by_hand.get(kind)
        return known.label if known is not None else kind.replace("_", " ").capitalize()

    def kinds_by_hand(self, actions: Mapping[str, Action]) -> tuple[str, ...]:
        """The kinds that a person may set."""
        return (*self.by_hand, *(name for name in actions if name not in self.by_hand))

    def due(self, hub: Hub, kind: str, actions: Mapping[str, Action], start: datetime) -> Due | None:
        """By when a task of that kind that was raised then is done; None where nothing says.

        What must be done before something is due when that begins next; everything else after its length.
        """
        days = Days(hub.calendar, self.school)
        known = self.flow.get(kind) or self.by_hand.get(kind)
        if known is not None:
            return days.due(known.within, start)
        action = actions.get(kind)
        if action is None:
            return None
        if action.before is not None:
            return days.due(Before.SCHOOL, start)
        if action.minutes is None:
            return None
        if kind == DUTY_TEAM and hub.calendar.is_open(start):
            # Until then the hub itself acts; whoever is still undecided when it closes is handed over.
            return Due(closing(hub, start))
        return days.due(Length(action.minutes, Unit(action.unit or Unit.ELAPSED)), start)


def closing(hub: Hub, instant: datetime) -> datetime:
    """When the hub, which is open at that moment, closes."""
    return hub.calendar.opening(hub.day(instant)).closes


def needs_duty_team(hub: Hub, now: datetime, target: datetime) -> bool:
    """Whether what must be acted on by `target` cannot wait for the hub: it is closed, or will close before that.

    Working Together to Safeguard Children: urgent work goes to whoever is there, at any hour.
    """
    return not hub.calendar.is_open(now) or closing(hub, now) < target
